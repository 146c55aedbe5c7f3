//! Values one behind the other along an axis.

use super::{Backward, Forward, Operation};
use crate::shape::Shape;

/// The inputs one behind the other; they agree in every other axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Concat {
    pub(crate) axis: usize,
}

impl Operation for Concat {
    fn name(&self) -> &str {
        "concat"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let Some(first) = inputs.first() else {
            return Err("`concat` takes at least one input".into());
        };
        let fits = |shape: &Shape| {
            shape.rank() == first.rank()
                && shape.with(self.axis, 1) == first.with(self.axis, 1)
                && self.axis < shape.rank()
        };
        if !inputs.iter().all(fits) {
            return Err(format!(
                "cannot join {inputs:?} along axis {}: every other axis must agree",
                self.axis
            ));
        }
        let length = inputs.iter().map(|shape| shape.dims()[self.axis]).sum();
        Shape::new(first.with(self.axis, length).dims()).ok_or("`concat` is too large".into())
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let (before, length, after) = run.shape().around(self.axis);
        let mut offset = 0;
        for input in 0..run.inputs() {
            let x = run.input(input);
            let piece = run.input_shape(input).dims()[self.axis] * after;
            for outer in 0..before {
                let to = outer * length * after + offset;
                output[to..to + piece].copy_from_slice(&x[outer * piece..][..piece]);
            }
            offset += piece;
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (before, length, after) = run.shape().around(self.axis);
        let piece_of = |input: usize| run.input_shape(input).dims()[self.axis] * after;
        let offset: usize = (0..input).map(piece_of).sum();
        let piece = piece_of(input);
        let dy = run.gradient();
        for outer in 0..before {
            let from = outer * length * after + offset;
            gradient[outer * piece..][..piece].copy_from_slice(&dy[from..from + piece]);
        }
    }
}
