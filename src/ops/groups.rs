//! Sums over the rows or the columns of a matrix, which the ops of normalization are made of.
//!
//! What a loop reads and writes at a time are arrays of fixed length, all read before any is
//! written: so the compiler makes vectors of them, however many slices there are.

// Loops over fixed arrays side by side, which an iterator of each would hide.
#![allow(clippy::needless_range_loop)]

use std::array::from_fn;

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

/// Numbers that are computed together.
const LANES: usize = 16;
/// Columns that a thread sums together, at most.
const WIDE: usize = 64;
/// Rows that are gone through for some columns before the next columns: they stay in the nearest
/// cache.
const HIGH: usize = 32;

/// `Σ f(inputs)` over slices of one length, some sums at once, each in `L` lanes: a multiple of 8.
#[inline(always)]
pub(super) fn row_sums<const L: usize, const I: usize, const N: usize>(
    inputs: [&[f32]; I],
    f: impl Fn([f32; I]) -> [f32; N],
) -> [f32; N] {
    let (mut sums, mut rest) = lane_sums::<L, I, N>(inputs, &f);
    if L > LANES {
        let more;
        (more, rest) = lane_sums::<LANES, I, N>(rest, &f);
        sums = from_fn(|n| sums[n] + more[n]);
    }
    let length = rest.iter().map(|rest| rest.len()).min().unwrap_or(0);
    for j in 0..length {
        let terms = f(from_fn(|k| rest[k][j]));
        sums = from_fn(|n| sums[n] + terms[n]);
    }
    sums
}

