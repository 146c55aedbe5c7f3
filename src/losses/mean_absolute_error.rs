//! [`MeanAbsoluteError`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::graph::Value;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeanAbsoluteError {
    name: String,
    reduction: Reduction,
}

impl Default for MeanAbsoluteError {
    fn default() -> Self {
        MeanAbsoluteError {
            name: "mean_absolute_error".into(),
            reduction: Reduction::default(),
        }
    }
}

impl MeanAbsoluteError {
    shared_settings!(builder);
}

impl Loss for MeanAbsoluteError {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        (y_true - y_pred).abs().mean(-1)
    }

    shared_settings!(loss "MeanAbsoluteError");
}
