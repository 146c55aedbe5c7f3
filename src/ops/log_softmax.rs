//! The logarithm of softmax over an axis, without the detour.

use super::softmax::{lanes, largest};
use super::{Backward, Forward, Needs, Operation, only};
use crate::kernels::math::{exp, ln};
use crate::kernels::rows::{self, PerRow};
use crate::shape::Shape;

/// `x_i - max - ln sum_j exp(x_j - max)` along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSoftmax {
    pub(crate) axis: usize,
}

/// The logarithm of softmax of rows of neighbours.
fn of_rows(x: &[f32], length: usize, y: &mut [f32]) {
    rows::map(
        [x],
        length,
        y,
        #[inline(always)]
        |block, y| {
            let x = block.x[0];
            let (mut maxima, mut numbers) = (PerRow::new(), PerRow::new());
            let (max, of_row) = (maxima.of(&block), numbers.of(&block));
            // A NaN that the maximum leaves out makes the sum NaN.
            rows::maxima(x, length, max);
            rows::with_row(x, length, max, y, |x, max| x - max);
            rows::each_alone(y, exp);
            rows::sums(y, y, length, of_row, |y, _| y);
            of_row.iter_mut().for_each(|sum| *sum = ln(*sum));
            rows::with_row(x, length, max, y, |x, max| x - max);
            rows::with_row_in_place(y, length, of_row, |y, log_sum| y - log_sum);
        },
    );
}

/// `dx = dy - e^y sum(dy)` of rows of neighbours.
fn gradient_of_rows(y: &[f32], dy: &[f32], length: usize, dx: &mut [f32]) {
    rows::map(
        [y, dy],
        length,
        dx,
        #[inline(always)]
        |block, dx| {
            let [y, dy] = block.x;
            let mut numbers = PerRow::new();
            let sums = numbers.of(&block);
            rows::sums(dy, dy, length, sums, |dy, _| dy);
            dx.copy_from_slice(y);
            rows::each_alone(dx, exp);
            rows::with_row_in_place(dx, length, sums, |e, sum| e * sum);
            rows::each(dx, dy, |shift, dy| dy - shift);
        },
    );
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
        let (x, shape) = (run.input(0), run.shape());
        if self.axis + 1 == shape.rank() {
            return of_rows(x, shape.last(), output);
        }
        lanes(shape, self.axis, |first, step, length| {
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
        let (dy, y, shape) = (run.gradient(), run.output(), run.shape());
        if self.axis + 1 == shape.rank() {
            return gradient_of_rows(y, dy, shape.last(), gradient);
        }
        lanes(shape, self.axis, |first, step, length| {
            let at = |i: usize| first + i * step;
            let sum: f32 = (0..length).map(|i| dy[at(i)]).sum();
            for i in 0..length {
                gradient[at(i)] = dy[at(i)] - exp(y[at(i)]) * sum;
            }
        });
    }
}
