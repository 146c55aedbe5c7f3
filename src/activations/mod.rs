//! What a layer's sums go through: Keras's activations, one file each.
//!
//! Give them to a layer as values (`.activation(Relu)`), or by Keras's name ([`get`]). One of your
//! own is a closure ([`activation_fn`]) or a type that implements [`Activation`]; neither needs a
//! gradient.

mod celu;
mod elu;
mod exponential;
mod gelu;
mod glu;
mod hard_shrink;
mod hard_sigmoid;
mod hard_silu;
mod hard_tanh;
mod leaky_relu;
mod linear;
mod log_sigmoid;
mod log_softmax;
mod mish;
mod relu;
mod relu6;
mod selu;
mod sigmoid;
mod silu;
mod soft_shrink;
mod softmax;
mod softplus;
mod softsign;
mod sparse_plus;
mod sparse_sigmoid;
mod sparsemax;
mod squareplus;
mod tanh;
mod tanh_shrink;
mod threshold;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

pub use celu::Celu;
pub use elu::Elu;
pub use exponential::Exponential;
pub use gelu::Gelu;
pub use glu::Glu;
pub use hard_shrink::HardShrink;
pub use hard_sigmoid::HardSigmoid;
pub use hard_silu::HardSilu;
pub use hard_tanh::HardTanh;
pub use leaky_relu::LeakyRelu;
pub use linear::Linear;
pub use log_sigmoid::LogSigmoid;
pub use log_softmax::LogSoftmax;
pub use mish::Mish;
pub use relu::Relu;
pub use relu6::Relu6;
pub use selu::Selu;
pub use sigmoid::Sigmoid;
pub use silu::Silu;
pub use soft_shrink::SoftShrink;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use softsign::Softsign;
pub use sparse_plus::SparsePlus;
pub use sparse_sigmoid::SparseSigmoid;
pub use sparsemax::Sparsemax;
pub use squareplus::Squareplus;
pub use tanh::Tanh;
pub use tanh_shrink::TanhShrink;
pub use threshold::Threshold;

use crate::error::{Error, Result};
use crate::graph::Value;
use crate::registry;

/// A function of a layer's sums, written in ops; its gradient comes by itself.
///
/// # Examples
///
/// ```
/// use horn::activations::Activation;
/// use horn::prelude::*;
///
/// #[derive(Debug)]
/// struct Cube;
///
/// impl Activation for Cube {
///     fn name(&self) -> &str {
///         "cube"
///     }
///     fn call(&self, x: &Value) -> Value {
///         x * x.square()
///     }
/// }
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Cube));
/// ```
pub trait Activation: Any + Debug + Send + Sync {
    /// Keras's name of it.
    fn name(&self) -> &str;

    /// The activation of `x`; shapes are kept unless the activation says otherwise.
    fn call(&self, x: &Value) -> Value;

    /// The settings that differ from the defaults, as a JSON object.
    fn config(&self) -> Json {
        json!({})
    }
}

impl Activation for Arc<dyn Activation> {
    fn name(&self) -> &str {
        self.as_ref().name()
    }

    fn call(&self, x: &Value) -> Value {
        self.as_ref().call(x)
    }

    fn config(&self) -> Json {
        self.as_ref().config()
    }
}

/// An activation made of a closure.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let squared_relu = activation_fn("squared_relu", |x| x.relu().square());
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(squared_relu));
/// ```
pub fn activation_fn<F>(name: impl Into<String>, function: F) -> FnActivation<F>
where
    F: Fn(&Value) -> Value + Send + Sync,
{
    FnActivation {
        name: name.into(),
        function,
    }
}

/// What [`activation_fn`] makes.
#[derive(Clone)]
pub struct FnActivation<F> {
    name: String,
    function: F,
}

impl<F> Debug for FnActivation<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FnActivation").field(&self.name).finish()
    }
}

impl<F: Fn(&Value) -> Value + Send + Sync + 'static> Activation for FnActivation<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, x: &Value) -> Value {
        (self.function)(x)
    }
}

/// Makes an activation from its settings.
type Make = fn(&Json) -> Result<Arc<dyn Activation>>;

