//! An optimizer of one's own: the formula alone. Clipping, decay, averages and schedules come with it.

use horn::optimizers::{self, Settings, Step, pass};
use horn::prelude::*;

/// Adds up signs: `m <- 0.9 m + 0.1 sign(g)`, `w <- w - rate m`.
#[derive(Debug, Clone)]
struct SignMomentum(Settings);

impl Optimizer for SignMomentum {
    fn class_name(&self) -> &str {
        "SignMomentum"
    }
    fn settings(&self) -> &Settings {
        &self.0
    }
    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.0
    }
    fn slots(&self) -> usize {
        1
    }
    fn update(&self, step: &Step, w: &mut [f32], g: &[f32], slots: &mut [&mut [f32]]) {
        let ([m], rate) = (slots, step.learning_rate) else {
            return;
        };
        pass(w, g, [m], move |w, g, [m]| {
            let m = 0.9 * m + 0.1 * g.signum();
            (w - rate * m, [m])
        });
    }
}

fn main() -> Result<()> {
    optimizers::register("SignMomentum", |_| Ok(SignMomentum(Settings::new(0.01))))?;
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
    model.compile(Compile::new(
        optimizers::get("SignMomentum")?,
        MeanSquaredError::new(),
    ))?;
    let x = Array2::from_shape_fn((64, 2), |(i, j)| ((i * (j + 2)) as f32).sin());
    let y = x.map_axis(Axis(1), |row| 0.5 * row[0] - row[1]);
    let history = model.fit(&x, &y, Fit::new().epochs(100).verbose(0))?;
    println!("{history}");
    assert!(history["loss"][99] < 0.01);
    Ok(())
}
