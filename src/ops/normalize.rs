//! Numbers in units of the mean and the deviation of their group, scaled and shifted.

use super::groups::{Groups, column_sums, each_row, row_sums, zip};
use super::{Backward, Forward, Needs, Operation};
use crate::kernels::parallel::{self, GRAIN, PIECE};
use crate::kernels::simd::dispatch;
use crate::shape::Shape;

/// `y = gamma x̂ + beta`, `x̂ = (x - mean) / √(variance + epsilon)`, of the inputs `x`, the
/// [`Moments`](super::moments::Moments) where the groups are columns, and `gamma` and `beta` where
/// there are such, one number a column. The moments of rows it finds itself, and keeps them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Normalize {
    pub(crate) groups: Groups,
    pub(crate) columns: usize,
    pub(crate) epsilon: f32,
    pub(crate) centered: bool,
    pub(crate) scale: bool,
    pub(crate) center: bool,
    /// Whether the moments of columns are those of `x`, so that its gradient flows through them, too.
    pub(crate) through: bool,
}

/// The numbers for each column that a backward pass needs beside the moments, where the groups are
/// columns: what `dy` is multiplied with, what `x - mean` is, what is subtracted, in two parts, and
/// the gradients of `gamma` and `beta`.
const FACTORS: usize = 6;

/// Rows whose sums are added up before they are added to those of the rows before.
const BLOCK: usize = 64;
/// The pieces of a matrix whose sums are kept apart, at most.
const PIECES: usize = 64;

/// The moments of the columns of a matrix; of its rows in pairs, the mean and
/// `1 / √(variance + epsilon)`.
#[derive(Clone, Copy)]
struct Stats<'a> {
    moments: &'a [f32],
    columns: usize,
    epsilon: f32,
}

impl<'a> Stats<'a> {
    /// The mean of a row, and `1 / √(variance + epsilon)`.
    #[inline(always)]
    fn of_row(&self, row: usize) -> (f32, f32) {
        let pair = &self.moments[2 * row..][..2];
        (pair[0], pair[1])
    }

    /// The means of all columns.
    fn means(&self) -> &'a [f32] {
        &self.moments[..self.columns]
    }

    /// `1 / √(variance + epsilon)` of a column.
    #[inline(always)]
    fn factor(&self, column: usize) -> f32 {
        1.0 / (self.moments[self.columns + column] + self.epsilon).sqrt()
    }
}

