//! Binary cross-entropy of each element, from probabilities or from logits.

use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::elementwise::{zip, zip3};
use crate::kernels::math::{ln, ln_1p, sigmoid};
use crate::shape::Shape;

/// Keras's clip of probabilities in cross-entropies.
pub(crate) const EPSILON: f32 = 1e-7;

/// How the second input of a cross-entropy is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prediction {
    /// Probabilities, clipped to `[1e-7, 1 - 1e-7]`.
    Probabilities,
    /// What would become probabilities after a sigmoid or softmax.
    Logits,
    /// Probabilities that come straight from a sigmoid or softmax whose own backward pass is left
    /// to the loss: the gradient is that of the logits.
    Activated,
}

/// `-t ln p - (1 - t) ln(1 - p)`, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BinaryCrossentropy {
    pub(crate) prediction: Prediction,
}

/// A probability away from 0 and 1; NaN stays NaN.
#[inline(always)]
pub(crate) fn clip(p: f32) -> f32 {
    p.clamp(EPSILON, 1.0 - EPSILON)
}

/// Whether a probability lies where [`clip`] changes nothing, so that gradients pass.
#[inline(always)]
pub(crate) fn passes(p: f32) -> bool {
    (EPSILON..=1.0 - EPSILON).contains(&p) || p.is_nan()
}

impl Operation for BinaryCrossentropy {
    fn name(&self) -> &str {
        "binary_crossentropy"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (targets, predictions) = pair("binary_crossentropy", inputs)?;
        match targets == predictions {
            true => Ok(predictions),
            false => Err(format!(
                "binary cross-entropy of targets {targets} and predictions {predictions}: \
                 the shapes must be equal"
            )),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let (t, p) = (run.input(0), run.input(1));
        match self.prediction {
            Prediction::Logits => zip(
                t,
                p,
                output,
                #[inline(always)]
                |t, z| {
                    let positive = if z < 0.0 { 0.0 } else { z };
                    positive - z * t + ln_1p(crate::kernels::math::exp(-z.abs()))
                },
            ),
            _ => zip(
                t,
                p,
                output,
                #[inline(always)]
                |t, p| {
                    let p = clip(p);
                    -(t * ln(p) + (1.0 - t) * ln(1.0 - p))
                },
            ),
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (t, p, dy) = (run.input(0), run.input(1), run.gradient());
        match (self.prediction, input) {
            (Prediction::Logits, 0) => zip(
                p,
                dy,
                gradient,
                #[inline(always)]
                |z, d| -d * z,
            ),
            (_, 0) => zip(
                p,
                dy,
                gradient,
                #[inline(always)]
                |p, d| d * (ln(1.0 - clip(p)) - ln(clip(p))),
            ),
            (Prediction::Logits, _) => zip3(
                t,
                p,
                dy,
                gradient,
                #[inline(always)]
                |t, z, d| d * (sigmoid(z) - t),
            ),
            (Prediction::Activated, _) => zip3(
                t,
                p,
                dy,
                gradient,
                #[inline(always)]
                |t, p, d| {
                    if passes(p) { d * (p - t) } else { 0.0 }
                },
            ),
            (Prediction::Probabilities, _) => zip3(
                t,
                p,
                dy,
                gradient,
                #[inline(always)]
                |t, p, d| {
                    let slope = (1.0 - t) / (1.0 - p) - t / p;
                    if passes(p) { d * slope } else { 0.0 }
                },
            ),
        }
    }
}
