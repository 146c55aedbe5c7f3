//! [`AlphaDropout`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::noise::{self, NoiseShape};
use super::{Layer, shared_settings};
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Dropout for networks of [`Selu`](crate::activations::Selu): keeps the mean and the variance of
/// inputs that have 0 and 1.
///
/// While training `y = a (x m + s (1 - m)) + b`, where each `m` is 0 with probability `rate` and 1
/// otherwise, `s = -1.7581` is what selu tends to, `a = ((1 - rate)(1 + rate s²))^(-1/2)` and
/// `b = -a s rate`. Outside training `y = x`. Shapes are unchanged.
///
/// Keras takes a rate of 1 too, and then fails in training, where `a` has no value; so it is here,
/// with an error of `compile`.
///
/// Source: Klambauer et al. 2017, <https://arxiv.org/abs/1706.02515>;
/// <https://keras.io/api/layers/regularization_layers/alpha_dropout/>
///
/// # Examples
///
/// ```
/// use horn::layers::AlphaDropout;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8))
///     .add(AlphaDropout::new(0.2))
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlphaDropout {
    #[serde(flatten)]
    base: Base,
    rate: f32,
    seed: Option<u64>,
    noise_shape: NoiseShape,
}

impl AlphaDropout {
    /// Drops this fraction of the inputs, from 0 to 1.
    pub fn new(rate: f32) -> Self {
        AlphaDropout {
            rate,
            ..Self::default()
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

impl Layer for AlphaDropout {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if !scope.noisy() || self.rate == 0.0 {
            return x.clone();
        }
        if self.rate == 1.0 {
            return noise::fail_at_one(scope, "AlphaDropout", x);
        }
        let shape = match noise::concrete_shape(x, &self.noise_shape) {
            Ok(shape) => shape,
            Err(failed) => return failed,
        };
        const DROPPED: f32 = -1.673_263_2 * 1.050_701;
        let a = ((1.0 - self.rate) * (1.0 + self.rate * DROPPED * DROPPED)).powf(-0.5);
        let b = -a * DROPPED * self.rate;
        // The formula with `s` taken out, so that few ops remain; the mask holds `m / (1 - rate)`.
        let mask = scope.dropout_mask(shape, self.rate, self.seed);
        (x - DROPPED) * mask * (a * (1.0 - self.rate)) + (a * DROPPED + b)
    }

    fn class_name(&self) -> &str {
        "AlphaDropout"
    }

    fn validate(&self) -> Result<()> {
        noise::check("AlphaDropout", "rate", self.rate)?;
        noise::check_shape("AlphaDropout", &self.noise_shape)
    }

    shared_settings!(layer masked);
}
