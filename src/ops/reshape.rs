//! The same numbers in another shape, and values that no gradient passes.

use super::{Backward, Forward, Operation, only};
use crate::shape::Shape;

/// The input's numbers, in order, in another shape of the same size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reshape {
    pub(crate) to: Shape,
}

impl Operation for Reshape {
    fn name(&self) -> &str {
        "reshape"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("reshape", inputs)?;
        if input.size() != self.to.size() {
            return Err(format!(
                "cannot reshape {input} ({} numbers) to {} ({} numbers)",
                input.size(),
                self.to,
                self.to.size()
            ));
        }
        Ok(self.to)
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        output.copy_from_slice(run.input(0));
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        gradient.copy_from_slice(run.gradient());
    }
}

/// The input itself; its gradient ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StopGradient;

impl Operation for StopGradient {
    fn name(&self) -> &str {
        "stop_gradient"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        only("stop_gradient", inputs)
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        output.copy_from_slice(run.input(0));
    }

    fn backward(&self, _input: usize, _run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        gradient.fill(0.0);
    }
}
