//! The mean and the variance of groups of numbers.

use super::groups::{Groups, column_sums, row_sum};
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
                            true => row_sum(columns, |j| row[j]) / n,
                            false => 0.0,
                        };
                        pair[0] = mean;
                        pair[1] = row_sum(columns, |j| (row[j] - mean) * (row[j] - mean)) / n;
                    }
                },
            );
        });
    }

    /// In one pass, about the first row: in double precision that loses nothing, however far the
    /// numbers are from 0.
    fn of_columns(&self, x: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let columns = self.columns;
        let rows = x.len() / columns.max(1);
        let centered = self.centered;
        let about = |j: usize| if centered { f64::from(x[j]) } else { 0.0 };
        column_sums(
            (rows, columns, 2),
            scratch,
            #[inline(always)]
            |row, from, length, [sums, squares]| {
                let x0 = &x[from..][..length];
                let x = &x[row * columns + from..][..length];
                for (((sum, square), x), x0) in sums.iter_mut().zip(squares).zip(x).zip(x0) {
                    let x0 = if centered { f64::from(*x0) } else { 0.0 };
                    let d = f64::from(*x) - x0;
                    *sum += d;
                    *square += d * d;
                }
            },
            |from, [sums, squares], out| {
                let n = rows as f64;
                for (j, pair) in out.chunks_exact_mut(2).enumerate() {
                    let (mean, square) = (sums[j] / n, squares[j] / n);
                    let variance = if centered {
                        square - mean * mean
                    } else {
                        square
                    };
                    pair[0] = if centered {
                        (mean + about(from + j)) as f32
                    } else {
                        0.0
                    };
                    pair[1] = if variance < 0.0 { 0.0 } else { variance as f32 };
                }
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
