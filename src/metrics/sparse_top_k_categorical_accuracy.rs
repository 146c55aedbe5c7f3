//! [`SparseTopKCategoricalAccuracy`]: how often the class id is among the `k` largest predictions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, Metric, RunningMean, check_ids, in_top_k, mean_of_values, parse};
use crate::error::{Error, Result};

/// How often the class id is among the `k` largest predictions; all that tie with the k-th are
/// among them, and an id that is no class never is.
///
/// `y_true`: `(batch, ...)` or `(batch, ..., 1)` of class ids; `y_pred`: `(batch, ..., classes)`.
/// The name is `sparse_top_k_categorical_accuracy`, `k` is 5.
///
/// Source: `keras.metrics.SparseTopKCategoricalAccuracy`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, Metric, SparseTopKCategoricalAccuracy};
///
/// let mut metric = SparseTopKCategoricalAccuracy::new().k(2);
/// metric.update(&Batch {
///     y_true: &[2.0, 1.0],
///     y_true_shape: &[2],
///     y_pred: &[0.1, 0.9, 0.8, 0.05, 0.0, 0.95],
///     y_pred_shape: &[2, 3],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 0.5);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct SparseTopKCategoricalAccuracy {
    name: String,
    k: usize,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for SparseTopKCategoricalAccuracy {
    fn default() -> Self {
        Self {
            name: "sparse_top_k_categorical_accuracy".into(),
            k: 5,
            mean: RunningMean::new(),
        }
    }
}

impl SparseTopKCategoricalAccuracy {
    /// The metric with `k = 5`.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many of the largest predictions count; at least 1.
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("SparseTopKCategoricalAccuracy", config)
    }
}

impl Metric for SparseTopKCategoricalAccuracy {
    mean_of_values!();

    fn class_name(&self) -> &str {
        "SparseTopKCategoricalAccuracy"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32", "k": self.k })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        if self.k == 0 {
            return Err(Error::argument(
                "SparseTopKCategoricalAccuracy",
                "k",
                "at least 1",
                self.k,
            ));
        }
        check_ids(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        check_ids(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        let k = self.k;
        self.mean.add_hits::<false>(
            batch,
            #[inline(always)]
            |ids, y_pred| {
                // Negative ids and NaN would turn into class 0.
                let id = ids.first().copied().filter(|id| *id >= 0.0);
                let own = id.and_then(|id| y_pred.get(id as usize));
                in_top_k(own.copied().unwrap_or(f32::NAN), y_pred, k)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_no_class_never_count() {
        // Ids 0, -1, 9 and NaN: 1 of 4.
        let mut metric = SparseTopKCategoricalAccuracy::new();
        let batch = Batch {
            y_true: &[0.0, -1.0, 9.0, f32::NAN],
            y_true_shape: &[4],
            y_pred: &[0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1],
            y_pred_shape: &[4, 2],
            sample_weight: None,
        };
        metric.update(&batch).unwrap();
        assert_eq!(metric.result(), 0.25);
    }

    #[test]
    fn no_places_are_an_error() {
        assert!(
            SparseTopKCategoricalAccuracy::new()
                .k(0)
                .check(&[2], &[2, 3])
                .is_err()
        );
    }
}
