//! What is reported of a model beside its loss: [`Accuracy`], [`BinaryAccuracy`], ...
//!
//! A metric adds up numbers over the batches of an epoch and makes one value of them at its end.
//! All that it keeps are sums (its [`state`](Metric::state)), so that the parts of an epoch seen by
//! several threads or machines are [merged](Metric::merge) by adding.
//!
//! Keras's `MeanMetricWrapper` is [`MeanLoss`], which takes any loss. What Keras computes from the
//! counts at many thresholds, or from a matrix of classes, is kept here in that form too: the memory
//! of a metric is that of its thresholds or classes, whatever the number of rows.
//!
//! To add one: a file with the type, then its name in the table `METRICS` below.

mod accuracy;
mod at_threshold;
mod auc;
mod binary_accuracy;
mod categorical_accuracy;
mod class_scores;
mod confusion_counts;
mod confusion_matrix;
mod correlation;
mod direction;
mod expected_calibration_error;
mod fbeta_score;
mod hits;
mod iou;
mod mean;
mod mean_loss;
mod precision_recall;
mod r2_score;
mod root_mean_squared_error;
mod running_mean;
mod sparse_categorical_accuracy;
mod sparse_top_k_categorical_accuracy;
mod thresholded;
mod top_k_categorical_accuracy;
mod weights;

use std::any::Any;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::registry;

pub use accuracy::{Accuracy, EqualityAccuracy};
pub use at_threshold::{
    PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity,
};
pub use auc::{AUC, Curve, SummationMethod};
pub use binary_accuracy::BinaryAccuracy;
pub use categorical_accuracy::CategoricalAccuracy;
pub use class_scores::{BalancedAccuracy, CohenKappa, KappaWeights, MatthewsCorrelation};
pub use confusion_counts::{FalseNegatives, FalsePositives, TrueNegatives, TruePositives};
pub use direction::Direction;
pub use expected_calibration_error::ExpectedCalibrationError;
pub use fbeta_score::{Average, F1Score, FBetaScore};
pub use iou::{BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU};
pub use mean::{Mean, Sum};
pub use mean_loss::{
    BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge, ConcordanceCorrelation,
    CosineSimilarity, Hinge, Huber, KLDivergence, LogCoshError, MeanAbsoluteError,
    MeanAbsolutePercentageError, MeanLoss, MeanSquaredError, MeanSquaredLogarithmicError,
    PearsonCorrelation, Poisson, SparseCategoricalCrossentropy, SquaredHinge,
};
pub use precision_recall::{Precision, Recall};
pub use r2_score::{ClassAggregation, R2Score};
pub use root_mean_squared_error::RootMeanSquaredError;
pub use running_mean::RunningMean;
pub use sparse_categorical_accuracy::SparseCategoricalAccuracy;
pub use sparse_top_k_categorical_accuracy::SparseTopKCategoricalAccuracy;
pub use top_k_categorical_accuracy::TopKCategoricalAccuracy;

/// Makes a metric from Keras's `config`; settings that are left out keep their defaults.
type FromConfig = fn(&Value) -> Result<Box<dyn Metric>>;

