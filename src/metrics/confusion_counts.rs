//! [`TruePositives`], [`TrueNegatives`], [`FalsePositives`] and [`FalseNegatives`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::thresholded::{Counts, Look, Thresholded, Thresholds, check_probabilities};
use super::{Batch, Metric, check_same, parse};
use crate::error::Result;

/// A count of predictions, its type and its docs.
macro_rules! count {
    ($(#[$doc:meta])* $Name:ident, $name:literal, $of:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(default, from = "Config")]
        pub struct $Name {
            name: String,
            thresholds: Option<Thresholds>,
            counts: Thresholded,
        }

        impl From<Config> for $Name {
            fn from(config: Config) -> Self {
                let thresholds = config.thresholds;
                $Name {
                    name: config.name.unwrap_or($name.into()),
                    counts: Thresholded::at(thresholds.as_ref().map_or(&[0.5], |t| t.values())),
                    thresholds,
                }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Config::default().into()
            }
        }

        impl $Name {
            /// Above a threshold of 0.5.
            pub fn new() -> Self {
                Self::default()
            }

            /// Above which a prediction counts as true, one value or several. Several give as many
            /// [results](Metric::results), and cannot be logged. Default: 0.5.
            pub fn thresholds(self, thresholds: impl Into<Vec<f32>>) -> Self {
                Config {
                    name: Some(self.name),
                    thresholds: Some(Thresholds::Several(thresholds.into())),
                }
                .into()
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
                json!({ "name": self.name, "dtype": "float32", "thresholds": self.thresholds })
            }

            fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
                if let Some(thresholds) = &self.thresholds {
                    thresholds.validate(stringify!($Name))?;
                }
                check_same(&self.name, y_true_shape, y_pred_shape)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                check_same(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
                check_probabilities(&self.name, batch)?;
                self.counts.update(batch, &Look::default())
            }

            fn result(&self) -> f32 {
                let of: fn(&Counts) -> f64 = $of;
                of(&self.counts.first()) as f32
            }

            fn results(&self) -> Vec<f32> {
                let of: fn(&Counts) -> f64 = $of;
                self.counts.as_given().map(|counts| of(&counts) as f32).collect()
            }

            fn state(&self) -> &[f64] {
                self.counts.state()
            }

            fn state_mut(&mut self) -> &mut [f64] {
                self.counts.state_mut()
            }
        }
    };
}

/// The settings of a count.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    thresholds: Option<Thresholds>,
}

count! {
    /// How many predictions above a threshold were right: their number, or the sum of their weights.
    ///
    /// Targets other than 0 are positive; predictions are probabilities of the same shape. Keras
    /// takes others too, and compares logits with the threshold.
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#truepositives-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, Metric, TruePositives};
    ///
    /// let mut metric = TruePositives::new();
    /// metric.update(&Batch {
    ///     y_true: &[0.0, 1.0, 1.0],
    ///     y_true_shape: &[3],
    ///     y_pred: &[0.9, 0.8, 0.2],
    ///     y_pred_shape: &[3],
    ///     sample_weight: None,
    /// })?;
    /// assert_eq!(metric.result(), 1.0);
    /// # Ok::<(), horn::Error>(())
    /// ```
    TruePositives, "true_positives", |counts| counts.tp
}

count! {
    /// How many predictions below a threshold were right; see [`TruePositives`].
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#truenegatives-class>
    TrueNegatives, "true_negatives", |counts| counts.tn
}

count! {
    /// How many predictions above a threshold were wrong; see [`TruePositives`].
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#falsepositives-class>
    FalsePositives, "false_positives", |counts| counts.fp
}

count! {
    /// How many predictions below a threshold were wrong; see [`TruePositives`].
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#falsenegatives-class>
    FalseNegatives, "false_negatives", |counts| counts.fn_
}
