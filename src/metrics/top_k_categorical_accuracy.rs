//! [`TopKCategoricalAccuracy`]: how often the one-hot target is among the `k` largest predictions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Batch, Metric, RunningMean, at_largest, check_one_hot, in_top_k, mean_of_values, parse,
};
use crate::error::{Error, Result};

/// How often the one-hot target is among the `k` largest predictions; all that tie with the k-th
/// are among them.
///
/// `y_true`, `y_pred`: `(batch, ..., classes)`. The name is `top_k_categorical_accuracy`, `k` is 5.
///
/// Source: `keras.metrics.TopKCategoricalAccuracy`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, Metric, TopKCategoricalAccuracy};
///
/// let mut metric = TopKCategoricalAccuracy::new().k(2);
/// metric.update(&Batch {
///     y_true: &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
///     y_true_shape: &[2, 3],
///     y_pred: &[0.1, 0.9, 0.8, 0.05, 0.0, 0.95],
///     y_pred_shape: &[2, 3],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 0.5);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct TopKCategoricalAccuracy {
    name: String,
    k: usize,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for TopKCategoricalAccuracy {
    fn default() -> Self {
        Self {
            name: "top_k_categorical_accuracy".into(),
            k: 5,
            mean: RunningMean::new(),
        }
    }
}

impl TopKCategoricalAccuracy {
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
        parse::<Self>("TopKCategoricalAccuracy", config)
    }
}

impl Metric for TopKCategoricalAccuracy {
    mean_of_values!();

    fn class_name(&self) -> &str {
        "TopKCategoricalAccuracy"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32", "k": self.k })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        if self.k == 0 {
            return Err(Error::argument(
                "TopKCategoricalAccuracy",
                "k",
                "at least 1",
                self.k,
            ));
        }
        check_one_hot(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        check_one_hot(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        let k = self.k;
        self.mean.add_hits::<true>(
            batch,
            #[inline(always)]
            |y_true, y_pred| {
                let own = at_largest(y_true, y_pred.iter().rev().copied());
                in_top_k(own.unwrap_or(f32::NAN), y_pred, k)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_with_the_kth_count() {
        // Keras gives 2 of 3 for these ties.
        let mut metric = TopKCategoricalAccuracy::new().k(2);
        let batch = Batch {
            y_true: &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            y_true_shape: &[3, 3],
            y_pred: &[0.1, 0.4, 0.4, 0.3, 0.3, 0.3, 0.5, 0.4, 0.4],
            y_pred_shape: &[3, 3],
            sample_weight: None,
        };
        metric.update(&batch).unwrap();
        assert_eq!(metric.result(), 2.0 / 3.0);
    }

    #[test]
    fn no_places_are_an_error() {
        assert!(
            TopKCategoricalAccuracy::new()
                .k(0)
                .check(&[2, 3], &[2, 3])
                .is_err()
        );
    }
}
