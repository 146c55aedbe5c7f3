//! What building a model leaves behind: its variables, their values, and the plans made so far.

use std::sync::Arc;

use super::compile::Head;
use super::network::{Flow, Network};
use super::plans::{Key, Mode, Plans, Prepared};
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::trace::NodeId;
use crate::graph::variables::Variables;
use crate::graph::{Scope, Shape, Traced, Value};
use crate::kernels::aligned::Aligned;
use crate::losses;
use crate::ops::Port;
use crate::saving::onnx::Inference;

/// A model with variables.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) variables: Arc<Variables>,
    pub(crate) parameters: Aligned,
    /// The shape of one row of each input.
    pub(crate) rows: Vec<Vec<usize>>,
    /// Of each input, the layer that takes it as ids and how many there are, if one does.
    pub(crate) ids: Vec<Option<(String, usize)>>,
    /// The shape of each layer's output, for a batch of two.
    pub(crate) layers: Vec<Shape>,
    /// The shape of each of the model's outputs, for a batch of two.
    pub(crate) outputs: Vec<Shape>,
    pub(crate) plans: Plans,
}

/// A model that was traced, for more to be made of its outputs.
pub(crate) struct Sketch {
    pub(crate) scope: Scope,
    pub(crate) outputs: Vec<Value>,
}

impl Sketch {
    /// The graph, of which no value may be held any more.
    pub(crate) fn finish(self) -> Result<Traced> {
        drop(self.outputs);
        self.scope.finish()
    }
}

/// The batch with which a model is first traced; not 1, which stretches.
const TRIAL: usize = 2;

impl Built {
    /// Traces the layers for the first time and draws the variables; those that the model had
    /// before keep their values.
    pub(crate) fn new(network: &Network, seed: u64, before: Option<&Built>) -> Result<Built> {
        let (mut built, variables) = Built::traced(network)?;
        // Values that are all replaced need not be drawn.
        let all = before.filter(|before| before.variables.same_places(&variables));
        let mut parameters = match all {
            Some(before) => before.parameters.clone(),
            None => variables.initial(seed)?,
        };
        if let (Some(before), None) = (before, all) {
            variables.carry(&mut parameters, &before.variables, &before.parameters);
        }
        built.parameters = parameters;
        built.variables = Arc::new(variables);
        Ok(built)
    }

    /// The same with weights of 0, to be read from a file; refused where there are more than `most`.
    pub(crate) fn blank(network: &Network, most: u64) -> Result<Built> {
        let (mut built, variables) = Built::traced(network)?;
        if variables.total as u64 > most {
            return Err(Error::argument(
                "load",
                "max_bytes",
                format!("enough for {} numbers of weights", variables.total),
                format!("room for {most}"),
            ));
        }
        built.parameters = variables.zeros()?;
        built.variables = Arc::new(variables);
        Ok(built)
    }

    /// The model without its variables, which stand beside it.
    pub(crate) fn traced(network: &Network) -> Result<(Built, Variables)> {
        let rows = network.input_shapes()?;
        let mut scope = Scope::new(None, true);
        let inputs = inputs(&mut scope, TRIAL, &rows)?;
        let flow = network.trace(&mut scope, &inputs);
        let layers = layer_shapes(network, &flow);
        let outputs: Option<Vec<Shape>> = network
            .outputs
            .iter()
            .map(|source| flow.get(*source).map(Value::shape))
            .collect();
        drop((flow, inputs));
        let variables = scope.finish()?.variables;
        let outputs = outputs.ok_or_else(|| Error::Graph {
            message: "a model's output is one that its layer does not give".into(),
        })?;
        check_batch(network, &layers)?;
        let built = Built {
            variables: Arc::default(),
            parameters: Aligned::zeros(0),
            rows,
            layers,
            ids: network.input_ids(),
            outputs,
            plans: Plans::default(),
        };
        Ok((built, variables))
    }

    /// The shape of an output of the model for a batch.
    pub(crate) fn output(&self, number: usize, batch: usize) -> Shape {
        let own = self.outputs.get(number).copied().unwrap_or(Shape::SCALAR);
        own.with(0, batch)
    }

    /// The shape of the targets of an output for a batch, with `labels` in a row where the loss
    /// leaves that open.
    pub(crate) fn targets(&self, head: &Head, batch: usize, labels: usize) -> Shape {
        let open = Shape::from([batch, labels]);
        let output = self.output(head.output, batch);
        head.loss.targets().beside(output).unwrap_or(open)
    }

    /// The plan for a batch of this size, made when it is first asked for.
    pub(crate) fn plan(
        &self,
        network: &Network,
        heads: &[Head],
        key: Key,
    ) -> Result<Arc<Prepared>> {
        self.plans.get(key, || self.trace(network, heads, key))
    }

    fn trace(&self, network: &Network, heads: &[Head], key: Key) -> Result<Plan> {
        let training = matches!(key.mode, Mode::Train { .. });
        let scope = Scope::new(Some(&self.variables), training);
        let Sketch {
            mut scope, outputs, ..
        } = self.sketch(network, scope, key.batch)?;
        let mut goal = Goal {
            outputs: outputs.iter().map(Value::id).collect(),
            ..Goal::default()
        };
        if let Mode::Evaluate { weighted } | Mode::Train { weighted } = key.mode {
            let (total, parts) = self.losses(&mut scope, (heads, &outputs), weighted, key);
            goal.outputs.push(total.id());
            if parts.len() > 1 {
                goal.outputs.extend(parts.iter().map(Value::id));
            }
            goal.loss = training.then(|| total.id());
            goal.updates = scope.updates().to_vec();
        }
        drop(outputs);
        let traced = scope.finish()?;
        Ok(Plan::new(traced.graph, &self.variables, &goal))
    }

