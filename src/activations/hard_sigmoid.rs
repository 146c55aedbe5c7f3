//! [`HardSigmoid`].

use super::Activation;
use super::relu6::relu6;
use crate::graph::Value;

/// The sigmoid made of straight lines.
///
/// `hard_sigmoid(x) = min(max(x + 3, 0), 6) / 6`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::HardSigmoid;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(HardSigmoid));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardSigmoid;

impl Activation for HardSigmoid {
    fn name(&self) -> &str {
        "hard_sigmoid"
    }

    fn call(&self, x: &Value) -> Value {
        relu6(&(x + 3.0)) * (1.0 / 6.0)
    }
}
