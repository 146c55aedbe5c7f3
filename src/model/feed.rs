//! [`Feed`]: the batches of a dataset, checked, on their way into a plan.

use super::built::Built;
use super::compile::Head;
use super::examples::{check_classes, check_input, check_output, class_factor};
use super::network::Network;
use super::plans::{Key, Mode};
use crate::data::AsRows;
use crate::data::dataset::{Batch, Dataset, Length, Part, Pass, fill};
use crate::error::{Error, Result};
use crate::graph::plan::Plan;
use crate::ops::Port;

/// What a feed takes into account of the options of `fit` and `evaluate`.
pub(crate) struct Rules<'a> {
    /// Who asks, for errors.
    pub(crate) owner: &'static str,
    pub(crate) batch_size: usize,
    pub(crate) class_weight: &'a [(i64, f32)],
    pub(crate) allow_non_finite: bool,
}

/// The batches of a dataset.
pub(crate) struct Feed<'d> {
    dataset: Box<dyn Dataset + 'd>,
    owner: &'static str,
    pub(crate) batch_size: usize,
    class_weight: Vec<(i64, f32)>,
    allow_non_finite: bool,
    batch: Batch,
    /// The weights of its rows, if they have any.
    weights: Vec<f32>,
    labels: usize,
    /// How many batches of the pass were read.
    pub(crate) read: usize,
}

impl<'d> Feed<'d> {
    pub(crate) fn new(dataset: Box<dyn Dataset + 'd>, rules: &Rules) -> Result<Self> {
        check_classes(rules.class_weight)?;
        Ok(Feed {
            dataset,
            owner: rules.owner,
            batch_size: rules.batch_size,
            class_weight: rules.class_weight.to_vec(),
            allow_non_finite: rules.allow_non_finite,
            batch: Batch::new(),
            weights: Vec::new(),
            labels: 0,
            read: 0,
        })
    }

    /// How many batches a pass gives, of the `steps` that are asked for; none where only the
    /// dataset's end will tell.
    pub(crate) fn steps(&self, argument: &str, steps: Option<usize>) -> Result<Option<usize>> {
        let bad = |expected: String, found: &dyn std::fmt::Display| {
            Err(Error::argument(self.owner, argument, expected, found))
        };
        match (self.dataset.length(), steps) {
            (_, Some(0)) => bad("at least 1".into(), &0),
            (Length::Endless, None) => bad("given for a dataset without an end".into(), &"none"),
            (Length::Known(rows), Some(steps)) if steps > rows.div_ceil(self.batch_size) => bad(
                format!(
                    "at most the {} batches that {rows} rows give: add `.repeat()` to the dataset \
                     for more",
                    rows.div_ceil(self.batch_size)
                ),
                &steps,
            ),
            (Length::Known(rows), None) => Ok(Some(rows.div_ceil(self.batch_size))),
            (_, steps) => Ok(steps),
        }
    }

    /// Goes to the first row.
    pub(crate) fn begin(&mut self, pass: Pass) -> Result<()> {
        self.batch.clear();
        self.batch.set_first(0);
        self.read = 0;
        self.dataset.begin(pass)
    }

    /// Reads the next batch, and gives its number of rows: 0 at the end of the pass.
    pub(crate) fn next(&mut self, parts: (&Network, &Built, &[Head])) -> Result<usize> {
        let rows = fill(self.dataset.as_mut(), self.batch_size, &mut self.batch)?;
        if rows == 0 {
            return self.end();
        }
        self.read += 1;
        let first = self.batch.first();
        self.labels = check(&self.batch, parts, self.allow_non_finite)
            .map_err(|error| moved(error, first))?;
        self.weigh(first)?;
        Ok(rows)
    }

    /// An error where the pass has ended before its rows were all there.
    fn end(&self) -> Result<usize> {
        let rows = self.batch.first();
        let message = match self.dataset.length() {
            _ if rows == 0 => "there are no rows in it".to_string(),
            Length::Known(promised) if promised > rows => {
                format!("it ended early: after {rows} of the {promised} rows of its `length`")
            }
            _ => return Ok(0),
        };
        Err(Error::dataset(message))
    }

    /// The error of a pass that has ended before `steps` batches.
    pub(crate) fn ended_early(&self, argument: &str, steps: usize) -> Error {
        Error::dataset(format!(
            "it ended early: after {} of the {steps} batches that `{argument}` asks for: add \
             `.repeat()` to it, or leave `{argument}` out",
            self.read
        ))
    }

