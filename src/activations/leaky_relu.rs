//! [`LeakyRelu`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The rectified linear unit that leaks below zero.
///
/// `leaky_relu(x) = x if x >= 0 else negative_slope x`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::LeakyRelu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(LeakyRelu::new().negative_slope(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LeakyRelu {
    /// The slope below zero. Default: 0.2.
    pub negative_slope: f32,
}

impl LeakyRelu {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self {
            negative_slope: 0.2,
        }
    }

    /// The slope below zero. Default: 0.2.
    pub fn negative_slope(mut self, negative_slope: f32) -> Self {
        self.negative_slope = negative_slope;
        self
    }
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for LeakyRelu {
    fn name(&self) -> &str {
        "leaky_relu"
    }

    fn call(&self, x: &Value) -> Value {
        x.greater_equal(0.0).select(x, x * self.negative_slope)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
