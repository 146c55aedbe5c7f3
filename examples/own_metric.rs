//! A metric of one's own: the share of predictions within 10 % of the target.

use horn::metrics::{self, Batch, RunningMean};
use horn::prelude::*;

#[derive(Debug, Clone, Default)]
struct Close(RunningMean);

impl Metric for Close {
    fn name(&self) -> &str {
        "close"
    }
    fn class_name(&self) -> &str {
        "Close"
    }
    fn update(&mut self, batch: &Batch) -> Result<()> {
        let (t, p) = (batch.y_true, batch.y_pred);
        let close = |i: usize| f32::from((t[i] - p[i]).abs() <= 0.1 * t[i].abs());
        self.0.add(batch, t.len().min(p.len()), close)
    }
    fn result(&self) -> f32 {
        self.0.result()
    }
    fn state(&self) -> &[f64] {
        self.0.state()
    }
    fn state_mut(&mut self) -> &mut [f64] {
        self.0.state_mut()
    }
}

fn main() -> Result<()> {
    metrics::register("Close", |_| Ok(Close::default()))?;
    let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    let compile = Compile::new(Adam::new().learning_rate(0.1), MeanSquaredError::new());
    model.compile(compile.metric(metrics::get("Close")?))?;
    let x = Array2::from_shape_fn((50, 1), |(i, _)| i as f32 / 10.0);
    model.fit(&x, &(&x * 2.0 + 1.0), Fit::new().epochs(50))?;
    Ok(())
}
