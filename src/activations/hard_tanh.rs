//! [`HardTanh`].

use super::Activation;
use crate::graph::Value;

/// The hyperbolic tangent made of straight lines.
///
/// `hard_tanh(x) = min(max(x, -1), 1)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::HardTanh;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(HardTanh));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardTanh;

impl Activation for HardTanh {
    fn name(&self) -> &str {
        "hard_tanh"
    }

    fn call(&self, x: &Value) -> Value {
        let low = x.less(-1.0).select(-1.0, x);
        x.greater(1.0).select(1.0, low)
    }
}
