//! The layers that models are stacked from, one file each, and [`Layer`], the trait that they and
//! your own implement.

mod activation;
mod activity_regularization;
mod add;
mod alpha_dropout;
mod average;
mod batch_normalization;
mod category_encoding;
mod concatenate;
mod config;
mod cropping;
mod data_format;
mod dense;
mod discretization;
mod dot;
mod dropout;
mod einsum;
mod einsum_dense;
mod elu;
mod embedding;
mod encoding;
mod fingerprint;
mod flatten;
mod gaussian_dropout;
mod gaussian_noise;
mod group_normalization;
mod hash;
mod hashed_crossing;
mod hashing;
mod identity;
mod input;
mod integer_lookup;
mod layer_normalization;
mod leaky_relu;
mod lookup;
mod mapped;
mod margins;
mod masking;
mod maximum;
mod merging;
mod minimum;
mod multiply;
mod noise;
mod normalization;
mod normalizing;
mod permute;
mod prelu;
mod relu;
mod repeat_vector;
mod rescaling;
mod reshape;
mod reversible_embedding;
mod rms_normalization;
mod rules;
mod sizes;
mod softmax;
mod spatial_dropout;
mod spectral_normalization;
mod string_lookup;
mod subtract;
mod unit_normalization;
mod up_sampling;
mod vocabulary;
mod zero_padding;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Value as Json, json};

pub use activation::Activation;
pub use activity_regularization::ActivityRegularization;
pub use add::Add;
pub use alpha_dropout::AlphaDropout;
pub use average::Average;
pub use batch_normalization::{BatchNormalization, RenormClipping};
pub use category_encoding::CategoryEncoding;
pub use concatenate::Concatenate;
pub use cropping::{Cropping1D, Cropping2D, Cropping3D};
pub use data_format::DataFormat;
pub use dense::Dense;
pub use discretization::Discretization;
pub use dot::{Dot, DotAxes};
pub use dropout::Dropout;
pub use einsum_dense::EinsumDense;
pub use elu::ELU;
pub use embedding::Embedding;
pub use encoding::OutputMode;
pub use flatten::Flatten;
pub use gaussian_dropout::GaussianDropout;
pub use gaussian_noise::GaussianNoise;
pub use group_normalization::GroupNormalization;
pub use hashed_crossing::{Category, HashedCrossing};
pub use hashing::Hashing;
pub use identity::Identity;
pub use input::Input;
pub use integer_lookup::IntegerLookup;
pub use layer_normalization::LayerNormalization;
pub use leaky_relu::LeakyReLU;
pub use margins::Margins;
pub use masking::Masking;
pub use maximum::Maximum;
pub use minimum::Minimum;
pub use multiply::Multiply;
pub use normalization::Normalization;
pub use permute::Permute;
pub use prelu::PReLU;
pub use relu::ReLU;
pub use repeat_vector::RepeatVector;
pub use rescaling::{Numbers, Rescaling};
pub use reshape::Reshape;
pub use reversible_embedding::ReversibleEmbedding;
pub use rms_normalization::RMSNormalization;
pub use sizes::Sizes;
pub use softmax::Softmax;
pub use spatial_dropout::{SpatialDropout1D, SpatialDropout2D, SpatialDropout3D};
pub use spectral_normalization::SpectralNormalization;
pub use string_lookup::StringLookup;
pub use subtract::Subtract;
pub use unit_normalization::UnitNormalization;
pub use up_sampling::{Interpolation, UpSampling1D, UpSampling2D, UpSampling3D};
pub use vocabulary::OovMethod;
pub use zero_padding::{ZeroPadding1D, ZeroPadding2D, ZeroPadding3D};

pub(crate) use config::{shared_settings, written};
pub(crate) use rules::rules_builder;

