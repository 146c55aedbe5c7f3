//! [`Hinge`].

use super::plain_loss;
use crate::graph::Value;

plain_loss! {
    /// The cost of predictions on the wrong side of a margin of 1.
    ///
    /// `mean(max(1 - t p, 0))` over the last axis: `(batch, ..., units)` costs `(batch, ...)`. Targets are
    /// -1 and 1; a batch whose targets are all 0 or 1 counts as such of -1 and 1, as in Keras.
    ///
    /// Source: <https://keras.io/api/losses/hinge_losses/#hinge-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// use horn::losses::Hinge;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3).activation(Tanh));
    /// model.compile(Compile::new(Adam::new(), Hinge::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    Hinge, "hinge",
    |y_true, y_pred| (1.0 - signs(y_true) * y_pred).maximum(0.0).mean(-1)
}

/// Targets of 0 and 1 as -1 and 1. One other number in the batch, and all stay as they are.
pub(super) fn signs(targets: &Value) -> Value {
    let is_other = 1.0 - targets.equal(0.0) - targets.equal(1.0);
    let any_other = is_other.max(..).broadcast_to(targets.shape());
    any_other.select(targets, targets * 2.0 - 1.0)
}
