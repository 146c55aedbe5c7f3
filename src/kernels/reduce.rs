//! Sums whose order of additions depends on the length alone.
//!
//! A piece is added into sixteen lanes, the lanes are halved four times, what is left after the
//! last sixteen numbers is added one by one and joins last, and pieces are added as a tree: the
//! same bits with any instruction set and at any number of threads.

use std::array::from_fn;

use pulp::{Simd, WithSimd};

use super::parallel::{GRAIN, PIECE, join};
use super::simd::{Instructions, Run as _, dispatch};

/// The partial results of a piece.
const LANES: usize = 16;

/// Folds `x` (and `y`, of the same length) into one number.
///
/// `step` takes a lane's result and an element, `combine` two lanes' results. Every index is a
/// constant, so that the lanes stay in registers.
#[inline(always)]
pub(super) fn fold_piece<T: Copy>(
    x: &[f32],
    y: &[f32],
    start: T,
    step: impl Fn(T, f32, f32) -> T,
    combine: impl Fn(T, T) -> T,
) -> T {
    let mut lanes = [start; LANES];
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for l in 0..LANES {
            lanes[l] = step(lanes[l], x[l], y[l]);
        }
    }
    let eight: [T; 8] = from_fn(
        #[inline(always)]
        |l| combine(lanes[l], lanes[l + 8]),
    );
    let four: [T; 4] = from_fn(
        #[inline(always)]
        |l| combine(eight[l], eight[l + 4]),
    );
    let whole = combine(combine(four[0], four[2]), combine(four[1], four[3]));
    if x_rest.is_empty() {
        return whole;
    }
    let mut rest = start;
    for (x, y) in x_rest.iter().zip(y_rest) {
        rest = step(rest, *x, *y);
    }
    if x_chunks.is_empty() {
        return rest;
    }
    combine(whole, rest)
}

/// Folds slices of any length: pieces, then a tree over them.
#[inline(always)]
fn fold<T: Copy + Send + Sync>(
    x: &[f32],
    y: &[f32],
    start: T,
    step: impl Fn(T, f32, f32) -> T + Copy + Sync,
    combine: impl Fn(T, T) -> T + Copy + Sync,
) -> T {
    let length = x.len().min(y.len());
    let (x, y) = (&x[..length], &y[..length]);
    if length <= PIECE {
        return dispatch(
            #[inline(always)]
            || fold_piece(x, y, start, step, combine),
        );
    }
    tree(
        x,
        y,
        &|x, y| {
            dispatch(
                #[inline(always)]
                || fold_piece(x, y, start, step, combine),
            )
        },
        &combine,
    )
}

/// The tree over pieces: halves at a multiple of [`PIECE`], in parallel above [`GRAIN`].
fn tree<T: Send>(
    x: &[f32],
    y: &[f32],
    piece: &(impl Fn(&[f32], &[f32]) -> T + Sync),
    combine: &(impl Fn(T, T) -> T + Sync),
) -> T {
    if x.len() <= PIECE {
        return piece(x, y);
    }
    let middle = x.len().div_ceil(PIECE).div_ceil(2) * PIECE;
    let (x_left, x_right) = x.split_at(middle);
    let (y_left, y_right) = y.split_at(middle);
    let left = || tree(x_left, y_left, piece, combine);
    let right = || tree(x_right, y_right, piece, combine);
    let (left, right) = if x.len() > GRAIN {
        join(left, right)
    } else {
        (left(), right())
    };
    combine(left, right)
}

/// The sum of all elements.
#[inline]
pub(crate) fn sum(x: &[f32]) -> f32 {
    fold(x, x, 0.0, |s, x, _| s + x, |a, b| a + b)
}

/// The sum of `f(x, y)` over all pairs of elements, for an `f` that takes long.
#[inline]
pub(crate) fn sum_of(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Copy + Sync) -> f32 {
    let length = x.len().min(y.len());
    let piece = |x: &[f32], y: &[f32]| Instructions::here().run(SumPiece(x, y, f));
    tree(&x[..length], &y[..length], &piece, &|a, b| a + b)
}

/// The sum of a piece of [`sum_of`].
struct SumPiece<'a, F>(&'a [f32], &'a [f32], F);

