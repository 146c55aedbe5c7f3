//! [`PolynomialDecay`].

use serde_json::{Value, json};

use super::super::config::{Config, count_value};
use super::super::settings::{above_zero, not_negative};
use super::Schedule;
use crate::error::Result;

/// The rate falls to `end_learning_rate` along a power of the remaining steps.
///
/// `rate = (initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ^ power +
/// end_learning_rate`; after `decay_steps` it stays there, or with `cycle` starts again towards
/// the next multiple of `decay_steps`.
///
/// Defaults: `end_learning_rate` 0.0001, `power` 1 (a straight line), `cycle` false.
///
/// Source: [Keras, PolynomialDecay](https://keras.io/api/optimizers/learning_rate_schedules/polynomial_decay/).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{PolynomialDecay, Schedule};
///
/// let schedule = PolynomialDecay::new(0.5, 100).end_learning_rate(0.25);
/// assert_eq!(schedule.rate(50), 0.375);
/// assert_eq!(schedule.rate(200), 0.25);
/// ```
#[derive(Debug, Clone)]
pub struct PolynomialDecay {
    initial_learning_rate: f64,
    decay_steps: f64,
    end_learning_rate: f64,
    power: f64,
    cycle: bool,
}

impl PolynomialDecay {
    /// From `initial_learning_rate` down within `decay_steps` steps.
    pub fn new(initial_learning_rate: impl Into<f64>, decay_steps: usize) -> Self {
        PolynomialDecay {
            initial_learning_rate: initial_learning_rate.into(),
            decay_steps: decay_steps as f64,
            end_learning_rate: 0.0001,
            power: 1.0,
            cycle: false,
        }
    }

    /// Sets the rate at the end, 0.0001 by default.
    pub fn end_learning_rate(mut self, end_learning_rate: impl Into<f64>) -> Self {
        self.end_learning_rate = end_learning_rate.into();
        self
    }

    /// Sets the power, 1 by default.
    pub fn power(mut self, power: impl Into<f64>) -> Self {
        self.power = power.into();
        self
    }

    /// Sets whether to start again after `decay_steps`; false by default.
    pub fn cycle(mut self, cycle: bool) -> Self {
        self.cycle = cycle;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        Ok(PolynomialDecay {
            initial_learning_rate: config.required("initial_learning_rate")?,
            decay_steps: config.required("decay_steps")?,
            end_learning_rate: config.number_or("end_learning_rate", 0.0001)?,
            power: config.number_or("power", 1.0)?,
            cycle: config.flag_or("cycle", false)?,
        })
    }
}

impl Schedule for PolynomialDecay {
    fn rate(&self, step: u64) -> f32 {
        let step = step as f64;
        let (step, decay_steps) = if self.cycle {
            let cycles = (step / self.decay_steps).ceil().max(1.0);
            (step, self.decay_steps * cycles)
        } else {
            (step.min(self.decay_steps), self.decay_steps)
        };
        let rest = (1.0 - step / decay_steps).powf(self.power);
        let span = self.initial_learning_rate - self.end_learning_rate;
        (span * rest + self.end_learning_rate) as f32
    }

    fn class_name(&self) -> &str {
        "PolynomialDecay"
    }

    fn config(&self) -> Value {
        json!({
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": count_value(self.decay_steps),
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": "PolynomialDecay",
        })
    }

    fn validate(&self) -> Result<()> {
        let owner = self.class_name();
        not_negative(owner, "initial_learning_rate", self.initial_learning_rate)?;
        above_zero(owner, "decay_steps", self.decay_steps)?;
        not_negative(owner, "end_learning_rate", self.end_learning_rate)?;
        not_negative(owner, "power", self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_along_the_power_and_stays() {
        let schedule = PolynomialDecay::new(1.0, 4)
            .end_learning_rate(0.0)
            .power(2.0);
        // (1 - step / 4)^2
        assert_eq!(
            [0, 1, 2, 4, 9].map(|s| schedule.rate(s)),
            [1.0, 0.5625, 0.25, 0.0, 0.0]
        );
    }

    #[test]
    fn cycles_stretch_to_the_next_multiple() {
        let schedule = PolynomialDecay::new(1.0, 4)
            .end_learning_rate(0.0)
            .cycle(true);
        // 1 - 4 / 4, 1 - 6 / 8, 1 - 9 / 12
        assert_eq!(
            [0, 4, 6, 9].map(|s| schedule.rate(s)),
            [1.0, 0.0, 0.25, 0.25]
        );
    }

    #[test]
    fn ranges_are_checked() {
        assert!(PolynomialDecay::new(0.1, 0).validate().is_err());
        assert!(PolynomialDecay::new(0.1, 1).power(-1.0).validate().is_err());
    }
}
