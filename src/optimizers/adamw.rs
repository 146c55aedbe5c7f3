//! [`AdamW`]: Adam with weight decay.

use serde_json::Value;

use super::config::Config;
use super::settings::builders;
use super::{Adam, Optimizer, Settings, Step};
use crate::error::{Error, Result};

/// [`Adam`] with decoupled weight decay: each step first shrinks the weights.
///
/// ```text
/// w -= w * weight_decay * learning_rate
/// then as Adam
/// ```
///
/// Defaults: `weight_decay` 0.004, the others are Adam's. Slots: Adam's.
///
/// Source: [Keras, AdamW](https://keras.io/api/optimizers/adamw/); Loshchilov and Hutter,
/// *Decoupled weight decay regularization* ([arXiv 1711.05101](https://arxiv.org/abs/1711.05101)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{AdamW, State};
///
/// let optimizer = AdamW::new().learning_rate(0.5).weight_decay(0.5);
/// let mut weights = [4.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [0.0]);
/// assert_eq!(weights, [3.0]);
/// ```
#[derive(Debug, Clone)]
pub struct AdamW {
    adam: Adam,
}

builders!(AdamW);

impl AdamW {
    /// Keras's defaults.
    pub fn new() -> Self {
        AdamW {
            adam: Adam::new().weight_decay(0.004),
        }
    }

    /// Sets how slowly the mean of the gradient forgets, from 0 to 1; 0.9 by default.
    pub fn beta_1(mut self, beta_1: impl Into<f64>) -> Self {
        self.adam = self.adam.beta_1(beta_1);
        self
    }

    /// Sets how slowly the mean of its square forgets, from 0 to 1; 0.999 by default.
    pub fn beta_2(mut self, beta_2: impl Into<f64>) -> Self {
        self.adam = self.adam.beta_2(beta_2);
        self
    }

    /// Sets the small number added to the root, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.adam = self.adam.epsilon(epsilon);
        self
    }

    /// Sets whether to divide by the largest mean square so far; false by default.
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.adam = self.adam.amsgrad(amsgrad);
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let adam = AdamW::new().adam.reading(config)?;
        Ok(AdamW { adam })
    }
}

impl Optimizer for AdamW {
    fn class_name(&self) -> &str {
        "AdamW"
    }

    fn settings(&self) -> &Settings {
        self.adam.settings()
    }

    fn settings_mut(&mut self) -> &mut Settings {
        self.adam.settings_mut()
    }

    fn slots(&self) -> usize {
        self.adam.slots()
    }

    fn slot_groups(&self) -> Vec<usize> {
        self.adam.slot_groups()
    }

    fn validate(&self) -> Result<()> {
        if self.settings().weight_decay.is_none() {
            let expected = "a number (`Adam` has none)";
            return Err(Error::argument("AdamW", "weight_decay", expected, "None"));
        }
        self.adam.validate_as("AdamW")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        self.adam.update(step, weights, gradients, slots);
    }

    fn config(&self) -> Value {
        self.adam.config_as("AdamW")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    #[test]
    fn the_decay_comes_before_adams_step() {
        let optimizer = AdamW::new()
            .learning_rate(0.5)
            .weight_decay(0.5)
            .epsilon(0.0);
        let mut weights = [4.0];
        State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [3.0]);
        // 4 - 4 * 0.25 - 0.5
        assert!((weights[0] - 2.5).abs() < 1e-6);
    }

    #[test]
    fn it_is_named_in_its_errors() {
        let error = AdamW::new().beta_1(2.0).validate().unwrap_err();
        assert!(error.to_string().starts_with("`AdamW`: `beta_1`"));
        let mut without = AdamW::new();
        without.settings_mut().weight_decay = None;
        assert!(without.validate().is_err());
    }
}
