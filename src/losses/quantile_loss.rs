//! [`QuantileLoss`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::error::{Error, Result};
use crate::graph::Value;

/// The pinball loss, smallest where predictions are the quantile of the targets.
///
/// `mean(max(q e, (q - 1) e))` over the last axis, where `e = y_true - y_pred`:
/// `(batch, ..., units)` costs `(batch, ...)`. Keras has no such loss.
///
/// Source: Koenker and Bassett 1978, <https://doi.org/10.2307/1913643>
///
/// # Examples
///
/// A model whose predictions nine targets in ten stay below:
///
/// ```
/// use horn::losses::QuantileLoss;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
/// model.compile(Compile::new(Adam::new(), QuantileLoss::new(0.9)))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuantileLoss {
    name: String,
    reduction: Reduction,
    quantile: f32,
}

impl Default for QuantileLoss {
    /// The median.
    fn default() -> Self {
        QuantileLoss::new(0.5)
    }
}

impl QuantileLoss {
    /// The loss of a quantile above 0 and below 1; 0.5 is the median.
    pub fn new(quantile: f32) -> Self {
        QuantileLoss {
            name: "quantile_loss".into(),
            reduction: Reduction::default(),
            quantile,
        }
    }

    shared_settings!(named builder);
}

impl Loss for QuantileLoss {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let e = &(y_true - y_pred);
        (e * self.quantile)
            .maximum(e * (self.quantile - 1.0))
            .mean(-1)
    }

    fn validate(&self) -> Result<()> {
        match self.quantile > 0.0 && self.quantile < 1.0 {
            true => Ok(()),
            false => Err(Error::argument(
                "QuantileLoss",
                "quantile",
                "above 0 and below 1",
                self.quantile,
            )),
        }
    }

    shared_settings!(loss "QuantileLoss");
}
