//! Step 5, [`Evaluate`]: loss and metrics on data.

use super::arrays::AsArrays;
use super::built::Built;
use super::compile::{Compiled, Watched};
use super::examples::{Examples, Pick};
use super::feed::{Feed, Rules};
use super::functional::Model;
use super::network::Network;
use super::plans::{Key, Mode};
use super::scores::Scores;
use crate::backend::cpu::Run;
use crate::data::dataset::{Dataset, Pass};
use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};
use crate::graph::plan::Plan;
use crate::metrics::Batch;
use crate::ops::{Draw, Port};

/// How a model is evaluated: what [`Model::evaluate_with`] takes.
///
/// Source: <https://keras.io/api/models/model_training_apis/#evaluate-method>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let (x, y) = (array![[1.0, 2.0], [3.0, 4.0]], array![1.0, 2.0]);
/// let weights = [1.0, 0.0];
/// let scores = model.evaluate_with(&x, &y, Evaluate::new().sample_weight(&weights))?;
/// assert!(scores["loss"] >= 0.0);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Evaluate<'a> {
    batch_size: usize,
    sample_weight: Option<Rows<'a>>,
    class_weight: Vec<(i64, f32)>,
    allow_non_finite: bool,
    steps: Option<usize>,
}

impl Default for Evaluate<'_> {
    fn default() -> Self {
        Evaluate::new()
    }
}

impl<'a> Evaluate<'a> {
    /// Without weights, 32 rows at a time.
    pub fn new() -> Self {
        Evaluate {
            batch_size: 32,
            sample_weight: None,
            class_weight: Vec::new(),
            allow_non_finite: false,
            steps: None,
        }
    }

    /// How many rows are computed at a time; the result depends on it by rounding only. Default: 32.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// One weight for each row. Default: all 1.
    pub fn sample_weight(mut self, weights: &'a (impl AsRows + ?Sized)) -> Self {
        self.sample_weight = Some(weights.as_rows());
        self
    }

    /// A weight for each class; classes that are not named keep 1.
    pub fn class_weight(mut self, weights: impl Into<Vec<(i64, f32)>>) -> Self {
        self.class_weight = weights.into();
        self
    }

    /// Whether NaN and infinity in the data are let through. Default: false, an error says where.
    pub fn allow_non_finite(mut self, allow: bool) -> Self {
        self.allow_non_finite = allow;
        self
    }

    /// How many batches are taken. Default: all; a dataset without an end needs it.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    fn check(&self) -> Result<()> {
        let bad = |argument| Err(Error::argument("evaluate", argument, "at least 1", 0));
        match (self.batch_size, self.steps) {
            (0, _) => bad("batch_size"),
            (_, Some(0)) => bad("steps"),
            _ => Ok(()),
        }
    }
}

