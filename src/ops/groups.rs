//! Sums over the rows or the columns of a matrix, which the ops of normalization are made of.

use crate::kernels::parallel::{self, GRAIN, PIECE};
use crate::kernels::simd::dispatch;

/// Which numbers of a matrix `(rows, columns)` belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Those of a row, as in layer normalization.
    Rows,
    /// Those of a column, as in batch normalization.
    Columns,
}

/// Numbers that are added side by side.
const LANES: usize = 16;
/// Columns that are summed together: their sums stay in the nearest cache.
pub(super) const WIDE: usize = 64;

/// The sums of some columns. In double precision: what is subtracted from each row of a batch must
/// not be off by the same rounding in all of them.
pub(super) type Sums = [f64; WIDE];

/// `Σ f(i)` over a row, in lanes.
#[inline(always)]
pub(super) fn row_sum(length: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let whole = length / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (k, lane) in lanes.iter_mut().enumerate() {
            *lane += f(start + k);
        }
    }
    let rest: f32 = (whole..length).map(&f).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Sums over the columns of a matrix, some columns at a time: `add(row, from, sums)` adds to them
/// what a row has from column `from` on, `finish(from, sums, out)` makes of them the `width` numbers
/// a column that are kept. A thread takes some of the columns, so sums do not depend on how many
/// there are.
pub(super) fn column_sums<const N: usize>(
    (rows, columns, width): (usize, usize, usize),
    out: &mut [f32],
    add: impl Fn(usize, usize, usize, &mut [Sums; N]) + Sync,
    finish: impl Fn(usize, &[Sums; N], &mut [f32]) + Sync,
) {
    let block = WIDE * width;
    let grain = match rows * columns > GRAIN {
        true => block,
        false => usize::MAX,
    };
    parallel::chunks(out, grain, block, |offset, out| {
        dispatch(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(block).enumerate() {
                    let from = offset / width + i * WIDE;
                    let mut sums = [[0.0; WIDE]; N];
                    for row in 0..rows {
                        add(row, from, out.len() / width, &mut sums);
                    }
                    finish(from, &sums, out);
                }
            },
        );
    });
}

/// Calls `f(row, out)` for each row of a matrix that is written.
pub(super) fn each_row(columns: usize, out: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    let columns = columns.max(1);
    let piece = PIECE.div_ceil(columns).saturating_mul(columns);
    parallel::chunks(out, GRAIN, piece, |offset, out| {
        let first = offset / columns;
        dispatch(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_exact_mut(columns).enumerate() {
                    f(first + i, out);
                }
            },
        );
    });
}
