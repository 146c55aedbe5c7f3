//! [`ExponentialDecay`].

use serde_json::{Value, json};

use super::super::config::{Config, count_value};
use super::super::settings::{above_zero, not_negative};
use super::Schedule;
use crate::error::Result;

/// The rate is multiplied by `decay_rate` every `decay_steps` steps.
///
/// `rate = initial_learning_rate * decay_rate ^ (step / decay_steps)`, with the quotient rounded
/// down if `staircase`.
///
/// Default: `staircase` false.
///
/// Source: [Keras, ExponentialDecay](https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{ExponentialDecay, Schedule};
///
/// let schedule = ExponentialDecay::new(0.5, 10, 0.25);
/// assert_eq!(schedule.rate(5), 0.25);
/// assert_eq!(schedule.staircase(true).rate(19), 0.125);
/// ```
#[derive(Debug, Clone)]
pub struct ExponentialDecay {
    initial_learning_rate: f64,
    decay_steps: f64,
    decay_rate: f64,
    staircase: bool,
}

impl ExponentialDecay {
    /// From `initial_learning_rate`, times `decay_rate` every `decay_steps` steps.
    pub fn new(
        initial_learning_rate: impl Into<f64>,
        decay_steps: usize,
        decay_rate: impl Into<f64>,
    ) -> Self {
        ExponentialDecay {
            initial_learning_rate: initial_learning_rate.into(),
            decay_steps: decay_steps as f64,
            decay_rate: decay_rate.into(),
            staircase: false,
        }
    }

    /// Sets whether the rate falls in stairs, only every `decay_steps` steps; false by default.
    pub fn staircase(mut self, staircase: bool) -> Self {
        self.staircase = staircase;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        Ok(ExponentialDecay {
            initial_learning_rate: config.required("initial_learning_rate")?,
            decay_steps: config.required("decay_steps")?,
            decay_rate: config.required("decay_rate")?,
            staircase: config.flag_or("staircase", false)?,
        })
    }
}

impl Schedule for ExponentialDecay {
    fn rate(&self, step: u64) -> f32 {
        let decays = step as f64 / self.decay_steps;
        let decays = if self.staircase {
            decays.floor()
        } else {
            decays
        };
        (self.initial_learning_rate * self.decay_rate.powf(decays)) as f32
    }

    fn class_name(&self) -> &str {
        "ExponentialDecay"
    }

    fn config(&self) -> Value {
        json!({
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": count_value(self.decay_steps),
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": "ExponentialDecay",
        })
    }

    fn validate(&self) -> Result<()> {
        let owner = self.class_name();
        not_negative(owner, "initial_learning_rate", self.initial_learning_rate)?;
        above_zero(owner, "decay_steps", self.decay_steps)?;
        not_negative(owner, "decay_rate", self.decay_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_smoothly_or_in_stairs() {
        let schedule = ExponentialDecay::new(1.0, 2, 0.25);
        assert_eq!(
            [0, 1, 2, 4].map(|s| schedule.rate(s)),
            [1.0, 0.5, 0.25, 0.0625]
        );
        let stairs = schedule.staircase(true);
        assert_eq!([0, 1, 2, 3].map(|s| stairs.rate(s)), [1.0, 1.0, 0.25, 0.25]);
    }

    #[test]
    fn ranges_are_checked() {
        assert!(ExponentialDecay::new(0.1, 0, 0.9).validate().is_err());
        assert!(ExponentialDecay::new(-0.1, 1, 0.9).validate().is_err());
        assert!(ExponentialDecay::new(0.1, 1, f64::NAN).validate().is_err());
    }
}
