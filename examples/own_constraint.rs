//! A constraint of one's own: what a weight is put back into after each update.

use horn::constraints::{self, Constraint};
use horn::prelude::*;

/// Weights that are at least 0 and sum to 1: shares.
#[derive(Debug, Clone)]
struct Shares;

impl Constraint for Shares {
    fn apply(&self, weights: &mut [f32], _shape: &[usize]) {
        weights.iter_mut().for_each(|w| *w = w.max(1e-6));
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
    }
    fn class_name(&self) -> &str {
        "Shares"
    }
}

fn main() -> Result<()> {
    constraints::register("Shares", |_| Ok(Shares))?;
    let dense = Dense::new(1).input_dim(3).use_bias(false);
    let dense = dense.kernel_constraint(constraints::get("Shares")?);
    let mut model = Sequential::new().add(dense);
    let adam = Adam::new().learning_rate(0.05);
    model.compile(Compile::new(adam, MeanSquaredError::new()))?;
    let x = Array2::from_shape_fn((60, 3), |(i, j)| ((i * (j + 2)) as f32).sin());
    let y = x.map_axis(Axis(1), |row| 0.2 * row[0] + 0.8 * row[2]);
    model.fit(&x, &y, Fit::new().epochs(200).verbose(0))?;
    println!("{:.3}", model.get_weights()[0]);
    Ok(())
}
