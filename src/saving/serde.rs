//! `Serialize` and `Deserialize` of configurations, as Keras writes them, and of whole models.
//!
//! In formats for people, such as JSON, a configuration is an object; in others, such as bincode, a
//! text of JSON.

use std::any::Any;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::keras_archive;
use crate::error::Error;
use crate::model::built::Built;
use crate::model::{Model, Sequential};
use crate::optimizers::{self, State, schedules};
use crate::{activations, constraints, initializers, metrics};

/// Writes JSON into any format.
fn write<S: Serializer>(json: &Json, serializer: S) -> Result<S::Ok, S::Error> {
    match serializer.is_human_readable() {
        true => json.serialize(serializer),
        false => serializer.serialize_str(&json.to_string()),
    }
}

/// Reads JSON from any format.
fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
    if deserializer.is_human_readable() {
        return Json::deserialize(deserializer);
    }
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(D::Error::custom)
}

/// Makes the objects of a family data: `Box` and `Arc` of its trait are read and written.
macro_rules! by_keras {
    ($($Trait:path, $family:path;)*) => {$(
        impl Serialize for dyn $Trait {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $family as family;
                write(&family::to_keras(self), serializer)
            }
        }

        impl<'de> Deserialize<'de> for Box<dyn $Trait> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $family as family;
                let json = read(deserializer)?;
                let object = family::from_keras(&json).map_err(D::Error::custom)?;
                Ok(Box::new(object))
            }
        }
    )*};
}

by_keras! {
    crate::activations::Activation, crate::activations;
    crate::constraints::Constraint, crate::constraints;
    crate::initializers::Initializer, crate::initializers;
    crate::layers::Layer, crate::layers;
    crate::losses::Loss, crate::losses;
    crate::metrics::Metric, crate::metrics;
    crate::optimizers::Optimizer, crate::optimizers;
    crate::optimizers::schedules::Schedule, crate::optimizers::schedules;
    crate::regularizers::Regularizer, crate::regularizers;
}

/// The configuration of an object, without its class where Keras writes that beside it.
fn bare(json: Json) -> Json {
    match json {
        Json::Object(mut parts) => parts.remove("config").unwrap_or_default(),
        name => name,
    }
}

/// A configuration with its class, where it has none: a name and a whole description stay.
fn described(class: &str, json: Json) -> Json {
    match json.is_string() || json.get("class_name").is_some() {
        true => json,
        false => json!({"class_name": class, "config": json}),
    }
}

/// Makes types data that read their configurations themselves: as Keras's `config` alone, which is what
/// serde makes of the others. A name or a description with its class is read too.
macro_rules! alone {
    ($($family:ident: $($Type:ident),+;)*) => {$($(
        impl Serialize for $family::$Type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                write(&bare($family::to_keras(self)), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $family::$Type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let class = stringify!($Type);
                let object = $family::from_keras(&described(class, read(deserializer)?));
                let object = object.map_err(D::Error::custom)?;
                let any: &dyn Any = &*object;
                let found = any.downcast_ref::<Self>().cloned();
                found.ok_or_else(|| D::Error::custom(format!("{object:?} is no `{class}`")))
            }
        }
    )+)*};
}

/// Makes metrics that serde reads written too, in formats for people.
macro_rules! written {
    ($($Type:ident),+) => {$(
        impl Serialize for metrics::$Type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => bare(metrics::to_keras(self)).serialize(serializer),
                    false => Err(S::Error::custom(concat!(
                        "`", stringify!($Type), "` is written in this format as a `Box<dyn Metric>`"
                    ))),
                }
            }
        }
    )+};
}

alone! {
    activations: Exponential, HardSigmoid, HardSilu, HardTanh, Linear, LogSigmoid, Mish, Relu, Relu6, Selu,
        Sigmoid, Silu, Softplus, Softsign, SparsePlus, SparseSigmoid, Tanh, TanhShrink;
    constraints: NonNeg;
    initializers: Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal,
        LecunUniform, Ones, Orthogonal, RandomNormal, RandomUniform, STFT, TruncatedNormal,
        VarianceScaling, Zeros;
    metrics: BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge,
        ConcordanceCorrelation, CosineSimilarity, Hinge, Huber, KLDivergence, LogCoshError,
        MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError,
        PearsonCorrelation, Poisson, SparseCategoricalCrossentropy, SquaredHinge;
    optimizers: Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, LBFGS, Lamb, Lion,
        LossScaleOptimizer, MultiOptimizer, Muon, Nadam, RMSprop, SGD, ScheduleFreeAdamW;
    schedules: CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay,
        PiecewiseConstantDecay, PolynomialDecay;
}

