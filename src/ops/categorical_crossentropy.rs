//! Categorical cross-entropy of each sample, from probabilities or from logits.

use super::binary_crossentropy::{Prediction, clip, passes};
use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::math::{exp, ln};
use crate::kernels::rows::{self, PerRow};
use crate::shape::Shape;

/// `-sum_i t_i ln p_i` over the last axis, where probabilities are first divided by their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CategoricalCrossentropy {
    pub(crate) prediction: Prediction,
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
        let x = [run.input(0), run.input(1)];
        match self.prediction {
            Prediction::Logits => rows::reduce(
                x,
                classes,
                output,
                #[inline(always)]
                |block, costs| {
                    let [t, z] = block.x;
                    let mut numbers = PerRow::new();
                    let totals = numbers.of(&block);
                    rows::log_sum_exp(z, classes, totals);
                    let below = |z, total| total - z;
                    rows::costly_sums((z, t), classes, totals, costs, below, |below, t| t * below);
                },
            ),
            _ => rows::reduce(
                x,
                classes,
                output,
                #[inline(always)]
                |block, costs| {
                    let [t, p] = block.x;
                    let mut numbers = PerRow::new();
                    let sums = numbers.of(&block);
                    rows::sums(p, p, classes, sums, |p, _| p);
                    let share = |p, sum| p / sum;
                    rows::costly_sums((p, t), classes, sums, costs, share, cost);
                },
            ),
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let classes = run.input_shape(1).last();
        let x = [run.input(0), run.input(1)];
        let dy = run.gradient();
        match (input, self.prediction) {
            (0, Prediction::Logits) => rows::map(
                x,
                classes,
                gradient,
                #[inline(always)]
                |block, dt| {
                    let [_, z] = block.x;
                    let mut numbers = PerRow::new();
                    let totals = numbers.of(&block);
                    rows::log_sum_exp(z, classes, totals);
                    rows::with_row(z, classes, totals, dt, |z, total| total - z);
                    rows::with_row_in_place(dt, classes, block.part(dy), |dt, dy| dy * dt);
                },
            ),
            (0, _) => rows::map(
                x,
                classes,
                gradient,
                #[inline(always)]
                |block, dt| {
                    let [_, p] = block.x;
                    let mut numbers = PerRow::new();
                    let sums = numbers.of(&block);
                    rows::sums(p, p, classes, sums, |p, _| p);
                    rows::with_row(p, classes, sums, dt, |p, sum| p / sum);
                    rows::each_alone(
                        dt,
                        #[inline(always)]
                        |p| -ln(clip(p)),
                    );
                    rows::with_row_in_place(dt, classes, block.part(dy), |dt, dy| dy * dt);
                },
            ),
            (_, Prediction::Logits) => rows::map(
                x,
                classes,
                gradient,
                #[inline(always)]
                |block, dz| {
                    let [t, z] = block.x;
                    let mut numbers = PerRow::new();
                    let of_row = numbers.of(&block);
                    rows::log_sum_exp(z, classes, of_row);
                    rows::with_row(z, classes, of_row, dz, |z, total| z - total);
                    rows::each_alone(dz, exp);
                    rows::sums(t, t, classes, of_row, |t, _| t);
                    rows::with_row_in_place(dz, classes, of_row, |p, weight| p * weight);
                    rows::each(dz, t, |p, t| p - t);
                    rows::with_row_in_place(dz, classes, block.part(dy), |dz, dy| dy * dz);
                },
            ),
            (_, Prediction::Activated) => rows::map(
                x,
                classes,
                gradient,
                #[inline(always)]
                |block, dz| {
                    let [t, p] = block.x;
                    let counted = |t, p| if passes(p) { t } else { 0.0 };
                    let mut numbers = PerRow::new();
                    let weights = numbers.of(&block);
                    rows::sums(t, p, classes, weights, counted);
                    rows::with_row(p, classes, weights, dz, |p, weight| p * weight);
                    for ((dz, t), p) in dz.iter_mut().zip(t).zip(p) {
                        *dz -= counted(*t, *p);
                    }
                    rows::with_row_in_place(dz, classes, block.part(dy), |dz, dy| dy * dz);
                },
            ),
            (_, Prediction::Probabilities) => rows::map(
                x,
                classes,
                gradient,
                #[inline(always)]
                |block, dp| {
                    let [t, p] = block.x;
                    for (((dp, t), p), dy) in dp
                        .chunks_exact_mut(classes)
                        .zip(t.chunks_exact(classes))
                        .zip(p.chunks_exact(classes))
                        .zip(block.part(dy))
                    {
                        probabilities_row(t, p, *dy, dp);
                    }
                },
            ),
        }
    }
}

/// What a share `p` of the probabilities costs.
#[inline(always)]
fn cost(p: f32, t: f32) -> f32 {
    -t * ln(clip(p))
}

/// The gradient of one row of probabilities, which are divided by their sum.
#[inline(always)]
fn probabilities_row(t: &[f32], p: &[f32], dy: f32, dp: &mut [f32]) {
    let mut sums = [0.0];
    rows::sums(p, p, p.len(), &mut sums, |p, _| p);
    let [sum] = sums;
    let mut weights = [0.0];
    let counted = |t, p| if passes(p / sum) { t } else { 0.0 };
    rows::sums(t, p, p.len(), &mut weights, counted);
    let share = weights[0] / sum;
    for ((dp, t), p) in dp.iter_mut().zip(t).zip(p) {
        let own = if passes(p / sum) { t / p } else { 0.0 };
        *dp = dy * (share - own);
    }
}