    /// The model's outputs for a batch, in a scope for more to be made of them.
    pub(crate) fn sketch(
        &self,
        network: &Network,
        mut scope: Scope,
        batch: usize,
    ) -> Result<Sketch> {
        let inputs = inputs(&mut scope, batch, &self.rows)?;
        let flow = network.trace(&mut scope, &inputs);
        let sources = network.outputs.iter();
        let outputs = sources.filter_map(|source| flow.get(*source).cloned());
        let outputs = outputs.collect();
        Ok(Sketch { scope, outputs })
    }

    /// What each sample of a batch costs: the weighted sum over the outputs that have a loss.
    pub(crate) fn sample_losses(
        &self,
        sketch: &mut Sketch,
        heads: &[Head],
        (batch, labels): (usize, usize),
    ) -> Value {
        let mut total: Option<Value> = None;
        for (number, head) in heads.iter().enumerate() {
            let Some(y_pred) = sketch.outputs.get(head.output).cloned() else {
                continue;
            };
            let shape = self.targets(head, batch, labels);
            let y_true = sketch.scope.input(Port::Targets(number), shape);
            let mask = sketch.scope.mask(&y_pred);
            let costs = losses::per_sample(head.loss.as_ref(), &y_true, &y_pred, mask.as_ref());
            let costs = costs * head.weight;
            total = Some(match total {
                None => costs,
                Some(total) => total + costs,
            });
        }
        total.unwrap_or_else(|| sketch.scope.constant(&vec![0.0; batch], [batch]))
    }

    /// The ops of a prediction for a batch of this size, as they were traced.
    pub(crate) fn inference(&self, network: &Network, batch: usize) -> Result<Inference> {
        let mut scope = Scope::new(Some(&self.variables), false);
        let inputs = inputs(&mut scope, batch, &self.rows)?;
        let flow = network.trace(&mut scope, &inputs);
        let outputs = network.outputs.iter();
        let outputs: Vec<NodeId> = outputs
            .filter_map(|source| flow.get(*source).map(Value::id))
            .collect();
        let last = flow.last_nodes();
        drop((flow, inputs));
        let nodes = scope.finish()?.graph.nodes;
        let names = network.names();
        let mut layers = Vec::with_capacity(nodes.len());
        for (call, last) in network.calls.iter().zip(last) {
            let name = names.get(call.node).cloned().unwrap_or_default();
            layers.resize(layers.len().max(last + 1), name);
        }
        layers.resize(nodes.len(), String::new());
        Ok(Inference {
            nodes,
            outputs,
            layers,
        })
    }

    /// The loss that is made small, and that of each output.
    fn losses(
        &self,
        scope: &mut Scope,
        (heads, outputs): (&[Head], &[Value]),
        weighted: bool,
        key: Key,
    ) -> (Value, Vec<Value>) {
        let mut parts = Vec::with_capacity(heads.len());
        let mut total: Option<Value> = None;
        let mut weights = None;
        for (number, head) in heads.iter().enumerate() {
            let Some(y_pred) = outputs.get(head.output) else {
                continue;
            };
            let shape = self.targets(head, key.batch, key.labels);
            let y_true = scope.input(Port::Targets(number), shape);
            if weighted && weights.is_none() {
                weights = Some(scope.input(Port::SampleWeight, [key.batch].into()));
            }
            let mask = scope.mask(y_pred);
            let loss = head.loss.as_ref();
            let part = losses::compute(loss, &y_true, y_pred, weights.as_ref(), mask.as_ref());
            let weighed = match head.weight {
                1.0 => part.clone(),
                weight => &part * weight,
            };
            total = Some(match total {
                None => weighed,
                Some(total) => total + weighed,
            });
            parts.push(part);
        }
        let total = total.unwrap_or_else(|| scope.constant(&[0.0], []));
        let total = scope
            .losses()
            .iter()
            .fold(total, |total, penalty| total + penalty);
        (total, parts)
    }
}

/// What the model is given.
fn inputs(scope: &mut Scope, batch: usize, rows: &[Vec<usize>]) -> Result<Vec<Value>> {
    let mut inputs = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        inputs.push(scope.input(Port::Features(number), batched(batch, row)?));
    }
    Ok(inputs)
}

/// The shape of what each layer gives when it is first called.
fn layer_shapes(network: &Network, flow: &Flow) -> Vec<Shape> {
    let shape = |node: usize| {
        let call = network.calls.iter().position(|call| call.node == node)?;
        flow.first(call).map(Value::shape)
    };
    let nodes = 0..network.nodes.len();
    nodes
        .map(|node| shape(node).unwrap_or(Shape::SCALAR))
        .collect()
}

/// Every layer keeps the batch.
fn check_batch(network: &Network, layers: &[Shape]) -> Result<()> {
    for (name, shape) in network.names().into_iter().zip(layers) {
        if shape.dims().first() != Some(&TRIAL) {
            return Err(Error::Layer {
                layer: name,
                message: format!(
                    "must keep the batch as the first axis: a batch of {TRIAL} gave outputs of \
                     shape {shape}"
                ),
            });
        }
    }
    Ok(())
}

/// The shape of a batch of inputs.
fn batched(batch: usize, row: &[usize]) -> Result<Shape> {
    let lengths: Vec<usize> = std::iter::once(batch).chain(row.iter().copied()).collect();
    Shape::new(&lengths).ok_or_else(|| {
        Error::argument(
            "Input",
            "shape",
            "a shape whose batch fits in memory",
            format!("{lengths:?}"),
        )
    })
}
