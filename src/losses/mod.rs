//! What training makes small: losses, one file each, and [`Loss`], the trait that they and your
//! own implement.
//!
//! A loss says what each sample costs; weights and the reduction to one number are applied here,
//! in one place for all of them.

mod binary_crossentropy;
mod binary_focal_crossentropy;
mod categorical_crossentropy;
mod categorical_focal_crossentropy;
mod categorical_generalized_cross_entropy;
mod categorical_hinge;
mod circle;
mod cosine_similarity;
mod ctc;
mod dice;
mod hinge;
mod huber;
mod kl_divergence;
mod log_cosh;
mod mean_absolute_error;
mod mean_absolute_percentage_error;
mod mean_squared_error;
mod mean_squared_logarithmic_error;
mod poisson;
mod quantile_loss;
mod sparse_categorical_crossentropy;
mod squared_hinge;
mod tversky;

use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub use binary_crossentropy::BinaryCrossentropy;
pub use binary_focal_crossentropy::BinaryFocalCrossentropy;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use categorical_focal_crossentropy::CategoricalFocalCrossentropy;
pub use categorical_generalized_cross_entropy::CategoricalGeneralizedCrossEntropy;
pub use categorical_hinge::CategoricalHinge;
pub use circle::Circle;
pub use cosine_similarity::CosineSimilarity;
pub use ctc::CTC;
pub use dice::Dice;
pub use hinge::Hinge;
pub use huber::Huber;
pub use kl_divergence::KLDivergence;
pub use log_cosh::LogCosh;
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_absolute_percentage_error::MeanAbsolutePercentageError;
pub use mean_squared_error::MeanSquaredError;
pub use mean_squared_logarithmic_error::MeanSquaredLogarithmicError;
pub use poisson::Poisson;
pub use quantile_loss::QuantileLoss;
pub use sparse_categorical_crossentropy::SparseCategoricalCrossentropy;
pub use squared_hinge::SquaredHinge;
pub use tversky::Tversky;

use crate::error::{Error, Result};
use crate::graph::Value;
use crate::registry::{self, Entry, read};
use crate::shape::Shape;

/// How the costs of the samples become one number.
///
/// Source: <https://keras.io/api/losses/>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Option<Written>", into = "Option<Written>")]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum divided by their number, weighted or not. The default.
    #[default]
    SumOverBatchSize,
    /// The same, by Keras's other name for it.
    Mean,
    /// Their sum.
    Sum,
    /// Their sum divided by the sum of the weights; 0 where that is 0.
    MeanWithSampleWeight,
    /// Each by itself. A model needs one number and refuses it.
    None,
}

/// A reduction as configurations have it; none at all, Python's `None`, is [`Reduction::None`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    #[serde(alias = "auto")]
    SumOverBatchSize,
    Mean,
    Sum,
    MeanWithSampleWeight,
    None,
}

impl From<Option<Written>> for Reduction {
    fn from(written: Option<Written>) -> Self {
        match written {
            Some(Written::SumOverBatchSize) => Reduction::SumOverBatchSize,
            Some(Written::Mean) => Reduction::Mean,
            Some(Written::Sum) => Reduction::Sum,
            Some(Written::MeanWithSampleWeight) => Reduction::MeanWithSampleWeight,
            Some(Written::None) | None => Reduction::None,
        }
    }
}

impl From<Reduction> for Option<Written> {
    fn from(reduction: Reduction) -> Self {
        match reduction {
            Reduction::SumOverBatchSize => Some(Written::SumOverBatchSize),
            Reduction::Mean => Some(Written::Mean),
            Reduction::Sum => Some(Written::Sum),
            Reduction::MeanWithSampleWeight => Some(Written::MeanWithSampleWeight),
            Reduction::None => None,
        }
    }
}

/// What a loss wants its targets to be; checked before training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Targets {
    /// Numbers, of the shape of the predictions.
    Values,
    /// Probabilities, from 0 to 1, of the shape of the predictions.
    Probabilities,
    /// Whole numbers that name a class, one where the predictions have a row of classes.
    ClassIds {
        /// A class that counts for nothing, and may lie outside.
        ignored: Option<i64>,
    },
    /// Whole numbers, one where the predictions have a row: rows of the same number belong
    /// together.
    Groups,
    /// A row of class ids of any length for each sample, ended by zeros.
    Sequences,
}

