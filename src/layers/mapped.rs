//! [`Mapped`], the op of layers that look each number up.

use std::fmt;
use std::sync::Arc;

use crate::data::Rows;
use crate::error::{Error, Result};
use crate::graph::{Shape, Value};
use crate::ops::{Backward, Forward, Operation};

/// A function of each number, through which no gradient flows.
#[derive(Clone)]
struct Mapped<F> {
    name: &'static str,
    function: Arc<F>,
}

impl<F> fmt::Debug for Mapped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F: Fn(f32) -> f32 + Send + Sync> Operation for Mapped<F> {
    fn name(&self) -> &str {
        self.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().copied().ok_or("one input is wanted".into())
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        for (y, x) in output.iter_mut().zip(run.input(0)) {
            *y = (self.function)(*x);
        }
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}

/// A function of each number of `x`.
pub(super) fn map(
    x: &Value,
    name: &'static str,
    function: impl Fn(f32) -> f32 + Send + Sync + 'static,
) -> Value {
    let function = Arc::new(function);
    x.custom(Mapped { name, function }, &[])
}

/// No NaN and no infinity in data that a layer learns from.
pub(super) fn seen_finite(class_name: &str, rows: &Rows) -> Result<()> {
    match rows.first_non_finite() {
        None => Ok(()),
        Some((row, column, value)) => Err(Error::argument(
            class_name,
            "adapt",
            "given finite numbers",
            format!("{value} in row {row}, column {column}"),
        )),
    }
}
