//! An op of one's own, with a gradient by hand: for kernels that no row of other ops can be.

use horn::graph::Shape;
use horn::ops::{Backward, Forward, Operation};
use horn::prelude::*;

/// The elements of all rows, in the other direction.
#[derive(Debug)]
struct Reverse;

impl Operation for Reverse {
    fn name(&self) -> &str {
        "reverse"
    }
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        inputs.first().copied().ok_or("takes one input".into())
    }
    fn forward(&self, run: &Forward, y: &mut [f32], _scratch: &mut [f32]) {
        let x = run.input(0).iter().rev();
        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
    }
    fn backward(&self, _input: usize, run: &Backward, dx: &mut [f32], _scratch: &mut [f32]) {
        let dy = run.gradient().iter().rev();
        dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = *dy);
    }
}

fn main() -> Result<()> {
    let reverse = activation_fn("reverse", |x| x.custom(Reverse, &[]));
    let mut model = Sequential::new().seed(1);
    model.push(Dense::new(2).input_dim(2).activation(reverse));
    model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    let (x, y) = (
        array![[1.0, 2.0], [3.0, 5.0]],
        array![[5.0, 3.0], [2.0, 1.0]],
    );
    let fit = Fit::new().epochs(500).shuffle(false).verbose(0);
    println!("{}", model.fit(&x, &y, fit)?);
    Ok(())
}