impl Targets {
    /// The shape of the targets beside predictions of this shape, if that settles it.
    pub(crate) fn beside(self, y_pred: Shape) -> Option<Shape> {
        match self {
            Targets::ClassIds { .. } | Targets::Groups if y_pred.rank() > 1 => {
                Some(y_pred.without(y_pred.rank() - 1))
            }
            Targets::Sequences => None,
            _ => Some(y_pred),
        }
    }
}

/// What a sample costs, written in ops; its gradient comes by itself.
///
/// # Examples
///
/// A closure is enough for most ([`loss_fn`]); a type can have settings:
///
/// ```
/// use horn::losses::Loss;
/// use horn::prelude::*;
///
/// #[derive(Debug, Clone)]
/// struct Quantile(f32);
///
/// impl Loss for Quantile {
///     fn name(&self) -> &str {
///         "quantile"
///     }
///     fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
///         let e = y_true - y_pred;
///         (&e * self.0).maximum(&e * (self.0 - 1.0)).mean(-1)
///     }
/// }
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
/// model.compile(Compile::new(Adam::new(), Quantile(0.9)))?;
/// # Ok::<(), horn::Error>(())
/// ```
pub trait Loss: Debug + Send + Sync {
    /// Keras's name of it, as in `binary_crossentropy`.
    fn name(&self) -> &str;

    /// What each sample costs: `(batch, ...)` from targets and predictions `(batch, ..., units)`.
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value;

    /// The name of Keras's class.
    fn class_name(&self) -> &str {
        self.name()
    }

    /// How costs become one number.
    fn reduction(&self) -> Reduction {
        Reduction::default()
    }

    /// What the targets must be.
    fn targets(&self) -> Targets {
        Targets::Values
    }

    /// Which samples count, by their targets or by what they cost: 1 where they do, 0 where they
    /// do not; nothing when all do.
    fn mask(&self, _y_true: &Value, _costs: &Value) -> Option<Value> {
        None
    }

    /// Whether the settings are within their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for the first that is not; `compile` returns it.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// The settings as Keras writes them, a JSON object.
    fn config(&self) -> Json {
        json!({"name": self.name()})
    }
}

impl Loss for Arc<dyn Loss> {
    fn name(&self) -> &str {
        self.as_ref().name()
    }

    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        self.as_ref().call(y_true, y_pred)
    }

    fn class_name(&self) -> &str {
        self.as_ref().class_name()
    }

    fn reduction(&self) -> Reduction {
        self.as_ref().reduction()
    }

    fn targets(&self) -> Targets {
        self.as_ref().targets()
    }

    fn mask(&self, y_true: &Value, costs: &Value) -> Option<Value> {
        self.as_ref().mask(y_true, costs)
    }

    fn validate(&self) -> Result<()> {
        self.as_ref().validate()
    }

    fn config(&self) -> Json {
        self.as_ref().config()
    }
}

/// A loss made of a closure from targets and predictions to the cost of each sample.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let pinball = loss_fn("pinball", |t, p| {
///     let e = t - p;
///     (&e * 0.9).maximum(&(&e * -0.1)).mean(-1)
/// });
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
/// model.compile(Compile::new(Adam::new(), pinball))?;
/// # Ok::<(), horn::Error>(())
/// ```
pub fn loss_fn<F>(name: impl Into<String>, function: F) -> FnLoss<F>
where
    F: Fn(&Value, &Value) -> Value + Send + Sync,
{
    FnLoss {
        name: name.into(),
        function,
    }
}

/// What [`loss_fn`] makes.
#[derive(Clone)]
pub struct FnLoss<F> {
    name: String,
    function: F,
}

impl<F> Debug for FnLoss<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FnLoss").field(&self.name).finish()
    }
}

impl<F: Fn(&Value, &Value) -> Value + Send + Sync> Loss for FnLoss<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        (self.function)(y_true, y_pred)
    }
}

