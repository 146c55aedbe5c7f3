//! A piece of a value along one axis.

use super::{Backward, Forward, Operation, only};
use crate::shape::Shape;

/// The elements `start, start + step, ...` below `end` along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) axis: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) step: usize,
}

impl Operation for Slice {
    fn name(&self) -> &str {
        "slice"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("slice", inputs)?;
        let length = input.dims().get(self.axis).copied().unwrap_or(0);
        if self.start > self.end || self.end > length || self.step == 0 {
            return Err(format!(
                "cannot take {}..{} in steps of {} along axis {} of {input}",
                self.start, self.end, self.step, self.axis
            ));
        }
        let taken = (self.end - self.start).div_ceil(self.step);
        Ok(input.with(self.axis, taken))
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let x = run.input(0);
        self.pieces(run.input_shape(0), run.shape(), |from, to, length| {
            output[to..to + length].copy_from_slice(&x[from..from + length]);
        });
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let dy = run.gradient();
        gradient.fill(0.0);
        self.pieces(run.input_shape(0), run.shape(), |from, to, length| {
            gradient[from..from + length].copy_from_slice(&dy[to..to + length]);
        });
    }
}

impl Slice {
    /// Calls `f(input place, output place, length)` for each run of neighbours taken.
    fn pieces(&self, input: Shape, output: Shape, mut f: impl FnMut(usize, usize, usize)) {
        let (before, length, after) = input.around(self.axis);
        let taken = output.dims()[self.axis];
        for outer in 0..before {
            if self.step == 1 {
                let from = (outer * length + self.start) * after;
                f(from, outer * taken * after, taken * after);
                continue;
            }
            for i in 0..taken {
                let from = (outer * length + self.start + i * self.step) * after;
                f(from, (outer * taken + i) * after, after);
            }
        }
    }
}