/// Every metric that has a name: one line each.
#[rustfmt::skip]
const METRICS: &[(&str, &[&str], FromConfig)] = &[
    // Keras's class                   its other names                         made from a config
    ("Accuracy",                       &[],                                    EqualityAccuracy::from_config),
    ("BinaryAccuracy",                 &["binary_accuracy"],                   BinaryAccuracy::from_config),
    ("CategoricalAccuracy",            &["categorical_accuracy"],              CategoricalAccuracy::from_config),
    ("SparseCategoricalAccuracy",      &["sparse_categorical_accuracy"],       SparseCategoricalAccuracy::from_config),
    ("TopKCategoricalAccuracy",        &["top_k_categorical_accuracy"],        TopKCategoricalAccuracy::from_config),
    ("SparseTopKCategoricalAccuracy",  &["sparse_top_k_categorical_accuracy"], SparseTopKCategoricalAccuracy::from_config),
    ("BinaryCrossentropy",             &["binary_crossentropy", "bce", "BCE"], BinaryCrossentropy::from_config),
    ("CategoricalCrossentropy",        &["categorical_crossentropy"],          CategoricalCrossentropy::from_config),
    ("SparseCategoricalCrossentropy",  &["sparse_categorical_crossentropy"],   SparseCategoricalCrossentropy::from_config),
    ("MeanSquaredError",               &["mean_squared_error", "mse", "MSE"],       MeanSquaredError::from_config),
    ("MeanAbsoluteError",              &["mean_absolute_error", "mae", "MAE"],        MeanAbsoluteError::from_config),
    ("MeanAbsolutePercentageError",    &["mean_absolute_percentage_error", "mape", "MAPE"], MeanAbsolutePercentageError::from_config),
    ("MeanSquaredLogarithmicError",    &["mean_squared_logarithmic_error", "msle", "MSLE"], MeanSquaredLogarithmicError::from_config),
    ("LogCoshError",                   &["log_cosh_error", "log_cosh", "logcosh"], LogCoshError::from_config),
    ("Huber",                          &["huber"],                             Huber::from_config),
    ("Hinge",                          &["hinge"],                             Hinge::from_config),
    ("SquaredHinge",                   &["squared_hinge"],                     SquaredHinge::from_config),
    ("CategoricalHinge",               &["categorical_hinge"],                 CategoricalHinge::from_config),
    ("KLDivergence",                   &["kl_divergence", "kld"],              KLDivergence::from_config),
    ("Poisson",                        &["poisson"],                           Poisson::from_config),
    ("AUC",                            &["auc"],                              AUC::from_config),
    ("Precision",                      &["precision"],                        Precision::from_config),
    ("Recall",                         &["recall"],                           Recall::from_config),
    ("TruePositives",                  &["true_positives"],                   TruePositives::from_config),
    ("TrueNegatives",                  &["true_negatives"],                   TrueNegatives::from_config),
    ("FalsePositives",                 &["false_positives"],                  FalsePositives::from_config),
    ("FalseNegatives",                 &["false_negatives"],                  FalseNegatives::from_config),
    ("PrecisionAtRecall",              &["precision_at_recall"],              PrecisionAtRecall::from_config),
    ("RecallAtPrecision",              &["recall_at_precision"],              RecallAtPrecision::from_config),
    ("SensitivityAtSpecificity",       &["sensitivity_at_specificity"],       SensitivityAtSpecificity::from_config),
    ("SpecificityAtSensitivity",       &["specificity_at_sensitivity"],       SpecificityAtSensitivity::from_config),
    ("F1Score",                        &["f1_score"],                         F1Score::from_config),
    ("FBetaScore",                     &["f_beta_score", "fbeta_score"],      FBetaScore::from_config),
    ("IoU",                            &["io_u"],                             IoU::from_config),
    ("BinaryIoU",                      &["binary_io_u"],                      BinaryIoU::from_config),
    ("MeanIoU",                        &["mean_io_u"],                        MeanIoU::from_config),
    ("OneHotIoU",                      &["one_hot_io_u"],                     OneHotIoU::from_config),
    ("OneHotMeanIoU",                  &["one_hot_mean_io_u"],                OneHotMeanIoU::from_config),
    ("RootMeanSquaredError",           &["root_mean_squared_error", "rmse"],  RootMeanSquaredError::from_config),
    ("R2Score",                        &["r2_score"],                         R2Score::from_config),
    ("PearsonCorrelation",             &["pearson_correlation"],              PearsonCorrelation::from_config),
    ("ConcordanceCorrelation",         &["concordance_correlation"],          ConcordanceCorrelation::from_config),
    ("CosineSimilarity",               &["cosine_similarity"],                CosineSimilarity::from_config),
    ("Mean",                           &["mean"],                             Mean::from_config),
    ("Sum",                            &["sum"],                              Sum::from_config),
    ("BalancedAccuracy",               &["balanced_accuracy"],                BalancedAccuracy::from_config),
    ("CohenKappa",                     &["cohen_kappa"],                      CohenKappa::from_config),
    ("MatthewsCorrelation",            &["matthews_correlation"],             MatthewsCorrelation::from_config),
    ("ExpectedCalibrationError",       &["expected_calibration_error"],       ExpectedCalibrationError::from_config),
];

