//! A layer of one's own: it adds to its inputs what a dense layer makes of them, times a weight.

use horn::layers;
use horn::prelude::*;
use horn::saving::config;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Residual {
    units: usize,
}

impl Layer for Residual {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let gate = scope.weight("gate", [self.units], &Ones);
        x + gate * scope.layer(&Dense::new(self.units).activation(Relu), x)
    }
    fn config(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

fn main() -> Result<()> {
    // So that configurations and files find it again.
    layers::register("Residual", |json| {
        config::read::<Residual>("Residual", json)
    })?;
    let written = layers::to_keras(&Residual { units: 4 });
    let input = Input::new([4]);
    let layer = layers::from_keras(&written)?;
    let mut model = Sequential::new().add(input).add(layer).add(Dense::new(1));
    let adam = Adam::new().learning_rate(0.01);
    model.compile(Compile::new(adam, MeanSquaredError::new()))?;
    let x = Array2::from_shape_fn((100, 4), |(i, j)| ((i * (j + 3)) as f32 * 0.7).sin());
    let y = x.map_axis(Axis(1), |row| (row[0] * row[1]).max(0.0));
    let history = model.fit(&x, &y, Fit::new().epochs(100).verbose(0))?;
    println!("{written}\n{}\n{history}", model.summary());
    Ok(())
}