use crate::error::Result;
use crate::graph::{Scope, Value};
use crate::registry::{self, Entry, read};
use crate::regularizers::Regularizer;

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

    /// The outputs for several inputs, of a layer that takes more than one or gives more than one:
    /// those that merge, and models. Most layers leave it as it is: one input, one output.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// /// One input where a second is positive, else 0.
    /// #[derive(Debug, Clone)]
    /// struct Gate;
    ///
    /// impl Layer for Gate {
    ///     fn call(&self, scope: &mut Scope, _x: &Value) -> Value {
    ///         scope.fail("takes two inputs".into())
    ///     }
    ///     fn call_many(&self, scope: &mut Scope, inputs: &[Value]) -> Vec<Value> {
    ///         match inputs {
    ///             [x, gate] => vec![gate.greater(0.0).select(x, 0.0)],
    ///             _ => vec![scope.fail("takes two inputs".into())],
    ///         }
    ///     }
    /// }
    ///
    /// let (x, gate) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&x, &gate], Gate.apply([&x, &gate]));
    /// model.build()?;
    /// let y = model.predict((&array![[1.0, 2.0]], &array![[1.0, -1.0]]))?;
    /// assert_eq!(y, array![[1.0, 0.0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    fn call_many(&self, scope: &mut Scope, inputs: &[Value]) -> Vec<Value> {
        match inputs {
            [x] => vec![self.call(scope, x)],
            _ => vec![scope.fail(format!("takes one input, got {}", inputs.len()))],
        }
    }

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
    /// [`Error::Argument`](crate::Error::Argument) for the first that is not; `compile` and `build` return it with the
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

    /// How many ids there are, of a layer whose inputs are ids: whole numbers below this. Where it is
    /// a model's first layer, others are refused before any work is done. Default: inputs are no ids.
    fn input_ids(&self) -> Option<usize> {
        None
    }

    /// What is added to the loss for its outputs, divided by the rows of the batch, beside what it adds
    /// by itself. Default: nothing.
    fn activity_regularizer(&self) -> Option<&dyn Regularizer> {
        None
    }

    /// The settings as Keras writes them, a JSON object.
    fn config(&self) -> Json {
        json!({})
    }

    /// Where Keras's files keep the weights of a layer inside this one: under the name of the
    /// attribute that holds it. Default: under the inner layer's own name.
    fn part_in_files<'n>(&self, name: &'n str) -> &'n str {
        name
    }

    /// The layer as the type that it is, of those that files must know: models.
    #[doc(hidden)]
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

impl Layer for Arc<dyn Layer> {
    fn part_in_files<'n>(&self, name: &'n str) -> &'n str {
        self.as_ref().part_in_files(name)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        self.as_ref().as_any()
    }

    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        self.as_ref().call(scope, x)
    }

    fn call_many(&self, scope: &mut Scope, inputs: &[Value]) -> Vec<Value> {
        self.as_ref().call_many(scope, inputs)
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

    fn input_ids(&self) -> Option<usize> {
        self.as_ref().input_ids()
    }

    fn activity_regularizer(&self) -> Option<&dyn Regularizer> {
        self.as_ref().activity_regularizer()
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
        let inputs = std::slice::from_ref(x);
        let outputs = self.named_layer(layer.name(), layer.trainable(), layer, inputs);
        match outputs.as_slice() {
            [output] => output.clone(),
            _ => self.fail(format!(
                "`{}` gives {} outputs: call `layers`",
                layer.class_name(),
                outputs.len()
            )),
        }
    }

    /// The outputs of a layer that takes or gives more than one, inside the one that is being
    /// traced; see [`Layer::call_many`].
    pub fn layers(&mut self, layer: &dyn Layer, inputs: &[Value]) -> Vec<Value> {
        self.named_layer(layer.name(), layer.trainable(), layer, inputs)
    }

    /// The same under a name and a frozenness that the model decides.
    pub(crate) fn named_layer(
        &mut self,
        name: Option<&str>,
        trainable: bool,
        layer: &dyn Layer,
        inputs: &[Value],
    ) -> Vec<Value> {
        self.enter(name, layer.class_name(), trainable);
        let outputs = match layer.validate() {
            Ok(()) => self.call_ruled(layer, inputs),
            Err(error) => {
                let error = self.named(error);
                self.fail_with(error);
                inputs.to_vec()
            }
        };
        self.gives(&outputs);
        self.leave();
        outputs
    }

    /// The outputs of a layer, with the penalty on them.
    fn call_ruled(&mut self, layer: &dyn Layer, inputs: &[Value]) -> Vec<Value> {
        let outputs = self.call_masked(layer, inputs);
        if let Some(regularizer) = layer.activity_regularizer() {
            for output in &outputs {
                self.regularize_activity(output, regularizer);
            }
        }
        outputs
    }

    /// The outputs of a layer, with the mask of its input where that goes on.
    fn call_masked(&mut self, layer: &dyn Layer, inputs: &[Value]) -> Vec<Value> {
        let outputs = layer.call_many(self, inputs);
        if layer.supports_masking()
            && let ([x], [output]) = (inputs, outputs.as_slice())
            && self.mask(output).is_none()
            && let Some(mask) = self.mask(x)
        {
            self.set_mask(output, &mask);
        }
        outputs
    }
}

