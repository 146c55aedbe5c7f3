//! [`Softmax`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// Probabilities along an axis.
///
/// `softmax(x) = exp(x) / sum(exp(x))`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Softmax;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Softmax::new().axis(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Softmax {
    /// The axis that sums to one. Default: -1.
    pub axis: isize,
}

impl Softmax {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { axis: -1 }
    }

    /// The axis that sums to one. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }
}

impl Default for Softmax {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Softmax {
    fn name(&self) -> &str {
        "softmax"
    }

    fn call(&self, x: &Value) -> Value {
        x.softmax(self.axis)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
