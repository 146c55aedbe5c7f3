//! [`TanhShrink`].

use super::Activation;
use crate::graph::Value;

/// What tanh takes away.
///
/// `tanh_shrink(x) = x - tanh(x)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::TanhShrink;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(TanhShrink));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TanhShrink;

impl Activation for TanhShrink {
    fn name(&self) -> &str {
        "tanh_shrink"
    }

    fn call(&self, x: &Value) -> Value {
        x - x.tanh()
    }
}
