//! Elementwise functions of one value.

use super::{Backward, Forward, Needs, Operation, only};
use crate::kernels::elementwise::{map, map_in_place, zip, zip_in_place};
use crate::kernels::math;
use crate::kernels::program;
use crate::shape::Shape;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Negative,
    Abs,
    Sign,
    Square,
    Sqrt,
    Rsqrt,
    Reciprocal,
    Exp,
    ExpM1,
    Ln,
    Ln1p,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Relu,
    Softplus,
    Erf,
    Floor,
    Round,
}

impl Function {
    /// Whether the derivative follows from the output alone, so that the input need not be kept.
    pub(crate) fn needs_output_only(self) -> bool {
        use Function::*;
        matches!(
            self,
            Negative
                | Sqrt
                | Rsqrt
                | Reciprocal
                | Exp
                | ExpM1
                | Tanh
                | Sigmoid
                | Relu
                | Floor
                | Round
                | Sign
        )
    }

    /// `out = f(x)`
    pub(crate) fn apply(self, x: &[f32], out: &mut [f32]) {
        use Function::*;
        match self {
            Negative => map(
                x,
                out,
                #[inline(always)]
                |v| -v,
            ),
            Abs => map(x, out, f32::abs),
            Sign => map(x, out, sign),
            Square => map(
                x,
                out,
                #[inline(always)]
                |v| v * v,
            ),
            Sqrt => map(x, out, f32::sqrt),
            Rsqrt => map(
                x,
                out,
                #[inline(always)]
                |v| 1.0 / v.sqrt(),
            ),
            Reciprocal => map(
                x,
                out,
                #[inline(always)]
                |v| 1.0 / v,
            ),
            Exp => map(x, out, math::exp),
            ExpM1 => map(x, out, math::exp_m1),
            Ln => map(x, out, math::ln),
            Ln1p => map(x, out, math::ln_1p),
            Sin => map(x, out, f32::sin),
            Cos => map(x, out, f32::cos),
            Tanh => map(x, out, math::tanh),
            Sigmoid => map(x, out, math::sigmoid),
            Relu => map(x, out, relu),
            Softplus => map(x, out, math::softplus),
            Erf => map(x, out, math::erf),
            Floor => map(x, out, f32::floor),
            Round => map(x, out, f32::round_ties_even),
        }
    }

    /// `dx = dy f'(x)`, from the output where [`needs_output_only`](Self::needs_output_only) says so.
    fn derive(self, known: &[f32], dy: &[f32], dx: &mut [f32]) {
        use Function::*;
        match self {
            Negative => map(
                dy,
                dx,
                #[inline(always)]
                |d| -d,
            ),
            Abs => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * sign(x),
            ),
            Square => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * 2.0 * x,
            ),
            Sqrt => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| d * 0.5 / y,
            ),
            Rsqrt => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| d * -0.5 * y * y * y,
            ),
            Reciprocal => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| -d * y * y,
            ),
            Exp => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| d * y,
            ),
            ExpM1 => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| d * (y + 1.0),
            ),
            Ln => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d / x,
            ),
            Ln1p => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d / (1.0 + x),
            ),
            Sin => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * x.cos(),
            ),
            Cos => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| -d * x.sin(),
            ),
            Tanh => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| d * (1.0 - y * y),
            ),
            Sigmoid => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| d * y * (1.0 - y),
            ),
            Relu => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |y, d| if y > 0.0 { d } else { 0.0 },
            ),
            Softplus => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * math::sigmoid(x),
            ),
            Erf => zip(
                known,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * std::f32::consts::FRAC_2_SQRT_PI * math::exp(-x * x),
            ),
            Sign | Floor | Round => dx.fill(0.0),
        }
    }

    /// `dy = dy f'(y)` in place, for the functions that are fused into the op before them.
    pub(crate) fn derive_in_place(self, y: &[f32], dy: &mut [f32]) {
        match self {
            Function::Tanh => zip_in_place(
                dy,
                y,
                #[inline(always)]
                |d, y| d * (1.0 - y * y),
            ),
            Function::Sigmoid => zip_in_place(
                dy,
                y,
                #[inline(always)]
                |d, y| d * y * (1.0 - y),
            ),
            Function::Relu => zip_in_place(
                dy,
                y,
                #[inline(always)]
                |d, y| if y > 0.0 { d } else { 0.0 },
            ),
            _ => debug_assert!(!self.fusible(), "a fusible function without its derivative"),
        }
    }

    /// `x = f(x)`, for the functions that are fused into the op before them.
    pub(crate) fn apply_in_place(self, x: &mut [f32]) {
        match self {
            Function::Tanh => map_in_place(x, math::tanh),
            Function::Sigmoid => map_in_place(x, math::sigmoid),
            Function::Relu => map_in_place(x, relu),
            _ => debug_assert!(!self.fusible(), "a fusible function without its pass"),
        }
    }

    /// The same as a function of its own, for programs of small kernels.
    pub(crate) fn in_place(self) -> Option<program::Function> {
        match self {
            Function::Tanh => Some(|_, x| Function::Tanh.apply_in_place(x)),
            Function::Sigmoid => Some(|_, x| Function::Sigmoid.apply_in_place(x)),
            Function::Relu => Some(|_, x| Function::Relu.apply_in_place(x)),
            _ => None,
        }
    }

    /// `dy = dy f'(y)` as a function of its own, of `y`, for programs of small kernels.
    pub(crate) fn derivative(self) -> Option<program::Function> {
        match self {
            Function::Tanh => Some(|[y, ..], dy| Function::Tanh.derive_in_place(y, dy)),
            Function::Sigmoid => Some(|[y, ..], dy| Function::Sigmoid.derive_in_place(y, dy)),
            Function::Relu => Some(|[y, ..], dy| Function::Relu.derive_in_place(y, dy)),
            _ => None,
        }
    }

    /// Whether the function can be the epilogue of a product.
    pub(crate) fn fusible(self) -> bool {
        matches!(self, Function::Tanh | Function::Sigmoid | Function::Relu)
    }
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// -1, 0 or 1; NaN stays NaN.
#[inline(always)]
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// An elementwise function: the output has the shape of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unary {
    pub(crate) function: Function,
    /// The gradient that arrives is already that of the input: a loss that fused it says so.
    pub(crate) passes_gradient: bool,
}

impl Unary {
    pub(crate) fn new(function: Function) -> Self {
        Unary {
            function,
            passes_gradient: false,
        }
    }
}

impl Operation for Unary {
    fn name(&self) -> &str {
        "unary"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        only("unary", inputs)
    }

    fn needs(&self) -> Needs {
        let needs_output_only = self.function.needs_output_only();
        Needs {
            inputs: !needs_output_only,
            output: needs_output_only,
            scratch: false,
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        self.function.apply(run.input(0), output);
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        if self.passes_gradient {
            gradient.copy_from_slice(run.gradient());
        } else if self.function.needs_output_only() {
            self.function.derive(run.output(), run.gradient(), gradient);
        } else {
            self.function.derive(run.input(0), run.gradient(), gradient);
        }
    }
}
