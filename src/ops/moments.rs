//! The mean and the variance of columns of numbers.

use super::groups::column_sums;
use super::{Backward, Forward, Operation};
use crate::shape::Shape;

/// The mean and the variance of each column, of an array seen as a matrix of so many columns, in two
/// rows `(2, columns)`.
///
/// Through them no gradient flows: [`Normalize`](super::normalize::Normalize) knows what depends on
/// them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) columns: usize,
}

impl Moments {
    /// In one pass, about the first row: in double precision that loses nothing, however far the
    /// numbers are from 0.
    fn compute(&self, x: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let columns = self.columns;
        let n = (x.len() / columns.max(1)) as f64;
        let first = &x[..columns.min(x.len())];
        column_sums::<16, 1, 2, 2>(
            [x],
            first,
            scratch,
            #[inline(always)]
            |[x], x0| {
                let d = f64::from(x) - f64::from(x0);
                [d, d * d]
            },
            |j, [sum, squares]| {
                let (mean, square) = (sum / n, squares / n);
                let variance = (square - mean * mean) as f32;
                let mean = (mean + f64::from(first[j])) as f32;
                [mean, if variance < 0.0 { 0.0 } else { variance }]
            },
        );
        let (means, variances) = output.split_at_mut(columns);
        let both = means.iter_mut().zip(variances);
        for ((mean, variance), pair) in both.zip(scratch.chunks_exact(2)) {
            (*mean, *variance) = (pair[0], pair[1]);
        }
    }
}

impl Operation for Moments {
    fn name(&self) -> &str {
        "moments"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        super::only("moments", inputs)?;
        Ok(Shape::from([2, self.columns]))
    }

    fn scratch(&self, _inputs: &[Shape], _output: Shape) -> usize {
        2 * self.columns
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        self.compute(run.input(0), output, scratch);
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}
