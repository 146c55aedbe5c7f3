//! [`SparseSigmoid`].

use super::Activation;
use crate::graph::Value;

/// A sigmoid that reaches zero and one.
///
/// `sparse_sigmoid(x) = min(max((x + 1) / 2, 0), 1)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::SparseSigmoid;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(SparseSigmoid));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SparseSigmoid;

impl Activation for SparseSigmoid {
    fn name(&self) -> &str {
        "sparse_sigmoid"
    }

    fn call(&self, x: &Value) -> Value {
        (x.clip(-1.0, 1.0) + 1.0) * 0.5
    }
}
