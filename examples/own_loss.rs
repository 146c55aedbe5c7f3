//! A loss of one's own: a closure, or a type where it has settings. The gradient comes by itself.

use horn::losses;
use horn::prelude::*;
use serde_json::{Value as Json, json};

/// Errors below are `factor` times as dear as errors above.
#[derive(Debug, Clone)]
struct Lopsided(f32);

impl Loss for Lopsided {
    fn name(&self) -> &str {
        "lopsided"
    }
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        let error = y_true - y_pred;
        (error.greater(0.0).select(&error * self.0, -&error)).mean(-1)
    }
    fn config(&self) -> Json {
        json!({ "factor": self.0 })
    }
}

fn main() -> Result<()> {
    let factor = |json: &Json| json["factor"].as_f64().unwrap_or(9.0) as f32;
    losses::register("lopsided", move |json| Ok(Lopsided(factor(json))))?;
    let same = loss_fn("same", |t, p| ((t - p) * 9.0).maximum(p - t).mean(-1));
    let x = Array2::<f32>::zeros((200, 1));
    let y = Array1::linspace(0.0_f32, 1.0, 200);
    for loss in [losses::get("lopsided")?, std::sync::Arc::new(same)] {
        let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
        model.compile(Compile::new(Adam::new().learning_rate(0.05), loss))?;
        model.fit(&x, &y, Fit::new().epochs(100).verbose(0))?;
        println!("nine in ten are below {:.2}", model.predict(&x)?[[0, 0]]);
    }
    Ok(())
}
