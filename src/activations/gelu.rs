//! [`Gelu`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The Gaussian error linear unit.
///
/// `gelu(x) = x (1 + erf(x / √2)) / 2, or x (1 + tanh(√(2 / π) (x + 0.044715 x³))) / 2 when approximate`
///
/// Source: Hendrycks and Gimpel 2016, <https://arxiv.org/abs/1606.08415>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Gelu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Gelu::new().approximate(true)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Gelu {
    /// Whether the tanh formula stands in for the error function. Default: false.
    pub approximate: bool,
}

impl Gelu {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { approximate: false }
    }

    /// Whether the tanh formula stands in for the error function. Default: false.
    pub fn approximate(mut self, approximate: bool) -> Self {
        self.approximate = approximate;
        self
    }
}

impl Default for Gelu {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Gelu {
    fn name(&self) -> &str {
        "gelu"
    }

    fn call(&self, x: &Value) -> Value {
        if self.approximate {
            let inner = (x + x * x.square() * 0.044_715) * (2.0 / std::f32::consts::PI).sqrt();
            x * ((inner.tanh() + 1.0) * 0.5)
        } else {
            x * (((x * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5)
        }
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
