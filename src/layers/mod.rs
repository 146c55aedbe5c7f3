//! The layers that models are stacked from, one file each, and [`Layer`], the trait that they and
//! your own implement.

mod activation;
mod config;
mod dense;
mod dropout;
mod elu;
mod flatten;
mod input;
mod leaky_relu;
mod prelu;
mod relu;
mod reshape;
mod rules;
mod softmax;

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Value as Json, json};

pub use activation::Activation;
pub use dense::Dense;
pub use dropout::Dropout;
pub use elu::ELU;
pub use flatten::Flatten;
pub use input::Input;
pub use leaky_relu::LeakyReLU;
pub use prelu::PReLU;
pub use relu::ReLU;
pub use reshape::Reshape;
pub use softmax::Softmax;

pub(crate) use config::{parse, shared_settings, written};
pub(crate) use rules::rules_builder;

use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// A layer: one function from a batch of inputs to a batch of outputs, written in ops.
///
/// It is Keras's `build` and `call` in one: it declares its weights in the [`Scope`] and says
/// what happens to the [`Value`]. Gradients, threads, saving and the summary come by themselves.
/// Shapes include the batch: `(batch, columns)`.
///
/// # Examples
///
/// A layer made of another:
///
/// ```
/// use horn::prelude::*;
///
/// #[derive(Debug, Clone)]
/// struct Residual(Dense);
///
/// impl Layer for Residual {
///     fn call(&self, scope: &mut Scope, x: &Value) -> Value {
///         x + scope.layer(&self.0, x)
///     }
/// }
///
/// let mut model = Sequential::new()
///     .add(Input::new([8]))
///     .add(Residual(Dense::new(8).activation(Relu)))
///     .add(Dense::new(1));
/// model.build()?;
/// assert_eq!(model.count_params(), 8 * 8 + 8 + 8 + 1);
/// assert_eq!(model.weights()[0].path(), "residual/dense/kernel");
/// # Ok::<(), horn::Error>(())
/// ```
pub trait Layer: Debug + Send + Sync {
    /// The outputs for a batch of inputs.
    fn call(&self, scope: &mut Scope, x: &Value) -> Value;

    /// The name of the layer's class; by default that of its type.
    fn class_name(&self) -> &str {
        type_name::<Self>()
    }

    /// The layer's own name; without one the model numbers it by its class (`dense_1`).
    fn name(&self) -> Option<&str> {
        None
    }

    /// Whether training changes its weights.
    fn trainable(&self) -> bool {
        true
    }

    /// The shape of one input, without the batch, if the layer says it.
    fn input_shape(&self) -> Option<&[usize]> {
        None
    }

    /// Whether the settings are within their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for the first that is not; `compile` and `build` return it with the
    /// layer's name.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the layer treats each step of a sequence by itself, so that a
    /// [mask](Scope::set_mask) of its inputs is one of its outputs too. Default: false, the mask
    /// ends here.
    fn supports_masking(&self) -> bool {
        false
    }

    /// The settings as Keras writes them, a JSON object.
    fn config(&self) -> Json {
        json!({})
    }
}

impl Layer for Arc<dyn Layer> {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        self.as_ref().call(scope, x)
    }

    fn class_name(&self) -> &str {
        self.as_ref().class_name()
    }

    fn name(&self) -> Option<&str> {
        self.as_ref().name()
    }

    fn trainable(&self) -> bool {
        self.as_ref().trainable()
    }

    fn input_shape(&self) -> Option<&[usize]> {
        self.as_ref().input_shape()
    }

    fn validate(&self) -> Result<()> {
        self.as_ref().validate()
    }

    fn supports_masking(&self) -> bool {
        self.as_ref().supports_masking()
    }

    fn config(&self) -> Json {
        self.as_ref().config()
    }
}

/// The last part of a type's name, without its parameters.
fn type_name<T: ?Sized>() -> &'static str {
    let whole = std::any::type_name::<T>();
    let plain = whole.split('<').next().unwrap_or(whole);
    plain.rsplit("::").next().unwrap_or(plain)
}

