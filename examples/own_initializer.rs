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
        let limit = (30.0 / shape.first().copied().unwrap_or(1) as f32).sqrt();
        for weight in out {
            let (chance, value) = (random::uniform(rng), random::uniform(rng));
            *weight = f32::from(chance < 0.1) * (2.0 * value - 1.0) * limit;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    initializers::register("Sparse", |_| Ok(Sparse))?;
    let dense = Dense::new(200).input_dim(50);
    let dense = dense.kernel_initializer(initializers::get("Sparse")?);
    let mut model = Sequential::new().seed(1).add(dense);
    model.build()?;
    let kernel = &model.get_weights()[0];
    let count = kernel.iter().filter(|weight| **weight != 0.0).count();
    println!("{count} of {} weights are not 0", kernel.len());
    Ok(())
}
