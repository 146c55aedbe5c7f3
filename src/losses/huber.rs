//! [`Huber`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::error::{Error, Result};
use crate::graph::Value;

/// Quadratic for small errors, linear for large ones, so that outliers count less.
///
/// `mean(e² / 2 if |e| <= delta else delta |e| - delta² / 2)` over the last axis, where
/// `e = y_true - y_pred`: `(batch, ..., units)` costs `(batch, ...)`.
///
/// Keras does not write `delta` in its configurations; this crate does where it is not 1.
///
/// Source: Huber 1964; <https://keras.io/api/losses/regression_losses/#huber-class>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
/// model.compile(Compile::new(Adam::new(), Huber::new().delta(2.0)))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Huber {
    name: String,
    reduction: Reduction,
    #[serde(skip_serializing_if = "is_one")]
    delta: f32,
}

fn is_one(delta: &f32) -> bool {
    *delta == 1.0
}

impl Default for Huber {
    fn default() -> Self {
        Huber {
            name: "huber_loss".into(),
            reduction: Reduction::default(),
            delta: 1.0,
        }
    }
}

impl Huber {
    shared_settings!(builder);

    /// Where the cost turns from quadratic to linear. Default: 1.
    pub fn delta(mut self, delta: f32) -> Self {
        self.delta = delta;
        self
    }
}

impl Loss for Huber {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let e = y_true - y_pred;
        let size = e.abs();
        let near = e.square() * 0.5;
        let far = &size * self.delta - 0.5 * self.delta * self.delta;
        size.less_equal(self.delta).select(near, far).mean(-1)
    }

    fn validate(&self) -> Result<()> {
        match self.delta > 0.0 {
            true => Ok(()),
            false => Err(Error::argument("Huber", "delta", "above 0", self.delta)),
        }
    }

    shared_settings!(loss "Huber");
}
