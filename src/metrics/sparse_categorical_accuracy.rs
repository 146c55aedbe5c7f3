//! [`SparseCategoricalAccuracy`]: how often the largest prediction is that of the class id.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, Metric, RunningMean, argmax, check_ids, mean_of_values, parse};
use crate::error::Result;

/// How often the largest prediction is that of the class id: the mean of
/// `argmax(y_pred) == y_true`, where of equal values the first wins.
///
/// `y_true`: `(batch, ...)` or `(batch, ..., 1)` of class ids; `y_pred`: `(batch, ..., classes)`.
/// The name is `sparse_categorical_accuracy`.
///
/// Source: `keras.metrics.SparseCategoricalAccuracy`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, Metric, SparseCategoricalAccuracy};
///
/// let mut metric = SparseCategoricalAccuracy::new();
/// metric.update(&Batch {
///     y_true: &[2.0, 1.0],
///     y_true_shape: &[2],
///     y_pred: &[0.1, 0.6, 0.3, 0.05, 0.95, 0.0],
///     y_pred_shape: &[2, 3],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 0.5);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct SparseCategoricalAccuracy {
    name: String,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for SparseCategoricalAccuracy {
    fn default() -> Self {
        Self {
            name: "sparse_categorical_accuracy".into(),
            mean: RunningMean::new(),
        }
    }
}

impl SparseCategoricalAccuracy {
    /// The metric, logged as `sparse_categorical_accuracy`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("SparseCategoricalAccuracy", config)
    }
}

impl Metric for SparseCategoricalAccuracy {
    mean_of_values!();

    fn class_name(&self) -> &str {
        "SparseCategoricalAccuracy"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32" })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        check_ids(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        check_ids(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        self.mean.add_hits::<false>(
            batch,
            #[inline(always)]
            |ids, y_pred| ids.first() == Some(&(argmax(y_pred) as f32)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_have_an_axis_of_their_own() {
        // Largest: 0, 2, 1; ids 0, 2, 2 and an id that is no class, 2 of 4.
        let mut metric = SparseCategoricalAccuracy::new();
        let batch = Batch {
            y_true: &[0.0, 2.0, 2.0, 7.0],
            y_true_shape: &[4, 1],
            y_pred: &[0.9, 0.1, 0.0, 0.0, 0.1, 0.9, 0.0, 0.9, 0.1, 0.0, 0.9, 0.1],
            y_pred_shape: &[4, 3],
            sample_weight: None,
        };
        metric.update(&batch).unwrap();
        assert_eq!(metric.result(), 0.5);
    }
}
