//! [`Input`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Layer;
use super::config::Base;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::shape::{MAX_RANK, Shape};

/// Says what the inputs of a model look like; passes them on unchanged.
///
/// Source: <https://keras.io/api/layers/core_layers/input/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// // 28 by 28 pixels in, (batch, 784) out.
/// let mut model = Sequential::new().add(Input::new([28, 28])).add(Flatten::new());
/// model.build()?;
/// assert_eq!(model.output_shape()?, [784]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Config", into = "Config")]
pub struct Input {
    base: Base,
    shape: Vec<usize>,
    /// A length that Keras left open.
    open: bool,
}

/// What Keras writes.
#[derive(Serialize, Deserialize)]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default = "float32")]
    dtype: Json,
    #[serde(alias = "batch_input_shape")]
    batch_shape: Vec<Option<usize>>,
    #[serde(default)]
    sparse: bool,
    #[serde(default)]
    ragged: bool,
    #[serde(default)]
    optional: bool,
}

fn float32() -> Json {
    Json::from("float32")
}

impl From<Config> for Input {
    fn from(config: Config) -> Self {
        let row = config.batch_shape.iter().skip(1);
        Input {
            open: row.clone().any(Option::is_none),
            shape: row.map(|length| length.unwrap_or(0)).collect(),
            base: Base {
                name: config.name,
                dtype: config.dtype,
                ..Base::default()
            },
        }
    }
}

impl From<Input> for Config {
    fn from(input: Input) -> Self {
        let row = input.shape.into_iter().map(Some);
        Config {
            name: input.base.name,
            dtype: input.base.dtype,
            sparse: false,
            ragged: false,
            optional: false,
            batch_shape: std::iter::once(None).chain(row).collect(),
        }
    }
}

impl Input {
    /// Inputs of this shape, without the batch.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Input {
            base: Base::default(),
            shape: shape.into(),
            open: false,
        }
    }

    /// Gives the layer a name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.base.name = Some(name.into());
        self
    }
}

impl Layer for Input {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x.clone()
    }

    fn class_name(&self) -> &str {
        "InputLayer"
    }

    fn name(&self) -> Option<&str> {
        self.base.name.as_deref()
    }

    fn input_shape(&self) -> Option<&[usize]> {
        Some(&self.shape)
    }

    fn validate(&self) -> Result<()> {
        let fits = self.shape.len() < MAX_RANK && Shape::new(&self.shape).is_some();
        match fits && !self.open {
            true => Ok(()),
            false => Err(Error::argument(
                "Input",
                "shape",
                format!("fewer than {MAX_RANK} known lengths whose product fits in memory"),
                format!("{:?}", self.shape),
            )),
        }
    }

    fn config(&self) -> Json {
        super::written(self)
    }
}
