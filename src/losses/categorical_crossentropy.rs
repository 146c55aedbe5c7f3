//! [`CategoricalCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, axis_last, check_smoothing, shared_settings};
use crate::error::Result;
use crate::graph::Value;

/// The cross-entropy of one class among several, with one-hot (or soft) targets.
///
/// `-sum(t ln p)` over an axis: `(batch, ..., classes)` costs `(batch, ...)`. Probabilities `p`
/// are divided by their sum and clipped to `[1e-7, 1 - 1e-7]`; with `from_logits` the predictions
/// are what would go into a softmax.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(4).activation(Softmax::new()));
/// model.compile(Compile::new(Adam::new(), CategoricalCrossentropy::new()))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoricalCrossentropy {
    name: String,
    reduction: Reduction,
    from_logits: bool,
    label_smoothing: f32,
    axis: isize,
}

impl Default for CategoricalCrossentropy {
    fn default() -> Self {
        CategoricalCrossentropy {
            name: "categorical_crossentropy".into(),
            reduction: Reduction::default(),
            from_logits: false,
            label_smoothing: 0.0,
            axis: -1,
        }
    }
}

impl CategoricalCrossentropy {
    shared_settings!(builder);

    /// Whether the predictions are logits rather than probabilities. Default: false.
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// How far targets are drawn towards an even spread, from 0 to 1. Default: 0.
    pub fn label_smoothing(mut self, label_smoothing: f32) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }

    /// The axis of the classes. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }
}

impl Loss for CategoricalCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let mut targets = axis_last(y_true, self.axis);
        if self.label_smoothing != 0.0 {
            let spread = self.label_smoothing / targets.dim(-1) as f32;
            targets = targets * (1.0 - self.label_smoothing) + spread;
        }
        axis_last(y_pred, self.axis).categorical_crossentropy(&targets, self.from_logits)
    }

    fn targets(&self) -> Targets {
        Targets::Probabilities
    }

    fn validate(&self) -> Result<()> {
        check_smoothing("CategoricalCrossentropy", self.label_smoothing)
    }

    shared_settings!(loss "CategoricalCrossentropy");
}
