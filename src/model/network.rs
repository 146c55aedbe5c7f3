//! Which layer feeds which: a chain, or a graph made of tensors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::tensor::Tensor;
use super::topology;
use crate::error::{Error, Result};
use crate::graph::trace::NodeId;
use crate::graph::{Scope, Value, numbered};
use crate::layers::Layer;

/// The layers of a model, and how they are applied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    /// The layers, in Keras's order.
    pub(crate) nodes: Vec<Node>,
    /// What is computed, in an order in which each reads only what is before it.
    pub(crate) calls: Vec<Call>,
    pub(crate) outputs: Vec<Source>,
    /// The input layers of a graph, by their numbers; a chain has one input and no such layers.
    pub(crate) inputs: Vec<usize>,
    /// Whether it was made of tensors.
    pub(crate) graph: bool,
    /// What is wrong with the tensors that it was made of.
    pub(crate) mistake: Option<String>,
}

/// A layer in its model.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) layer: Arc<dyn Layer>,
    /// Whether the user has frozen or thawed it after it was added.
    pub(crate) trainable: Option<bool>,
    /// Names count by this: when the layer was first applied.
    pub(crate) order: u64,
}

/// A layer applied to values.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The number of the layer.
    pub(crate) node: usize,
    pub(crate) inputs: Vec<Source>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// What the model is given, by number.
    Input(usize),
    /// An output of a call, by both numbers.
    Call(usize, usize),
}

impl Node {
    pub(crate) fn new(layer: Arc<dyn Layer>, order: u64) -> Self {
        Node {
            layer,
            trainable: None,
            order,
        }
    }

    pub(crate) fn trainable(&self) -> bool {
        self.trainable.unwrap_or(self.layer.trainable())
    }
}

/// The values of one trace: what the model is given, and what each call gives.
pub(crate) struct Flow {
    inputs: Vec<Value>,
    calls: Vec<Vec<Value>>,
}

impl Flow {
    /// The value of a source, where there is one.
    pub(crate) fn get(&self, source: Source) -> Option<&Value> {
        match source {
            Source::Input(number) => self.inputs.get(number),
            Source::Call(call, output) => self.calls.get(call)?.get(output),
        }
    }

    /// The number of the last node that each call made, or passed on.
    pub(crate) fn last_nodes(&self) -> Vec<NodeId> {
        let last = |outputs: &Vec<Value>| outputs.iter().map(Value::id).max();
        self.calls
            .iter()
            .map(|call| last(call).unwrap_or(0))
            .collect()
    }

    /// The first output of a call.
    pub(crate) fn first(&self, call: usize) -> Option<&Value> {
        self.calls.get(call)?.first()
    }
}

impl Network {
    /// The graph between tensors.
    pub(crate) fn of(inputs: &[Tensor], outputs: &[Tensor]) -> Network {
        topology::network(inputs, outputs)
    }

    /// Adds a layer at the end of a chain.
    pub(crate) fn push(&mut self, layer: Arc<dyn Layer>) {
        let before = match self.calls.len() {
            0 => Source::Input(0),
            calls => Source::Call(calls - 1, 0),
        };
        self.calls.push(Call {
            node: self.nodes.len(),
            inputs: vec![before],
        });
        self.nodes.push(Node::new(layer, self.nodes.len() as u64));
        self.outputs = vec![Source::Call(self.calls.len() - 1, 0)];
    }

    /// Takes the last layer of a chain off.
    pub(crate) fn pop(&mut self) -> Option<Node> {
        self.calls.pop();
        self.outputs = match self.calls.len() {
            0 => Vec::new(),
            calls => vec![Source::Call(calls - 1, 0)],
        };
        self.nodes.pop()
    }

