//! [`Squareplus`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// A smooth rectifier made of a square root.
///
/// `squareplus(x) = (x + √(x² + b)) / 2`
///
/// Source: Barron 2021, <https://arxiv.org/abs/2112.11687>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Squareplus;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Squareplus::new().b(0.3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Squareplus {
    /// How wide the bend is. Default: 4.0.
    pub b: f32,
}

impl Squareplus {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { b: 4.0 }
    }

    /// How wide the bend is. Default: 4.0.
    pub fn b(mut self, b: f32) -> Self {
        self.b = b;
        self
    }
}

impl Default for Squareplus {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Squareplus {
    fn name(&self) -> &str {
        "squareplus"
    }

    fn call(&self, x: &Value) -> Value {
        (x + (x.square() + self.b).sqrt()) * 0.5
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
