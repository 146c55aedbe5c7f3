//! Softmax over an axis.

use super::{Backward, Forward, Needs, Operation, only};
use crate::kernels::math::exp;
use crate::kernels::rows::{self, PerRow};
use crate::shape::Shape;

/// `exp(x_i - max) / sum_j exp(x_j - max)` along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Softmax {
    pub(crate) axis: usize,
    /// The gradient that arrives is already that of the input: a loss that fused it says so.
    pub(crate) passes_gradient: bool,
}

/// Calls `f(first place, step, length)` for each run along an axis.
pub(crate) fn lanes(shape: Shape, axis: usize, mut f: impl FnMut(usize, usize, usize)) {
    let (before, length, after) = shape.around(axis);
    for outer in 0..before {
        for inner in 0..after {
            f(outer * length * after + inner, after, length);
        }
    }
}

/// The largest of the numbers; NaN if any is.
pub(crate) fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(
        f32::NEG_INFINITY,
        |m, v| if v > m || v.is_nan() { v } else { m },
    )
}

/// Softmax of rows of neighbours.
fn of_rows(x: &[f32], length: usize, y: &mut [f32]) {
    rows::map(
        [x],
        length,
        y,
        #[inline(always)]
        |block, y| {
            let mut numbers = PerRow::new();
            let of_row = numbers.of(&block);
            // A NaN that the maximum leaves out makes the sum NaN.
            rows::maxima(block.x[0], length, of_row);
            rows::with_row(block.x[0], length, of_row, y, |x, max| x - max);
            rows::each_alone(y, exp);
            rows::sums(y, y, length, of_row, |y, _| y);
            of_row.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
            rows::with_row_in_place(y, length, of_row, |y, inverse| y * inverse);
        },
    );
}

/// `dx = y (dy - sum(y dy))` of rows of neighbours.
fn gradient_of_rows(y: &[f32], dy: &[f32], length: usize, dx: &mut [f32]) {
    rows::map(
        [y, dy],
        length,
        dx,
        #[inline(always)]
        |block, dx| {
            let [y, dy] = block.x;
            let mut numbers = PerRow::new();
            let dots = numbers.of(&block);
            rows::sums(y, dy, length, dots, |y, dy| y * dy);
            rows::with_row(dy, length, dots, dx, |dy, dot| dy - dot);
            rows::each(dx, y, |difference, y| difference * y);
        },
    );
}

impl Operation for Softmax {
    fn name(&self) -> &str {
        "softmax"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("softmax", inputs)?;
        match self.axis < input.rank() {
            true => Ok(input),
            false => Err(format!("{input} has no axis {}", self.axis)),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            output: !self.passes_gradient,
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
            let mut sum = 0.0;
            for i in 0..length {
                let e = exp(x[at(i)] - max);
                output[at(i)] = e;
                sum += e;
            }
            for i in 0..length {
                output[at(i)] /= sum;
            }
        });
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let dy = run.gradient();
        if self.passes_gradient {
            return gradient.copy_from_slice(dy);
        }
        let (y, shape) = (run.output(), run.shape());
        if self.axis + 1 == shape.rank() {
            return gradient_of_rows(y, dy, shape.last(), gradient);
        }
        lanes(shape, self.axis, |first, step, length| {
            let at = |i: usize| first + i * step;
            let dot: f32 = (0..length).map(|i| dy[at(i)] * y[at(i)]).sum();
            for i in 0..length {
                gradient[at(i)] = y[at(i)] * (dy[at(i)] - dot);
            }
        });
    }
}