/// The names of [`Accuracy`], which looks at the shapes before it becomes one of the above.
const BY_SHAPE: [&str; 2] = ["accuracy", "acc"];

/// One batch of targets and predictions, row-major, as a metric sees it.
///
/// The first axis of both shapes is the batch. [`BinaryAccuracy`] has an example.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The targets.
    pub y_true: &'a [f32],
    /// The shape of the targets: `(batch, ...)`.
    pub y_true_shape: &'a [usize],
    /// The predictions.
    pub y_pred: &'a [f32],
    /// The shape of the predictions: `(batch, ...)`.
    pub y_pred_shape: &'a [usize],
    /// How much each counts: one weight a row, one for each place along more of the first axes,
    /// `(batch, steps)`, or one for each value of the metric.
    pub sample_weight: Option<&'a [f32]>,
}

impl Batch<'_> {
    /// The number of rows: the length of the first axis.
    pub fn rows(&self) -> usize {
        self.y_pred_shape.first().copied().unwrap_or(1)
    }

    /// The number of predictions in a group along the last axis; 1 when the only axis is the batch.
    pub fn classes(&self) -> usize {
        match self.y_pred_shape {
            [] | [_] => 1,
            [.., last] => *last,
        }
    }
}

/// Something reported of a model beside its loss.
///
/// A metric of your own implements this trait as ours do; [`RunningMean`] keeps the sums of one
/// that is a mean.
///
/// # Examples
///
/// The largest error so far cannot be a metric, since it is no sum; the mean error can:
///
/// ```
/// use horn::Result;
/// use horn::metrics::{Batch, Metric, RunningMean};
///
/// #[derive(Debug, Clone, Default)]
/// struct Bias(RunningMean);
///
/// impl Metric for Bias {
///     fn name(&self) -> &str {
///         "bias"
///     }
///     fn class_name(&self) -> &str {
///         "Bias"
///     }
///     fn update(&mut self, batch: &Batch) -> Result<()> {
///         self.0.add(batch, batch.y_pred.len(), |i| batch.y_pred[i] - batch.y_true[i])
///     }
///     fn result(&self) -> f32 {
///         self.0.result()
///     }
///     fn state(&self) -> &[f64] {
///         self.0.state()
///     }
///     fn state_mut(&mut self) -> &mut [f64] {
///         self.0.state_mut()
///     }
/// }
///
/// let mut bias = Bias::default();
/// bias.update(&Batch {
///     y_true: &[1.0, 2.0],
///     y_true_shape: &[2, 1],
///     y_pred: &[1.5, 3.0],
///     y_pred_shape: &[2, 1],
///     sample_weight: None,
/// })?;
/// assert_eq!(bias.result(), 0.75);
/// # Ok::<(), horn::Error>(())
/// ```
pub trait Metric: Any + CloneMetric + Debug + Send + Sync {
    /// The name that is logged: `accuracy`.
    fn name(&self) -> &str;

    /// The name of the type in Keras's configurations: `BinaryAccuracy`.
    fn class_name(&self) -> &str;

    /// The settings, as in Keras's configurations.
    fn config(&self) -> Value {
        json!({ "name": self.name() })
    }

    /// Whether a better model has a smaller or a larger value: what callbacks go by that monitor it.
    /// None by default for a metric of your own, and for counts and sums.
    fn direction(&self) -> Option<Direction> {
        direction::of(self.class_name())
    }

    /// The metric to use in place of this one for outputs and targets of these shapes, with the
    /// same name; `None` for this one itself.
    fn resolve(&self, _y_true_shape: &[usize], _y_pred_shape: &[usize]) -> Option<Box<dyn Metric>> {
        None
    }

