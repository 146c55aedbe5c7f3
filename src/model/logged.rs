//! [`Logged`]: the values that a training logs, by name, in the order in which they are printed.

use super::compile::Compiled;
use crate::callbacks::{Logs, print_order};

/// The name under which the learning rate is logged, when a callback asks for it.
pub(crate) const RATE: &str = "learning_rate";

/// The losses and metrics of an epoch.
///
/// Values come in the order of [`Compiled::names`], those of training and then those of validation.
/// They are shown in Keras's order: training, validation, the learning rate.
pub(crate) struct Logged {
    values: Vec<f32>,
    /// How many of them are of training.
    count: usize,
    /// Where each shown value stands among them.
    places: Vec<usize>,
    rate: bool,
    /// What an epoch with validation shows.
    names: Vec<String>,
    shown: Vec<f32>,
    /// What one without shows.
    short_names: Vec<String>,
    short: Vec<f32>,
    /// Whether the last epoch was validated.
    validated: bool,
}

impl Logged {
    pub(crate) fn new(compiled: &Compiled, validates: bool, rate: bool) -> Self {
        let mut own = compiled.names();
        let count = own.len();
        if validates {
            own.extend(compiled.names().iter().map(|name| format!("val_{name}")));
        }
        let places = print_order(&own);
        let named = |limit: usize| -> Vec<String> {
            let places = places.iter().filter(|place| **place < limit);
            let names = places.filter_map(|place| own.get(*place)).cloned();
            names.chain(rate.then(|| RATE.to_string())).collect()
        };
        let (names, short_names) = (named(own.len()), named(count));
        Logged {
            shown: vec![f32::NAN; names.len()],
            short: vec![f32::NAN; short_names.len()],
            values: vec![0.0; own.len()],
            validated: validates,
            names,
            short_names,
            places,
            count,
            rate,
        }
    }

    /// All names, in the order in which they are shown.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Where validation writes its values.
    pub(crate) fn validation(&mut self) -> &mut [f32] {
        self.values.get_mut(self.count..).unwrap_or(&mut [])
    }

    /// Takes over the values of training so far.
    fn take(&mut self, trained: impl Iterator<Item = f32>) {
        let own = self.values.iter_mut().take(self.count);
        own.zip(trained).for_each(|(value, now)| *value = now);
        let places = self.places.iter().filter(|place| **place < self.count);
        for (to, place) in self.short.iter_mut().zip(places) {
            *to = self.values.get(*place).copied().unwrap_or(f32::NAN);
        }
    }

    /// Takes over the values of training up to a batch.
    pub(crate) fn batch(&mut self, trained: impl Iterator<Item = f32>) {
        self.take(trained);
    }

    /// The logs of the last batch.
    pub(crate) fn batch_logs(&self) -> Logs<'_> {
        let some = |limit: usize| self.short_names.get(..limit).unwrap_or(&[]);
        Logs::new(
            some(self.count),
            self.short.get(..self.count).unwrap_or(&[]),
        )
    }

    /// Closes an epoch.
    pub(crate) fn epoch(
        &mut self,
        trained: impl Iterator<Item = f32>,
        validated: bool,
        learning_rate: f32,
    ) {
        self.take(trained);
        self.validated = validated;
        for (to, place) in self.shown.iter_mut().zip(&self.places) {
            let there = validated || *place < self.count;
            let value = self.values.get(*place).copied().filter(|_| there);
            *to = value.unwrap_or(f32::NAN);
        }
        if self.rate {
            for shown in [&mut self.shown, &mut self.short] {
                if let Some(last) = shown.last_mut() {
                    *last = learning_rate;
                }
            }
        }
    }

    /// All values, for a training that goes on from a file.
    pub(crate) fn state(&self) -> [(&'static str, &[f32]); 3] {
        [
            ("values", &self.values),
            ("shown", &self.shown),
            ("short", &self.short),
        ]
    }

    /// The same, to restore them.
    pub(crate) fn state_mut(&mut self) -> [(&'static str, &mut [f32]); 3] {
        [
            ("values", &mut self.values),
            ("shown", &mut self.shown),
            ("short", &mut self.short),
        ]
    }

    /// Whether the last epoch was validated.
    pub(crate) fn is_validated(&self) -> bool {
        self.validated
    }

    /// Restores whether the last epoch was validated.
    pub(crate) fn set_validated(&mut self, validated: bool) {
        self.validated = validated;
    }

    /// The values of the last epoch in the order of all names; those it has not are NaN.
    pub(crate) fn row(&self) -> &[f32] {
        &self.shown
    }

    /// The logs of the last epoch.
    pub(crate) fn logs(&self) -> Logs<'_> {
        match self.validated {
            true => Logs::new(&self.names, &self.shown),
            false => Logs::new(&self.short_names, &self.short),
        }
    }
}
