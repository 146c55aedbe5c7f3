//! [`HardShrink`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// Hard shrinkage: small values become zero.
///
/// `hard_shrink(x) = x if |x| > threshold else 0`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::HardShrink;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(HardShrink::new().threshold(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HardShrink {
    /// Values no larger than this become zero. Default: 0.5.
    pub threshold: f32,
}

impl HardShrink {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { threshold: 0.5 }
    }

    /// Values no larger than this become zero. Default: 0.5.
    pub fn threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }
}

impl Default for HardShrink {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for HardShrink {
    fn name(&self) -> &str {
        "hard_shrink"
    }

    fn call(&self, x: &Value) -> Value {
        x.abs().greater(self.threshold).select(x, 0.0)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
