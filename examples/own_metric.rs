//! A metric of one's own: sums over batches, so that they can be added up in any order.

use horn::metrics::{self, Batch, Direction, RunningMean};
use horn::prelude::*;

/// The share of predictions within 10 % of the target.
#[derive(Debug, Clone, Default)]
struct Close(RunningMean);

impl Metric for Close {
    fn name(&self) -> &str {
        "close"
    }
    fn class_name(&self) -> &str {
        "Close"
    }
    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }
    fn update(&mut self, batch: &Batch) -> Result<()> {
        let close = |t: f32, p: f32| f32::from((t - p).abs() <= 0.1 * t.abs());
        let pairs: Vec<_> = batch.y_true.iter().zip(batch.y_pred).collect();
        self.0.add(batch, pairs.len(), |i| {
            pairs.get(i).map_or(0.0, |(t, p)| close(**t, **p))
        })
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
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    let compile = Compile::new(Adam::new().learning_rate(0.1), MeanSquaredError::new());
    model.compile(compile.metric(metrics::get("Close")?))?;
    let x = Array2::from_shape_fn((50, 1), |(i, _)| i as f32 / 10.0);
    let history = model.fit(&x, &(&x * 2.0 + 1.0), Fit::new().epochs(100).verbose(0))?;
    println!("{history}");
    assert!(history["close"][99] > 0.9);
    Ok(())
}
