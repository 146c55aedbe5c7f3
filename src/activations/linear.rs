//! [`Linear`].

use super::Activation;
use crate::graph::Value;

/// No activation.
///
/// `linear(x) = x`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Linear;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Linear));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Linear;

impl Activation for Linear {
    fn name(&self) -> &str {
        "linear"
    }

    fn call(&self, x: &Value) -> Value {
        x.clone()
    }
}
