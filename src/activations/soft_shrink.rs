//! [`SoftShrink`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// Soft shrinkage: values move towards zero.
///
/// `soft_shrink(x) = x - threshold if x > threshold, x + threshold if x < -threshold, else 0`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::SoftShrink;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(SoftShrink::new().threshold(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SoftShrink {
    /// How far values move. Default: 0.5.
    pub threshold: f32,
}

impl SoftShrink {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { threshold: 0.5 }
    }

    /// How far values move. Default: 0.5.
    pub fn threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }
}

impl Default for SoftShrink {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for SoftShrink {
    fn name(&self) -> &str {
        "soft_shrink"
    }

    fn call(&self, x: &Value) -> Value {
        let low = x.less(-self.threshold).select(x + self.threshold, 0.0);
        x.greater(self.threshold).select(x - self.threshold, low)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