    /// Whether the settings are within range and the shapes are ones that the metric can take;
    /// asked once, before training.
    ///
    /// # Errors
    ///
    /// When they are not.
    fn check(&self, _y_true_shape: &[usize], _y_pred_shape: &[usize]) -> Result<()> {
        Ok(())
    }

    /// Takes in one batch.
    ///
    /// # Errors
    ///
    /// When the shapes do not fit each other.
    fn update(&mut self, batch: &Batch) -> Result<()>;

    /// The value over all batches since the last [`reset`](Metric::reset).
    fn result(&self) -> f32;

    /// All values, of a metric that has several: a score for each class, or one for each threshold.
    /// [`result`](Metric::result) is the first of them; a model logs metrics of one value only, and
    /// refuses others when it is compiled. Keras logs them as an array.
    fn results(&self) -> Vec<f32> {
        vec![self.result()]
    }

    /// The sums that the metric keeps.
    fn state(&self) -> &[f64];

    /// The sums that the metric keeps, to change them.
    fn state_mut(&mut self) -> &mut [f64];

    /// Forgets all batches.
    fn reset(&mut self) {
        self.state_mut().fill(0.0);
    }

    /// Takes in the batches that another metric of the same kind has seen.
    fn merge(&mut self, other: &dyn Metric) {
        for (mine, theirs) in self.state_mut().iter_mut().zip(other.state()) {
            *mine += theirs;
        }
    }
}

/// Copies a metric behind a `Box`; every [`Metric`] that is `Clone` has it.
pub trait CloneMetric {
    /// A boxed copy.
    fn clone_box(&self) -> Box<dyn Metric>;
}

impl<T: Metric + Clone + 'static> CloneMetric for T {
    fn clone_box(&self) -> Box<dyn Metric> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Metric> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

