//! Choosing between two values, element by element.

use super::{Backward, Forward, Needs, Operation};
use crate::kernels::elementwise::{zip, zip3};
use crate::shape::Shape;

/// `a` where the condition is not 0, `b` elsewhere; all three of one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Select;

impl Operation for Select {
    fn name(&self) -> &str {
        "select"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [c, a, b] if c == a && a == b => Ok(*c),
            _ => Err(format!(
                "`select` takes a condition and two values of one shape, got {inputs:?}"
            )),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn differentiable(&self, input: usize) -> bool {
        input > 0
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let choose = |c: f32, a: f32, b: f32| if c != 0.0 { a } else { b };
        zip3(run.input(0), run.input(1), run.input(2), output, choose);
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let wanted = input == 1;
        zip(
            run.input(0),
            run.gradient(),
            gradient,
            #[inline(always)]
            |c, d| {
                if (c != 0.0) == wanted { d } else { 0.0 }
            },
        );
    }
}
