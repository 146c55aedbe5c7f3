//! [`Tanh`].

use super::Activation;
use crate::graph::Value;

/// The hyperbolic tangent.
///
/// `tanh(x) = tanh(x)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Tanh;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Tanh));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tanh;

impl Activation for Tanh {
    fn name(&self) -> &str {
        "tanh"
    }

    fn call(&self, x: &Value) -> Value {
        x.tanh()
    }
}
