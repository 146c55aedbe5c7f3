//! [`Thresholded`], the counts of right and wrong at one or many thresholds, which precision,
//! recall, AUC and their relatives share.

use serde::{Deserialize, Serialize};

use super::Batch;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::kernels::simd::dispatch;

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
            Spacing::Any => self.thresholds.partition_point(|threshold| p > *threshold),
            Spacing::Even { beyond } => {
                let steps = (self.thresholds.len() - 1) as f32;
                between_steps(p, steps, u32::from(beyond)) as usize
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
        let weights = Weights::over(batch, batch.y_pred.len())?;
        match *look == Look::default() && weights.are_none() {
            true => dispatch(
                #[inline(always)]
                || self.count(batch),
            ),
            false => self.weigh(batch, look, weights),
        }
        Ok(())
    }

    /// Takes in a batch of the usual kind, without a look at any setting for each prediction: some
    /// predictions at a time, first where each belongs, which vectorises, then the counts.
    #[inline(always)]
    fn count(&mut self, batch: &Batch) {
        const TOGETHER: usize = 256;
        let buckets = self.thresholds.len() + 1;
        let steps = buckets.saturating_sub(2) as f32;
        let mut places = [0u32; TOGETHER];
        let parts = batch.y_true.chunks(TOGETHER);
        for (t, p) in parts.zip(batch.y_pred.chunks(TOGETHER)) {
            let each = places.iter_mut().zip(t.iter().zip(p));
            let side = |t: f32| if t != 0.0 { 0 } else { buckets as u32 };
            match (self.spacing, self.thresholds.as_slice()) {
                (Spacing::Even { beyond }, _) => {
                    let least = u32::from(beyond);
                    each.for_each(|(to, (t, p))| *to = side(*t) + between_steps(*p, steps, least));
                }
                (Spacing::Any, [only]) => {
                    each.for_each(|(to, (t, p))| *to = side(*t) + u32::from(p > only));
                }
                (Spacing::Any, _) => {
                    each.for_each(|(to, (t, p))| *to = side(*t) + self.bucket(*p) as u32);
                }
            }
            for place in places.iter().take(t.len().min(p.len())) {
                if let Some(sum) = self.state.get_mut(*place as usize) {
                    *sum += 1.0;
                }
            }
        }
    }

    /// Takes in a batch with weights, or of which only a part is looked at.
    fn weigh(&mut self, batch: &Batch, look: &Look, weights: Weights) {
        let classes = batch.classes().max(1);
        let buckets = self.thresholds.len() + 1;
        let columns = match look.class_id {
            Some(class) => class..class + 1,
            None => 0..classes,
        };
        let rows = batch.y_true.chunks_exact(classes);
        let rows = rows.zip(batch.y_pred.chunks_exact(classes));
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
                let weight = f64::from(weights.at(row * classes + column));
                let of_label = f64::from(look.label_weights.get(column).copied().unwrap_or(1.0));
                let place = label * 2 * buckets + side + self.bucket(prediction);
                self.state[place] += weight * of_label;
            }
        }
    }

    /// The counts of a label at every threshold, from the highest to the lowest.
    pub(super) fn descending(&self, label: usize) -> impl Iterator<Item = Counts> + Clone + '_ {
        let buckets = self.thresholds.len() + 1;
        let of_label = self.state.chunks_exact(2 * buckets).nth(label);
        let (positives, negatives) = of_label
            .unwrap_or(&[])
            .split_at_checked(buckets)
            .unwrap_or_default();
        let pairs = || positives.iter().zip(negatives).rev();
        // Summed in the same order as below: nothing is left over where nothing should be.
        let all = pairs().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        pairs()
            .take(self.thresholds.len())
            .scan((0.0, 0.0), move |above, (positive, negative)| {
                *above = (above.0 + positive, above.1 + negative);
                Some(Counts {
                    tp: above.0,
                    fp: above.1,
                    tn: all.1 - above.1,
                    fn_: all.0 - above.0,
                })
            })
    }

    /// The counts at the first threshold of those that were given.
    pub(super) fn first(&self) -> Counts {
        let place = self.places.first().copied().unwrap_or(0);
        let from_the_top = self.len().saturating_sub(place + 1);
        self.descending(0).nth(from_the_top).unwrap_or_default()
    }

    /// The counts at every threshold, in the order in which they were given.
    pub(super) fn as_given(&self) -> impl Iterator<Item = Counts> + '_ {
        let mut all: Vec<Counts> = self.descending(0).collect();
        all.reverse();
        let places = self.places.iter();
        places.map(move |place| all.get(*place).copied().unwrap_or_default())
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

/// How many of the thresholds `0, 1 / steps, 2 / steps, ...` are below a prediction, computed as
/// Keras does; at least `least`.
#[inline(always)]
fn between_steps(p: f32, steps: f32, least: u32) -> u32 {
    let exact = p.clamp(0.0, 1.0) * steps;
    // Up to the next whole number. As `i32`, since that is what processors convert to.
    let down = exact as i32;
    let up = down + i32::from(exact > down as f32);
    (up as u32).max(least)
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

/// Predictions are probabilities.
pub(super) fn check_probabilities(metric: &str, batch: &Batch) -> Result<()> {
    let inside = |p: &f32| (0.0..=1.0).contains(p);
    // All are looked at, without a branch for each.
    if batch.y_pred.iter().fold(true, |all, p| all & inside(p)) {
        return Ok(());
    }
    let place = batch.y_pred.iter().position(|p| !inside(p)).unwrap_or(0);
    Err(Error::argument(
        metric,
        format!("y_pred[{place}]"),
        "a probability, between 0 and 1: give the last layer a sigmoid or softmax, or the metric \
         `from_logits` where it has it",
        batch.y_pred.get(place).copied().unwrap_or(f32::NAN),
    ))
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
        assert_eq!(counts.as_given().collect::<Vec<_>>(), [high, low]);
        assert_eq!(counts.first(), high);
    }

    #[test]
    fn the_largest_of_a_row_are_the_first_of_equals() {
        let row = [0.5, 0.9, 0.5, 0.1];
        let top: Vec<usize> = (0..4).filter(|c| is_in_top(&row, *c, 2)).collect();
        assert_eq!(top, [0, 1]);
    }
}
