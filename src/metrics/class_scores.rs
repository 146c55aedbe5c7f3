//! [`BalancedAccuracy`], [`CohenKappa`] and [`MatthewsCorrelation`]: how good predicted classes are
//! where some are rarer than others. Keras has none of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::confusion_matrix::ConfusionMatrix;
use super::thresholded::ratio;
use super::weights::Weights;
use super::{Batch, Metric, argmax, check_ids, parse};
use crate::error::{Error, Result};

/// The settings of all three.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    threshold: Option<f32>,
    weights: Option<KappaWeights>,
}

/// How much an error counts by its distance, for [`CohenKappa`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KappaWeights {
    /// By how many classes the prediction is off.
    Linear,
    /// By the square of that.
    Quadratic,
}

/// The number of classes of outputs of this shape: two where there is one column.
fn classes(y_pred: &[usize]) -> usize {
    match y_pred {
        [_, .., classes] if *classes > 1 => *classes,
        _ => 2,
    }
}

/// Whether targets are one-hot rather than class ids.
fn one_hot(y_true: &[usize], y_pred: &[usize]) -> bool {
    y_true == y_pred && matches!(y_pred, [_, .., classes] if *classes > 1)
}

impl Config {
    fn threshold(&self) -> f32 {
        self.threshold.unwrap_or(0.5)
    }

    fn check(
        &self,
        class_name: &str,
        name: &str,
        y_true: &[usize],
        y_pred: &[usize],
    ) -> Result<()> {
        if !(0.0..=1.0).contains(&self.threshold()) {
            let wanted = "between 0 and 1";
            return Err(Error::argument(
                class_name,
                "threshold",
                wanted,
                self.threshold(),
            ));
        }
        match (one_hot(y_true, y_pred), y_pred) {
            (true, _) => Ok(()),
            (false, [_, .., classes]) if *classes > 1 => check_ids(name, y_true, y_pred),
            _ => super::check_same(name, y_true, y_pred),
        }
    }

    fn update(&self, name: &str, matrix: &mut ConfusionMatrix, batch: &Batch) -> Result<()> {
        self.check(name, name, batch.y_true_shape, batch.y_pred_shape)?;
        let classes = classes(batch.y_pred_shape);
        if matrix.classes() != classes {
            *matrix = ConfusionMatrix::new(classes);
        }
        let width = batch.classes().max(1);
        let one_hot = one_hot(batch.y_true_shape, batch.y_pred_shape);
        let weights = Weights::over(batch, batch.y_pred.len() / width)?;
        for (i, p) in batch.y_pred.chunks_exact(width).enumerate() {
            let predicted = match p {
                [p] => usize::from(*p > self.threshold()),
                all => argmax(all),
            };
            let truth = match one_hot {
                true => argmax(batch.y_true.get(i * width..(i + 1) * width).unwrap_or(&[])) as i64,
                false => batch.y_true.get(i).map_or(-1, |t| *t as i64),
            };
            let weight = f64::from(weights.at(i));
            matrix.add(truth, predicted as i64, weight);
        }
        Ok(())
    }
}

/// A score of a confusion matrix, its type and its docs.
macro_rules! of_classes {
    (
        $(#[$doc:meta])* $Name:ident, $name:literal, |$settings:ident, $matrix:ident| $result:expr
        $(, $key:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(from = "Config")]
        pub struct $Name {
            name: String,
            settings: Config,
            matrix: ConfusionMatrix,
        }

        impl From<Config> for $Name {
            fn from(settings: Config) -> Self {
                $Name {
                    name: settings.name.clone().unwrap_or($name.into()),
                    settings,
                    matrix: ConfusionMatrix::default(),
                }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Config::default().into()
            }
        }

        impl $Name {
            /// With a threshold of 0.5 where there is one output.
            pub fn new() -> Self {
                Self::default()
            }

            /// Above which a single output counts as class 1. Default: 0.5.
            pub fn threshold(mut self, threshold: f32) -> Self {
                self.settings.threshold = Some(threshold);
                self
            }

            $(
                /// How much an error counts by its distance. Default: all the same.
                pub fn $key(mut self, weights: KappaWeights) -> Self {
                    self.settings.$key = Some(weights);
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
                    "threshold": self.settings.threshold,
                    $(stringify!($key): self.settings.$key,)?
                })
            }

            fn resolve(&self, _y_true: &[usize], y_pred: &[usize]) -> Option<Box<dyn Metric>> {
                let mut metric = self.clone();
                metric.matrix = ConfusionMatrix::new(classes(y_pred));
                Some(Box::new(metric))
            }

            fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
                self.settings.check(stringify!($Name), &self.name, y_true_shape, y_pred_shape)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                self.settings.update(stringify!($Name), &mut self.matrix, batch)
            }

            fn result(&self) -> f32 {
                let ($settings, $matrix) = (&self.settings, &self.matrix);
                let _ = $settings;
                let result: f64 = $result;
                result as f32
            }

            fn state(&self) -> &[f64] {
                self.matrix.state()
            }

            fn state_mut(&mut self) -> &mut [f64] {
                self.matrix.state_mut()
            }

            fn merge(&mut self, other: &dyn Metric) {
                self.matrix.merge(other.state());
            }
        }
    };
}

