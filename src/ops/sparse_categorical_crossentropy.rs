//! Categorical cross-entropy of class ids.

use super::binary_crossentropy::{Prediction, clip, passes};
use super::categorical_crossentropy::log_sum_exp;
use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::math::{exp, ln};
use crate::shape::Shape;

/// `-ln p[id]` over the last axis, where probabilities are first divided by their sum.
///
/// Samples of the ignored class cost nothing. An id that names no class costs NaN, which the
/// training loop reports; ids are checked before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SparseCategoricalCrossentropy {
    pub(crate) prediction: Prediction,
    pub(crate) ignore_class: Option<i64>,
}

/// What a target means.
enum Class {
    Ignored,
    Missing,
    Id(usize),
}

impl SparseCategoricalCrossentropy {
    fn class(&self, id: f32, classes: usize) -> Class {
        if self
            .ignore_class
            .is_some_and(|ignored| ignored as f32 == id)
        {
            Class::Ignored
        } else if id >= 0.0 && id.fract() == 0.0 && (id as usize) < classes {
            Class::Id(id as usize)
        } else {
            Class::Missing
        }
    }

    /// The gradient of one row of predictions for a class.
    fn row(&self, class: usize, p: &[f32], dy: f32, out: &mut [f32]) {
        let one = |i: usize| f32::from(u8::from(i == class));
        match self.prediction {
            Prediction::Logits => {
                let total = log_sum_exp(p);
                for (i, (out, z)) in out.iter_mut().zip(p).enumerate() {
                    *out = dy * (exp(z - total) - one(i));
                }
            }
            Prediction::Activated if passes(p[class]) => {
                for (i, (out, p)) in out.iter_mut().zip(p).enumerate() {
                    *out = dy * (p - one(i));
                }
            }
            Prediction::Probabilities if passes(p[class] / p.iter().sum::<f32>()) => {
                let sum: f32 = p.iter().sum();
                out.fill(dy / sum);
                out[class] -= dy / p[class];
            }
            _ => out.fill(0.0),
        }
    }
}

impl Operation for SparseCategoricalCrossentropy {
    fn name(&self) -> &str {
        "sparse_categorical_crossentropy"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (ids, predictions) = pair("sparse_categorical_crossentropy", inputs)?;
        let samples = match predictions.rank() {
            0 => Shape::SCALAR,
            rank => predictions.without(rank - 1),
        };
        if predictions.rank() == 0 || ids != samples {
            return Err(format!(
                "sparse categorical cross-entropy of class ids {ids} and predictions \
                 {predictions}: there must be one id for each row of classes"
            ));
        }
        Ok(samples)
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn differentiable(&self, input: usize) -> bool {
        input == 1
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let classes = run.input_shape(1).last().max(1);
        let rows = run.input(1).chunks_exact(classes).zip(run.input(0));
        for (out, (p, id)) in output.iter_mut().zip(rows) {
            *out = match (self.class(*id, classes), self.prediction) {
                (Class::Ignored, _) => 0.0,
                (Class::Missing, _) => f32::NAN,
                (Class::Id(class), Prediction::Logits) => log_sum_exp(p) - p[class],
                (Class::Id(class), _) => -ln(clip(p[class] / p.iter().sum::<f32>())),
            };
        }
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let classes = run.input_shape(1).last().max(1);
        let rows = run
            .input(1)
            .chunks_exact(classes)
            .zip(run.input(0))
            .zip(run.gradient());
        for (out, ((p, id), dy)) in gradient.chunks_exact_mut(classes).zip(rows) {
            match self.class(*id, classes) {
                Class::Ignored => out.fill(0.0),
                Class::Missing => out.fill(f32::NAN),
                Class::Id(class) => self.row(class, p, *dy, out),
            }
        }
    }
}