/// Every layer: Keras's class, and how it is made.
#[rustfmt::skip]
const TABLE: &[Entry<dyn Layer>] = &[
    ("Activation", &[], |c| Ok(Arc::new(read::<Activation>("Activation", c)?))),
    ("ActivityRegularization", &[], |c| Ok(Arc::new(read::<ActivityRegularization>("ActivityRegularization", c)?))),
    ("Add", &[], |c| Ok(Arc::new(read::<Add>("Add", c)?))),
    ("AlphaDropout", &[], |c| Ok(Arc::new(read::<AlphaDropout>("AlphaDropout", c)?))),
    ("Average", &[], |c| Ok(Arc::new(read::<Average>("Average", c)?))),
    ("BatchNormalization", &[], |c| Ok(Arc::new(read::<BatchNormalization>("BatchNormalization", c)?))),
    ("CategoryEncoding", &[], |c| Ok(Arc::new(read::<CategoryEncoding>("CategoryEncoding", c)?))),
    ("Concatenate", &[], |c| Ok(Arc::new(read::<Concatenate>("Concatenate", c)?))),
    ("Cropping1D", &[], |c| Ok(Arc::new(read::<Cropping1D>("Cropping1D", c)?))),
    ("Cropping2D", &[], |c| Ok(Arc::new(read::<Cropping2D>("Cropping2D", c)?))),
    ("Cropping3D", &[], |c| Ok(Arc::new(read::<Cropping3D>("Cropping3D", c)?))),
    ("Dense", &[], |c| Ok(Arc::new(read::<Dense>("Dense", c)?))),
    ("Discretization", &[], |c| Ok(Arc::new(read::<Discretization>("Discretization", c)?))),
    ("Dot", &[], |c| Ok(Arc::new(read::<Dot>("Dot", c)?))),
    ("Dropout", &[], |c| Ok(Arc::new(read::<Dropout>("Dropout", c)?))),
    ("EinsumDense", &[], |c| Ok(Arc::new(read::<EinsumDense>("EinsumDense", c)?))),
    ("ELU", &[], |c| Ok(Arc::new(read::<ELU>("ELU", c)?))),
    ("Embedding", &[], |c| Ok(Arc::new(read::<Embedding>("Embedding", c)?))),
    ("Flatten", &[], |c| Ok(Arc::new(read::<Flatten>("Flatten", c)?))),
    ("GaussianDropout", &[], |c| Ok(Arc::new(read::<GaussianDropout>("GaussianDropout", c)?))),
    ("GaussianNoise", &[], |c| Ok(Arc::new(read::<GaussianNoise>("GaussianNoise", c)?))),
    ("GroupNormalization", &[], |c| Ok(Arc::new(read::<GroupNormalization>("GroupNormalization", c)?))),
    ("HashedCrossing", &[], |c| Ok(Arc::new(read::<HashedCrossing>("HashedCrossing", c)?))),
    ("Hashing", &[], |c| Ok(Arc::new(read::<Hashing>("Hashing", c)?))),
    ("Identity", &[], |c| Ok(Arc::new(read::<Identity>("Identity", c)?))),
    ("InputLayer", &[], |c| Ok(Arc::new(read::<Input>("InputLayer", c)?))),
    ("IntegerLookup", &[], |c| Ok(Arc::new(read::<IntegerLookup>("IntegerLookup", c)?))),
    ("LayerNormalization", &[], |c| Ok(Arc::new(read::<LayerNormalization>("LayerNormalization", c)?))),
    ("LeakyReLU", &[], |c| Ok(Arc::new(read::<LeakyReLU>("LeakyReLU", c)?))),
    ("Masking", &[], |c| Ok(Arc::new(read::<Masking>("Masking", c)?))),
    ("Maximum", &[], |c| Ok(Arc::new(read::<Maximum>("Maximum", c)?))),
    ("Minimum", &[], |c| Ok(Arc::new(read::<Minimum>("Minimum", c)?))),
    ("Multiply", &[], |c| Ok(Arc::new(read::<Multiply>("Multiply", c)?))),
    ("Normalization", &[], |c| Ok(Arc::new(read::<Normalization>("Normalization", c)?))),
    ("Permute", &[], |c| Ok(Arc::new(read::<Permute>("Permute", c)?))),
    ("PReLU", &[], |c| Ok(Arc::new(read::<PReLU>("PReLU", c)?))),
    ("ReLU", &[], |c| Ok(Arc::new(read::<ReLU>("ReLU", c)?))),
    ("RepeatVector", &[], |c| Ok(Arc::new(read::<RepeatVector>("RepeatVector", c)?))),
    ("Rescaling", &[], |c| Ok(Arc::new(read::<Rescaling>("Rescaling", c)?))),
    ("Reshape", &[], |c| Ok(Arc::new(read::<Reshape>("Reshape", c)?))),
    ("ReversibleEmbedding", &[], |c| Ok(Arc::new(read::<ReversibleEmbedding>("ReversibleEmbedding", c)?))),
    ("RMSNormalization", &[], |c| Ok(Arc::new(read::<RMSNormalization>("RMSNormalization", c)?))),
    ("Softmax", &[], |c| Ok(Arc::new(read::<Softmax>("Softmax", c)?))),
    ("SpatialDropout1D", &[], |c| Ok(Arc::new(read::<SpatialDropout1D>("SpatialDropout1D", c)?))),
    ("SpatialDropout2D", &[], |c| Ok(Arc::new(read::<SpatialDropout2D>("SpatialDropout2D", c)?))),
    ("SpatialDropout3D", &[], |c| Ok(Arc::new(read::<SpatialDropout3D>("SpatialDropout3D", c)?))),
    ("SpectralNormalization", &[], |c| Ok(Arc::new(read::<SpectralNormalization>("SpectralNormalization", c)?))),
    ("StringLookup", &[], |c| Ok(Arc::new(read::<StringLookup>("StringLookup", c)?))),
    ("Subtract", &[], |c| Ok(Arc::new(read::<Subtract>("Subtract", c)?))),
    ("UnitNormalization", &[], |c| Ok(Arc::new(read::<UnitNormalization>("UnitNormalization", c)?))),
    ("UpSampling1D", &[], |c| Ok(Arc::new(read::<UpSampling1D>("UpSampling1D", c)?))),
    ("UpSampling2D", &[], |c| Ok(Arc::new(read::<UpSampling2D>("UpSampling2D", c)?))),
    ("UpSampling3D", &[], |c| Ok(Arc::new(read::<UpSampling3D>("UpSampling3D", c)?))),
    ("ZeroPadding1D", &[], |c| Ok(Arc::new(read::<ZeroPadding1D>("ZeroPadding1D", c)?))),
    ("ZeroPadding2D", &[], |c| Ok(Arc::new(read::<ZeroPadding2D>("ZeroPadding2D", c)?))),
    ("ZeroPadding3D", &[], |c| Ok(Arc::new(read::<ZeroPadding3D>("ZeroPadding3D", c)?))),
];