impl Metric for Box<dyn Metric> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn class_name(&self) -> &str {
        (**self).class_name()
    }

    fn config(&self) -> Value {
        (**self).config()
    }

    fn direction(&self) -> Option<Direction> {
        (**self).direction()
    }

    fn resolve(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Option<Box<dyn Metric>> {
        (**self).resolve(y_true_shape, y_pred_shape)
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        (**self).check(y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        (**self).update(batch)
    }

    fn result(&self) -> f32 {
        (**self).result()
    }

    fn results(&self) -> Vec<f32> {
        (**self).results()
    }

    fn state(&self) -> &[f64] {
        (**self).state()
    }

    fn state_mut(&mut self) -> &mut [f64] {
        (**self).state_mut()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn merge(&mut self, other: &dyn Metric) {
        (**self).merge(other);
    }
}

/// The metric of that name, with its default settings; it is logged under the name as given.
///
/// # Errors
///
/// [`Error::Unknown`] when there is none, with the nearest names.
///
/// # Examples
///
/// ```
/// use horn::metrics::{self, Metric};
///
/// assert_eq!(metrics::get("acc")?.name(), "acc");
/// assert!(metrics::get("acuracy").unwrap_err().to_string().contains("`accuracy`"));
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Box<dyn Metric>> {
    if BY_SHAPE.contains(&name.to_lowercase().as_str()) {
        return Ok(accuracy::by_shape(name));
    }
    build(name, &json!({ "name": name }))
}

/// The metric that Keras describes by a name or by `{"class_name", "config"}`.
///
/// The class `Accuracy` is our [`EqualityAccuracy`]; the string `accuracy` our [`Accuracy`].
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not one of a metric, [`Error::Config`] for settings that
/// are not of the right type.
///
/// # Examples
///
/// ```
/// use horn::metrics::{self, Metric};
/// use serde_json::json;
///
/// let config = json!({ "class_name": "BinaryAccuracy", "config": { "threshold": 0.3 } });
/// let metric = metrics::from_keras(&config)?;
/// assert_eq!(metric.name(), "binary_accuracy");
/// assert_eq!(metrics::to_keras(&*metric)["config"]["threshold"], 0.3);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_keras(config: &Value) -> Result<Box<dyn Metric>> {
    if let Value::String(name) = config {
        return get(name);
    }
    match (config.get("class_name"), config.get("config")) {
        // Keras writes a metric that is a plain function as the class "function".
        (Some(Value::String(class)), Some(Value::String(name))) if class == "function" => get(name),
        (Some(Value::String(class)), settings) => {
            let defaults = json!({});
            build(class, settings.unwrap_or(&defaults))
        }
        _ => Err(Error::Config {
            class_name: "Metric".into(),
            message: format!("expected a name or {{\"class_name\", \"config\"}}, got {config}"),
        }),
    }
}

/// Whether a class is one of Keras's that is here too.
pub(crate) fn in_keras(class_name: &str) -> bool {
    const OURS: [&str; 4] = [
        "BalancedAccuracy",
        "CohenKappa",
        "ExpectedCalibrationError",
        "MatthewsCorrelation",
    ];
    !OURS.contains(&class_name) && METRICS.iter().any(|(class, ..)| *class == class_name)
}

/// What Keras writes for a metric: `{"class_name", "config"}`, or a plain string for [`Accuracy`].
pub fn to_keras(metric: &dyn Metric) -> Value {
    match metric.config() {
        Value::String(name) => Value::String(name),
        config => json!({ "class_name": metric.class_name(), "config": config }),
    }
}

registry::own!("metric", Metric, Box, |name| {
    BY_SHAPE.contains(&name)
        || METRICS
            .iter()
            .any(|(class, others, _)| *class == name || others.contains(&name))
});

/// Looks a name up in the table.
fn build(name: &str, config: &Value) -> Result<Box<dyn Metric>> {
    METRICS
        .iter()
        .find(|(class, others, _)| *class == name || others.contains(&name))
        .map(|(_, _, from_config)| from_config(config))
        .or_else(|| OWN.make(name, config))
        .unwrap_or_else(|| {
            let classes = METRICS.iter().map(|(class, ..)| *class);
            let others = METRICS
                .iter()
                .flat_map(|(_, others, _)| others.iter().copied());
            let own = OWN.names();
            let own = own.iter().map(String::as_str);
            let ours = BY_SHAPE.into_iter().chain(others).chain(classes);
            Err(Error::unknown("metric", name, ours.chain(own)))
        })
}

/// A metric from its fields in a Keras configuration; other keys, such as `dtype`, are ignored.
pub(crate) fn parse<M>(class_name: &str, config: &Value) -> Result<Box<dyn Metric>>
where
    M: Metric + DeserializeOwned + 'static,
{
    match M::deserialize(config) {
        Ok(metric) => Ok(Box::new(metric)),
        Err(error) => Err(Error::Config {
            class_name: class_name.into(),
            message: error.to_string(),
        }),
    }
}

/// The methods of [`Metric`] that are the same for every metric with the fields `name: String`
/// and `mean: RunningMean`.
macro_rules! mean_of_values {
    () => {
        fn name(&self) -> &str {
            &self.name
        }

        fn result(&self) -> f32 {
            self.mean.result()
        }

        fn state(&self) -> &[f64] {
            self.mean.state()
        }

        fn state_mut(&mut self) -> &mut [f64] {
            self.mean.state_mut()
        }
    };
}
pub(crate) use mean_of_values;

/// Targets and predictions have the same shape, apart from axes of length 1 at the end: `(batch,)`
/// fits `(batch, 1)`.
pub(crate) fn check_same(metric: &str, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
    if y_true == y_pred || without_ones(y_true) == without_ones(y_pred) {
        return Ok(());
    }
    Err(misfit(
        metric,
        format!("targets of the shape of the outputs, {}", text(y_pred)),
        y_true,
        "check the units of the last layer and the columns of `y`",
    ))
}

/// Targets are one-hot: of the same shape as the predictions, with classes along the last axis.
pub(crate) fn check_one_hot(metric: &str, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
    if y_true == y_pred && y_pred.len() > 1 {
        return Ok(());
    }
    Err(misfit(
        metric,
        format!(
            "one-hot targets of the shape of the outputs, {}",
            text(y_pred)
        ),
        y_true,
        "class ids want the metric of the same name that starts with `Sparse`",
    ))
}

/// Targets are class ids: one for each group of predictions along the last axis.
pub(crate) fn check_ids(metric: &str, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
    if let [groups @ .., _] = y_pred {
        let squeezed = match y_true {
            [ids @ .., 1] if y_true.len() == y_pred.len() => ids,
            ids => ids,
        };
        if squeezed == groups && !groups.is_empty() {
            return Ok(());
        }
    }
    Err(misfit(
        metric,
        format!(
            "one class id for each row of outputs of shape {}",
            text(y_pred)
        ),
        y_true,
        "one-hot targets want the metric of the same name without `Sparse`",
    ))
}

/// A shape without the axes of length 1 at its end; the batch axis stays.
fn without_ones(shape: &[usize]) -> &[usize] {
    match shape {
        [front @ .., 1] if !front.is_empty() => without_ones(front),
        _ => shape,
    }
}

/// The error of [`check_same`] and its siblings.
fn misfit(metric: &str, expected: String, y_true: &[usize], hint: &str) -> Error {
    Error::Shape {
        place: format!("metric `{metric}`"),
        expected,
        found: format!("targets of shape {}", text(y_true)),
        hint: hint.into(),
    }
}

/// A shape as Python prints it: `(32,)`, `(32, 12)`.
fn text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => {
            let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    }
}

