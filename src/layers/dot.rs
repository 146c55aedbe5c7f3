//! [`Dot`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{merging, shared_settings};
use crate::graph::{Scope, Value};

/// The products of two inputs, summed along an axis of each, sample by sample.
///
/// Inputs of shapes `(batch, a, k)` and `(batch, b, k)` with axis 2 give `(batch, a, b)`; rows
/// `(batch, k)` give `(batch, 1)`, their scalar product.
///
/// Source: <https://keras.io/api/layers/merging_layers/dot/>
///
/// # Examples
///
/// How alike two rows are, from -1 to 1:
///
/// ```
/// use horn::layers::Dot;
/// use horn::prelude::*;
///
/// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
/// let mut model = Model::new([&a, &b], Dot::new(1).normalize(true).apply([&a, &b]));
/// model.build()?;
/// let cosine = model.predict((&array![[1.0, 0.0]], &array![[3.0, 4.0]]))?;
/// assert!((cosine[[0, 0]] - 0.6).abs() < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dot {
    #[serde(flatten)]
    base: Base,
    axes: DotAxes,
    #[serde(default)]
    normalize: bool,
}

/// One axis for both inputs, or one for each, as [`Dot`] takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DotAxes {
    /// The same axis of both.
    Same(isize),
    /// An axis of the first and one of the second.
    Each(isize, isize),
}

impl From<isize> for DotAxes {
    fn from(axis: isize) -> Self {
        DotAxes::Same(axis)
    }
}

impl From<(isize, isize)> for DotAxes {
    fn from((first, second): (isize, isize)) -> Self {
        DotAxes::Each(first, second)
    }
}

impl Dot {
    /// Along this axis of both inputs, or along one of each: `Dot::new((2, 1))`. The batch is axis 0
    /// and cannot be one; negative axes count from the end.
    pub fn new(axes: impl Into<DotAxes>) -> Self {
        Dot {
            base: Base::default(),
            axes: axes.into(),
            normalize: false,
        }
    }

    /// Whether inputs are first divided by their length along the axis, so that the product of two
    /// rows is the cosine of their angle. Default: false.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    shared_settings!(builder);

    fn merge(&self, scope: &mut Scope, inputs: &[Value]) -> Value {
        let [x, y] = inputs else {
            return scope.fail(format!("multiplies two inputs, got {}", inputs.len()));
        };
        let (first, second) = match self.axes {
            DotAxes::Same(axis) => (axis, axis),
            DotAxes::Each(first, second) => (first, second),
        };
        let inner = |value: &Value, axis| value.shape().axis(axis).filter(|place| *place > 0);
        let (Some(a), Some(b)) = (inner(x, first), inner(y, second)) else {
            return scope.fail(format!(
                "`axes` must be axes of inputs of shapes {} and {}, not the batch, got {:?}",
                x.shape(),
                y.shape(),
                (first, second)
            ));
        };
        if x.dim(a as isize) != y.dim(b as isize) {
            return scope.fail(format!(
                "cannot multiply {} along axis {a} with {} along axis {b}: their lengths differ",
                x.shape(),
                y.shape()
            ));
        }
        match self.normalize {
            true => product(
                (&x.l2_normalize(a as isize), a),
                (&y.l2_normalize(b as isize), b),
            ),
            false => product((x, a), (y, b)),
        }
    }
}

/// The axes of a value but the batch and one, and their lengths.
fn others(x: &Value, axis: usize) -> (Vec<usize>, Vec<usize>) {
    let axes: Vec<usize> = (1..x.rank()).filter(|other| *other != axis).collect();
    let lengths = axes.iter().map(|axis| x.dim(*axis as isize)).collect();
    (axes, lengths)
}

/// One product of matrices a sample.
fn product((x, a): (&Value, usize), (y, b): (&Value, usize)) -> Value {
    let (x_axes, x_lengths) = others(x, a);
    let (y_axes, y_lengths) = others(y, b);
    let (batch, inner) = (x.dim(0), x.dim(a as isize));
    let rows: usize = x_lengths.iter().product();
    let columns: usize = y_lengths.iter().product();
    let x = x.transpose([&[0], x_axes.as_slice(), &[a]].concat());
    let y = y.transpose([&[0, b], y_axes.as_slice()].concat());
    let z = x
        .reshape([batch, rows, inner])
        .matmul(&y.reshape([batch, inner, columns]));
    let mut shape = [&[batch], x_lengths.as_slice(), &y_lengths].concat();
    if shape.len() == 1 {
        shape.push(1);
    }
    z.reshape(shape)
}

merging::merges!(Dot, Dot::merge);