/// The shape that targets take beside predictions: `(n,)` meets `(n, 1)`, a column of class ids
/// drops its axis, and nothing else is stretched.
pub(crate) fn aligned(targets: Targets, y_true: &[usize], y_pred: &[usize]) -> Option<Shape> {
    let wanted = match (targets, y_pred) {
        (Targets::ClassIds { .. } | Targets::Groups, [samples @ .., _]) => samples,
        (Targets::Sequences, [rows, ..]) => {
            let fits = y_true.len() == 2 && y_true.first() == Some(rows);
            return fits.then(|| Shape::new(y_true)).flatten();
        }
        (_, all) => all,
    };
    let fits = y_true == wanted
        || y_true.strip_suffix(&[1]) == Some(wanted)
        || wanted.strip_suffix(&[1]) == Some(y_true);
    fits.then(|| Shape::new(wanted)).flatten()
}

/// Weights with axes of length 1 behind, so that they have as many as the costs.
fn beside(weights: &Value, costs: &Value) -> Value {
    let mut shape = weights.shape().dims().to_vec();
    shape.resize(costs.rank().max(shape.len()), 1);
    weights.reshape(shape)
}

/// Costs and their weights, multiplied: the mask of the loss and the weights of the samples.
fn weighted(
    loss: &dyn Loss,
    y_true: &Value,
    costs: Value,
    weights: Option<&Value>,
    mask: Option<&Value>,
) -> (Value, Option<Value>) {
    let of_outputs = mask.map(|mask| beside(mask, &costs));
    let mask = match (loss.mask(y_true, &costs), of_outputs) {
        (Some(own), Some(of_outputs)) => Some(own * of_outputs),
        (own, of_outputs) => own.or(of_outputs),
    };
    let mask = mask.map(|mask| match loss.reduction() {
        // Keras scales the mask so that dividing by all samples is a mean over those that count.
        Reduction::SumOverBatchSize | Reduction::Mean => {
            let scale = mask.shape().size() as f32 / divisor(&mask.sum(..));
            mask * scale
        }
        _ => mask,
    });
    let weights = weights.map(|weights| beside(weights, &costs));
    let weights = match (mask, weights) {
        (Some(mask), Some(weights)) => Some(mask * weights),
        (mask, weights) => mask.or(weights),
    };
    match weights {
        Some(weights) => (&costs * &weights, Some(weights)),
        None => (costs, None),
    }
}

/// A total to divide by; where nothing counts, 1, so that nothing divided by it stays nothing.
fn divisor(total: &Value) -> Value {
    total + total.equal(0.0)
}

/// The loss of a batch, as Keras's `loss(y_true, y_pred, sample_weight)`: one number, or with
/// [`Reduction::None`] one a sample. Weights are one a sample; a mask is 1 for the samples or steps
/// that count and 0 for the others.
pub fn compute(
    loss: &dyn Loss,
    y_true: &Value,
    y_pred: &Value,
    weights: Option<&Value>,
    mask: Option<&Value>,
) -> Value {
    let costs = loss.call(y_true, y_pred);
    let (costs, weights) = weighted(loss, y_true, costs, weights, mask);
    match (loss.reduction(), weights) {
        (Reduction::None, _) => costs,
        (Reduction::Sum, _) => costs.sum(..),
        (Reduction::MeanWithSampleWeight, Some(weights)) => {
            let weights = match weights.shape() == costs.shape() {
                true => weights,
                false => weights.broadcast_to(costs.shape()),
            };
            costs.sum(..) / divisor(&weights.sum(..))
        }
        _ => costs.mean(..),
    }
}

/// What each sample costs, `(batch)`: the mean over those of its places that count.
pub(crate) fn per_sample(
    loss: &dyn Loss,
    y_true: &Value,
    y_pred: &Value,
    mask: Option<&Value>,
) -> Value {
    let costs = loss.call(y_true, y_pred);
    let batch = y_pred.shape().dims().first().copied().unwrap_or(1);
    if costs.shape().dims().first() != Some(&batch) {
        return costs.fail(format!(
            "`{}` is a loss of the whole batch, not of each sample",
            loss.name()
        ));
    }
    let of_outputs = mask.map(|mask| beside(mask, &costs));
    let mask = match (loss.mask(y_true, &costs), of_outputs) {
        (Some(own), Some(of_outputs)) => Some(own * of_outputs),
        (own, of_outputs) => own.or(of_outputs),
    };
    let places = [batch, costs.shape().size() / batch.max(1)];
    let flat = |value: &Value| value.broadcast_to(costs.shape()).reshape(places);
    match mask {
        None => flat(&costs).mean(-1),
        Some(mask) => flat(&(&costs * &mask)).sum(-1) / divisor(&flat(&mask).sum(-1)),
    }
}

