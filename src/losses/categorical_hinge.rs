//! [`CategoricalHinge`].

use super::plain_loss;

plain_loss! {
    /// How far the best wrong class comes above the right one, with a margin of 1.
    ///
    /// `max(max((1 - t) p) - sum(t p) + 1, 0)` over the last axis, of one-hot targets:
    /// `(batch, ..., classes)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/hinge_losses/#categoricalhinge-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// use horn::losses::CategoricalHinge;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(3));
    /// model.compile(Compile::new(Adam::new(), CategoricalHinge::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    CategoricalHinge, "categorical_hinge",
    |y_true, y_pred| {
        let right = (y_true * y_pred).sum(-1);
        let wrong = ((1.0 - y_true) * y_pred).max(-1);
        (wrong - right + 1.0).maximum(0.0)
    }
}