/// The place of the largest value; of equal ones the first, as in NumPy, where NaN is the largest.
#[inline(always)]
pub(crate) fn argmax(values: &[f32]) -> usize {
    let places = 0..u32::try_from(values.len()).unwrap_or(u32::MAX);
    at_largest(values, places.rev()).unwrap_or(0) as usize
}

/// What stands where the largest value is, of others that are given from the last to the first.
///
/// From behind the first of equals comes last, and no branch could be guessed wrongly.
#[inline(always)]
pub(crate) fn at_largest<T: Copy + Default>(
    values: &[f32],
    others: impl Iterator<Item = T>,
) -> Option<T> {
    let larger = |a: f32, b: f32| if (b > a) | b.is_nan() { b } else { a };
    let largest = largest(values, larger);
    let mut found = T::default();
    for (value, other) in values.iter().rev().zip(others) {
        let here = (*value == largest) | value.is_nan();
        found = if here { other } else { found };
    }
    (!values.is_empty()).then_some(found)
}

/// The largest value, by what says which of two is larger; some at a time, so that none waits for
/// the one before.
#[inline(always)]
pub(crate) fn largest(values: &[f32], larger: impl Fn(f32, f32) -> f32) -> f32 {
    let mut all = [f32::NEG_INFINITY; 4];
    let (fours, rest) = values.as_chunks::<4>();
    for four in fours {
        for (all, value) in all.iter_mut().zip(four) {
            *all = larger(*all, *value);
        }
    }
    let all = all.iter().chain(rest).copied();
    all.fold(f32::NEG_INFINITY, larger)
}