/// The sums as far as there are whole groups of `L` numbers, and what is left.
#[inline(always)]
fn lane_sums<'a, const L: usize, const I: usize, const N: usize>(
    inputs: [&'a [f32]; I],
    f: &impl Fn([f32; I]) -> [f32; N],
) -> ([f32; N], [&'a [f32]; I]) {
    let mut lanes = [[0.0_f32; L]; N];
    let parts = inputs.map(|input| input.as_chunks::<L>());
    let lengths = parts.iter().map(|(chunks, _)| chunks.len());
    let whole = lengths.min().unwrap_or(0);
    let chunks = parts.map(|(chunks, _)| &chunks[..whole]);
    for i in 0..whole {
        let values: [[f32; L]; I] = from_fn(|k| chunks[k][i]);
        for l in 0..L {
            let terms = f(from_fn(|k| values[k][l]));
            for n in 0..N {
                lanes[n][l] += terms[n];
            }
        }
    }
    (lanes.map(total), parts.map(|(_, rest)| rest))
}

/// The sum of lanes: eight of them at a time, then halves, as vectors are added.
#[inline(always)]
fn total<const L: usize>(lanes: [f32; L]) -> f32 {
    let mut eight = [0.0; 8];
    for lanes in lanes.as_chunks::<8>().0 {
        for l in 0..8 {
            eight[l] += lanes[l];
        }
    }
    let four: [f32; 4] = from_fn(|l| eight[l] + eight[l + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// `outputs = f(inputs, outputs)`, element by element, for slices of one length.
#[inline(always)]
pub(super) fn zip<const I: usize, const O: usize>(
    inputs: [&[f32]; I],
    outputs: [&mut [f32]; O],
    f: impl Fn([f32; I], [f32; O]) -> [f32; O],
) {
    let inputs = inputs.map(|input| input.as_chunks::<LANES>());
    let mut outputs = outputs.map(|output| output.as_chunks_mut::<LANES>());
    let lengths = inputs.iter().map(|(chunks, _)| chunks.len());
    let whole = lengths.chain(outputs.iter().map(|(chunks, _)| chunks.len()));
    let whole = whole.min().unwrap_or(0);
    let from = inputs.map(|(chunks, _)| &chunks[..whole]);
    let to = outputs.each_mut().map(|(chunks, _)| &mut chunks[..whole]);
    for i in 0..whole {
        let values: [[f32; LANES]; I] = from_fn(|k| from[k][i]);
        let old: [[f32; LANES]; O] = from_fn(|k| to[k][i]);
        let mut new = [[0.0; LANES]; O];
        for l in 0..LANES {
            let numbers = f(from_fn(|k| values[k][l]), from_fn(|k| old[k][l]));
            for k in 0..O {
                new[k][l] = numbers[k];
            }
        }
        for k in 0..O {
            to[k][i] = new[k];
        }
    }
    let from = inputs.map(|(_, rest)| rest);
    let to = outputs.map(|(_, rest)| rest);
    let lengths = from.iter().map(|rest| rest.len());
    let length = lengths.chain(to.iter().map(|rest| rest.len())).min();
    for j in 0..length.unwrap_or(0) {
        let numbers = f(from_fn(|k| from[k][j]), from_fn(|k| to[k][j]));
        for k in 0..O {
            to[k][j] = numbers[k];
        }
    }
}

/// Sums over the columns of matrices of one shape: `W` numbers that `finish(column, sums)` makes of
/// the sums of `term(inputs, about)`, where `about` is one number a column. `L` columns are summed
/// at a time.
///
/// In double precision: what is subtracted from each row of a batch must not be off by the same
/// rounding in all of them. A thread takes some of the columns, so sums do not depend on how many
/// threads there are.
pub(super) fn column_sums<const L: usize, const I: usize, const N: usize, const W: usize>(
    inputs: [&[f32]; I],
    about: &[f32],
    out: &mut [f32],
    term: impl Fn([f32; I], f32) -> [f64; N] + Sync,
    finish: impl Fn(usize, [f64; N]) -> [f32; W] + Sync,
) {
    let columns = about.len();
    let length = inputs.iter().map(|input| input.len()).min().unwrap_or(0);
    let inputs = inputs.map(|input| &input[..length]);
    let wide = (columns / 4 / LANES * LANES).clamp(LANES, WIDE);
    let grain = match length > GRAIN / 2 {
        true => wide * W,
        false => usize::MAX,
    };
    parallel::chunks(out, grain, wide * W, |offset, out| {
        dispatch(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(wide * W).enumerate() {
                    let from = offset / W + i * wide;
                    let about = &about[from..][..out.len() / W];
                    let mut sums = [[0.0; WIDE]; N];
                    for top in (0..length).step_by(HIGH * columns) {
                        let block = inputs.map(|x| &x[top..length.min(top + HIGH * columns)]);
                        let mut j = 0;
                        while about.len() - j >= L {
                            column_group::<L, I, N>(
                                block, columns, from, about, j, &mut sums, &term,
                            );
                            j += L;
                        }
                        while j < about.len() {
                            column_group::<1, I, N>(
                                block, columns, from, about, j, &mut sums, &term,
                            );
                            j += 1;
                        }
                    }
                    for (j, out) in out.chunks_exact_mut(W).enumerate() {
                        out.copy_from_slice(&finish(from + j, from_fn(|n| sums[n][j])));
                    }
                }
            },
        );
    });
}

/// Adds the terms of `L` columns, from the `j`-th of `about` on, which stands for column `from`.
#[inline(always)]
fn column_group<const L: usize, const I: usize, const N: usize>(
    inputs: [&[f32]; I],
    columns: usize,
    from: usize,
    about: &[f32],
    j: usize,
    sums: &mut [[f64; WIDE]; N],
    term: &impl Fn([f32; I], f32) -> [f64; N],
) {
    let Some(about) = about[j..].first_chunk::<L>() else {
        return;
    };
    let mut own: [[f64; L]; N] = from_fn(|n| from_fn(|l| sums[n][j + l]));
    let length = inputs.iter().map(|input| input.len()).min().unwrap_or(0);
    let mut start = from + j;
    while start + L <= length {
        let values: [[f32; L]; I] = from_fn(|k| from_fn(|l| inputs[k][start..start + L][l]));
        for l in 0..L {
            let terms = term(from_fn(|k| values[k][l]), about[l]);
            for n in 0..N {
                own[n][l] += terms[n];
            }
        }
        start += columns;
    }
    for n in 0..N {
        sums[n][j..j + L].copy_from_slice(&own[n]);
    }
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
