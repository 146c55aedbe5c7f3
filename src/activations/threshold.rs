//! [`Threshold`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The value itself above a threshold, a default below.
///
/// `threshold(x) = x if x > threshold else default_value`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Threshold;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Threshold::new().threshold(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Threshold {
    /// Values no larger than this are replaced. Default: 0.0.
    pub threshold: f32,
    /// What replaces them. Default: 0.0.
    pub default_value: f32,
}

impl Threshold {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self {
            threshold: 0.0,
            default_value: 0.0,
        }
    }

    /// Values no larger than this are replaced. Default: 0.0.
    pub fn threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }

    /// What replaces them. Default: 0.0.
    pub fn default_value(mut self, default_value: f32) -> Self {
        self.default_value = default_value;
        self
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Threshold {
    fn name(&self) -> &str {
        "threshold"
    }

    fn call(&self, x: &Value) -> Value {
        x.greater(self.threshold).select(x, self.default_value)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
