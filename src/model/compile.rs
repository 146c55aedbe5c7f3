//! Step 3, [`Compile`]: what a model is trained with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::built::Built;
use super::network::Network;
use crate::error::{Error, Result};
use crate::kernels::aligned::Aligned;
use crate::losses::{Loss, Reduction};
use crate::metrics::Metric;
use crate::optimizers::{Optimizer, State};

/// An optimizer, a loss and metrics: what [`Model::compile`](super::Model::compile)
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compile {
    pub(crate) optimizer: Box<dyn Optimizer>,
    /// The loss of every output that has none of its own.
    pub(crate) loss: Option<Arc<dyn Loss>>,
    pub(crate) losses: Vec<(OutputKey, Arc<dyn Loss>)>,
    pub(crate) loss_weights: Vec<(OutputKey, f32)>,
    pub(crate) metrics: Vec<Asked>,
}

/// A metric that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Of which output; of all, if it is not said.
    pub(crate) output: Option<OutputKey>,
    pub(crate) metric: Box<dyn Metric>,
    pub(crate) weighted: bool,
}

/// An output of a model, by its number from 0 or by its name.
///
/// # Examples
///
/// ```
/// use horn::model::OutputKey;
///
/// assert_eq!(OutputKey::from(1), OutputKey::Position(1));
/// assert_eq!(OutputKey::from("age"), OutputKey::Name("age".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputKey {
    /// By its number.
    Position(usize),
    /// By its name: that of the layer that gives it.
    Name(String),
}

impl From<usize> for OutputKey {
    fn from(position: usize) -> Self {
        OutputKey::Position(position)
    }
}

impl From<&str> for OutputKey {
    fn from(name: &str) -> Self {
        OutputKey::Name(name.to_string())
    }
}

impl OutputKey {
    /// The number of the output, which `owner` asks for.
    pub(crate) fn find(&self, owner: &str, names: &[String]) -> Result<usize> {
        match self {
            OutputKey::Position(number) if *number < names.len() => Ok(*number),
            OutputKey::Position(number) => Err(Error::argument(
                owner,
                "output",
                format!("below {}, the number of the model's outputs", names.len()),
                number,
            )),
            OutputKey::Name(name) => {
                let known = || names.iter().map(String::as_str);
                let found = known().position(|known| known == name);
                found.ok_or_else(|| Error::unknown("output", name, known()))
            }
        }
    }
}

impl Compile {
    /// Trains with this optimizer to make this loss small. In a model of several outputs it is the
    /// loss of each, and their sum is made small.
    pub fn new(optimizer: impl Optimizer + 'static, loss: impl Loss + 'static) -> Self {
        let loss: Arc<dyn Loss> = Arc::new(loss);
        Compile {
            loss: Some(loss),
            ..Compile::per_output(optimizer)
        }
    }

    /// Trains with this optimizer to make small what [`loss_for`](Self::loss_for) names. Outputs
    /// without a loss have no targets.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let x = Input::new([4]).tensor();
    /// let age = Dense::new(1).name("age").apply(&x);
    /// let sick = Dense::new(1).activation(Sigmoid).name("sick").apply(&x);
    /// let mut model = Model::new(&x, [age, sick]);
    /// model.compile(
    ///     Compile::per_output(Adam::new())
    ///         .loss_for("age", MeanSquaredError::new())
    ///         .loss_for("sick", BinaryCrossentropy::new())
    ///         .loss_weight("age", 0.1)
    ///         .metric_for("sick", Accuracy),
    /// )?;
    /// assert_eq!(model.metrics_names(), ["loss", "age_loss", "sick_loss", "sick_accuracy"]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn per_output(optimizer: impl Optimizer + 'static) -> Self {
        Compile {
            optimizer: Box::new(optimizer),
            loss: None,
            losses: Vec::new(),
            loss_weights: Vec::new(),
            metrics: Vec::new(),
        }
    }

    /// The loss of one output, by its name or number.
    pub fn loss_for(mut self, output: impl Into<OutputKey>, loss: impl Loss + 'static) -> Self {
        self.losses.push((output.into(), Arc::new(loss)));
        self
    }

    /// By what the loss of an output is multiplied in the sum. Default: 1.
    pub fn loss_weight(mut self, output: impl Into<OutputKey>, weight: f32) -> Self {
        self.loss_weights.push((output.into(), weight));
        self
    }

    /// Watches a metric, of each output that has a loss; it ignores sample and class weights.
    pub fn metric(self, metric: impl Metric + 'static) -> Self {
        self.ask(None, metric, false)
    }

    /// Watches a metric that takes sample and class weights into account.
    pub fn weighted_metric(self, metric: impl Metric + 'static) -> Self {
        self.ask(None, metric, true)
    }

    /// Watches a metric of one output.
    pub fn metric_for(self, output: impl Into<OutputKey>, metric: impl Metric + 'static) -> Self {
        self.ask(Some(output.into()), metric, false)
    }

    /// Watches a metric of one output that takes sample weights into account.
    pub fn weighted_metric_for(
        self,
        output: impl Into<OutputKey>,
        metric: impl Metric + 'static,
    ) -> Self {
        self.ask(Some(output.into()), metric, true)
    }

    fn ask(
        mut self,
        output: Option<OutputKey>,
        metric: impl Metric + 'static,
        weighted: bool,
    ) -> Self {
        self.metrics.push(Asked {
            output,
            metric: Box::new(metric),
            weighted,
        });
        self
    }
}

