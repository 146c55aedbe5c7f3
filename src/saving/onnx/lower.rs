//! Each op in the ops of ONNX.

use super::proto::{Attribute, BOOL, FLOAT, Graph, INT64};
use super::symbolic::{BATCHES, Length, fixed};
use crate::ops::Op;
use crate::ops::binary::Pairing;
use crate::ops::group_normalize::GroupNormalize;
use crate::ops::groups::Groups;
use crate::ops::matmul::MatMul;
use crate::ops::normalize::Normalize;
use crate::ops::pad::Pad;
use crate::ops::reduce::{Reduce, Reduction};
use crate::ops::slice::Slice;
use crate::ops::sparsemax::Sparsemax;
use crate::ops::transpose::Transpose;
use crate::ops::unary::Function;

/// An op that is to be written.
pub(super) struct Call<'e> {
    /// The op in both traces.
    pub(super) ops: [&'e Op; 2],
    /// The names of what it reads, and their shapes.
    pub(super) inputs: Vec<String>,
    pub(super) shapes: Vec<Vec<Length>>,
    /// The shape of what it gives.
    pub(super) shape: Vec<Length>,
}

impl Call<'_> {
    fn name(&self, input: usize) -> &str {
        self.inputs.get(input).map_or("", String::as_str)
    }

    fn shape_of(&self, input: usize) -> &[Length] {
        self.shapes.get(input).map_or(&[], Vec::as_slice)
    }

    fn first(&self) -> &str {
        self.name(0)
    }
}

/// Where an op is written to.
pub(super) struct Target<'g> {
    pub(super) graph: &'g mut Graph,
    /// An input of the model: its first axis is the batch.
    pub(super) input: &'g str,
    /// The name of the batch's size, once it was asked for.
    pub(super) batch: &'g mut Option<String>,
}

/// The name of what the op gives, or why it cannot be written.
type Made = Result<String, String>;

/// Writes an op.
pub(super) fn lower(call: &Call, to: &mut Target) -> Made {
    let [op, twin] = call.ops;
    match (op, twin) {
        (Op::Slice(a), Op::Slice(b)) => return to.slice([*a, *b], call),
        (Op::Constant(a), Op::Constant(b)) => return to.constant([a, b], &call.shape),
        (Op::Reshape(_), Op::Reshape(_)) => return to.reshape(call.first(), &call.shape),
        (Op::Broadcast(_), Op::Broadcast(_)) => return to.broadcast(call),
        _ if format!("{op:?}") != format!("{twin:?}") => return Err(follows_batch("a setting")),
        _ => {}
    }
    let axis = |axis: usize| [Attribute::Int("axis", axis as i64)];
    Ok(match op {
        Op::MatMul(op) => to.matmul(*op, call),
        Op::Unary(op) => to.unary(op.function, call.first()),
        Op::Binary(op) => to.binary(op.pairing, [call.name(0), call.name(1)]),
        Op::Select(_) => {
            let condition = to.cast(call.name(0), BOOL);
            to.op("Where", &[&condition, call.name(1), call.name(2)])
        }
        Op::Reduce(op) => to.reduce(*op, call),
        Op::Transpose(op) => to.transpose(*op, call),
        Op::Concat(op) => {
            let inputs: Vec<&str> = call.inputs.iter().map(String::as_str).collect();
            to.graph.node("Concat", &inputs, &axis(op.axis))
        }
        Op::Moments(op) => to.moments(op.columns, call.first()),
        Op::Normalize(op) => to.normalize(*op, call)?,
        Op::GroupNormalize(op) => to.group_normalize(*op, call)?,
        Op::Pad(op) => to.pad(*op, call),
        Op::Gather(op) => {
            let places = to.cast(call.name(1), INT64);
            let inputs = [call.first(), &places];
            to.graph.node("Gather", &inputs, &axis(op.axis))
        }
        Op::Softmax(op) => to.graph.node("Softmax", &[call.first()], &axis(op.axis)),
        Op::LogSoftmax(op) => to.graph.node("LogSoftmax", &[call.first()], &axis(op.axis)),
        Op::Sparsemax(op) => to.sparsemax(*op, call)?,
        Op::StopGradient(_) => to.op("Identity", &[call.first()]),
        other => return Err(absent(other)),
    })
}

