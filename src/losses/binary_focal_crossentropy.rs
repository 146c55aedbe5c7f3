//! [`BinaryFocalCrossentropy`].

use serde::{Deserialize, Serialize};

use super::{
    Loss, Reduction, Targets, axis_last, check_focus, check_fraction, focus, shared_settings,
    smooth_binary,
};
use crate::error::Result;
use crate::graph::Value;

/// The binary cross-entropy with less weight on what is predicted well already.
///
/// `mean((1 - q)^gamma (-t ln p - (1 - t) ln(1 - p)))` over an axis, where
/// `q = t p + (1 - t)(1 - p)`: `(batch, ..., units)` costs `(batch, ...)`. With
/// `apply_class_balancing` each element also counts `t alpha + (1 - t)(1 - alpha)` times.
///
/// Source: Lin et al. 2018, <https://arxiv.org/abs/1708.02002>;
/// <https://keras.io/api/losses/probabilistic_losses/#binaryfocalcrossentropy-class>
///
/// # Examples
///
/// ```
/// use horn::losses::BinaryFocalCrossentropy;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(8).activation(Sigmoid));
/// let loss = BinaryFocalCrossentropy::new().apply_class_balancing(true).alpha(0.75);
/// model.compile(Compile::new(Adam::new(), loss))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryFocalCrossentropy {
    name: String,
    reduction: Reduction,
    from_logits: bool,
    label_smoothing: f32,
    axis: isize,
    apply_class_balancing: bool,
    alpha: f32,
    gamma: f32,
}

impl Default for BinaryFocalCrossentropy {
    fn default() -> Self {
        BinaryFocalCrossentropy {
            name: "binary_focal_crossentropy".into(),
            reduction: Reduction::default(),
            from_logits: false,
            label_smoothing: 0.0,
            axis: -1,
            apply_class_balancing: false,
            alpha: 0.25,
            gamma: 2.0,
        }
    }
}

impl BinaryFocalCrossentropy {
    shared_settings!(builder);
    shared_settings!(crossentropy "one half");

    /// Whether the classes are weighed by `alpha`. Default: false.
    pub fn apply_class_balancing(mut self, apply: bool) -> Self {
        self.apply_class_balancing = apply;
        self
    }

    /// The weight of class 1, from 0 to 1; class 0 has the rest. Default: 0.25.
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }

    /// How much less counts what is predicted well, at least 0. Default: 2.
    pub fn gamma(mut self, gamma: f32) -> Self {
        self.gamma = gamma;
        self
    }
}

impl Loss for BinaryFocalCrossentropy {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let t = &smooth_binary(y_true, self.label_smoothing);
        let p = &match self.from_logits {
            true => y_pred.sigmoid(),
            false => y_pred.clone(),
        };
        let q = t * p + (1.0 - t) * (1.0 - p);
        let mut costs = p.binary_crossentropy(t, false) * focus(&(1.0 - q), self.gamma);
        if self.apply_class_balancing {
            costs = costs * (t * self.alpha + (1.0 - t) * (1.0 - self.alpha));
        }
        axis_last(&costs, self.axis).mean(-1)
    }

    fn targets(&self) -> Targets {
        Targets::Probabilities
    }

    fn validate(&self) -> Result<()> {
        let class_name = "BinaryFocalCrossentropy";
        check_fraction(class_name, "label_smoothing", self.label_smoothing)?;
        check_fraction(class_name, "alpha", self.alpha)?;
        check_focus(class_name, self.gamma)
    }

    shared_settings!(loss "BinaryFocalCrossentropy");
}
