//! [`CosineSimilarity`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::graph::Value;

/// The direction of the error alone: -1 where predictions point the way of the targets, 1 where
/// they point away.
///
/// `-sum(t / ‖t‖ · p / ‖p‖)` over an axis; norms below 1e-7 count as that. `(batch, ..., units)`
/// costs `(batch, ...)`.
///
/// Keras does not write `axis` in its configurations; this crate does where it is not -1.
///
/// Source: <https://keras.io/api/losses/regression_losses/#cosinesimilarity-class>
///
/// # Examples
///
/// ```
/// use horn::losses::CosineSimilarity;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(4).input_dim(3));
/// model.compile(Compile::new(Adam::new(), CosineSimilarity::new()))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CosineSimilarity {
    name: String,
    reduction: Reduction,
    #[serde(skip_serializing_if = "is_last")]
    axis: isize,
}

fn is_last(axis: &isize) -> bool {
    *axis == -1
}

impl Default for CosineSimilarity {
    fn default() -> Self {
        CosineSimilarity {
            name: "cosine_similarity".into(),
            reduction: Reduction::default(),
            axis: -1,
        }
    }
}

impl CosineSimilarity {
    shared_settings!(builder);

    /// The axis of the vectors. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }
}

impl Loss for CosineSimilarity {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let (t, p) = (
            y_true.l2_normalize(self.axis),
            y_pred.l2_normalize(self.axis),
        );
        -(t * p).sum(self.axis)
    }

    shared_settings!(loss "CosineSimilarity");
}