impl Model {
    /// The loss and the metrics on inputs `x` and targets `y`, with the weights as they are.
    ///
    /// # Errors
    ///
    /// A model that is not compiled, or data that do not fit it or its loss.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(2).activation(Sigmoid));
    /// model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    /// let scores = model.evaluate(&array![[1.0, 2.0], [3.0, 4.0]], &array![0, 1])?;
    /// assert_eq!(scores.names(), ["loss", "accuracy"]);
    /// println!("{scores}, {:.2}%", scores["accuracy"] * 100.0);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn evaluate(&self, x: impl AsArrays, y: impl AsArrays) -> Result<Scores> {
        self.evaluate_with(x, y, Evaluate::new())
    }

    /// The same, with weights or another size of batch.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and arguments out of range.
    ///
    /// # Examples
    ///
    /// See [`Evaluate`].
    pub fn evaluate_with(
        &self,
        x: impl AsArrays,
        y: impl AsArrays,
        options: Evaluate,
    ) -> Result<Scores> {
        options.check()?;
        let (network, built, compiled) = self.parts("evaluate")?;
        let data = (x.as_arrays(), y.as_arrays());
        let parts = (network, built, compiled.heads.as_slice());
        let mut examples = Examples::new(data, parts, options.allow_non_finite)?;
        examples.weigh(options.sample_weight.as_ref(), &options.class_weight)?;
        let names = compiled.names();
        let mut values = vec![0.0; names.len()];
        let mut watched = compiled.metrics.clone();
        let parts = (network, built, compiled);
        evaluate(
            parts,
            &examples,
            (options.batch_size, options.steps),
            &mut watched,
            &mut values,
        )?;
        Ok(Scores::new(names, values))
    }

    /// The loss and the metrics on a pass over a dataset.
    ///
    /// # Errors
    ///
    /// As [`evaluate_with`](Self::evaluate_with), errors of the dataset, and one that ends before
    /// [`steps`](Evaluate::steps) batches. Weights of rows come with the dataset, not with
    /// `sample_weight`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::from_index;
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// let rows = from_index(1000, |i| ([i as f32], 0.5 * i as f32));
    /// let scores = model.evaluate_dataset(rows, Evaluate::new().steps(10))?;
    /// assert!(scores["loss"] > 0.0);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn evaluate_dataset(&self, dataset: impl Dataset, options: Evaluate) -> Result<Scores> {
        options.check()?;
        if options.sample_weight.is_some() {
            let wanted = "part of the dataset's rows, `(x, y, weight)`";
            return Err(Error::argument(
                "evaluate",
                "sample_weight",
                wanted,
                "given",
            ));
        }
        let parts = self.parts("evaluate_dataset")?;
        let rules = Rules {
            owner: "evaluate",
            batch_size: options.batch_size,
            class_weight: &options.class_weight,
            allow_non_finite: options.allow_non_finite,
        };
        let mut feed = Feed::new(Box::new(dataset), &rules)?;
        feed.steps("steps", options.steps)?;
        let names = parts.2.names();
        let mut values = vec![0.0; names.len()];
        let mut watched = parts.2.metrics.clone();
        let steps = ("steps", options.steps);
        evaluate_feed(parts, &mut feed, steps, &mut watched, &mut values)?;
        Ok(Scores::new(names, values))
    }
}

/// Running means of losses, weighted by the sizes of their batches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    total: f64,
    /// The sum of each output's loss, where there are several.
    parts: Vec<f64>,
    rows: f64,
}

impl Tally {
    /// Of a model with so many outputs that have a loss.
    pub(crate) fn new(heads: usize) -> Self {
        Tally {
            parts: vec![0.0; if heads > 1 { heads } else { 0 }],
            ..Tally::default()
        }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.total = 0.0;
        self.rows = 0.0;
        self.parts.fill(0.0);
    }

    /// Takes the losses of a batch from a run whose plan has so many outputs before them. Gives the
    /// loss that is made small.
    pub(crate) fn add(&mut self, run: &Run, outputs: usize) -> f32 {
        let value = |output: usize| run.output(output).first().copied().unwrap_or(0.0);
        let first = run.plan.outputs.first();
        let rows = first.and_then(|(_, shape)| shape.dims().first().copied());
        let rows = rows.unwrap_or(1) as f64;
        let loss = value(outputs);
        self.total += f64::from(loss) * rows;
        self.rows += rows;
        for (number, part) in self.parts.iter_mut().enumerate() {
            *part += f64::from(value(outputs + 1 + number)) * rows;
        }
        loss
    }

    /// All sums, for [`restore`](Self::restore).
    pub(crate) fn state(&self) -> Vec<f64> {
        let parts = self.parts.iter().copied();
        [self.total, self.rows].into_iter().chain(parts).collect()
    }

    /// Goes on from these sums.
    pub(crate) fn restore(&mut self, state: &[f64]) {
        let own = [&mut self.total, &mut self.rows].into_iter();
        for (to, from) in own.chain(&mut self.parts).zip(state) {
            *to = *from;
        }
    }

    pub(crate) fn mean(&self) -> f32 {
        (self.total / self.rows.max(1.0)) as f32
    }

    /// The mean of each output's loss, where there are several.
    pub(crate) fn parts(&self) -> impl Iterator<Item = f32> {
        let rows = self.rows.max(1.0);
        self.parts.iter().map(move |part| (part / rows) as f32)
    }
}

