//! [`Permute`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Changes the order of the axes: axis `i` of the output is axis `dims[i - 1]` of the input, where
/// the batch is 0 and stays.
///
/// Source: <https://keras.io/api/layers/reshaping_layers/permute/>
///
/// # Examples
///
/// ```
/// use horn::layers::Permute;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Input::new([10, 64])).add(Permute::new([2, 1]));
/// model.build()?;
/// assert_eq!(model.layers()[1].output_shape(), [64, 10]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permute {
    #[serde(flatten)]
    base: Base,
    dims: Vec<usize>,
}

impl Permute {
    /// In this order, each axis once, counted from 1.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Permute {
            dims: dims.into(),
            ..Self::default()
        }
    }

    shared_settings!(builder);
}

impl Layer for Permute {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        if x.rank() != self.dims.len() + 1 {
            return x.fail(format!(
                "`dims` {:?} is for inputs of {} axes beside the batch, got {}",
                self.dims,
                self.dims.len(),
                x.shape()
            ));
        }
        let order: Vec<usize> = std::iter::once(0)
            .chain(self.dims.iter().copied())
            .collect();
        x.transpose(order)
    }

    fn class_name(&self) -> &str {
        "Permute"
    }

    fn validate(&self) -> Result<()> {
        let mut sorted = self.dims.clone();
        sorted.sort_unstable();
        match sorted.iter().copied().eq(1..=sorted.len()) {
            true => Ok(()),
            false => Err(Error::argument(
                "Permute",
                "dims",
                "each axis once, counted from 1",
                format!("{:?}", self.dims),
            )),
        }
    }

    shared_settings!(layer);
}
