//! [`SGD`]: stochastic gradient descent.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{floor, flush};
use super::settings::builders;
use super::{Optimizer, Settings, Step, pass};
use crate::error::{Error, Result};

/// Gradient descent, with momentum if you like.
///
/// ```text
/// w -= learning_rate * g                        without momentum
///
/// velocity = momentum * velocity - learning_rate * g
/// w += velocity                                 with momentum
/// w += momentum * velocity - learning_rate * g  with momentum and nesterov
/// ```
///
/// Defaults: `learning_rate` 0.01, `momentum` 0, `nesterov` false. Slots: none, or with momentum
/// one.
///
/// Source: [Keras, SGD](https://keras.io/api/optimizers/sgd/); Sutskever et al., *On the
/// importance of initialization and momentum in deep learning* (2013).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{SGD, State};
///
/// let optimizer = SGD::new().learning_rate(0.5).momentum(0.5);
/// let mut weights = [1.0];
/// let mut state = State::new(&optimizer, 1);
/// state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
/// assert_eq!(weights, [0.5]); // velocity -0.5
/// state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
/// assert_eq!(weights, [-0.25]); // velocity -0.75
/// ```
#[derive(Debug, Clone)]
pub struct SGD {
    momentum: f64,
    nesterov: bool,
    settings: Settings,
}

builders!(SGD);

impl SGD {
    /// Plain gradient descent with a learning rate of 0.01.
    pub fn new() -> Self {
        SGD {
            momentum: 0.0,
            nesterov: false,
            settings: Settings::new(0.01),
        }
    }

    /// Sets how much of its velocity a weight keeps, from 0 to 1; 0 by default.
    pub fn momentum(mut self, momentum: impl Into<f64>) -> Self {
        self.momentum = momentum.into();
        self
    }

    /// Sets whether momentum is Nesterov's, which looks ahead; false by default.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = SGD::new();
        Ok(SGD {
            momentum: config.number_or("momentum", new.momentum)?,
            nesterov: config.flag_or("nesterov", new.nesterov)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for SGD {
    fn class_name(&self) -> &str {
        "SGD"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let expected = "a number from 0 to 1";
            return Err(Error::argument("SGD", "momentum", expected, self.momentum));
        }
        self.settings.validate("SGD")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let rate = step.learning_rate;
        let [velocity] = slots else {
            pass(weights, gradients, [], move |w, g, []| {
                (g.mul_add(-rate, w), [])
            });
            return;
        };
        let momentum = self.momentum as f32;
        let floor = floor(1.0);
        if self.nesterov {
            pass(weights, gradients, [velocity], move |w, g, [velocity]| {
                let velocity = flush(velocity.mul_add(momentum, -(g * rate)), floor);
                (w + velocity.mul_add(momentum, -(g * rate)), [velocity])
            });
        } else {
            pass(weights, gradients, [velocity], move |w, g, [velocity]| {
                let velocity = flush(velocity.mul_add(momentum, -(g * rate)), floor);
                (w + velocity, [velocity])
            });
        }
    }

    fn config(&self) -> Value {
        let own = json!({"momentum": self.momentum, "nesterov": self.nesterov});
        self.settings.config("SGD", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn two_steps(optimizer: SGD) -> [f32; 2] {
        let mut weights = [1.0];
        let mut state = State::new(&optimizer, 1);
        [2.0, 1.0].map(|g| {
            state.apply(&optimizer, &[], &mut weights, &mut [g]);
            weights[0]
        })
    }

    #[test]
    fn plain_steps_are_the_rate_times_the_gradient() {
        // 1 - 0.25 * 2, then - 0.25 * 1
        assert_eq!(two_steps(SGD::new().learning_rate(0.25)), [0.5, 0.25]);
        assert_eq!(SGD::new().slots(), 0);
    }

    #[test]
    fn momentum_adds_the_velocity() {
        let optimizer = SGD::new().learning_rate(0.25).momentum(0.5);
        // v = -0.5; v = 0.5 * -0.5 - 0.25 = -0.5
        assert_eq!(two_steps(optimizer), [0.5, 0.0]);
    }

    #[test]
    fn nesterov_looks_ahead() {
        let optimizer = SGD::new().learning_rate(0.25).momentum(0.5).nesterov(true);
        // v = -0.5, w += -0.25 - 0.5; v = -0.5, w += -0.25 - 0.25
        assert_eq!(two_steps(optimizer), [0.25, -0.25]);
    }

    #[test]
    fn momentum_out_of_range_is_named() {
        let error = SGD::new().momentum(1.5).validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`SGD`: `momentum` must be a number from 0 to 1, got 1.5"
        );
    }
}