/// Every activation by Keras's name.
const TABLE: &[(&str, Make)] = &[
    ("celu", configured::<Celu>),
    ("elu", configured::<Elu>),
    ("exponential", plain::<Exponential>),
    ("gelu", configured::<Gelu>),
    ("glu", configured::<Glu>),
    ("hard_shrink", configured::<HardShrink>),
    ("hard_sigmoid", plain::<HardSigmoid>),
    ("hard_silu", plain::<HardSilu>),
    ("hard_swish", plain::<HardSilu>),
    ("hard_tanh", plain::<HardTanh>),
    ("leaky_relu", configured::<LeakyRelu>),
    ("linear", plain::<Linear>),
    ("log_sigmoid", plain::<LogSigmoid>),
    ("log_softmax", configured::<LogSoftmax>),
    ("mish", plain::<Mish>),
    ("relu", plain::<Relu>),
    ("relu6", plain::<Relu6>),
    ("selu", plain::<Selu>),
    ("sigmoid", plain::<Sigmoid>),
    ("silu", plain::<Silu>),
    ("swish", plain::<Silu>),
    ("soft_shrink", configured::<SoftShrink>),
    ("softmax", configured::<Softmax>),
    ("softplus", plain::<Softplus>),
    ("softsign", plain::<Softsign>),
    ("sparse_plus", plain::<SparsePlus>),
    ("sparse_sigmoid", plain::<SparseSigmoid>),
    ("sparsemax", configured::<Sparsemax>),
    ("squareplus", configured::<Squareplus>),
    ("tanh", plain::<Tanh>),
    ("tanh_shrink", plain::<TanhShrink>),
    ("threshold", configured::<Threshold>),
];

/// One without settings.
fn plain<A: Activation + Default + 'static>(_config: &Json) -> Result<Arc<dyn Activation>> {
    Ok(Arc::new(A::default()))
}

/// One with settings.
fn configured<A: Activation + DeserializeOwned + 'static>(
    config: &Json,
) -> Result<Arc<dyn Activation>> {
    let made: A = serde_json::from_value(config.clone()).map_err(|e| Error::Config {
        class_name: "activation".into(),
        message: e.to_string(),
    })?;
    Ok(Arc::new(made))
}

registry::own!("activation", Activation, Arc, |name| {
    TABLE.iter().any(|(known, _)| *known == name)
});

/// The activation with Keras's name, as `keras.activations.get`.
///
/// # Errors
///
/// [`Error::Unknown`], with the nearest names.
///
/// # Examples
///
/// ```
/// use horn::activations;
///
/// assert_eq!(activations::get("swish")?.name(), "silu");
/// let error = activations::get("rellu").unwrap_err();
/// assert!(error.to_string().contains("`relu`"));
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Arc<dyn Activation>> {
    with_settings(name, &json!({}))
}

/// The activation with Keras's name and these settings, such as `{"negative_slope": 0.1}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not there, [`Error::Config`] for a setting of another type.
pub fn with_settings(name: &str, settings: &Json) -> Result<Arc<dyn Activation>> {
    match TABLE.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => make(settings),
        None => OWN.make(name, settings).unwrap_or_else(|| {
            let own = OWN.names();
            let known = TABLE.iter().map(|(name, _)| *name);
            let known = known.chain(own.iter().map(String::as_str));
            Err(Error::unknown("activation", name, known))
        }),
    }
}

/// An activation from what Keras writes: a name, nothing, or `{"class_name", "config"}`.
///
/// # Errors
///
/// As [`with_settings`].
pub fn from_keras(json: &Json) -> Result<Arc<dyn Activation>> {
    match json {
        Json::Null => Ok(Arc::new(Linear)),
        Json::String(name) => get(name),
        object => match object.get("class_name").or(object.get("config")) {
            Some(Json::String(name)) if name == "function" => {
                from_keras(object.get("config").unwrap_or(&Json::Null))
            }
            Some(Json::String(name)) => {
                let empty = Json::Object(Map::new());
                with_settings(
                    name,
                    object
                        .get("config")
                        .filter(|c| c.is_object())
                        .unwrap_or(&empty),
                )
            }
            _ => Err(Error::Config {
                class_name: "activation".into(),
                message: format!("expected a name, got {json}"),
            }),
        },
    }
}

/// What Keras writes for an activation: its name, with the settings where they are not defaults.
pub fn to_keras(activation: &dyn Activation) -> Json {
    let config = activation.config();
    match config.as_object().is_none_or(Map::is_empty) {
        true => json!(activation.name()),
        false => json!({"class_name": activation.name(), "config": config}),
    }
}

/// The settings of an activation that differ from the defaults.
fn settings<A: Serialize>(activation: &A, default: &A) -> Json {
    let fields = |a: &A| match serde_json::to_value(a) {
        Ok(Json::Object(fields)) => fields,
        _ => Map::new(),
    };
    let default = fields(default);
    let mut own = fields(activation);
    own.retain(|name, value| default.get(name) != Some(value));
    Json::Object(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_round_trips() {
        for (name, _) in TABLE {
            let activation = get(name).expect(name);
            let again = from_keras(&to_keras(&activation)).expect(name);
            assert_eq!(activation.name(), again.name());
        }
    }

    #[test]
    fn settings_round_trip() {
        let leaky = LeakyRelu::new().negative_slope(0.5);
        let json = to_keras(&leaky);
        assert_eq!(
            json,
            json!({"class_name": "leaky_relu", "config": {"negative_slope": 0.5}})
        );
        assert_eq!(to_keras(&from_keras(&json).expect("reads back")), json);
    }
}
