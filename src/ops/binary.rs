//! Elementwise functions of two values: arithmetic, powers, the larger and smaller, comparisons.

use super::broadcast::{Rows, pair_shape, stretched_strides, walk};
use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::elementwise::{map, zip};
use crate::kernels::parallel::{GRAIN, PIECE, chunks};
use crate::kernels::reduce;
use crate::kernels::simd::dispatch;
use crate::shape::Shape;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairing {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Maximum,
    Minimum,
    /// 1 where it holds, 0 elsewhere; no gradient.
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

/// Calls a generic function with the closure of each pairing, so that each gets its own loop.
macro_rules! with_function {
    ($pairing:expr, $call:ident ( $($argument:expr),* )) => {{
        use Pairing::*;
        match $pairing {
            Add => $call($($argument,)* #[inline(always)] |a: f32, b: f32| a + b),
            Subtract => $call($($argument,)* #[inline(always)] |a: f32, b: f32| a - b),
            Multiply => $call($($argument,)* #[inline(always)] |a: f32, b: f32| a * b),
            Divide => $call($($argument,)* #[inline(always)] |a: f32, b: f32| a / b),
            Power => $call($($argument,)* f32::powf),
            Maximum => $call($($argument,)* larger),
            Minimum => $call($($argument,)* #[inline(always)] |a: f32, b: f32| -larger(-a, -b)),
            Less => $call($($argument,)* #[inline(always)] |a: f32, b: f32| f32::from(u8::from(a < b))),
            LessEqual => $call($($argument,)* #[inline(always)] |a: f32, b: f32| f32::from(u8::from(a <= b))),
            Greater => $call($($argument,)* #[inline(always)] |a: f32, b: f32| f32::from(u8::from(a > b))),
            GreaterEqual => $call($($argument,)* #[inline(always)] |a: f32, b: f32| f32::from(u8::from(a >= b))),
            Equal => $call($($argument,)* #[inline(always)] |a: f32, b: f32| f32::from(u8::from(a == b))),
            NotEqual => $call($($argument,)* #[inline(always)] |a: f32, b: f32| f32::from(u8::from(a != b))),
        }
    }};
}

/// The larger of two; NaN if either is.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// An elementwise function of two values, shapes paired as [`pair_shape`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) pairing: Pairing,
}

/// How the shapes of two operands relate, for the loops worth having.
enum Layout {
    /// Both have the shape of the output.
    Same,
    /// The first is one number.
    FirstNumber,
    /// The second is one number.
    SecondNumber,
    /// The second is a row of this length, repeated.
    Row(usize),
    /// Anything else.
    Stretched,
}

fn layout(a: Shape, b: Shape, output: Shape) -> Layout {
    if a == output && b == output {
        Layout::Same
    } else if a == output && b.size() == 1 {
        Layout::SecondNumber
    } else if b == output && a.size() == 1 {
        Layout::FirstNumber
    } else if a == output && b.rank() < a.rank() && b.size() > 0 {
        Layout::Row(b.size())
    } else {
        Layout::Stretched
    }
}

/// `out[i] = f(a[i], b[i])` over paired shapes.
fn each(
    (a, a_shape): (&[f32], Shape),
    (b, b_shape): (&[f32], Shape),
    (out, shape): (&mut [f32], Shape),
    f: impl Fn(f32, f32) -> f32 + Sync,
) {
    match layout(a_shape, b_shape, shape) {
        Layout::Same => zip(a, b, out, f),
        Layout::FirstNumber => {
            let a = a[0];
            map(
                b,
                out,
                #[inline(always)]
                |b| f(a, b),
            );
        }
        Layout::SecondNumber => {
            let b = b[0];
            map(
                a,
                out,
                #[inline(always)]
                |a| f(a, b),
            );
        }
        Layout::Row(length) => {
            for (out, a) in out.chunks_exact_mut(length).zip(a.chunks_exact(length)) {
                zip(a, b, out, &f);
            }
        }
        Layout::Stretched => {
            let strides_a = stretched_strides(a_shape, shape);
            let strides_b = stretched_strides(b_shape, shape);
            let rows = Rows::new(shape, [&strides_a, &strides_b]);
            let (length, [step_a, step_b]) = rows.inner();
            let length = length.max(1);
            chunks(
                out,
                GRAIN,
                PIECE.div_ceil(length) * length,
                |offset, out| {
                    dispatch(
                        #[inline(always)]
                        || {
                            let count = out.len() / length;
                            let mut out = out.chunks_exact_mut(length);
                            rows.each(offset / length, count, |i, j| {
                                if let Some(out) = out.next() {
                                    row((&a[i..], step_a), (&b[j..], step_b), out, &f);
                                }
                            });
                        },
                    );
                },
            );
        }
    }
}

/// `out[k] = f(a[k step_a], b[k step_b])`
#[inline(always)]
fn row(
    (a, step_a): (&[f32], usize),
    (b, step_b): (&[f32], usize),
    out: &mut [f32],
    f: &impl Fn(f32, f32) -> f32,
) {
    match (step_a, step_b) {
        (1, 1) => {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = f(*a, *b);
            }
        }
        (1, 0) => {
            let b = b[0];
            out.iter_mut().zip(a).for_each(|(out, a)| *out = f(*a, b));
        }
        (0, 1) => {
            let a = a[0];
            out.iter_mut().zip(b).for_each(|(out, b)| *out = f(a, *b));
        }
        _ => {
            for (k, out) in out.iter_mut().enumerate() {
                *out = f(a[k * step_a], b[k * step_b]);
            }
        }
    }
}

impl Pairing {
    fn compares(self) -> bool {
        use Pairing::*;
        matches!(
            self,
            Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual
        )
    }

    /// The derivative with respect to the first (`input` 0) or the second operand.
    #[inline(always)]
    fn slope(self, input: usize, a: f32, b: f32) -> f32 {
        use Pairing::*;
        let first = input == 0;
        match self {
            Add => 1.0,
            Subtract => {
                if first {
                    1.0
                } else {
                    -1.0
                }
            }
            Multiply => {
                if first {
                    b
                } else {
                    a
                }
            }
            Divide => {
                if first {
                    1.0 / b
                } else {
                    -a / (b * b)
                }
            }
            // At 0^b the slope in b is the limit 0, not 0 times -inf.
            Power if first => b * a.powf(b - 1.0),
            Power if a == 0.0 => 0.0,
            Power => a.powf(b) * a.ln(),
            // Equal operands share the gradient, as they do in JAX.
            Maximum | Minimum if a == b => 0.5,
            Maximum => f32::from(u8::from((a > b) == first)),
            Minimum => f32::from(u8::from((a < b) == first)),
            Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual => 0.0,
        }
    }
}

impl Operation for Binary {
    fn name(&self) -> &str {
        use Pairing::*;
        match self.pairing {
            Add => "add",
            Subtract => "subtract",
            Multiply => "multiply",
            Divide => "divide",
            Power => "power",
            Maximum => "maximum",
            Minimum => "minimum",
            Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual => "compare",
        }
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (a, b) = pair(self.name(), inputs)?;
        pair_shape(self.name(), a, b)
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: !matches!(self.pairing, Pairing::Add | Pairing::Subtract),
            ..Needs::default()
        }
    }

    fn differentiable(&self, _input: usize) -> bool {
        !self.pairing.compares()
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let a = (run.input(0), run.input_shape(0));
        let b = (run.input(1), run.input_shape(1));
        let out = (output, run.shape());
        with_function!(self.pairing, each(a, b, out));
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (dy, shape) = (run.gradient(), run.shape());
        let (own, other) = (run.input_shape(input), run.input_shape(1 - input));
        if !self.needs().inputs {
            let negative = self.pairing == Pairing::Subtract && input == 1;
            return self.linear(own, shape, dy, gradient, if negative { -1.0 } else { 1.0 });
        }
        let (a, b) = (run.input(0), run.input(1));
        if own == shape && other == shape {
            return self.same_shapes(input, (a, b), dy, gradient);
        }
        if own == shape && other.size() == 1 {
            return self.with_number(input, (a, b), dy, gradient);
        }
        // The gradient is a product or a quotient itself, of as many numbers as the output.
        let (dy_there, there) = ((dy, shape), [a, b][1 - input]);
        match (self.pairing, input) {
            (Pairing::Multiply, _) if own == shape => {
                let to = (gradient, shape);
                return each(
                    dy_there,
                    (there, other),
                    to,
                    #[inline(always)]
                    |d, there| d * there,
                );
            }
            (Pairing::Divide, 0) if own == shape => {
                let to = (gradient, shape);
                return each(
                    dy_there,
                    (there, other),
                    to,
                    #[inline(always)]
                    |d, there| d / there,
                );
            }
            (Pairing::Multiply, _) if other == shape && own.rank() < shape.rank() => {
                return sum_of_products((dy, there), gradient);
            }
            _ => {}
        }
        let strides_a = stretched_strides(run.input_shape(0), shape);
        let strides_b = stretched_strides(run.input_shape(1), shape);
        gradient.fill(0.0);
        walk(shape, &strides_a, &strides_b, |o, i, j| {
            let at = if input == 0 { i } else { j };
            gradient[at] += dy[o] * self.pairing.slope(input, a[i], b[j]);
        });
    }
}

/// The sums over rows of `dy x`, of as many columns as `out` has.
fn sum_of_products((dy, x): (&[f32], &[f32]), out: &mut [f32]) {
    out.fill(0.0);
    let columns = out.len().max(1);
    dispatch(
        #[inline(always)]
        || {
            for (dy, x) in dy.chunks_exact(columns).zip(x.chunks_exact(columns)) {
                for ((out, dy), x) in out.iter_mut().zip(dy).zip(x) {
                    *out += dy * x;
                }
            }
        },
    );
}

impl Binary {
    /// `dx = factor * dy`, summed over the axes along which `x` was stretched.
    fn linear(&self, own: Shape, shape: Shape, dy: &[f32], dx: &mut [f32], factor: f32) {
        if own == shape {
            return map(
                dy,
                dx,
                #[inline(always)]
                |d| factor * d,
            );
        }
        if own.size() == 1 {
            dx[0] = factor * reduce::sum(dy);
            return;
        }
        if own.rank() < shape.rank() {
            reduce::column_sums(dy, shape.size() / own.size().max(1), own.size(), dx);
        } else {
            let strides = stretched_strides(own, shape);
            dx.fill(0.0);
            walk(shape, &strides, &strides, |o, i, _| dx[i] += dy[o]);
        }
        dx.iter_mut().for_each(|d| *d *= factor);
    }

    /// Both operands have the shape of the output.
    fn same_shapes(&self, input: usize, (a, b): (&[f32], &[f32]), dy: &[f32], dx: &mut [f32]) {
        match (self.pairing, input) {
            (Pairing::Multiply, 0) => zip(
                dy,
                b,
                dx,
                #[inline(always)]
                |d, b| d * b,
            ),
            (Pairing::Multiply, _) => zip(
                dy,
                a,
                dx,
                #[inline(always)]
                |d, a| d * a,
            ),
            (Pairing::Divide, 0) => zip(
                dy,
                b,
                dx,
                #[inline(always)]
                |d, b| d / b,
            ),
            (pairing, _) => {
                for (((dx, d), a), b) in dx.iter_mut().zip(dy).zip(a).zip(b) {
                    *dx = d * pairing.slope(input, *a, *b);
                }
            }
        }
    }

    /// The other operand is one number.
    fn with_number(&self, input: usize, (a, b): (&[f32], &[f32]), dy: &[f32], dx: &mut [f32]) {
        let (own, number) = if input == 0 { (a, b[0]) } else { (b, a[0]) };
        match self.pairing {
            Pairing::Multiply => map(
                dy,
                dx,
                #[inline(always)]
                |d| d * number,
            ),
            Pairing::Divide if input == 0 => map(
                dy,
                dx,
                #[inline(always)]
                |d| d / number,
            ),
            pairing if input == 0 => zip(
                own,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * pairing.slope(0, x, number),
            ),
            pairing => zip(
                own,
                dy,
                dx,
                #[inline(always)]
                |x, d| d * pairing.slope(1, number, x),
            ),
        }
    }
}
