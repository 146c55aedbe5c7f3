//! [`Mean`] and [`Sum`], of numbers that are no targets and predictions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::weights::Weights;
use super::{Batch, Metric, RunningMean, parse};
use crate::error::Result;

/// A metric of numbers alone, its type and its docs.
macro_rules! of_numbers {
    (
        $(#[$doc:meta])* $Name:ident, $name:literal,
        |$sums:ident, $batch:ident| $update:expr, |$mean:ident| $result:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(default)]
        pub struct $Name {
            name: String,
            #[serde(skip)]
            mean: RunningMean,
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name {
                    name: $name.into(),
                    mean: RunningMean::new(),
                }
            }
        }

        impl $Name {
            /// Of nothing yet.
            pub fn new() -> Self {
                Self::default()
            }

            /// Takes in numbers, each with a weight of 1.
            pub fn add(&mut self, values: &[f32]) {
                for value in values {
                    self.mean.push(f64::from(*value), 1.0);
                }
            }

            /// Takes in numbers with their weights; what has no partner is left out.
            pub fn add_weighted(&mut self, values: &[f32], weights: &[f32]) {
                for (value, weight) in values.iter().zip(weights) {
                    self.mean.push(f64::from(*value), f64::from(*weight));
                }
            }

            /// The name that is logged.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.name = name.into();
                self
            }

            pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
                parse::<Self>(stringify!($Name), config)
            }
        }

        impl Metric for $Name {
            fn name(&self) -> &str {
                &self.name
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            fn config(&self) -> Value {
                json!({ "name": self.name, "dtype": "float32" })
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                let ($sums, $batch) = (&mut self.mean, batch);
                $update
            }

            fn result(&self) -> f32 {
                let $mean = &self.mean;
                $result
            }

            fn state(&self) -> &[f64] {
                self.mean.state()
            }

            fn state_mut(&mut self) -> &mut [f64] {
                self.mean.state_mut()
            }
        }
    };
}

of_numbers! {
    /// The mean of numbers; of a model, that of its outputs, where each row counts as one.
    ///
    /// Source: <https://keras.io/api/metrics/base_metric/>, Keras's `Mean`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Mean, Metric};
    ///
    /// let mut mean = Mean::new();
    /// mean.add(&[1.0, 3.0]);
    /// mean.add(&[8.0]);
    /// assert_eq!(mean.result(), 4.0);
    /// ```
    Mean, "mean",
    |sums, batch| {
        let value = |i: usize| batch.y_pred.get(i).copied().unwrap_or(0.0);
        sums.add(batch, batch.y_pred.len(), value)
    },
    |mean| mean.result()
}

of_numbers! {
    /// The sum of numbers; of a model, that of its outputs.
    ///
    /// Source: <https://keras.io/api/metrics/base_metric/>, Keras's `Sum`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Metric, Sum};
    ///
    /// let mut sum = Sum::new();
    /// sum.add(&[1.0, 3.0]);
    /// assert_eq!(sum.result(), 4.0);
    /// ```
    Sum, "sum",
    |sums, batch| {
        let weights = Weights::over(batch, batch.y_pred.len())?;
        for (i, value) in batch.y_pred.iter().enumerate() {
            sums.push(f64::from(*value), f64::from(weights.at(i)));
        }
        Ok(())
    },
    |sums| sums.state().first().map_or(0.0, |total| *total as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Batch = Batch {
        y_true: &[],
        y_true_shape: &[2, 2],
        y_pred: &[1.0, 2.0, 3.0, 4.0],
        y_pred_shape: &[2, 2],
        sample_weight: Some(&[1.0, 2.0]),
    };

    #[test]
    fn a_row_counts_once_in_a_mean_and_each_number_in_a_sum() {
        let (mut mean, mut sum) = (Mean::new(), Sum::new());
        mean.update(&BATCH).expect("fits");
        sum.update(&BATCH).expect("fits");
        // Keras: update_state([[1, 2], [3, 4]], [1, 2]) of Mean and Sum.
        assert!((mean.result() - 2.833_333_3).abs() < 1e-6);
        assert_eq!(sum.result(), 17.0);
    }

    #[test]
    fn weights_count_as_so_many_numbers() {
        let (mut mean, mut sum) = (Mean::new(), Sum::new());
        mean.add_weighted(&[1.0, 3.0], &[3.0, 1.0]);
        sum.add_weighted(&[1.0, 3.0], &[3.0, 1.0]);
        assert_eq!((mean.result(), sum.result()), (1.5, 6.0));
    }
}
