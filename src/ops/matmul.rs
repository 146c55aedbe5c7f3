//! Products of matrices, with the bias and the activation that follow them.

use super::unary::Function;
use super::{Backward, Forward, Needs, Operation, Place, Sites};
use crate::kernels::matmul::{Epilogue, Matrix, matmul};
use crate::kernels::program::{Ends, Grid, Program};
use crate::kernels::reduce::column_sums;
use crate::shape::Shape;

/// `activation(x w + bias)`: `(..., k)` by `(k, n)` gives `(..., n)`.
///
/// When `w` has more than two axes, both have the same leading axes and each pair of matrices is
/// multiplied: `(..., m, k)` by `(..., k, n)` gives `(..., m, n)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MatMul {
    /// A third input `(n,)` is added to each row.
    pub(crate) bias: bool,
    /// Applied to the sum.
    pub(crate) activation: Option<Function>,
    /// The gradient that arrives is already that of the sum: the op after it says so.
    pub(crate) passes_gradient: bool,
    /// The first input is a ReLU whose own backward pass is left to this op: the gradient of the
    /// input is zeroed where the input is.
    pub(crate) masks_input: bool,
}

/// The multiply-adds up to which a product is lowered.
const LOWERED: usize = 1 << 16;

/// The sizes of the products: how many, rows, inner length, columns.
struct Sizes {
    count: usize,
    rows: usize,
    inner: usize,
    columns: usize,
}

impl Sizes {
    fn of(x: Shape, w: Shape) -> Sizes {
        let (inner, columns) = (x.last(), w.last());
        if w.rank() == 2 {
            let rows = if x.rank() == 2 {
                x.dims()[0]
            } else {
                x.dims().iter().take(x.rank() - 1).product()
            };
            return Sizes {
                count: 1,
                rows,
                inner,
                columns,
            };
        }
        Sizes {
            count: x.dims().iter().take(x.rank() - 2).product(),
            rows: x.dim(-2).unwrap_or(1),
            inner,
            columns,
        }
    }

    /// The sizes of a product that is worth lowering.
    fn lowered(sites: &Sites) -> Option<Sizes> {
        let &[x, w, ..] = sites.shapes else {
            return None;
        };
        let s = Sizes::of(x, w);
        let work = s.rows.saturating_mul(s.inner).saturating_mul(s.columns);
        (s.count == 1 && work <= LOWERED).then_some(s)
    }

    /// The numbers of one product: those of `x`, of `w`, of the output.
    fn steps(&self) -> (usize, usize, usize) {
        (
            self.rows * self.inner,
            self.inner * self.columns,
            self.rows * self.columns,
        )
    }
}

impl MatMul {
    pub(crate) fn lower(&self, sites: &Sites, to: &mut Program) -> bool {
        let (Some(s), &[x, w, ..]) = (Sizes::lowered(sites), sites.inputs) else {
            return false;
        };
        let ends = Ends {
            bias: sites.inputs.get(2).copied().filter(|_| self.bias),
            relu: self.activation == Some(Function::Relu),
            mask: None,
        };
        let activation = match self.activation {
            None | Some(Function::Relu) => None,
            Some(function) => match function.in_place() {
                None => return false,
                in_place => in_place,
            },
        };
        let x = Grid::new(x, s.rows, s.inner);
        let w = Grid::new(w, s.inner, s.columns);
        let nothing = [Place::NOTHING; 3];
        to.product(x, w, ends, sites.output)
            && activation.is_none_or(|function| to.call(function, nothing, sites.output))
    }

    pub(crate) fn lower_prepare(&self, output: Place, dy: Place, to: &mut Program) -> bool {
        let Some(derive) = self.activation.and_then(Function::derivative) else {
            return false;
        };
        dy.len() <= LOWERED && to.call(derive, [output, Place::NOTHING, Place::NOTHING], dy)
    }

