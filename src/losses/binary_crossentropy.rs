//! [`BinaryCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, axis_last, check_fraction, shared_settings, smooth_binary};
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
    shared_settings!(crossentropy "one half");
}

impl Loss for BinaryCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let targets = smooth_binary(y_true, self.label_smoothing);
        let costs = y_pred.binary_crossentropy(&targets, self.from_logits);
        axis_last(&costs, self.axis).mean(-1)
    }

    fn targets(&self) -> Targets {
        Targets::Probabilities
    }

    fn validate(&self) -> Result<()> {
        check_fraction(
            "BinaryCrossentropy",
            "label_smoothing",
            self.label_smoothing,
        )
    }

    shared_settings!(loss "BinaryCrossentropy");
}
