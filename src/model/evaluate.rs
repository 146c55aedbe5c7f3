//! Step 5, [`Evaluate`]: loss and metrics on data.

use super::arrays::AsArrays;
use super::built::Built;
use super::compile::{Compiled, Watched};
use super::examples::{Examples, Pick};
use super::functional::Model;
use super::network::Network;
use super::plans::{Key, Mode};
use super::scores::Scores;
use crate::backend::cpu::Run;
use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};
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
        if options.batch_size == 0 {
            return Err(Error::argument("evaluate", "batch_size", "at least 1", 0));
        }
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
            options.batch_size,
            &mut watched,
            &mut values,
        )?;
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

    pub(crate) fn mean(&self) -> f32 {
        (self.total / self.rows.max(1.0)) as f32
    }

    /// The mean of each output's loss, where there are several.
    pub(crate) fn parts(&self) -> impl Iterator<Item = f32> {
        let rows = self.rows.max(1.0);
        self.parts.iter().map(move |part| (part / rows) as f32)
    }
}

/// Writes the loss and the metrics on all rows.
pub(crate) fn evaluate(
    (network, built, compiled): (&Network, &Built, &Compiled),
    examples: &Examples,
    batch_size: usize,
    watched: &mut [Watched],
    values: &mut [f32],
) -> Result<()> {
    watched
        .iter_mut()
        .for_each(|watched| watched.metric.reset());
    let mut tally = Tally::new(compiled.heads.len());
    let mode = Mode::Evaluate {
        weighted: examples.weights.is_some(),
    };
    for start in (0..examples.len()).step_by(batch_size) {
        let end = (start + batch_size).min(examples.len());
        let key = Key {
            mode,
            batch: end - start,
            labels: examples.labels,
        };
        let prepared = built.plan(network, &compiled.heads, key)?;
        let mut workspace = prepared.workspace();
        examples.fill(&Pick::Range(start..end), &prepared.plan, &mut workspace);
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
    }
    let metrics = watched.iter().map(|watched| watched.metric.result());
    for (value, now) in values.iter_mut().zip(
        std::iter::once(tally.mean())
            .chain(tally.parts())
            .chain(metrics),
    ) {
        *value = now;
    }
    Ok(())
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
