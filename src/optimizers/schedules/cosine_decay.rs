//! [`CosineDecay`].

use std::f64::consts::PI;

use serde_json::{Value, json};

use super::super::config::{Config, count_value};
use super::super::settings::{above_zero, not_negative};
use super::Schedule;
use crate::error::{Error, Result};

/// The rate falls along half a wave of the cosine, after a linear warm-up if there is one.
///
/// ```text
/// rate = initial_learning_rate + (warmup_target - initial_learning_rate) * step / warmup_steps
///                                          in the warm-up, step < warmup_steps
/// rate = top * ((1 - alpha) * (1 + cos(pi * done)) / 2 + alpha)           after it
/// done = min(step - warmup_steps, decay_steps) / decay_steps
/// ```
///
/// where `top` is `warmup_target` if it is set, else `initial_learning_rate`.
///
/// Defaults: `alpha` 0, no `warmup_target`, `warmup_steps` 0.
///
/// Source: [Keras, CosineDecay](https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/);
/// Loshchilov and Hutter, *SGDR* ([arXiv 1608.03983](https://arxiv.org/abs/1608.03983)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{CosineDecay, Schedule};
///
/// let schedule = CosineDecay::new(0.0, 1_000).warmup_target(0.5).warmup_steps(100);
/// assert_eq!(schedule.rate(50), 0.25);
/// assert_eq!(schedule.rate(100), 0.5);
/// assert_eq!(schedule.rate(1_100), 0.0);
/// ```
#[derive(Debug, Clone)]
pub struct CosineDecay {
    initial_learning_rate: f64,
    decay_steps: f64,
    alpha: f64,
    warmup_target: Option<f64>,
    warmup_steps: f64,
}

impl CosineDecay {
    /// From `initial_learning_rate` down within `decay_steps` steps.
    pub fn new(initial_learning_rate: impl Into<f64>, decay_steps: usize) -> Self {
        CosineDecay {
            initial_learning_rate: initial_learning_rate.into(),
            decay_steps: decay_steps as f64,
            alpha: 0.0,
            warmup_target: None,
            warmup_steps: 0.0,
        }
    }

    /// Sets the last rate as a fraction of the highest, 0 by default.
    pub fn alpha(mut self, alpha: impl Into<f64>) -> Self {
        self.alpha = alpha.into();
        self
    }

    /// Sets the rate that the warm-up climbs to. Without it there is no warm-up.
    pub fn warmup_target(mut self, warmup_target: impl Into<f64>) -> Self {
        self.warmup_target = Some(warmup_target.into());
        self
    }

    /// Sets how many steps the warm-up takes, 0 by default. They come before `decay_steps`.
    pub fn warmup_steps(mut self, warmup_steps: usize) -> Self {
        self.warmup_steps = warmup_steps as f64;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let warmup_target = config.number("warmup_target")?;
        // Keras passes over the steps where there is no target; here that is an error of a
        // program, and not of a file.
        let warmup_steps = match warmup_target {
            Some(_) => config.number_or("warmup_steps", 0.0)?,
            None => 0.0,
        };
        Ok(CosineDecay {
            initial_learning_rate: config.required("initial_learning_rate")?,
            decay_steps: config.required("decay_steps")?,
            alpha: config.number_or("alpha", 0.0)?,
            warmup_target,
            warmup_steps,
        })
    }
}

impl Schedule for CosineDecay {
    fn rate(&self, step: u64) -> f32 {
        let step = step as f64;
        let (top, step) = match self.warmup_target {
            None => (self.initial_learning_rate, step),
            Some(target) if step < self.warmup_steps => {
                let climb = target - self.initial_learning_rate;
                let done = step / self.warmup_steps;
                return (climb * done + self.initial_learning_rate) as f32;
            }
            Some(target) => (target, step - self.warmup_steps),
        };
        let done = step.min(self.decay_steps) / self.decay_steps;
        let cosine = 0.5 * (1.0 + (PI * done).cos());
        (top * ((1.0 - self.alpha) * cosine + self.alpha)) as f32
    }

    fn class_name(&self) -> &str {
        "CosineDecay"
    }

    fn config(&self) -> Value {
        json!({
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": count_value(self.decay_steps),
            "alpha": self.alpha,
            "name": "CosineDecay",
            "warmup_target": self.warmup_target,
            "warmup_steps": count_value(self.warmup_steps),
        })
    }

    fn validate(&self) -> Result<()> {
        let owner = self.class_name();
        not_negative(owner, "initial_learning_rate", self.initial_learning_rate)?;
        above_zero(owner, "decay_steps", self.decay_steps)?;
        not_negative(owner, "alpha", self.alpha)?;
        not_negative(owner, "warmup_steps", self.warmup_steps)?;
        match self.warmup_target {
            Some(target) => not_negative(owner, "warmup_target", target),
            None if self.warmup_steps > 0.0 => Err(Error::argument(
                owner,
                "warmup_target",
                "set for a warm-up, as `warmup_steps` is",
                "None",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_along_the_cosine_and_stays() {
        let schedule = CosineDecay::new(2.0, 6).alpha(0.5);
        // 2 * (0.5 * (1 + cos(pi * step / 6)) / 2 + 0.5), where cos(pi / 3) = 0.5
        let rates = [0, 2, 3, 6, 60].map(|s| schedule.rate(s));
        assert_eq!(rates, [2.0, 1.75, 1.5, 1.0, 1.0]);
    }

    #[test]
    fn the_warm_up_is_a_straight_line() {
        let schedule = CosineDecay::new(1.0, 4).warmup_target(3.0).warmup_steps(2);
        let rates = [0, 1, 2, 4, 6].map(|s| schedule.rate(s));
        assert_eq!(rates, [1.0, 2.0, 3.0, 1.5, 0.0]);
    }

    #[test]
    fn a_warm_up_without_target_is_an_error() {
        let error = CosineDecay::new(1.0, 4).warmup_steps(2).validate();
        assert!(error.unwrap_err().to_string().contains("`warmup_target`"));
        assert!(CosineDecay::new(1.0, 0).validate().is_err());
    }
}
