//! [`FBetaScore`] and [`F1Score`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::thresholded::add;
use super::weights::Weights;
use super::{Batch, Metric, largest, parse};
use crate::error::{Error, Result};

/// How the scores of the classes become one, for [`FBetaScore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Average {
    /// One score of all classes' counts together.
    Micro,
    /// The mean of the classes' scores.
    Macro,
    /// Their mean, each weighed by how many targets it has.
    Weighted,
}

/// The settings of both.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    average: Option<Average>,
    beta: f32,
    threshold: Option<f32>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: None,
            average: None,
            beta: 1.0,
            threshold: None,
        }
    }
}

/// The sums of true positives, false positives and false negatives of each class.
type Sums = Vec<f64>;

impl Config {
    fn check(&self, class_name: &str, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
        if !(self.beta > 0.0 && self.beta.is_finite()) {
            let wanted = "finite and above 0";
            return Err(Error::argument(class_name, "beta", wanted, self.beta));
        }
        if let Some(threshold) = self.threshold.filter(|t| !(*t > 0.0 && *t <= 1.0)) {
            let wanted = "above 0 and at most 1";
            return Err(Error::argument(class_name, "threshold", wanted, threshold));
        }
        match y_pred.len() == 2 && y_true == y_pred {
            true => Ok(()),
            false => Err(Error::Shape {
                place: format!("metric `{class_name}`"),
                expected: "targets and outputs of one shape (batch, classes)".into(),
                found: format!("targets {y_true:?} and outputs {y_pred:?}"),
                hint: "class ids want one-hot targets here".into(),
            }),
        }
    }

    fn update(&self, class_name: &str, sums: &mut Sums, batch: &Batch) -> Result<()> {
        self.check(class_name, batch.y_true_shape, batch.y_pred_shape)?;
        let classes = batch.classes();
        if sums.len() != 3 * classes {
            *sums = vec![0.0; 3 * classes];
        }
        let weights = Weights::over(batch, batch.y_pred.len())?;
        match weights.are_none() {
            true => self.count(sums, batch, |_| 1.0),
            false => self.count(sums, batch, |place| f64::from(weights.at(place))),
        }
        Ok(())
    }

    /// Adds to the sums of each class. Not `dispatch`ed, which takes twice as long here: a closure
    /// hides from the compiler that the sums lie apart.
    #[inline(always)]
    fn count(&self, sums: &mut Sums, batch: &Batch, weight: impl Fn(usize) -> f64) {
        let classes = batch.classes().max(1);
        let of_a_kind = sums.len() / 3;
        let (tp, rest) = sums.split_at_mut(of_a_kind);
        let (fp, fn_) = rest.split_at_mut(of_a_kind);
        let rows = batch.y_true.chunks_exact(classes);
        for (row, (t, p)) in rows.zip(batch.y_pred.chunks_exact(classes)).enumerate() {
            // The largest of a row counts as true where it is not 0; NaN is left out, since it would
            // take as long again to look for it.
            let (least, above) = match self.threshold {
                Some(threshold) => (threshold.next_up(), -1.0),
                None => (largest(p, |a, b| if b > a { b } else { a }), 1e-9),
            };
            let sums = tp.iter_mut().zip(fp.iter_mut()).zip(fn_.iter_mut());
            for (class, (((tp, fp), fn_), (t, p))) in sums.zip(t.iter().zip(p)).enumerate() {
                let chosen = (*p >= least) & (p.abs() > above);
                let chosen = f64::from(u8::from(chosen));
                let (t, weight) = (f64::from(*t), weight(row * classes + class));
                *tp += chosen * t * weight;
                *fp += chosen * (1.0 - t) * weight;
                *fn_ += (1.0 - chosen) * t * weight;
            }
        }
    }

    /// The score of true positives, false positives and false negatives.
    fn score(&self, [tp, fp, fn_]: [f64; 3]) -> f64 {
        const EPSILON: f64 = 1e-7;
        let (precision, recall) = (tp / (tp + fp + EPSILON), tp / (tp + fn_ + EPSILON));
        let squared = f64::from(self.beta) * f64::from(self.beta);
        (1.0 + squared) * precision * recall / (squared * precision + recall + EPSILON)
    }

    /// Each class's score.
    fn scores<'a>(&'a self, sums: &'a Sums) -> impl Iterator<Item = f64> + 'a {
        (0..sums.len() / 3).map(|class| self.score(of(sums, class)))
    }

