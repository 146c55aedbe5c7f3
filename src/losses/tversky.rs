//! [`Tversky`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::shape::AxisSetting;

/// How little two sets overlap, where what is missed and what is too much count differently.
///
/// `1 - s / (s + alpha a + beta b + 1e-7)` with `s = sum(t p)`, `a = sum(t (1 - p))`,
/// `b = sum((1 - t) p)` over the axes that are given, or over everything, the batch included.
/// With `alpha = beta = 0.5` it is [`Dice`](super::Dice).
///
/// As in Keras 3.15 `alpha` weighs what is missed (false negatives) and `beta` what is too much,
/// though its docs say it the other way round.
///
/// Source: Salehi et al. 2017, <https://arxiv.org/abs/1706.05721>; Keras's `Tversky`.
///
/// # Examples
///
/// ```
/// use horn::losses::Tversky;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(4).input_dim(3).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new(), Tversky::new().alpha(0.3).beta(0.7)))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tversky {
    name: String,
    reduction: Reduction,
    alpha: f32,
    beta: f32,
    axis: Option<AxisSetting>,
}

impl Default for Tversky {
    fn default() -> Self {
        Tversky {
            name: "tversky".into(),
            reduction: Reduction::default(),
            alpha: 0.5,
            beta: 0.5,
            axis: None,
        }
    }
}

impl Tversky {
    shared_settings!(builder);

    /// The weight of what is missed, at least 0. Default: 0.5.
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }

    /// The weight of what is too much, at least 0. Default: 0.5.
    pub fn beta(mut self, beta: f32) -> Self {
        self.beta = beta;
        self
    }

    /// The axes that are summed over. Default: all, the batch included.
    pub fn axis(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axis = Some(AxisSetting::Several(axes.into()));
        self
    }
}

impl Loss for Tversky {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let sum = |value: &Value| value.sum(AxisSetting::or_all(&self.axis));
        let both = sum(&(y_true * y_pred));
        let missed = sum(&((1.0 - y_pred) * y_true));
        let extra = sum(&(y_pred * (1.0 - y_true)));
        1.0 - &both / (&both + missed * self.alpha + extra * self.beta + 1e-7)
    }

    fn validate(&self) -> Result<()> {
        for (argument, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::argument(
                    "Tversky",
                    argument,
                    "finite and at least 0",
                    value,
                ));
            }
        }
        Ok(())
    }

    shared_settings!(loss "Tversky");
}
