//! [`Dice`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, shared_settings};
use crate::graph::Value;
use crate::shape::AxisSetting;

/// How little two sets overlap, as in segmented images: 0 where they are the same, 1 where they
/// have nothing in common.
///
/// `1 - 2 sum(t p) / (sum(t) + sum(p) + 1e-7)` over the axes that are given, or over everything,
/// the batch included: then a whole batch has one cost.
///
/// Source: <https://keras.io/api/losses/regression_losses/>, Keras's `Dice`.
///
/// # Examples
///
/// ```
/// use horn::losses::Dice;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(4).input_dim(3).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new(), Dice::new().axis([1])))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dice {
    name: String,
    reduction: Reduction,
    axis: Option<AxisSetting>,
}

impl Default for Dice {
    fn default() -> Self {
        Dice {
            name: "dice".into(),
            reduction: Reduction::default(),
            axis: None,
        }
    }
}

impl Dice {
    shared_settings!(builder);

    /// The axes that are summed over. Default: all, the batch included.
    pub fn axis(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axis = Some(AxisSetting::Several(axes.into()));
        self
    }
}

impl Loss for Dice {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let sum = |value: &Value| value.sum(AxisSetting::or_all(&self.axis));
        let both = sum(&(y_true * y_pred)) * 2.0;
        1.0 - both / (sum(y_true) + sum(y_pred) + 1e-7)
    }

    shared_settings!(loss "Dice");
}
