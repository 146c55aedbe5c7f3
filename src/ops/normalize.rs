//! Numbers in units of the mean and the deviation of their group, scaled and shifted.

use super::groups::{Groups, Sums, WIDE, column_sums, each_row, row_sum};
use super::{Backward, Forward, Needs, Operation};
use crate::shape::Shape;

/// `y = gamma x̂ + beta`, `x̂ = (x - mean) / √(variance + epsilon)`, of the inputs `x`, the
/// [`Moments`](super::moments::Moments), and `gamma` and `beta` where there are such, one number a
/// column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Normalize {
    pub(crate) groups: Groups,
    pub(crate) columns: usize,
    pub(crate) epsilon: f32,
    pub(crate) centered: bool,
    pub(crate) scale: bool,
    pub(crate) center: bool,
    /// Whether the moments are those of `x`, so that its gradient flows through them, too.
    pub(crate) through: bool,
}

/// The numbers for each column that the gradient of `x` needs beside the moments: what `dy` is
/// multiplied with, what `x - mean` is, and what is subtracted, in two parts.
const FACTORS: usize = 4;

/// The moments of the groups of a matrix.
#[derive(Clone, Copy)]
struct Stats<'a> {
    groups: Groups,
    moments: &'a [f32],
    columns: usize,
    epsilon: f32,
}

impl<'a> Stats<'a> {
    /// The mean of a row, and `1 / √(variance + epsilon)`.
    #[inline(always)]
    fn of_row(&self, row: usize) -> (f32, f32) {
        let pair = &self.moments[2 * row..][..2];
        (pair[0], 1.0 / (pair[1] + self.epsilon).sqrt())
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
            groups: self.groups,
            moments,
            columns: self.columns,
            epsilon: self.epsilon,
        }
    }

    /// `gamma`, or ones in `space`.
    fn gamma<'a>(&self, run: &Forward<'a>, space: &'a mut [f32]) -> &'a [f32] {
        match self.scale {
            true => run.input(2),
            false => {
                space.fill(1.0);
                space
            }
        }
    }

    /// `beta`, or zeros in `space`.
    fn beta<'a>(&self, run: &Forward<'a>, space: &'a mut [f32]) -> &'a [f32] {
        match self.center {
            true => run.input(2 + usize::from(self.scale)),
            false => {
                space.fill(0.0);
                space
            }
        }
    }

    /// Whether an input is `gamma`; else it is `beta`.
    fn is_gamma(&self, input: usize) -> bool {
        self.scale && input == 2
    }

    fn rows_forward(
        &self,
        x: &[f32],
        stats: Stats,
        (gamma, beta): (&[f32], &[f32]),
        y: &mut [f32],
    ) {
        let columns = self.columns;
        let (gamma, beta) = (&gamma[..columns], &beta[..columns]);
        each_row(
            columns,
            y,
            #[inline(always)]
            |i, out| {
                let x = &x[i * columns..][..columns];
                let (mean, factor) = stats.of_row(i);
                for (((y, x), gamma), beta) in out.iter_mut().zip(x).zip(gamma).zip(beta) {
                    *y = (x - mean) * factor * gamma + beta;
                }
            },
        );
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
                let beside = factors.iter().zip(means).zip(beta);
                for ((y, x), ((factor, mean), beta)) in out.iter_mut().zip(x).zip(beside) {
                    *y = (x - mean) * factor + beta;
                }
            },
        );
    }

    /// The gradient of `x`, where the groups are rows.
    fn rows_back(&self, (x, dy): (&[f32], &[f32]), stats: Stats, gamma: &[f32], dx: &mut [f32]) {
        let columns = self.columns;
        let (through, centered) = (self.through, self.centered);
        let (n, gamma) = (columns as f32, &gamma[..columns]);
        each_row(
            columns,
            dx,
            #[inline(always)]
            |i, dx| {
                let x = &x[i * columns..][..columns];
                let dy = &dy[i * columns..][..columns];
                let (mean, factor) = stats.of_row(i);
                let (mut straight, mut along) = (0.0, 0.0);
                if through {
                    if centered {
                        straight = row_sum(columns, |j| dy[j] * gamma[j]) / n;
                    }
                    along = row_sum(columns, |j| dy[j] * gamma[j] * ((x[j] - mean) * factor)) / n;
                }
                for (((dx, x), dy), gamma) in dx.iter_mut().zip(x).zip(dy).zip(gamma) {
                    let hat = (x - mean) * factor;
                    *dx = factor * (dy * gamma - straight - hat * along);
                }
            },
        );
    }

    /// The gradient of `x`, where the groups are columns: `s dy - k (x - mean) - c`, with `c` such
    /// that each column's sum is 0, as it is without rounding. (A bias before batch normalization
    /// has a gradient of 0, and an optimizer such as Adam makes steps of what rounding leaves of it.)
    fn columns_back(
        &self,
        (x, dy): (&[f32], &[f32]),
        stats: Stats,
        gamma: &[f32],
        dx: &mut [f32],
        scratch: &mut [f32],
    ) {
        let columns = self.columns;
        let rows = x.len() / columns.max(1);
        let n = rows as f64;
        let (through, centered) = (self.through, self.centered);
        let means = stats.means();
        let summed = if through { rows } else { 0 };
        column_sums(
            (summed, columns, FACTORS),
            scratch,
            #[inline(always)]
            |row, from, length, [straight, along, off]| {
                let means = &means[from..][..length];
                let x = &x[row * columns + from..][..length];
                let dy = &dy[row * columns + from..][..length];
                let sums = straight.iter_mut().zip(along).zip(off);
                for ((((straight, along), off), mean), (x, dy)) in
                    sums.zip(means).zip(x.iter().zip(dy))
                {
                    let (dy, d) = (f64::from(*dy), f64::from(x - mean));
                    *straight += dy;
                    *along += dy * d;
                    *off += d;
                }
            },
            |from, [straight, along, off], out| {
                let length = out.len() / FACTORS;
                for j in 0..length {
                    let factor = stats.factor(from + j);
                    let s = gamma[from + j] * factor;
                    let k = f64::from(s * factor * factor) * along[j] / n;
                    let c = match centered {
                        true => (f64::from(s) * straight[j] - f64::from(k as f32) * off[j]) / n,
                        false => 0.0,
                    };
                    let high = c as f32;
                    let low = (c - f64::from(high)) as f32;
                    for (row, value) in [s, k as f32, high, low].into_iter().enumerate() {
                        out[row * length + j] = value;
                    }
                }
            },
        );
        let scratch = &*scratch;
        each_row(
            columns,
            dx,
            #[inline(always)]
            |i, dx| {
                let blocks = dx.chunks_mut(WIDE).zip(scratch.chunks(FACTORS * WIDE));
                for (block, (dx, factors)) in blocks.enumerate() {
                    let length = dx.len();
                    let means = &means[block * WIDE..][..length];
                    let x = &x[i * columns + block * WIDE..][..length];
                    let dy = &dy[i * columns + block * WIDE..][..length];
                    let (s, rest) = factors.split_at(length);
                    let (k, c) = rest.split_at(length);
                    let (high, low) = c.split_at(length);
                    for j in 0..length {
                        let straight = dy[j].mul_add(s[j], -high[j]);
                        dx[j] = straight - (x[j] - means[j]).mul_add(k[j], low[j]);
                    }
                }
            },
        );
    }

    /// The gradient of `gamma`: the sum of `dy x̂` over each column.
    fn gamma_back(&self, (x, dy): (&[f32], &[f32]), stats: Stats, out: &mut [f32]) {
        let columns = self.columns;
        let rows = x.len() / columns.max(1);
        let by_rows = stats.groups == Groups::Rows;
        column_sums(
            (rows, columns, 1),
            out,
            #[inline(always)]
            |row, from, length, [sums]| {
                let x = &x[row * columns + from..][..length];
                let dy = &dy[row * columns + from..][..length];
                if by_rows {
                    let (mean, factor) = stats.of_row(row);
                    for ((sum, x), dy) in sums.iter_mut().zip(x).zip(dy) {
                        *sum += f64::from(dy * ((x - mean) * factor));
                    }
                } else {
                    let means = &stats.means()[from..][..length];
                    for (((sum, x), dy), mean) in sums.iter_mut().zip(x).zip(dy).zip(means) {
                        *sum += f64::from(dy * (x - mean));
                    }
                }
            },
            |from, [sums], out| {
                for (j, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
                    *out = match by_rows {
                        true => *sum as f32,
                        false => (*sum * f64::from(stats.factor(from + j))) as f32,
                    };
                }
            },
        );
    }

    /// The gradient of `beta`: the sum of `dy` over each column.
    fn beta_back(&self, dy: &[f32], out: &mut [f32]) {
        let columns = self.columns;
        column_sums(
            (dy.len() / columns.max(1), columns, 1),
            out,
            #[inline(always)]
            |row, from, length, [sums]: &mut [Sums; 1]| {
                let dy = &dy[row * columns + from..][..length];
                for (sum, dy) in sums.iter_mut().zip(dy) {
                    *sum += f64::from(*dy);
                }
            },
            |_, [sums], out| {
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = *sum as f32;
                }
            },
        );
    }
}

