//! Inputs, targets and weights, checked against the model before any work is done.

use std::ops::Range;

use super::arrays::Arrays;
use super::built::Built;
use super::compile::Head;
use super::network::Network;
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::graph::plan::Plan;
use crate::losses::{self, Targets};
use crate::metrics::argmax;
use crate::ops::Port;
use crate::shape::tuple;

/// Rows of inputs with their targets and weights; borrowed, never copied.
#[derive(Debug, Clone)]
pub(crate) struct Examples<'a> {
    /// One for each input.
    pub(crate) x: Vec<Rows<'a>>,
    /// One for each output that has a loss.
    pub(crate) y: Vec<Rows<'a>>,
    /// One weight a row.
    pub(crate) weights: Option<Vec<f32>>,
    /// How many labels a row of targets has, where the loss leaves that open; else 0.
    pub(crate) labels: usize,
}

/// Which rows make a batch.
#[derive(Debug, Clone)]
pub(crate) enum Pick<'a> {
    Range(Range<usize>),
    Rows(&'a [u32]),
}

impl<'a> Examples<'a> {
    /// Rows of inputs and targets that the model and its loss can take.
    pub(crate) fn new(
        (x, y): (Arrays<'a>, Arrays<'a>),
        (network, built, heads): (&Network, &Built, &[Head]),
        allow_non_finite: bool,
    ) -> Result<Self> {
        let x = x.ordered("x", &network.input_names())?;
        let names: Vec<String> = heads.iter().map(|head| head.name.clone()).collect();
        let y = y.ordered("y", &names)?;
        check_inputs(&x, (network, built), allow_non_finite)?;
        let rows = x.first().map_or(0, Rows::len);
        let mut labels = 0;
        for (head, y) in heads.iter().zip(&y) {
            check_output(y, (rows, built, head), allow_non_finite, &mut labels)?;
        }
        Ok(Examples {
            x,
            y,
            labels,
            weights: None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.x.first().map_or(0, Rows::len)
    }

    /// Weighs each row: by what is given for it, and by its class.
    pub(crate) fn weigh(&mut self, given: Option<&Rows>, classes: &[(i64, f32)]) -> Result<()> {
        if let Some(given) = given {
            if given.row_size() != 1 || given.len() != self.len() {
                return Err(Error::Shape {
                    place: "`sample_weight`".into(),
                    expected: format!("one weight for each of {} rows", self.len()),
                    found: shape_text(given.shape()),
                    hint: "give a vector as long as the data".into(),
                });
            }
            let bad = |weight: f32| !(weight >= 0.0 && weight.is_finite());
            if let Some((row, _, weight)) = given.first_where(bad) {
                return Err(Error::argument(
                    "fit",
                    format!("sample_weight[{row}]"),
                    "at least 0 and finite",
                    weight,
                ));
            }
        }
        if given.is_none() && classes.is_empty() {
            return Ok(());
        }
        let mut weights = vec![1.0; self.len()];
        if let Some(given) = given {
            given.gather_range(0..self.len(), &mut weights);
        }
        if !classes.is_empty() {
            self.weigh_classes(classes, &mut weights)?;
        }
        self.weights = Some(weights);
        Ok(())
    }

    /// Multiplies the weight of each row by that of its class; classes not named keep 1.
    fn weigh_classes(&self, classes: &[(i64, f32)], weights: &mut [f32]) -> Result<()> {
        check_classes(classes)?;
        let [y] = self.y.as_slice() else {
            return Err(Error::argument(
                "fit",
                "class_weight",
                "given for a model of one output only: use `sample_weight`",
                format!("{} outputs with targets", self.y.len()),
            ));
        };
        let mut row = vec![0.0; y.row_size()];
        for (i, weight) in weights.iter_mut().enumerate() {
            y.gather_range(i..i + 1, &mut row);
            *weight *= class_factor(&row, classes);
        }
        Ok(())
    }

    /// Splits into the rows before and those from a place on.
    pub(crate) fn split_at(self, place: usize) -> (Examples<'a>, Examples<'a>) {
        let part = |range: Range<usize>| Examples {
            x: slices(&self.x, &range),
            y: slices(&self.y, &range),
            weights: self
                .weights
                .as_ref()
                .and_then(|w| w.get(range))
                .map(<[f32]>::to_vec),
            labels: self.labels,
        };
        (part(0..place), part(place..self.len()))
    }

    /// Writes a batch where the plan reads it.
    pub(crate) fn fill(&self, pick: &Pick, plan: &Plan, workspace: &mut [f32]) {
        for port in &plan.ports {
            let Some(to) = workspace.get_mut(port.range.clone()) else {
                continue;
            };
            match port.port {
                Port::Features(number) => gather(self.x.get(number), pick, to),
                Port::Targets(number) => gather(self.y.get(number), pick, to),
                Port::SampleWeight => self.fill_weights(pick, to),
            }
        }
    }

    fn fill_weights(&self, pick: &Pick, to: &mut [f32]) {
        let weights = self.weights.as_deref().unwrap_or(&[]);
        match pick {
            Pick::Range(range) => {
                for (to, weight) in to.iter_mut().zip(weights.iter().skip(range.start)) {
                    *to = *weight;
                }
            }
            Pick::Rows(rows) => {
                for (to, row) in to.iter_mut().zip(*rows) {
                    *to = weights.get(*row as usize).copied().unwrap_or(1.0);
                }
            }
        }
    }
}

/// Weights of classes are at least 0.
pub(crate) fn check_classes(classes: &[(i64, f32)]) -> Result<()> {
    match classes.iter().find(|(_, w)| !(*w >= 0.0 && w.is_finite())) {
        None => Ok(()),
        Some((class, weight)) => Err(Error::argument(
            "fit",
            "class_weight",
            "at least 0 and finite",
            format!("{weight} for class {class}"),
        )),
    }
}

/// The weight of the class that a row of targets is of, an id or one-hot; 1 if it is not named.
pub(crate) fn class_factor(row: &[f32], classes: &[(i64, f32)]) -> f32 {
    let class = match row {
        [id] => *id as i64,
        one_hot => argmax(one_hot) as i64,
    };
    let known = classes.iter().find(|(known, _)| *known == class);
    known.map_or(1.0, |(_, factor)| *factor)
}

/// The same rows of each array.
fn slices<'a>(all: &[Rows<'a>], range: &Range<usize>) -> Vec<Rows<'a>> {
    all.iter().map(|rows| rows.slice(range.clone())).collect()
}

