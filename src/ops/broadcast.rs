//! Stretching axes of length one, and how elementwise ops pair values of unlike shapes.

use super::{Backward, Forward, Operation, only};
use crate::shape::{MAX_RANK, Shape};

/// The shape of an elementwise op of two values.
///
/// Values of one shape pair up, a single number pairs with everything, and a value of lower rank
/// pairs when its shape is exactly the trailing axes of the other. Axes of length one stretch
/// only between values of equal rank: `(n,)` never meets `(n, 1)` in silence.
pub(crate) fn pair_shape(name: &str, a: Shape, b: Shape) -> Result<Shape, String> {
    if a == b || b.rank() == 0 {
        return Ok(a);
    }
    if a.rank() == 0 {
        return Ok(b);
    }
    let mismatch = || {
        format!(
            "`{name}` cannot pair {a} with {b}: shapes must be equal, or one must be the other's \
             trailing axes; axes of length 1 stretch between equal ranks only (see `reshape` and \
             `broadcast_to`)"
        )
    };
    if a.rank() != b.rank() {
        let (long, short) = if a.rank() > b.rank() { (a, b) } else { (b, a) };
        return if long.dims().ends_with(short.dims()) {
            Ok(long)
        } else {
            Err(mismatch())
        };
    }
    let mut shape = a;
    for (axis, (m, n)) in a.dims().iter().zip(b.dims()).enumerate() {
        shape = match (*m, *n) {
            (m, n) if m == n => shape,
            (1, n) => shape.with(axis, n),
            (_, 1) => shape,
            _ => return Err(mismatch()),
        };
    }
    Shape::new(shape.dims()).ok_or_else(mismatch)
}

/// How far an operand moves for each step along an axis of the output; 0 where it is stretched.
pub(crate) fn stretched_strides(operand: Shape, output: Shape) -> [usize; MAX_RANK] {
    let own = operand.strides();
    let lead = output.rank() - operand.rank();
    let mut strides = [0; MAX_RANK];
    for axis in 0..operand.rank() {
        if operand.dims()[axis] != 1 {
            strides[lead + axis] = own[axis];
        }
    }
    strides
}

/// Calls `f(output, a, b)` with the places of all elements of `shape`, in order.
pub(crate) fn walk(
    shape: Shape,
    a: &[usize; MAX_RANK],
    b: &[usize; MAX_RANK],
    mut f: impl FnMut(usize, usize, usize),
) {
    let rank = shape.rank();
    let size = shape.size();
    if size == 0 {
        return;
    }
    if rank == 0 {
        return f(0, 0, 0);
    }
    let inner = shape.last();
    let (step_a, step_b) = (a[rank - 1], b[rank - 1]);
    let mut index = [0usize; MAX_RANK];
    let (mut out, mut at_a, mut at_b) = (0, 0, 0);
    loop {
        for i in 0..inner {
            f(out + i, at_a + i * step_a, at_b + i * step_b);
        }
        out += inner;
        if out >= size {
            return;
        }
        for axis in (0..rank - 1).rev() {
            index[axis] += 1;
            at_a += a[axis];
            at_b += b[axis];
            if index[axis] < shape.dims()[axis] {
                break;
            }
            at_a -= index[axis] * a[axis];
            at_b -= index[axis] * b[axis];
            index[axis] = 0;
        }
    }
}

/// The elements of an output in rows, along which both operands go by steps of their own: axes that
/// are gone through as one are one.
pub(crate) struct Rows {
    rank: usize,
    /// The lengths of the axes and the operands' strides, the innermost first.
    axes: [(usize, [usize; 2]); MAX_RANK],
}

impl Rows {
    pub(crate) fn new(shape: Shape, strides: [&[usize; MAX_RANK]; 2]) -> Self {
        let mut rows = Rows {
            rank: 1,
            axes: [(1, [0, 0]); MAX_RANK],
        };
        for axis in (0..shape.rank())
            .rev()
            .filter(|axis| shape.dims()[*axis] != 1)
        {
            let (length, steps) = (shape.dims()[axis], strides.map(|strides| strides[axis]));
            let (inner, before) = rows.axes[rows.rank - 1];
            if inner == 1 {
                rows.axes[rows.rank - 1] = (length, steps);
            } else if steps == before.map(|step| step * inner) {
                rows.axes[rows.rank - 1].0 = inner * length;
            } else {
                rows.axes[rows.rank] = (length, steps);
                rows.rank += 1;
            }
        }
        rows
    }

