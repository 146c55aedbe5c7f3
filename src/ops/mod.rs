//! The ops that models are made of, one file each: its shape rule, forward and backward.
//!
//! An op sees row-major `f32` slices and writes every element of its output. It never allocates:
//! what it needs beside its output it asks for as scratch, and the plan gives it a place.
//!
//! A user's own kernel implements [`Operation`] and enters a model through
//! [`Value::custom`](crate::graph::Value::custom).

pub(crate) mod binary;
pub(crate) mod binary_crossentropy;
pub(crate) mod broadcast;
pub(crate) mod categorical_crossentropy;
pub(crate) mod concat;
pub(crate) mod ctc;
pub(crate) mod gather;
pub(crate) mod group_normalize;
pub(crate) mod groups;
pub(crate) mod log_softmax;
pub(crate) mod matmul;
mod memory;
pub(crate) mod moments;
pub(crate) mod normalize;
pub(crate) mod pad;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod reshape;
pub(crate) mod select;
pub(crate) mod slice;
pub(crate) mod softmax;
pub(crate) mod sparse_categorical_crossentropy;
pub(crate) mod sparsemax;
#[cfg(test)]
mod tests;
pub(crate) mod transpose;
pub(crate) mod unary;

use std::fmt::Debug;
use std::sync::Arc;

pub use memory::{Backward, Draw, Forward};
pub(crate) use memory::{Memory, Place, carve};

use crate::kernels::program::Program;
use crate::shape::Shape;

/// Which of an op's values its backward pass reads; the plan keeps only those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The op reads its inputs again.
    pub inputs: bool,
    /// The op reads its output again.
    pub output: bool,
    /// The op reads the scratch that its forward pass wrote.
    pub scratch: bool,
}

/// One op: how shapes follow from shapes, and what it computes, forward and backward.
///
/// # Examples
///
/// Doubling, as a kernel of one's own:
///
/// ```
/// use horn::graph::Shape;
/// use horn::ops::{Backward, Forward, Needs, Operation};
///
/// #[derive(Debug)]
/// struct Double;
///
/// impl Operation for Double {
///     fn name(&self) -> &str {
///         "double"
///     }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
///         inputs.first().copied().ok_or("double takes one input".into())
///     }
///     fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
///         for (y, x) in output.iter_mut().zip(run.input(0)) {
///             *y = 2.0 * x;
///         }
///     }
///     fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _scratch: &mut [f32]) {
///         for (dx, dy) in gradient.iter_mut().zip(run.gradient()) {
///             *dx = 2.0 * dy;
///         }
///     }
/// }
/// ```
pub trait Operation: Debug + Send + Sync {
    /// The op's name in messages.
    fn name(&self) -> &str;

    /// The shape of the output, or why these inputs do not fit.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected and what came; the layer's name is added to it.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String>;

    /// What [`backward`](Self::backward) reads. By default nothing but the output's gradient.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// How many numbers of scratch space the op wants.
    fn scratch(&self, _inputs: &[Shape], _output: Shape) -> usize {
        0
    }

    /// Whether a gradient flows to this input.
    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    /// Computes the output.
    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]);

    /// Computes the gradient of one input from that of the output, overwriting `gradient`.
    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]);

    /// Turns the gradient of the output into that of what stands before the op's activation.
    ///
    /// Called once, before `backward` is called for each input; by default it does nothing.
    fn prepare(&self, _output: &[f32], _gradient: &mut [f32]) {}

    /// Whether [`prepare`](Self::prepare) does something.
    fn prepares(&self) -> bool {
        false
    }
}

/// Where a value of a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// The batch of inputs with this number.
    Features(usize),
    /// The batch of targets with this number.
    Targets(usize),
    /// One weight a sample.
    SampleWeight,
}