impl Scope {
    /// Applies a layer inside the one that is being traced; its weights' paths begin with both
    /// names.
    ///
    /// # Examples
    ///
    /// See [`Layer`].
    pub fn layer(&mut self, layer: &dyn Layer, x: &Value) -> Value {
        self.named_layer(layer.name(), layer.trainable(), layer, x)
    }

    /// The same under a name and a frozenness that the model decides.
    pub(crate) fn named_layer(
        &mut self,
        name: Option<&str>,
        trainable: bool,
        layer: &dyn Layer,
        x: &Value,
    ) -> Value {
        self.enter(name, layer.class_name(), trainable);
        let output = match layer.validate() {
            Ok(()) => self.call_masked(layer, x),
            Err(error) => {
                let error = self.named(error);
                self.fail_with(error);
                x.clone()
            }
        };
        self.leave();
        output
    }
}

impl Scope {
    /// The output of a layer, with the mask of its input where that goes on.
    fn call_masked(&mut self, layer: &dyn Layer, x: &Value) -> Value {
        let output = layer.call(self, x);
        if layer.supports_masking()
            && self.mask(&output).is_none()
            && let Some(mask) = self.mask(x)
        {
            self.set_mask(&output, &mask);
        }
        output
    }
}

/// Makes a layer from Keras's configuration.
type Make = fn(&Json) -> Result<Arc<dyn Layer>>;

/// Every layer by the name of Keras's class.
const TABLE: &[(&str, Make)] = &[
    ("Activation", |config| {
        Ok(Arc::new(parse::<Activation>("Activation", config)?))
    }),
    ("Dense", |config| {
        Ok(Arc::new(parse::<Dense>("Dense", config)?))
    }),
    ("Dropout", |config| {
        Ok(Arc::new(parse::<Dropout>("Dropout", config)?))
    }),
    ("ELU", |config| Ok(Arc::new(parse::<ELU>("ELU", config)?))),
    ("Flatten", |config| {
        Ok(Arc::new(parse::<Flatten>("Flatten", config)?))
    }),
    ("InputLayer", |config| {
        Ok(Arc::new(parse::<Input>("InputLayer", config)?))
    }),
    ("LeakyReLU", |config| {
        Ok(Arc::new(parse::<LeakyReLU>("LeakyReLU", config)?))
    }),
    ("PReLU", |config| {
        Ok(Arc::new(parse::<PReLU>("PReLU", config)?))
    }),
    ("ReLU", |config| {
        Ok(Arc::new(parse::<ReLU>("ReLU", config)?))
    }),
    ("Reshape", |config| {
        Ok(Arc::new(parse::<Reshape>("Reshape", config)?))
    }),
    ("Softmax", |config| {
        Ok(Arc::new(parse::<Softmax>("Softmax", config)?))
    }),
];

/// A layer from Keras's `{"class_name", "config"}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a class that is not there, [`Error::Config`] for a setting that cannot be
/// understood or is not supported.
///
/// # Examples
///
/// ```
/// use horn::layers;
/// use serde_json::json;
///
/// let json = json!({"class_name": "Dense", "config": {"name": "out", "units": 3}});
/// let layer = layers::from_keras(&json)?;
/// assert_eq!((layer.class_name(), layer.name()), ("Dense", Some("out")));
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_keras(json: &Json) -> Result<Arc<dyn Layer>> {
    let class_name = json.get("class_name").and_then(Json::as_str).unwrap_or("");
    match TABLE.iter().find(|(known, _)| *known == class_name) {
        Some((_, make)) => make(json.get("config").unwrap_or(&json!({}))),
        None => Err(Error::unknown(
            "layer",
            class_name,
            TABLE.iter().map(|(n, _)| *n),
        )),
    }
}

/// What Keras writes for a layer: `{"class_name", "config"}`.
pub fn to_keras(layer: &dyn Layer) -> Json {
    json!({"class_name": layer.class_name(), "config": layer.config()})
}
