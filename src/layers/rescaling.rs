//! [`Rescaling`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// `y = x scale + offset`, with numbers that are given: `Rescaling::new(1.0 / 255.0)` brings the
/// bytes of an image to 0 to 1.
///
/// Each is one number, or one for each column of the last axis. Shapes are unchanged.
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

/// One number, or one for each column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Numbers {
    /// The same for all.
    One(f32),
    /// One for each column of the last axis.
    Each(Vec<f32>),
}

impl From<f32> for Numbers {
    fn from(number: f32) -> Self {
        Numbers::One(number)
    }
}

impl From<Vec<f32>> for Numbers {
    fn from(numbers: Vec<f32>) -> Self {
        Numbers::Each(numbers)
    }
}

impl<const N: usize> From<[f32; N]> for Numbers {
    fn from(numbers: [f32; N]) -> Self {
        Numbers::Each(numbers.to_vec())
    }
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
            offset: Numbers::One(0.0),
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
    match numbers {
        Numbers::One(number) => x.constant(&[*number], []),
        Numbers::Each(all) if x.rank() > 0 && all.len() == x.dim(-1) => {
            x.constant(all, [all.len()])
        }
        Numbers::Each(all) => x.fail(format!(
            "`{argument}` must be one number, or one for each column of inputs of shape {}, got {}",
            x.shape(),
            all.len()
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
