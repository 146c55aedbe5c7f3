//! `Serialize` and `Deserialize` of configurations, as Keras writes them, and of whole models.
//!
//! In formats for people, such as JSON, a configuration is an object; in others, such as bincode, a
//! text of JSON.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::keras_archive;
use crate::error::Error;
use crate::model::built::Built;
use crate::model::{Model, Sequential};
use crate::optimizers::State;

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
