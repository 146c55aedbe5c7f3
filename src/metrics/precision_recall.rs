//! [`Precision`] and [`Recall`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::thresholded::{Counts, Look, Thresholded, Thresholds, check_probabilities};
use super::{Batch, Metric, check_same, parse};
use crate::error::{Error, Result};

/// The settings of both.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    thresholds: Option<Thresholds>,
    top_k: Option<usize>,
    class_id: Option<usize>,
}

impl Config {
    fn counts(&self) -> Thresholded {
        match (&self.thresholds, self.top_k) {
            (Some(thresholds), _) => Thresholded::at(thresholds.values()),
            (None, None) => Thresholded::at(&[0.5]),
            // All of the largest count, whatever they are.
            (None, Some(_)) => Thresholded::at(&[-1e10]),
        }
    }

    fn look(&self) -> Look {
        Look {
            top_k: self.top_k,
            class_id: self.class_id,
            ..Look::default()
        }
    }

    fn check(
        &self,
        class_name: &str,
        name: &str,
        y_true: &[usize],
        y_pred: &[usize],
    ) -> Result<()> {
        if let Some(thresholds) = &self.thresholds {
            thresholds.validate(class_name)?;
        }
        check_same(name, y_true, y_pred)?;
        let classes = match y_pred {
            [] | [_] => 1,
            [.., last] => *last,
        };
        if let Some(k) = self.top_k.filter(|k| !(1..=classes).contains(k)) {
            let wanted = format!("from 1 to the {classes} columns of the outputs");
            return Err(Error::argument(class_name, "top_k", wanted, k));
        }
        if let Some(class) = self
            .class_id
            .filter(|class| *class >= classes || y_pred.len() < 2)
        {
            let wanted = format!("one of the {classes} columns of the outputs, counted from 0");
            return Err(Error::argument(class_name, "class_id", wanted, class));
        }
        Ok(())
    }
}

/// A share of counts, its type and its docs.
macro_rules! share {
    ($(#[$doc:meta])* $Name:ident, $name:literal, $of:expr) => {
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
                    counts: settings.counts(),
                    look: settings.look(),
                    settings,
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

            fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
                self.settings.name = Some(self.name);
                change(&mut self.settings);
                self.settings.into()
            }

            /// Above which a prediction counts as true, one value or several. Several give as many
            /// [results](Metric::results), and cannot be logged. Default: 0.5.
            pub fn thresholds(self, thresholds: impl Into<Vec<f32>>) -> Self {
                let thresholds = Thresholds::Several(thresholds.into());
                self.with(|settings| settings.thresholds = Some(thresholds))
            }

            /// Only the `k` largest predictions of a row count as true. Default: all above the
            /// threshold.
            pub fn top_k(self, k: usize) -> Self {
                self.with(|settings| settings.top_k = Some(k))
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
                    "thresholds": self.settings.thresholds,
                    "top_k": self.settings.top_k,
                    "class_id": self.settings.class_id,
                })
            }

            fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
                let class_name = stringify!($Name);
                self.settings.check(class_name, &self.name, y_true_shape, y_pred_shape)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                check_same(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
                // The largest of a row may be any numbers.
                if self.settings.top_k.is_none() {
                    check_probabilities(&self.name, batch)?;
                }
                self.counts.update(batch, &self.look)
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

share! {
    /// How many of the predictions above a threshold were right: `tp / (tp + fp)`, 0 where none is.
    ///
    /// Targets other than 0 are positive; predictions are probabilities of the same shape, or any
    /// numbers with `top_k`. Keras takes others too, and compares logits with the threshold.
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#precision-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, Metric, Precision};
    ///
    /// let mut metric = Precision::new();
    /// metric.update(&Batch {
    ///     y_true: &[0.0, 1.0, 1.0],
    ///     y_true_shape: &[3],
    ///     y_pred: &[0.9, 0.8, 0.2],
    ///     y_pred_shape: &[3],
    ///     sample_weight: None,
    /// })?;
    /// assert_eq!(metric.result(), 0.5);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Precision, "precision", Counts::precision
}

share! {
    /// How many of the positive targets were predicted above a threshold: `tp / (tp + fn)`, 0
    /// where there is none.
    ///
    /// Targets other than 0 are positive; predictions are probabilities of the same shape, or any
    /// numbers with `top_k`. Keras takes others too, and compares logits with the threshold.
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#recall-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, Metric, Recall};
    ///
    /// let mut metric = Recall::new().thresholds([0.1]);
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
    Recall, "recall", Counts::recall
}