fn gather(rows: Option<&Rows>, pick: &Pick, to: &mut [f32]) {
    let Some(rows) = rows else {
        return;
    };
    match pick {
        Pick::Range(range) => rows.gather_range(range.clone(), to),
        Pick::Rows(indices) => rows.gather(indices, to),
    }
}

/// `(3, 4)`
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let parts: Vec<String> = shape.iter().map(usize::to_string).collect();
    tuple(&parts)
}

/// `(batch, 4)`
fn batch_text(row: &[usize]) -> String {
    let lengths = row.iter().map(usize::to_string);
    let parts: Vec<String> = std::iter::once("batch".to_string())
        .chain(lengths)
        .collect();
    tuple(&parts)
}

/// Inputs of the shapes that the model takes, as many rows of each, and no NaN or infinity in them.
pub(crate) fn check_inputs(
    all: &[Rows],
    (network, built): (&Network, &Built),
    allow_non_finite: bool,
) -> Result<()> {
    let rows = all.first().map_or(0, Rows::len);
    for (number, x) in all.iter().enumerate() {
        check_input(number, x, (network, built), allow_non_finite)?;
        if x.len() != rows {
            let name = network.input_names().get(number).cloned();
            return Err(Error::Shape {
                place: format!("input `{}`", name.unwrap_or_default()),
                expected: format!("as many rows as the first input, {rows}"),
                found: format!("{}", x.len()),
                hint: "every sample needs a row of each input".into(),
            });
        }
    }
    Ok(())
}

/// One input of the shape that the model takes, and no NaN or infinity in it.
pub(crate) fn check_input(
    number: usize,
    x: &Rows,
    (network, built): (&Network, &Built),
    allow_non_finite: bool,
) -> Result<()> {
    let wanted: &[usize] = built.rows.get(number).map_or(&[], Vec::as_slice);
    let column = x.row_shape().is_empty() && wanted == [1];
    if x.row_shape() != wanted && !column {
        let name = network.input_names().get(number).cloned();
        return Err(Error::Shape {
            place: format!("layer `{}`", name.unwrap_or_default()),
            expected: format!("inputs of shape {}", batch_text(wanted)),
            found: batch_text(x.row_shape()),
            hint: "check the columns that you select, or the first layer's `input_dim`".into(),
        });
    }
    if x.is_empty() {
        return Err(Error::argument("x", "rows", "at least 1", 0));
    }
    if u32::try_from(x.len()).is_err() {
        return Err(Error::argument(
            "x",
            "rows",
            "at most 4 294 967 295",
            x.len(),
        ));
    }
    if !allow_non_finite {
        finite("x", x)?;
    }
    check_ids(number, x, built)
}

/// Ids that a model begins with are ones that it knows.
pub(crate) fn check_ids(number: usize, x: &Rows, built: &Built) -> Result<()> {
    let Some(Some((layer, count))) = built.ids.get(number) else {
        return Ok(());
    };
    let known = |id: f32| id >= 0.0 && id < *count as f32 && id.fract() == 0.0;
    match x.first_where(|id| !known(id)) {
        None => Ok(()),
        Some((row, column, id)) => Err(Error::Layer {
            layer: layer.clone(),
            message: format!(
                "takes ids, whole numbers from 0 to {}, got {id} in row {row}, column {column}",
                count.saturating_sub(1)
            ),
        }),
    }
}

