//! The mean and the variance of groups of numbers.

use super::groups::{Groups, column_sums, row_sums};
use super::{Backward, Forward, Operation};
use crate::kernels::parallel::{self, GRAIN, PIECE};
use crate::kernels::simd::dispatch;
use crate::shape::Shape;

/// The mean and the variance of each group, of an array seen as a matrix of so many columns.
///
/// Of rows they lie in pairs `(rows, 2)`, of columns in two rows `(2, columns)`. Through them no
/// gradient flows: [`Normalize`](super::normalize::Normalize) knows what depends on them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) groups: Groups,
    pub(crate) columns: usize,
    /// Whether the variance is about the mean; else the mean is 0 and it is the mean square.
    pub(crate) centered: bool,
}

impl Moments {
    fn of_rows(&self, x: &[f32], output: &mut [f32]) {
        let (columns, centered) = (self.columns, self.centered);
        let n = columns as f32;
        let pairs = 2 * PIECE.div_ceil(columns.max(1));
        let grain = if x.len() > GRAIN { pairs } else { usize::MAX };
        parallel::chunks(output, grain, pairs, |offset, out| {
            dispatch(
                #[inline(always)]
                || {
                    for (i, pair) in out.chunks_exact_mut(2).enumerate() {
                        let row = &x[(offset / 2 + i) * columns..][..columns];
                        let mean = match centered {
                            true => row_sums::<32, 1, 1>([row], |x| x)[0] / n,
                            false => 0.0,
                        };
                        let square = |[x]: [f32; 1]| [(x - mean) * (x - mean)];
                        let [squares] = row_sums::<32, 1, 1>([row], square);
                        (pair[0], pair[1]) = (mean, squares / n);
                    }
                },
            );
        });
    }

    /// In one pass, about the first row: in double precision that loses nothing, however far the
    /// numbers are from 0.
    fn of_columns(&self, x: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let columns = self.columns;
        let n = (x.len() / columns.max(1)) as f64;
        let centered = self.centered;
        let first = &x[..columns.min(x.len())];
        column_sums::<16, 1, 2, 2>(
            [x],
            first,
            scratch,
            #[inline(always)]
            |[x], x0| {
                let x0 = if centered { f64::from(x0) } else { 0.0 };
                let d = f64::from(x) - x0;
                [d, d * d]
            },
            |j, [sum, squares]| {
                let (mean, square) = (sum / n, squares / n);
                if !centered {
                    return [0.0, square as f32];
                }
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
        let x = super::only("moments", inputs)?;
        match self.groups {
            Groups::Rows => Ok(Shape::from([x.size() / self.columns.max(1), 2])),
            Groups::Columns => Ok(Shape::from([2, self.columns])),
        }
    }

    fn scratch(&self, _inputs: &[Shape], _output: Shape) -> usize {
        match self.groups {
            Groups::Rows => 0,
            Groups::Columns => 2 * self.columns,
        }
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        match self.groups {
            Groups::Rows => self.of_rows(run.input(0), output),
            Groups::Columns => self.of_columns(run.input(0), output, scratch),
        }
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}
