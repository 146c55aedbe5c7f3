//! [`Adam`]: running means of the gradient and of its square.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{Decay, floor, step_size, towards};
use super::settings::{builders, decay_rate, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;

/// Divides a running mean of the gradient by the root of a running mean of its square.
///
/// ```text
/// m += (g - m) * (1 - beta_1)
/// v += (g^2 - v) * (1 - beta_2)
/// v_hat = max(v_hat, v)                  if amsgrad, else v
/// alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)     t = 1, 2, ...
/// w -= alpha * m / (sqrt(v_hat) + epsilon)
/// ```
///
/// Defaults: `learning_rate` 0.001, `beta_1` 0.9, `beta_2` 0.999, `epsilon` 1e-7 (outside of the
/// root), `amsgrad` false. Slots: m, v and, with amsgrad, v_hat.
///
/// Moments below 1e-30 are set to zero, so that units without gradients do not slow a training
/// down: their moments would decay into denormal numbers.
///
/// Source: [Keras, Adam](https://keras.io/api/optimizers/adam/); Kingma and Ba, *Adam: a method
/// for stochastic optimization* ([arXiv 1412.6980](https://arxiv.org/abs/1412.6980)); for amsgrad
/// Reddi et al. ([arXiv 1904.09237](https://arxiv.org/abs/1904.09237)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adam, State};
///
/// let optimizer = Adam::new().learning_rate(0.1).clipnorm(10.0);
/// let mut weights = [1.0, 1.0];
/// State::new(&optimizer, 2).apply(&optimizer, &[], &mut weights, &mut [3.0, -0.01]);
/// // The first step is the learning rate, whatever the gradient.
/// assert!((weights[0] - 0.9f32).abs() < 1e-5);
/// assert!((weights[1] - 1.1f32).abs() < 1e-4);
/// ```
#[derive(Debug, Clone)]
pub struct Adam {
    beta_1: Decay,
    beta_2: Decay,
    epsilon: f64,
    amsgrad: bool,
    settings: Settings,
}

builders!(Adam);

impl Adam {
    /// Keras's defaults.
    pub fn new() -> Self {
        Adam {
            beta_1: Decay::new(0.9),
            beta_2: Decay::new(0.999),
            epsilon: 1e-7,
            amsgrad: false,
            settings: Settings::new(0.001),
        }
    }

    /// Sets how slowly the mean of the gradient forgets, from 0 to 1; 0.9 by default.
    pub fn beta_1(mut self, beta_1: impl Into<f64>) -> Self {
        self.beta_1 = Decay::new(beta_1.into());
        self
    }

    /// Sets how slowly the mean of its square forgets, from 0 to 1; 0.999 by default.
    pub fn beta_2(mut self, beta_2: impl Into<f64>) -> Self {
        self.beta_2 = Decay::new(beta_2.into());
        self
    }

    /// Sets the small number added to the root, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    /// Sets whether to divide by the largest mean square so far; false by default.
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.amsgrad = amsgrad;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        Adam::new().reading(config)
    }

    /// This optimizer, with what a Keras configuration says.
    pub(super) fn reading(self, config: &Config) -> Result<Self> {
        Ok(Adam {
            beta_1: Decay::new(config.number_or("beta_1", self.beta_1.rate)?),
            beta_2: Decay::new(config.number_or("beta_2", self.beta_2.rate)?),
            epsilon: config.number_or("epsilon", self.epsilon)?,
            amsgrad: config.flag_or("amsgrad", self.amsgrad)?,
            settings: self.settings.read(config)?,
        })
    }

    /// Whether all settings lie in their ranges, in the words of `owner`.
    pub(super) fn validate_as(&self, owner: &str) -> Result<()> {
        decay_rate(owner, "beta_1", self.beta_1.rate)?;
        decay_rate(owner, "beta_2", self.beta_2.rate)?;
        not_negative(owner, "epsilon", self.epsilon)?;
        self.settings.validate(owner)
    }

    /// The configuration of `class_name`, which is this or built on this.
    pub(super) fn config_as(&self, class_name: &str) -> Value {
        let own = json!({
            "beta_1": self.beta_1.rate,
            "beta_2": self.beta_2.rate,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        });
        self.settings.config(class_name, own)
    }
}

