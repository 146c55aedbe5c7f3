//! [`RMSprop`]: the gradient over its running root mean square.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{floor, flush, towards};
use super::settings::{builders, decay_rate, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::{Error, Result};

/// Divides the gradient by the root of a running mean of its square.
///
/// ```text
/// velocity = rho * velocity + (1 - rho) * g^2
/// average  = rho * average + (1 - rho) * g                      if centered, else 0
/// step     = learning_rate * g / sqrt(velocity - average^2 + epsilon)
/// momentum_ = momentum * momentum_ + step                       if momentum > 0
/// w -= step, or momentum_
/// ```
///
/// Defaults: `learning_rate` 0.001, `rho` 0.9, `momentum` 0, `epsilon` 1e-7 (inside the root),
/// `centered` false. Slots: velocity, then momentum and average if there are any.
///
/// Source: [Keras, RMSprop](https://keras.io/api/optimizers/rmsprop/); Hinton's lecture 6 of
/// *Neural Networks for Machine Learning* (2012).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{RMSprop, State};
///
/// let optimizer = RMSprop::new().learning_rate(0.1).rho(0.75);
/// let mut weights = [1.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [4.0]);
/// // velocity 0.25 * 16 = 4, so the step is 0.1 * 4 / 2
/// assert!((weights[0] - 0.8f32).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct RMSprop {
    rho: f64,
    momentum: f64,
    epsilon: f64,
    centered: bool,
    settings: Settings,
}

builders!(RMSprop);

impl RMSprop {
    /// Keras's defaults.
    pub fn new() -> Self {
        RMSprop {
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
            centered: false,
            settings: Settings::new(0.001),
        }
    }

    /// Sets how slowly the running means forget, from 0 to 1; 0.9 by default.
    pub fn rho(mut self, rho: impl Into<f64>) -> Self {
        self.rho = rho.into();
        self
    }

    /// Sets the momentum of the steps, from 0 to 1; 0 by default.
    pub fn momentum(mut self, momentum: impl Into<f64>) -> Self {
        self.momentum = momentum.into();
        self
    }

    /// Sets the small number under the root, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    /// Sets whether to divide by the running variance rather than the mean square; false by
    /// default.
    pub fn centered(mut self, centered: bool) -> Self {
        self.centered = centered;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = RMSprop::new();
        Ok(RMSprop {
            rho: config.number_or("rho", new.rho)?,
            momentum: config.number_or("momentum", new.momentum)?,
            epsilon: config.number_or("epsilon", new.epsilon)?,
            centered: config.flag_or("centered", new.centered)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for RMSprop {
    fn class_name(&self) -> &str {
        "RMSprop"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> usize {
        1 + usize::from(self.momentum > 0.0) + usize::from(self.centered)
    }

    fn slot_groups(&self) -> Vec<usize> {
        vec![1; self.slots()]
    }

    fn validate(&self) -> Result<()> {
        decay_rate("RMSprop", "rho", self.rho)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            let expected = "a number from 0 to 1";
            return Err(Error::argument(
                "RMSprop",
                "momentum",
                expected,
                self.momentum,
            ));
        }
        not_negative("RMSprop", "epsilon", self.epsilon)?;
        self.settings.validate("RMSprop")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let rate = step.learning_rate;
        let fresh = (1.0 - self.rho) as f32;
        let (momentum, epsilon) = (self.momentum as f32, self.epsilon as f32);
        let floor = floor(self.epsilon);
        let square = move |velocity: f32, g: f32| towards(velocity, g * g, fresh, floor);
        let keep = move |kept: f32, step: f32| flush(kept.mul_add(momentum, step), floor);
        match slots {
            [velocity] => pass(weights, gradients, [velocity], move |w, g, [velocity]| {
                let velocity = square(velocity, g);
                (w - rate * g / (velocity + epsilon).sqrt(), [velocity])
            }),
            [velocity, average] if self.centered => pass(
                weights,
                gradients,
                [velocity, average],
                move |w, g, [velocity, average]| {
                    let velocity = square(velocity, g);
                    let average = towards(average, g, fresh, floor);
                    let variance = average.mul_add(-average, velocity) + epsilon;
                    (w - rate * g / variance.sqrt(), [velocity, average])
                },
            ),
            [velocity, kept] => pass(
                weights,
                gradients,
                [velocity, kept],
                move |w, g, [velocity, kept]| {
                    let velocity = square(velocity, g);
                    let kept = keep(kept, rate * g / (velocity + epsilon).sqrt());
                    (w - kept, [velocity, kept])
                },
            ),
            [velocity, kept, average] => pass(
                weights,
                gradients,
                [velocity, kept, average],
                move |w, g, [velocity, kept, average]| {
                    let velocity = square(velocity, g);
                    let average = towards(average, g, fresh, floor);
                    let variance = average.mul_add(-average, velocity) + epsilon;
                    let kept = keep(kept, rate * g / variance.sqrt());
                    (w - kept, [velocity, kept, average])
                },
            ),
            _ => {}
        }
    }

    fn config(&self) -> Value {
        let own = json!({
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        });
        self.settings.config("RMSprop", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn after(optimizer: RMSprop, gradients: &[f32]) -> f32 {
        let mut weights = [1.0];
        let mut state = State::new(&optimizer, 1);
        for g in gradients {
            state.apply(&optimizer, &[], &mut weights, &mut [*g]);
        }
        weights[0]
    }

    fn quarter() -> RMSprop {
        RMSprop::new().learning_rate(0.1).rho(0.75).epsilon(0.0)
    }

    #[test]
    fn steps_are_divided_by_the_root_mean_square() {
        // velocity 0.25 * 16 = 4: 1 - 0.1 * 4 / 2
        assert!((after(quarter(), &[4.0]) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn momentum_keeps_the_steps() {
        // steps 0.2 and, with velocity 0.75 * 4 + 0.25 * 4 = 4, 0.1 * 2 / 2 = 0.1:
        // 0.2, then 0.5 * 0.2 + 0.1
        let optimizer = quarter().momentum(0.5);
        assert!((after(optimizer, &[4.0, 2.0]) - 0.6).abs() < 1e-6);
    }

    #[test]
    fn centered_takes_the_mean_off() {
        // velocity 4, average 0.25 * 4 = 1: 0.1 * 4 / sqrt(3)
        let expected = 1.0 - 0.4 / 3f32.sqrt();
        assert!((after(quarter().centered(true), &[4.0]) - expected).abs() < 1e-6);
        let both = quarter().centered(true).momentum(0.5);
        assert!((after(both, &[4.0]) - expected).abs() < 1e-6);
    }

    #[test]
    fn rho_out_of_range_is_named() {
        let error = RMSprop::new().rho(1.0).validate().unwrap_err();
        assert!(error.to_string().starts_with("`RMSprop`: `rho` must be"));
    }
}
