//! [`Sigmoid`].

use super::Activation;
use crate::graph::Value;

/// The logistic function.
///
/// `sigmoid(x) = 1 / (1 + exp(-x))`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Sigmoid;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Sigmoid));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sigmoid;

impl Activation for Sigmoid {
    fn name(&self) -> &str {
        "sigmoid"
    }

    fn call(&self, x: &Value) -> Value {
        x.sigmoid()
    }
}