impl Optimizer for Adam {
    fn class_name(&self) -> &str {
        "Adam"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> usize {
        2 + usize::from(self.amsgrad)
    }

    fn slot_groups(&self) -> Vec<usize> {
        if self.amsgrad { vec![2, 1] } else { vec![2] }
    }

    fn validate(&self) -> Result<()> {
        self.validate_as("Adam")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let alpha = step_size(
            step.learning_rate,
            &self.beta_1,
            &self.beta_2,
            step.iteration,
        );
        let (fresh_1, fresh_2) = (self.beta_1.fresh(), self.beta_2.fresh());
        let epsilon = self.epsilon as f32;
        let floor = floor(self.epsilon);
        // `alpha` comes last: the processor works on roots and quotients while it is computed.
        match slots {
            [m, v] => pass(weights, gradients, [m, v], move |w, g, [m, v]| {
                let m = towards(m, g, fresh_1, floor);
                let v = towards(v, g * g, fresh_2, floor);
                ((m / (v.sqrt() + epsilon)).mul_add(-alpha, w), [m, v])
            }),
            [m, v, v_hat] => pass(
                weights,
                gradients,
                [m, v, v_hat],
                move |w, g, [m, v, v_hat]| {
                    let m = towards(m, g, fresh_1, floor);
                    let v = towards(v, g * g, fresh_2, floor);
                    let v_hat = if v_hat > v { v_hat } else { v };
                    let quotient = m / (v_hat.sqrt() + epsilon);
                    (quotient.mul_add(-alpha, w), [m, v, v_hat])
                },
            ),
            _ => {}
        }
    }

    fn config(&self) -> Value {
        self.config_as("Adam")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Adam, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn two_steps_by_hand() {
        let optimizer = Adam::new()
            .learning_rate(0.1)
            .beta_1(0.5)
            .beta_2(0.75)
            .epsilon(0.0);
        // t = 1: m = 1, v = 1, alpha = 0.1 * sqrt(0.25) / 0.5 = 0.1: w = 0.9
        // t = 2: m = 0.5, v = 0.75, alpha = 0.1 * sqrt(0.4375) / 0.75:
        let second = 0.1 * 0.4375f32.sqrt() / 0.75 * 0.5 / 0.75f32.sqrt();
        let (w, state) = steps(&optimizer, &[2.0, 0.0]);
        assert!((w - (0.9 - second)).abs() < 1e-6);
        assert_eq!(state.slots()[0][0], 0.5);
        assert_eq!(state.slots()[1][0], 0.75);
    }

    #[test]
    fn amsgrad_remembers_the_largest() {
        let optimizer = Adam::new().beta_2(0.75).amsgrad(true);
        let (_, state) = steps(&optimizer, &[2.0, 0.0]);
        assert_eq!(state.slots()[1][0], 0.75);
        assert_eq!(state.slots()[2][0], 1.0);
        assert_eq!(optimizer.slot_groups(), [2, 1]);
    }

    #[test]
    fn moments_of_dead_units_reach_zero() {
        let mut gradients = [0.0; 1000];
        gradients[0] = 1e-3;
        let (_, state) = steps(&Adam::new().beta_2(0.9), &gradients);
        assert_eq!(state.slots()[0][0], 0.0);
        assert_eq!(state.slots()[1][0], 0.0);
    }

    #[test]
    fn nan_gradients_stay_visible() {
        let (w, state) = steps(&Adam::new(), &[f32::NAN]);
        assert!(w.is_nan());
        assert!(state.slots()[0][0].is_nan());
    }

    #[test]
    fn betas_out_of_range_are_named() {
        assert_eq!(
            Adam::new().beta_1(1.0).validate().unwrap_err().to_string(),
            "`Adam`: `beta_1` must be a number from 0 up to, but not including, 1, got 1"
        );
        assert!(Adam::new().beta_2(-0.1).validate().is_err());
        assert!(Adam::new().epsilon(f64::NAN).validate().is_err());
    }
}
