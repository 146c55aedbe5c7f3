//! A learning rate schedule of one's own: a function of the step.

use horn::optimizers::{Schedule, schedules};
use horn::prelude::*;
use horn::saving::config;
use serde_json::{Value as Json, json};

/// Up for `warmup` steps, then down: `peak min(step / warmup, sqrt(warmup / step))`.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Noam {
    peak: f32,
    warmup: f32,
}

impl Schedule for Noam {
    fn rate(&self, step: u64) -> f32 {
        let step = (step + 1) as f32;
        self.peak * (step / self.warmup).min((self.warmup / step).sqrt())
    }
    fn class_name(&self) -> &str {
        "Noam"
    }
    fn config(&self) -> Json {
        json!(self)
    }
}

fn main() -> Result<()> {
    schedules::register("Noam", |json| config::read::<Noam>("Noam", json))?;
    let (peak, warmup) = (0.1, 20.0);
    let noam = schedules::from_keras(&schedules::to_keras(&Noam { peak, warmup }))?;
    println!("{:?}", [0, 9, 19, 79].map(|step| noam.rate(step)));
    let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    let adam = Adam::new().learning_rate(noam);
    model.compile(Compile::new(adam, MeanSquaredError::new()))?;
    let history = model.fit(&array![[1.0]], &array![3.0], Fit::new().epochs(80))?;
    println!("{history}");
    Ok(())
}
