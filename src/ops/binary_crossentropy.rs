//! Binary cross-entropy of each element, from probabilities or from logits.

use super::{Backward, Forward, Needs, Operation, Place, Sites, pair};
use crate::kernels::elementwise::{zip, zip3};
use crate::kernels::math::{exp, ln_1p, ln_of_normal, sigmoid};
use crate::kernels::program::Program;
use crate::kernels::reduce;
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

/// `-t ln p - (1 - t) ln(1 - p)`, element by element, or the mean of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BinaryCrossentropy {
    pub(crate) prediction: Prediction,
    /// The output is the mean over all elements, a scalar.
    pub(crate) mean: bool,
}

/// The cost of a probability.
#[inline(always)]
fn cost(t: f32, p: f32) -> f32 {
    let p = clip(p);
    -(t * ln_of_normal(p) + (1.0 - t) * ln_of_normal(1.0 - p))
}

/// The sum of the costs of probabilities.
#[expect(
    clippy::redundant_closure,
    reason = "a function that is passed by name is not inlined into the vectorised loop"
)]
fn sum_of_costs(t: &[f32], p: &[f32]) -> f32 {
    // Nearly always every target is 0 or 1. Then one logarithm does, with the same bits.
    let sum = reduce::sum_of(
        t,
        p,
        #[inline(always)]
        |t, p| {
            let p = clip(p);
            let cost = -ln_of_normal(if t == 1.0 { p } else { 1.0 - p });
            let is_hard = t == 0.0 || t == 1.0;
            if is_hard { cost } else { f32::NAN }
        },
    );
    if !sum.is_nan() {
        return sum;
    }
    reduce::sum_of(
        t,
        p,
        #[inline(always)]
        |t, p| cost(t, p),
    )
}

/// The cost of a logit.
#[inline(always)]
fn logit_cost(t: f32, z: f32) -> f32 {
    let positive = if z < 0.0 { 0.0 } else { z };
    // As Keras's logarithms have it, infinity costs a target of 0 without end; minus infinity times
    // 0 is NaN.
    let drawn = if t == 0.0 && z > 0.0 { 0.0 } else { z * t };
    positive - drawn + ln_1p(exp(-z.abs()))
}

/// The slope of the cost by the prediction, or by its logit.
#[inline(always)]
fn slope(prediction: Prediction, t: f32, p: f32) -> f32 {
    match prediction {
        Prediction::Logits => sigmoid(p) - t,
        _ if !passes(p) => 0.0,
        Prediction::Activated => p - t,
        Prediction::Probabilities => (1.0 - t) / (1.0 - p) - t / p,
    }
}

/// The slope of the cost by the target.
#[inline(always)]
fn slope_by_target(prediction: Prediction, p: f32) -> f32 {
    match prediction {
        Prediction::Logits => -p,
        _ => ln_of_normal(1.0 - clip(p)) - ln_of_normal(clip(p)),
    }
}

impl BinaryCrossentropy {
    #[expect(
        clippy::redundant_closure,
        reason = "a function that is passed by name is not inlined into the vectorised loop"
    )]
    fn costs(self, t: &[f32], p: &[f32], out: &mut [f32]) {
        match self.prediction {
            Prediction::Logits => zip(
                t,
                p,
                out,
                #[inline(always)]
                |t, p| logit_cost(t, p),
            ),
            _ => zip(
                t,
                p,
                out,
                #[inline(always)]
                |t, p| cost(t, p),
            ),
        }
    }

    #[expect(
        clippy::redundant_closure,
        reason = "a function that is passed by name is not inlined into the vectorised loop"
    )]
    fn mean_cost(self, t: &[f32], p: &[f32], out: &mut [f32]) {
        let sum = match self.prediction {
            Prediction::Logits => reduce::sum_of(
                t,
                p,
                #[inline(always)]
                |t, p| logit_cost(t, p),
            ),
            _ => sum_of_costs(t, p),
        };
        out.fill(sum / p.len() as f32);
    }

    /// The gradients of predictions, or of targets, given those of the costs.
    fn gradients(self, input: usize, t: &[f32], p: &[f32], dy: &[f32], out: &mut [f32]) {
        use Prediction::*;
        /// One loop for each way, for each is compiled to vectors.
        macro_rules! by {
            ($way:expr) => {
                zip3(
                    t,
                    p,
                    dy,
                    out,
                    #[inline(always)]
                    |t, p, d| d * slope($way, t, p),
                )
            };
        }
        match (input, self.prediction) {
            (0, way) => zip(
                p,
                dy,
                out,
                #[inline(always)]
                |p, d| d * slope_by_target(way, p),
            ),
            (_, Logits) => by!(Logits),
            (_, Activated) => by!(Activated),
            (_, Probabilities) => by!(Probabilities),
        }
    }

    /// The same given the gradient of the mean.
    fn mean_gradients(self, input: usize, t: &[f32], p: &[f32], dy: &[f32], out: &mut [f32]) {
        use Prediction::*;
        let d = dy.first().copied().unwrap_or(0.0) / p.len() as f32;
        macro_rules! by {
            ($way:expr) => {
                zip(
                    t,
                    p,
                    out,
                    #[inline(always)]
                    |t, p| d * slope($way, t, p),
                )
            };
        }
        match (input, self.prediction) {
            (0, way) => zip(
                t,
                p,
                out,
                #[inline(always)]
                |_, p| d * slope_by_target(way, p),
            ),
            (_, Logits) => by!(Logits),
            (_, Activated) => by!(Activated),
            (_, Probabilities) => by!(Probabilities),
        }
    }

    fn is_lowered(self, sites: &Sites) -> bool {
        let size = sites.shapes.first().map_or(0, |shape| shape.size());
        self == LOWERED && size <= FEW
    }

    pub(crate) fn lower(self, sites: &Sites, to: &mut Program) -> bool {
        let &[t, p] = sites.inputs else {
            return false;
        };
        self.is_lowered(sites)
            && to.call(
                |[t, p, _], out| LOWERED.mean_cost(t, p, out),
                [t, p, Place::NOTHING],
                sites.output,
            )
    }

    pub(crate) fn lower_backward(
        self,
        input: usize,
        sites: &Sites,
        dy: Place,
        gradient: Place,
        to: &mut Program,
    ) -> bool {
        let &[t, p] = sites.inputs else {
            return false;
        };
        input == 1
            && self.is_lowered(sites)
            && to.call(
                |[t, p, dy], out| LOWERED.mean_gradients(1, t, p, dy, out),
                [t, p, dy],
                gradient,
            )
    }
}

/// The one that is lowered: the loss of most classifiers, the mean over what a sigmoid gave.
const LOWERED: BinaryCrossentropy = BinaryCrossentropy {
    prediction: Prediction::Activated,
    mean: true,
};

/// The elements up to which it is.
const FEW: usize = 4096;

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
            true if self.mean => Ok(Shape::SCALAR),
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
        match self.mean {
            true => self.mean_cost(run.input(0), run.input(1), output),
            false => self.costs(run.input(0), run.input(1), output),
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (t, p, dy) = (run.input(0), run.input(1), run.gradient());
        match self.mean {
            true => self.mean_gradients(input, t, p, dy, gradient),
            false => self.gradients(input, t, p, dy, gradient),
        }
    }
}
