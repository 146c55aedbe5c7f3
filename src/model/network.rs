//! Which layer feeds which; today a chain.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Scope, Value, numbered};
use crate::layers::Layer;

/// The layers of a model, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    pub(crate) nodes: Vec<Node>,
}

/// A layer in its model.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) layer: Arc<dyn Layer>,
    /// Whether the user has frozen or thawed it after it was added.
    pub(crate) trainable: Option<bool>,
}

impl Node {
    pub(crate) fn trainable(&self) -> bool {
        self.trainable.unwrap_or(self.layer.trainable())
    }
}

impl Network {
    pub(crate) fn push(&mut self, layer: Arc<dyn Layer>) {
        self.nodes.push(Node {
            layer,
            trainable: None,
        });
    }

    /// The name of each layer: its own, or one numbered by its class.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut counts = HashMap::new();
        let name = |node: &Node| match node.layer.name() {
            Some(name) => name.to_string(),
            None => numbered(&mut counts, node.layer.class_name()),
        };
        self.nodes.iter().map(name).collect()
    }

    /// The shape of one input, as the first layer says it.
    pub(crate) fn input_shape(&self) -> Result<Vec<usize>> {
        let Some(first) = self.nodes.first() else {
            return Err(Error::NoLayers);
        };
        let mut seen = HashSet::new();
        for name in self.names() {
            if name.is_empty() || name.contains('/') || !seen.insert(name.clone()) {
                return Err(Error::argument(
                    "Sequential",
                    "name",
                    "given to one layer only, not empty and without `/`",
                    format!("`{name}`"),
                ));
            }
        }
        match first.layer.input_shape() {
            Some(shape) => Ok(shape.to_vec()),
            None => Err(Error::NoInputShape {
                layer: self.names().remove(0),
            }),
        }
    }

    /// The first layer that does something, if its inputs are ids, and how many of them there are.
    pub(crate) fn input_ids(&self) -> Option<(String, usize)> {
        let mut named = self.nodes.iter().zip(self.names());
        let first = named.find(|(node, _)| node.layer.class_name() != "InputLayer");
        first.and_then(|(node, name)| Some((name, node.layer.input_ids()?)))
    }

    /// The output of each layer for a batch.
    pub(crate) fn trace(&self, scope: &mut Scope, x: &Value) -> Vec<Value> {
        let mut outputs: Vec<Value> = Vec::with_capacity(self.nodes.len());
        for (node, name) in self.nodes.iter().zip(self.names()) {
            let input = outputs.last().unwrap_or(x).clone();
            let layer = node.layer.as_ref();
            let output = scope.named_layer(Some(&name), node.trainable(), layer, &input);
            outputs.push(output);
        }
        outputs
    }
}
