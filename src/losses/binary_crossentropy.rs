//! [`BinaryCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, axis_last, check_smoothing, shared_settings};
use crate::error::Result;
use crate::graph::Value;

/// The cross-entropy of yes-or-no questions, one an output unit.
///
/// `mean(-t ln p - (1 - t) ln(1 - p))` over an axis: `(batch, ..., units)` costs `(batch, ...)`.
/// Targets are 0, 1 or between. Probabilities `p` are clipped to `[1e-7, 1 - 1e-7]`; with
/// `from_logits` the predictions are what would go into a sigmoid.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(8).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryCrossentropy {
    name: String,
    reduction: Reduction,
    from_logits: bool,
    label_smoothing: f32,
    axis: isize,
}

impl Default for BinaryCrossentropy {
    fn default() -> Self {
        BinaryCrossentropy {
            name: "binary_crossentropy".into(),
            reduction: Reduction::default(),
            from_logits: false,
            label_smoothing: 0.0,
            axis: -1,
        }
    }
}

impl BinaryCrossentropy {
    shared_settings!(builder);

    /// Whether the predictions are logits rather than probabilities. Default: false.
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// How far targets are drawn towards one half, from 0 to 1. Default: 0.
    pub fn label_smoothing(mut self, label_smoothing: f32) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }

    /// The axis that is averaged. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }
}

impl Loss for BinaryCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let smoothed;
        let targets = match self.label_smoothing {
            0.0 => y_true,
            smoothing => {
                smoothed = y_true * (1.0 - smoothing) + 0.5 * smoothing;
                &smoothed
            }
        };
        let costs = y_pred.binary_crossentropy(targets, self.from_logits);
        axis_last(&costs, self.axis).mean(-1)
    }

    fn targets(&self) -> Targets {
        Targets::Probabilities
    }

    fn validate(&self) -> Result<()> {
        check_smoothing("BinaryCrossentropy", self.label_smoothing)
    }

    shared_settings!(loss "BinaryCrossentropy");
}
