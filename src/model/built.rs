//! What building a model leaves behind: its variables, their values, and the plans made so far.

use std::sync::Arc;

use super::network::Network;
use super::plans::{Key, Mode, Plans, Prepared};
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::variables::Variables;
use crate::graph::{Scope, Shape};
use crate::kernels::aligned::Aligned;
use crate::losses::{self, Loss, Targets};
use crate::ops::Port;

/// A model with variables.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) variables: Arc<Variables>,
    pub(crate) parameters: Aligned,
    /// The shape of one input.
    pub(crate) row: Vec<usize>,
    /// The layer whose inputs are ids, and how many there are, if the model begins with one.
    pub(crate) ids: Option<(String, usize)>,
    /// The shape of each layer's output, for a batch of two.
    pub(crate) outputs: Vec<Shape>,
    pub(crate) plans: Plans,
}

/// The batch with which a model is first traced; not 1, which stretches.
const TRIAL: usize = 2;

impl Built {
    /// Traces the layers for the first time and draws the variables; those that the model had
    /// before keep their values.
    pub(crate) fn new(network: &Network, seed: u64, before: Option<&Built>) -> Result<Built> {
        let row = network.input_shape()?;
        let mut scope = Scope::new(None, true);
        let x = scope.input(Port::Features(0), batched(TRIAL, &row)?);
        let values = network.trace(&mut scope, &x);
        let outputs: Vec<Shape> = values.iter().map(|value| value.shape()).collect();
        drop(values);
        drop(x);
        let variables = scope.finish()?.variables;
        for (name, shape) in network.names().into_iter().zip(&outputs) {
            if shape.dims().first() != Some(&TRIAL) {
                return Err(Error::Layer {
                    layer: name,
                    message: format!(
                        "must keep the batch as the first axis: a batch of {TRIAL} gave outputs \
                         of shape {shape}"
                    ),
                });
            }
        }
        let mut parameters = variables.initial(seed)?;
        if let Some(before) = before {
            variables.carry(&mut parameters, &before.variables, &before.parameters);
        }
        Ok(Built {
            variables: Arc::new(variables),
            parameters,
            row,
            ids: network.input_ids(),
            outputs,
            plans: Plans::default(),
        })
    }

    /// The shape of the model's output for a batch.
    pub(crate) fn output(&self, batch: usize) -> Shape {
        let last = self.outputs.last().copied().unwrap_or(Shape::SCALAR);
        last.with(0, batch)
    }

    /// The shape of the targets of a batch, with `labels` in a row where the loss leaves that open.
    pub(crate) fn targets(&self, targets: Targets, batch: usize, labels: usize) -> Shape {
        let open = Shape::from([batch, labels]);
        targets.beside(self.output(batch)).unwrap_or(open)
    }

    /// The plan for a batch of this size, made when it is first asked for.
    pub(crate) fn plan(
        &self,
        network: &Network,
        loss: Option<&dyn Loss>,
        key: Key,
    ) -> Result<Arc<Prepared>> {
        self.plans.get(key, || self.trace(network, loss, key))
    }

    fn trace(&self, network: &Network, loss: Option<&dyn Loss>, key: Key) -> Result<Plan> {
        let training = matches!(key.mode, Mode::Train { .. });
        let mut scope = Scope::new(Some(&self.variables), training);
        let x = scope.input(Port::Features(0), batched(key.batch, &self.row)?);
        let outputs = network.trace(&mut scope, &x);
        let y_pred = outputs.last().unwrap_or(&x).clone();
        let mut goal = Goal {
            outputs: vec![y_pred.id()],
            ..Goal::default()
        };
        if let (Some(loss), Mode::Evaluate { weighted } | Mode::Train { weighted }) =
            (loss, key.mode)
        {
            let y_true = scope.input(
                Port::Targets,
                self.targets(loss.targets(), key.batch, key.labels),
            );
            let weights = weighted.then(|| scope.input(Port::SampleWeight, [key.batch].into()));
            let mask = scope.mask(&y_pred);
            let (weights, mask) = (weights.as_ref(), mask.as_ref());
            let mut total = losses::compute(loss, &y_true, &y_pred, weights, mask);
            for penalty in scope.losses() {
                total = total + penalty;
            }
            goal.outputs.push(total.id());
            goal.loss = training.then(|| total.id());
            goal.updates = scope.updates().to_vec();
        }
        drop((outputs, x, y_pred));
        let traced = scope.finish()?;
        Ok(Plan::new(traced.graph, &self.variables, &goal))
    }
}

/// The shape of a batch of inputs.
fn batched(batch: usize, row: &[usize]) -> Result<Shape> {
    let lengths: Vec<usize> = std::iter::once(batch).chain(row.iter().copied()).collect();
    Shape::new(&lengths).ok_or_else(|| {
        Error::argument(
            "Sequential",
            "input_shape",
            "a shape whose batch fits in memory",
            format!("{lengths:?}"),
        )
    })
}
