//! [`CategoricalCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, axis_last, check_fraction, shared_settings, smooth_classes};
use crate::error::Result;
use crate::graph::Value;

/// The cross-entropy of one class among several, with one-hot (or soft) targets.
///
/// `-sum(t ln p)` over an axis: `(batch, ..., classes)` costs `(batch, ...)`. Probabilities `p`
/// are divided by their sum and clipped to `[1e-7, 1 - 1e-7]`; with `from_logits` the predictions
/// are what would go into a softmax.
///
/// As in Keras, `label_smoothing` divides by the length of the last axis, whatever `axis` is.
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
    shared_settings!(crossentropy "an even spread");
}

impl Loss for CategoricalCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let targets = axis_last(&smooth_classes(y_true, self.label_smoothing), self.axis);
        axis_last(y_pred, self.axis).categorical_crossentropy(&targets, self.from_logits)
    }

    fn targets(&self) -> Targets {
        Targets::Probabilities
    }

    fn validate(&self) -> Result<()> {
        check_fraction(
            "CategoricalCrossentropy",
            "label_smoothing",
            self.label_smoothing,
        )
    }

    shared_settings!(loss "CategoricalCrossentropy");
}
