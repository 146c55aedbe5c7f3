//! [`Selu`].

use super::Activation;
use crate::graph::Value;

/// The scaled exponential linear unit, which keeps the mean and variance of its inputs.
///
/// `selu(x) = scale (x if x > 0 else alpha (exp(x) - 1)), with alpha = 1.67326324 and scale = 1.05070099`
///
/// Source: Klambauer et al. 2017, <https://arxiv.org/abs/1706.02515>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Selu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Selu));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selu;

impl Activation for Selu {
    fn name(&self) -> &str {
        "selu"
    }

    fn call(&self, x: &Value) -> Value {
        const ALPHA: f32 = 1.673_263_2;
        const SCALE: f32 = 1.050_701;
        (x.maximum(0.0) + x.minimum(0.0).exp_m1() * ALPHA) * SCALE
    }
}