impl Normalize {
    fn stats<'a>(&self, moments: &'a [f32]) -> Stats<'a> {
        Stats {
            moments,
            columns: self.columns,
            epsilon: self.epsilon,
        }
    }

    /// The number of the first input that is a weight.
    fn weights(&self) -> usize {
        match self.groups {
            Groups::Rows => 1,
            Groups::Columns => 2,
        }
    }

    /// `gamma`, or ones in `space`.
    fn gamma<'a>(&self, run: &Forward<'a>, space: &'a mut [f32]) -> &'a [f32] {
        match self.scale {
            true => run.input(self.weights()),
            false => {
                space.fill(1.0);
                space
            }
        }
    }

    /// `beta`, or zeros in `space`.
    fn beta<'a>(&self, run: &Forward<'a>, space: &'a mut [f32]) -> &'a [f32] {
        match self.center {
            true => run.input(self.weights() + usize::from(self.scale)),
            false => {
                space.fill(0.0);
                space
            }
        }
    }

    /// Whether an input is `gamma`; else it is `beta`.
    fn is_gamma(&self, input: usize) -> bool {
        self.scale && input == self.weights()
    }

    /// Writes the output, and what is kept of each row.
    fn rows_forward(
        &self,
        x: &[f32],
        (gamma, beta): (&[f32], &[f32]),
        y: &mut [f32],
        kept: &mut [f32],
    ) {
        let columns = self.columns;
        let (centered, epsilon) = (self.centered, self.epsilon);
        let (gamma, beta) = (&gamma[..columns], &beta[..columns]);
        let rows = PIECE.div_ceil(columns.max(1));
        let length = rows * columns;
        let piece = |i: usize, y: &mut [f32], kept: &mut [f32]| {
            let x = piece_of(x, i * length, length).chunks_exact(columns);
            let rows = x.zip(y.chunks_exact_mut(columns));
            dispatch(
                #[inline(always)]
                || {
                    for ((x, y), kept) in rows.zip(kept.chunks_exact_mut(2)) {
                        // Long rows are worth more lanes.
                        let (mean, variance) = match columns < 128 {
                            true => of_row::<16>(x, centered),
                            false => of_row::<64>(x, centered),
                        };
                        let factor = 1.0 / (variance + epsilon).sqrt();
                        zip([x, gamma, beta], [y], |[x, gamma, beta], _| {
                            [((x - mean) * factor).mul_add(gamma, beta)]
                        });
                        (kept[0], kept[1]) = (mean, factor);
                    }
                },
            );
        };
        parallel::pairs((y, length), (kept, 2 * rows), x.len() > GRAIN, &piece);
    }

    fn columns_forward(
        &self,
        x: &[f32],
        stats: Stats,
        (gamma, beta): (&[f32], &[f32]),
        y: &mut [f32],
        factors: &mut [f32],
    ) {
        let columns = self.columns;
        for (j, (factor, gamma)) in factors.iter_mut().zip(gamma).enumerate() {
            *factor = stats.factor(j) * gamma;
        }
        let (factors, means, beta) = (&factors[..columns], stats.means(), &beta[..columns]);
        each_row(
            columns,
            y,
            #[inline(always)]
            |i, out| {
                let x = &x[i * columns..][..columns];
                zip(
                    [x, means, factors, beta],
                    [out],
                    |[x, mean, factor, beta], _| [(x - mean).mul_add(factor, beta)],
                );
            },
        );
    }

    /// How many rows are summed together, where the groups are rows: that depends on the shape
    /// alone.
    fn rows_a_piece(&self, rows: usize) -> usize {
        let work = PIECE.div_ceil(self.columns.max(1));
        // Few rows to a piece would make the sums as large as the matrix.
        work.max(rows.div_ceil(PIECES)).max(16)
    }

    /// The gradients where the groups are rows: of `x` in `dx`, unless it is empty, and those of
    /// `gamma` and `beta`, which are left in `kept`.
    fn rows_back(
        &self,
        (x, dy): (&[f32], &[f32]),
        stats: Stats,
        gamma: &[f32],
        dx: &mut [f32],
        kept: &mut [f32],
    ) {
        let columns = self.columns;
        let count = x.len() / columns.max(1);
        let rows = self.rows_a_piece(count);
        let (totals, pieces) = kept.split_at_mut(2 * columns);
        let pieces = &mut pieces[..count.div_ceil(rows) * 4 * columns];
        let length = rows * columns;
        let piece = |i: usize, dx: &mut [f32], sums: &mut [f32]| {
            let of = |x| piece_of(x, i * length, length);
            dispatch(
                #[inline(always)]
                || self.rows_piece((of(x), of(dy)), i * rows, stats, gamma, dx, sums),
            );
        };
        let split = x.len() > GRAIN / 2;
        if dx.is_empty() {
            let grain = if split { 0 } else { usize::MAX };
            let width = 4 * columns;
            parallel::chunks(pieces, grain, width, |offset, sums| {
                for (i, sums) in sums.chunks_mut(width).enumerate() {
                    piece(offset / width + i, &mut [], sums);
                }
            });
        } else {
            parallel::pairs((dx, length), (&mut *pieces, 4 * columns), split, &piece);
        }
        totals.fill(0.0);
        for sums in pieces.chunks_exact(4 * columns) {
            let sums = &sums[..2 * columns];
            zip([sums], [&mut *totals], |[sum], [total]| [total + sum]);
        }
    }

    /// [`rows_back`](Self::rows_back) of some rows, from `first` on; the sums are in the first half
    /// of `sums`.
    #[inline(always)]
    fn rows_piece(
        &self,
        (x, dy): (&[f32], &[f32]),
        first: usize,
        stats: Stats,
        gamma: &[f32],
        dx: &mut [f32],
        sums: &mut [f32],
    ) {
        let columns = self.columns;
        let n = columns as f32;
        let gamma = &gamma[..columns];
        let (totals, block) = sums.split_at_mut(2 * columns);
        totals.fill(0.0);
        block.fill(0.0);
        let rows = x.chunks_exact(columns).zip(dy.chunks_exact(columns));
        let last = rows.len();
        let mut to = dx.chunks_exact_mut(columns);
        for (i, (x, dy)) in rows.enumerate() {
            let (mean, factor) = stats.of_row(first + i);
            let (of_gamma, of_beta) = block.split_at_mut(columns);
            if let Some(dx) = to.next() {
                let terms = |[x, dy, gamma]: [f32; 3]| {
                    let d = dy * gamma;
                    [d, d * (x - mean)]
                };
                let [straight, along] = row_sums::<16, 3, 2>([x, dy, gamma], terms);
                let straight = if self.centered { straight / n } else { 0.0 };
                let along = along * factor / n;
                zip(
                    [x, dy, gamma],
                    [dx, of_gamma, of_beta],
                    |[x, dy, gamma], [_, of_gamma, of_beta]| {
                        let hat = (x - mean) * factor;
                        let inner = hat.mul_add(-along, dy.mul_add(gamma, -straight));
                        [factor * inner, dy.mul_add(hat, of_gamma), of_beta + dy]
                    },
                );
            } else {
                zip(
                    [x, dy],
                    [of_gamma, of_beta],
                    |[x, dy], [of_gamma, of_beta]| {
                        let hat = (x - mean) * factor;
                        [dy.mul_add(hat, of_gamma), of_beta + dy]
                    },
                );
            }
            if (i + 1).is_multiple_of(BLOCK) || i + 1 == last {
                zip([&*block], [&mut *totals], |[sum], [total]| [total + sum]);
                block.fill(0.0);
            }
        }
    }

    /// What a backward pass needs of each column, in rows of `factors`. The gradient of `x` is
    /// `s dy - k (x - mean) - c`, with `c` such that each column's sum is 0, as it is without
    /// rounding. (A bias before batch normalization has a gradient of 0, and an optimizer such as
    /// Adam makes steps of what rounding leaves of it.)
    fn columns_sums(
        &self,
        (x, dy): (&[f32], &[f32]),
        stats: Stats,
        gamma: &[f32],
        kept: &mut [f32],
    ) {
        let columns = self.columns;
        let n = (x.len() / columns.max(1)) as f64;
        let (through, centered) = (self.through, self.centered);
        let (factors, space) = kept.split_at_mut(FACTORS * columns);
        column_sums::<16, 2, 3, FACTORS>(
            [x, dy],
            stats.means(),
            &mut space[..FACTORS * columns],
            #[inline(always)]
            |[x, dy], mean| {
                let (dy, d) = (f64::from(dy), f64::from(x - mean));
                [dy, dy * d, d]
            },
            |j, [straight, along, off]| {
                let factor = stats.factor(j);
                let s = gamma[j] * factor;
                let (mut k, mut c) = (0.0, 0.0);
                if through {
                    k = (f64::from(s * factor * factor) * along / n) as f32;
                }
                if through && centered {
                    c = (f64::from(s) * straight - f64::from(k) * off) / n;
                }
                let high = c as f32;
                let low = (c - f64::from(high)) as f32;
                let of_gamma = (along * f64::from(factor)) as f32;
                [s, k, high, low, of_gamma, straight as f32]
            },
        );
        for (j, column) in space.chunks_exact(FACTORS).take(columns).enumerate() {
            for (row, value) in column.iter().enumerate() {
                factors[row * columns + j] = *value;
            }
        }
    }

    /// The gradient of `x`, where the groups are columns.
    fn columns_back(
        &self,
        (x, dy): (&[f32], &[f32]),
        stats: Stats,
        factors: &[f32],
        dx: &mut [f32],
    ) {
        let columns = self.columns;
        let means = stats.means();
        let row = |row: usize| &factors[row * columns..][..columns];
        let [s, k, high, low] = [row(0), row(1), row(2), row(3)];
        each_row(
            columns,
            dx,
            #[inline(always)]
            |i, dx| {
                let x = &x[i * columns..][..columns];
                let dy = &dy[i * columns..][..columns];
                zip(
                    [x, dy, means, s, k, high, low],
                    [dx],
                    |[x, dy, mean, s, k, high, low], _| {
                        [dy.mul_add(s, -high) - (x - mean).mul_add(k, low)]
                    },
                );
            },
        );
    }
}

