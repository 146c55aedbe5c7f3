//! [`CategoricalAccuracy`]: how often the largest prediction is that of the one-hot target.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, Metric, RunningMean, argmax, check_one_hot, mean_of_values, parse};
use crate::error::Result;

/// How often the largest prediction is that of the one-hot target: the mean of
/// `argmax(y_pred) == argmax(y_true)`, where of equal values the first wins.
///
/// `y_true`, `y_pred`: `(batch, ..., classes)`. Logits do as well as probabilities. The name is
/// `categorical_accuracy`.
///
/// Source: `keras.metrics.CategoricalAccuracy`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, Metric, CategoricalAccuracy};
///
/// let mut metric = CategoricalAccuracy::new();
/// metric.update(&Batch {
///     y_true: &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
///     y_true_shape: &[2, 3],
///     y_pred: &[0.1, 0.9, 0.8, 0.05, 0.95, 0.0],
///     y_pred_shape: &[2, 3],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 0.5);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct CategoricalAccuracy {
    name: String,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for CategoricalAccuracy {
    fn default() -> Self {
        Self {
            name: "categorical_accuracy".into(),
            mean: RunningMean::new(),
        }
    }
}

impl CategoricalAccuracy {
    /// The metric, logged as `categorical_accuracy`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("CategoricalAccuracy", config)
    }
}

impl Metric for CategoricalAccuracy {
    mean_of_values!();

    fn class_name(&self) -> &str {
        "CategoricalAccuracy"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32" })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        check_one_hot(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        check_one_hot(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        self.mean.add_hits::<true>(
            batch,
            #[inline(always)]
            |y_true, y_pred| argmax(y_true) == argmax(y_pred),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_class() {
        // Keras gives 1: classes 1 and 1, then 0 and 0.
        let mut metric = CategoricalAccuracy::new();
        let batch = Batch {
            y_true: &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            y_true_shape: &[2, 3],
            y_pred: &[0.1, 0.5, 0.5, 0.2, 0.2, 0.1],
            y_pred_shape: &[2, 3],
            sample_weight: None,
        };
        metric.update(&batch).unwrap();
        assert_eq!(metric.result(), 1.0);
    }
}
