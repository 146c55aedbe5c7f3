//! [`Reshape`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Gives each input another shape of the same size: `(batch, ...)` becomes
/// `(batch, target_shape...)`. One length may be -1 and follows from the others.
///
/// Source: <https://keras.io/api/layers/reshaping_layers/reshape/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Input::new([12])).add(Reshape::new([3, -1]));
/// model.build()?;
/// assert_eq!(model.output_shape()?, [3, 4]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reshape {
    #[serde(flatten)]
    base: Base,
    target_shape: Vec<isize>,
}

impl Reshape {
    /// A layer that gives each input this shape, without the batch.
    pub fn new(target_shape: impl Into<Vec<isize>>) -> Self {
        Reshape {
            base: Base::default(),
            target_shape: target_shape.into(),
        }
    }

    shared_settings!(builder);
}

impl Layer for Reshape {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let shape = x.shape();
        let (batch, row) = match shape.dims() {
            [batch, row @ ..] => (*batch, row.iter().product::<usize>()),
            [] => (1, 1),
        };
        let mut known = self.target_shape.iter().filter(|length| **length >= 0);
        let known = known.try_fold(1usize, |size, length| size.checked_mul(*length as usize));
        let free = match known {
            Some(known) if known > 0 => row / known,
            _ => 0,
        };
        let lengths = self.target_shape.iter().map(|length| match *length {
            -1 => free,
            length => length as usize,
        });
        let lengths: Vec<usize> = std::iter::once(batch).chain(lengths).collect();
        let size = lengths
            .iter()
            .try_fold(1usize, |size, length| size.checked_mul(*length));
        if size != Some(shape.size()) {
            return x.fail(format!(
                "cannot give inputs of shape {} the target shape {:?}",
                shape.batched(),
                self.target_shape
            ));
        }
        x.reshape(lengths)
    }

    fn class_name(&self) -> &str {
        "Reshape"
    }

    fn validate(&self) -> Result<()> {
        let free = self
            .target_shape
            .iter()
            .filter(|length| **length == -1)
            .count();
        let negative = self.target_shape.iter().any(|length| *length < -1);
        match free > 1 || negative {
            false => Ok(()),
            true => Err(Error::argument(
                "Reshape",
                "target_shape",
                "lengths of at least 0, and -1 at most once",
                format!("{:?}", self.target_shape),
            )),
        }
    }

    shared_settings!(layer);
}
