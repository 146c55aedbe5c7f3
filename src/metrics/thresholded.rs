//! [`Thresholded`], the counts of right and wrong at one or many thresholds, which precision,
//! recall, AUC and their relatives share.

use serde::{Deserialize, Serialize};

use super::Batch;
use crate::error::{Error, Result};

/// The setting `thresholds` as Keras writes it: one, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Thresholds {
    One(f32),
    Several(Vec<f32>),
}

impl Thresholds {
    pub(super) fn values(&self) -> &[f32] {
        match self {
            Thresholds::One(threshold) => std::slice::from_ref(threshold),
            Thresholds::Several(all) => all,
        }
    }

    /// They lie between 0 and 1, and there is one at least.
    pub(super) fn validate(&self, owner: &str) -> Result<()> {
        let values = self.values();
        let bad = values.iter().find(|t| !(0.0..=1.0).contains(*t));
        match (bad, values.is_empty()) {
            (None, false) => Ok(()),
            (bad, _) => Err(Error::argument(
                owner,
                "thresholds",
                "one or more between 0 and 1",
                bad.map_or("none".to_string(), f32::to_string),
            )),
        }
    }
}

/// How many counted as true and were (`tp`), counted as true and were not (`fp`), and so on, at one
/// threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) tp: f64,
    pub(super) fp: f64,
    pub(super) tn: f64,
    pub(super) fn_: f64,
}

/// `a / b`, and 0 where `b` is 0.
pub(super) fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

impl Counts {
    pub(super) fn precision(&self) -> f64 {
        ratio(self.tp, self.tp + self.fp)
    }

    /// Also called sensitivity.
    pub(super) fn recall(&self) -> f64 {
        ratio(self.tp, self.tp + self.fn_)
    }

    pub(super) fn specificity(&self) -> f64 {
        ratio(self.tn, self.tn + self.fp)
    }

    pub(super) fn false_positive_rate(&self) -> f64 {
        ratio(self.fp, self.fp + self.tn)
    }
}

/// Where predictions lie between thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spacing {
    /// A prediction counts as true above a threshold; they are looked up one by one.
    Any,
    /// From 0 to 1 in equal steps. As in Keras, the step is computed, which may differ from a
    /// comparison by rounding; with `beyond` the outermost lie beyond 0 and 1.
    Even { beyond: bool },
}

/// What is looked at of each row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Look {
    /// Only the largest predictions of a row count as true.
    pub(super) top_k: Option<usize>,
    /// Only this column.
    pub(super) class_id: Option<usize>,
    /// Each column is counted by itself.
    pub(super) by_label: bool,
    /// A weight for each column.
    pub(super) label_weights: Vec<f32>,
    /// Predictions go through a sigmoid.
    pub(super) from_logits: bool,
}

/// Sums of weights of positive and negative targets, by where their predictions lie between the
/// thresholds; so a prediction is looked at once, however many thresholds there are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thresholded {
    /// Sorted.
    thresholds: Vec<f32>,
    /// The place of each threshold, as it was given, among the sorted.
    places: Vec<usize>,
    spacing: Spacing,
    /// For each label: of positives, the sums below the first threshold, between the first two, and
    /// so on; then the same of negatives.
    state: Vec<f64>,
}

/// The small number that Keras puts between 0 and the first threshold of AUC.
const EPSILON: f32 = 1e-7;

impl Thresholded {
    /// Counts at these thresholds.
    pub(super) fn at(thresholds: &[f32]) -> Self {
        let mut places: Vec<usize> = (0..thresholds.len()).collect();
        places.sort_by(|a, b| thresholds[*a].total_cmp(&thresholds[*b]));
        let sorted: Vec<f32> = places.iter().map(|place| thresholds[*place]).collect();
        // The inverse: where each has gone.
        let mut gone = vec![0; places.len()];
        for (to, from) in places.iter().enumerate() {
            gone[*from] = to;
        }
        let spacing = match is_even(thresholds) {
            true => Spacing::Even { beyond: false },
            false => Spacing::Any,
        };
        Thresholded {
            state: vec![0.0; 2 * (sorted.len() + 1)],
            thresholds: sorted,
            places: gone,
            spacing,
        }
    }

    /// Counts at `count` thresholds from 0 to 1 in equal steps.
    pub(super) fn even(count: usize) -> Self {
        match count {
            0 | 1 => Thresholded::at(&[0.5]),
            _ => Thresholded {
                spacing: Spacing::Even { beyond: false },
                ..Thresholded::at(&steps(count))
            },
        }
    }

