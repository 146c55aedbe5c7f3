//! [`SquaredHinge`].

use super::hinge::signs;
use super::plain_loss;

plain_loss! {
    /// The square of the [`Hinge`](super::Hinge) cost of each prediction.
    ///
    /// `mean(max(1 - t p, 0)²)` over the last axis: `(batch, ..., units)` costs `(batch, ...)`. Targets are
    /// -1 and 1; a batch whose targets are all 0 or 1 counts as such of -1 and 1, as in Keras.
    ///
    /// Source: <https://keras.io/api/losses/hinge_losses/#squaredhinge-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// use horn::losses::SquaredHinge;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3).activation(Tanh));
    /// model.compile(Compile::new(Adam::new(), SquaredHinge::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    SquaredHinge, "squared_hinge",
    |y_true, y_pred| (1.0 - signs(y_true) * y_pred).maximum(0.0).square().mean(-1)
}
