//! [`Mish`].

use super::Activation;
use crate::graph::Value;

/// The self-regularized non-monotonic activation.
///
/// `mish(x) = x tanh(softplus(x))`
///
/// Source: Misra 2019, <https://arxiv.org/abs/1908.08681>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Mish;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Mish));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mish;

impl Activation for Mish {
    fn name(&self) -> &str {
        "mish"
    }

    fn call(&self, x: &Value) -> Value {
        x * x.softplus().tanh()
    }
}
