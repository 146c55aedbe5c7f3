//! [`ActivityRegularization`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::error::Result;
use crate::graph::{Scope, Value};
use crate::regularizers::{L1L2, check_factor};

/// Adds `(l1 Σ|x| + l2 Σx²) / batch` to the loss, and gives its inputs out as they are.
///
/// Source: <https://keras.io/api/layers/regularization_layers/activity_regularization/>
///
/// # Examples
///
/// ```
/// use horn::layers::ActivityRegularization;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(12).input_dim(8).activation(Relu))
///     .add(ActivityRegularization::new(0.01, 0.0))
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityRegularization {
    #[serde(flatten)]
    base: Base,
    l1: f32,
    l2: f32,
}

impl ActivityRegularization {
    /// With these factors, at least 0.
    pub fn new(l1: f32, l2: f32) -> Self {
        ActivityRegularization {
            l1,
            l2,
            ..Self::default()
        }
    }

    shared_settings!(builder);
}

impl Layer for ActivityRegularization {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        scope.regularize_activity(x, &L1L2::new(self.l1, self.l2));
        x.clone()
    }

    fn class_name(&self) -> &str {
        "ActivityRegularization"
    }

    fn validate(&self) -> Result<()> {
        check_factor("ActivityRegularization", "l1", self.l1)?;
        check_factor("ActivityRegularization", "l2", self.l2)
    }

    shared_settings!(layer masked);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_out_of_range_name_the_layer() {
        for (l1, l2, wanted) in [
            (-1.0, 0.0, "`ActivityRegularization`: `l1`"),
            (0.0, f32::NAN, "`ActivityRegularization`: `l2`"),
        ] {
            let layer = ActivityRegularization::new(l1, l2);
            let found = layer.validate().unwrap_err().to_string();
            assert!(found.contains(wanted), "{found}");
        }
    }
}
