//! The logarithm of softmax over an axis, without the detour.

use super::softmax::{lanes, largest};
use super::{Backward, Forward, Needs, Operation, only};
use crate::kernels::math::{exp, ln};
use crate::shape::Shape;

/// `x_i - max - ln sum_j exp(x_j - max)` along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSoftmax {
    pub(crate) axis: usize,
}

impl Operation for LogSoftmax {
    fn name(&self) -> &str {
        "log_softmax"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("log_softmax", inputs)?;
        match self.axis < input.rank() {
            true => Ok(input),
            false => Err(format!("{input} has no axis {}", self.axis)),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            output: true,
            ..Needs::default()
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let x = run.input(0);
        lanes(run.shape(), self.axis, |first, step, length| {
            let at = |i: usize| first + i * step;
            let max = largest((0..length).map(|i| x[at(i)]));
            let sum: f32 = (0..length).map(|i| exp(x[at(i)] - max)).sum();
            let log_sum = ln(sum);
            for i in 0..length {
                output[at(i)] = x[at(i)] - max - log_sum;
            }
        });
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (dy, y) = (run.gradient(), run.output());
        lanes(run.shape(), self.axis, |first, step, length| {
            let at = |i: usize| first + i * step;
            let sum: f32 = (0..length).map(|i| dy[at(i)]).sum();
            for i in 0..length {
                gradient[at(i)] = dy[at(i)] - exp(y[at(i)]) * sum;
            }
        });
    }
}
