//! A regularizer of one's own: one number for a weight, written in ops.

use horn::prelude::*;
use horn::regularizers::{self, Regularizer};
use serde_json::json;

/// Neighbouring rows of a kernel should be alike.
#[derive(Debug, Clone)]
struct Smooth(f32);

impl Regularizer for Smooth {
    fn call(&self, x: &Value) -> Value {
        let rows = x.dim(0);
        (x.slice(0, 1..rows) - x.slice(0, 0..rows - 1))
            .square()
            .sum(..)
            * self.0
    }
    fn class_name(&self) -> &str {
        "Smooth"
    }
    fn config(&self) -> serde_json::Value {
        json!({ "factor": self.0 })
    }
}

fn main() -> Result<()> {
    let factor = |json: &serde_json::Value| json["factor"].as_f64().unwrap_or(0.1);
    regularizers::register("Smooth", move |json| Ok(Smooth(factor(json) as f32)))?;
    let x = Array2::from_shape_fn((40, 20), |(i, j)| ((i * j) as f32 * 0.37).sin());
    for strength in [0.0, 1.0] {
        let dense = Dense::new(1).input_dim(20);
        let mut model = Sequential::new().add(dense.kernel_regularizer(Smooth(strength)));
        model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
        model.fit(&x, &x.column(7), Fit::new().epochs(500).verbose(0))?;
        println!("{strength}: {:.2}", model.get_weights()[0].t());
    }
    Ok(())
}
