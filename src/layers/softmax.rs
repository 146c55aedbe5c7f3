//! [`Softmax`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// Softmax as a layer: probabilities along an axis. Shapes are unchanged.
///
/// Source: <https://keras.io/api/layers/activation_layers/softmax/>
///
/// # Examples
///
/// ```
/// use horn::layers::Softmax;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(3).input_dim(4)).add(Softmax::new());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Softmax {
    #[serde(flatten)]
    base: Base,
    axis: isize,
}

impl Default for Softmax {
    fn default() -> Self {
        Softmax {
            base: Base::default(),
            axis: -1,
        }
    }
}

impl Softmax {
    /// Over the last axis.
    pub fn new() -> Self {
        Softmax::default()
    }

    /// The axis that sums to one, the batch counted as 0. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    shared_settings!(builder);
}

impl Layer for Softmax {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x.softmax(self.axis)
    }

    fn class_name(&self) -> &str {
        "Softmax"
    }

    shared_settings!(layer masked);
}
