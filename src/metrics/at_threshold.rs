//! [`PrecisionAtRecall`], [`RecallAtPrecision`], [`SensitivityAtSpecificity`] and
//! [`SpecificityAtSensitivity`]: the best of one share where another is high enough.

use serde::Deserialize;
use serde_json::{Value, json};

use super::thresholded::{Counts, Look, Thresholded, check_probabilities};
use super::{Batch, Metric, check_same, parse};
use crate::error::{Error, Result};

/// The settings of all four; the share that must be reached stands under a name of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    num_thresholds: usize,
    class_id: Option<usize>,
    #[serde(alias = "precision", alias = "recall")]
    #[serde(alias = "specificity", alias = "sensitivity")]
    value: Option<f32>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: None,
            num_thresholds: 200,
            class_id: None,
            value: None,
        }
    }
}

/// The best of a share where another is at least a value, its type and its docs.
macro_rules! at {
    ($(#[$doc:meta])* $Name:ident, $name:literal, $value:ident, $held:expr, $best:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(from = "Config")]
        pub struct $Name {
            name: String,
            settings: Config,
            counts: Thresholded,
            look: Look,
        }

        impl From<Config> for $Name {
            fn from(settings: Config) -> Self {
                $Name {
                    name: settings.name.clone().unwrap_or($name.into()),
                    // Where there are too many for memory, `check` says so.
                    counts: Thresholded::even(settings.num_thresholds.min(MOST)),
                    look: Look {
                        class_id: settings.class_id,
                        ..Look::default()
                    },
                    settings,
                }
            }
        }

        impl $Name {
            #[doc = concat!("The best where the ", stringify!($value), " is at least this, from 0 to 1.")]
            pub fn new($value: f32) -> Self {
                Config {
                    value: Some($value),
                    ..Config::default()
                }
                .into()
            }

            fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
                self.settings.name = Some(self.name);
                change(&mut self.settings);
                self.settings.into()
            }

            /// How many thresholds from 0 to 1 are tried. Default: 200.
            pub fn num_thresholds(self, count: usize) -> Self {
                self.with(|settings| settings.num_thresholds = count)
            }

            /// Only this column of targets and predictions, counted from 0. Default: all.
            pub fn class_id(self, class: usize) -> Self {
                self.with(|settings| settings.class_id = Some(class))
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
                json!({
                    "name": self.name,
                    "dtype": "float32",
                    "num_thresholds": self.settings.num_thresholds,
                    "class_id": self.settings.class_id,
                    stringify!($value): self.settings.value,
                })
            }

            fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
                let class_name = stringify!($Name);
                if !self.settings.value.is_some_and(|value| (0.0..=1.0).contains(&value)) {
                    let found = self.settings.value.map_or("nothing".into(), |v| v.to_string());
                    return Err(Error::argument(
                        class_name,
                        stringify!($value),
                        "between 0 and 1",
                        found,
                    ));
                }
                check_count(class_name, 1, self.settings.num_thresholds)?;
                check_same(&self.name, y_true_shape, y_pred_shape)?;
                check_column(class_name, self.settings.class_id, y_pred_shape)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                check_same(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
                check_probabilities(&self.name, batch)?;
                self.counts.update(batch, &self.look)
            }

            fn result(&self) -> f32 {
                let (held, best): (fn(&Counts) -> f64, fn(&Counts) -> f64) = ($held, $best);
                let all = self.counts.descending(0);
                let wanted = f64::from(self.settings.value.unwrap_or(f32::NAN));
                // Rounded as Keras compares them.
                let reached = all.filter(|c| f64::from(held(c) as f32) >= wanted);
                reached.map(|c| best(&c)).fold(0.0, f64::max) as f32
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

/// The most thresholds that are kept.
pub(super) const MOST: usize = 1 << 20;

/// There is a sensible number of thresholds.
pub(super) fn check_count(class_name: &str, least: usize, count: usize) -> Result<()> {
    match (least..=MOST).contains(&count) {
        true => Ok(()),
        false => Err(Error::argument(
            class_name,
            "num_thresholds",
            format!("from {least} to {MOST}"),
            count,
        )),
    }
}

/// A column is one of the outputs.
fn check_column(class_name: &str, class: Option<usize>, y_pred: &[usize]) -> Result<()> {
    let classes = match y_pred {
        [] | [_] => 0,
        [.., last] => *last,
    };
    match class.filter(|class| *class >= classes) {
        None => Ok(()),
        Some(class) => Err(Error::argument(
            class_name,
            "class_id",
            format!("one of the {classes} columns of the outputs, counted from 0"),
            class,
        )),
    }
}

at! {
    /// The best precision at a threshold where the recall is at least a value.
    ///
    /// Targets other than 0 are positive; predictions are probabilities of the same shape.
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#precisionatrecall-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, Metric, PrecisionAtRecall};
    ///
    /// let mut metric = PrecisionAtRecall::new(0.5);
    /// metric.update(&Batch {
    ///     y_true: &[0.0, 0.0, 0.0, 1.0, 1.0],
    ///     y_true_shape: &[5],
    ///     y_pred: &[0.0, 0.3, 0.8, 0.3, 0.8],
    ///     y_pred_shape: &[5],
    ///     sample_weight: None,
    /// })?;
    /// assert_eq!(metric.result(), 0.5);
    /// # Ok::<(), horn::Error>(())
    /// ```
    PrecisionAtRecall, "precision_at_recall", recall, Counts::recall, Counts::precision
}

at! {
    /// The best recall at a threshold where the precision is at least a value; see
    /// [`PrecisionAtRecall`].
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#recallatprecision-class>
    RecallAtPrecision, "recall_at_precision", precision, Counts::precision, Counts::recall
}

at! {
    /// The best sensitivity (recall) at a threshold where the specificity, `tn / (tn + fp)`, is at
    /// least a value; see [`PrecisionAtRecall`].
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#sensitivityatspecificity-class>
    SensitivityAtSpecificity, "sensitivity_at_specificity", specificity,
    Counts::specificity, Counts::recall
}

at! {
    /// The best specificity, `tn / (tn + fp)`, at a threshold where the sensitivity (recall) is at
    /// least a value; see [`PrecisionAtRecall`].
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#specificityatsensitivity-class>
    SpecificityAtSensitivity, "specificity_at_sensitivity", sensitivity,
    Counts::recall, Counts::specificity
}
