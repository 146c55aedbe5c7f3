//! Categorical cross-entropy of class ids.

use super::binary_crossentropy::{Prediction, clip, passes};
use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::math::{exp, ln};
use crate::kernels::reduce::all_finite;
use crate::kernels::rows::{self, PerRow};
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

    /// The gradient of one row of predictions, given the class, and what of the row was made
    /// for all classes alike: the probabilities of logits, or the sum of probabilities.
    #[inline(always)]
    fn row(&self, class: usize, p: &[f32], sum: f32, dy: f32, out: &mut [f32]) {
        match self.prediction {
            Prediction::Logits => {
                out[class] -= 1.0;
                out.iter_mut().for_each(|out| *out *= dy);
            }
            Prediction::Activated if passes(p[class]) => {
                for (out, p) in out.iter_mut().zip(p) {
                    *out = dy * p;
                }
                out[class] = dy * (p[class] - 1.0);
            }
            Prediction::Probabilities if passes(p[class] / sum) => {
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
        let classes = run.input_shape(1).last();
        let ids = run.input(0);
        rows::reduce(
            [run.input(1)],
            classes,
            output,
            #[inline(always)]
            |block, costs| {
                let [p] = block.x;
                let logits = self.prediction == Prediction::Logits;
                match logits {
                    true => rows::log_sum_exp(p, classes, costs),
                    false => rows::sums(p, p, classes, costs, |p, _| p),
                }
                let ids = block.part(ids);
                for ((cost, p), id) in costs.iter_mut().zip(p.chunks_exact(classes)).zip(ids) {
                    *cost = match self.class(*id, classes) {
                        Class::Id(class) if logits => *cost - p[class],
                        // Beside an infinite number no other one is a probability.
                        Class::Id(_) if !cost.is_finite() && !all_finite(p) => f32::NAN,
                        Class::Id(class) => p[class] / *cost,
                        _ => f32::NAN,
                    };
                }
                if !logits {
                    costs.iter_mut().for_each(
                        #[inline(always)]
                        |p| *p = -ln(clip(*p)),
                    );
                }
                if self.ignore_class.is_some() {
                    let ignored = |id: f32| matches!(self.class(id, classes), Class::Ignored);
                    for (cost, _) in costs.iter_mut().zip(ids).filter(|(_, id)| ignored(**id)) {
                        *cost = 0.0;
                    }
                }
            },
        );
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let classes = run.input_shape(1).last();
        let (ids, dy) = (run.input(0), run.gradient());
        rows::map(
            [run.input(1)],
            classes,
            gradient,
            #[inline(always)]
            |block, out| {
                let [p] = block.x;
                let mut numbers = PerRow::new();
                let of_row = numbers.of(&block);
                match self.prediction {
                    Prediction::Logits => {
                        rows::log_sum_exp(p, classes, of_row);
                        rows::with_row(p, classes, of_row, out, |z, total| z - total);
                        rows::each_alone(out, exp);
                    }
                    Prediction::Probabilities => rows::sums(p, p, classes, of_row, |p, _| p),
                    Prediction::Activated => {}
                }
                let given = block.part(ids).iter().zip(block.part(dy)).zip(of_row);
                let rows = out.chunks_exact_mut(classes).zip(p.chunks_exact(classes));
                for ((out, p), ((id, dy), sum)) in rows.zip(given) {
                    match self.class(*id, classes) {
                        Class::Ignored => out.fill(0.0),
                        Class::Missing => out.fill(f32::NAN),
                        Class::Id(class) => self.row(class, p, *sum, *dy, out),
                    }
                }
            },
        );
    }
}
