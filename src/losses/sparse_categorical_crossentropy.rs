//! [`SparseCategoricalCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, shared_settings};
use crate::graph::Value;

/// The cross-entropy of one class among several, with class ids as targets.
///
/// `-ln p[id]` over the last axis: predictions `(batch, ..., classes)` and ids `(batch, ...)`,
/// counted from 0, cost `(batch, ...)`. Probabilities `p` are divided by their sum and clipped to
/// `[1e-7, 1 - 1e-7]`; with `from_logits` the predictions are what would go into a softmax.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(4).activation(Softmax::new()));
/// model.compile(Compile::new(Adam::new(), SparseCategoricalCrossentropy::new()))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SparseCategoricalCrossentropy {
    name: String,
    reduction: Reduction,
    from_logits: bool,
    ignore_class: Option<i64>,
}

impl Default for SparseCategoricalCrossentropy {
    fn default() -> Self {
        SparseCategoricalCrossentropy {
            name: "sparse_categorical_crossentropy".into(),
            reduction: Reduction::default(),
            from_logits: false,
            ignore_class: None,
        }
    }
}

impl SparseCategoricalCrossentropy {
    shared_settings!(builder);

    /// Whether the predictions are logits rather than probabilities. Default: false.
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// A class whose samples cost nothing and do not count in the mean. Default: none.
    pub fn ignore_class(mut self, ignore_class: i64) -> Self {
        self.ignore_class = Some(ignore_class);
        self
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        y_pred.sparse_categorical_crossentropy(y_true, self.from_logits, self.ignore_class)
    }

    fn targets(&self) -> Targets {
        Targets::ClassIds {
            ignored: self.ignore_class,
        }
    }

    fn mask(&self, y_true: &Value, _costs: &Value) -> Option<Value> {
        self.ignore_class
            .map(|ignored| y_true.not_equal(ignored as f32))
    }

    shared_settings!(loss "SparseCategoricalCrossentropy");
}
