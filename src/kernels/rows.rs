//! Loops over the rows of a matrix, of which formulas such as softmax are made.
//!
//! A formula works on a block of rows at a time, small enough for the nearest cache, in passes
//! over all of the block: what costs, such as `exp`, runs over the block's numbers without regard
//! to where rows end, and what is made of a whole row is kept as one number of each row.
//!
//! Folds along a row take its numbers in the order of [`reduce`](super::reduce), so a row gives
//! the same bits alone and among others, with any instruction set and at any number of threads.

use super::math::{exp, ln};
use super::parallel::{GRAIN, PIECE, chunks};
use super::reduce::fold_piece;
use super::simd::dispatch;

/// The numbers that are taken side by side.
pub(crate) const LANES: usize = 16;
/// The numbers of a block, unless one row has more.
const BLOCK: usize = 1024;
/// The most rows of a block.
const ROWS: usize = 64;

/// A number of each row of a block.
pub(crate) struct PerRow([f32; ROWS]);

impl PerRow {
    /// Room for numbers that are still to be made.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        PerRow([0.0; ROWS])
    }

    /// The numbers of a block's rows.
    #[inline(always)]
    pub(crate) fn of<const N: usize>(&mut self, block: &Block<N>) -> &mut [f32] {
        &mut self.0[..block.count.min(ROWS)]
    }
}

/// Up to [`ROWS`] rows of `N` matrices.
pub(crate) struct Block<'a, const N: usize> {
    pub(crate) x: [&'a [f32]; N],
    /// The number of the first row.
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl<const N: usize> Block<'_, N> {
    /// The block's part of what has one number for each row of the whole.
    #[inline(always)]
    pub(crate) fn part<'a, T>(&self, values: &'a [T]) -> &'a [T] {
        &values[self.first..][..self.count]
    }
}

/// Runs `formula(block, out)` over all blocks of rows of some length, 1 or more.
///
/// `x[n]` and `out` are of shape `(rows, length)`.
#[inline(always)]
pub(crate) fn map<const N: usize>(
    x: [&[f32]; N],
    length: usize,
    out: &mut [f32],
    formula: impl Fn(Block<N>, &mut [f32]) + Sync,
) {
    debug_assert!(x.iter().all(|x| x.len() == out.len()));
    let numbers = x.iter().fold(out.len(), |n, x| n.min(x.len()));
    if length == 0 || numbers < length {
        return;
    }
    let out = &mut out[..numbers - numbers % length];
    let block = rows_of(BLOCK, length) * length;
    let piece = rows_of(PIECE, length) * length;
    chunks(out, GRAIN, piece.next_multiple_of(block), |offset, out| {
        dispatch(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(block).enumerate() {
                    let from = offset + i * block;
                    let block = Block {
                        x: x.map(|x| &x[from..][..out.len()]),
                        first: from / length,
                        count: out.len() / length,
                    };
                    formula(block, out);
                }
            },
        );
    });
}

/// The same for a formula that makes one number of each row: `out` of shape `(rows,)`. It is NaN
/// for rows without numbers.
#[inline(always)]
pub(crate) fn reduce<const N: usize>(
    x: [&[f32]; N],
    length: usize,
    out: &mut [f32],
    formula: impl Fn(Block<N>, &mut [f32]) + Sync,
) {
    debug_assert!(x.iter().all(|x| x.len() == out.len() * length));
    if length == 0 {
        // Nothing can be said of a row without numbers.
        return out.fill(f32::NAN);
    }
    let count = x.iter().fold(out.len(), |n, x| n.min(x.len() / length));
    let block = rows_of(BLOCK, length);
    let piece = rows_of(PIECE, length).next_multiple_of(block);
    chunks(&mut out[..count], GRAIN / length, piece, |first, out| {
        dispatch(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(block).enumerate() {
                    let first = first + i * block;
                    let block = Block {
                        x: x.map(|x| &x[first * length..][..out.len() * length]),
                        first,
                        count: out.len(),
                    };
                    formula(block, out);
                }
            },
        );
    });
}

/// How many rows have some count of numbers: at least one, at most [`ROWS`].
fn rows_of(numbers: usize, length: usize) -> usize {
    (numbers / length).clamp(1, ROWS)
}

/// `out[row] = fold of f over the row`, for each row of `x` and `y`.
#[inline(always)]
fn fold(
    (x, y): (&[f32], &[f32]),
    length: usize,
    out: &mut [f32],
    start: f32,
    step: impl Fn(f32, f32, f32) -> f32,
    combine: impl Fn(f32, f32) -> f32,
) {
    let rows = x.chunks_exact(length).zip(y.chunks_exact(length));
    if length < LANES {
        // The same, without the lanes.
        for (out, (x, y)) in out.iter_mut().zip(rows) {
            *out = x.iter().zip(y).fold(start, |sum, (x, y)| step(sum, *x, *y));
        }
    } else {
        for (out, (x, y)) in out.iter_mut().zip(rows) {
            *out = fold_piece(x, y, start, &step, &combine);
        }
    }
}