/// Every loss: Keras's class, its other names, and how it is made.
#[rustfmt::skip]
const TABLE: &[Entry<dyn Loss>] = &[
    ("BinaryCrossentropy", &["binary_crossentropy", "bce", "BCE"], |c| Ok(Arc::new(read::<BinaryCrossentropy>("BinaryCrossentropy", c)?))),
    ("BinaryFocalCrossentropy", &["binary_focal_crossentropy"], |c| Ok(Arc::new(read::<BinaryFocalCrossentropy>("BinaryFocalCrossentropy", c)?))),
    ("CategoricalCrossentropy", &["categorical_crossentropy", "cce"], |c| Ok(Arc::new(read::<CategoricalCrossentropy>("CategoricalCrossentropy", c)?))),
    ("CategoricalFocalCrossentropy", &["categorical_focal_crossentropy"], |c| Ok(Arc::new(read::<CategoricalFocalCrossentropy>("CategoricalFocalCrossentropy", c)?))),
    ("CategoricalGeneralizedCrossEntropy", &["categorical_generalized_cross_entropy"], |c| Ok(Arc::new(read::<CategoricalGeneralizedCrossEntropy>("CategoricalGeneralizedCrossEntropy", c)?))),
    ("CategoricalHinge", &["categorical_hinge"], |c| Ok(Arc::new(read::<CategoricalHinge>("CategoricalHinge", c)?))),
    ("Circle", &["circle"], |c| Ok(Arc::new(read::<Circle>("Circle", c)?))),
    ("CosineSimilarity", &["cosine_similarity"], |c| Ok(Arc::new(read::<CosineSimilarity>("CosineSimilarity", c)?))),
    ("CTC", &["ctc"], |c| Ok(Arc::new(read::<CTC>("CTC", c)?))),
    ("Dice", &["dice"], |c| Ok(Arc::new(read::<Dice>("Dice", c)?))),
    ("Hinge", &["hinge"], |c| Ok(Arc::new(read::<Hinge>("Hinge", c)?))),
    ("Huber", &["huber"], |c| Ok(Arc::new(read::<Huber>("Huber", c)?))),
    ("KLDivergence", &["kl_divergence", "kld", "KLD", "kullback_leibler_divergence"], |c| Ok(Arc::new(read::<KLDivergence>("KLDivergence", c)?))),
    ("LogCosh", &["log_cosh", "logcosh"], |c| Ok(Arc::new(read::<LogCosh>("LogCosh", c)?))),
    ("MeanAbsoluteError", &["mean_absolute_error", "mae", "MAE"], |c| Ok(Arc::new(read::<MeanAbsoluteError>("MeanAbsoluteError", c)?))),
    ("MeanAbsolutePercentageError", &["mean_absolute_percentage_error", "mape", "MAPE"], |c| Ok(Arc::new(read::<MeanAbsolutePercentageError>("MeanAbsolutePercentageError", c)?))),
    ("MeanSquaredError", &["mean_squared_error", "mse", "MSE"], |c| Ok(Arc::new(read::<MeanSquaredError>("MeanSquaredError", c)?))),
    ("MeanSquaredLogarithmicError", &["mean_squared_logarithmic_error", "msle", "MSLE"], |c| Ok(Arc::new(read::<MeanSquaredLogarithmicError>("MeanSquaredLogarithmicError", c)?))),
    ("Poisson", &["poisson"], |c| Ok(Arc::new(read::<Poisson>("Poisson", c)?))),
    ("QuantileLoss", &["quantile_loss", "pinball"], |c| Ok(Arc::new(read::<QuantileLoss>("QuantileLoss", c)?))),
    ("SparseCategoricalCrossentropy", &["sparse_categorical_crossentropy"], |c| Ok(Arc::new(read::<SparseCategoricalCrossentropy>("SparseCategoricalCrossentropy", c)?))),
    ("SquaredHinge", &["squared_hinge"], |c| Ok(Arc::new(read::<SquaredHinge>("SquaredHinge", c)?))),
    ("Tversky", &["tversky"], |c| Ok(Arc::new(read::<Tversky>("Tversky", c)?))),
];

