//! From tensors to a [`Network`]: which layers lie between inputs and outputs, in Keras's order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::network::{Call, Network, Node, Source};
use super::tensor::{self, Tensor};
use crate::layers::Layer;

/// A layer by where it lies: the same for each time that it is applied.
type LayerId = *const ();

fn layer_id(layer: &Arc<dyn Layer>) -> LayerId {
    Arc::as_ptr(layer).cast()
}

/// The graph between tensors. What is wrong with them is kept, for `build` to tell.
pub(super) fn network(inputs: &[Tensor], outputs: &[Tensor]) -> Network {
    match try_network(inputs, outputs) {
        Ok(network) => network,
        Err(mistake) => Network {
            graph: true,
            mistake: Some(mistake),
            ..Network::default()
        },
    }
}

fn try_network(inputs: &[Tensor], outputs: &[Tensor]) -> Result<Network, String> {
    check_inputs(inputs)?;
    if outputs.is_empty() {
        return Err("a model needs at least one output".into());
    }
    let found = Found::between(inputs, outputs)?;
    let order = found.by_depth();
    let mut network = Network {
        graph: true,
        ..Network::default()
    };
    let mut node_of: HashMap<LayerId, usize> = HashMap::new();
    let mut call_of: HashMap<u64, usize> = HashMap::new();
    for call in order {
        let id = layer_id(&call.layer);
        let node = *node_of.entry(id).or_insert_with(|| {
            let first = found.first_call.get(&id).copied().unwrap_or(call.id);
            network
                .nodes
                .push(Node::new(Arc::clone(&call.layer), first));
            network.nodes.len() - 1
        });
        let given = inputs.iter().position(|input| input.call.id == call.id);
        let sources = match given {
            Some(number) => vec![Source::Input(number)],
            None => call
                .inputs
                .iter()
                .filter_map(|tensor| source(&call_of, tensor))
                .collect(),
        };
        call_of.insert(call.id, network.calls.len());
        network.calls.push(Call {
            node,
            inputs: sources,
        });
    }
    network.outputs = outputs
        .iter()
        .filter_map(|tensor| source(&call_of, tensor))
        .collect();
    network.inputs = inputs
        .iter()
        .filter_map(|input| node_of.get(&layer_id(&input.call.layer)).copied())
        .collect();
    Ok(network)
}

fn source(call_of: &HashMap<u64, usize>, tensor: &Tensor) -> Option<Source> {
    let call = call_of.get(&tensor.call.id)?;
    Some(Source::Call(*call, tensor.output))
}

fn check_inputs(inputs: &[Tensor]) -> Result<(), String> {
    if inputs.is_empty() {
        return Err("a model needs at least one input".into());
    }
    let mut seen = HashSet::new();
    for input in inputs {
        if !input.call.is_input {
            return Err(format!(
                "a model's inputs must be made by `Input::tensor`, got what `{}` gives",
                called(&input.call)
            ));
        }
        if !seen.insert(input.call.id) {
            return Err(format!(
                "`{}` is given as an input twice",
                called(&input.call)
            ));
        }
    }
    Ok(())
}

/// A layer in messages.
fn called(call: &tensor::Call) -> &str {
    call.layer.name().unwrap_or(call.layer.class_name())
}

/// The calls that outputs need.
struct Found<'t> {
    calls: Vec<&'t tensor::Call>,
    /// When each layer was met, going back from the outputs.
    met: HashMap<LayerId, usize>,
    /// The first call of each layer.
    first_call: HashMap<LayerId, u64>,
}

impl<'t> Found<'t> {
    fn between(inputs: &'t [Tensor], outputs: &'t [Tensor]) -> Result<Self, String> {
        let mut found = Found {
            calls: Vec::new(),
            met: HashMap::new(),
            first_call: HashMap::new(),
        };
        let given: HashSet<u64> = inputs.iter().map(|input| input.call.id).collect();
        let mut seen = HashSet::new();
        for (number, output) in outputs.iter().enumerate() {
            let mut waiting = vec![output];
            let mut begins = false;
            let mut visited = HashSet::new();
            while let Some(tensor) = waiting.pop() {
                let call = tensor.call.as_ref();
                if !visited.insert(call.id) {
                    continue;
                }
                if call.is_input && !given.contains(&call.id) {
                    return Err(format!(
                        "output {number} depends on the input `{}`, which is not among the model's \
                         inputs",
                        called(call)
                    ));
                }
                begins |= call.is_input;
                if seen.insert(call.id) {
                    found.add(call);
                }
                waiting.extend(call.inputs.iter().rev());
            }
            if !begins {
                return Err(format!(
                    "output {number}, of `{}`, depends on no input",
                    called(&output.call)
                ));
            }
        }
        for input in inputs {
            if seen.insert(input.call.id) {
                found.add(&input.call);
            }
        }
        Ok(found)
    }

    fn add(&mut self, call: &'t tensor::Call) {
        let id = layer_id(&call.layer);
        let met = self.met.len();
        self.met.entry(id).or_insert(met);
        let first = self.first_call.entry(id).or_insert(call.id);
        *first = call.id.min(*first);
        self.calls.push(call);
    }

    /// The calls, those that are farthest from the outputs first; of equal ones, that whose layer was
    /// met first.
    fn by_depth(&self) -> Vec<&'t tensor::Call> {
        let mut calls = self.calls.clone();
        // Readers come before what they read.
        calls.sort_by_key(|call| std::cmp::Reverse(call.id));
        let mut depths: HashMap<u64, usize> = HashMap::new();
        let mut layer_depths: HashMap<LayerId, usize> = HashMap::new();
        for call in &calls {
            let layer = layer_depths.entry(layer_id(&call.layer)).or_insert(0);
            let own = depths.entry(call.id).or_insert(0);
            *own = (*own).max(*layer);
            *layer = *own;
            let depth = *own;
            for input in &call.inputs {
                let before = depths.entry(input.call.id).or_insert(0);
                *before = (*before).max(depth + 1);
            }
        }
        let met = |call: &tensor::Call| self.met.get(&layer_id(&call.layer)).copied();
        calls.sort_by_key(|call| {
            let depth = depths.get(&call.id).copied().unwrap_or(0);
            (std::cmp::Reverse(depth), met(call), call.id)
        });
        calls
    }
}
