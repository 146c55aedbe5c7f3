//! [`Relu6`].

use super::Activation;
use crate::graph::Value;

/// The rectified linear unit held below six.
///
/// `relu6(x) = min(max(x, 0), 6)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Relu6;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Relu6));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relu6;

impl Activation for Relu6 {
    fn name(&self) -> &str {
        "relu6"
    }

    fn call(&self, x: &Value) -> Value {
        relu6(x)
    }
}

/// `min(max(x, 0), 6)`, with a slope of 0 at both bends, as in Keras.
pub(super) fn relu6(x: &Value) -> Value {
    let inside = x.greater(0.0) * x.less(6.0);
    inside.select(x, x.stop_gradient().clip(0.0, 6.0))
}
