//! What training makes small: losses, one file each, and [`Loss`], the trait that they and your
//! own implement.
//!
//! A loss says what each sample costs; weights and the reduction to one number are applied here,
//! in one place for all of them.

mod binary_crossentropy;
mod categorical_crossentropy;
mod huber;
mod log_cosh;
mod mean_absolute_error;
mod mean_absolute_percentage_error;
mod mean_squared_error;
mod mean_squared_logarithmic_error;
mod sparse_categorical_crossentropy;

use std::fmt::Debug;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub use binary_crossentropy::BinaryCrossentropy;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use huber::Huber;
pub use log_cosh::LogCosh;
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_absolute_percentage_error::MeanAbsolutePercentageError;
pub use mean_squared_error::MeanSquaredError;
pub use mean_squared_logarithmic_error::MeanSquaredLogarithmicError;
pub use sparse_categorical_crossentropy::SparseCategoricalCrossentropy;

use crate::error::{Error, Result};
use crate::graph::Value;
use crate::shape::Shape;

/// How the costs of the samples become one number.
///
/// Source: <https://keras.io/api/losses/>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum divided by their number, weighted or not. The default.
    #[default]
    #[serde(alias = "mean", alias = "auto")]
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// Their sum divided by the sum of the weights.
    MeanWithSampleWeight,
    /// Each by itself. A model needs one number and refuses it.
    None,
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

    /// Which samples count: 1 where they do, 0 where they do not; nothing when all do.
    fn mask(&self, _y_true: &Value) -> Option<Value> {
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

    fn mask(&self, y_true: &Value) -> Option<Value> {
        self.as_ref().mask(y_true)
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
        (Targets::ClassIds { .. }, [samples @ .., _]) => samples,
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
    let mask = match (loss.mask(y_true), of_outputs) {
        (Some(own), Some(of_outputs)) => Some(own * of_outputs),
        (own, of_outputs) => own.or(of_outputs),
    };
    let mask = mask.map(|mask| match loss.reduction() {
        // Keras scales the mask so that dividing by all samples is a mean over those that count.
        Reduction::SumOverBatchSize => {
            let counted = mask.sum(..) + 1e-7;
            let scale = mask.shape().size() as f32 / counted;
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
            costs.sum(..) / weights.sum(..)
        }
        _ => costs.mean(..),
    }
}

/// Makes a loss from Keras's configuration.
type Make = fn(&Json) -> Result<Arc<dyn Loss>>;

/// Every loss: Keras's class, its short names, and how it is made.
const TABLE: &[(&str, &[&str], Make)] = &[
    (
        "BinaryCrossentropy",
        &["binary_crossentropy", "bce"],
        make::<BinaryCrossentropy>,
    ),
    (
        "CategoricalCrossentropy",
        &["categorical_crossentropy", "cce"],
        make::<CategoricalCrossentropy>,
    ),
    ("Huber", &["huber"], make::<Huber>),
    ("LogCosh", &["log_cosh", "logcosh"], make::<LogCosh>),
    (
        "MeanAbsoluteError",
        &["mean_absolute_error", "mae"],
        make::<MeanAbsoluteError>,
    ),
    (
        "MeanAbsolutePercentageError",
        &["mean_absolute_percentage_error", "mape"],
        make::<MeanAbsolutePercentageError>,
    ),
    (
        "MeanSquaredError",
        &["mean_squared_error", "mse"],
        make::<MeanSquaredError>,
    ),
    (
        "MeanSquaredLogarithmicError",
        &["mean_squared_logarithmic_error", "msle"],
        make::<MeanSquaredLogarithmicError>,
    ),
    (
        "SparseCategoricalCrossentropy",
        &["sparse_categorical_crossentropy"],
        make::<SparseCategoricalCrossentropy>,
    ),
];

fn make<L: Loss + DeserializeOwned + 'static>(config: &Json) -> Result<Arc<dyn Loss>> {
    let loss: L = serde_json::from_value(config.clone()).map_err(|error| Error::Config {
        class_name: "loss".into(),
        message: error.to_string(),
    })?;
    Ok(Arc::new(loss))
}

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
    named(name, &json!({}))
}

fn named(name: &str, config: &Json) -> Result<Arc<dyn Loss>> {
    let matches = |(class, names, _): &&(&str, &[&str], Make)| {
        class.eq_ignore_ascii_case(name) || names.contains(&name.to_lowercase().as_str())
    };
    match TABLE.iter().find(matches) {
        Some((_, _, make)) => make(config),
        None => {
            let known = TABLE.iter().flat_map(|(_, names, _)| names.iter().copied());
            Err(Error::unknown("loss", name, known))
        }
    }
}

/// A loss from what Keras writes: a name, or `{"class_name", "config"}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not there, [`Error::Config`] for a setting that cannot be
/// understood.
pub fn from_keras(json: &Json) -> Result<Arc<dyn Loss>> {
    if let Some(name) = json.as_str() {
        return get(name);
    }
    let class_name = json.get("class_name").and_then(Json::as_str).unwrap_or("");
    named(class_name, json.get("config").unwrap_or(&json!({})))
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
    (loss $class:literal) => {
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

/// A fraction for label smoothing lies between 0 and 1.
pub(crate) fn check_smoothing(class_name: &str, label_smoothing: f32) -> Result<()> {
    match (0.0..=1.0).contains(&label_smoothing) {
        true => Ok(()),
        false => Err(Error::argument(
            class_name,
            "label_smoothing",
            "between 0 and 1",
            label_smoothing,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
