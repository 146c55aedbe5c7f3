//! [`Softsign`].

use super::Activation;
use crate::graph::Value;

/// A sigmoid with slowly flattening tails.
///
/// `softsign(x) = x / (1 + |x|)`
///
/// Source: <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Softsign;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Softsign));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Softsign;

impl Activation for Softsign {
    fn name(&self) -> &str {
        "softsign"
    }

    fn call(&self, x: &Value) -> Value {
        x / (x.abs() + 1.0)
    }
}