    /// The first of the results.
    fn result(&self, sums: &Sums) -> f32 {
        let classes = sums.len() / 3;
        let score = match self.average {
            None => self.scores(sums).next().unwrap_or(0.0),
            Some(Average::Micro) => {
                let add = |a: [f64; 3], b: [f64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
                self.score(
                    (0..classes)
                        .map(|class| of(sums, class))
                        .fold([0.0; 3], add),
                )
            }
            Some(Average::Macro) => self.scores(sums).sum::<f64>() / classes.max(1) as f64,
            Some(Average::Weighted) => {
                let targets = |class: usize| of(sums, class)[0] + of(sums, class)[2];
                let all: f64 = (0..classes).map(targets).sum();
                let scores = self.scores(sums).enumerate();
                let weighted: f64 = scores.map(|(class, score)| score * targets(class)).sum();
                weighted / (all + 1e-7)
            }
        };
        score as f32
    }

    fn results(&self, sums: &Sums) -> Vec<f32> {
        match self.average {
            None => self.scores(sums).map(|score| score as f32).collect(),
            Some(_) => vec![self.result(sums)],
        }
    }
}

/// The sums of a class.
fn of(sums: &Sums, class: usize) -> [f64; 3] {
    let classes = sums.len() / 3;
    [0, 1, 2].map(|kind| sums.get(kind * classes + class).copied().unwrap_or(0.0))
}

/// A score, its type and its docs.
macro_rules! score {
    ($(#[$doc:meta])* $Name:ident, $name:literal $(, $beta:ident)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(from = "Config")]
        pub struct $Name {
            name: String,
            settings: Config,
            sums: Sums,
        }

        impl From<Config> for $Name {
            fn from(settings: Config) -> Self {
                $Name {
                    name: settings.name.clone().unwrap_or($name.into()),
                    settings,
                    sums: Sums::new(),
                }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Config::default().into()
            }
        }

        impl $Name {
            /// A score for each class: several [results](Metric::results), which cannot be logged.
            /// Choose an [`average`](Self::average) for that.
            pub fn new() -> Self {
                Self::default()
            }

            /// How the scores become one. Default: they do not, each is a result.
            pub fn average(mut self, average: Average) -> Self {
                self.settings.average = Some(average);
                self
            }

            /// Above which a prediction counts as true. Default: the largest of a row does.
            pub fn threshold(mut self, threshold: f32) -> Self {
                self.settings.threshold = Some(threshold);
                self
            }

            $(
                /// How many times as much recall counts as precision. Default: 1.
                pub fn $beta(mut self, beta: f32) -> Self {
                    self.settings.beta = beta;
                    self
                }
            )?

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
                    "average": self.settings.average,
                    $(stringify!($beta): self.settings.beta,)?
                    "threshold": self.settings.threshold,
                })
            }

            fn resolve(&self, _y_true: &[usize], y_pred: &[usize]) -> Option<Box<dyn Metric>> {
                let mut metric = self.clone();
                metric.sums = vec![0.0; 3 * y_pred.last().copied().unwrap_or(1)];
                Some(Box::new(metric))
            }

            fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
                self.settings.check(stringify!($Name), y_true_shape, y_pred_shape)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                self.settings.update(stringify!($Name), &mut self.sums, batch)
            }

            fn result(&self) -> f32 {
                self.settings.result(&self.sums)
            }

            fn results(&self) -> Vec<f32> {
                self.settings.results(&self.sums)
            }

            fn state(&self) -> &[f64] {
                &self.sums
            }

            fn state_mut(&mut self) -> &mut [f64] {
                &mut self.sums
            }

            fn merge(&mut self, other: &dyn Metric) {
                add(&mut self.sums, other.state());
            }
        }
    };
}

score! {
    /// A mean of precision and recall in which recall counts `beta` times as much:
    /// `(1 + beta²) p r / (beta² p + r)`.
    ///
    /// Targets are one-hot, or several 1s a row, of the shape of the predictions `(batch, classes)`.
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#fbetascore-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Average, Batch, FBetaScore, Metric};
    ///
    /// let mut metric = FBetaScore::new().beta(2.0).threshold(0.5).average(Average::Macro);
    /// metric.update(&Batch {
    ///     y_true: &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0],
    ///     y_true_shape: &[3, 3],
    ///     y_pred: &[0.2, 0.6, 0.7, 0.2, 0.6, 0.6, 0.6, 0.8, 0.0],
    ///     y_pred_shape: &[3, 3],
    ///     sample_weight: None,
    /// })?;
    /// // Keras: [0.3846154, 0.9090909, 0.8333333] for the three classes.
    /// assert!((metric.result() - 0.7090132).abs() < 1e-5);
    /// # Ok::<(), horn::Error>(())
    /// ```
    FBetaScore, "fbeta_score", beta
}

score! {
    /// The harmonic mean of precision and recall: [`FBetaScore`] with a `beta` of 1.
    ///
    /// Source: <https://keras.io/api/metrics/classification_metrics/#f1score-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, F1Score, Metric};
    ///
    /// let mut metric = F1Score::new();
    /// metric.update(&Batch {
    ///     y_true: &[1.0, 0.0, 0.0, 1.0],
    ///     y_true_shape: &[2, 2],
    ///     y_pred: &[0.9, 0.1, 0.6, 0.4],
    ///     y_pred_shape: &[2, 2],
    ///     sample_weight: None,
    /// })?;
    /// assert!((metric.results()[0] - 2.0 / 3.0).abs() < 1e-5);
    /// # Ok::<(), horn::Error>(())
    /// ```
    F1Score, "f1_score"
}
