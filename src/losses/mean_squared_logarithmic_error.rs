//! [`MeanSquaredLogarithmicError`].

use super::plain_loss;
use crate::graph::Value;

plain_loss! {
    /// The mean of squared differences of logarithms, for targets that span magnitudes.
    ///
    /// `mean((ln(1 + max(y_true, 1e-7)) - ln(1 + max(y_pred, 1e-7)))²)` over the last axis: `(batch, ..., units)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/regression_losses/#meansquaredlogarithmicerror-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredLogarithmicError::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    MeanSquaredLogarithmicError, "mean_squared_logarithmic_error",
    |y_true, y_pred| {
        let log = |value: &Value| value.maximum(1e-7).ln_1p();
        (log(y_true) - log(y_pred)).square().mean(-1)
    }
}