/// An output with a loss, and so with targets.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The number of the output.
    pub(crate) output: usize,
    pub(crate) name: String,
    pub(crate) loss: Arc<dyn Loss>,
    pub(crate) weight: f32,
}

/// A metric in its model.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) metric: Box<dyn Metric>,
    pub(crate) weighted: bool,
    /// Of which output with a loss it is.
    pub(crate) head: usize,
}

/// A model that can be trained.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    /// What was asked for, as files keep it.
    pub(crate) asked: Compile,
    /// The name of the model when its training began.
    pub(crate) model_name: String,
    pub(crate) optimizer: Box<dyn Optimizer>,
    /// The outputs that have a loss, in order.
    pub(crate) heads: Vec<Head>,
    pub(crate) metrics: Vec<Watched>,
    pub(crate) state: State,
    pub(crate) gradients: Aligned,
}

impl Compiled {
    /// Checks every setting against the model.
    pub(crate) fn new(mut compile: Compile, network: &Network, built: &Built) -> Result<Compiled> {
        compile.optimizer.validate()?;
        let specs = built.variables.specs.iter();
        let frozen = specs.filter(|spec| !spec.trainable);
        let frozen: Vec<&str> = frozen.map(|spec| spec.path.as_str()).collect();
        let variables = super::fit::trainable(&built.variables);
        compile.optimizer.prepare(&variables, &frozen)?;
        let names = network.output_names();
        let heads = heads(&compile, &names)?;
        let trainable = built.variables.trainable;
        Ok(Compiled {
            state: State::new(compile.optimizer.as_ref(), trainable),
            gradients: Aligned::zeros(trainable),
            metrics: watched(&compile, (&heads, &names), built)?,
            optimizer: compile.optimizer.clone(),
            heads,
            asked: compile,
            model_name: String::new(),
        })
    }

    /// The learning rate of the next step.
    pub(crate) fn learning_rate(&self) -> f32 {
        self.state.learning_rate(self.optimizer.as_ref())
    }

    /// `loss`, then the loss of each output if there are several, then the metrics.
    pub(crate) fn names(&self) -> Vec<String> {
        let metrics = self.metrics.iter().map(|watched| watched.name.clone());
        let several = self.heads.len() > 1;
        let parts = self.heads.iter().filter(|_| several);
        std::iter::once("loss".to_string())
            .chain(parts.map(|head| format!("{}_loss", head.name)))
            .chain(metrics)
            .collect()
    }
}

