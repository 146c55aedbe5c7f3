//! Zeros before and behind an axis.

use super::{Backward, Forward, Operation, only};
use crate::shape::Shape;

/// Zeros at both ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pad {
    pub(crate) axis: usize,
    pub(crate) before: usize,
    pub(crate) behind: usize,
}

impl Operation for Pad {
    fn name(&self) -> &str {
        "pad"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("pad", inputs)?;
        match input.dims().get(self.axis) {
            Some(length) => {
                let padded = length
                    .saturating_add(self.before)
                    .saturating_add(self.behind);
                Ok(input.with(self.axis, padded))
            }
            None => Err(format!("{input} has no axis {}", self.axis)),
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let (_, length, after) = run.input_shape(0).around(self.axis);
        let padded = (self.before + length + self.behind) * after;
        let rows = run.input(0).chunks_exact((length * after).max(1));
        output.fill(0.0);
        for (out, x) in output.chunks_exact_mut(padded.max(1)).zip(rows) {
            out[self.before * after..][..x.len()].copy_from_slice(x);
        }
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (_, length, after) = run.input_shape(0).around(self.axis);
        let padded = (self.before + length + self.behind) * after;
        let rows = gradient.chunks_exact_mut((length * after).max(1));
        for (dx, dy) in rows.zip(run.gradient().chunks_exact(padded.max(1))) {
            let size = dx.len();
            dx.copy_from_slice(&dy[self.before * after..][..size]);
        }
    }
}
