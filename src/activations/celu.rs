//! [`Celu`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The continuously differentiable exponential linear unit.
///
/// `celu(x) = max(x, 0) + min(0, alpha (exp(x / alpha) - 1))`
///
/// Source: Barron 2017, <https://arxiv.org/abs/1704.07483>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Celu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Celu::new().alpha(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Celu {
    /// How far it saturates below zero. Default: 1.0.
    pub alpha: f32,
}

impl Celu {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { alpha: 1.0 }
    }

    /// How far it saturates below zero. Default: 1.0.
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }
}

impl Default for Celu {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Celu {
    fn name(&self) -> &str {
        "celu"
    }

    fn call(&self, x: &Value) -> Value {
        x.maximum(0.0) + (x.minimum(0.0) / self.alpha).exp_m1() * self.alpha
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
