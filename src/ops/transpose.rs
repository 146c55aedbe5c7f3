//! Another order of the axes.

use super::broadcast::walk;
use super::{Backward, Forward, Operation, only};
use crate::shape::{MAX_RANK, Shape};

/// Output axis `i` is input axis `order[i]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transpose {
    pub(crate) order: [usize; MAX_RANK],
}

impl Transpose {
    /// How far the input moves for each step along an axis of the output.
    fn strides(&self, input: Shape) -> [usize; MAX_RANK] {
        let own = input.strides();
        let mut strides = [0; MAX_RANK];
        for axis in 0..input.rank() {
            strides[axis] = own[self.order[axis]];
        }
        strides
    }
}

impl Operation for Transpose {
    fn name(&self) -> &str {
        "transpose"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("transpose", inputs)?;
        let order = &self.order[..input.rank()];
        let mut seen = [false; MAX_RANK];
        let mut output = input;
        for (axis, from) in order.iter().enumerate() {
            if *from >= input.rank() || seen[*from] {
                return Err(format!("{order:?} is not an order of the axes of {input}"));
            }
            seen[*from] = true;
            output = output.with(axis, input.dims()[*from]);
        }
        Ok(output)
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let x = run.input(0);
        let strides = self.strides(run.input_shape(0));
        walk(run.shape(), &strides, &strides, |o, i, _| output[o] = x[i]);
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let dy = run.gradient();
        let strides = self.strides(run.input_shape(0));
        walk(run.shape(), &strides, &strides, |o, i, _| {
            gradient[i] = dy[o]
        });
    }
}
