//! Sparsemax over the last axis: the nearest point of the probability simplex.

use super::{Backward, Forward, Needs, Operation, only};
use crate::shape::Shape;

/// `max(x - tau, 0)` of each row (Martins and Astudillo, 2016).
///
/// With the row's values `z_1 >= z_2 >= ...`, their running sums `c_j`, and `k` the number of
/// values with `1 + j z_j > c_j`: exactly, `tau = (c_k - 1) / k`, and the row sums to 1. Keras
/// 3.15 has `tau = (c_1 + ... + c_k - 1) / k`, which differs where `k > 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sparsemax {
    pub(crate) exact: bool,
}

impl Sparsemax {
    /// How many values are in the support of a row, and its threshold.
    fn threshold(self, row: &[f32], sorted: &mut [f32]) -> (usize, f32) {
        sorted.copy_from_slice(row);
        // NaN comes last, and is never in the support.
        let nan_last = |a: &f32, b: &f32| a.is_nan().cmp(&b.is_nan());
        sorted.sort_unstable_by(|a, b| nan_last(a, b).then_with(|| b.total_cmp(a)));
        let (mut sum, mut sums, mut support) = (0.0, 0.0, 0);
        for (j, z) in sorted.iter().enumerate() {
            let next = sum + z;
            let supported = 1.0 + (j + 1) as f32 * z > next;
            if !supported {
                break;
            }
            sum = next;
            sums += sum;
            support = j + 1;
        }
        let total = if self.exact { sum } else { sums };
        // Where an infinity leaves no support, tau is -inf, as Keras has it.
        (support, (total - 1.0) / support as f32)
    }

    /// The slope of `tau` in the value at a place: how many of the sums hold it.
    fn slope(self, row: &[f32], place: usize, support: usize) -> f32 {
        let z = row[place];
        let before = |(i, other): (usize, &f32)| *other > z || (*other == z && i < place);
        let rank = row.iter().enumerate().filter(|pair| before(*pair)).count();
        let sums = match self.exact {
            true => usize::from(rank < support),
            false => support.saturating_sub(rank),
        };
        sums as f32 / support.max(1) as f32
    }
}

impl Operation for Sparsemax {
    fn name(&self) -> &str {
        "sparsemax"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("sparsemax", inputs)?;
        match input.rank() > 0 && input.last() > 0 {
            true => Ok(input),
            false => Err(format!("{input} has no numbers along its last axis")),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            output: true,
            scratch: false,
        }
    }

    fn scratch(&self, inputs: &[Shape], _output: Shape) -> usize {
        inputs.first().map_or(0, Shape::last)
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        let length = run.shape().last();
        let rows = run.input(0).chunks_exact(length);
        for (y, x) in output.chunks_exact_mut(length).zip(rows) {
            let (_, tau) = self.threshold(x, scratch);
            for (y, x) in y.iter_mut().zip(x) {
                let above = x - tau;
                *y = if above < 0.0 { 0.0 } else { above };
            }
        }
    }

    fn backward(&self, _: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]) {
        let length = run.shape().last();
        let rows = run.input(0).chunks_exact(length);
        let rows = rows.zip(run.output().chunks_exact(length));
        let rows = rows.zip(run.gradient().chunks_exact(length));
        for (dx, ((x, y), dy)) in gradient.chunks_exact_mut(length).zip(rows) {
            let (support, _) = self.threshold(x, scratch);
            let lit = dy.iter().zip(y).filter(|(_, y)| **y > 0.0);
            let pull: f32 = lit.map(|(dy, _)| dy).sum();
            for (place, dx) in dx.iter_mut().enumerate() {
                let own = if y[place] > 0.0 { dy[place] } else { 0.0 };
                *dx = match pull {
                    0.0 => own,
                    pull => own - pull * self.slope(x, place, support),
                };
            }
        }
    }
}
