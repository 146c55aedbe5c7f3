//! Joins ops that are faster as one: a product with its bias and activation, a loss with the
//! activation before it. Fusion never changes a result by more than rounding.

use super::trace::{Node, NodeId};
use crate::ops::Op;
use crate::ops::binary::Pairing;
use crate::ops::binary_crossentropy::{BinaryCrossentropy, Prediction};
use crate::ops::matmul::MatMul;
use crate::ops::reduce::{Reduce, Reduction};
use crate::ops::unary::Function;
use crate::shape::{MAX_RANK, Shape};

/// Rewrites the nodes in place. Nodes that nothing reads any more stay; the plan leaves them out.
///
/// `outputs` are read from outside; `loss` is where gradients begin.
pub(crate) fn fuse(nodes: &mut [Node], outputs: &[NodeId], loss: Option<NodeId>) {
    let mut readers = vec![0usize; nodes.len()];
    for input in nodes.iter().flat_map(|node| &node.inputs) {
        readers[*input] += 1;
    }
    let seen: Vec<bool> = (0..nodes.len())
        .map(|id| outputs.contains(&id) || loss == Some(id))
        .collect();
    for id in 0..nodes.len() {
        join_bias(nodes, id, &readers, &seen);
        join_activation(nodes, id, &readers, &seen);
    }
    for id in 0..nodes.len() {
        join_means(nodes, id, &readers, &seen);
        join_cost(nodes, id, &readers, &seen);
    }
    for id in 0..nodes.len() {
        join_loss(nodes, id, &readers, loss);
        join_mask(nodes, id, &readers, loss);
    }
}

/// `x w + b` becomes one product.
fn join_bias(nodes: &mut [Node], id: NodeId, readers: &[usize], seen: &[bool]) {
    let Op::Binary(add) = &nodes[id].op else {
        return;
    };
    let (product, bias) = (nodes[id].inputs[0], nodes[id].inputs[1]);
    let Op::MatMul(matmul) = nodes[product].op else {
        return;
    };
    let plain = !matmul.bias && matmul.activation.is_none();
    let alone = readers[product] == 1 && !seen[product];
    let flat = nodes[nodes[product].inputs[1]].shape.rank() == 2;
    let fits = nodes[bias].shape.dims() == [nodes[product].shape.last()]
        && nodes[id].shape == nodes[product].shape;
    if add.pairing == Pairing::Add && plain && alone && flat && fits {
        let mut inputs = nodes[product].inputs.clone();
        inputs.push(bias);
        nodes[id].inputs = inputs;
        nodes[id].op = Op::MatMul(MatMul {
            bias: true,
            ..matmul
        });
    }
}

/// A product and its activation become one.
fn join_activation(nodes: &mut [Node], id: NodeId, readers: &[usize], seen: &[bool]) {
    let Op::Unary(unary) = nodes[id].op else {
        return;
    };
    let product = nodes[id].inputs[0];
    let Op::MatMul(matmul) = nodes[product].op else {
        return;
    };
    let alone = readers[product] == 1 && !seen[product];
    if unary.function.fusible() && matmul.activation.is_none() && alone {
        nodes[id].inputs = nodes[product].inputs.clone();
        nodes[id].op = Op::MatMul(MatMul {
            activation: Some(unary.function),
            ..matmul
        });
    }
}

/// A mean of means, or a sum of sums, over all that is left becomes one over everything.
fn join_means(nodes: &mut [Node], id: NodeId, readers: &[usize], seen: &[bool]) {
    let Op::Reduce(outer) = nodes[id].op else {
        return;
    };
    let first = nodes[id].inputs[0];
    let Op::Reduce(inner) = nodes[first].op else {
        return;
    };
    let alone = readers[first] == 1 && !seen[first];
    // Shapes without numbers are left alone: the mean of no means is not that of no numbers.
    let is_whole = nodes[id].shape == Shape::SCALAR && nodes[first].shape.size() > 0;
    let same = outer.reduction == inner.reduction && outer.reduction != Reduction::Max;
    if alone && is_whole && same {
        nodes[id].inputs = nodes[first].inputs.clone();
        nodes[id].op = Op::Reduce(Reduce {
            axes: [true; MAX_RANK],
            ..outer
        });
    }
}

/// The mean of all costs is computed with them.
fn join_cost(nodes: &mut [Node], id: NodeId, readers: &[usize], seen: &[bool]) {
    let Op::Reduce(mean) = nodes[id].op else {
        return;
    };
    let costs = nodes[id].inputs[0];
    let Op::BinaryCrossentropy(cost) = nodes[costs].op else {
        return;
    };
    let alone = readers[costs] == 1 && !seen[costs];
    let is_whole = nodes[id].shape == Shape::SCALAR;
    if mean.reduction == Reduction::Mean && alone && is_whole && !cost.mean {
        nodes[id].inputs = nodes[costs].inputs.clone();
        nodes[id].op = Op::BinaryCrossentropy(BinaryCrossentropy { mean: true, ..cost });
    }
}

/// A cross-entropy of probabilities that come from a sigmoid or softmax gives the gradient of the
/// logits, which is simpler and loses nothing where the activation saturates.
fn join_loss(nodes: &mut [Node], id: NodeId, readers: &[usize], loss: Option<NodeId>) {
    let (sigmoid, prediction) = match &nodes[id].op {
        Op::BinaryCrossentropy(op) => (true, op.prediction),
        Op::CategoricalCrossentropy(op) => (false, op.prediction),
        Op::SparseCategoricalCrossentropy(op) => (false, op.prediction),
        _ => return,
    };
    let activation = nodes[id].inputs[1];
    let alone = readers[activation] == 1 && loss != Some(activation);
    if prediction != Prediction::Probabilities || !alone {
        return;
    }
    let rank = nodes[activation].shape.rank();
    match &mut nodes[activation].op {
        Op::Unary(op) if sigmoid && op.function == Function::Sigmoid => op.passes_gradient = true,
        Op::MatMul(op) if sigmoid && op.activation == Some(Function::Sigmoid) => {
            op.passes_gradient = true;
        }
        Op::Softmax(op) if !sigmoid && op.axis + 1 == rank => op.passes_gradient = true,
        _ => return,
    }
    match &mut nodes[id].op {
        Op::BinaryCrossentropy(op) => op.prediction = Prediction::Activated,
        Op::CategoricalCrossentropy(op) => op.prediction = Prediction::Activated,
        Op::SparseCategoricalCrossentropy(op) => op.prediction = Prediction::Activated,
        _ => {}
    }
}

/// The backward pass of a ReLU between two products is left to the second product.
fn join_mask(nodes: &mut [Node], id: NodeId, readers: &[usize], loss: Option<NodeId>) {
    let Op::MatMul(_) = nodes[id].op else {
        return;
    };
    let input = nodes[id].inputs[0];
    let alone = readers[input] == 1 && loss != Some(input);
    let relu = match &mut nodes[input].op {
        Op::MatMul(op) if op.activation == Some(Function::Relu) && alone => op,
        _ => return,
    };
    relu.passes_gradient = true;
    if let Op::MatMul(op) = &mut nodes[id].op {
        op.masks_input = true;
    }
}