    /// What its class is called.
    pub(crate) fn class_name(&self) -> &'static str {
        if self.graph { "Model" } else { "Sequential" }
    }

    /// The name of each layer: its own, or one numbered by its class.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut counts = HashMap::new();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|node| self.nodes.get(*node).map(|node| node.order));
        let mut names = vec![String::new(); self.nodes.len()];
        for number in order {
            if let (Some(node), Some(to)) = (self.nodes.get(number), names.get_mut(number)) {
                *to = match node.layer.name() {
                    Some(name) => name.to_string(),
                    None => numbered(&mut counts, node.layer.class_name()),
                };
            }
        }
        names
    }

    /// The name of what the model is given: that of the input layer, or of a chain's first.
    pub(crate) fn input_names(&self) -> Vec<String> {
        let names = self.names();
        match self.graph {
            true => self
                .inputs
                .iter()
                .filter_map(|node| names.get(*node).cloned())
                .collect(),
            false => names.into_iter().take(1).collect(),
        }
    }

    /// The name of each output: that of the layer that gives it, with a number where it gives two.
    pub(crate) fn output_names(&self) -> Vec<String> {
        let names = self.names();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let name = |source: &Source| match source {
            Source::Call(call, _) => {
                let node = self.calls.get(*call).map_or(0, |call| call.node);
                names.get(node).cloned().unwrap_or_default()
            }
            Source::Input(_) => String::new(),
        };
        let outputs = self.outputs.iter().map(name);
        outputs
            .map(|name| {
                let count = seen.entry(name.clone()).or_insert(0);
                *count += 1;
                match *count {
                    1 => name,
                    count => format!("{name}_{}", count - 1),
                }
            })
            .collect()
    }

    /// The shapes of what the model is given, as the input layers or a chain's first say them.
    pub(crate) fn input_shapes(&self) -> Result<Vec<Vec<usize>>> {
        if let Some(mistake) = &self.mistake {
            return Err(Error::Graph {
                message: mistake.clone(),
            });
        }
        let Some(first) = self.nodes.first() else {
            return Err(Error::NoLayers);
        };
        self.check_names()?;
        if self.graph {
            let shape = |node: &usize| self.nodes.get(*node)?.layer.input_shape();
            let shapes = self.inputs.iter().filter_map(shape);
            return Ok(shapes.map(<[usize]>::to_vec).collect());
        }
        match first.layer.input_shape() {
            Some(shape) => Ok(vec![shape.to_vec()]),
            None => Err(Error::NoInputShape {
                layer: self.names().remove(0),
            }),
        }
    }

    fn check_names(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for name in self.names() {
            if name.is_empty() || name.contains('/') || !seen.insert(name.clone()) {
                return Err(Error::argument(
                    self.class_name(),
                    "name",
                    "given to one layer only, not empty and without `/`",
                    format!("`{name}`"),
                ));
            }
        }
        Ok(())
    }

    /// Of each input, the layer that takes it as ids, if one does, and how many of them there are.
    pub(crate) fn input_ids(&self) -> Vec<Option<(String, usize)>> {
        let names = self.names();
        let count = if self.graph { self.inputs.len() } else { 1 };
        let ids = |input: usize| {
            // What passes it on unchanged is an input layer.
            let mut same = vec![Source::Input(input)];
            let mut found: Option<(String, usize)> = None;
            for (number, call) in self.calls.iter().enumerate() {
                let (Some(source), Some(node)) = (call.inputs.first(), self.nodes.get(call.node))
                else {
                    continue;
                };
                if !same.contains(source) {
                    continue;
                }
                if node.layer.class_name() == "InputLayer" {
                    same.push(Source::Call(number, 0));
                } else if let Some(ids) = node.layer.input_ids()
                    && found.as_ref().is_none_or(|(_, fewest)| ids < *fewest)
                {
                    found = Some((names.get(call.node).cloned().unwrap_or_default(), ids));
                }
            }
            found
        };
        (0..count).map(ids).collect()
    }

    /// What each layer reads, as Keras prints it: the layer, which of its calls, and which output.
    pub(crate) fn connections(&self) -> Vec<Vec<String>> {
        let names = self.names();
        let mut connections = vec![Vec::new(); self.nodes.len()];
        for call in &self.calls {
            for source in &call.inputs {
                let Source::Call(before, output) = *source else {
                    continue;
                };
                let node = self.calls.get(before).map(|call| call.node);
                let earlier = self.calls.get(..before).unwrap_or(&[]);
                let time = earlier
                    .iter()
                    .filter(|call| Some(call.node) == node)
                    .count();
                let name = node.and_then(|node| names.get(node));
                if let (Some(name), Some(own)) = (name, connections.get_mut(call.node)) {
                    own.push(format!("{name}[{time}][{output}]"));
                }
            }
        }
        connections
    }

    /// Whether each layer reads what the one before it gives, and nothing else.
    pub(crate) fn is_row(&self) -> bool {
        self.outputs.len() == 1
            && self.inputs.len() <= 1
            && self.calls.iter().enumerate().all(|(number, call)| {
                let before = match number {
                    0 => Source::Input(0),
                    _ => Source::Call(number - 1, 0),
                };
                call.node == number && call.inputs == [before]
            })
    }

    /// The output of each layer for a batch.
    pub(crate) fn trace(&self, scope: &mut Scope, inputs: &[Value]) -> Flow {
        let names = self.names();
        let mut flow = Flow {
            inputs: inputs.to_vec(),
            calls: Vec::with_capacity(self.calls.len()),
        };
        for call in &self.calls {
            let values: Option<Vec<Value>> = call
                .inputs
                .iter()
                .map(|source| flow.get(*source).cloned())
                .collect();
            let name = names.get(call.node).map(String::as_str);
            let outputs = match (self.nodes.get(call.node), values) {
                (Some(node), Some(values)) => {
                    let layer = node.layer.as_ref();
                    scope.named_layer(name, node.trainable(), layer, &values)
                }
                _ => {
                    let layer = name.unwrap_or_default();
                    vec![scope.fail(format!("`{layer}` reads an output that is not there"))]
                }
            };
            flow.calls.push(outputs);
        }
        flow
    }
}
