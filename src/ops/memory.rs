//! Where ops read: the workspace around the piece being written, the parameters, the constants.

use std::ops::Range;

pub(crate) use crate::kernels::place::Place;
use crate::shape::Shape;

/// The workspace without the pieces being written: at most three runs of numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest<'a> {
    runs: [(usize, &'a [f32]); 3],
}

impl<'a> Rest<'a> {
    /// The numbers at a place that is not being written.
    ///
    /// The plan never lets an op read what it writes; were it to, this would be empty.
    #[inline]
    pub(crate) fn get(&self, start: usize, length: usize) -> &'a [f32] {
        for (first, run) in &self.runs {
            if let Some(offset) = start.checked_sub(*first)
                && let Some(slice) = run.get(offset..offset + length)
            {
                return slice;
            }
        }
        debug_assert!(length == 0, "an op reads what it writes");
        &[]
    }
}

/// Takes one or two pieces out of the workspace for writing, and leaves the rest for reading.
///
/// Pieces that overlap or lie outside come back empty; the plan never asks for such.
#[inline]
pub(crate) fn carve<'a>(
    workspace: &'a mut [f32],
    output: Range<usize>,
    scratch: Range<usize>,
) -> (&'a mut [f32], &'a mut [f32], Rest<'a>) {
    if scratch.is_empty() {
        let (before, tail) = workspace.split_at_mut(output.start);
        let (piece, after) = tail.split_at_mut(output.len());
        let rest = Rest {
            runs: [(0, before), (output.end, after), (usize::MAX, &[])],
        };
        return (piece, &mut [], rest);
    }
    if output.is_empty() {
        let (piece, _, rest) = carve(workspace, scratch, 0..0);
        return (&mut [], piece, rest);
    }
    let swapped = scratch.start < output.start;
    let (low, high) = if swapped {
        (scratch, output)
    } else {
        (output, scratch)
    };
    let (before, tail) = workspace.split_at_mut(low.start);
    let (first, tail) = tail.split_at_mut(low.len());
    let (between, tail) = tail.split_at_mut(high.start - low.end);
    let (second, after) = tail.split_at_mut(high.len());
    let rest = Rest {
        runs: [(0, before), (low.end, between), (high.end, after)],
    };
    if swapped {
        (second, first, rest)
    } else {
        (first, second, rest)
    }
}

/// All that an op can read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) rest: Rest<'a>,
    pub(crate) parameters: &'a [f32],
    pub(crate) constants: &'a [f32],
}

impl<'a> Memory<'a> {
    #[inline]
    pub(crate) fn get(&self, place: Place) -> &'a [f32] {
        match place {
            Place::Workspace(start, length) => self.rest.get(start, length),
            Place::Parameters(start, length) => slice(self.parameters, start, length),
            Place::Constants(start, length) => slice(self.constants, start, length),
            // No op reads a gradient of a variable.
            Place::Gradients(..) => &[],
        }
    }
}

#[inline]
fn slice(numbers: &[f32], start: usize, length: usize) -> &[f32] {
    numbers.get(start..start + length).unwrap_or(&[])
}

/// From where random ops draw in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Draw {
    /// The model's seed.
    pub seed: u64,
    /// The number of the training step, so that each draws anew and a resumed run draws the same.
    pub step: u64,
}

/// What an op reads in its forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Forward<'a> {
    pub(crate) memory: Memory<'a>,
    pub(crate) places: &'a [Place],
    pub(crate) shapes: &'a [Shape],
    pub(crate) shape: Shape,
    pub(crate) draw: Draw,
}

impl<'a> Forward<'a> {
    /// The values of an input, row-major; empty when there is no such input.
    #[inline]
    pub fn input(&self, input: usize) -> &'a [f32] {
        self.places
            .get(input)
            .map_or(&[], |place| self.memory.get(*place))
    }

    /// The shape of an input; a scalar when there is no such input.
    #[inline]
    pub fn input_shape(&self, input: usize) -> Shape {
        self.shapes.get(input).copied().unwrap_or(Shape::SCALAR)
    }

    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.shapes.len()
    }

    /// The shape of the output.
    #[inline]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// From where a random op draws.
    pub fn draw(&self) -> Draw {
        self.draw
    }
}

/// What an op reads in its backward pass.
#[derive(Debug, Clone, Copy)]
pub struct Backward<'a> {
    pub(crate) forward: Forward<'a>,
    pub(crate) output: Place,
    pub(crate) gradient: Place,
    pub(crate) kept: Place,
    /// Whether no other gradient of the op was computed in this pass. Else its scratch holds what
    /// it left there when the one before was.
    pub(crate) first: bool,
}

impl<'a> Backward<'a> {
    /// The gradient of the loss with respect to the output.
    #[inline]
    pub fn gradient(&self) -> &'a [f32] {
        self.forward.memory.get(self.gradient)
    }

    /// The output, if the op [needs](super::Needs) it.
    #[inline]
    pub fn output(&self) -> &'a [f32] {
        self.forward.memory.get(self.output)
    }

    /// The scratch that the forward pass wrote, if the op [needs](super::Needs) it.
    #[inline]
    pub fn kept(&self) -> &'a [f32] {
        self.forward.memory.get(self.kept)
    }

    /// The values of an input, if the op [needs](super::Needs) them.
    #[inline]
    pub fn input(&self, input: usize) -> &'a [f32] {
        self.forward.input(input)
    }

    /// The shape of an input.
    #[inline]
    pub fn input_shape(&self, input: usize) -> Shape {
        self.forward.input_shape(input)
    }

    /// The shape of the output.
    #[inline]
    pub fn shape(&self) -> Shape {
        self.forward.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carving_leaves_what_lies_around() {
        let mut space: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let (out, scratch, rest) = carve(&mut space, 6..8, 2..3);
        assert_eq!((&*out, &*scratch), (&[6.0, 7.0][..], &[2.0][..]));
        assert_eq!(rest.get(0, 2), [0.0, 1.0]);
        assert_eq!(rest.get(3, 3), [3.0, 4.0, 5.0]);
        assert_eq!(rest.get(8, 2), [8.0, 9.0]);
    }

    #[test]
    fn carving_one_piece() {
        let mut space = [1.0, 2.0, 3.0];
        let (out, scratch, rest) = carve(&mut space, 1..2, 0..0);
        assert_eq!((out.len(), scratch.len()), (1, 0));
        assert_eq!((rest.get(0, 1), rest.get(2, 1)), (&[1.0][..], &[3.0][..]));
    }
}