registry::own!("loss", Loss, Arc, |name| registry::is_known(TABLE, name));

/// The loss with Keras's name, as `keras.losses.get`: `"mse"`, `"binary_crossentropy"`, ...
///
/// # Errors
///
/// [`Error::Unknown`], with the nearest names.
///
/// # Examples
///
/// ```
/// use horn::losses;
///
/// assert_eq!(losses::get("mse")?.name(), "mean_squared_error");
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Arc<dyn Loss>> {
    registry::named("loss", (TABLE, &OWN), name, &json!({}))
}

/// A loss from what Keras writes: a name, or `{"class_name", "config"}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not there, [`Error::Config`] for a setting that cannot be
/// understood.
pub fn from_keras(json: &Json) -> Result<Arc<dyn Loss>> {
    registry::described("loss", (TABLE, &OWN), json)
}

/// Whether a class is one of Keras's that is here too.
pub(crate) fn in_keras(class_name: &str) -> bool {
    class_name != "QuantileLoss" && TABLE.iter().any(|(class, ..)| *class == class_name)
}

/// What Keras writes for a loss: `{"class_name", "config"}`.
pub fn to_keras(loss: &dyn Loss) -> Json {
    json!({"class_name": loss.class_name(), "config": loss.config()})
}

/// The parts of a loss that all of ours share: the fields `name` and `reduction`.
macro_rules! shared_settings {
    (builder) => {
        /// With Keras's defaults.
        pub fn new() -> Self {
            Self::default()
        }

        $crate::losses::shared_settings!(named builder);
    };
    (crossentropy $towards:literal) => {
        /// Whether the predictions are logits rather than probabilities. Default: false.
        pub fn from_logits(mut self, from_logits: bool) -> Self {
            self.from_logits = from_logits;
            self
        }

        #[doc = concat!("How far targets are drawn towards ", $towards, ", from 0 to 1. Default: 0.")]
        pub fn label_smoothing(mut self, label_smoothing: f32) -> Self {
            self.label_smoothing = label_smoothing;
            self
        }

        /// The axis that is reduced. Default: -1.
        pub fn axis(mut self, axis: isize) -> Self {
            self.axis = axis;
            self
        }
    };
    (named builder) => {
        /// How costs become one number. Default: their mean over the batch.
        pub fn reduction(mut self, reduction: $crate::losses::Reduction) -> Self {
            self.reduction = reduction;
            self
        }

        /// The name in configurations. Default: Keras's.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.name = name.into();
            self
        }
    };
    (loss $class:expr) => {
        fn name(&self) -> &str {
            &self.name
        }

        fn class_name(&self) -> &str {
            $class
        }

        fn reduction(&self) -> $crate::losses::Reduction {
            self.reduction
        }

        fn config(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap_or_default()
        }
    };
}
pub(crate) use shared_settings;

/// Swaps an axis with the last one, where a loss works.
pub(crate) fn axis_last(value: &Value, axis: isize) -> Value {
    let rank = value.rank();
    match value.shape().axis(axis) {
        Some(axis) if axis + 1 == rank => value.clone(),
        Some(axis) => {
            let mut order: Vec<usize> = (0..rank).collect();
            order.remove(axis);
            order.push(axis);
            value.transpose(order)
        }
        None => value.fail(format!("{} has no axis {axis}", value.shape())),
    }
}

/// Targets between 0 and 1, drawn towards one half.
fn smooth_binary(targets: &Value, smoothing: f32) -> Value {
    match smoothing {
        0.0 => targets.clone(),
        _ => targets * (1.0 - smoothing) + 0.5 * smoothing,
    }
}

/// One-hot targets, drawn towards an even spread over the last axis.
fn smooth_classes(targets: &Value, smoothing: f32) -> Value {
    match smoothing {
        0.0 => targets.clone(),
        _ => targets * (1.0 - smoothing) + smoothing / targets.dim(-1) as f32,
    }
}

/// How much an error counts in a focal loss: to the power of `gamma`.
fn focus(error: &Value, gamma: f32) -> Value {
    match gamma {
        // The general power has no derivative at 0.
        0.0 => error * 0.0 + 1.0,
        2.0 => error.square(),
        _ => error.pow(gamma),
    }
}

