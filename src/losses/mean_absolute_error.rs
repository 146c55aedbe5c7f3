//! [`MeanAbsoluteError`].

use super::plain_loss;

plain_loss! {
    /// The mean of absolute errors.
    ///
    /// `mean(|y_true - y_pred|)` over the last axis: `(batch, ..., units)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/regression_losses/#meanabsoluteerror-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
    /// model.compile(Compile::new(Adam::new(), MeanAbsoluteError::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    MeanAbsoluteError, "mean_absolute_error",
    |y_true, y_pred| (y_true - y_pred).abs().mean(-1)
}
