//! Categorical cross-entropy of each sample, from probabilities or from logits.

use super::binary_crossentropy::{Prediction, clip, passes};
use super::softmax::largest;
use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::math::{exp, ln};
use crate::shape::Shape;

/// `-sum_i t_i ln p_i` over the last axis, where probabilities are first divided by their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CategoricalCrossentropy {
    pub(crate) prediction: Prediction,
}

/// `ln sum_i exp(z_i)` of a row.
pub(crate) fn log_sum_exp(row: &[f32]) -> f32 {
    let max = largest(row.iter().copied());
    let sum: f32 = row.iter().map(|z| exp(z - max)).sum();
    max + ln(sum)
}

impl Operation for CategoricalCrossentropy {
    fn name(&self) -> &str {
        "categorical_crossentropy"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (targets, predictions) = pair("categorical_crossentropy", inputs)?;
        if targets != predictions || predictions.rank() == 0 || predictions.last() == 0 {
            return Err(format!(
                "categorical cross-entropy of targets {targets} and predictions {predictions}: \
                 the shapes must be equal, with one class a place on the last axis; for class \
                 ids use `SparseCategoricalCrossentropy`"
            ));
        }
        Ok(predictions.without(predictions.rank() - 1))
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let classes = run.input_shape(1).last();
        let rows = run.input(0).chunks_exact(classes);
        let rows = rows.zip(run.input(1).chunks_exact(classes));
        for (out, (t, p)) in output.iter_mut().zip(rows) {
            let pairs = t.iter().zip(p);
            *out = match self.prediction {
                Prediction::Logits => {
                    let total = log_sum_exp(p);
                    pairs.map(|(t, z)| t * (total - z)).sum()
                }
                _ => {
                    let sum: f32 = p.iter().sum();
                    pairs.map(|(t, p)| -t * ln(clip(p / sum))).sum()
                }
            };
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let classes = run.input_shape(1).last();
        let rows = run.input(0).chunks_exact(classes);
        let rows = rows
            .zip(run.input(1).chunks_exact(classes))
            .zip(run.gradient());
        for (out, ((t, p), dy)) in gradient.chunks_exact_mut(classes).zip(rows) {
            if input == 0 {
                self.target_row(p, *dy, out);
            } else {
                self.prediction_row(t, p, *dy, out);
            }
        }
    }
}

impl CategoricalCrossentropy {
    /// The gradient of one row of predictions.
    fn prediction_row(&self, t: &[f32], p: &[f32], dy: f32, out: &mut [f32]) {
        let triples = || t.iter().zip(p);
        match self.prediction {
            Prediction::Logits => {
                let total = log_sum_exp(p);
                let weight: f32 = t.iter().sum();
                for (out, (t, z)) in out.iter_mut().zip(triples()) {
                    *out = dy * (exp(z - total) * weight - t);
                }
            }
            Prediction::Activated => {
                let counted = triples().filter(|(_, p)| passes(**p));
                let weight: f32 = counted.map(|(t, _)| t).sum();
                for (out, (t, p)) in out.iter_mut().zip(triples()) {
                    let target = if passes(*p) { *t } else { 0.0 };
                    *out = dy * (p * weight - target);
                }
            }
            Prediction::Probabilities => {
                let sum: f32 = p.iter().sum();
                let counted = triples().filter(|(_, p)| passes(**p / sum));
                let weight: f32 = counted.map(|(t, _)| t).sum();
                for (out, (t, p)) in out.iter_mut().zip(triples()) {
                    let own = if passes(p / sum) { t / p } else { 0.0 };
                    *out = dy * (weight / sum - own);
                }
            }
        }
    }

    /// The gradient of one row of targets.
    fn target_row(&self, p: &[f32], dy: f32, out: &mut [f32]) {
        let total = match self.prediction {
            Prediction::Logits => log_sum_exp(p),
            _ => p.iter().sum(),
        };
        for (out, p) in out.iter_mut().zip(p) {
            *out = dy
                * match self.prediction {
                    Prediction::Logits => total - p,
                    _ => -ln(clip(p / total)),
                };
        }
    }
}
