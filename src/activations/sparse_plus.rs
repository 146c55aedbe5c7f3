//! [`SparsePlus`].

use super::Activation;
use crate::graph::Value;

/// A rectifier with a quadratic bend.
///
/// `sparse_plus(x) = 0 if x <= -1, (x + 1)² / 4 if x < 1, else x`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::SparsePlus;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(SparsePlus));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SparsePlus;

impl Activation for SparsePlus {
    fn name(&self) -> &str {
        "sparse_plus"
    }

    fn call(&self, x: &Value) -> Value {
        x.greater_equal(1.0)
            .select(x, (x.clip(-1.0, 1.0) + 1.0).square() * 0.25)
    }
}
