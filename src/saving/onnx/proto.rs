//! The messages of an ONNX file: a graph of nodes, its weights, its inputs and outputs.
//!
//! The numbers of the fields are those of
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use super::protobuf::Message;
use super::symbolic::Length;

/// The version of the file's form, and of the set of ops.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// Types of numbers.
pub(super) const FLOAT: i64 = 1;
pub(super) const INT64: i64 = 7;
pub(super) const BOOL: i64 = 9;

/// A setting of a node.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Int(&'static str, i64),
    Ints(&'static str, Vec<i64>),
}

impl Attribute {
    fn message(&self) -> Message {
        let mut message = Message::default();
        match self {
            Attribute::Int(name, value) => {
                message.text(1, name);
                message.int(3, *value);
                message.int(20, 2);
            }
            Attribute::Ints(name, values) => {
                message.text(1, name);
                values.iter().for_each(|value| message.int(8, *value));
                message.int(20, 7);
            }
        }
        message
    }
}

/// A graph while it is being made.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Message,
    /// Where values get their names: that of the layer which makes them.
    pub(super) layer: String,
    made: usize,
}

/// Adding to a graph gives the name of the value that was added.
impl Graph {
    /// An op of the set of ONNX.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute]) -> String {
        let name = self.fresh(op);
        self.named(op, inputs, &name, attributes);
        name
    }

    /// An op of two outputs, of which the first is wanted.
    pub(super) fn pair(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute]) -> String {
        let (name, other) = (self.fresh(op), self.fresh(op));
        self.call(op, inputs, &[&name, &other], attributes);
        name
    }

    /// An op whose output has a name already.
    pub(super) fn named(&mut self, op: &str, inputs: &[&str], to: &str, settings: &[Attribute]) {
        self.call(op, inputs, &[to], settings);
    }

    fn call(&mut self, op: &str, inputs: &[&str], outputs: &[&str], settings: &[Attribute]) {
        let mut node = Message::default();
        inputs.iter().for_each(|input| node.text(1, input));
        outputs.iter().for_each(|output| node.text(2, output));
        if let Some(name) = outputs.first() {
            node.text(3, name);
        }
        node.text(4, op);
        for setting in settings {
            node.message(5, &setting.message());
        }
        self.nodes.message(1, &node);
    }

    /// Numbers under a name of their own.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, FLOAT, shape, &bytes);
    }

    /// Numbers that never change.
    pub(super) fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        let name = self.fresh("constant");
        self.weight(&name, shape, values);
        name
    }

    /// One number.
    pub(super) fn number(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    /// One whole number.
    pub(super) fn int(&mut self, value: i64) -> String {
        self.whole(&[], &[value])
    }

    /// A row of whole numbers: lengths, axes, places.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        self.whole(&[values.len()], values)
    }

    fn whole(&mut self, shape: &[usize], values: &[i64]) -> String {
        let name = self.fresh("constant");
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(&name, INT64, shape, &bytes);
        name
    }

    fn tensor(&mut self, name: &str, kind: i64, shape: &[usize], bytes: &[u8]) {
        let mut tensor = Message::default();
        shape.iter().for_each(|d| tensor.int(1, *d as i64));
        tensor.int(2, kind);
        tensor.text(8, name);
        tensor.bytes(9, bytes);
        self.nodes.message(5, &tensor);
    }

    /// An input of the model.
    pub(super) fn input(&mut self, name: &str, shape: &[Length]) {
        self.nodes.message(11, &value(name, shape));
    }

    /// An output of the model.
    pub(super) fn output(&mut self, name: &str, shape: &[Length]) {
        self.nodes.message(12, &value(name, shape));
    }

    fn fresh(&mut self, what: &str) -> String {
        self.made += 1;
        format!("{}/{what}:{}", self.layer, self.made)
    }

    /// The file.
    pub(super) fn file(mut self, name: &str) -> Vec<u8> {
        self.nodes.text(2, name);
        let mut opset = Message::default();
        opset.text(1, "");
        opset.int(2, OPSET);
        let mut model = Message::default();
        model.int(1, IR_VERSION);
        model.text(2, env!("CARGO_PKG_NAME"));
        model.text(3, env!("CARGO_PKG_VERSION"));
        model.message(7, &self.nodes);
        model.message(8, &opset);
        model.into_bytes()
    }
}

/// A value of `f32` with its shape.
fn value(name: &str, shape: &[Length]) -> Message {
    let mut lengths = Message::default();
    for length in shape {
        let mut dimension = Message::default();
        match length {
            Length::Fixed(length) => dimension.int(1, *length as i64),
            Length::Batches(1) => dimension.text(2, "batch"),
            Length::Batches(times) => dimension.text(2, &format!("{times}*batch")),
        }
        lengths.message(1, &dimension);
    }
    let mut tensor = Message::default();
    tensor.int(1, FLOAT);
    tensor.message(2, &lengths);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.text(1, name);
    value.message(2, &kind);
    value
}
