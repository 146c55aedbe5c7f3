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
/// assert_eq!(model.output_shape()?, [64, 10]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    #[test]
    fn axes_change_places() {
        let mut probe = Probe::layer(&Permute::new([3, 1, 2]), &[1, 2, 1, 3], false).unwrap();
        probe.set_inputs(&[vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
        assert_eq!(probe.output_shape(), [1, 3, 2, 1]);
        assert_eq!(probe.forward(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        probe.randomize(1);
        assert!(probe.check_gradients(1).unwrap() < 1e-2);
    }

    #[test]
    fn what_is_no_order_of_the_axes_is_an_error() {
        let dims: [&[usize]; 5] = [&[0, 1], &[2, 2], &[1, 3], &[2], &[usize::MAX, 1]];
        for dims in dims {
            let layer = Permute::new(dims);
            let found = layer.validate().unwrap_err().to_string();
            assert!(
                found.contains("`Permute`: `dims` must be each axis once"),
                "{found}"
            );
            assert!(found.contains(&format!("{dims:?}")), "{found}");
        }
        let found = Probe::layer(&Permute::new([2, 1]), &[2, 3, 4, 5], false).unwrap_err();
        assert!(found.to_string().contains("(2, 3, 4, 5)"), "{found}");
    }
}