written! {
    AUC, BalancedAccuracy, BinaryAccuracy, BinaryIoU, CategoricalAccuracy, CohenKappa, EqualityAccuracy,
    ExpectedCalibrationError, F1Score, FBetaScore, FalseNegatives, FalsePositives, IoU,
    MatthewsCorrelation, Mean, MeanIoU, OneHotIoU, OneHotMeanIoU, Precision, PrecisionAtRecall, R2Score,
    Recall, RecallAtPrecision, RootMeanSquaredError, SensitivityAtSpecificity,
    SparseCategoricalAccuracy, SparseTopKCategoricalAccuracy, SpecificityAtSensitivity, Sum,
    TopKCategoricalAccuracy, TrueNegatives, TruePositives
}

impl Serialize for metrics::Accuracy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&metrics::to_keras(self), serializer)
    }
}

impl<'de> Deserialize<'de> for metrics::Accuracy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A name that stands for another class in each model.
        match read(deserializer)? {
            name if name == metrics::to_keras(&metrics::Accuracy) => Ok(metrics::Accuracy),
            other => Err(D::Error::custom(format!("{other} is no `accuracy`"))),
        }
    }
}

/// JSON as a field, in any format.
struct Text(Json);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer).map(Text)
    }
}

/// A model as data.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Model")]
struct Portable {
    /// As Keras's `config.json`.
    config: Text,
    /// As `metadata.json`.
    metadata: Text,
    weights: Option<Vec<Weight>>,
    optimizer: Option<Optimized>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Weight")]
struct Weight {
    path: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// How far an optimizer is.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Optimizer")]
struct Optimized {
    iterations: u64,
    /// Slots, the average and the sum of gradients, where there are any.
    arenas: Vec<Vec<f32>>,
}

/// The arenas of a state in their order.
fn arenas(state: &mut State) -> Vec<&mut [f32]> {
    // One borrow for all of them.
    let (slots, average, accumulator) = state.arenas_mut();
    let extras = [average, accumulator].into_iter().flatten();
    slots
        .iter_mut()
        .chain(extras)
        .map(|arena| &mut arena[..])
        .collect()
}

impl Portable {
    fn of(model: &Model) -> Portable {
        let (config, metadata) = match model.whole("serialize") {
            Ok(whole) => keras_archive::texts(&whole),
            // A model that is not built has layers only.
            Err(_) => {
                let config = serde_json::from_str(&model.to_json()).unwrap_or(Json::Null);
                (
                    config,
                    keras_archive::metadata(model.seed, &model.extras, model.history()),
                )
            }
        };
        let built = model.built.as_ref();
        let weights = built.map(|built| {
            let specs = built.variables.specs.iter();
            let weights = specs.map(|spec| Weight {
                path: spec.path.clone(),
                shape: spec.shape.dims().to_vec(),
                values: built
                    .parameters
                    .get(spec.range.clone())
                    .unwrap_or(&[])
                    .to_vec(),
            });
            weights.collect()
        });
        let optimizer = model.compiled.as_ref().map(|compiled| {
            let mut state = compiled.state.clone();
            Optimized {
                iterations: state.iterations,
                arenas: arenas(&mut state)
                    .into_iter()
                    .map(|arena| arena.to_vec())
                    .collect(),
            }
        });
        Portable {
            config: Text(config),
            metadata: Text(metadata),
            weights,
            optimizer,
        }
    }

    fn into_model(self) -> crate::Result<Model> {
        let (config, metadata) = (self.config.0, self.metadata.0);
        let mut model = keras_archive::model(&config, &metadata)?;
        let Some(weights) = self.weights else {
            return Ok(model);
        };
        let given: usize = weights.iter().map(|weight| weight.values.len()).sum();
        let mut built = Built::blank(&model.network, given as u64)?;
        let unfit = |what: &str| Error::Config {
            class_name: "Model".into(),
            message: format!("the weights of `{what}` do not fit the layers"),
        };
        if weights.len() != built.variables.specs.len() {
            return Err(unfit(&model.name));
        }
        for (weight, spec) in weights.iter().zip(&built.variables.specs) {
            let to = built.parameters.get_mut(spec.range.clone());
            match to.filter(|to| to.len() == weight.values.len()) {
                Some(to) if spec.path == weight.path && spec.shape.dims() == weight.shape => {
                    to.copy_from_slice(&weight.values);
                }
                _ => return Err(unfit(&weight.path)),
            }
        }
        model.built = Some(built);
        keras_archive::compile(&mut model, (&config, &metadata), u64::MAX)?;
        if let (Some(optimizer), Some(compiled)) = (self.optimizer, &mut model.compiled) {
            compiled.state.iterations = optimizer.iterations;
            let own = arenas(&mut compiled.state);
            let same = own.len() == optimizer.arenas.len();
            for (to, from) in own.into_iter().zip(&optimizer.arenas) {
                if !same || to.len() != from.len() {
                    return Err(unfit("optimizer"));
                }
                to.copy_from_slice(from);
            }
        }
        Ok(model)
    }
}

/// Layers, weights, what the model is trained with and how far it is, in the user's own format.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(2).input_dim(3));
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// let text = serde_json::to_string(&model).unwrap();
/// let again: Sequential = serde_json::from_str(&text).unwrap();
/// assert_eq!(again.get_weights(), model.get_weights());
/// # Ok::<(), horn::Error>(())
/// ```
impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let portable = Portable::of(self);
        if portable.config.0.is_null() {
            return Err(S::Error::custom(
                "the layers of the model cannot be written",
            ));
        }
        portable.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let portable = Portable::deserialize(deserializer)?;
        portable.into_model().map_err(D::Error::custom)
    }
}

