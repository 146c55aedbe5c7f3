//! [`ELU`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::activations::{self, Activation};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// The exponential linear unit as a layer: `y = x` if `x > 0`, else `alpha (exp(x) - 1)`.
///
/// Source: Clevert et al. 2015, <https://arxiv.org/abs/1511.07289>;
/// <https://keras.io/api/layers/activation_layers/elu/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new().add(Dense::new(12).input_dim(8)).add(ELU::new().alpha(0.7));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ELU {
    #[serde(flatten)]
    base: Base,
    alpha: f32,
}

impl Default for ELU {
    fn default() -> Self {
        ELU {
            base: Base::default(),
            alpha: 1.0,
        }
    }
}

impl ELU {
    /// With Keras's default `alpha` of 1.
    pub fn new() -> Self {
        ELU::default()
    }

    /// How far the unit saturates below zero. Default: 1.
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }

    shared_settings!(builder);
}

impl Layer for ELU {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        activations::Elu::new().alpha(self.alpha).call(x)
    }

    fn class_name(&self) -> &str {
        "ELU"
    }

    fn validate(&self) -> Result<()> {
        match self.alpha.is_finite() {
            true => Ok(()),
            false => Err(Error::argument(
                "ELU",
                "alpha",
                "a finite number",
                self.alpha,
            )),
        }
    }

    shared_settings!(layer masked);
}
