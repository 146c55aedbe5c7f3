//! [`CosineDecayRestarts`].

use std::f64::consts::PI;

use serde_json::{Value, json};

use super::super::config::{Config, count_value};
use super::super::settings::{above_zero, not_negative};
use super::Schedule;
use crate::error::{Error, Result};

/// The rate falls along half a wave of the cosine, again and again.
///
/// The first fall takes `first_decay_steps`, each later one `t_mul` times as long as the one
/// before and from `m_mul` times as high:
///
/// `rate = initial_learning_rate * ((1 - alpha) * m_mul^i * (1 + cos(pi * done)) / 2 + alpha)`
///
/// after `i` restarts, with the fraction `done` of the current fall.
///
/// Defaults: `t_mul` 2, `m_mul` 1, `alpha` 0.
///
/// Source: [Keras, CosineDecayRestarts](https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay_restarts/);
/// Loshchilov and Hutter, *SGDR* ([arXiv 1608.03983](https://arxiv.org/abs/1608.03983)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{CosineDecayRestarts, Schedule};
///
/// let schedule = CosineDecayRestarts::new(0.5, 10);
/// assert_eq!(schedule.rate(5), 0.25);
/// assert_eq!(schedule.rate(10), 0.5); // the second fall, of 20 steps
/// assert_eq!(schedule.rate(20), 0.25);
/// ```
#[derive(Debug, Clone)]
pub struct CosineDecayRestarts {
    initial_learning_rate: f64,
    first_decay_steps: f64,
    t_mul: f64,
    m_mul: f64,
    alpha: f64,
}

impl CosineDecayRestarts {
    /// From `initial_learning_rate`, the first time down within `first_decay_steps` steps.
    pub fn new(initial_learning_rate: impl Into<f64>, first_decay_steps: usize) -> Self {
        CosineDecayRestarts {
            initial_learning_rate: initial_learning_rate.into(),
            first_decay_steps: first_decay_steps as f64,
            t_mul: 2.0,
            m_mul: 1.0,
            alpha: 0.0,
        }
    }

    /// Sets how much longer each fall is than the one before, at least 1; 2 by default.
    pub fn t_mul(mut self, t_mul: impl Into<f64>) -> Self {
        self.t_mul = t_mul.into();
        self
    }

    /// Sets how much higher each fall starts than the one before; 1 by default.
    pub fn m_mul(mut self, m_mul: impl Into<f64>) -> Self {
        self.m_mul = m_mul.into();
        self
    }

    /// Sets the lowest rate as a fraction of the first, 0 by default.
    pub fn alpha(mut self, alpha: impl Into<f64>) -> Self {
        self.alpha = alpha.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        Ok(CosineDecayRestarts {
            initial_learning_rate: config.required("initial_learning_rate")?,
            first_decay_steps: config.required("first_decay_steps")?,
            t_mul: config.number_or("t_mul", 2.0)?,
            m_mul: config.number_or("m_mul", 1.0)?,
            alpha: config.number_or("alpha", 0.0)?,
        })
    }

    /// How many restarts came before `step`, and the fraction of the current fall that is done.
    ///
    /// By subtraction rather than by logarithms, whose rounding can miss the very step of a
    /// restart.
    fn place(&self, step: f64) -> (f64, f64) {
        if self.t_mul > 1.0 {
            let (mut restarts, mut rest, mut length) = (0.0, step, self.first_decay_steps);
            while rest >= length && length > 0.0 {
                rest -= length;
                length *= self.t_mul;
                restarts += 1.0;
            }
            return (restarts, rest / length);
        }
        let falls = step / self.first_decay_steps;
        (falls.floor(), falls - falls.floor())
    }
}

impl Schedule for CosineDecayRestarts {
    fn rate(&self, step: u64) -> f32 {
        let (restarts, done) = self.place(step as f64);
        let height = self.m_mul.powf(restarts);
        let cosine = 0.5 * height * (1.0 + (PI * done).cos());
        let fraction = (1.0 - self.alpha) * cosine + self.alpha;
        (self.initial_learning_rate * fraction) as f32
    }

    fn class_name(&self) -> &str {
        "CosineDecayRestarts"
    }

    fn config(&self) -> Value {
        json!({
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": count_value(self.first_decay_steps),
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": "SGDRDecay",
        })
    }

    fn validate(&self) -> Result<()> {
        let owner = self.class_name();
        not_negative(owner, "initial_learning_rate", self.initial_learning_rate)?;
        above_zero(owner, "first_decay_steps", self.first_decay_steps)?;
        not_negative(owner, "m_mul", self.m_mul)?;
        not_negative(owner, "alpha", self.alpha)?;
        if self.t_mul.is_finite() && self.t_mul >= 1.0 {
            return Ok(());
        }
        let expected = "a finite number of at least 1";
        Err(Error::argument(owner, "t_mul", expected, self.t_mul))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fall_is_longer_and_lower() {
        let schedule = CosineDecayRestarts::new(1.0, 2).t_mul(2.0).m_mul(0.5);
        // falls of 2, 4 and 8 steps from 1, 0.5 and 0.25
        let rates = [0, 1, 2, 4, 6, 10].map(|s| schedule.rate(s));
        assert_eq!(rates, [1.0, 0.5, 0.5, 0.25, 0.25, 0.125]);
    }

    #[test]
    fn restarts_come_at_their_very_step() {
        let schedule = CosineDecayRestarts::new(1.0, 1).t_mul(3.0);
        // 1 + 3 + 9 + 27 + 81 steps; ln(243) / ln(3) is 4.999999999999999
        assert_eq!(schedule.rate(121), 1.0);
    }

    #[test]
    fn equal_falls_repeat() {
        let schedule = CosineDecayRestarts::new(1.0, 4).t_mul(1.0);
        assert_eq!(
            [0, 2, 4, 10, 400].map(|s| schedule.rate(s)),
            [1.0, 0.5, 1.0, 0.5, 1.0]
        );
    }

    #[test]
    fn shrinking_falls_are_an_error() {
        let error = CosineDecayRestarts::new(1.0, 4).t_mul(0.5).validate();
        assert!(error.unwrap_err().to_string().contains("`t_mul`"));
    }
}