impl Serialize for Sequential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Model::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Sequential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let model = Model::deserialize(deserializer)?;
        match model.network.graph {
            false => Ok(Sequential::of(model)),
            true => Err(D::Error::custom("a `Functional` model is a `Model`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::activations::Relu;
    use crate::initializers::{Constant, HeNormal};
    use crate::layers::Dense;
    use crate::metrics::{AUC, Accuracy, EqualityAccuracy, F1Score, Huber, Metric, Precision};
    use crate::optimizers::schedules::ExponentialDecay;
    use crate::optimizers::{Adam, SGD};

    /// Through JSON, which it gives.
    fn travels<T: Serialize + DeserializeOwned>(value: &T) -> Json {
        let json = serde_json::to_value(value).unwrap();
        let again: T = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), json);
        json
    }

    /// Through a format that does not say what it holds, too.
    fn travels_anywhere<T: Serialize + DeserializeOwned>(value: &T) -> Json {
        let bytes = postcard::to_allocvec(value).unwrap();
        let again: T = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(postcard::to_allocvec(&again).unwrap(), bytes);
        travels(value)
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Settings {
        hidden: Dense,
        activation: Relu,
        kernel: HeNormal,
        optimizer: Adam,
        decay: ExponentialDecay,
        metrics: (Accuracy, AUC),
    }

    #[test]
    fn types_travel_in_settings_of_the_users_own() {
        let settings = Settings {
            hidden: Dense::new(3),
            activation: Relu,
            kernel: HeNormal::new().seed(7),
            optimizer: Adam::new().learning_rate(0.25),
            decay: ExponentialDecay::new(0.5, 10, 0.9),
            metrics: (Accuracy, AUC::new().num_thresholds(50)),
        };
        let json = travels(&settings);
        assert_eq!(json["hidden"]["units"], 3);
        assert_eq!(json["activation"], "relu");
        assert_eq!(json["kernel"]["seed"], 7);
        assert_eq!(json["optimizer"]["learning_rate"], 0.25);
        assert_eq!(json["decay"]["decay_rate"], 0.9);
        assert_eq!(json["metrics"][1]["num_thresholds"], 50);
    }

    #[test]
    fn every_form_of_a_configuration_is_read_and_another_class_is_not() {
        let read = |json| serde_json::from_value::<SGD>(json);
        for json in [
            json!("sgd"),
            json!({}),
            json!({"momentum": 0.0}),
            json!({"class_name": "SGD", "config": {"learning_rate": 0.01}}),
        ] {
            assert_eq!(
                format!("{:?}", read(json).unwrap()),
                format!("{:?}", SGD::new())
            );
        }
        let other = read(json!({"class_name": "Adam", "config": {}})).unwrap_err();
        assert!(other.to_string().contains("is no `SGD`"), "{other}");
        assert!(
            read(json!({"momentum": "much"}))
                .unwrap_err()
                .to_string()
                .contains("momentum")
        );
        assert!(read(json!(3)).is_err());
        assert!(serde_json::from_value::<Relu>(json!("tanh")).is_err());
        assert!(serde_json::from_value::<Accuracy>(json!("mse")).is_err());
    }

    #[test]
    fn metrics_and_initializers_with_settings_travel() {
        assert_eq!(travels(&EqualityAccuracy::new())["name"], "accuracy");
        assert_eq!(travels(&F1Score::new())["name"], "f1_score");
        assert_eq!(travels(&Precision::new().top_k(2))["top_k"], 2);
        assert_eq!(travels_anywhere(&Constant::new(2.5))["value"], 2.5);
        assert_eq!(travels_anywhere(&Huber::new().name("far"))["name"], "far");
        let settings = (
            Adam::new().amsgrad(true),
            ExponentialDecay::new(0.5, 10, 0.9),
            Relu,
        );
        assert_eq!(travels_anywhere(&settings)[0]["amsgrad"], true);
        // As objects in every format, else as what they are.
        let metric: Box<dyn Metric> = Box::new(AUC::new());
        travels_anywhere(&metric);
        let refused = postcard::to_allocvec(&AUC::new());
        assert!(refused.is_err());
    }
}
