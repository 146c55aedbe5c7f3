//! [`LayerNormalization`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Base};
use super::normalizing::{Standard, along, lengths, moments, places};
use super::{Layer, rules_builder, shared_settings};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::{Initializer, Ones, Zeros};
use crate::regularizers::Regularizer;
use crate::shape::AxisSetting;

/// Brings each row to a mean of 0 and a variance of 1, then scales and shifts it:
/// `y = gamma (x - mean(x)) / √(var(x) + epsilon) + beta` along an axis or several.
///
/// | | shape |
/// |---|---|
/// | `x`, `y` | `(batch, ...)` |
/// | `gamma` | the lengths of the axes, `Ones` |
/// | `beta` | the lengths of the axes, `Zeros` |
///
/// `rms_scaling` of Keras's older files is read too: it multiplies by `gamma / √(var(x) + epsilon)`
/// alone.
///
/// Source: Ba et al. 2016, <https://arxiv.org/abs/1607.06450>;
/// <https://keras.io/api/layers/normalization_layers/layer_normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::LayerNormalization;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8))
///     .add(LayerNormalization::new())
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerNormalization {
    #[serde(flatten)]
    base: Base,
    axis: AxisSetting,
    epsilon: f32,
    center: bool,
    scale: bool,
    rms_scaling: bool,
    #[serde(with = "config::initializer")]
    beta_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    gamma_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    beta_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    gamma_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    beta_constraint: Option<Arc<dyn Constraint>>,
    #[serde(with = "config::constraint")]
    gamma_constraint: Option<Arc<dyn Constraint>>,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        LayerNormalization {
            base: Base::default(),
            axis: AxisSetting::One(-1),
            epsilon: 1e-3,
            center: true,
            scale: true,
            rms_scaling: false,
            beta_initializer: Arc::new(Zeros),
            gamma_initializer: Arc::new(Ones),
            beta_regularizer: None,
            gamma_regularizer: None,
            beta_constraint: None,
            gamma_constraint: None,
        }
    }
}

impl LayerNormalization {
    /// Along the last axis, with an epsilon of 1e-3.
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

    rules_builder!(normalization);
    shared_settings!(builder);
}

/// The epsilon of a normalization is a finite number that is not negative.
pub(super) fn check_epsilon(class_name: &str, epsilon: f32) -> Result<()> {
    match epsilon >= 0.0 && epsilon.is_finite() {
        true => Ok(()),
        false => Err(Error::argument(
            class_name,
            "epsilon",
            "finite and at least 0",
            epsilon,
        )),
    }
}

impl Layer for LayerNormalization {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let Some(places) = places(x, &self.axis) else {
            return x.clone();
        };
        let shape = lengths(x, &places);
        let gamma = (self.scale || self.rms_scaling).then(|| {
            let gamma = scope.ruled_weight(
                "gamma",
                &shape,
                &self.gamma_initializer,
                &self.gamma_regularizer,
                &self.gamma_constraint,
            );
            along(x, &gamma, &places)
        });
        let beta = (self.center && !self.rms_scaling).then(|| {
            let beta = scope.ruled_weight(
                "beta",
                &shape,
                &self.beta_initializer,
                &self.beta_regularizer,
                &self.beta_constraint,
            );
            along(x, &beta, &places)
        });
        if self.rms_scaling {
            let (_, variance) = moments(x, &places);
            let y = x * (variance + self.epsilon).rsqrt();
            return match gamma {
                Some(gamma) => y * gamma,
                None => y,
            };
        }
        let standard = Standard {
            over: &places,
            epsilon: self.epsilon,
            centered: true,
            gamma,
            beta,
        };
        standard.apply(x)
    }

    fn class_name(&self) -> &str {
        "LayerNormalization"
    }

    fn validate(&self) -> Result<()> {
        check_epsilon("LayerNormalization", self.epsilon)
    }

    shared_settings!(layer masked);
}