/// The outputs that have a loss.
fn heads(compile: &Compile, names: &[String]) -> Result<Vec<Head>> {
    let mut losses: Vec<Option<Arc<dyn Loss>>> = vec![compile.loss.clone(); names.len()];
    for (key, loss) in &compile.losses {
        if let Some(own) = losses.get_mut(key.find("Compile", names)?) {
            *own = Some(Arc::clone(loss));
        }
    }
    let mut weights = vec![1.0; names.len()];
    for (key, weight) in &compile.loss_weights {
        if !weight.is_finite() {
            let expected = "a finite number";
            return Err(Error::argument("Compile", "loss_weight", expected, weight));
        }
        if let Some(own) = weights.get_mut(key.find("Compile", names)?) {
            *own = *weight;
        }
    }
    let mut heads = Vec::new();
    for (output, (loss, name)) in losses.into_iter().zip(names).enumerate() {
        let Some(loss) = loss else { continue };
        check_loss(loss.as_ref())?;
        heads.push(Head {
            output,
            name: name.clone(),
            loss,
            weight: weights.get(output).copied().unwrap_or(1.0),
        });
    }
    match heads.is_empty() {
        true => Err(Error::argument(
            "Compile",
            "loss",
            "given for at least one output",
            "none",
        )),
        false => Ok(heads),
    }
}

fn check_loss(loss: &dyn Loss) -> Result<()> {
    loss.validate()?;
    match loss.reduction() {
        Reduction::None => Err(Error::argument(
            loss.class_name(),
            "reduction",
            "one that gives a single number to make small",
            "none",
        )),
        _ => Ok(()),
    }
}

/// The metrics, resolved for the shapes that they will see, under names of their own.
fn watched(
    compile: &Compile,
    (heads, names): (&[Head], &[String]),
    built: &Built,
) -> Result<Vec<Watched>> {
    // Any batch will do; only the other axes matter.
    let batch = 2;
    let mut all: Vec<Watched> = Vec::new();
    for (number, weighted, metric) in asked(compile, heads, names)? {
        let Some(head) = heads.get(number) else {
            continue;
        };
        let y_pred = built.output(head.output, batch);
        let y_true = built.targets(head, batch, 1);
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
        let prefix = match names.len() {
            0 | 1 => None,
            _ => Some(head.name.as_str()),
        };
        let name = unused_name(metric.name(), prefix, weighted, &all)?;
        all.push(Watched {
            name,
            metric,
            weighted,
            head: number,
        });
    }
    Ok(all)
}

/// The number of a head, whether weights are taken into account, and the metric.
type Placed<'c> = (usize, bool, &'c Box<dyn Metric>);

/// Every metric with the number of the head that it is of; as in Keras, those that take weights into
/// account come last.
fn asked<'c>(compile: &'c Compile, heads: &[Head], names: &[String]) -> Result<Vec<Placed<'c>>> {
    let mut all = Vec::new();
    for asked in &compile.metrics {
        let Some(key) = &asked.output else {
            let every = 0..heads.len();
            all.extend(every.map(|head| (head, asked.weighted, &asked.metric)));
            continue;
        };
        let output = key.find("Compile", names)?;
        match heads.iter().position(|head| head.output == output) {
            Some(head) => all.push((head, asked.weighted, &asked.metric)),
            None => {
                return Err(Error::argument(
                    "Compile",
                    "metric_for",
                    "an output that has a loss",
                    format!("`{}`", names.get(output).map_or("", String::as_str)),
                ));
            }
        }
    }
    // Metrics of one output stay together, in the order in which they were asked for.
    all.sort_by_key(|(head, weighted, _)| (*weighted, *head));
    Ok(all)
}

/// Keras's name of a metric: its own, with `weighted_` before or a number behind where it is taken.
fn unused_name(
    name: &str,
    output: Option<&str>,
    weighted: bool,
    taken: &[Watched],
) -> Result<String> {
    if name == "loss" || name.starts_with("val_") {
        return Err(Error::argument(
            "Compile",
            "metric",
            "named neither `loss` nor `val_...`, which the history uses",
            format!("`{name}`"),
        ));
    }
    let free = |name: &str| !taken.iter().any(|watched| watched.name == name);
    let whole = |name: &str| match output {
        Some(output) => format!("{output}_{name}"),
        None => name.to_string(),
    };
    let base = match weighted && !free(&whole(name)) {
        true => whole(&format!("weighted_{name}")),
        false => whole(name),
    };
    let numbered = (1..=taken.len()).map(|i| format!("{base}_{i}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    Ok(names.find(|name| free(name)).unwrap_or(base))
}