    /// The same, with the outermost just beyond 0 and 1, as for AUC; or with these between.
    pub(super) fn for_area(count: usize, between: Option<&[f32]>) -> Self {
        let mut thresholds = match between {
            None => steps(count),
            Some(between) => {
                let mut between = between.to_vec();
                between.sort_by(f32::total_cmp);
                [&[0.0], between.as_slice(), &[1.0]].concat()
            }
        };
        let even = between.is_none() || is_even(&thresholds);
        if let [first, .., last] = thresholds.as_mut_slice() {
            (*first, *last) = (-EPSILON, 1.0 + EPSILON);
        }
        Thresholded {
            spacing: match even {
                true => Spacing::Even { beyond: true },
                false => Spacing::Any,
            },
            ..Thresholded::at(&thresholds)
        }
    }

    /// How many thresholds there are.
    pub(super) fn len(&self) -> usize {
        self.thresholds.len()
    }

    /// Between which thresholds a prediction lies: how many are below it.
    #[inline(always)]
    fn bucket(&self, p: f32) -> usize {
        match self.spacing {
            Spacing::Any if self.thresholds.len() == 1 => usize::from(p > self.thresholds[0]),
            Spacing::Any => self.thresholds.partition_point(|threshold| p > *threshold),
            Spacing::Even { beyond } => {
                let steps = (self.thresholds.len() - 1) as f32;
                let bucket = (p.clamp(0.0, 1.0) * steps).ceil() as usize;
                bucket.max(usize::from(beyond))
            }
        }
    }

    /// Makes room for the counts of this many labels.
    pub(super) fn resize(&mut self, labels: usize) {
        let wanted = labels * 2 * (self.thresholds.len() + 1);
        if self.state.len() != wanted {
            self.state = vec![0.0; wanted];
        }
    }

    /// Takes in a batch; targets other than 0 are positive.
    pub(super) fn update(&mut self, batch: &Batch, look: &Look) -> Result<()> {
        let classes = batch.classes().max(1);
        if look.by_label {
            self.resize(classes);
        }
        let weights = Weights::of(batch)?;
        let buckets = self.thresholds.len() + 1;
        let columns = match look.class_id {
            Some(class) => class..class + 1,
            None => 0..classes,
        };
        // The usual case, without a look at any setting for each prediction.
        let plain = *look == Look::default() && batch.sample_weight.is_none();
        if plain {
            for (t, p) in batch.y_true.iter().zip(batch.y_pred) {
                let side = if *t != 0.0 { 0 } else { buckets };
                let bucket = self.bucket(*p);
                self.state[side + bucket] += 1.0;
            }
            return Ok(());
        }
        let rows = batch
            .y_true
            .chunks_exact(classes)
            .zip(batch.y_pred.chunks_exact(classes));
        for (row, (t, p)) in rows.enumerate() {
            for column in columns.clone() {
                let (Some(t), Some(mut prediction)) = (t.get(column), p.get(column).copied())
                else {
                    continue;
                };
                if look.from_logits {
                    prediction = crate::kernels::math::sigmoid(prediction);
                }
                if look.top_k.is_some_and(|k| !is_in_top(p, column, k)) {
                    prediction = -1e10;
                }
                let label = if look.by_label { column } else { 0 };
                let side = if *t != 0.0 { 0 } else { buckets };
                let weight = f64::from(weights.at(row, row * classes + column));
                let of_label = f64::from(look.label_weights.get(column).copied().unwrap_or(1.0));
                let place = label * 2 * buckets + side + self.bucket(prediction);
                self.state[place] += weight * of_label;
            }
        }
        Ok(())
    }

    /// The counts at a threshold, in the order in which they were given, for a label.
    pub(super) fn counts(&self, threshold: usize, label: usize) -> Counts {
        let buckets = self.thresholds.len() + 1;
        let of_label = &self.state[label * 2 * buckets..(label + 1) * 2 * buckets];
        let (positives, negatives) = of_label.split_at(buckets);
        let place = self.places[threshold];
        let sum = |sums: &[f64]| sums.iter().sum::<f64>();
        Counts {
            tp: sum(&positives[place + 1..]),
            fp: sum(&negatives[place + 1..]),
            tn: sum(&negatives[..=place]),
            fn_: sum(&positives[..=place]),
        }
    }

    /// The counts at every threshold, for a label.
    pub(super) fn all(&self, label: usize) -> Vec<Counts> {
        (0..self.len()).map(|t| self.counts(t, label)).collect()
    }

    /// Adds the sums of counts of the same kind.
    pub(super) fn merge(&mut self, other: &[f64]) {
        add(&mut self.state, other);
    }

