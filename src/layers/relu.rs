//! [`ReLU`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// The rectified linear unit as a layer, with a slope below, a threshold and a cap.
///
/// `y = max_value` if `x >= max_value`, `x` if `threshold <= x < max_value`, else
/// `negative_slope (x - threshold)`. Shapes are unchanged.
///
/// Source: <https://keras.io/api/layers/activation_layers/relu/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(12).input_dim(8))
///     .add(ReLU::new().max_value(6.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReLU {
    #[serde(flatten)]
    base: Base,
    max_value: Option<f32>,
    negative_slope: f32,
    threshold: f32,
}

impl ReLU {
    /// With Keras's defaults: `max(x, 0)`.
    pub fn new() -> Self {
        ReLU::default()
    }

    /// What the outputs do not exceed. Default: nothing.
    pub fn max_value(mut self, max_value: f32) -> Self {
        self.max_value = Some(max_value);
        self
    }

    /// The slope below the threshold. Default: 0.
    pub fn negative_slope(mut self, negative_slope: f32) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    /// Where the rectifier bends. Default: 0.
    pub fn threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }

    shared_settings!(builder);
}

impl Layer for ReLU {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let plain = self.threshold == 0.0 && self.negative_slope == 0.0;
        let mut y = if plain {
            x.relu()
        } else {
            let below = (x - self.threshold) * self.negative_slope;
            x.greater(self.threshold).select(x, below)
        };
        if let Some(max_value) = self.max_value {
            y = y.minimum(max_value);
        }
        y
    }

    fn class_name(&self) -> &str {
        "ReLU"
    }

    fn validate(&self) -> Result<()> {
        let max_value = self.max_value.unwrap_or(0.0);
        for (argument, value) in [
            ("max_value", max_value),
            ("negative_slope", self.negative_slope),
            ("threshold", self.threshold),
        ] {
            if value.is_nan() || value < 0.0 {
                return Err(Error::argument("ReLU", argument, "at least 0", value));
            }
        }
        Ok(())
    }

    shared_settings!(layer masked);
}
