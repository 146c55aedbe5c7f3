//! Rows picked by their numbers: embeddings, class probabilities.

use super::{Backward, Forward, Needs, Operation, pair};
use crate::shape::Shape;

/// Elements of the first input along an axis, picked by the whole numbers in the second.
///
/// `(..., n, ...)` and indices of shape `(i, j)` give `(..., i, j, ...)`. An index outside
/// `0..n` gives NaN, which the training loop reports; layers check theirs before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gather {
    pub(crate) axis: usize,
}

/// The place that a number names, if there is one.
fn place(index: f32, length: usize) -> Option<usize> {
    let whole = index as usize;
    (index >= 0.0 && whole < length && index.fract() == 0.0).then_some(whole)
}

impl Operation for Gather {
    fn name(&self) -> &str {
        "gather"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (data, indices) = pair("gather", inputs)?;
        if self.axis >= data.rank() {
            return Err(format!("{data} has no axis {}", self.axis));
        }
        let (before, after) = (&data.dims()[..self.axis], &data.dims()[self.axis + 1..]);
        Shape::new(&[before, indices.dims(), after].concat()).ok_or_else(|| {
            format!("gathering {indices} from {data} gives too many axes or numbers")
        })
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let (data, indices) = (run.input(0), run.input(1));
        let (before, length, after) = run.input_shape(0).around(self.axis);
        for outer in 0..before {
            for (i, index) in indices.iter().enumerate() {
                let to = &mut output[(outer * indices.len() + i) * after..][..after];
                match place(*index, length) {
                    Some(row) => {
                        to.copy_from_slice(&data[(outer * length + row) * after..][..after])
                    }
                    None => to.fill(f32::NAN),
                }
            }
        }
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (dy, indices) = (run.gradient(), run.input(1));
        let (before, length, after) = run.input_shape(0).around(self.axis);
        gradient.fill(0.0);
        for outer in 0..before {
            for (i, index) in indices.iter().enumerate() {
                if let Some(row) = place(*index, length) {
                    let to = &mut gradient[(outer * length + row) * after..][..after];
                    let from = &dy[(outer * indices.len() + i) * after..][..after];
                    to.iter_mut().zip(from).for_each(|(g, d)| *g += d);
                }
            }
        }
    }
}
