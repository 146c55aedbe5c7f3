//! [`CategoricalFocalCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{
    Loss, Reduction, Targets, check_focus, check_fraction, focus, shared_settings, smooth_classes,
};
use crate::error::{Error, Result};
use crate::graph::Value;

/// The categorical cross-entropy with less weight on what is predicted well already.
///
/// `sum(-alpha (1 - p)^gamma t ln p)` over an axis: `(batch, ..., classes)` costs `(batch, ...)`.
/// Probabilities are divided by their sum and clipped to `[1e-7, 1 - 1e-7]`; logits go through a
/// softmax first.
///
/// As in Keras, `label_smoothing` divides by the length of the last axis, and several `alpha` stand
/// along the last axis, whatever `axis` is.
///
/// Source: Lin et al. 2018, <https://arxiv.org/abs/1708.02002>;
/// <https://keras.io/api/losses/probabilistic_losses/#categoricalfocalcrossentropy-class>
///
/// # Examples
///
/// ```
/// use horn::losses::CategoricalFocalCrossentropy;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(4).activation(Softmax::new()));
/// model.compile(Compile::new(Adam::new(), CategoricalFocalCrossentropy::new().gamma(1.0)))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoricalFocalCrossentropy {
    name: String,
    reduction: Reduction,
    from_logits: bool,
    label_smoothing: f32,
    axis: isize,
    alpha: Weights,
    gamma: f32,
}

impl CategoricalFocalCrossentropy {
    fn weigh(&self, costs: Value) -> Value {
        match &self.alpha {
            Weights::One(alpha) => costs * *alpha,
            Weights::Each(alphas) => match alphas.as_slice() {
                [alpha] => costs * *alpha,
                _ if alphas.len() == costs.dim(-1) => {
                    let alphas = costs.constant(alphas, [alphas.len()]);
                    costs * alphas
                }
                _ => costs.fail(format!(
                    "`CategoricalFocalCrossentropy`: `alpha` must hold one weight for each of {} \
                     places of the last axis, got {}",
                    costs.dim(-1),
                    alphas.len()
                )),
            },
        }
    }
}

/// A weight for all classes, or one for each place of the last axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Weights {
    One(f32),
    Each(Vec<f32>),
}

impl Default for CategoricalFocalCrossentropy {
    fn default() -> Self {
        CategoricalFocalCrossentropy {
            name: "categorical_focal_crossentropy".into(),
            reduction: Reduction::default(),
            from_logits: false,
            label_smoothing: 0.0,
            axis: -1,
            alpha: Weights::One(0.25),
            gamma: 2.0,
        }
    }
}

impl CategoricalFocalCrossentropy {
    shared_settings!(builder);
    shared_settings!(crossentropy "an even spread");

    /// The weight of every class. Default: 0.25.
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = Weights::One(alpha);
        self
    }

    /// The weight of each class. Default: 0.25 for all.
    pub fn alphas(mut self, alphas: impl Into<Vec<f32>>) -> Self {
        self.alpha = Weights::Each(alphas.into());
        self
    }

    /// How much less counts what is predicted well, at least 0. Default: 2.
    pub fn gamma(mut self, gamma: f32) -> Self {
        self.gamma = gamma;
        self
    }
}

impl Loss for CategoricalFocalCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let t = smooth_classes(y_true, self.label_smoothing);
        let p = match self.from_logits {
            true => y_pred.softmax(self.axis),
            false => y_pred / y_pred.sum_keepdims(self.axis),
        };
        let p = p.clip(1e-7, 1.0 - 1e-7);
        let costs = -t * p.ln() * focus(&(1.0 - &p), self.gamma);
        self.weigh(costs).sum(self.axis)
    }

    fn targets(&self) -> Targets {
        Targets::Probabilities
    }

    fn validate(&self) -> Result<()> {
        let class_name = "CategoricalFocalCrossentropy";
        check_fraction(class_name, "label_smoothing", self.label_smoothing)?;
        check_focus(class_name, self.gamma)?;
        let alphas = match &self.alpha {
            Weights::One(alpha) => std::slice::from_ref(alpha),
            Weights::Each(alphas) => alphas,
        };
        match alphas
            .iter()
            .find(|alpha| !(**alpha >= 0.0 && alpha.is_finite()))
        {
            None => Ok(()),
            Some(alpha) => Err(Error::argument(
                class_name,
                "alpha",
                "finite and at least 0",
                alpha,
            )),
        }
    }

    shared_settings!(loss "CategoricalFocalCrossentropy");
}