/// The mean of a row and its variance about that; or 0 and the mean of the squares.
#[inline(always)]
fn of_row<const L: usize>(x: &[f32], centered: bool) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = match centered {
        true => row_sums::<L, 1, 1>([x], |x| x)[0] / n,
        false => 0.0,
    };
    let [squares] = row_sums::<L, 1, 1>([x], |[x]| [(x - mean) * (x - mean)]);
    (mean, squares / n)
}

/// The numbers from `start` on, as many as there are up to `length`.
fn piece_of(x: &[f32], start: usize, length: usize) -> &[f32] {
    let end = x.len().min(start + length);
    x.get(start..end).unwrap_or(&[])
}

impl Operation for Normalize {
    fn name(&self) -> &str {
        "normalize"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let wanted = self.weights() + usize::from(self.scale) + usize::from(self.center);
        match inputs {
            [x, ..]
                if inputs.len() == wanted
                    && self.columns > 0
                    && x.size() % self.columns == 0
                    && inputs[self.weights()..]
                        .iter()
                        .all(|shape| shape.size() == self.columns) =>
            {
                Ok(*x)
            }
            _ => Err(format!(
                "cannot normalize {inputs:?} in {} columns",
                self.columns
            )),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            scratch: self.groups == Groups::Rows,
            ..Needs::default()
        }
    }

