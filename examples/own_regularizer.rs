//! A regularizer of one's own: one number for a weight, written in ops.

use horn::prelude::*;
use horn::regularizers::{self, Regularizer};
use serde_json::{Value as Json, json};

/// Neighbouring rows of a kernel should be alike: the squares of their differences.
#[derive(Debug, Clone)]
struct Smooth(f32);

impl Regularizer for Smooth {
    fn call(&self, x: &Value) -> Value {
        let rows = x.dim(0);
        let difference = x.slice(0, 1..rows) - x.slice(0, 0..rows - 1);
        difference.square().sum(..) * self.0
    }
    fn class_name(&self) -> &str {
        "Smooth"
    }
    fn config(&self) -> Json {
        json!({ "factor": self.0 })
    }
}

fn main() -> Result<()> {
    regularizers::register("Smooth", |json| {
        Ok(Smooth(json["factor"].as_f64().unwrap_or(0.01) as f32))
    })?;
    let x = Array2::from_shape_fn((40, 20), |(i, j)| ((i * j) as f32 * 0.37).sin());
    let y = x.column(7).to_owned();
    for factor in [0.0, 1.0] {
        let mut model = Sequential::new().seed(1).add(
            Dense::new(1)
                .input_dim(20)
                .kernel_regularizer(Smooth(factor)),
        );
        model.compile(Compile::new(
            Adam::new().learning_rate(0.01),
            MeanSquaredError::new(),
        ))?;
        model.fit(&x, &y, Fit::new().epochs(200).verbose(0))?;
        let kernel = model.get_weights()[0].clone();
        let steps = kernel
            .iter()
            .zip(kernel.iter().skip(1))
            .map(|(a, b)| (a - b).abs());
        println!(
            "factor {factor}: neighbours differ by {:.3} at most",
            steps.fold(0.0, f32::max)
        );
    }
    Ok(())
}
