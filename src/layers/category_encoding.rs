//! [`CategoryEncoding`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::encoding::{OutputMode, encode};
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Ids of categories as rows of zeros and ones.
///
/// | `output_mode` | `x` | `y` |
/// |---|---|---|
/// | [`OutputMode::MultiHot`], the default | `(batch, ids)` | `(batch, num_tokens)`, 1 for each id that is there |
/// | [`OutputMode::OneHot`] | `(batch, 1)` or `(batch, ids)` | `(batch, num_tokens)` or `(batch, ids, num_tokens)` |
/// | [`OutputMode::Count`] | `(batch, ids)` | `(batch, num_tokens)`, how often each id is there |
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/categorical/category_encoding/>
///
/// # Examples
///
/// ```
/// use horn::layers::CategoryEncoding;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Input::new([2])).add(CategoryEncoding::new(4));
/// model.build()?;
/// let y = model.predict(&array![[0, 1], [3, 3]])?;
/// assert_eq!(y, array![[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoryEncoding {
    #[serde(flatten)]
    base: Base,
    num_tokens: usize,
    output_mode: OutputMode,
}

impl Default for CategoryEncoding {
    fn default() -> Self {
        CategoryEncoding {
            base: Base::default(),
            num_tokens: 0,
            output_mode: OutputMode::MultiHot,
        }
    }
}

impl CategoryEncoding {
    /// Of ids from 0 to `num_tokens - 1`.
    pub fn new(num_tokens: usize) -> Self {
        CategoryEncoding {
            num_tokens,
            ..Self::default()
        }
    }

    /// How the ids are given out. Default: [`OutputMode::MultiHot`].
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        self.output_mode = mode;
        self
    }

    shared_settings!(builder);
}

impl Layer for CategoryEncoding {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        encode(x, self.output_mode, self.num_tokens, &[])
    }

    fn class_name(&self) -> &str {
        "CategoryEncoding"
    }

    fn validate(&self) -> Result<()> {
        let class_name = "CategoryEncoding";
        if self.num_tokens == 0 {
            return Err(Error::argument(class_name, "num_tokens", "at least 1", 0));
        }
        match self.output_mode {
            OutputMode::Int | OutputMode::TfIdf => Err(Error::argument(
                class_name,
                "output_mode",
                "`OneHot`, `MultiHot` or `Count`",
                format!("{:?}", self.output_mode),
            )),
            _ => Ok(()),
        }
    }

    fn input_ids(&self) -> Option<usize> {
        Some(self.num_tokens)
    }

    shared_settings!(layer);
}
