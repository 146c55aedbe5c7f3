//! [`Relu`].

use super::Activation;
use crate::graph::Value;

/// The rectified linear unit.
///
/// `relu(x) = max(x, 0)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Relu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Relu));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relu;

impl Activation for Relu {
    fn name(&self) -> &str {
        "relu"
    }

    fn call(&self, x: &Value) -> Value {
        x.relu()
    }
}
