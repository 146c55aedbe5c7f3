//! [`MeanSquaredError`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::graph::Value;

/// The mean of squared errors.
///
/// `mean((y_true - y_pred)²)` over the last axis: `(batch, ..., units)` costs `(batch, ...)`.
///
/// Source: <https://keras.io/api/losses/regression_losses/#meansquarederror-class>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeanSquaredError {
    name: String,
    reduction: Reduction,
}

impl Default for MeanSquaredError {
    fn default() -> Self {
        MeanSquaredError {
            name: "mean_squared_error".into(),
            reduction: Reduction::default(),
        }
    }
}

impl MeanSquaredError {
    shared_settings!(builder);
}

impl Loss for MeanSquaredError {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        (y_true - y_pred).square().mean(-1)
    }

    shared_settings!(loss "MeanSquaredError");
}
