//! [`ConfusionMatrix`], how often each class was taken for each, which the metrics of classes share.

use super::argmax;
use super::thresholded::add;

/// The sums of weights by true class and predicted class, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ConfusionMatrix {
    classes: usize,
    state: Vec<f64>,
}

impl ConfusionMatrix {
    pub(super) fn new(classes: usize) -> Self {
        ConfusionMatrix {
            classes,
            state: vec![0.0; classes * classes],
        }
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// Counts one prediction; classes that do not exist are left out.
    pub(super) fn add(&mut self, truth: i64, predicted: i64, weight: f64) {
        let inside = |class: i64| usize::try_from(class).ok().filter(|c| *c < self.classes);
        if let (Some(row), Some(column)) = (inside(truth), inside(predicted)) {
            self.state[row * self.classes + column] += weight;
        }
    }

    pub(super) fn get(&self, truth: usize, predicted: usize) -> f64 {
        self.state[truth * self.classes + predicted]
    }

    /// How often a class was right.
    pub(super) fn hits(&self, class: usize) -> f64 {
        self.get(class, class)
    }

    /// How often a class was the truth.
    pub(super) fn of_truth(&self, class: usize) -> f64 {
        (0..self.classes)
            .map(|predicted| self.get(class, predicted))
            .sum()
    }

    /// How often a class was predicted.
    pub(super) fn of_predictions(&self, class: usize) -> f64 {
        (0..self.classes).map(|truth| self.get(truth, class)).sum()
    }

    /// How many predictions were counted.
    pub(super) fn total(&self) -> f64 {
        self.state.iter().sum()
    }

    pub(super) fn merge(&mut self, other: &[f64]) {
        add(&mut self.state, other);
        self.classes = self.state.len().isqrt();
    }

    pub(super) fn state(&self) -> &[f64] {
        &self.state
    }

    pub(super) fn state_mut(&mut self) -> &mut [f64] {
        &mut self.state
    }
}

/// The class at place `i` of an array of shape `(before, classes, after)`: where the largest of its
/// numbers lies.
pub(super) fn largest_along(values: &[f32], (classes, after): (usize, usize), i: usize) -> usize {
    if after == 1 {
        return argmax(values.get(i * classes..(i + 1) * classes).unwrap_or(&[]));
    }
    let first = i / after * classes * after + i % after;
    let value = |class: usize| {
        values
            .get(first + class * after)
            .copied()
            .unwrap_or(f32::NAN)
    };
    (1..classes).fold(0, |best, class| {
        if value(class) > value(best) {
            class
        } else {
            best
        }
    })
}
