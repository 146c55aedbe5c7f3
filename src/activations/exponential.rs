//! [`Exponential`].

use super::Activation;
use crate::graph::Value;

/// The exponential function.
///
/// `exponential(x) = exp(x)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Exponential;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Exponential));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exponential;

impl Activation for Exponential {
    fn name(&self) -> &str {
        "exponential"
    }

    fn call(&self, x: &Value) -> Value {
        x.exp()
    }
}
