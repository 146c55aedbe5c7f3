//! [`Value`], a number or array that a layer or loss computes with.

use std::ops::{Add, Div, Mul, Neg, Range, Sub};
use std::rc::Rc;
use std::sync::Arc;

use super::trace::{NodeId, Shared};
use crate::ops::binary::{Binary, Pairing};
use crate::ops::binary_crossentropy::{BinaryCrossentropy, Prediction};
use crate::ops::broadcast::Broadcast;
use crate::ops::categorical_crossentropy::CategoricalCrossentropy;
use crate::ops::concat::Concat;
use crate::ops::ctc::Ctc;
use crate::ops::gather::Gather;
use crate::ops::group_normalize::GroupNormalize;
use crate::ops::log_softmax::LogSoftmax;
use crate::ops::matmul::MatMul;
use crate::ops::moments::Moments;
use crate::ops::normalize::Normalize;
use crate::ops::pad::Pad;
use crate::ops::reduce::{Reduce, Reduction};
use crate::ops::reshape::{Reshape, StopGradient};
use crate::ops::select::Select;
use crate::ops::slice::Slice;
use crate::ops::softmax::Softmax;
use crate::ops::sparse_categorical_crossentropy::SparseCategoricalCrossentropy;
use crate::ops::sparsemax::Sparsemax;
use crate::ops::transpose::Transpose;
use crate::ops::unary::{Function, Unary};
use crate::ops::{Op, Operation};
use crate::shape::{Axes, MAX_RANK, Shape};

/// A number or array in a model that is being traced: a cheap handle, with arithmetic and
/// methods for every op.
///
/// Gradients come by themselves. Shapes are concrete, the batch included. A mistake (shapes that
/// do not fit, an axis that is not there) does not panic: the first one is kept, with the layer's
/// name and the shapes, and `compile` returns it.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// // Swish with a learnt slope, as an activation of one's own.
/// let swish = activation_fn("swish_2", |x| x * (x * 2.0).sigmoid());
/// let model = Sequential::new().add(Dense::new(4).input_dim(3).activation(swish));
/// ```
#[derive(Clone)]
pub struct Value {
    graph: Shared,
    id: NodeId,
    shape: Shape,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value {}{}", self.id, self.shape)
    }
}

