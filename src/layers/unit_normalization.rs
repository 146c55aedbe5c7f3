//! [`UnitNormalization`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};
use crate::shape::AxisSetting;

/// Divides by the norm: `y = x / max(‖x‖, 1e-12)` along an axis or several.
///
/// Shapes are unchanged.
///
/// Source: <https://keras.io/api/layers/normalization_layers/unit_normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::UnitNormalization;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Input::new([2])).add(UnitNormalization::new());
/// model.build()?;
/// assert_eq!(model.predict(&array![[3.0, 4.0]])?, array![[0.6, 0.8]]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitNormalization {
    #[serde(flatten)]
    base: Base,
    axis: AxisSetting,
}

impl Default for UnitNormalization {
    fn default() -> Self {
        UnitNormalization {
            base: Base::default(),
            axis: AxisSetting::One(-1),
        }
    }
}

impl UnitNormalization {
    /// Along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    /// The axis of the vectors. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = AxisSetting::One(axis);
        self
    }

    /// The axes of the vectors, several of them.
    pub fn axes(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axis = AxisSetting::Several(axes.into());
        self
    }

    shared_settings!(builder);
}

impl Layer for UnitNormalization {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x / x
            .square()
            .sum_keepdims(self.axis.axes())
            .maximum(1e-24)
            .sqrt()
    }

    fn class_name(&self) -> &str {
        "UnitNormalization"
    }

    shared_settings!(layer masked);
}
