//! An activation of one's own: a closure, or a type where it has settings.

use horn::activations;
use horn::prelude::*;
use serde_json::{Value as Json, json};

/// `x / (1 + |x|)^power`, smooth and without a bound for a power below 1.
#[derive(Debug, Clone)]
struct SoftRoot(f32);

impl activations::Activation for SoftRoot {
    fn name(&self) -> &str {
        "soft_root"
    }
    fn call(&self, x: &Value) -> Value {
        x / (x.abs() + 1.0).pow(self.0)
    }
    fn config(&self) -> Json {
        json!({ "power": self.0 })
    }
}

fn main() -> Result<()> {
    let power = |json: &Json| json["power"].as_f64().unwrap_or(0.5) as f32;
    activations::register("soft_root", move |json| Ok(SoftRoot(power(json))))?;
    let soft_root = activations::get("soft_root")?;
    let ripple = activation_fn("ripple", |x| x + x.sin().square());
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(16).input_dim(1).activation(soft_root))
        .add(Dense::new(16).activation(ripple))
        .add(Dense::new(1));
    let adam = Adam::new().learning_rate(0.01);
    model.compile(Compile::new(adam, MeanSquaredError::new()))?;
    let x = Array2::from_shape_fn((64, 1), |(i, _)| i as f32 / 8.0 - 4.0);
    let history = model.fit(&x, &x.mapv(f32::cos), Fit::new().epochs(300).verbose(0))?;
    println!("{history}");
    Ok(())
}