/// The message about an op that ONNX does not have.
fn absent(op: &Op) -> String {
    let name = op.operation().map_or("a place", |op| op.name());
    format!(
        "cannot be written as ONNX: it has no op for `{name}`; export a model that begins after \
         this layer, or ends before it"
    )
}

/// The message about what depends on the size of the batch.
fn follows_batch(what: &str) -> String {
    format!("cannot be written as ONNX: {what} of an op depends on the size of the batch")
}

/// The op that is the same function of one value, where there is one.
fn unary_op(function: Function) -> Option<&'static str> {
    Some(match function {
        Function::Negative => "Neg",
        Function::Abs => "Abs",
        Function::Sign => "Sign",
        Function::Sqrt => "Sqrt",
        Function::Reciprocal => "Reciprocal",
        Function::Exp => "Exp",
        Function::Ln => "Log",
        Function::Sin => "Sin",
        Function::Cos => "Cos",
        Function::Tanh => "Tanh",
        Function::Sigmoid => "Sigmoid",
        Function::Relu => "Relu",
        Function::Softplus => "Softplus",
        Function::Erf => "Erf",
        Function::Floor => "Floor",
        Function::Round => "Round",
        Function::Square | Function::Rsqrt | Function::ExpM1 | Function::Ln1p => return None,
    })
}

