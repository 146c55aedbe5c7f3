//! A dataset of one's own: `begin` goes to the first row, `read` gives the next ones.

use horn::data::dataset::{Batch, Dataset, Length, Pass};
use horn::prelude::*;
use horn::random::{self, Rng};

/// Two noisy moons, drawn anew in each epoch, the same for the same seed.
struct Moons {
    rows: usize,
    rng: Rng,
    read: usize,
}

impl Dataset for Moons {
    fn length(&self) -> Length {
        Length::Known(self.rows)
    }
    fn begin(&mut self, pass: Pass) -> Result<()> {
        (self.rng, self.read) = (pass.rng("moons"), 0);
        Ok(())
    }
    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let rows = rows.min(self.rows - self.read);
        for _ in 0..rows {
            let [a, b, c, d] = std::array::from_fn(|_| random::uniform(&mut self.rng));
            let (sin, cos) = (std::f32::consts::PI * a).sin_cos();
            let (x, y) = if b < 0.5 {
                (cos, sin)
            } else {
                (1.0 - cos, 0.5 - sin)
            };
            batch.push(([x + 0.2 * c, y + 0.2 * d], f32::from(b < 0.5)))?;
        }
        self.read += rows;
        Ok(rows)
    }
}

fn main() -> Result<()> {
    let moons = || Moons {
        rows: 500,
        rng: Pass::new(0, 0).rng("moons"),
        read: 0,
    };
    let hidden = Dense::new(32).input_dim(2).activation(Relu);
    let mut model = Sequential::new()
        .seed(1)
        .add(hidden)
        .add(Dense::new(1).activation(Sigmoid));
    let adam = Adam::new().learning_rate(0.02);
    model.compile(Compile::new(adam, BinaryCrossentropy::new()).metric(Accuracy))?;
    model.fit_dataset(moons().prefetch(2), Fit::new().epochs(30).verbose(0))?;
    let scores = model.evaluate_dataset(moons(), Evaluate::new())?;
    println!("{scores}");
    assert!(scores["accuracy"] > 0.95);
    Ok(())
}
