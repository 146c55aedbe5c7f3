//! Step 3, [`Compile`]: what a model is trained with.

use std::sync::Arc;

use super::built::Built;
use crate::error::{Error, Result};
use crate::kernels::aligned::Aligned;
use crate::losses::{Loss, Reduction};
use crate::metrics::Metric;
use crate::optimizers::{Optimizer, State};

/// An optimizer, a loss and metrics: what [`Sequential::compile`](super::Sequential::compile)
/// takes.
///
/// Source: <https://keras.io/api/models/model_training_apis/#compile-method>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(8).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
/// // By Keras's names:
/// let by_name = Compile::new(optimizers::get("sgd")?, losses::get("binary_crossentropy")?)
///     .metric(metrics::get("accuracy")?);
/// model.compile(by_name)?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Compile {
    optimizer: Box<dyn Optimizer>,
    loss: Arc<dyn Loss>,
    metrics: Vec<Box<dyn Metric>>,
    weighted_metrics: Vec<Box<dyn Metric>>,
}

impl Compile {
    /// Trains with this optimizer to make this loss small.
    pub fn new(optimizer: impl Optimizer + 'static, loss: impl Loss + 'static) -> Self {
        Compile {
            optimizer: Box::new(optimizer),
            loss: Arc::new(loss),
            metrics: Vec::new(),
            weighted_metrics: Vec::new(),
        }
    }

    /// Watches a metric, which ignores sample and class weights.
    pub fn metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Watches a metric that takes sample and class weights into account.
    pub fn weighted_metric(mut self, metric: impl Metric + 'static) -> Self {
        self.weighted_metrics.push(Box::new(metric));
        self
    }
}

/// A metric in its model.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) metric: Box<dyn Metric>,
    pub(crate) weighted: bool,
}

/// A model that can be trained.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) optimizer: Box<dyn Optimizer>,
    pub(crate) loss: Arc<dyn Loss>,
    pub(crate) metrics: Vec<Watched>,
    pub(crate) state: State,
    pub(crate) gradients: Aligned,
}

impl Compiled {
    /// Checks every setting against the model.
    pub(crate) fn new(compile: Compile, built: &Built) -> Result<Compiled> {
        compile.optimizer.validate()?;
        compile.loss.validate()?;
        if compile.loss.reduction() == Reduction::None {
            return Err(Error::argument(
                compile.loss.class_name(),
                "reduction",
                "one that gives a single number to make small",
                "none",
            ));
        }
        let trainable = built.variables.trainable;
        Ok(Compiled {
            state: State::new(compile.optimizer.as_ref(), trainable),
            gradients: Aligned::zeros(trainable),
            metrics: watched(&compile, built)?,
            optimizer: compile.optimizer,
            loss: compile.loss,
        })
    }

    /// `loss`, then the metrics as they were given.
    pub(crate) fn names(&self) -> Vec<String> {
        let metrics = self.metrics.iter().map(|watched| watched.name.clone());
        std::iter::once("loss".to_string()).chain(metrics).collect()
    }
}

/// The metrics, resolved for the shapes that they will see, under names of their own.
fn watched(compile: &Compile, built: &Built) -> Result<Vec<Watched>> {
    // Any batch will do; only the other axes matter.
    let batch = 2;
    let y_pred = built.output(batch);
    let y_true = built.targets(compile.loss.targets(), batch, 1);
    let mut all: Vec<Watched> = Vec::new();
    let plain = compile.metrics.iter().map(|metric| (metric, false));
    let weighted = compile.weighted_metrics.iter().map(|metric| (metric, true));
    for (metric, weighted) in plain.chain(weighted) {
        let resolved = metric.resolve(y_true.dims(), y_pred.dims());
        let metric = resolved.unwrap_or_else(|| metric.clone());
        metric.check(y_true.dims(), y_pred.dims())?;
        let results = metric.results().len();
        if results != 1 {
            return Err(Error::argument(
                metric.class_name(),
                "results",
                "one number, to be logged: choose one threshold, or an average",
                format!("{results} of them"),
            ));
        }
        let name = unused_name(metric.name(), weighted, &all)?;
        all.push(Watched {
            name,
            metric,
            weighted,
        });
    }
    Ok(all)
}

/// Keras's name of a metric: its own, with `weighted_` before or a number behind where it is taken.
fn unused_name(name: &str, weighted: bool, taken: &[Watched]) -> Result<String> {
    if name == "loss" || name.starts_with("val_") {
        return Err(Error::argument(
            "Compile",
            "metric",
            "named neither `loss` nor `val_...`, which the history uses",
            format!("`{name}`"),
        ));
    }
    let free = |name: &str| !taken.iter().any(|watched| watched.name == name);
    let base = match weighted && !free(name) {
        true => format!("weighted_{name}"),
        false => name.to_string(),
    };
    let numbered = (1..=taken.len()).map(|i| format!("{base}_{i}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    Ok(names.find(|name| free(name)).unwrap_or(base))
}
