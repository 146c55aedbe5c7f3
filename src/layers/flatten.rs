//! [`Flatten`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Turns each input into one row: `(batch, a, b, ...)` becomes `(batch, a b ...)`.
///
/// Source: <https://keras.io/api/layers/reshaping_layers/flatten/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let model = Sequential::new().add(Input::new([8, 8])).add(Flatten::new()).add(Dense::new(10));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flatten {
    #[serde(flatten)]
    base: Base,
    data_format: Option<String>,
}

impl Default for Flatten {
    fn default() -> Self {
        Flatten {
            base: Base::default(),
            data_format: Some("channels_last".into()),
        }
    }
}

impl Flatten {
    /// A layer that flattens.
    pub fn new() -> Self {
        Flatten::default()
    }

    shared_settings!(builder);
}

impl Layer for Flatten {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let lengths = x.shape();
        let (batch, rest) = match lengths.dims() {
            [batch, rest @ ..] => (*batch, rest.iter().product()),
            [] => (1, 1),
        };
        x.reshape([batch, rest])
    }

    fn class_name(&self) -> &str {
        "Flatten"
    }

    fn validate(&self) -> Result<()> {
        match self.data_format.as_deref() {
            None | Some("channels_last") => Ok(()),
            Some(other) => Err(Error::argument(
                "Flatten",
                "data_format",
                "`channels_last`",
                other,
            )),
        }
    }

    shared_settings!(layer);
}
