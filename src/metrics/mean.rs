//! [`Mean`] and [`Sum`], of numbers that are no targets and predictions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, Metric, RunningMean, parse};
use crate::error::Result;

/// A metric of numbers alone, its type and its docs.
macro_rules! of_numbers {
    ($(#[$doc:meta])* $Name:ident, $name:literal, |$mean:ident| $result:expr) => {
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
                self.mean.add(batch, batch.y_pred.len(), |i| batch.y_pred[i])
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
    /// The mean of numbers; of a model, that of its outputs.
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
    Mean, "mean", |mean| mean.result()
}

of_numbers! {
    /// The sum of numbers; of a model, that of the means of its outputs' rows.
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
    Sum, "sum", |mean| mean.state()[0] as f32
}
