//! [`HardSilu`].

use super::Activation;
use super::relu6::relu6;
use crate::graph::Value;

/// SiLU made of straight lines, also known as hard swish.
///
/// `hard_silu(x) = x hard_sigmoid(x)`
///
/// Source: Howard et al. 2019, <https://arxiv.org/abs/1905.02244>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::HardSilu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(HardSilu));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardSilu;

impl Activation for HardSilu {
    fn name(&self) -> &str {
        "hard_silu"
    }

    fn call(&self, x: &Value) -> Value {
        x * (relu6(&(x + 3.0)) * (1.0 / 6.0))
    }
}