    /// The length of a row, and the operands' steps along it.
    pub(crate) fn inner(&self) -> (usize, [usize; 2]) {
        self.axes[0]
    }

    /// Calls `f(a, b)` with the places where some rows begin in the operands, in order.
    #[inline(always)]
    pub(crate) fn each(&self, first: usize, count: usize, mut f: impl FnMut(usize, usize)) {
        let mut index = [0; MAX_RANK];
        let mut at = [0, 0];
        let mut rest = first;
        for (axis, (length, steps)) in self.axes.iter().enumerate().take(self.rank).skip(1) {
            index[axis] = rest % length.max(&1);
            rest /= length.max(&1);
            for (at, step) in at.iter_mut().zip(steps) {
                *at += index[axis] * step;
            }
        }
        for _ in 0..count {
            f(at[0], at[1]);
            for (axis, (length, steps)) in self.axes.iter().enumerate().take(self.rank).skip(1) {
                index[axis] += 1;
                let back = if index[axis] < *length { 0 } else { *length };
                for (at, step) in at.iter_mut().zip(steps) {
                    *at = *at + step - back * step;
                }
                if back == 0 {
                    break;
                }
                index[axis] = 0;
            }
        }
    }
}

/// The input stretched to a larger shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broadcast {
    pub(crate) to: Shape,
}

impl Operation for Broadcast {
    fn name(&self) -> &str {
        "broadcast_to"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = only("broadcast_to", inputs)?;
        match pair_shape("broadcast_to", input, self.to) {
            Ok(shape) if shape == self.to => Ok(shape),
            _ => Err(format!("cannot broadcast {input} to {}", self.to)),
        }
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let x = run.input(0);
        let strides = stretched_strides(run.input_shape(0), self.to);
        walk(self.to, &strides, &strides, |o, i, _| output[o] = x[i]);
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let dy = run.gradient();
        let strides = stretched_strides(run.input_shape(0), self.to);
        gradient.fill(0.0);
        walk(self.to, &strides, &strides, |o, i, _| gradient[i] += dy[o]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_ranks_must_be_trailing_axes() {
        let shape = |a: Shape, b: Shape| pair_shape("add", a, b);
        assert_eq!(shape([2, 3].into(), [3].into()), Ok([2, 3].into()));
        assert_eq!(shape(Shape::SCALAR, [3].into()), Ok([3].into()));
        assert_eq!(shape([2, 1].into(), [2, 3].into()), Ok([2, 3].into()));
        assert!(shape([2].into(), [2, 1].into()).is_err());
        assert!(shape([2, 3].into(), [2, 4].into()).is_err());
    }

    #[test]
    fn walking_a_stretched_operand() {
        let shape = Shape::from([2, 3]);
        let column = stretched_strides([2, 1].into(), shape);
        let row = stretched_strides([3].into(), shape);
        let mut seen = vec![];
        walk(shape, &column, &row, |o, a, b| seen.push((o, a, b)));
        let want = [
            (0, 0, 0),
            (1, 0, 1),
            (2, 0, 2),
            (3, 1, 0),
            (4, 1, 1),
            (5, 1, 2),
        ];
        assert_eq!(seen, want);
    }

    #[test]
    fn rows_meet_what_a_walk_meets() {
        let cases: [(&[usize], &[usize]); 6] = [
            (&[2, 3], &[2, 1]),
            (&[4, 1, 3, 5], &[4, 2, 1, 5]),
            (&[4, 2, 3, 5], &[4, 1, 1, 5]),
            (&[4, 2, 3, 5], &[1, 2, 3, 1]),
            (&[1, 1], &[1, 1]),
            (&[3, 2, 2], &[2]),
        ];
        for (a, b) in cases {
            let (a, b) = (Shape::new(a).unwrap(), Shape::new(b).unwrap());
            let shape = pair_shape("add", a, b).unwrap();
            let strides = [stretched_strides(a, shape), stretched_strides(b, shape)];
            let mut want = vec![];
            walk(shape, &strides[0], &strides[1], |_, i, j| want.push((i, j)));
            let rows = Rows::new(shape, [&strides[0], &strides[1]]);
            let (length, steps) = rows.inner();
            for first in 0..2 {
                let mut seen = vec![];
                let count = (shape.size() / length).saturating_sub(first);
                rows.each(first, count, |i, j| {
                    seen.extend((0..length).map(|k| (i + k * steps[0], j + k * steps[1])));
                });
                assert_eq!(
                    seen[..],
                    want[(first * length).min(want.len())..],
                    "{a} {b}"
                );
            }
        }
    }
}
