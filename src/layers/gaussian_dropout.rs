//! [`GaussianDropout`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, noise, shared_settings};
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Multiplies with normal noise while training: `y = x n`, where `n` has a mean of 1 and a variance
/// of `rate / (1 - rate)`, as dropout's mask has. Outside training `y = x`.
///
/// Shapes are unchanged. Keras takes a rate of 1 too, and then fails in training, where the variance
/// has no value; so it is here, with an error of `compile`.
///
/// Source: Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>;
/// <https://keras.io/api/layers/regularization_layers/gaussian_dropout/>
///
/// # Examples
///
/// ```
/// use horn::layers::GaussianDropout;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8))
///     .add(GaussianDropout::new(0.2))
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GaussianDropout {
    #[serde(flatten)]
    base: Base,
    rate: f32,
    seed: Option<u64>,
}

impl GaussianDropout {
    /// As much noise as dropping this fraction makes, from 0 to 1.
    pub fn new(rate: f32) -> Self {
        GaussianDropout {
            rate,
            ..Self::default()
        }
    }

    /// Draws from a seed of the layer's own. Default: from the model's.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    shared_settings!(builder);
}

impl Layer for GaussianDropout {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if !scope.noisy() || self.rate == 0.0 {
            return x.clone();
        }
        if self.rate == 1.0 {
            return noise::fail_at_one(scope, "GaussianDropout", x);
        }
        let stddev = (self.rate / (1.0 - self.rate)).sqrt();
        x * scope.random_normal(x.shape().dims(), 1.0, stddev, self.seed)
    }

    fn class_name(&self) -> &str {
        "GaussianDropout"
    }

    fn validate(&self) -> Result<()> {
        noise::check("GaussianDropout", "rate", self.rate)
    }

    shared_settings!(layer masked);
}
