//! [`Glu`].

use serde::{Deserialize, Serialize};

use super::Activation;
use crate::graph::Value;

/// The gated linear unit: half of an axis gates the other half, so the axis becomes half as long.
///
/// `glu(x) = a sigmoid(b), where a and b are the halves of x along the axis`
///
/// Source: Dauphin et al. 2016, <https://arxiv.org/abs/1612.08083>; <https://keras.io/api/layers/activations/>
///
/// # Examples
///
/// ```
/// use horn::activations::Glu;
/// use horn::prelude::{Dense, Sequential};
///
/// let model = Sequential::new().add(Dense::new(4).input_dim(2).activation(Glu::new().axis(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Glu {
    /// The axis that is split. Default: -1.
    pub axis: isize,
}

impl Glu {
    /// With Keras's defaults.
    pub fn new() -> Self {
        Self { axis: -1 }
    }

    /// The axis that is split. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }
}

impl Default for Glu {
    fn default() -> Self {
        Self::new()
    }
}

impl Activation for Glu {
    fn name(&self) -> &str {
        "glu"
    }

    fn call(&self, x: &Value) -> Value {
        let length = x.dim(self.axis);
        if !length.is_multiple_of(2) {
            return x.fail(format!(
                "`glu` halves axis {} of {}, whose length is odd",
                self.axis,
                x.shape()
            ));
        }
        let half = |from: usize| x.slice(self.axis, from..from + length / 2);
        half(0) * half(length / 2).sigmoid()
    }

    fn config(&self) -> serde_json::Value {
        super::settings(self, &Self::new())
    }
}
