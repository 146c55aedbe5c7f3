//! [`CategoricalGeneralizedCrossEntropy`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, shared_settings};
use crate::error::{Error, Result};
use crate::graph::Value;

/// Between the cross-entropy and the absolute error, for class ids of which some are wrong.
///
/// `(1 - p[id]^q) / q`: class ids `(batch, ...)` and probabilities `(batch, ..., classes)` cost
/// `(batch, ...)`. A `q` near 0 is nearly the cross-entropy, one near 1 the absolute error.
///
/// Source: Zhang and Sabuncu 2018, <https://arxiv.org/abs/1805.07836>;
/// <https://keras.io/api/losses/probabilistic_losses/>
///
/// # Examples
///
/// ```
/// use horn::losses::CategoricalGeneralizedCrossEntropy;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(4).activation(Softmax::new()));
/// model.compile(Compile::new(Adam::new(), CategoricalGeneralizedCrossEntropy::new().q(0.7)))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoricalGeneralizedCrossEntropy {
    name: String,
    reduction: Reduction,
    q: f32,
}

impl Default for CategoricalGeneralizedCrossEntropy {
    fn default() -> Self {
        CategoricalGeneralizedCrossEntropy {
            name: "categorical_generalized_cross_entropy".into(),
            reduction: Reduction::default(),
            q: 0.5,
        }
    }
}

impl CategoricalGeneralizedCrossEntropy {
    shared_settings!(builder);

    /// How far from the cross-entropy, above 0 and below 1. Default: 0.5.
    pub fn q(mut self, q: f32) -> Self {
        self.q = q;
        self
    }
}

impl Loss for CategoricalGeneralizedCrossEntropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let p = (y_pred * y_true.one_hot(y_pred.dim(-1))).sum(-1);
        (1.0 - p.pow(self.q)) / self.q
    }

    fn targets(&self) -> Targets {
        Targets::ClassIds { ignored: None }
    }

    fn validate(&self) -> Result<()> {
        match self.q > 0.0 && self.q < 1.0 {
            true => Ok(()),
            false => Err(Error::argument(
                "CategoricalGeneralizedCrossEntropy",
                "q",
                "above 0 and below 1",
                self.q,
            )),
        }
    }

    shared_settings!(loss "CategoricalGeneralizedCrossEntropy");
}
