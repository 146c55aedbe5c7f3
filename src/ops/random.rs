//! Numbers drawn anew at each training step.

use rand::Rng as _;

use super::{Backward, Forward, Operation};
use crate::random::{Purpose, stream_hashed};
use crate::shape::Shape;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Distribution {
    /// 0 with probability `rate`, else `1 / (1 - rate)`: what dropout multiplies with.
    Dropout { rate: f32 },
}

/// Numbers that depend on the model's seed, the op's place in the model and the step alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Random {
    pub(crate) distribution: Distribution,
    pub(crate) shape: Shape,
    /// The layer's own seed, where it has one.
    pub(crate) seed: Option<u64>,
    /// The hash of the op's path in the model.
    pub(crate) path: u64,
}

impl Operation for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn shape(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok(self.shape)
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let draw = run.draw();
        let seed = self.seed.unwrap_or(draw.seed);
        let mut rng = stream_hashed(seed, Purpose::Dropout, self.path, draw.step);
        match self.distribution {
            Distribution::Dropout { rate } => {
                let scale = 1.0 / (1.0 - rate);
                let threshold = (f64::from(rate) * 4_294_967_296.0) as u64;
                for value in output {
                    let kept = u64::from(rng.next_u32()) >= threshold;
                    *value = if kept { scale } else { 0.0 };
                }
            }
        }
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}