impl<F: Fn(f32, f32) -> f32> WithSimd for SumPiece<'_, F> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let SumPiece(x, y, f) = self;
        let mut lanes = [0.0; LANES];
        let (x_chunks, x_rest) = x.as_chunks::<LANES>();
        let (y_chunks, y_rest) = y.as_chunks::<LANES>();
        for (x, y) in x_chunks.iter().zip(y_chunks) {
            for l in 0..LANES {
                lanes[l] += f(x[l], y[l]);
            }
        }
        if !x_rest.is_empty() {
            // A whole vector again: that takes less time than two numbers one by one.
            let (x, y) = (padded(simd, x_rest), padded(simd, y_rest));
            for l in 0..LANES {
                let next = f(x[l], y[l]);
                lanes[l] += if l < x_rest.len() { next } else { 0.0 };
            }
        }
        let eight: [f32; 8] = from_fn(|l| lanes[l] + lanes[l + 8]);
        let four: [f32; 4] = from_fn(|l| eight[l] + eight[l + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
}

/// Up to [`LANES`] numbers, and zeros behind them.
#[inline(always)]
fn padded<S: Simd>(simd: S, x: &[f32]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    let lanes = const { S::F32_LANES };
    for (g, out) in out.chunks_exact_mut(lanes).enumerate() {
        let numbers = simd.partial_load_f32s(x.get(g * lanes..).unwrap_or(&[]));
        out.copy_from_slice(pulp::bytemuck::cast_slice(&[numbers]));
    }
    out
}

/// The sum of the squares of all elements.
#[inline]
pub(crate) fn sum_of_squares(x: &[f32]) -> f32 {
    fold(x, x, 0.0, |s, x, _| f32::mul_add(x, x, s), |a, b| a + b)
}

/// Whether no element is NaN or infinite.
#[inline]
pub(crate) fn all_finite(x: &[f32]) -> bool {
    // A lane holds the greatest magnitude's bits: those of infinity and of NaN are the greatest.
    let magnitude = |m: u32, x: f32, _: f32| m.max(x.to_bits() & 0x7fff_ffff);
    fold(x, x, 0_u32, magnitude, |a, b| a.max(b)) < 0x7f80_0000
}

/// The columns whose sums are held at a time.
const WIDTH: usize = 64;
/// The rows that are added one after the other.
const ROWS: usize = 512;

/// `out[j] = sum_i x[i, j]`, for `x` of shape `(rows, columns)`.
#[inline]
pub(crate) fn column_sums(x: &[f32], rows: usize, columns: usize, out: &mut [f32]) {
    debug_assert_eq!(x.len(), rows * columns);
    debug_assert_eq!(out.len(), columns);
    if columns == 0 {
        return;
    }
    if columns == 1 {
        if let Some(out) = out.first_mut() {
            *out = sum(&x[..rows.min(x.len())]);
        }
        return;
    }
    let rows = rows.min(x.len() / columns);
    let x = &x[..rows * columns];
    for (block, out) in out.chunks_mut(WIDTH).enumerate() {
        let from = block * WIDTH;
        if rows <= ROWS {
            dispatch(
                #[inline(always)]
                || column_piece(x, columns, from, out),
            );
        } else {
            let sums = column_tree(x, columns, from, out.len());
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

/// The sums of up to [`WIDTH`] columns, as a tree over blocks of rows.
fn column_tree(x: &[f32], columns: usize, from: usize, width: usize) -> [f32; WIDTH] {
    let rows = x.len() / columns;
    if rows <= ROWS {
        let mut sums = [0.0; WIDTH];
        dispatch(
            #[inline(always)]
            || column_piece(x, columns, from, &mut sums[..width]),
        );
        return sums;
    }
    let middle = rows.div_ceil(ROWS).div_ceil(2) * ROWS;
    let (top, bottom) = x.split_at(middle * columns);
    let top = || column_tree(top, columns, from, width);
    let bottom = || column_tree(bottom, columns, from, width);
    let (mut sums, other) = if rows * width > GRAIN {
        join(top, bottom)
    } else {
        (top(), bottom())
    };
    for (sum, other) in sums.iter_mut().zip(other) {
        *sum += other;
    }
    sums
}

/// The sums of the columns from `from` on, as many as `out` is long, row after row.
#[inline(always)]
fn column_piece(x: &[f32], columns: usize, from: usize, out: &mut [f32]) {
    let mut j = 0;
    while out.len() - j >= 16 {
        column_group::<16>(x, columns, from + j, &mut out[j..]);
        j += 16;
    }
    if out.len() - j >= 8 {
        column_group::<8>(x, columns, from + j, &mut out[j..]);
        j += 8;
    }
    if out.len() - j >= 4 {
        column_group::<4>(x, columns, from + j, &mut out[j..]);
        j += 4;
    }
    while j < out.len() {
        column_group::<1>(x, columns, from + j, &mut out[j..]);
        j += 1;
    }
}

/// The sums of `N` columns, held in registers.
#[inline(always)]
fn column_group<const N: usize>(x: &[f32], columns: usize, from: usize, out: &mut [f32]) {
    let mut sums = [0.0; N];
    for row in x.chunks_exact(columns) {
        if let Some((values, _)) = row[from..].split_first_chunk::<N>() {
            for l in 0..N {
                sums[l] += values[l];
            }
        }
    }
    out[..N].copy_from_slice(&sums);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 11] = [
        0,
        1,
        2,
        15,
        16,
        17,
        33,
        1000,
        PIECE,
        GRAIN + 1,
        GRAIN + 5 * PIECE + 3,
    ];

    fn numbers(len: usize) -> Vec<f32> {
        let mut state = 1_u64;
        (0..len)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn sums_are_those_of_f64() {
        for (len, shift) in LENGTHS
            .into_iter()
            .flat_map(|len| [(len, 0), (len, 1), (len, 5)])
        {
            // Slices that start on a vector's boundary, and between.
            let x = &numbers(len + shift)[shift..];
            let close = |got: f32, exact: f64| {
                let bound = 1e-6 * (len as f64).sqrt().max(1.0) + 3e-7 * exact.abs();
                assert!(
                    (f64::from(got) - exact).abs() <= bound,
                    "{len}: {got} {exact}"
                );
            };
            close(sum(x), x.iter().map(|v| f64::from(*v)).sum());
            close(
                sum_of_squares(x),
                x.iter().map(|v| f64::from(*v).powi(2)).sum(),
            );
        }
    }

    #[test]
    fn sums_are_added_in_the_order_that_the_docs_say() {
        // 1e8 and -1e8 are in lanes 0 and 8: they meet first, and the 1 of lane 4 survives.
        let mut x = [0.0; 16];
        (x[0], x[4], x[8]) = (1e8, 1.0, -1e8);
        assert_eq!(sum(&x), 1.0);
        // Lanes 0 and 4 meet before lane 2: the 1 is lost.
        let mut x = [0.0; 16];
        (x[0], x[4], x[2], x[6]) = (1e8, 1.0, 0.0, -1e8);
        assert_eq!(sum(&x), 0.0);
        // What follows the last sixteen is added on its own: 1e8 and -1e8 meet there.
        let mut x = [0.0; 19];
        (x[0], x[16], x[18]) = (1.0, 1e8, -1e8);
        assert_eq!(sum(&x), 1.0);
    }

    #[test]
    fn sums_have_the_same_bits_at_any_thread_count() {
        let x = numbers(GRAIN * 3 + 11);
        let pool = |n| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .unwrap()
        };
        let all = || {
            let mut columns = vec![0.0; 96];
            column_sums(&x[..96 * 2000], 2000, 96, &mut columns);
            let sums = [sum(&x), sum_of_squares(&x)];
            (sums.map(f32::to_bits), columns)
        };
        let expected = pool(1).install(all);
        for n in [2, 3, 8] {
            assert_eq!(pool(n).install(all), expected);
        }
    }

    #[test]
    fn sums_of_a_function_are_those_of_f64() {
        for len in LENGTHS {
            let (x, y) = (numbers(len), numbers(len + 1));
            let y = &y[1..];
            let exact: f64 = x.iter().zip(y).map(|(x, y)| f64::from(x * y + 1.0)).sum();
            let sum = f64::from(sum_of(&x, y, |x, y| x * y + 1.0));
            assert!(
                (sum - exact).abs() <= 1e-5 * (1.0 + len as f64),
                "{len}: {sum} {exact}"
            );
        }
    }

    #[test]
    fn finite_means_neither_nan_nor_infinite() {
        assert!(all_finite(&[]));
        for len in LENGTHS.into_iter().skip(1) {
            let mut x = numbers(len);
            x[len / 2] = f32::MAX;
            assert!(all_finite(&x));
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in [0, len / 3, len - 1] {
                    let old = std::mem::replace(&mut x[at], bad);
                    assert!(!all_finite(&x));
                    x[at] = old;
                }
            }
        }
    }

    #[test]
    fn columns_are_summed() {
        let shapes = [
            (0, 3),
            (1, 1),
            (10, 1),
            (10, 8),
            (10, 12),
            (7, 29),
            (3, 64),
            (3, 65),
            (2, 0),
            (513, 5),
            (2000, 96),
            (1500, 130),
            (20_000, 3),
            (70_000, 1),
        ];
        for (rows, columns) in shapes {
            let x = numbers(rows * columns);
            let mut out = vec![f32::NAN; columns];
            column_sums(&x, rows, columns, &mut out);
            for (j, got) in out.iter().enumerate() {
                let exact: f64 = (0..rows).map(|i| f64::from(x[i * columns + j])).sum();
                let bound = 1e-6 * (rows as f64).sqrt().max(1.0);
                assert!(
                    (f64::from(*got) - exact).abs() <= bound,
                    "{rows} {columns} {j}"
                );
            }
        }
    }
}
