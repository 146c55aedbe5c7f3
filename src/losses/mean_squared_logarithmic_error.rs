//! [`MeanSquaredLogarithmicError`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::graph::Value;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeanSquaredLogarithmicError {
    name: String,
    reduction: Reduction,
}

impl Default for MeanSquaredLogarithmicError {
    fn default() -> Self {
        MeanSquaredLogarithmicError {
            name: "mean_squared_logarithmic_error".into(),
            reduction: Reduction::default(),
        }
    }
}

impl MeanSquaredLogarithmicError {
    shared_settings!(builder);
}

impl Loss for MeanSquaredLogarithmicError {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let log = |value: &Value| value.maximum(1e-7).ln_1p();
        (log(y_true) - log(y_pred)).square().mean(-1)
    }

    shared_settings!(loss "MeanSquaredLogarithmicError");
}