/// `out[row] = sum f(x, y)` over each row.
#[inline(always)]
pub(crate) fn sums(
    x: &[f32],
    y: &[f32],
    length: usize,
    out: &mut [f32],
    f: impl Fn(f32, f32) -> f32,
) {
    let step = |sum: f32, x: f32, y: f32| sum + f(x, y);
    fold((x, y), length, out, 0.0, step, |a, b| a + b);
}

/// `out[row] = max x` over each row; NaN is not looked at.
#[inline(always)]
pub(crate) fn maxima(x: &[f32], length: usize, out: &mut [f32]) {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let step = |max: f32, x: f32, _: f32| larger(x, max);
    fold((x, x), length, out, f32::NEG_INFINITY, step, larger);
}

/// `out = f(x, values[row])`, element by element.
#[inline(always)]
pub(crate) fn with_row(
    x: &[f32],
    length: usize,
    values: &[f32],
    out: &mut [f32],
    f: impl Fn(f32, f32) -> f32,
) {
    let rows = x.chunks_exact(length).zip(out.chunks_exact_mut(length));
    for ((x, out), value) in rows.zip(values) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = f(*x, *value);
        }
    }
}

/// `x = f(x, values[row])`, element by element.
#[inline(always)]
pub(crate) fn with_row_in_place(
    x: &mut [f32],
    length: usize,
    values: &[f32],
    f: impl Fn(f32, f32) -> f32,
) {
    for (x, value) in x.chunks_exact_mut(length).zip(values) {
        for x in x {
            *x = f(*x, *value);
        }
    }
}

/// `out[row] = sum f(g(x, values[row]), y)` over each row, for an `f` that costs.
#[inline(always)]
pub(crate) fn costly_sums(
    (x, y): (&[f32], &[f32]),
    length: usize,
    values: &[f32],
    out: &mut [f32],
    g: impl Fn(f32, f32) -> f32,
    f: impl Fn(f32, f32) -> f32,
) {
    let mut buffer = [0.0; BLOCK];
    if length <= BLOCK {
        let buffer = &mut buffer[..x.len()];
        with_row(x, length, values, buffer, g);
        each(buffer, y, f);
        return sums(buffer, buffer, length, out, |v, _| v);
    }
    let rows = x.chunks_exact(length).zip(y.chunks_exact(length));
    for (((x, y), value), out) in rows.zip(values).zip(out) {
        *out = 0.0;
        for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
            let buffer = &mut buffer[..x.len()];
            with_row(x, x.len(), &[*value], buffer, &g);
            each(buffer, y, &f);
            let mut sum = [0.0];
            sums(buffer, buffer, x.len(), &mut sum, |v, _| v);
            *out += sum[0];
        }
    }
}

/// `out[row] = ln sum exp(x)` over each row; NaN where a number of the row is, or is infinity.
#[inline(always)]
pub(crate) fn log_sum_exp(x: &[f32], length: usize, out: &mut [f32]) {
    let mut max = [0.0; ROWS];
    let max = &mut max[..out.len().min(ROWS)];
    maxima(x, length, max);
    // A NaN that the maximum leaves out makes the sum NaN.
    costly_sums(
        (x, x),
        length,
        max,
        out,
        |x, max| x - max,
        #[inline(always)]
        |x, _| exp(x),
    );
    for (out, max) in out.iter_mut().zip(max) {
        *out = *max + ln(*out);
    }
}

