//! [`Activation`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Base};
use super::{Layer, shared_settings};
use crate::activations::{self, Linear};
use crate::graph::{Scope, Value};

/// An activation as a layer of its own: `y = activation(x)`, shapes unchanged.
///
/// Source: <https://keras.io/api/layers/core_layers/activation/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(12).input_dim(8))
///     .add(Activation::new(Relu));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Activation {
    #[serde(flatten)]
    base: Base,
    #[serde(with = "config::activation")]
    activation: Arc<dyn activations::Activation>,
}

impl Default for Activation {
    fn default() -> Self {
        Activation::new(Linear)
    }
}

impl Activation {
    /// A layer that applies this activation.
    pub fn new(activation: impl activations::Activation + 'static) -> Self {
        Activation {
            base: Base::default(),
            activation: Arc::new(activation),
        }
    }

    shared_settings!(builder);
}

impl Layer for Activation {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        self.activation.call(x)
    }

    fn class_name(&self) -> &str {
        "Activation"
    }

    shared_settings!(layer masked);
}