    pub(crate) fn lower_backward(
        &self,
        input: usize,
        sites: &Sites,
        dy: Place,
        gradient: Place,
        to: &mut Program,
    ) -> bool {
        let (Some(s), &[x, w, ..]) = (Sizes::lowered(sites), sites.inputs) else {
            return false;
        };
        let dy_grid = Grid::new(dy, s.rows, s.columns);
        match input {
            0 => {
                let w = Grid::new(w, s.inner, s.columns);
                let ends = Ends {
                    mask: self.masks_input.then_some(x),
                    ..Ends::default()
                };
                to.product(dy_grid, w.transposed(), ends, gradient)
            }
            1 => {
                let x = Grid::new(x, s.rows, s.inner);
                to.product(x.transposed(), dy_grid, Ends::default(), gradient)
            }
            _ => to.column_sums(dy_grid, gradient),
        }
    }
}

impl Operation for MatMul {
    fn name(&self) -> &str {
        "matmul"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (x, w, bias) = match inputs {
            [x, w] if !self.bias => (*x, *w, None),
            [x, w, bias] if self.bias => (*x, *w, Some(*bias)),
            _ => return Err("`matmul` takes two inputs, and a bias if it has one".into()),
        };
        let mismatch = || format!("cannot multiply {x} by {w}");
        if x.rank() < 1 || w.rank() < 2 || x.dim(-1) != w.dim(-2) {
            return Err(format!(
                "{}: the last axis of the first must be as long as the first of the second",
                mismatch()
            ));
        }
        if w.rank() > 2 {
            let leading = w.rank() - 2;
            if x.rank() != w.rank() || x.dims()[..leading] != w.dims()[..leading] {
                return Err(format!("{}: the leading axes differ", mismatch()));
            }
        }
        if let Some(bias) = bias
            && bias.dims() != [w.last()]
        {
            return Err(format!("a bias of {bias} does not fit {} units", w.last()));
        }
        Ok(x.with(x.rank() - 1, w.last()))
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            output: self.prepares(),
            scratch: false,
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let s = Sizes::of(run.input_shape(0), run.input_shape(1));
        let (x, w) = (run.input(0), run.input(1));
        let epilogue = Epilogue {
            bias: self.bias.then(|| run.input(2)),
            relu: self.activation == Some(Function::Relu),
            mask: None,
        };
        let (xs, ws, os) = s.steps();
        for i in 0..s.count {
            matmul(
                Matrix::new(&x[i * xs..][..xs], s.rows, s.inner),
                Matrix::new(&w[i * ws..][..ws], s.inner, s.columns),
                &mut output[i * os..][..os],
                epilogue,
            );
        }
        match self.activation {
            None | Some(Function::Relu) => {}
            Some(function) => function.apply_in_place(output),
        }
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let s = Sizes::of(run.input_shape(0), run.input_shape(1));
        let dy = run.gradient();
        if input == 2 {
            return column_sums(dy, s.count * s.rows, s.columns, gradient);
        }
        let (x, w) = (run.input(0), run.input(1));
        let (xs, ws, os) = s.steps();
        for i in 0..s.count {
            let dy = Matrix::new(&dy[i * os..][..os], s.rows, s.columns);
            if input == 0 {
                let w = Matrix::new(&w[i * ws..][..ws], s.inner, s.columns);
                let mask = self.masks_input.then(|| &x[i * xs..][..xs]);
                let epilogue = Epilogue {
                    mask,
                    ..Epilogue::default()
                };
                matmul(dy, w.transposed(), &mut gradient[i * xs..][..xs], epilogue);
            } else {
                let x = Matrix::new(&x[i * xs..][..xs], s.rows, s.inner);
                let out = &mut gradient[i * ws..][..ws];
                matmul(x.transposed(), dy, out, Epilogue::default());
            }
        }
    }

    fn prepare(&self, output: &[f32], gradient: &mut [f32]) {
        if let Some(function) = self.activation {
            function.derive_in_place(output, gradient);
        }
    }

    fn prepares(&self) -> bool {
        self.activation.is_some() && !self.passes_gradient
    }
}
