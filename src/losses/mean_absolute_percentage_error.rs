//! [`MeanAbsolutePercentageError`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::graph::Value;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeanAbsolutePercentageError {
    name: String,
    reduction: Reduction,
}

impl Default for MeanAbsolutePercentageError {
    fn default() -> Self {
        MeanAbsolutePercentageError {
            name: "mean_absolute_percentage_error".into(),
            reduction: Reduction::default(),
        }
    }
}

impl MeanAbsolutePercentageError {
    shared_settings!(builder);
}

impl Loss for MeanAbsolutePercentageError {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let relative = (y_true - y_pred).abs() / y_true.abs().maximum(1e-7);
        relative.mean(-1) * 100.0
    }

    shared_settings!(loss "MeanAbsolutePercentageError");
}