    fn scratch(&self, _inputs: &[Shape], output: Shape) -> usize {
        let rows = output.size() / self.columns.max(1);
        let (kept, wide) = match self.groups {
            Groups::Rows => (2 * rows, 2 + 4 * rows.div_ceil(self.rows_a_piece(rows))),
            Groups::Columns => (0, 2 * FACTORS),
        };
        kept + (1 + wide) * self.columns
    }

    fn differentiable(&self, input: usize) -> bool {
        self.groups == Groups::Rows || input != 1
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        let x = run.input(0);
        let rows = x.len() / self.columns.max(1);
        let (kept, scratch) = match self.groups {
            Groups::Rows => scratch.split_at_mut(2 * rows),
            Groups::Columns => (&mut [][..], scratch),
        };
        let (ones, rest) = scratch.split_at_mut(self.columns);
        let (zeros, factors) = rest.split_at_mut(self.columns);
        let weights = (self.gamma(run, ones), self.beta(run, zeros));
        match self.groups {
            Groups::Rows => self.rows_forward(x, weights, output, kept),
            Groups::Columns => {
                let stats = self.stats(run.input(1));
                let factors = &mut factors[..self.columns];
                self.columns_forward(x, stats, weights, output, factors);
            }
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]) {
        let both = (run.input(0), run.gradient());
        let (ones, space) = scratch.split_at_mut(self.columns);
        let gamma = self.gamma(&run.forward, ones);
        // The gradients of `gamma` and `beta` are sums that come along with those for `x`.
        let columns = self.columns;
        let (of_gamma, of_beta) = match self.groups {
            Groups::Rows => (0..columns, columns..2 * columns),
            Groups::Columns => (4 * columns..5 * columns, 5 * columns..6 * columns),
        };
        match self.groups {
            Groups::Rows if run.first => {
                let dx = if input == 0 { &mut *gradient } else { &mut [] };
                self.rows_back(both, self.stats(run.kept()), gamma, dx, space);
            }
            Groups::Columns => {
                let stats = self.stats(run.input(1));
                if run.first {
                    self.columns_sums(both, stats, gamma, space);
                }
                if input == 0 {
                    self.columns_back(both, stats, space, gradient);
                }
            }
            Groups::Rows => {}
        }
        match input {
            0 => {}
            _ if self.is_gamma(input) => gradient.copy_from_slice(&space[of_gamma]),
            _ => gradient.copy_from_slice(&space[of_beta]),
        }
    }
}
