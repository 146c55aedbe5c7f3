//! [`Masking`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// Leaves the steps of a sequence out that hold nothing but `mask_value`.
///
/// `x`, `y`: `(batch, steps, columns)`. Left-out steps become 0, layers that support masking hand
/// the mask on, and the loss does not count them.
///
/// Source: <https://keras.io/api/layers/core_layers/masking/>
///
/// # Examples
///
/// ```
/// use horn::layers::Masking;
/// use horn::prelude::*;
///
/// // Sequences of up to 10 steps, padded with zeros.
/// let model = Sequential::new()
///     .add(Input::new([10, 3]))
///     .add(Masking::new())
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Masking {
    #[serde(flatten)]
    base: Base,
    #[serde(deserialize_with = "number")]
    mask_value: f32,
}

/// A number, which Keras also writes as an object around it where it was an array of one.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let json = Json::deserialize(deserializer)?;
    let number = json.pointer("/config/value").unwrap_or(&json);
    let number = number.as_f64().map(|number| number as f32);
    let wanted = || format!("`mask_value` must be a number, got {json}");
    number.ok_or_else(|| serde::de::Error::custom(wanted()))
}

impl Masking {
    /// Leaves out steps of zeros.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a step must hold everywhere to be left out. Default: 0.
    pub fn mask_value(mut self, value: f32) -> Self {
        self.mask_value = value;
        self
    }

    shared_settings!(builder);
}

impl Layer for Masking {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if x.rank() < 2 {
            return x.fail(format!(
                "expects inputs of shape (batch, ..., columns), got {}",
                x.shape()
            ));
        }
        let counts = x.not_equal(self.mask_value).max_keepdims(-1);
        let y = counts.broadcast_to(x.shape()).select(x, 0.0);
        scope.set_mask(&y, &counts.squeeze(-1));
        y
    }

    fn class_name(&self) -> &str {
        "Masking"
    }

    shared_settings!(layer masked);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Probe;

    #[test]
    fn steps_of_the_value_become_zero_and_pass_no_gradient() {
        let layer = Masking::new().mask_value(-1.0);
        let mut probe = Probe::layer(&layer, &[1, 3, 2], true).unwrap();
        probe.set_inputs(&[vec![-1.0, -1.0, -1.0, 2.0, f32::NAN, -1.0]]);
        let y = probe.forward();
        assert_eq!(y[..4], [0.0, 0.0, -1.0, 2.0]);
        assert!(y[4].is_nan());
        let dx = probe.backward(&[1.0; 6]).inputs.swap_remove(0);
        assert_eq!(dx, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn the_mask_has_a_number_for_each_step() {
        let layer = Masking::new();
        let function = |scope: &mut Scope, x: &[Value]| {
            let y = scope.layer(&layer, &x[0]);
            scope.mask(&y).unwrap_or(y)
        };
        let mut probe = Probe::new(&[&[2, 2, 2]], false, function).unwrap();
        probe.set_inputs(&[vec![0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, -0.0]]);
        assert_eq!(probe.output_shape(), [2, 2]);
        assert_eq!(probe.forward(), [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_number_that_keras_had_as_an_array_is_read() {
        let value =
            json!({"class_name": "__tensor__", "config": {"value": 2.0, "dtype": "float32"}});
        let read = |value: Json| serde_json::from_value::<Masking>(json!({"mask_value": value}));
        assert_eq!(read(value).unwrap(), Masking::new().mask_value(2.0));
        for wrong in [json!([1.0]), json!("0"), json!(null)] {
            let found = read(wrong).unwrap_err().to_string();
            assert!(found.contains("`mask_value` must be a number"), "{found}");
        }
        assert!(Probe::layer(&Masking::new(), &[3], false).is_err());
    }
}