/// Every op there is. A backend matches on it, so that one that forgets an op does not compile.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Written from outside before a run.
    Input(Port),
    /// A variable, by its number.
    Variable(usize),
    /// Numbers that never change.
    Constant(Arc<[f32]>),
    MatMul(matmul::MatMul),
    Unary(unary::Unary),
    Binary(binary::Binary),
    Select(select::Select),
    Reduce(reduce::Reduce),
    Reshape(reshape::Reshape),
    Broadcast(broadcast::Broadcast),
    Transpose(transpose::Transpose),
    Slice(slice::Slice),
    Concat(concat::Concat),
    Ctc(ctc::Ctc),
    Moments(moments::Moments),
    Normalize(normalize::Normalize),
    GroupNormalize(group_normalize::GroupNormalize),
    Pad(pad::Pad),
    Gather(gather::Gather),
    Softmax(softmax::Softmax),
    LogSoftmax(log_softmax::LogSoftmax),
    Sparsemax(sparsemax::Sparsemax),
    Random(random::Random),
    StopGradient(reshape::StopGradient),
    BinaryCrossentropy(binary_crossentropy::BinaryCrossentropy),
    CategoricalCrossentropy(categorical_crossentropy::CategoricalCrossentropy),
    SparseCategoricalCrossentropy(sparse_categorical_crossentropy::SparseCategoricalCrossentropy),
    /// A kernel of the user's own.
    Custom(Arc<dyn Operation>),
}

impl Op {
    /// What the op does, or `None` for one that is only a place.
    pub(crate) fn operation(&self) -> Option<&dyn Operation> {
        Some(match self {
            Op::Input(_) | Op::Variable(_) | Op::Constant(_) => return None,
            Op::MatMul(op) => op,
            Op::Unary(op) => op,
            Op::Binary(op) => op,
            Op::Select(op) => op,
            Op::Reduce(op) => op,
            Op::Reshape(op) => op,
            Op::Broadcast(op) => op,
            Op::Transpose(op) => op,
            Op::Slice(op) => op,
            Op::Concat(op) => op,
            Op::Ctc(op) => op,
            Op::Moments(op) => op,
            Op::Normalize(op) => op,
            Op::GroupNormalize(op) => op,
            Op::Pad(op) => op,
            Op::Gather(op) => op,
            Op::Softmax(op) => op,
            Op::LogSoftmax(op) => op,
            Op::Sparsemax(op) => op,
            Op::Random(op) => op,
            Op::StopGradient(op) => op,
            Op::BinaryCrossentropy(op) => op,
            Op::CategoricalCrossentropy(op) => op,
            Op::SparseCategoricalCrossentropy(op) => op,
            Op::Custom(op) => op.as_ref(),
        })
    }
}

/// Where the values of an op lie, for ops that are lowered to small kernels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sites<'a> {
    pub(crate) inputs: &'a [Place],
    pub(crate) shapes: &'a [Shape],
    pub(crate) output: Place,
}

/// Ops of small networks do so little that running them one by one takes longer than the
/// arithmetic. These become instructions of a [`Program`]; each gives false, and adds nothing, for
/// what it does better in the usual way.
impl Op {
    /// The forward pass.
    pub(crate) fn lower(&self, sites: &Sites, to: &mut Program) -> bool {
        match self {
            Op::MatMul(op) => op.lower(sites, to),
            Op::BinaryCrossentropy(op) => op.lower(sites, to),
            _ => false,
        }
    }

    /// What is done to the gradient of the output before the gradients of inputs are computed.
    pub(crate) fn lower_prepare(&self, output: Place, dy: Place, to: &mut Program) -> bool {
        match self {
            Op::MatMul(op) => op.lower_prepare(output, dy, to),
            _ => false,
        }
    }

    /// The gradient of an input, given where that of the output is.
    pub(crate) fn lower_backward(
        &self,
        input: usize,
        sites: &Sites,
        dy: Place,
        gradient: Place,
        to: &mut Program,
    ) -> bool {
        match self {
            Op::MatMul(op) => op.lower_backward(input, sites, dy, gradient, to),
            Op::BinaryCrossentropy(op) => op.lower_backward(input, sites, dy, gradient, to),
            _ => false,
        }
    }
}

/// The one input of an op that takes one, or what is wrong.
pub(crate) fn only(name: &str, inputs: &[Shape]) -> Result<Shape, String> {
    match inputs {
        [one] => Ok(*one),
        _ => Err(format!("`{name}` takes one input, got {}", inputs.len())),
    }
}

/// The two inputs of an op that takes two, or what is wrong.
pub(crate) fn pair(name: &str, inputs: &[Shape]) -> Result<(Shape, Shape), String> {
    match inputs {
        [a, b] => Ok((*a, *b)),
        _ => Err(format!("`{name}` takes two inputs, got {}", inputs.len())),
    }
}