    /// The number of rows of the batch.
    pub(crate) fn rows(&self) -> usize {
        self.batch.len()
    }

    /// What the plan of this batch is kept under.
    pub(crate) fn key(&self, training: bool) -> Key {
        let weighted = !self.weights.is_empty();
        Key {
            mode: match training {
                true => Mode::Train { weighted },
                false => Mode::Evaluate { weighted },
            },
            batch: self.batch.len(),
            labels: self.labels,
        }
    }

    /// Writes the batch where the plan reads it.
    pub(crate) fn fill(&self, plan: &Plan, workspace: &mut [f32]) {
        for place in &plan.ports {
            let from = match place.port {
                Port::Features(number) => values(self.batch.input(number)),
                Port::Targets(number) => values(self.batch.target(number)),
                Port::SampleWeight => &self.weights,
            };
            let to = workspace.get_mut(place.range.clone()).unwrap_or(&mut []);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }

    /// The weights of the rows: those that came with them, times those of their classes.
    fn weigh(&mut self, first: usize) -> Result<()> {
        self.weights.clear();
        let given = self.batch.sample_weights();
        if given.is_none() && self.class_weight.is_empty() {
            return Ok(());
        }
        self.weights.resize(self.batch.len(), 1.0);
        if let Some(given) = given {
            let bad = |weight: f32| !(weight >= 0.0 && weight.is_finite());
            if let Some((row, _, weight)) = given.as_rows().first_where(bad) {
                let argument = format!("sample_weight[{}]", first + row);
                let wanted = "at least 0 and finite";
                return Err(Error::argument(self.owner, argument, wanted, weight));
            }
            self.weights.copy_from_slice(given.values());
        }
        if self.class_weight.is_empty() {
            return Ok(());
        }
        let [targets] = self.batch.targets() else {
            return Err(Error::argument(
                self.owner,
                "class_weight",
                "given for a model of one output only: use sample weights",
                format!("{} outputs with targets", self.batch.targets().len()),
            ));
        };
        let size = targets.row_shape().iter().product::<usize>().max(1);
        let rows = targets.values().chunks_exact(size);
        for (weight, row) in self.weights.iter_mut().zip(rows) {
            *weight *= class_factor(row, &self.class_weight);
        }
        Ok(())
    }
}

fn values(part: Option<&Part>) -> &[f32] {
    part.map_or(&[], Part::values)
}

/// A batch that the model and its losses can take; gives the number of labels in a row, where a
/// loss leaves that open.
fn check(
    batch: &Batch,
    (network, built, heads): (&Network, &Built, &[Head]),
    allow_non_finite: bool,
) -> Result<usize> {
    check_features(batch, (network, built), allow_non_finite)?;
    if batch.targets().len() != heads.len() {
        let hint = "a row is `(x, y)`, and `(x, (y1, y2))` for a model of two outputs with a loss";
        return Err(count("targets", heads.len(), batch.targets().len(), hint));
    }
    let mut labels = 0;
    for (head, y) in heads.iter().zip(batch.targets()) {
        let rows = batch.len();
        check_output(
            &y.as_rows(),
            (rows, built, head),
            allow_non_finite,
            &mut labels,
        )?;
    }
    Ok(labels)
}

/// Inputs that the model can take.
pub(crate) fn check_features(
    batch: &Batch,
    (network, built): (&Network, &Built),
    allow_non_finite: bool,
) -> Result<()> {
    if batch.inputs().len() != built.rows.len() {
        let hint = "a row is `(x, y)`, and `((x1, x2), y)` for a model of two inputs";
        let found = batch.inputs().len();
        return Err(count("inputs", built.rows.len(), found, hint));
    }
    for (number, x) in batch.inputs().iter().enumerate() {
        check_input(number, &x.as_rows(), (network, built), allow_non_finite)?;
    }
    Ok(())
}

fn count(what: &str, expected: usize, found: usize, hint: &str) -> Error {
    Error::Shape {
        place: "the model".into(),
        expected: format!("{expected} {what} in each row of the dataset"),
        found: found.to_string(),
        hint: hint.into(),
    }
}

/// An error that names a row of a batch names the row of the dataset.
pub(crate) fn moved(mut error: Error, first: usize) -> Error {
    if let Error::NonFinite { row, .. } | Error::Target { row, .. } = &mut error {
        *row += first;
    }
    error
}
