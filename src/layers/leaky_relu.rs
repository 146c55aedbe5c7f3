//! [`LeakyReLU`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::activations::{self, Activation};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// The leaky rectified linear unit as a layer: `y = x` if `x >= 0`, else `negative_slope x`.
///
/// Source: <https://keras.io/api/layers/activation_layers/leaky_relu/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(12).input_dim(8))
///     .add(LeakyReLU::new().negative_slope(0.1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeakyReLU {
    #[serde(flatten)]
    base: Base,
    #[serde(alias = "alpha")]
    negative_slope: f32,
}

impl Default for LeakyReLU {
    fn default() -> Self {
        LeakyReLU {
            base: Base::default(),
            negative_slope: 0.3,
        }
    }
}

impl LeakyReLU {
    /// With Keras's default slope of 0.3 below zero.
    pub fn new() -> Self {
        LeakyReLU::default()
    }

    /// The slope below zero. Default: 0.3.
    pub fn negative_slope(mut self, negative_slope: f32) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    shared_settings!(builder);
}

impl Layer for LeakyReLU {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let leaky = activations::LeakyRelu::new().negative_slope(self.negative_slope);
        leaky.call(x)
    }

    fn class_name(&self) -> &str {
        "LeakyReLU"
    }

    fn validate(&self) -> Result<()> {
        match self.negative_slope.is_finite() {
            true => Ok(()),
            false => Err(Error::argument(
                "LeakyReLU",
                "negative_slope",
                "a finite number",
                self.negative_slope,
            )),
        }
    }

    shared_settings!(layer masked);
}
