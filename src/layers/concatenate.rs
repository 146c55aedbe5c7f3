//! [`Concatenate`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{merging, shared_settings};
use crate::graph::{Scope, Value};

/// Its inputs side by side along an axis.
///
/// Inputs must have the same shape but for that axis.
///
/// Source: <https://keras.io/api/layers/merging_layers/concatenate/>
///
/// # Examples
///
/// ```
/// use horn::layers::Concatenate;
/// use horn::prelude::*;
///
/// let (a, b) = (Input::new([2]).tensor(), Input::new([1]).tensor());
/// let mut model = Model::new([&a, &b], Concatenate::new().apply([&a, &b]));
/// model.build()?;
/// let (x, y) = (array![[1.0, 5.0]], array![[3.0]]);
/// assert_eq!(model.predict((&x, &y))?, array![[1.0, 5.0, 3.0]]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Concatenate {
    #[serde(flatten)]
    base: Base,
    axis: isize,
}

impl Default for Concatenate {
    fn default() -> Self {
        Concatenate {
            base: Base::default(),
            axis: -1,
        }
    }
}

impl Concatenate {
    /// Along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    /// The axis along which inputs follow one another; not the batch, 0. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    shared_settings!(builder);

    fn merge(&self, scope: &mut Scope, inputs: &[Value]) -> Value {
        let Some((first, rest)) = inputs.split_first() else {
            return scope.fail("concatenates at least one input, got none".into());
        };
        let Some(axis) = first.shape().axis(self.axis).filter(|axis| *axis > 0) else {
            return scope.fail(format!(
                "`axis` must be one of the axes of inputs of shape {}, not the batch, got {}",
                first.shape(),
                self.axis
            ));
        };
        let rest: Vec<&Value> = rest.iter().collect();
        let output = first.concat(&rest, axis as isize);
        let mask = merging::masks(scope, inputs).and_then(|masks| match axis {
            // Steps follow steps.
            1 => {
                let (first, rest) = masks.split_first()?;
                let rest: Vec<&Value> = rest.iter().collect();
                Some(first.concat(&rest, 1))
            }
            _ => merging::any(&masks),
        });
        merging::with_mask(scope, output, mask)
    }
}

merging::merges!(Concatenate, Concatenate::merge);
