//! [`Elu`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The exponential linear unit.
///
/// `elu(x) = x if x > 0 else alpha (exp(x) - 1)`
///
/// Source: Clevert et al. 2015, <https://arxiv.org/abs/1511.07289>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Elu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Elu::new().alpha(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Elu {
    /// How far it saturates below zero. Default: 1.0.
    pub alpha: f32,
}

impl Elu {
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

impl Default for Elu {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Elu {
    fn name(&self) -> &str {
        "elu"
    }

    fn call(&self, x: &Value) -> Value {
        x.maximum(0.0) + x.minimum(0.0).exp_m1() * self.alpha
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
