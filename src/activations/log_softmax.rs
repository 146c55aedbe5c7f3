//! [`LogSoftmax`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The logarithm of softmax along an axis.
///
/// `log_softmax(x) = x - ln(sum(exp(x)))`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::LogSoftmax;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(LogSoftmax::new().axis(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LogSoftmax {
    /// The axis that sums to one. Default: -1.
    pub axis: isize,
}

impl LogSoftmax {
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

impl Default for LogSoftmax {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for LogSoftmax {
    fn name(&self) -> &str {
        "log_softmax"
    }

    fn call(&self, x: &Value) -> Value {
        x.log_softmax(self.axis)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
