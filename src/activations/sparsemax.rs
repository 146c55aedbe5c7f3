//! [`Sparsemax`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// Probabilities along an axis, many of them exactly zero.
///
/// `sparsemax(x) = max(x - tau, 0), where tau makes the sum one`
///
/// Keras 3.15 adds up too much for `tau` where more than one value is above zero, so that its rows
/// do not sum to one there, and are often all zero. The default here does what Keras does, so that
/// its models give its numbers; [`exact`](Self::exact) is what the paper says.
///
/// Source: Martins and Astudillo 2016, <https://arxiv.org/abs/1602.02068>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Sparsemax;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Sparsemax::new().axis(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Sparsemax {
    /// The axis that sums to one. Default: -1.
    pub axis: isize,
    /// Whether rows sum to one, as in the paper, and not as in Keras. Default: false.
    pub exact: bool,
}

impl Sparsemax {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self {
            axis: -1,
            exact: false,
        }
    }

    /// The axis that sums to one. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// Whether rows sum to one, as in the paper, and not as in Keras. Default: false.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }
}

impl Default for Sparsemax {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Sparsemax {
    fn name(&self) -> &str {
        "sparsemax"
    }

    fn call(&self, x: &Value) -> Value {
        let rank = x.rank();
        let Some(axis) = x.shape().axis(self.axis) else {
            return x.fail(format!("{} has no axis {}", x.shape(), self.axis));
        };
        let sparsemax = |x: &Value| match self.exact {
            true => x.sparsemax(),
            false => x.sparsemax_of_keras(),
        };
        if axis + 1 == rank {
            return sparsemax(x);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(axis, rank - 1);
        sparsemax(&x.transpose(&order)).transpose(&order)
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