/// No NaN or infinity.
fn finite(what: &'static str, rows: &Rows) -> Result<()> {
    match rows.first_non_finite() {
        None => Ok(()),
        Some((row, column, value)) => Err(Error::NonFinite {
            what,
            row,
            column,
            value,
        }),
    }
}

/// Targets that an output's loss can take; counts the labels in a row where the loss leaves that open.
pub(crate) fn check_output(
    y: &Rows,
    (rows, built, head): (usize, &Built, &Head),
    allow_non_finite: bool,
    labels: &mut usize,
) -> Result<()> {
    check_targets(y, rows, built, head)?;
    if !allow_non_finite {
        finite("y", y)?;
        check_labels(y, built, head)?;
    }
    match head.loss.targets() {
        Targets::Sequences => check_longest(labels, y, head),
        _ => Ok(()),
    }
}

/// Rows of labels as long as those of other outputs whose loss takes labels.
fn check_longest(labels: &mut usize, y: &Rows, head: &Head) -> Result<()> {
    if *labels != 0 && *labels != y.row_size() {
        return Err(Error::Shape {
            place: format!("targets of `{}`", head.name),
            expected: format!("rows of {labels} labels, as of other outputs"),
            found: format!("{}", y.row_size()),
            hint: "end shorter rows with zeros".into(),
        });
    }
    *labels = y.row_size();
    Ok(())
}

/// As many targets as inputs, of the shape that the loss compares with the predictions.
fn check_targets(y: &Rows, rows: usize, built: &Built, head: &Head) -> Result<()> {
    let loss = head.loss.as_ref();
    if y.len() != rows {
        return Err(Error::Shape {
            place: "`y`".into(),
            expected: format!("as many rows as `x`, {rows}"),
            found: format!("{}", y.len()),
            hint: "every input needs one target".into(),
        });
    }
    let output = built.output(head.output, y.len());
    if losses::aligned(loss.targets(), y.shape(), output.dims()).is_some() {
        return Ok(());
    }
    let row = output.dims().get(1..).unwrap_or(&[]);
    let (expected, hint) = match (loss.targets(), row) {
        (Targets::Sequences, _) => (
            "a row of class ids: (batch, longest)".to_string(),
            "end shorter rows with zeros".into(),
        ),
        (Targets::Groups, [samples @ .., _]) => (
            format!("one whole number a row: {}", batch_text(samples)),
            "number the groups that belong together".into(),
        ),
        (Targets::ClassIds { .. }, [samples @ .., classes]) => (
            format!(
                "one class id (0 to {}) a row: {}",
                classes.saturating_sub(1),
                batch_text(samples)
            ),
            "for one-hot targets use `CategoricalCrossentropy`".to_string(),
        ),
        _ => (
            format!("targets of the shape of the outputs, {}", batch_text(row)),
            "check the last layer's `units`; for class ids use `SparseCategoricalCrossentropy`"
                .into(),
        ),
    };
    Err(Error::Shape {
        place: format!("loss `{}`", loss.name()),
        expected,
        found: batch_text(y.row_shape()),
        hint,
    })
}

/// Targets that the loss can take: probabilities from 0 to 1, or ids of classes that exist.
fn check_labels(y: &Rows, built: &Built, head: &Head) -> Result<()> {
    let loss = head.loss.as_ref();
    let classes = built.output(head.output, 1).last();
    let bad = match loss.targets() {
        Targets::Values => None,
        Targets::Groups => y.first_where(|id| id.fract() != 0.0),
        Targets::Sequences => y.first_where(|id| {
            let names_a_class = (0.0..classes as f32).contains(&id) && id.fract() == 0.0;
            !names_a_class
        }),
        Targets::Probabilities => y.first_where(|t| !(0.0..=1.0).contains(&t)),
        Targets::ClassIds { ignored } => y.first_where(|id| {
            let ignored = ignored.is_some_and(|ignored| ignored as f32 == id);
            let names_a_class = (0.0..classes as f32).contains(&id) && id.fract() == 0.0;
            !(ignored || names_a_class)
        }),
    };
    let Some((row, column, value)) = bad else {
        return Ok(());
    };
    let expected = match loss.targets() {
        Targets::Groups => "expected a whole number, the same for rows that belong together".into(),
        Targets::ClassIds { .. } | Targets::Sequences => format!(
            "expected a whole number from 0 to {}, one for each output unit: count classes from 0, \
             or give the last layer more units",
            classes.saturating_sub(1)
        ),
        _ => {
            "expected a value from 0 to 1: scale or recode the targets, or use another loss".into()
        }
    };
    Err(Error::Target {
        loss: loss.class_name().to_string(),
        row,
        column,
        value,
        expected,
    })
}
