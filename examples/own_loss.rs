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
    losses::register("lopsided", |json| {
        Ok(Lopsided(json["factor"].as_f64().unwrap_or(9.0) as f32))
    })?;
    let same = loss_fn("pinball", |t, p| {
        let error = t - p;
        (&error * 9.0).maximum(-error).mean(-1)
    });
    let x = Array2::<f32>::zeros((200, 1));
    let y = Array1::from_shape_fn(200, |i| i as f32 / 200.0);
    for loss in [losses::get("lopsided")?, std::sync::Arc::new(same)] {
        let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
        model.compile(Compile::new(Adam::new().learning_rate(0.05), loss))?;
        model.fit(&x, &y, Fit::new().epochs(100).verbose(0))?;
        let quantile = model.predict(&x)?[[0, 0]];
        println!("nine in ten are below {quantile:.2}");
        assert!((quantile - 0.9).abs() < 0.1);
    }
    Ok(())
}
