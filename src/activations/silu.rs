//! [`Silu`].

use super::Activation;
use crate::graph::Value;

/// The sigmoid linear unit, also known as swish.
///
/// `silu(x) = x sigmoid(x)`
///
/// Source: Ramachandran et al. 2017, <https://arxiv.org/abs/1710.05941>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Silu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Silu));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Silu;

impl Activation for Silu {
    fn name(&self) -> &str {
        "silu"
    }

    fn call(&self, x: &Value) -> Value {
        x * x.sigmoid()
    }
}
