//! [`Rescaling`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// `y = x scale + offset`, with numbers that are given: `Rescaling::new(1.0 / 255.0)` brings the
/// bytes of an image to 0 to 1.
///
/// Each is one number, one for each column of the last axis, or an array that pairs with the last
/// axes. Shapes are unchanged: where Keras would stretch the inputs to a longer array, that is an
/// error here.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/>
///
/// # Examples
///
/// ```
/// use horn::layers::Rescaling;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new()
///     .add(Input::new([2]))
///     .add(Rescaling::new(0.5).offset([1.0, 2.0]));
/// model.build()?;
/// assert_eq!(model.predict(&array![[2.0, 4.0]])?, array![[2.0, 4.0]]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rescaling {
    #[serde(flatten)]
    base: Base,
    scale: Numbers,
    offset: Numbers,
}

/// A number, or an array of them that pairs with the last axes of the inputs: one for each column, or
/// one for each channel of `(channels, height, width)` as `[[[0.5]], [[0.25]]]`.
///
/// # Examples
///
/// ```
/// use horn::layers::Rescaling;
///
/// let one = Rescaling::new(0.5);
/// let each = Rescaling::new([0.5, 0.25]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Numbers {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl From<f32> for Numbers {
    fn from(number: f32) -> Self {
        Numbers {
            shape: Vec::new(),
            values: vec![number],
        }
    }
}

impl From<Vec<f32>> for Numbers {
    fn from(values: Vec<f32>) -> Self {
        Numbers {
            shape: vec![values.len()],
            values,
        }
    }
}

impl<const N: usize> From<[f32; N]> for Numbers {
    fn from(numbers: [f32; N]) -> Self {
        numbers.to_vec().into()
    }
}

impl From<Numbers> for Json {
    fn from(numbers: Numbers) -> Self {
        let mut parts: Vec<Json> = numbers.values.into_iter().map(Json::from).collect();
        for length in numbers.shape.into_iter().rev() {
            parts = match length {
                0 => vec![Json::Array(Vec::new())],
                _ => parts.chunks(length).map(Json::from).collect(),
            };
        }
        parts.into_iter().next().unwrap_or_default()
    }
}

impl TryFrom<Json> for Numbers {
    type Error = String;

    fn try_from(json: Json) -> Result<Self, String> {
        // Keras writes an array of NumPy's as an object around the numbers.
        let array = json.pointer("/config/value").unwrap_or(&json);
        read(array).ok_or_else(|| format!("expected a number, or a list of numbers, got {json}"))
    }
}

/// Numbers in lists of lists of equal lengths.
fn read(json: &Json) -> Option<Numbers> {
    let Json::Array(all) = json else {
        return json.as_f64().map(|number| Numbers::from(number as f32));
    };
    let parts: Vec<Numbers> = all.iter().map(read).collect::<Option<_>>()?;
    let inner = parts.first().map(|part| part.shape.clone());
    let alike = parts.iter().all(|part| Some(&part.shape) == inner.as_ref());
    let shape = std::iter::once(all.len()).chain(inner.into_iter().flatten());
    alike.then(|| Numbers {
        shape: shape.collect(),
        values: parts.into_iter().flat_map(|part| part.values).collect(),
    })
}

impl Default for Rescaling {
    fn default() -> Self {
        Rescaling::new(1.0)
    }
}

impl Rescaling {
    /// Multiplies with this; adds nothing.
    pub fn new(scale: impl Into<Numbers>) -> Self {
        Rescaling {
            base: Base::default(),
            scale: scale.into(),
            offset: Numbers::from(0.0),
        }
    }

    /// What is added. Default: 0.
    pub fn offset(mut self, offset: impl Into<Numbers>) -> Self {
        self.offset = offset.into();
        self
    }

    shared_settings!(builder);
}

/// Numbers that pair with `x`.
fn beside(x: &Value, numbers: &Numbers, argument: &str) -> Value {
    let (own, given) = (x.shape(), &numbers.shape);
    if given.is_empty() {
        return x.constant(&numbers.values, []);
    }
    let mut shape = vec![1; own.rank().saturating_sub(given.len())];
    shape.extend(given);
    let mut pairs = shape.iter().zip(own.dims());
    match shape.len() == own.rank() && pairs.all(|(given, own)| *given == 1 || given == own) {
        true => x.constant(&numbers.values, shape),
        false => x.fail(format!(
            "`{argument}` must be one number, or one for each column of inputs of shape {own}, \
             got an array of shape {given:?}"
        )),
    }
}

impl Layer for Rescaling {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x * beside(x, &self.scale, "scale") + beside(x, &self.offset, "offset")
    }

    fn class_name(&self) -> &str {
        "Rescaling"
    }

    shared_settings!(layer masked);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Probe;

    fn read(config: Json) -> Rescaling {
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn every_form_of_keras_is_read_and_written_back() {
        for scale in [
            json!(0.5),
            json!([0.5, 2.0]),
            json!([[[0.5]], [[2.0]]]),
            json!([]),
        ] {
            let written = json!(read(json!({"scale": scale})));
            assert_eq!(written["scale"], scale);
            assert_eq!(written["offset"], json!(0.0));
        }
        let array = json!({"class_name": "__numpy__",
            "config": {"value": [0.5, 2.0], "dtype": "float32"}});
        assert_eq!(read(json!({"scale": array})), Rescaling::new([0.5, 2.0]));
        for wrong in [
            json!("1"),
            json!([1, [2]]),
            json!([[1], [1, 2]]),
            json!(null),
        ] {
            let config = json!({"scale": wrong});
            assert!(serde_json::from_value::<Rescaling>(config).is_err());
        }
    }

    #[test]
    fn arrays_pair_with_the_last_axes() {
        // Two channels before two columns.
        let layer = read(json!({"scale": [[2], [3]], "offset": [10, 20]}));
        let mut probe = Probe::layer(&layer, &[1, 2, 2], true).unwrap();
        probe.set_inputs(&[vec![1.0, 2.0, 3.0, 4.0]]);
        assert_eq!(probe.forward(), [12.0, 24.0, 19.0, 32.0]);
        assert!(probe.check_gradients(1).unwrap() < 1e-2);
    }

    #[test]
    fn arrays_that_do_not_fit_are_errors() {
        let cases: [(Rescaling, &str); 4] = [
            (Rescaling::new([1.0, 2.0]), "`scale` must be one number"),
            (
                Rescaling::new(1.0).offset([1.0; 4]),
                "`offset` must be one number",
            ),
            (read(json!({"scale": [[[[1.0]]]]})), "shape [1, 1, 1, 1]"),
            (Rescaling::new(vec![0.0; 0]), "`scale`"),
        ];
        for (layer, wanted) in cases {
            let found = Probe::layer(&layer, &[2, 3], false)
                .unwrap_err()
                .to_string();
            assert!(found.contains(wanted), "{found}");
        }
    }
}
