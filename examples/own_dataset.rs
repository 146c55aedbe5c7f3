//! A dataset of one's own: `begin` goes to the first row, `read` gives the next ones.

use horn::data::dataset::{Batch, Dataset, Pass};
use horn::prelude::*;
use horn::random::{self, Rng};

/// Points in two noisy moons: without an end, and the same for the same seed.
struct Moons(Rng);

impl Dataset for Moons {
    fn begin(&mut self, pass: Pass) -> Result<()> {
        self.0 = pass.rng("moons");
        Ok(())
    }
    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        for _ in 0..rows {
            let [a, b, c, d] = std::array::from_fn(|_| random::uniform(&mut self.0));
            let (sin, cos) = (std::f32::consts::PI * a).sin_cos();
            let (x, y) = [(cos, sin), (1.0 - cos, 0.5 - sin)][usize::from(b < 0.5)];
            batch.push(([x + 0.2 * c, y + 0.2 * d], f32::from(b < 0.5)))?;
        }
        Ok(rows)
    }
}

fn main() -> Result<()> {
    let moons = || Moons(Pass::new(0, 0).rng("moons")).take(500);
    let hidden = Dense::new(32).input_dim(2).activation(Relu);
    let output = Dense::new(1).activation(Sigmoid);
    let mut model = Sequential::new().seed(1).add(hidden).add(output);
    let compile = Compile::new(Adam::new().learning_rate(0.02), BinaryCrossentropy::new());
    model.compile(compile.metric(Accuracy))?;
    model.fit_dataset(moons().prefetch(2), Fit::new().epochs(30).verbose(0))?;
    println!("{}", model.evaluate_dataset(moons(), Evaluate::new())?);
    Ok(())
}