/// Writes the loss and the metrics on all rows, or on those of the first batches.
pub(crate) fn evaluate(
    parts: (&Network, &Built, &Compiled),
    examples: &Examples,
    (batch_size, steps): (usize, Option<usize>),
    watched: &mut [Watched],
    values: &mut [f32],
) -> Result<()> {
    let mut tally = begin(parts.2, watched);
    let mode = Mode::Evaluate {
        weighted: examples.weights.is_some(),
    };
    let starts = (0..examples.len()).step_by(batch_size);
    for start in starts.take(steps.unwrap_or(usize::MAX)) {
        let end = (start + batch_size).min(examples.len());
        let key = Key {
            mode,
            batch: end - start,
            labels: examples.labels,
        };
        let pick = Pick::Range(start..end);
        let fill = |plan: &Plan, workspace: &mut [f32]| examples.fill(&pick, plan, workspace);
        judge(parts, key, &fill, watched, &mut tally)?;
    }
    end(&tally, watched, values);
    Ok(())
}

/// The same on a pass over a dataset.
pub(crate) fn evaluate_feed(
    parts: (&Network, &Built, &Compiled),
    feed: &mut Feed,
    (argument, steps): (&str, Option<usize>),
    watched: &mut [Watched],
    values: &mut [f32],
) -> Result<()> {
    let (network, built, compiled) = parts;
    let mut tally = begin(compiled, watched);
    feed.begin(Pass::default())?;
    while steps.is_none_or(|steps| feed.read < steps) {
        if feed.next((network, built, &compiled.heads))? == 0 {
            break;
        }
        let fill = |plan: &Plan, workspace: &mut [f32]| feed.fill(plan, workspace);
        judge(parts, feed.key(false), &fill, watched, &mut tally)?;
    }
    if let Some(steps) = steps.filter(|steps| feed.read < *steps) {
        return Err(feed.ended_early(argument, steps));
    }
    end(&tally, watched, values);
    Ok(())
}

fn begin(compiled: &Compiled, watched: &mut [Watched]) -> Tally {
    watched
        .iter_mut()
        .for_each(|watched| watched.metric.reset());
    Tally::new(compiled.heads.len())
}

/// Adds a batch, which `fill` writes.
fn judge(
    (network, built, compiled): (&Network, &Built, &Compiled),
    key: Key,
    fill: &dyn Fn(&Plan, &mut [f32]),
    watched: &mut [Watched],
    tally: &mut Tally,
) -> Result<()> {
    let prepared = built.plan(network, &compiled.heads, key)?;
    let mut workspace = prepared.workspace();
    fill(&prepared.plan, &mut workspace);
    let mut run = Run {
        plan: &prepared.plan,
        workspace: &mut workspace,
        parameters: &built.parameters,
        draw: Draw::default(),
    };
    run.forward();
    update_metrics(watched, (&run, compiled))?;
    tally.add(&run, built.outputs.len());
    prepared.give_back(workspace);
    Ok(())
}

fn end(tally: &Tally, watched: &[Watched], values: &mut [f32]) {
    let metrics = watched.iter().map(|watched| watched.metric.result());
    for (value, now) in values.iter_mut().zip(
        std::iter::once(tally.mean())
            .chain(tally.parts())
            .chain(metrics),
    ) {
        *value = now;
    }
}

/// Lets the metrics see the batch that a run has computed.
pub(crate) fn update_metrics(
    watched: &mut [Watched],
    (run, compiled): (&Run, &Compiled),
) -> Result<()> {
    let weights = run.plan.sample_weight.clone();
    let weights = weights.and_then(|range| run.workspace.get(range));
    for watched in watched {
        let Some(head) = compiled.heads.get(watched.head) else {
            continue;
        };
        let port = Port::Targets(watched.head);
        let targets = run.plan.targets.iter().find(|place| place.port == port);
        let output = run.plan.outputs.get(head.output);
        let (Some(targets), Some((_, y_pred_shape))) = (targets, output) else {
            continue;
        };
        watched.metric.update(&Batch {
            y_true: run.workspace.get(targets.range.clone()).unwrap_or(&[]),
            y_true_shape: targets.shape.dims(),
            y_pred: run.output(head.output),
            y_pred_shape: y_pred_shape.dims(),
            sample_weight: weights.filter(|_| watched.weighted),
        })?;
    }
    Ok(())
}
