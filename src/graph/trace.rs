//! The graph that tracing leaves behind: ops in the order in which they were asked for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::Error;
use crate::ops::Op;
use crate::shape::Shape;

/// The number of a node in its graph.
pub(crate) type NodeId = usize;

/// A graph while it is being traced: every `Value` and the `Scope` hold it.
pub(crate) type Shared = Rc<RefCell<Graph>>;

/// An op, what it reads, and the shape of what it gives.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<NodeId>,
    pub(crate) shape: Shape,
}

/// Nodes in an order in which each reads only those before it.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// The first mistake; what follows from it is not reported.
    pub(crate) error: Option<Error>,
    /// The path of the layer that is being traced.
    pub(crate) layer: String,
}

impl Graph {
    /// Adds an op, checking the shapes; a mistake is remembered and gives a scalar to go on with.
    pub(crate) fn push(&mut self, op: Op, inputs: &[NodeId]) -> (NodeId, Shape) {
        if self.error.is_some() {
            return self.placeholder();
        }
        let shapes: Vec<Shape> = inputs.iter().filter_map(|i| self.shape(*i)).collect();
        match op.operation().map(|operation| operation.shape(&shapes)) {
            Some(Ok(shape)) if Shape::new(shape.dims()).is_some() => self.add(op, inputs, shape),
            Some(Ok(shape)) => {
                self.fail(format!("a value of shape {shape} is too large for memory"));
                self.placeholder()
            }
            Some(Err(message)) => {
                self.fail(message);
                self.placeholder()
            }
            None => {
                self.fail("a place cannot be computed".into());
                self.placeholder()
            }
        }
    }

    /// Adds a node whose shape is known.
    pub(crate) fn add(&mut self, op: Op, inputs: &[NodeId], shape: Shape) -> (NodeId, Shape) {
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            shape,
        });
        (self.nodes.len() - 1, shape)
    }

    /// Remembers the first mistake, with the layer in which it was made.
    pub(crate) fn fail(&mut self, message: String) {
        let layer = self.layer.clone();
        self.fail_with(Error::Layer { layer, message });
    }

    /// Remembers the first mistake.
    pub(crate) fn fail_with(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    fn shape(&self, id: NodeId) -> Option<Shape> {
        self.nodes.get(id).map(|node| node.shape)
    }

    /// A number to go on with after a mistake.
    fn placeholder(&mut self) -> (NodeId, Shape) {
        self.add(Op::Constant(Arc::from([0.0])), &[], Shape::SCALAR)
    }
}
