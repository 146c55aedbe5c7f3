//! [`LogSigmoid`].

use super::Activation;
use crate::graph::Value;

/// The logarithm of the sigmoid, without overflow.
///
/// `log_sigmoid(x) = -ln(1 + exp(-x))`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::LogSigmoid;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(LogSigmoid));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSigmoid;

impl Activation for LogSigmoid {
    fn name(&self) -> &str {
        "log_sigmoid"
    }

    fn call(&self, x: &Value) -> Value {
        -(-x).softplus()
    }
}
