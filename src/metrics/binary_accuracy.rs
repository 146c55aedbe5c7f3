//! [`BinaryAccuracy`]: how often a probability lies on the right side of a threshold.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, Metric, RunningMean, check_same, mean_of_values, parse};
use crate::error::{Error, Result};

/// How often predictions match binary targets: the mean of `(y_pred > threshold) == y_true`.
///
/// `y_true`: `(batch, ...)` of 0 and 1; `y_pred`: the same shape, probabilities. The name is
/// `binary_accuracy`, the threshold 0.5.
///
/// Source: `keras.metrics.BinaryAccuracy`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, BinaryAccuracy, Metric};
///
/// let mut metric = BinaryAccuracy::new();
/// metric.update(&Batch {
///     y_true: &[1.0, 1.0, 0.0, 0.0],
///     y_true_shape: &[4, 1],
///     y_pred: &[0.98, 1.0, 0.0, 0.6],
///     y_pred_shape: &[4, 1],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 0.75);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct BinaryAccuracy {
    name: String,
    threshold: f64,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for BinaryAccuracy {
    fn default() -> Self {
        Self {
            name: "binary_accuracy".into(),
            threshold: 0.5,
            mean: RunningMean::new(),
        }
    }
}

impl BinaryAccuracy {
    /// The metric with threshold 0.5.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a prediction must exceed to mean 1; strictly between 0 and 1.
    pub fn threshold(mut self, threshold: impl Into<f64>) -> Self {
        self.threshold = threshold.into();
        self
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("BinaryAccuracy", config)
    }
}

impl Metric for BinaryAccuracy {
    mean_of_values!();

    fn class_name(&self) -> &str {
        "BinaryAccuracy"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32", "threshold": self.threshold })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        if !(self.threshold > 0.0 && self.threshold < 1.0) {
            return Err(Error::argument(
                "BinaryAccuracy",
                "threshold",
                "between 0 and 1",
                self.threshold,
            ));
        }
        check_same(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        if batch.y_true.len() != batch.y_pred.len() {
            check_same(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        }
        let threshold = self.threshold as f32;
        self.mean.add_matches(batch, |y_true, y_pred| {
            y_true == f32::from(u8::from(y_pred > threshold))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_at_the_threshold_means_zero() {
        let mut metric = BinaryAccuracy::new();
        let batch = Batch {
            y_true: &[0.0, 1.0],
            y_true_shape: &[2],
            y_pred: &[0.5, 0.5],
            y_pred_shape: &[2, 1],
            sample_weight: None,
        };
        metric.update(&batch).unwrap();
        assert_eq!(metric.result(), 0.5);
    }

    #[test]
    fn the_threshold_is_a_probability() {
        assert!(BinaryAccuracy::new().check(&[2], &[2, 1]).is_ok());
        let metric = BinaryAccuracy::new().threshold(1.0);
        assert!(metric.check(&[2], &[2, 1]).is_err());
    }
}
