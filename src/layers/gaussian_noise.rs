//! [`GaussianNoise`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, noise, shared_settings};
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Adds normal noise while training: `y = x + stddev n`. Outside training `y = x`.
///
/// Shapes are unchanged.
///
/// Source: <https://keras.io/api/layers/regularization_layers/gaussian_noise/>
///
/// # Examples
///
/// ```
/// use horn::layers::GaussianNoise;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8))
///     .add(GaussianNoise::new(0.2))
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GaussianNoise {
    #[serde(flatten)]
    base: Base,
    stddev: f32,
    seed: Option<u64>,
}

impl GaussianNoise {
    /// Noise of this standard deviation, from 0 to 1.
    pub fn new(stddev: f32) -> Self {
        GaussianNoise {
            stddev,
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

impl Layer for GaussianNoise {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if !scope.noisy() || self.stddev == 0.0 {
            return x.clone();
        }
        x + scope.random_normal(x.shape().dims(), 0.0, self.stddev, self.seed)
    }

    fn class_name(&self) -> &str {
        "GaussianNoise"
    }

    fn validate(&self) -> Result<()> {
        noise::check("GaussianNoise", "stddev", self.stddev)
    }

    shared_settings!(layer masked);
}
