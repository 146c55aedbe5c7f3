//! [`PReLU`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Base};
use super::{Layer, rules_builder, shared_settings};
use crate::constraints::Constraint;
use crate::graph::{Scope, Value};
use crate::initializers::{Initializer, Zeros};
use crate::regularizers::Regularizer;

/// The parametric rectified linear unit: `y = x` if `x >= 0`, else `alpha x`, with learnt `alpha`.
///
/// | | shape |
/// |---|---|
/// | `x`, `y` | `(batch, ...)` |
/// | `alpha` | the input's without the batch, with 1 along shared axes; `Zeros` |
///
/// Source: He et al. 2015, <https://arxiv.org/abs/1502.01852>;
/// <https://keras.io/api/layers/activation_layers/prelu/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new().add(Dense::new(12).input_dim(8)).add(PReLU::new());
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct PReLU {
    #[serde(flatten)]
    base: Base,
    #[serde(with = "config::initializer")]
    alpha_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    alpha_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    alpha_constraint: Option<Arc<dyn Constraint>>,
    shared_axes: Option<Vec<usize>>,
}

impl Default for PReLU {
    fn default() -> Self {
        PReLU {
            base: Base::default(),
            alpha_initializer: Arc::new(Zeros),
            alpha_regularizer: None,
            alpha_constraint: None,
            shared_axes: None,
        }
    }
}

impl PReLU {
    /// With one `alpha` for each element of an input.
    pub fn new() -> Self {
        PReLU::default()
    }

    rules_builder!(
        "alpha",
        alpha_initializer,
        alpha_regularizer,
        alpha_constraint
    );

    /// The axes along which `alpha` is shared, the batch counted as 0. Default: none.
    pub fn shared_axes(mut self, axes: impl Into<Vec<usize>>) -> Self {
        self.shared_axes = Some(axes.into());
        self
    }

    shared_settings!(builder);
}

impl Layer for PReLU {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let mut shape = x.shape().dims().get(1..).unwrap_or(&[]).to_vec();
        for axis in self.shared_axes.iter().flatten() {
            match axis.checked_sub(1).and_then(|place| shape.get_mut(place)) {
                Some(length) => *length = 1,
                None => {
                    return x.fail(format!(
                        "`shared_axes` must be axes 1 to {} of the inputs, got {axis}",
                        shape.len()
                    ));
                }
            }
        }
        let alpha = scope.ruled_weight(
            "alpha",
            &shape,
            &self.alpha_initializer,
            &self.alpha_regularizer,
            &self.alpha_constraint,
        );
        let alpha = alpha.expand_dims(0);
        x.relu() - alpha * (-x).relu()
    }

    fn class_name(&self) -> &str {
        "PReLU"
    }

    shared_settings!(layer masked);
}
