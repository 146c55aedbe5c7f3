//! [`Dropout`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::noise::{self, NoiseShape};
use super::{Layer, shared_settings};
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Sets inputs to zero at random while training, and scales the others up to keep the mean.
///
/// `y = x m / (1 - rate)`, where each `m` is 0 with probability `rate` and 1 otherwise. Outside
/// training `y = x`. Shapes are unchanged. At a rate of 1 every `y` is 0 in training.
///
/// Source: Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>;
/// <https://keras.io/api/layers/regularization_layers/dropout/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8).activation(Relu))
///     .add(Dropout::new(0.5))
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dropout {
    #[serde(flatten)]
    base: Base,
    rate: f32,
    seed: Option<u64>,
    noise_shape: NoiseShape,
}

impl Dropout {
    /// Drops this fraction of the inputs, from 0 to 1.
    pub fn new(rate: f32) -> Self {
        Dropout {
            rate,
            ..Dropout::default()
        }
    }

    /// Draws from a seed of the layer's own. Default: from the model's.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The shape of what is drawn, the batch included, where an axis of 1 drops or keeps the
    /// whole axis together and `None` stands for the input's own length. Default: the input's
    /// shape.
    ///
    /// A shape of fewer axes, without `None`, is for the last ones. A number for the batch stands
    /// for the batch, whatever its size; Keras refuses a batch of another.
    pub fn noise_shape(mut self, shape: impl Into<Vec<Option<usize>>>) -> Self {
        self.noise_shape = Some(shape.into());
        self
    }

    shared_settings!(builder);
}

impl Layer for Dropout {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if !scope.noisy() || self.rate == 0.0 {
            return x.clone();
        }
        if self.rate == 1.0 {
            return x * 0.0;
        }
        match noise::concrete_shape(x, &self.noise_shape) {
            Ok(shape) => x * scope.dropout_mask(shape, self.rate, self.seed),
            Err(failed) => failed,
        }
    }

    fn class_name(&self) -> &str {
        "Dropout"
    }

    fn validate(&self) -> Result<()> {
        noise::check("Dropout", "rate", self.rate)?;
        noise::check_shape("Dropout", &self.noise_shape)
    }

    shared_settings!(layer masked);
}
