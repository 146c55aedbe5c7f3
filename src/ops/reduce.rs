//! Sums, means and maxima over axes.

use super::broadcast::{stretched_strides, walk};
use super::{Backward, Forward, Needs, Operation, only};
use crate::kernels::elementwise::map_in_place;
use crate::kernels::reduce;
use crate::shape::{MAX_RANK, Shape};

/// What is made of the numbers along the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    Sum,
    Mean,
    Max,
}

/// A reduction over some axes, which are kept with length one or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reduce {
    pub(crate) reduction: Reduction,
    pub(crate) axes: [bool; MAX_RANK],
    pub(crate) keep: bool,
}

/// Where the reduced axes stand, for the loops worth having.
enum Layout {
    /// The output is `rows` numbers, each made of `length` neighbours.
    Rows(usize),
    /// The output is a row, made of `rows` rows of that length.
    Columns(usize),
    /// Anything else.
    Mixed,
}

impl Reduce {
    /// The output's shape with the reduced axes kept.
    fn kept(&self, input: Shape) -> Shape {
        (0..input.rank())
            .filter(|axis| self.axes[*axis])
            .fold(input, |shape, axis| shape.with(axis, 1))
    }

    /// How many numbers make one.
    fn count(&self, input: Shape) -> usize {
        let axes = input.dims().iter().enumerate();
        axes.filter(|(axis, _)| self.axes[*axis])
            .map(|(_, length)| *length)
            .product()
    }

    fn layout(&self, input: Shape) -> Layout {
        let reduced = &self.axes[..input.rank()];
        let length = self.count(input);
        if reduced.is_sorted() {
            Layout::Rows(length)
        } else if reduced.iter().rev().is_sorted() {
            Layout::Columns(length)
        } else {
            Layout::Mixed
        }
    }

    fn sum(&self, input: Shape, x: &[f32], out: &mut [f32]) {
        match self.layout(input) {
            Layout::Rows(0) => out.fill(0.0),
            Layout::Rows(1) => out.copy_from_slice(x),
            Layout::Rows(length) => {
                for (out, row) in out.iter_mut().zip(x.chunks_exact(length)) {
                    *out = reduce::sum(row);
                }
            }
            Layout::Columns(rows) => reduce::column_sums(x, rows, out.len(), out),
            Layout::Mixed => {
                let strides = stretched_strides(self.kept(input), input);
                out.fill(0.0);
                walk(input, &strides, &strides, |i, o, _| out[o] += x[i]);
            }
        }
    }

    fn max(&self, input: Shape, x: &[f32], out: &mut [f32]) {
        let strides = stretched_strides(self.kept(input), input);
        out.fill(f32::NEG_INFINITY);
        walk(input, &strides, &strides, |i, o, _| {
            if x[i] > out[o] || x[i].is_nan() {
                out[o] = x[i];
            }
        });
    }
}

impl Operation for Reduce {
    fn name(&self) -> &str {
        match self.reduction {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::Max => "max",
        }
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only(self.name(), inputs)?;
        if self.reduction == Reduction::Max && self.count(input) == 0 {
            return Err(format!(
                "the maximum of no numbers, of a value of shape {input}"
            ));
        }
        if self.keep {
            return Ok(self.kept(input));
        }
        let axes = (0..input.rank()).rev().filter(|axis| self.axes[*axis]);
        Ok(axes.fold(input, Shape::without))
    }

    fn needs(&self) -> Needs {
        let compares = self.reduction == Reduction::Max;
        Needs {
            inputs: compares,
            output: compares,
            scratch: false,
        }
    }

    fn scratch(&self, _inputs: &[Shape], output: Shape) -> usize {
        match self.reduction {
            Reduction::Max => output.size(),
            _ => 0,
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let (input, x) = (run.input_shape(0), run.input(0));
        match self.reduction {
            Reduction::Max => self.max(input, x, output),
            Reduction::Sum => self.sum(input, x, output),
            Reduction::Mean => {
                self.sum(input, x, output);
                let count = self.count(input) as f32;
                if count != 1.0 {
                    map_in_place(
                        output,
                        #[inline(always)]
                        |v| v / count,
                    );
                }
            }
        }
    }

    fn backward(&self, _: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]) {
        let (input, dy) = (run.input_shape(0), run.gradient());
        if self.reduction == Reduction::Max {
            return self.max_backward(run, gradient, scratch);
        }
        let factor = match self.reduction {
            Reduction::Mean => 1.0 / self.count(input).max(1) as f32,
            _ => 1.0,
        };
        match self.layout(input) {
            Layout::Rows(length) if length > 0 => {
                for (row, d) in gradient.chunks_exact_mut(length).zip(dy) {
                    row.fill(d * factor);
                }
            }
            _ => {
                let strides = stretched_strides(self.kept(input), input);
                walk(input, &strides, &strides, |i, o, _| {
                    gradient[i] = dy[o] * factor
                });
            }
        }
    }
}

impl Reduce {
    /// Equal maxima share the gradient.
    fn max_backward(&self, run: &Backward, gradient: &mut [f32], shares: &mut [f32]) {
        let (input, dy) = (run.input_shape(0), run.gradient());
        let (x, y) = (run.input(0), run.output());
        let strides = stretched_strides(self.kept(input), input);
        shares.fill(0.0);
        walk(input, &strides, &strides, |i, o, _| {
            shares[o] += f32::from(u8::from(x[i] == y[o]));
        });
        walk(input, &strides, &strides, |i, o, _| {
            gradient[i] = if x[i] == y[o] { dy[o] / shares[o] } else { 0.0 };
        });
    }
}
