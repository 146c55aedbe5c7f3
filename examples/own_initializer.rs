//! An initializer of one's own: numbers for a shape, from the stream that the model's seed gives.

use horn::initializers;
use horn::prelude::*;
use horn::random::{self, Rng};

/// Few weights that are not 0: each with a chance of one in ten.
#[derive(Debug, Clone)]
struct Sparse;

impl Initializer for Sparse {
    fn class_name(&self) -> &str {
        "Sparse"
    }
    fn fill(&self, shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        let inputs = shape.first().copied().unwrap_or(1) as f32;
        for weight in out {
            let (chance, value) = (random::uniform(rng), random::uniform(rng));
            *weight = if chance < 0.1 {
                (2.0 * value - 1.0) * (30.0 / inputs).sqrt()
            } else {
                0.0
            };
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    initializers::register("Sparse", |_| Ok(Sparse))?;
    let sparse = initializers::get("Sparse")?;
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(200).input_dim(50).kernel_initializer(sparse))
        .add(Dense::new(1));
    model.build()?;
    let kernel = &model.get_weights()[0];
    let share = kernel.iter().filter(|weight| **weight != 0.0).count() as f32 / kernel.len() as f32;
    println!("{share:.3} of the weights are not 0");
    assert!((share - 0.1).abs() < 0.02);
    Ok(())
}
