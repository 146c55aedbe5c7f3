//! [`Softplus`].

use super::Activation;
use crate::graph::Value;

/// A smooth rectifier, without overflow.
///
/// `softplus(x) = ln(1 + exp(x))`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Softplus;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Softplus));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Softplus;

impl Activation for Softplus {
    fn name(&self) -> &str {
        "softplus"
    }

    fn call(&self, x: &Value) -> Value {
        x.softplus()
    }
}