impl Operation for Normalize {
    fn name(&self) -> &str {
        "normalize"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let wanted = 2 + usize::from(self.scale) + usize::from(self.center);
        match inputs {
            [x, _, rest @ ..]
                if inputs.len() == wanted
                    && self.columns > 0
                    && x.size() % self.columns == 0
                    && rest.iter().all(|shape| shape.size() == self.columns) =>
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
            ..Needs::default()
        }
    }

    fn scratch(&self, _inputs: &[Shape], _output: Shape) -> usize {
        (FACTORS + 1) * self.columns
    }

    fn differentiable(&self, input: usize) -> bool {
        input != 1
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        let stats = self.stats(run.input(1));
        let (ones, rest) = scratch.split_at_mut(self.columns);
        let (zeros, factors) = rest.split_at_mut(self.columns);
        let weights = (self.gamma(run, ones), self.beta(run, zeros));
        let factors = &mut factors[..self.columns];
        match self.groups {
            Groups::Rows => self.rows_forward(run.input(0), stats, weights, output),
            Groups::Columns => {
                self.columns_forward(run.input(0), stats, weights, output, factors);
            }
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]) {
        let both = (run.input(0), run.gradient());
        let stats = self.stats(run.input(1));
        let (ones, rest) = scratch.split_at_mut(self.columns);
        if input == 0 {
            let gamma = self.gamma(&run.forward, ones);
            match self.groups {
                Groups::Rows => self.rows_back(both, stats, gamma, gradient),
                Groups::Columns => self.columns_back(both, stats, gamma, gradient, rest),
            }
        } else if self.is_gamma(input) {
            self.gamma_back(both, stats, gradient);
        } else {
            self.beta_back(run.gradient(), gradient);
        }
    }
}
