//! A learning rate schedule of one's own: a function of the step.

use horn::optimizers::{Schedule, schedules};
use horn::prelude::*;
use serde_json::{Value as Json, json};

/// Up for `warmup` steps, then down as Noam does: `peak min(step / warmup, sqrt(warmup / step))`.
#[derive(Debug, Clone)]
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
        json!({ "peak": self.peak, "warmup": self.warmup })
    }
}

fn main() -> Result<()> {
    schedules::register("Noam", |json| {
        let number = |key: &str| json[key].as_f64().unwrap_or(1.0) as f32;
        Ok(Noam {
            peak: number("peak"),
            warmup: number("warmup"),
        })
    })?;
    let noam = Noam {
        peak: 0.1,
        warmup: 20.0,
    };
    assert_eq!(
        schedules::from_keras(&schedules::to_keras(&noam))?.rate(4),
        noam.rate(4)
    );
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    model.compile(Compile::new(
        Adam::new().learning_rate(noam),
        MeanSquaredError::new(),
    ))?;
    let x = Array2::from_shape_fn((64, 1), |(i, _)| i as f32 / 64.0);
    let history = model.fit(&x, &(&x * 3.0), Fit::new().epochs(100).verbose(0))?;
    println!("{history}");
    Ok(())
}
