//! [`RMSNormalization`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::layer_normalization::check_epsilon;
use super::normalizing::{Standard, along, lengths, places};
use super::{Layer, shared_settings};
use crate::error::Result;
use crate::graph::{Scope, Value};
use crate::initializers::Ones;
use crate::shape::AxisSetting;

/// Divides by the root of the mean square: `y = scale x / √(mean(x²) + epsilon)` along an axis or
/// several.
///
/// | | shape |
/// |---|---|
/// | `x`, `y` | `(batch, ...)` |
/// | `scale` | the lengths of the axes, `Ones` |
///
/// Source: Zhang and Sennrich 2019, <https://arxiv.org/abs/1910.07467>;
/// <https://keras.io/api/layers/normalization_layers/rms_normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::RMSNormalization;
/// use horn::prelude::*;
///
/// let model = Sequential::new().add(Dense::new(64).input_dim(8)).add(RMSNormalization::new());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RMSNormalization {
    #[serde(flatten)]
    base: Base,
    axis: AxisSetting,
    epsilon: f32,
}

impl Default for RMSNormalization {
    fn default() -> Self {
        RMSNormalization {
            base: Base::default(),
            axis: AxisSetting::One(-1),
            epsilon: 1e-6,
        }
    }
}

impl RMSNormalization {
    /// Along the last axis, with an epsilon of 1e-6.
    pub fn new() -> Self {
        Self::default()
    }

    /// The axis that is normalized along. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = AxisSetting::One(axis);
        self
    }

    /// The axes that are normalized along, several of them.
    pub fn axes(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axis = AxisSetting::Several(axes.into());
        self
    }

    /// What is added to the mean square. Default: 1e-6.
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.epsilon = epsilon;
        self
    }

    shared_settings!(builder);
}

impl Layer for RMSNormalization {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let Some(places) = places(x, &self.axis) else {
            return x.clone();
        };
        let scale = scope.weight("scale", lengths(x, &places), &Ones);
        let standard = Standard {
            over: &places,
            epsilon: self.epsilon,
            centered: false,
            gamma: Some(along(x, &scale, &places)),
            beta: None,
        };
        standard.apply(x)
    }

    fn class_name(&self) -> &str {
        "RMSNormalization"
    }

    fn validate(&self) -> Result<()> {
        check_epsilon("RMSNormalization", self.epsilon)
    }

    shared_settings!(layer masked);
}