    pub(super) fn state(&self) -> &[f64] {
        &self.state
    }

    pub(super) fn state_mut(&mut self) -> &mut [f64] {
        &mut self.state
    }
}

/// Adds sums to sums, which may not have been made yet.
pub(super) fn add(sums: &mut Vec<f64>, others: &[f64]) {
    if sums.len() < others.len() {
        sums.resize(others.len(), 0.0);
    }
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += other;
    }
}

/// Thresholds from 0 to 1 in equal steps.
fn steps(count: usize) -> Vec<f32> {
    let last = count.max(2) - 1;
    (0..=last)
        .map(|i| (i as f64 / last as f64) as f32)
        .collect()
}

/// Whether thresholds are some from 0 to 1 in equal steps, three at least.
fn is_even(thresholds: &[f32]) -> bool {
    let wanted = steps(thresholds.len());
    let near = |(t, w): (&f32, f32)| (t - w).abs() <= EPSILON + 1e-5 * w;
    thresholds.len() >= 3 && thresholds.iter().zip(wanted).all(near)
}

/// Whether a column is among the `k` largest of its row; of equal ones the first.
fn is_in_top(row: &[f32], column: usize, k: usize) -> bool {
    let own = row[column];
    let ahead = |(i, p): &(usize, &f32)| **p > own || (**p == own && *i < column);
    row.iter().enumerate().filter(ahead).take(k).count() < k
}

/// The weights of a batch: one a row, one a value, or none.
pub(super) struct Weights<'a> {
    weights: Option<&'a [f32]>,
    by_value: bool,
}

impl<'a> Weights<'a> {
    /// # Errors
    ///
    /// When there are as many as neither rows nor values.
    pub(super) fn of(batch: &Batch<'a>) -> Result<Self> {
        let (rows, values) = (batch.rows(), batch.y_pred.len());
        match batch.sample_weight {
            Some(weights) if weights.len() != rows && weights.len() != values => {
                Err(Error::argument(
                    "metrics",
                    "sample_weight",
                    format!("one weight for each of {rows} rows, or of {values} values"),
                    format!("{} weights", weights.len()),
                ))
            }
            weights => Ok(Weights {
                weights,
                by_value: weights.is_some_and(|weights| weights.len() != rows),
            }),
        }
    }

    /// The weight of a value, which is in this row.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, value: usize) -> f32 {
        let place = if self.by_value { value } else { row };
        self.weights
            .map_or(1.0, |weights| weights.get(place).copied().unwrap_or(0.0))
    }
}

/// Predictions are probabilities.
pub(super) fn check_probabilities(metric: &str, batch: &Batch) -> Result<()> {
    match batch.y_pred.iter().position(|p| !(0.0..=1.0).contains(p)) {
        None => Ok(()),
        Some(place) => Err(Error::argument(
            metric,
            format!("y_pred[{place}]"),
            "a probability, between 0 and 1: give the last layer a sigmoid or softmax, or the \
             metric `from_logits` where it has it",
            batch.y_pred[place],
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_are_even_are_known() {
        assert!(is_even(&[0.0, 0.25, 0.5, 0.75, 1.0]));
        assert!(!is_even(&[0.0, 1.0]));
        assert!(!is_even(&[0.2, 0.5, 0.8]));
    }

    #[test]
    fn counts_are_those_of_every_threshold_as_given() {
        let mut counts = Thresholded::at(&[0.8, 0.2]);
        counts
            .update(
                &Batch {
                    y_true: &[1.0, 0.0, 1.0, 0.0],
                    y_true_shape: &[4],
                    y_pred: &[0.9, 0.5, 0.2, 0.1],
                    y_pred_shape: &[4],
                    sample_weight: None,
                },
                &Look::default(),
            )
            .expect("fits");
        // Above 0.8: one true. Above 0.2: one true, one false; 0.2 itself is not above.
        let high = Counts {
            tp: 1.0,
            fp: 0.0,
            tn: 2.0,
            fn_: 1.0,
        };
        let low = Counts {
            tp: 1.0,
            fp: 1.0,
            tn: 1.0,
            fn_: 1.0,
        };
        assert_eq!(counts.all(0), [high, low]);
    }

    #[test]
    fn the_largest_of_a_row_are_the_first_of_equals() {
        let row = [0.5, 0.9, 0.5, 0.1];
        let top: Vec<usize> = (0..4).filter(|c| is_in_top(&row, *c, 2)).collect();
        assert_eq!(top, [0, 1]);
    }
}