impl Target<'_> {
    fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.graph.node(op, inputs, &[])
    }

    fn cast(&mut self, x: &str, kind: i64) -> String {
        self.graph.node("Cast", &[x], &[Attribute::Int("to", kind)])
    }

    /// An op of a value and a number.
    fn with_number(&mut self, op: &str, x: &str, number: f32) -> String {
        let number = self.graph.number(number);
        self.op(op, &[x, &number])
    }

    fn matmul(&mut self, op: MatMul, call: &Call) -> String {
        let mut y = self.op("MatMul", &[call.name(0), call.name(1)]);
        if op.bias {
            y = self.op("Add", &[&y, call.name(2)]);
        }
        match op.activation {
            Some(function) => self.unary(function, &y),
            None => y,
        }
    }

    fn unary(&mut self, function: Function, x: &str) -> String {
        match (unary_op(function), function) {
            (Some(op), _) => self.op(op, &[x]),
            (None, Function::Rsqrt) => {
                let root = self.op("Sqrt", &[x]);
                self.op("Reciprocal", &[&root])
            }
            (None, Function::ExpM1) => {
                let exp = self.op("Exp", &[x]);
                self.with_number("Sub", &exp, 1.0)
            }
            (None, Function::Ln1p) => {
                let more = self.with_number("Add", x, 1.0);
                self.op("Log", &[&more])
            }
            (None, _) => self.op("Mul", &[x, x]),
        }
    }

    fn binary(&mut self, pairing: Pairing, inputs: [&str; 2]) -> String {
        let (op, compares) = match pairing {
            Pairing::Add => ("Add", false),
            Pairing::Subtract => ("Sub", false),
            Pairing::Multiply => ("Mul", false),
            Pairing::Divide => ("Div", false),
            Pairing::Power => ("Pow", false),
            Pairing::Maximum => ("Max", false),
            Pairing::Minimum => ("Min", false),
            Pairing::Less => ("Less", true),
            Pairing::LessEqual => ("LessOrEqual", true),
            Pairing::Greater => ("Greater", true),
            Pairing::GreaterEqual => ("GreaterOrEqual", true),
            Pairing::Equal | Pairing::NotEqual => ("Equal", true),
        };
        let mut y = self.op(op, &inputs);
        if pairing == Pairing::NotEqual {
            y = self.op("Not", &[&y]);
        }
        match compares {
            true => self.cast(&y, FLOAT),
            false => y,
        }
    }

    fn reduce(&mut self, op: Reduce, call: &Call) -> String {
        let rank = call.shape_of(0).len();
        let axes = op.axes.iter().take(rank).enumerate();
        let axes: Vec<i64> = axes
            .filter(|(_, reduced)| **reduced)
            .map(|(axis, _)| axis as i64)
            .collect();
        let x = call.first();
        if axes.is_empty() {
            // No axes are all axes to ONNX.
            return self.op("Identity", &[x]);
        }
        self.reduced(op.reduction, x, &axes, op.keep)
    }

    /// Up to this set of ops, sums take their axes as an input, means and maxima as a setting.
    fn reduced(&mut self, reduction: Reduction, x: &str, axes: &[i64], keep: bool) -> String {
        let keep = Attribute::Int("keepdims", i64::from(keep));
        let setting = Attribute::Ints("axes", axes.to_vec());
        match reduction {
            Reduction::Sum => {
                let axes = self.graph.ints(axes);
                self.graph.node("ReduceSum", &[x, &axes], &[keep])
            }
            Reduction::Mean => self.graph.node("ReduceMean", &[x], &[setting, keep]),
            Reduction::Max => self.graph.node("ReduceMax", &[x], &[setting, keep]),
        }
    }

    fn mean(&mut self, x: &str, axes: &[i64]) -> String {
        self.reduced(Reduction::Mean, x, axes, true)
    }

    fn transpose(&mut self, op: Transpose, call: &Call) -> String {
        let order = op.order.iter().take(call.shape.len());
        let order = order.map(|axis| *axis as i64).collect();
        let order = Attribute::Ints("perm", order);
        self.graph.node("Transpose", &[call.first()], &[order])
    }

    fn slice(&mut self, ops: [Slice; 2], call: &Call) -> Made {
        let [op, twin] = ops;
        let to_end = |op: &Slice, length: Option<&Length>, batch: usize| match length {
            Some(Length::Fixed(length)) => op.end == *length,
            Some(Length::Batches(times)) => op.end == times * batch,
            None => false,
        };
        let [first, second] = BATCHES;
        let length = call.shape_of(0).get(op.axis);
        let whole = to_end(&op, length, first) && to_end(&twin, length, second);
        let same = (op.axis, op.start, op.step) == (twin.axis, twin.start, twin.step);
        if !same || !(whole || op.end == twin.end) {
            return Err(follows_batch("where a slice begins or ends"));
        }
        let end = if whole { i64::MAX } else { op.end as i64 };
        Ok(self.piece(call.first(), op.axis, (op.start as i64, end), op.step))
    }

    /// A piece of a value along an axis.
    fn piece(&mut self, x: &str, axis: usize, (start, end): (i64, i64), step: usize) -> String {
        let [start, end, axis, step] =
            [start, end, axis as i64, step as i64].map(|value| self.graph.ints(&[value]));
        self.op("Slice", &[x, &start, &end, &axis, &step])
    }

    fn pad(&mut self, op: Pad, call: &Call) -> String {
        let rank = call.shape.len();
        let mut pads = vec![0; 2 * rank];
        for (place, count) in [(op.axis, op.before), (rank + op.axis, op.behind)] {
            if let Some(pad) = pads.get_mut(place) {
                *pad = count as i64;
            }
        }
        let pads = self.graph.ints(&pads);
        self.op("Pad", &[call.first(), &pads])
    }

    /// The same numbers in another shape; one axis may follow the batch.
    fn reshape(&mut self, x: &str, shape: &[Length]) -> Made {
        if shape.iter().filter(|length| !length.is_fixed()).count() > 1 {
            return Err(follows_batch("more than one axis"));
        }
        if shape.contains(&Length::Fixed(0)) {
            return Err("cannot be written as ONNX: a value without numbers is reshaped".into());
        }
        let length = |length: &Length| match length {
            Length::Fixed(length) => *length as i64,
            Length::Batches(_) => -1,
        };
        let lengths: Vec<i64> = shape.iter().map(length).collect();
        Ok(self.reshaped(x, &lengths))
    }

    fn reshaped(&mut self, x: &str, lengths: &[i64]) -> String {
        let lengths = self.graph.ints(lengths);
        self.op("Reshape", &[x, &lengths])
    }

    /// An axis of the input that has its length already is stretched by 1.
    fn broadcast(&mut self, call: &Call) -> Made {
        let own = call.shape_of(0);
        let lead = call.shape.len() - own.len().min(call.shape.len());
        let stretched = |(axis, length): (usize, &Length)| {
            let before = axis.checked_sub(lead).and_then(|axis| own.get(axis));
            match before == Some(length) {
                true => Length::Fixed(1),
                false => *length,
            }
        };
        let lengths: Vec<Length> = call.shape.iter().enumerate().map(stretched).collect();
        Ok(self.expand(call.first(), &lengths))
    }

    fn expand(&mut self, x: &str, lengths: &[Length]) -> String {
        let lengths = self.lengths(lengths);
        self.op("Expand", &[x, &lengths])
    }

    /// A shape as a row of numbers.
    fn lengths(&mut self, lengths: &[Length]) -> String {
        if let Some(fixed) = fixed(lengths) {
            let fixed: Vec<i64> = fixed.iter().map(|length| *length as i64).collect();
            return self.graph.ints(&fixed);
        }
        let batch = self.batch();
        let mut parts = Vec::with_capacity(lengths.len());
        for length in lengths {
            parts.push(match length {
                Length::Fixed(length) => self.graph.ints(&[*length as i64]),
                Length::Batches(1) => batch.clone(),
                Length::Batches(times) => {
                    let times = self.graph.ints(&[*times as i64]);
                    self.op("Mul", &[&batch, &times])
                }
            });
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let axis = [Attribute::Int("axis", 0)];
        self.graph.node("Concat", &parts, &axis)
    }

    /// The size of the batch, as a row of one number.
    fn batch(&mut self) -> String {
        if let Some(batch) = self.batch.clone() {
            return batch;
        }
        let shape = self.op("Shape", &[self.input]);
        let batch = self.piece(&shape, 0, (0, 1), 1);
        *self.batch = Some(batch.clone());
        batch
    }

    /// Numbers that never change: where there are as many rows as in the batch, all are the same.
    fn constant(&mut self, values: [&[f32]; 2], shape: &[Length]) -> Made {
        let [one, other] = values;
        // NaN is a constant, too.
        let same = |a: &[f32], b: &[f32]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        if let Some(fixed) = fixed(shape) {
            return match same(one, other) {
                true => Ok(self.graph.floats(&fixed, one)),
                false => Err(follows_batch("a constant")),
            };
        }
        let repeats = |row: &[f32]| {
            let mut rows = one
                .chunks(row.len().max(1))
                .chain(other.chunks(row.len().max(1)));
            rows.all(|other| same(row, other))
        };
        if let Some(number) = one.get(..1).filter(|number| repeats(number)) {
            let number = self.graph.floats(&[], number);
            return Ok(self.expand(&number, shape));
        }
        if let [Length::Batches(1), rest @ ..] = shape
            && let Some(rest) = fixed(rest)
            && let Some(row) = one.get(..rest.iter().product())
            && repeats(row)
        {
            let row = self.graph.floats(&[&[1], rest.as_slice()].concat(), row);
            return Ok(self.expand(&row, shape));
        }
        Err(follows_batch("a constant"))
    }

    /// The means and the variances of columns, one above the other.
    fn moments(&mut self, columns: usize, x: &str) -> String {
        let x = self.reshaped(x, &[-1, columns as i64]);
        let mean = self.mean(&x, &[0]);
        let far = self.op("Sub", &[&x, &mean]);
        let square = self.op("Mul", &[&far, &far]);
        let variance = self.mean(&square, &[0]);
        let axis = [Attribute::Int("axis", 0)];
        self.graph.node("Concat", &[&mean, &variance], &axis)
    }

    fn normalize(&mut self, op: Normalize, call: &Call) -> Made {
        let x = self.reshaped(call.first(), &[-1, op.columns as i64]);
        let mut weights = 1;
        let (far, variance) = match op.groups {
            Groups::Columns => {
                weights = 2;
                let mean = self.piece(call.name(1), 0, (0, 1), 1);
                let variance = self.piece(call.name(1), 0, (1, 2), 1);
                (self.op("Sub", &[&x, &mean]), variance)
            }
            Groups::Rows => {
                let far = match op.centered {
                    true => {
                        let mean = self.mean(&x, &[1]);
                        self.op("Sub", &[&x, &mean])
                    }
                    false => x,
                };
                let square = self.op("Mul", &[&far, &far]);
                let variance = self.mean(&square, &[1]);
                (far, variance)
            }
        };
        let y = self.in_deviations(&far, &variance, op.epsilon);
        let y = self.weighed(y, (op.scale, op.center), weights, call);
        self.reshape(&y, &call.shape)
    }

    fn group_normalize(&mut self, op: GroupNormalize, call: &Call) -> Made {
        let [steps, channels, groups] =
            [op.steps, op.channels, op.groups].map(|length| length as i64);
        let width = channels / groups.max(1);
        let x = self.reshaped(call.first(), &[-1, steps, groups, width]);
        let mean = self.mean(&x, &[1, 3]);
        let far = self.op("Sub", &[&x, &mean]);
        let square = self.op("Mul", &[&far, &far]);
        let variance = self.mean(&square, &[1, 3]);
        let y = self.in_deviations(&far, &variance, op.epsilon);
        let y = self.reshaped(&y, &[-1, steps, channels]);
        let y = self.weighed(y, (op.scale, op.center), 1, call);
        self.reshape(&y, &call.shape)
    }

    /// `far / √(variance + epsilon)`
    fn in_deviations(&mut self, far: &str, variance: &str, epsilon: f32) -> String {
        let more = self.with_number("Add", variance, epsilon);
        let deviation = self.op("Sqrt", &[&more]);
        self.op("Div", &[far, &deviation])
    }

    /// `gamma y + beta`, as far as there are such; they are the inputs from `weights` on.
    fn weighed(
        &mut self,
        mut y: String,
        (scale, center): (bool, bool),
        weights: usize,
        call: &Call,
    ) -> String {
        if scale {
            y = self.op("Mul", &[&y, call.name(weights)]);
        }
        if center {
            y = self.op("Add", &[&y, call.name(weights + usize::from(scale))]);
        }
        y
    }

    /// As [`Sparsemax`] says: of the sorted values, those that are in the support come first.
    fn sparsemax(&mut self, op: Sparsemax, call: &Call) -> Made {
        let Some(Length::Fixed(length)) = call.shape.last() else {
            return Err(follows_batch("the last axis"));
        };
        let axis = call.shape.len() as i64 - 1;
        let count = self.graph.ints(&[*length as i64]);
        let settings = [Attribute::Int("axis", axis)];
        let sorted = self.graph.pair("TopK", &[call.first(), &count], &settings);
        let along = self.graph.int(axis);
        let sums = self.op("CumSum", &[&sorted, &along]);
        let places: Vec<f32> = (1..=*length).map(|j| j as f32).collect();
        let places = self.graph.floats(&[*length], &places);
        let scaled = self.op("Mul", &[&sorted, &places]);
        let above = self.with_number("Add", &scaled, 1.0);
        let supported = self.binary(Pairing::Greater, [&above, &sums]);
        let support = self.reduced(Reduction::Sum, &supported, &[axis], true);
        let summed = if op.exact { &sorted } else { &sums };
        let summed = self.op("Mul", &[summed, &supported]);
        let total = self.reduced(Reduction::Sum, &summed, &[axis], true);
        let total = self.with_number("Sub", &total, 1.0);
        let tau = self.op("Div", &[&total, &support]);
        let above = self.op("Sub", &[call.first(), &tau]);
        Ok(self.op("Relu", &[&above]))
    }
}