/// `x = f(x, y)` without regard to rows, and in whole vectors: no number is left to a scalar loop.
#[inline(always)]
pub(crate) fn each(x: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32) {
    let (x, x_rest) = x.as_chunks_mut::<LANES>();
    let (y, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x.as_flattened_mut().iter_mut().zip(y.as_flattened()) {
        *x = f(*x, *y);
    }
    if x_rest.is_empty() {
        return;
    }
    let mut lanes = [[0.0; LANES]; 2];
    let [x, y] = &mut lanes;
    for ((x, from), (y, other)) in x.iter_mut().zip(&*x_rest).zip(y.iter_mut().zip(y_rest)) {
        (*x, *y) = (*from, *other);
    }
    for (x, y) in x.iter_mut().zip(y) {
        *x = f(*x, *y);
    }
    for (to, x) in x_rest.iter_mut().zip(lanes[0]) {
        *to = x;
    }
}

/// `x = f(x)`, likewise.
#[inline(always)]
pub(crate) fn each_alone(x: &mut [f32], f: impl Fn(f32) -> f32) {
    let (whole, rest) = x.as_chunks_mut::<LANES>();
    for x in whole.as_flattened_mut() {
        *x = f(*x);
    }
    if rest.is_empty() {
        return;
    }
    let mut lanes = [0.0; LANES];
    for (lane, x) in lanes.iter_mut().zip(&*rest) {
        *lane = *x;
    }
    for lane in &mut lanes {
        *lane = f(*lane);
    }
    for (x, lane) in rest.iter_mut().zip(lanes) {
        *x = lane;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 17] = [
        1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1023, 1024, 1025, 3000,
    ];
    const COUNTS: [usize; 8] = [0, 1, 2, 17, 63, 64, 65, 130];

    /// Numbers between -4 and 4.
    fn numbers(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 16) as f32 / 8192.0 - 4.0)
            .collect()
    }

    #[test]
    fn rows_without_numbers_give_nan() {
        let mut out = [0.0; 3];
        reduce([&[]], 0, &mut out, |_, _| {});
        assert!(out.iter().all(|x| x.is_nan()));
    }

    /// Calls `f(x, y, rows, length)` for many shapes, with slices that start between vectors.
    fn shapes(f: impl Fn(&[f32], &[f32], usize, usize)) {
        for length in LENGTHS {
            for count in COUNTS {
                let x = numbers(count * length + 3, 1);
                let y = numbers(count * length + 1, 2);
                f(&x[3..], &y[1..], count, length);
            }
        }
        // Enough to be split.
        let (x, y) = (numbers(GRAIN + 31, 1), numbers(GRAIN + 31, 2));
        for length in [1, 10, 1000] {
            let count = x.len() / length;
            f(&x[..count * length], &y[..count * length], count, length);
        }
    }

    fn close(got: f32, exact: f64, terms: usize) -> bool {
        (f64::from(got) - exact).abs() <= 1e-6 * (terms as f64 + exact.abs())
    }

    #[test]
    fn every_row_meets_the_formula_once_with_its_number() {
        shapes(|x, y, count, length| {
            let of_row = numbers(count, 9);
            let mut out = vec![f32::NAN; x.len()];
            map([x, y], length, &mut out, |block, out| {
                let [x, y] = block.x;
                with_row(x, length, block.part(&of_row), out, |x, v| x + v);
                each(out, y, |x, y| x * y);
                with_row_in_place(out, length, block.part(&of_row), |x, v| x - v);
                each_alone(out, |x| 2.0 * x);
            });
            for (i, out) in out.iter().enumerate() {
                let v = of_row[i / length];
                assert_eq!(
                    *out,
                    2.0 * ((x[i] + v) * y[i] - v),
                    "{count} x {length}: {i}"
                );
            }
        });
    }

    #[test]
    fn rows_are_folded_as_by_a_plain_loop() {
        shapes(|x, y, count, length| {
            let mut out = vec![[f32::NAN; 4]; count];
            let folds: [fn(Block<2>, usize, &mut [f32]); 4] = [
                |b, length, out| maxima(b.x[0], length, out),
                |b, length, out| sums(b.x[0], b.x[1], length, out, |x, y| x * y),
                |b, length, out| log_sum_exp(b.x[0], length, out),
                |b, length, out| {
                    let mut numbers = PerRow::new();
                    let first = numbers.of(&b);
                    maxima(b.x[0], length, first);
                    let (x, y) = (b.x[0], b.x[1]);
                    costly_sums((x, y), length, first, out, |x, v| x - v, |d, y| d * y);
                },
            ];
            for (i, fold) in folds.iter().enumerate() {
                let mut column = vec![f32::NAN; count];
                reduce([x, y], length, &mut column, |block, out| {
                    fold(block, length, out)
                });
                out.iter_mut()
                    .zip(column)
                    .for_each(|(out, value)| out[i] = value);
            }
            for (row, out) in out.iter().enumerate() {
                let (x, y) = (&x[row * length..][..length], &y[row * length..][..length]);
                let max = x.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
                assert_eq!(out[0], max);
                let pairs = || x.iter().zip(y).map(|(x, y)| (f64::from(*x), f64::from(*y)));
                let dot: f64 = pairs().map(|(x, y)| x * y).sum();
                assert!(close(out[1], dot, 16 * length), "{count} x {length}: {row}");
                let total = libm::log(pairs().map(|(x, _)| libm::exp(x)).sum());
                assert!(close(out[2], total, 4), "{count} x {length}: {row}");
                let max = f64::from(max);
                let shifted: f64 = pairs().map(|(x, y)| (x - max) * y).sum();
                assert!(
                    close(out[3], shifted, 32 * length),
                    "{count} x {length}: {row}"
                );
            }
        });
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_among_others() {
        for length in LENGTHS {
            let x = numbers(70 * length, 5);
            let mut all = vec![0.0; 70];
            let formula = |block: Block<1>, out: &mut [f32]| log_sum_exp(block.x[0], length, out);
            reduce([&x], length, &mut all, formula);
            for (row, want) in all.iter().enumerate() {
                let mut alone = [0.0];
                reduce([&x[row * length..][..length]], length, &mut alone, formula);
                assert_eq!(alone[0].to_bits(), want.to_bits());
            }
        }
    }

    #[test]
    fn no_rows_and_rows_of_nothing_are_left_alone() {
        map([&[]], 0, &mut [], |_, _| unreachable!());
        map([&[]], 5, &mut [], |_, _| unreachable!());
        reduce([&[]], 0, &mut [1.0], |_, _| unreachable!());
    }
}
