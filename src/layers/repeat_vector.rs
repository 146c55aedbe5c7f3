//! [`RepeatVector`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Repeats each row `n` times: `(batch, columns)` gives `(batch, n, columns)`.
///
/// Source: <https://keras.io/api/layers/reshaping_layers/repeat_vector/>
///
/// # Examples
///
/// ```
/// use horn::layers::RepeatVector;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Input::new([32])).add(RepeatVector::new(3));
/// model.build()?;
/// assert_eq!(model.output_shape()?, [3, 32]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepeatVector {
    #[serde(flatten)]
    base: Base,
    n: usize,
}

impl RepeatVector {
    /// So many times, at least 1.
    pub fn new(n: usize) -> Self {
        RepeatVector {
            n,
            ..Self::default()
        }
    }

    shared_settings!(builder);
}

impl Layer for RepeatVector {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        match x.rank() {
            2 => x.expand_dims(1).repeat(self.n, 1),
            _ => x.fail(format!(
                "expects inputs of shape (batch, columns), got {}",
                x.shape()
            )),
        }
    }

    fn class_name(&self) -> &str {
        "RepeatVector"
    }

    fn validate(&self) -> Result<()> {
        match self.n {
            0 => Err(Error::argument("RepeatVector", "n", "at least 1", 0)),
            _ => Ok(()),
        }
    }

    shared_settings!(layer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    #[test]
    fn rows_are_repeated() {
        let mut probe = Probe::layer(&RepeatVector::new(2), &[2, 2], true).unwrap();
        probe.set_inputs(&[vec![1.0, 2.0, 3.0, 4.0]]);
        assert_eq!(probe.output_shape(), [2, 2, 2]);
        assert_eq!(probe.forward(), [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
        assert!(probe.check_gradients(1).unwrap() < 1e-2);
    }

    #[test]
    fn what_cannot_be_repeated_is_an_error() {
        let cases: [(usize, &[usize], &str); 3] = [
            (0, &[2, 3], "`RepeatVector`: `n` must be at least 1, got 0"),
            (2, &[2, 3, 4], "(batch, columns), got (2, 3, 4)"),
            (usize::MAX, &[2, 3], "too large"),
        ];
        for (n, shape, wanted) in cases {
            let found = Probe::layer(&RepeatVector::new(n), shape, false).unwrap_err();
            assert!(found.to_string().contains(wanted), "{found}");
        }
    }
}