/// Whether a prediction is among the `k` largest; all that tie with the k-th are. NaN counts as
/// larger than everything, and is never among them.
#[inline(always)]
pub(crate) fn in_top_k(own: f32, predictions: &[f32], k: usize) -> bool {
    let ahead = |p: &f32| u32::from((*p > own) | p.is_nan());
    let ahead: u32 = predictions.iter().map(ahead).sum();
    !own.is_nan() & ((ahead as usize) < k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_values_the_first_wins() {
        assert_eq!(argmax(&[0.2, 0.7, 0.7]), 1);
        assert_eq!(argmax(&[0.0, 0.0]), 0);
        assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), 0);
        assert_eq!(argmax(&[1.0, f32::NAN, 2.0, f32::NAN]), 1);
        assert_eq!(argmax(&[3.0, 1.0, 2.0, 0.0, 5.0, 4.0, 5.0]), 4);
        assert_eq!(argmax(&[3.0, 1.0, 2.0, 0.0, 5.0, 4.0, 5.0, 2.0, 6.0]), 8);
        assert_eq!(argmax(&[]), 0);
    }

    #[test]
    fn ties_at_the_kth_place_are_all_within() {
        // Keras: targets 0, 1, 2 of these rows with k = 2 are out, in, in.
        assert!(!in_top_k(0.1, &[0.1, 0.4, 0.4], 2));
        assert!(in_top_k(0.3, &[0.3, 0.3, 0.3], 2));
        assert!(in_top_k(0.4, &[0.5, 0.4, 0.4], 2));
        assert!(!in_top_k(f32::NAN, &[f32::NAN, 0.4], 2));
        assert!(!in_top_k(0.4, &[f32::NAN, 0.4], 1));
    }

    #[test]
    fn a_string_keeps_its_spelling_as_the_name() {
        for name in ["acc", "Accuracy", "binary_accuracy", "BinaryAccuracy"] {
            assert_eq!(get(name).unwrap().name(), name);
        }
        assert_eq!(get("Accuracy").unwrap().class_name(), "accuracy");
        let class = from_keras(&json!({ "class_name": "Accuracy", "config": {} })).unwrap();
        assert_eq!((class.class_name(), class.name()), ("Accuracy", "accuracy"));
        let function = json!({ "class_name": "function", "config": "binary_accuracy" });
        assert_eq!(
            from_keras(&function).unwrap().class_name(),
            "BinaryAccuracy"
        );
    }

    #[test]
    fn every_metric_of_the_table_round_trips() {
        for (class, others, _) in METRICS {
            let metric = from_keras(&json!({ "class_name": class })).unwrap();
            assert_eq!(metric.class_name(), *class);
            let config = to_keras(&*metric);
            assert_eq!(to_keras(&*from_keras(&config).unwrap()), config);
            for other in *others {
                assert_eq!(get(other).unwrap().class_name(), *class);
            }
        }
        assert_eq!(to_keras(&*get("acc").unwrap()), json!("acc"));
    }

    #[test]
    fn mistakes_are_told() {
        let error = get("binary_acuracy").unwrap_err().to_string();
        assert!(error.contains("did you mean `binary_accuracy`"), "{error}");
        let config = json!({ "class_name": "TopKCategoricalAccuracy", "config": { "k": "five" } });
        assert!(matches!(from_keras(&config), Err(Error::Config { .. })));
        assert!(matches!(from_keras(&json!(3)), Err(Error::Config { .. })));
        let error = check_same("accuracy", &[32], &[32, 3])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("(32,)") && error.contains("(32, 3)"),
            "{error}"
        );
        assert!(check_same("accuracy", &[32], &[32, 1, 1]).is_ok());
        assert!(check_ids("accuracy", &[32, 1], &[32, 4]).is_ok());
        assert!(check_ids("accuracy", &[32], &[32, 4]).is_ok());
        assert!(check_ids("accuracy", &[32, 7], &[32, 7, 4]).is_ok());
        assert!(check_ids("accuracy", &[32, 4], &[32, 4]).is_err());
        assert!(check_one_hot("accuracy", &[32], &[32]).is_err());
    }

    #[test]
    fn merged_halves_are_the_whole() {
        let batch = |y_true, y_pred| Batch {
            y_true,
            y_true_shape: &[2, 1],
            y_pred,
            y_pred_shape: &[2, 1],
            sample_weight: None,
        };
        let mut whole: Box<dyn Metric> = Box::new(BinaryAccuracy::new());
        let mut half = whole.clone();
        let (a, b) = (
            batch(&[1.0, 0.0], &[0.9, 0.8]),
            batch(&[1.0, 0.0], &[0.9, 0.1]),
        );
        whole.update(&a).unwrap();
        half.update(&b).unwrap();
        whole.merge(&*half);
        assert_eq!(whole.result(), 0.75);
        whole.reset();
        assert_eq!(whole.result(), 0.0);
    }
}
