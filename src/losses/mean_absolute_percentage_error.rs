//! [`MeanAbsolutePercentageError`].

use super::plain_loss;

plain_loss! {
    /// The mean of absolute errors in percent of the target.
    ///
    /// `100 mean(|y_true - y_pred| / max(|y_true|, 1e-7))` over the last axis: `(batch, ..., units)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/regression_losses/#meanabsolutepercentageerror-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
    /// model.compile(Compile::new(Adam::new(), MeanAbsolutePercentageError::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    MeanAbsolutePercentageError, "mean_absolute_percentage_error",
    |y_true, y_pred| {
        let relative = (y_true - y_pred).abs() / y_true.abs().maximum(1e-7);
        relative.mean(-1) * 100.0
    }
}