of_classes! {
    /// The mean over the classes of how often each is recognised, so that rare ones count as much
    /// as common ones.
    ///
    /// Targets are class ids or one-hot; predictions are `(batch, classes)`, of which the largest
    /// counts, or `(batch, 1)` above a threshold. Classes that are never the truth are left out.
    ///
    /// Source: Brodersen et al. 2010, <https://doi.org/10.1109/ICPR.2010.764>; scikit-learn's
    /// `balanced_accuracy_score`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{BalancedAccuracy, Batch, Metric};
    ///
    /// let mut metric = BalancedAccuracy::new();
    /// metric.update(&Batch {
    ///     y_true: &[0.0, 0.0, 0.0, 1.0],
    ///     y_true_shape: &[4],
    ///     y_pred: &[0.1, 0.2, 0.3, 0.4],
    ///     y_pred_shape: &[4],
    ///     sample_weight: None,
    /// })?;
    /// // All of class 0, none of class 1.
    /// assert_eq!(metric.result(), 0.5);
    /// # Ok::<(), horn::Error>(())
    /// ```
    BalancedAccuracy, "balanced_accuracy", |settings, matrix| {
        let known = (0..matrix.classes()).filter(|class| matrix.of_truth(*class) > 0.0);
        let recalls = known.map(|class| matrix.hits(class) / matrix.of_truth(class));
        let (total, count) = recalls.fold((0.0, 0.0), |(sum, n), recall| (sum + recall, n + 1.0));
        ratio(total, count)
    }
}

of_classes! {
    /// How much better than chance predictions agree with the targets: 1 always, 0 as often as
    /// chance would.
    ///
    /// `1 - Σ w o / Σ w e` of the observed counts and those that independence would give, where `w`
    /// is 1 for every error, or grows with its distance. Targets and predictions are those of
    /// [`BalancedAccuracy`].
    ///
    /// Source: Cohen 1960, <https://doi.org/10.1177/001316446002000104>; scikit-learn's
    /// `cohen_kappa_score`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, CohenKappa, Metric};
    ///
    /// let mut metric = CohenKappa::new();
    /// metric.update(&Batch {
    ///     y_true: &[0.0, 0.0, 1.0, 1.0],
    ///     y_true_shape: &[4],
    ///     y_pred: &[0.1, 0.8, 0.9, 0.9],
    ///     y_pred_shape: &[4],
    ///     sample_weight: None,
    /// })?;
    /// assert_eq!(metric.result(), 0.5);
    /// # Ok::<(), horn::Error>(())
    /// ```
    CohenKappa, "cohen_kappa", |settings, matrix| {
        let weight = |a: usize, b: usize| {
            let apart = a.abs_diff(b) as f64;
            match settings.weights {
                None => f64::from(u8::from(a != b)),
                Some(KappaWeights::Linear) => apart,
                Some(KappaWeights::Quadratic) => apart * apart,
            }
        };
        let (mut observed, mut expected) = (0.0, 0.0);
        for truth in 0..matrix.classes() {
            for predicted in 0..matrix.classes() {
                let w = weight(truth, predicted);
                observed += w * matrix.get(truth, predicted);
                let chance = matrix.of_truth(truth) * matrix.of_predictions(predicted);
                expected += w * ratio(chance, matrix.total());
            }
        }
        match expected > 0.0 {
            true => 1.0 - observed / expected,
            false => 0.0,
        }
    },
    weights
}