impl Value {
    pub(crate) fn new(graph: &Shared, id: NodeId, shape: Shape) -> Value {
        Value {
            graph: Rc::clone(graph),
            id,
            shape,
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// The shape, the batch included.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// The length of an axis; negative ones count from the end. A missing axis is a mistake that
    /// `compile` reports, and has length 1.
    pub fn dim(&self, axis: isize) -> usize {
        self.shape.dim(axis).unwrap_or_else(|| {
            self.fail(format!(
                "a value of shape {} has no axis {axis}",
                self.shape
            ));
            1
        })
    }

    /// Records a mistake in the layer that is being traced, and gives a value to go on with.
    pub fn fail(&self, message: String) -> Value {
        self.graph.borrow_mut().fail(message);
        self.apply(Op::StopGradient(StopGradient), &[])
    }

    /// Adds an op that reads this value and the others.
    fn apply(&self, op: Op, others: &[&Value]) -> Value {
        let mut graph = self.graph.borrow_mut();
        if others.iter().any(|o| !Rc::ptr_eq(&o.graph, &self.graph)) {
            graph.fail("a value of another model cannot be used here".into());
        }
        let ids: Vec<NodeId> = std::iter::once(self.id)
            .chain(others.iter().map(|o| o.id))
            .collect();
        let (id, shape) = graph.push(op, &ids);
        drop(graph);
        Value::new(&self.graph, id, shape)
    }

    /// A constant in the same graph.
    fn number(&self, number: f32) -> Value {
        let op = Op::Constant(Arc::from([number]));
        let (id, shape) = self.graph.borrow_mut().add(op, &[], Shape::SCALAR);
        Value::new(&self.graph, id, shape)
    }

    fn unary(&self, function: Function) -> Value {
        self.apply(Op::Unary(Unary::new(function)), &[])
    }

    fn binary(&self, pairing: Pairing, other: &Value) -> Value {
        self.apply(Op::Binary(Binary { pairing }), &[other])
    }

    fn paired(&self, pairing: Pairing, other: impl Operand) -> Value {
        self.binary(pairing, &other.operand(self))
    }

    fn axis(&self, axis: isize) -> usize {
        self.shape.axis(axis).unwrap_or_else(|| {
            self.fail(format!(
                "a value of shape {} has no axis {axis}",
                self.shape
            ));
            0
        })
    }

    fn reduce(&self, reduction: Reduction, axes: Axes, keep: bool) -> Value {
        match axes.mask(&self.shape) {
            Ok(axes) => self.apply(
                Op::Reduce(Reduce {
                    reduction,
                    axes,
                    keep,
                }),
                &[],
            ),
            Err(axis) => self.fail(format!(
                "a value of shape {} has no axis {axis}",
                self.shape
            )),
        }
    }
}

/// Functions of each element.
impl Value {
    /// `|x|`
    pub fn abs(&self) -> Value {
        self.unary(Function::Abs)
    }

    /// -1, 0 or 1; its gradient is 0.
    pub fn sign(&self) -> Value {
        self.unary(Function::Sign)
    }

    /// `x²`
    pub fn square(&self) -> Value {
        self.unary(Function::Square)
    }

    /// `√x`
    pub fn sqrt(&self) -> Value {
        self.unary(Function::Sqrt)
    }

    /// `1 / √x`
    pub fn rsqrt(&self) -> Value {
        self.unary(Function::Rsqrt)
    }

    /// `1 / x`
    pub fn reciprocal(&self) -> Value {
        self.unary(Function::Reciprocal)
    }

    /// `eˣ`
    pub fn exp(&self) -> Value {
        self.unary(Function::Exp)
    }

    /// `eˣ - 1`, exact near 0.
    pub fn exp_m1(&self) -> Value {
        self.unary(Function::ExpM1)
    }

    /// The natural logarithm.
    pub fn ln(&self) -> Value {
        self.unary(Function::Ln)
    }

    /// `ln(1 + x)`, exact near 0.
    pub fn ln_1p(&self) -> Value {
        self.unary(Function::Ln1p)
    }

    /// The sine.
    pub fn sin(&self) -> Value {
        self.unary(Function::Sin)
    }

    /// The cosine.
    pub fn cos(&self) -> Value {
        self.unary(Function::Cos)
    }

    /// The hyperbolic tangent.
    pub fn tanh(&self) -> Value {
        self.unary(Function::Tanh)
    }

    /// `1 / (1 + e⁻ˣ)`
    pub fn sigmoid(&self) -> Value {
        self.unary(Function::Sigmoid)
    }

    /// `max(x, 0)`
    pub fn relu(&self) -> Value {
        self.unary(Function::Relu)
    }

    /// `ln(1 + eˣ)`, without overflow.
    pub fn softplus(&self) -> Value {
        self.unary(Function::Softplus)
    }

    /// The error function.
    pub fn erf(&self) -> Value {
        self.unary(Function::Erf)
    }

    /// The largest whole number that is not larger; its gradient is 0.
    pub fn floor(&self) -> Value {
        self.unary(Function::Floor)
    }

    /// The nearest whole number, halves to even; its gradient is 0.
    pub fn round(&self) -> Value {
        self.unary(Function::Round)
    }

    /// `x` to the power of a number or value.
    pub fn pow(&self, exponent: impl Operand) -> Value {
        self.paired(Pairing::Power, exponent)
    }

    /// The larger of two; NaN if either is. Equal ones share the gradient.
    pub fn maximum(&self, other: impl Operand) -> Value {
        self.paired(Pairing::Maximum, other)
    }

    /// The smaller of two; NaN if either is. Equal ones share the gradient.
    pub fn minimum(&self, other: impl Operand) -> Value {
        self.paired(Pairing::Minimum, other)
    }

    /// `x` held between two numbers.
    pub fn clip(&self, low: f32, high: f32) -> Value {
        self.maximum(low).minimum(high)
    }

    /// 1 where `x < other`, else 0; no gradient.
    pub fn less(&self, other: impl Operand) -> Value {
        self.paired(Pairing::Less, other)
    }

    /// 1 where `x <= other`, else 0; no gradient.
    pub fn less_equal(&self, other: impl Operand) -> Value {
        self.paired(Pairing::LessEqual, other)
    }

    /// 1 where `x > other`, else 0; no gradient.
    pub fn greater(&self, other: impl Operand) -> Value {
        self.paired(Pairing::Greater, other)
    }

    /// 1 where `x >= other`, else 0; no gradient.
    pub fn greater_equal(&self, other: impl Operand) -> Value {
        self.paired(Pairing::GreaterEqual, other)
    }

    /// 1 where `x == other`, else 0; no gradient.
    pub fn equal(&self, other: impl Operand) -> Value {
        self.paired(Pairing::Equal, other)
    }

    /// 1 where `x != other`, else 0; no gradient.
    pub fn not_equal(&self, other: impl Operand) -> Value {
        self.paired(Pairing::NotEqual, other)
    }

    /// `yes` where this value is not 0, `no` elsewhere; numbers stretch to its shape.
    pub fn select(&self, yes: impl Operand, no: impl Operand) -> Value {
        let full = |value: Value| match value.shape == self.shape {
            true => value,
            false => value.broadcast_to(self.shape),
        };
        let (yes, no) = (full(yes.operand(self)), full(no.operand(self)));
        self.apply(Op::Select(Select), &[&yes, &no])
    }

    /// The value itself, through which no gradient flows.
    pub fn stop_gradient(&self) -> Value {
        self.apply(Op::StopGradient(StopGradient), &[])
    }
}

/// Reductions over axes: `-1`, `[1, 2]`, or `..` for all.
impl Value {
    /// The sum over axes, which are dropped.
    pub fn sum(&self, axes: impl Into<Axes>) -> Value {
        self.reduce(Reduction::Sum, axes.into(), false)
    }

    /// The mean over axes, which are dropped.
    pub fn mean(&self, axes: impl Into<Axes>) -> Value {
        self.reduce(Reduction::Mean, axes.into(), false)
    }

    /// The maximum over axes, which are dropped. Equal maxima share the gradient.
    pub fn max(&self, axes: impl Into<Axes>) -> Value {
        self.reduce(Reduction::Max, axes.into(), false)
    }

    /// The sum over axes, which are kept with length 1.
    pub fn sum_keepdims(&self, axes: impl Into<Axes>) -> Value {
        self.reduce(Reduction::Sum, axes.into(), true)
    }

    /// The mean over axes, which are kept with length 1.
    pub fn mean_keepdims(&self, axes: impl Into<Axes>) -> Value {
        self.reduce(Reduction::Mean, axes.into(), true)
    }

    /// The maximum over axes, which are kept with length 1.
    pub fn max_keepdims(&self, axes: impl Into<Axes>) -> Value {
        self.reduce(Reduction::Max, axes.into(), true)
    }

    /// Divided by its norm over axes; norms below 1e-7, Keras's epsilon, count as that.
    pub fn l2_normalize(&self, axes: impl Into<Axes>) -> Value {
        self / self.square().sum_keepdims(axes).maximum(1e-14).sqrt()
    }

    /// The mean and the variance of columns; see [`Moments`].
    pub(crate) fn moments(&self, op: Moments) -> Value {
        self.apply(Op::Moments(op), &[])
    }

    /// In units of moments, times `gamma` and plus `beta`; see [`Normalize`].
    pub(crate) fn normalize(&self, others: &[&Value], op: Normalize) -> Value {
        self.apply(Op::Normalize(op), others)
    }

    /// The same, where the moments are those of groups of channels; see [`GroupNormalize`].
    pub(crate) fn group_normalize(&self, weights: &[&Value], op: GroupNormalize) -> Value {
        self.apply(Op::GroupNormalize(op), weights)
    }

    /// Softmax along an axis: `exp(x) / sum(exp(x))`, without overflow.
    pub fn softmax(&self, axis: isize) -> Value {
        let axis = self.axis(axis);
        self.apply(
            Op::Softmax(Softmax {
                axis,
                passes_gradient: false,
            }),
            &[],
        )
    }

    /// The logarithm of softmax along an axis.
    pub fn log_softmax(&self, axis: isize) -> Value {
        let axis = self.axis(axis);
        self.apply(Op::LogSoftmax(LogSoftmax { axis }), &[])
    }

    /// Sparsemax along the last axis: the nearest point of the probability simplex.
    pub fn sparsemax(&self) -> Value {
        self.apply(Op::Sparsemax(Sparsemax { exact: true }), &[])
    }

    /// What Keras 3.15 computes under that name; see [`activations`](crate::activations::Sparsemax).
    pub(crate) fn sparsemax_of_keras(&self) -> Value {
        self.apply(Op::Sparsemax(Sparsemax { exact: false }), &[])
    }
}

/// Products, shapes and picking.
impl Value {
    /// The product of matrices: `(..., k)` by `(k, n)` gives `(..., n)`; with equal leading axes,
    /// `(..., m, k)` by `(..., k, n)` gives `(..., m, n)`.
    pub fn matmul(&self, other: &Value) -> Value {
        self.apply(Op::MatMul(MatMul::default()), &[other])
    }

    /// The same numbers in another shape of the same size.
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Value {
        match Shape::new(shape.as_ref()) {
            Some(to) if to == self.shape => self.clone(),
            Some(to) => self.apply(Op::Reshape(Reshape { to }), &[]),
            None => self.fail(format!("the shape {:?} is too large", shape.as_ref())),
        }
    }

    /// A new axis of length 1 at this place; negative ones count from the end.
    pub fn expand_dims(&self, axis: isize) -> Value {
        let rank = self.rank() as isize;
        let place = if axis < 0 { axis + rank + 1 } else { axis };
        let mut lengths = self.shape.dims().to_vec();
        if !(0..=rank).contains(&place) {
            return self.fail(format!("no place for an axis {axis} in {}", self.shape));
        }
        lengths.insert(place as usize, 1);
        self.reshape(lengths)
    }

    /// The value without an axis of length 1.
    pub fn squeeze(&self, axis: isize) -> Value {
        match self.dim(axis) {
            1 => self.reshape(self.shape.without(self.axis(axis)).dims()),
            length => self.fail(format!(
                "axis {axis} of {} has length {length}, not 1",
                self.shape
            )),
        }
    }

    /// Stretched to a larger shape, as far as elementwise ops stretch.
    pub fn broadcast_to(&self, shape: Shape) -> Value {
        self.apply(Op::Broadcast(Broadcast { to: shape }), &[])
    }

    /// Another order of the axes: output axis `i` is input axis `order[i]`.
    pub fn transpose(&self, order: impl AsRef<[usize]>) -> Value {
        let given = order.as_ref();
        let mut order = [0; MAX_RANK];
        if given.len() != self.rank() {
            return self.fail(format!(
                "{given:?} is not an order of the axes of {}",
                self.shape
            ));
        }
        order.iter_mut().zip(given).for_each(|(o, g)| *o = *g);
        self.apply(Op::Transpose(Transpose { order }), &[])
    }

    /// The elements of a range along an axis.
    pub fn slice(&self, axis: isize, range: Range<usize>) -> Value {
        self.slice_step(axis, range, 1)
    }

    /// Every `step`-th element of a range along an axis.
    pub fn slice_step(&self, axis: isize, range: Range<usize>, step: usize) -> Value {
        let slice = Slice {
            axis: self.axis(axis),
            start: range.start,
            end: range.end,
            step,
        };
        self.apply(Op::Slice(slice), &[])
    }

    /// With zeros before and behind along an axis.
    pub fn pad(&self, axis: isize, before: usize, behind: usize) -> Value {
        let axis = self.axis(axis);
        self.apply(
            Op::Pad(Pad {
                axis,
                before,
                behind,
            }),
            &[],
        )
    }

    /// Each element along an axis `times` times, one behind the other.
    pub fn repeat(&self, times: usize, axis: isize) -> Value {
        let place = self.axis(axis);
        let mut lengths = self.shape.dims().to_vec();
        if place >= lengths.len() {
            return self.clone();
        }
        lengths.insert(place + 1, 1);
        let apart = self.reshape(&lengths);
        if let Some(length) = lengths.get_mut(place + 1) {
            *length = times;
        }
        let Some(all) = Shape::new(&lengths) else {
            return self.fail(format!("{lengths:?} has too many axes, or is too large"));
        };
        let whole = lengths.remove(place + 1) * lengths.get(place).copied().unwrap_or(1);
        if let Some(length) = lengths.get_mut(place) {
            *length = whole;
        }
        apart.broadcast_to(all).reshape(lengths)
    }

    /// This value and others, one behind the other along an axis.
    pub fn concat(&self, others: &[&Value], axis: isize) -> Value {
        let axis = self.axis(axis);
        self.apply(Op::Concat(Concat { axis }), others)
    }

    /// Elements along an axis, picked by the whole numbers in `indices`.
    pub fn gather(&self, indices: &Value, axis: isize) -> Value {
        let axis = self.axis(axis);
        self.apply(Op::Gather(Gather { axis }), &[indices])
    }

    /// Rows that are 1 where the whole numbers in this value say and 0 elsewhere: `(...)` gives
    /// `(..., classes)`. Numbers that name no class give a row of zeros.
    pub fn one_hot(&self, classes: usize) -> Value {
        let mut shape = vec![1; self.rank() + 1];
        if let Some(last) = shape.last_mut() {
            *last = classes;
        }
        let all: Vec<f32> = (0..classes).map(|class| class as f32).collect();
        self.expand_dims(-1).equal(self.constant(&all, shape))
    }

    /// A constant of this shape, row-major, for the model that this value belongs to.
    pub fn constant(&self, values: &[f32], shape: impl AsRef<[usize]>) -> Value {
        let shape = shape.as_ref();
        match Shape::new(shape).filter(|shape| shape.size() == values.len()) {
            Some(shape) => {
                let op = Op::Constant(Arc::from(values));
                let (id, shape) = self.graph.borrow_mut().add(op, &[], shape);
                Value::new(&self.graph, id, shape)
            }
            None => self.fail(format!("{} numbers do not fill {shape:?}", values.len())),
        }
    }

    /// A kernel of one's own on this value and others.
    pub fn custom(&self, operation: impl Operation + 'static, others: &[&Value]) -> Value {
        self.apply(Op::Custom(Arc::new(operation)), others)
    }
}

/// Cross-entropies, stable for every input.
impl Value {
    /// `-t ln p - (1 - t) ln(1 - p)` of each element of the predictions `self`.
    pub fn binary_crossentropy(&self, targets: &Value, from_logits: bool) -> Value {
        let prediction = prediction(from_logits);
        targets.apply(
            Op::BinaryCrossentropy(BinaryCrossentropy {
                prediction,
                mean: false,
            }),
            &[self],
        )
    }

    /// `-sum t ln p` over the last axis of the predictions `self`.
    pub fn categorical_crossentropy(&self, targets: &Value, from_logits: bool) -> Value {
        let prediction = prediction(from_logits);
        targets.apply(
            Op::CategoricalCrossentropy(CategoricalCrossentropy { prediction }),
            &[self],
        )
    }

    /// `-ln p[id]` over the last axis of the predictions `self`.
    pub fn sparse_categorical_crossentropy(
        &self,
        ids: &Value,
        from_logits: bool,
        ignore_class: Option<i64>,
    ) -> Value {
        let op = SparseCategoricalCrossentropy {
            prediction: prediction(from_logits),
            ignore_class,
        };
        ids.apply(Op::SparseCategoricalCrossentropy(op), &[self])
    }
}

impl Value {
    /// The cost of [connectionist temporal classification](crate::losses::CTC) of the logits
    /// `self`, `(batch, steps, classes)`, for labels `(batch, longest)`.
    pub(crate) fn ctc(&self, labels: &Value) -> Value {
        labels.apply(Op::Ctc(Ctc), &[self])
    }
}

fn prediction(from_logits: bool) -> Prediction {
    if from_logits {
        Prediction::Logits
    } else {
        Prediction::Probabilities
    }
}

/// The second operand of an elementwise op: a value, or a number.
pub trait Operand {
    /// The operand as a value in the graph of `other`.
    fn operand(self, other: &Value) -> Value;
}

impl Operand for &Value {
    fn operand(self, _other: &Value) -> Value {
        self.clone()
    }
}

impl Operand for Value {
    fn operand(self, _other: &Value) -> Value {
        self
    }
}

impl Operand for f32 {
    fn operand(self, other: &Value) -> Value {
        other.number(self)
    }
}

impl Neg for &Value {
    type Output = Value;

    fn neg(self) -> Value {
        self.unary(Function::Negative)
    }
}

impl Neg for Value {
    type Output = Value;

    fn neg(self) -> Value {
        self.unary(Function::Negative)
    }
}

/// An arithmetic operator between values and numbers, owned or borrowed.
macro_rules! operator {
    ($($Trait:ident $method:ident $pairing:ident),*) => {$(
        impl<T: Operand> $Trait<T> for &Value {
            type Output = Value;

            fn $method(self, other: T) -> Value {
                self.paired(Pairing::$pairing, other)
            }
        }

        impl<T: Operand> $Trait<T> for Value {
            type Output = Value;

            fn $method(self, other: T) -> Value {
                self.paired(Pairing::$pairing, other)
            }
        }

        impl $Trait<&Value> for f32 {
            type Output = Value;

            fn $method(self, other: &Value) -> Value {
                other.number(self).binary(Pairing::$pairing, other)
            }
        }

        impl $Trait<Value> for f32 {
            type Output = Value;

            fn $method(self, other: Value) -> Value {
                other.number(self).binary(Pairing::$pairing, &other)
            }
        }
    )*};
}

operator!(Add add Add, Sub sub Subtract, Mul mul Multiply, Div div Divide);
