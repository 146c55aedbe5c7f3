//! Sparsemax over the last axis: the nearest point of the probability simplex.

use super::{Backward, Forward, Needs, Operation, only};
use crate::shape::Shape;

/// `max(x - tau, 0)`, where `tau` makes each row sum to 1 (Martins and Astudillo, 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sparsemax;

/// The threshold of a row: the largest `k` with `1 + k z_k > sum of the k largest` fixes it.
fn threshold(row: &[f32], sorted: &mut [f32]) -> f32 {
    sorted.copy_from_slice(row);
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut tau) = (0.0, 0.0);
    for (i, z) in sorted.iter().enumerate() {
        sum += z;
        let k = (i + 1) as f32;
        if 1.0 + k * z > sum {
            tau = (sum - 1.0) / k;
        }
    }
    tau
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
            output: true,
            ..Needs::default()
        }
    }

    fn scratch(&self, inputs: &[Shape], _output: Shape) -> usize {
        inputs.first().map_or(0, Shape::last)
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        let length = run.shape().last();
        let rows = run.input(0).chunks_exact(length);
        for (y, x) in output.chunks_exact_mut(length).zip(rows) {
            let tau = threshold(x, scratch);
            for (y, x) in y.iter_mut().zip(x) {
                *y = (x - tau).max(0.0);
            }
        }
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let length = run.shape().last();
        let rows = run.gradient().chunks_exact(length);
        let outputs = run.output().chunks_exact(length);
        for ((dx, dy), y) in gradient.chunks_exact_mut(length).zip(rows).zip(outputs) {
            let support = || dy.iter().zip(y).filter(|(_, y)| **y > 0.0);
            let mean = support().map(|(d, _)| d).sum::<f32>() / support().count().max(1) as f32;
            for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
                *dx = if *y > 0.0 { dy - mean } else { 0.0 };
            }
        }
    }
}
