//! Models as ONNX files: the graph of a prediction, op by op.
//!
//! ```text
//! trace        the model's graph for two sizes of a batch
//!   symbolic   -> shapes in which the batch is open
//!   lower      -> nodes of ONNX for each op
//!   proto      -> messages
//!   protobuf   -> bytes
//! ```
//!
//! Source: <https://onnx.ai/onnx/operators/>

mod lower;
mod proto;
mod protobuf;
pub(crate) mod symbolic;

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::graph::trace::{Node, NodeId};
use crate::graph::variables::Variables;
use crate::ops::{Op, Port};
use lower::{Call, lower};
use symbolic::Length;

/// What a model computes in a prediction for a batch of one size.
#[derive(Debug)]
pub(crate) struct Inference {
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<NodeId>,
    /// The layer that each node belongs to.
    pub(crate) layers: Vec<String>,
}

/// A model to be written.
#[derive(Debug)]
pub(crate) struct Exported<'m> {
    pub(crate) name: &'m str,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) variables: &'m Variables,
    pub(crate) parameters: &'m [f32],
    /// Traces for batches of [`symbolic::BATCHES`].
    pub(crate) traces: [Inference; 2],
}

/// Files of Protocol Buffers may not be larger; a little is left for all but the weights.
const LARGEST: usize = i32::MAX as usize - (1 << 24);

impl Exported<'_> {
    /// The file.
    ///
    /// # Errors
    ///
    /// [`Error::Layer`] where a layer computes what ONNX has no ops for, [`Error::Argument`] for a
    /// model that is larger than such a file may be.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let size = self.parameters.len().saturating_mul(4);
        if size > LARGEST {
            let found = format!("{size} bytes of weights");
            return Err(Error::argument(
                "export",
                "path",
                "a file below 2 GiB",
                found,
            ));
        }
        let mut writer = Writer {
            exported: self,
            graph: proto::Graph::default(),
            known: HashMap::new(),
            batch: None,
        };
        writer.inputs()?;
        for id in self.read() {
            writer.node(id)?;
        }
        writer.outputs()?;
        Ok(writer.graph.file(self.name))
    }

    /// What the outputs depend on, in order.
    fn read(&self) -> Vec<NodeId> {
        let [trace, _] = &self.traces;
        let mut read = vec![false; trace.nodes.len()];
        let mark = |ids: &[NodeId], read: &mut Vec<bool>| {
            for id in ids {
                if let Some(read) = read.get_mut(*id) {
                    *read = true;
                }
            }
        };
        mark(&trace.outputs, &mut read);
        for (id, node) in trace.nodes.iter().enumerate().rev() {
            if read.get(id) == Some(&true) {
                mark(&node.inputs, &mut read);
            }
        }
        let ids = 0..trace.nodes.len();
        ids.filter(|id| read.get(*id) == Some(&true)).collect()
    }

    /// A node in both traces.
    fn twins(&self, id: NodeId) -> Result<[&Node; 2]> {
        let [a, b] = &self.traces;
        match (a.nodes.get(id), b.nodes.get(id)) {
            (Some(a), Some(b)) if a.inputs == b.inputs => Ok([a, b]),
            _ => Err(self.broken(id, open("what it computes"))),
        }
    }

    /// The shape of a value, in which the batch is open.
    fn lengths(&self, id: NodeId) -> Result<Vec<Length>> {
        let [a, b] = self.twins(id)?;
        let lengths = symbolic::lengths([a.shape, b.shape]);
        lengths.ok_or_else(|| self.broken(id, open("the shape of its output")))
    }

    fn layer(&self, id: NodeId) -> &str {
        let [trace, _] = &self.traces;
        trace.layers.get(id).map_or("", String::as_str)
    }

    fn broken(&self, id: NodeId, message: String) -> Error {
        Error::Layer {
            layer: self.layer(id).to_string(),
            message,
        }
    }
}

/// The message about what depends on the batch in a way that a file cannot say.
fn open(what: &str) -> String {
    format!("cannot be written as ONNX: {what} depends on the size of the batch")
}

struct Writer<'e, 'm> {
    exported: &'e Exported<'m>,
    graph: proto::Graph,
    /// The name of each value that was written.
    known: HashMap<NodeId, String>,
    /// The name of the batch's size as a row of one number, once it was asked for.
    batch: Option<String>,
}

impl Writer<'_, '_> {
    fn inputs(&mut self) -> Result<()> {
        let [trace, _] = &self.exported.traces;
        for (id, node) in trace.nodes.iter().enumerate() {
            let Op::Input(Port::Features(number)) = node.op else {
                continue;
            };
            let name = self.exported.inputs.get(number).cloned();
            let name = name.unwrap_or_else(|| format!("input_{number}"));
            self.graph.input(&name, &self.exported.lengths(id)?);
            self.known.insert(id, name);
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        if self.known.contains_key(&id) {
            return Ok(());
        }
        let twins = self.exported.twins(id)?;
        self.graph.layer = self.exported.layer(id).to_string();
        if let Op::Variable(number) = twins[0].op {
            return self.variable(id, number);
        }
        let names: Option<Vec<String>> = twins[0]
            .inputs
            .iter()
            .map(|input| self.known.get(input).cloned())
            .collect();
        let shapes: Result<Vec<Vec<Length>>> = twins[0]
            .inputs
            .iter()
            .map(|input| self.exported.lengths(*input))
            .collect();
        let call = Call {
            ops: [&twins[0].op, &twins[1].op],
            inputs: names.ok_or_else(|| self.exported.broken(id, open("what it reads")))?,
            shapes: shapes?,
            shape: self.exported.lengths(id)?,
        };
        let first = self.exported.inputs.first().cloned().unwrap_or_default();
        let mut target = lower::Target {
            graph: &mut self.graph,
            input: &first,
            batch: &mut self.batch,
        };
        let made = lower(&call, &mut target);
        let name = made.map_err(|message| self.exported.broken(id, message))?;
        self.known.insert(id, name);
        Ok(())
    }

    fn variable(&mut self, id: NodeId, number: usize) -> Result<()> {
        let found = self.exported.variables.specs.get(number).and_then(|spec| {
            let values = self.exported.parameters.get(spec.range.clone())?;
            Some((spec, values))
        });
        let Some((spec, values)) = found else {
            return Err(self
                .exported
                .broken(id, "reads a weight that is not there".into()));
        };
        self.graph.weight(&spec.path, spec.shape.dims(), values);
        self.known.insert(id, spec.path.clone());
        Ok(())
    }

    /// A value may be an output twice, or be an input too: each output gets a node of its own.
    fn outputs(&mut self) -> Result<()> {
        let [trace, _] = &self.exported.traces;
        for (id, name) in trace.outputs.iter().zip(&self.exported.outputs) {
            let from = self.known.get(id).map_or("", String::as_str);
            self.graph.named("Identity", &[from], name, &[]);
            self.graph.output(name, &self.exported.lengths(*id)?);
        }
        Ok(())
    }
}
