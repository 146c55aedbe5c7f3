//! An optimizer of one's own: the formula. Clipping, decay, averages and schedules come with it.

use horn::optimizers::{self, Settings, Step, pass};
use horn::prelude::*;

/// The sign of the gradient: `w <- w - rate sign(g)`. Momentum would take a slot.
#[derive(Debug, Clone)]
struct Signs(Settings);

impl Optimizer for Signs {
    fn class_name(&self) -> &str {
        "Signs"
    }
    fn settings(&self) -> &Settings {
        &self.0
    }
    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.0
    }
    fn update(&self, step: &Step, w: &mut [f32], g: &[f32], _slots: &mut [&mut [f32]]) {
        let rate = step.learning_rate;
        pass(w, g, [], move |w, g, []| (w - rate * g.signum(), []));
    }
}

fn main() -> Result<()> {
    optimizers::register("Signs", |_| Ok(Signs(Settings::new(0.01))))?;
    let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    let signs = optimizers::get("Signs")?;
    model.compile(Compile::new(signs, MeanSquaredError::new()))?;
    let x = Array2::from_shape_fn((64, 1), |(i, _)| (i as f32).sin());
    let history = model.fit(&x, &(&x * 0.5), Fit::new().epochs(100).verbose(0))?;
    println!("{history}");
    Ok(())
}
