//! [`Masking`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// Leaves the steps of a sequence out that hold nothing but `mask_value`.
///
/// `x`, `y`: `(batch, steps, columns)`. Left-out steps become 0, layers that support masking hand
/// the mask on, and the loss does not count them.
///
/// Source: <https://keras.io/api/layers/core_layers/masking/>
///
/// # Examples
///
/// ```
/// use horn::layers::Masking;
/// use horn::prelude::*;
///
/// // Sequences of up to 10 steps, padded with zeros.
/// let model = Sequential::new()
///     .add(Input::new([10, 3]))
///     .add(Masking::new())
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Masking {
    #[serde(flatten)]
    base: Base,
    mask_value: f32,
}

impl Masking {
    /// Leaves out steps of zeros.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a step must hold everywhere to be left out. Default: 0.
    pub fn mask_value(mut self, value: f32) -> Self {
        self.mask_value = value;
        self
    }

    shared_settings!(builder);
}

impl Layer for Masking {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if x.rank() < 2 {
            return x.fail(format!(
                "expects inputs of shape (batch, ..., columns), got {}",
                x.shape()
            ));
        }
        let counts = x.not_equal(self.mask_value).max_keepdims(-1);
        let y = counts.broadcast_to(x.shape()).select(x, 0.0);
        scope.set_mask(&y, &counts.squeeze(-1));
        y
    }

    fn class_name(&self) -> &str {
        "Masking"
    }

    shared_settings!(layer masked);
}