of_classes! {
    /// The correlation of predicted and true classes, from -1 to 1; 0 for guessing, however rare a
    /// class is.
    ///
    /// For two classes `(tp tn - fp fn) / √((tp + fp)(tp + fn)(tn + fp)(tn + fn))`, for more its
    /// generalisation; 0 where only one class was predicted or true. Targets and predictions are
    /// those of [`BalancedAccuracy`].
    ///
    /// Source: Gorodkin 2004, <https://doi.org/10.1016/j.compbiolchem.2004.09.006>; scikit-learn's
    /// `matthews_corrcoef`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, MatthewsCorrelation, Metric};
    ///
    /// let mut metric = MatthewsCorrelation::new();
    /// metric.update(&Batch {
    ///     y_true: &[1.0, 1.0, 1.0, 0.0],
    ///     y_true_shape: &[4],
    ///     y_pred: &[0.9, 0.2, 0.8, 0.7],
    ///     y_pred_shape: &[4],
    ///     sample_weight: None,
    /// })?;
    /// // scikit-learn: -0.3333
    /// assert!((metric.result() + 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), horn::Error>(())
    /// ```
    MatthewsCorrelation, "matthews_correlation", |settings, matrix| {
        let total = matrix.total();
        let sum = |f: &dyn Fn(usize) -> f64| (0..matrix.classes()).map(f).sum::<f64>();
        let hits = sum(&|c| matrix.hits(c));
        let both = sum(&|c| matrix.of_truth(c) * matrix.of_predictions(c));
        let spread_of_truth = total * total - sum(&|c| matrix.of_truth(c).powi(2));
        let spread = total * total - sum(&|c| matrix.of_predictions(c).powi(2));
        ratio(hits * total - both, (spread_of_truth * spread).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three classes as ids and as one-hot targets, with weights.
    fn results(metric: &mut dyn Metric) -> [f32; 2] {
        let ids = [0.0, 1.0, 2.0, 2.0, 1.0, 0.0];
        let one_hot: Vec<f32> = ids
            .iter()
            .flat_map(|id| (0..3).map(move |c| f32::from(u8::from(*id == c as f32))))
            .collect();
        let mut y_pred = vec![0.1; 18];
        for (row, class) in [0, 2, 2, 1, 1, 0].into_iter().enumerate() {
            y_pred[row * 3 + class] = 0.8;
        }
        let weights = [1.0, 2.0, 1.0, 0.5, 1.0, 1.0];
        [(&ids[..], &[6][..]), (&one_hot[..], &[6, 3][..])].map(|(y_true, shape)| {
            metric.reset();
            metric.check(shape, &[6, 3]).expect("fits");
            metric
                .update(&Batch {
                    y_true,
                    y_true_shape: shape,
                    y_pred: &y_pred,
                    y_pred_shape: &[6, 3],
                    sample_weight: Some(&weights),
                })
                .expect("fits");
            metric.result()
        })
    }

    fn check(metric: &mut dyn Metric, want: f32) {
        let got = results(metric);
        assert_eq!(got[0], got[1]);
        assert!(
            (got[0] - want).abs() < 1e-6,
            "{}: {} {want}",
            metric.name(),
            got[0]
        );
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        // balanced_accuracy_score, matthews_corrcoef and cohen_kappa_score of scikit-learn 1.9 with
        // these weights.
        check(&mut BalancedAccuracy::new(), BALANCED);
        check(&mut MatthewsCorrelation::new(), MATTHEWS);
        check(&mut CohenKappa::new(), KAPPA[0]);
        check(
            &mut CohenKappa::new().weights(KappaWeights::Linear),
            KAPPA[1],
        );
        check(
            &mut CohenKappa::new().weights(KappaWeights::Quadratic),
            KAPPA[2],
        );
    }

    #[test]
    fn one_class_alone_is_no_correlation() {
        let mut metric = MatthewsCorrelation::new();
        assert_eq!(metric.result(), 0.0);
        metric
            .update(&Batch {
                y_true: &[1.0, 1.0],
                y_true_shape: &[2],
                y_pred: &[0.9, 0.8],
                y_pred_shape: &[2],
                sample_weight: None,
            })
            .expect("fits");
        assert_eq!(metric.result(), 0.0);
        assert_eq!(CohenKappa::new().result(), 0.0);
    }

    const BALANCED: f32 = 0.6666667;
    const MATTHEWS: f32 = 0.4814815;
    const KAPPA: [f32; 3] = [0.4444444, 0.5751634, 0.7111111];
}