/// A fraction lies between 0 and 1.
fn check_fraction(class_name: &str, argument: &'static str, fraction: f32) -> Result<()> {
    match (0.0..=1.0).contains(&fraction) {
        true => Ok(()),
        false => Err(Error::argument(
            class_name,
            argument,
            "between 0 and 1",
            fraction,
        )),
    }
}

/// The `gamma` of a focal loss is a number of at least 0.
fn check_focus(class_name: &str, gamma: f32) -> Result<()> {
    match gamma >= 0.0 && gamma.is_finite() {
        true => Ok(()),
        false => Err(Error::argument(
            class_name,
            "gamma",
            "finite and at least 0",
            gamma,
        )),
    }
}

/// A loss whose only settings are its name and its reduction: its docs, its type, Keras's name,
/// what its targets are if not [`Targets::Values`], and what a sample costs.
macro_rules! plain_loss {
    (
        $(#[$doc:meta])* $Loss:ident, $name:literal, $(targets: $targets:expr,)?
        |$y_true:ident, $y_pred:ident| $costs:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $Loss {
            name: String,
            reduction: $crate::losses::Reduction,
        }

        impl Default for $Loss {
            fn default() -> Self {
                $Loss {
                    name: $name.into(),
                    reduction: Default::default(),
                }
            }
        }

        impl $Loss {
            $crate::losses::shared_settings!(builder);
        }

        impl $crate::losses::Loss for $Loss {
            fn call(
                &self,
                $y_true: &$crate::graph::Value,
                $y_pred: &$crate::graph::Value,
            ) -> $crate::graph::Value {
                $costs
            }

            $(fn targets(&self) -> $crate::losses::Targets {
                $targets
            })?

            $crate::losses::shared_settings!(loss stringify!($Loss));
        }
    };
}
use plain_loss;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    #[test]
    fn only_a_lone_column_is_matched() {
        let ids = Targets::ClassIds { ignored: None };
        assert_eq!(aligned(Targets::Values, &[5], &[5, 1]), Some([5, 1].into()));
        assert_eq!(aligned(Targets::Values, &[5, 1], &[5]), Some([5].into()));
        assert_eq!(aligned(Targets::Values, &[5], &[5, 2]), None);
        assert_eq!(aligned(Targets::Values, &[5, 1], &[5, 2]), None);
        assert_eq!(aligned(ids, &[5, 1], &[5, 3]), Some([5].into()));
        assert_eq!(aligned(ids, &[5, 3], &[5, 3]), None);
    }

    #[test]
    fn reductions_are_written_as_keras_writes_them() {
        let hinge = |reduction: Json| {
            from_keras(&json!({"class_name": "Hinge", "config": {"reduction": reduction}}))
        };
        // `Hinge(reduction=None)` and `Hinge(reduction="mean")` of Keras 3.15.
        for reduction in [json!(null), json!("mean"), json!("sum_over_batch_size")] {
            let loss = hinge(reduction.clone()).expect("a reduction of Keras");
            assert_eq!(loss.config()["reduction"], reduction);
        }
        let none = hinge(json!("none")).expect("a reduction of Keras");
        assert_eq!(none.reduction(), Reduction::None);
        assert!(hinge(json!("average")).is_err());
    }

    #[test]
    fn a_function_of_keras_is_read() {
        // What `keras.losses.serialize(keras.losses.kl_divergence)` writes.
        let function = json!({"module": "builtins", "class_name": "function",
            "config": "kl_divergence", "registered_name": "function"});
        let loss = from_keras(&function).expect("a function of Keras");
        assert_eq!(loss.class_name(), "KLDivergence");
    }

    /// A loss of fixed targets for three rows, and of which rows count.
    fn of_rows(loss: &dyn Loss, y_true: &[f32], weights: [f32; 3]) -> (Vec<f32>, Vec<f32>) {
        let mut probe = Probe::new(&[&[3, 2]], false, |scope, v| {
            let y_true = scope.constant(y_true, [3, 2]);
            let weights = scope.constant(&weights, [3]);
            compute(loss, &y_true, &v[0], Some(&weights), None)
        })
        .expect("shapes that fit");
        probe.set_inputs(&[vec![0.5, 0.25, 0.0, -1.0, 2.0, 1.0]]);
        let value = probe.forward();
        let gradient = probe.backward(&vec![1.0; value.len()]);
        (value, gradient.inputs[0].clone())
    }

    #[test]
    fn weights_of_zero_make_a_loss_of_zero() {
        // Keras divides without making NaN: `divide_no_nan`.
        let loss = Hinge::new().reduction(Reduction::MeanWithSampleWeight);
        let (value, gradient) = of_rows(&loss, &[1.0; 6], [0.0; 3]);
        assert_eq!((value, gradient), (vec![0.0], vec![0.0; 6]));
    }

    #[test]
    fn targets_become_signs_only_where_all_are_binary() {
        let hinge =
            |y_true: &[f32]| of_rows(&Hinge::new().reduction(Reduction::None), y_true, [1.0; 3]).0;
        // t = -1, 1 | 1, -1 | -1, 1: the means of max(1 - t p, 0).
        assert_eq!(hinge(&[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]), [1.125, 0.5, 1.5]);
        // One 0.5 among them, and 0 stays 0.
        assert_eq!(hinge(&[0.0, 1.0, 1.0, 0.5, 0.0, 1.0]), [0.875, 1.25, 0.5]);
        // Keras: [0.875, inf, 0.5].
        assert_eq!(
            hinge(&[0.0, 1.0, 1.0, f32::INFINITY, 0.0, 1.0]),
            [0.875, f32::INFINITY, 0.5]
        );
    }

    #[test]
    fn several_alphas_stand_along_the_last_axis_as_in_keras() {
        // Keras 3.15, y_true [[[1, 0], [0, 1]]], y_pred [[[0.2, 0.7], [0.8, 0.3]]]:
        // CategoricalFocalCrossentropy(alpha=[0.25, 2.0], axis=1, reduction="none").
        let loss = CategoricalFocalCrossentropy::new()
            .alphas([0.25, 2.0])
            .axis(1);
        let loss = loss.reduction(Reduction::None);
        let mut probe = Probe::new(&[&[1, 2, 2]], false, |scope, v| {
            let y_true = scope.constant(&[1.0, 0.0, 0.0, 1.0], [1, 2, 2]);
            compute(&loss, &y_true, &v[0], None, None)
        })
        .expect("shapes that fit");
        probe.set_inputs(&[vec![0.2, 0.7, 0.8, 0.3]]);
        let costs = probe.forward();
        for (got, want) in costs.iter().zip([0.257_510_1, 1.179_893_3]) {
            assert!((got - want).abs() < 1e-6, "{costs:?}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |class: &str, argument: &str, value: f64| {
            let json = json!({"class_name": class, "config": {argument: value}});
            let error = from_keras(&json).expect(class).validate().expect_err(class);
            let text = error.to_string();
            assert!(text.contains(class) && text.contains(argument), "{text}");
        };
        for class in ["BinaryFocalCrossentropy", "CategoricalFocalCrossentropy"] {
            refused(class, "label_smoothing", 1.1);
            refused(class, "gamma", -0.5);
            refused(class, "gamma", f64::from(f32::MAX) * 10.0);
            refused(class, "alpha", -0.1);
        }
        refused("BinaryFocalCrossentropy", "alpha", 1.5);
        refused("CategoricalGeneralizedCrossEntropy", "q", 0.0);
        refused("CategoricalGeneralizedCrossEntropy", "q", 1.0);
        refused("QuantileLoss", "quantile", 0.0);
        refused("QuantileLoss", "quantile", 1.0);
        refused("Tversky", "alpha", -1.0);
        refused("Tversky", "beta", -1.0);
        refused("Circle", "gamma", f64::from(f32::MAX) * 10.0);
        refused("Circle", "margin", f64::from(f32::MAX) * 10.0);
        assert!(
            BinaryFocalCrossentropy::new()
                .gamma(f32::NAN)
                .validate()
                .is_err()
        );
        assert!(QuantileLoss::new(f32::NAN).validate().is_err());
    }

    #[test]
    fn every_name_resolves_and_round_trips() {
        for (class, names, _) in TABLE {
            for name in names.iter().chain([class]) {
                let loss = get(name).expect(name);
                assert_eq!(loss.class_name(), *class);
                let again = from_keras(&to_keras(&loss)).expect(name);
                assert_eq!(to_keras(&again), to_keras(&loss));
            }
        }
    }
}