static OWN: registry::Own<Arc<dyn Layer>> = registry::Own::new("layer");

/// Makes known how the layer of your own of this name is made, so that configurations and files find
/// it again. Call it once, when the program starts.
///
/// `make` is given the `config` that the layer has written. A name may come with a package, as
/// Keras's `registered_name` does: `mine>Name` is found as `Name`. Losses, metrics, optimizers and
/// all other families have a `register` of their own.
///
/// # Errors
///
/// [`Error::Argument`](crate::Error::Argument) for a name that is taken.
///
/// # Examples
///
/// ```
/// use horn::layers;
/// use horn::prelude::*;
/// use horn::saving::config;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize)]
/// struct Scaled {
///     factor: f32,
/// }
///
/// impl Layer for Scaled {
///     fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
///         x * self.factor
///     }
///     fn config(&self) -> serde_json::Value {
///         serde_json::json!(self)
///     }
/// }
///
/// layers::register("Scaled", |json| config::read::<Scaled>("Scaled", json))?;
/// let json = layers::to_keras(&Scaled { factor: 2.0 });
/// assert_eq!(layers::from_keras(&json)?.config()["factor"], 2.0);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn register<T: Layer + 'static>(
    name: &str,
    make: impl Fn(&Json) -> Result<T> + Send + Sync + 'static,
) -> Result<()> {
    OWN.register(name, registry::is_known(TABLE, name), move |config| {
        Ok(Arc::new(make(config)?) as Arc<dyn Layer>)
    })
}

/// A layer from Keras's `{"class_name", "config"}`.
///
/// # Errors
///
/// [`Error::Unknown`](crate::Error::Unknown) for a class that is not there,
/// [`Error::Config`](crate::Error::Config) for a setting that cannot be understood or is not
/// supported.
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
    registry::described("layer", (TABLE, &OWN), json)
}

/// Whether a class is one of Keras's that is here too.
pub(crate) fn in_keras(class_name: &str) -> bool {
    TABLE.iter().any(|(class, ..)| *class == class_name)
}

/// What Keras writes for a layer: `{"class_name", "config"}`.
pub fn to_keras(layer: &dyn Layer) -> Json {
    json!({"class_name": layer.class_name(), "config": layer.config()})
}
