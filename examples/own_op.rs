//! An op of one's own, with a gradient by hand: for kernels that no row of other ops can be.

use horn::graph::Shape;
use horn::ops::{Backward, Forward, Operation};
use horn::prelude::*;

/// Running sums along a row: `y[i] = x[0] + ... + x[i]`.
#[derive(Debug)]
struct CumulativeSum;

impl Operation for CumulativeSum {
    fn name(&self) -> &str {
        "cumulative_sum"
    }
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        inputs.first().copied().ok_or("takes one input".into())
    }
    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let width = run.shape().dims().last().copied().unwrap_or(1);
        for (y, x) in output.chunks_mut(width).zip(run.input(0).chunks(width)) {
            let mut sum = 0.0;
            y.iter_mut().zip(x).for_each(|(y, x)| {
                sum += x;
                *y = sum
            });
        }
    }
    fn backward(&self, _: usize, run: &Backward, gradient: &mut [f32], _scratch: &mut [f32]) {
        let width = run.shape().dims().last().copied().unwrap_or(1);
        for (dx, dy) in gradient.chunks_mut(width).zip(run.gradient().chunks(width)) {
            let mut sum = 0.0;
            dx.iter_mut().zip(dy).rev().for_each(|(dx, dy)| {
                sum += dy;
                *dx = sum
            });
        }
    }
}

fn main() -> Result<()> {
    let sums = activation_fn("sums", |x| x.custom(CumulativeSum, &[]));
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(8).input_dim(3).activation(sums));
    model.compile(Compile::new(
        Adam::new().learning_rate(0.01),
        MeanSquaredError::new(),
    ))?;
    let x = Array2::from_shape_fn((64, 3), |(i, j)| ((i * (j + 2)) as f32).sin());
    let y = Array2::from_shape_fn((64, 8), |(i, j)| x[[i, 0]] * (j + 1) as f32);
    let history = model.fit(&x, &y, Fit::new().epochs(300).verbose(0))?;
    println!("{history}");
    assert!(history["loss"][299] < 0.05);
    Ok(())
}
