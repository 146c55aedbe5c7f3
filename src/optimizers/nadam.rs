//! [`Nadam`]: Adam with Nesterov momentum.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{Decay, floor, towards};
use super::settings::{builders, decay_rate, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;

/// Adam with Nesterov momentum, which looks one step ahead.
///
/// ```text
/// u_t = beta_1 * (1 - 0.96^t / 2)                                t = 1, 2, ...
/// m += (g - m) * (1 - beta_1)
/// v += (g^2 - v) * (1 - beta_2)
/// m_hat = u_(t+1) * m / (1 - u_1 * ... * u_(t+1)) + (1 - u_t) * g / (1 - u_1 * ... * u_t)
/// w -= learning_rate * m_hat / (sqrt(v / (1 - beta_2^t)) + epsilon)
/// ```
///
/// Defaults: `learning_rate` 0.001, `beta_1` 0.9, `beta_2` 0.999, `epsilon` 1e-7. Slots: m and v.
///
/// Source: [Keras, Nadam](https://keras.io/api/optimizers/Nadam/); Dozat, *Incorporating Nesterov
/// momentum into Adam* (2016).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Nadam, State};
///
/// let optimizer = Nadam::new().learning_rate(0.1);
/// let mut weights = [1.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [3.0]);
/// assert!(weights[0] < 0.9);
/// ```
#[derive(Debug, Clone)]
pub struct Nadam {
    beta_1: Decay,
    beta_2: Decay,
    /// How the momentum rises, always [`RISE`].
    rise: Decay,
    epsilon: f64,
    settings: Settings,
}

builders!(Nadam);

impl Nadam {
    /// Keras's defaults.
    pub fn new() -> Self {
        Nadam {
            beta_1: Decay::new(0.9),
            beta_2: Decay::new(0.999),
            rise: Decay::new(RISE),
            epsilon: 1e-7,
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

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Nadam::new();
        Ok(Nadam {
            beta_1: Decay::new(config.number_or("beta_1", new.beta_1.rate)?),
            beta_2: Decay::new(config.number_or("beta_2", new.beta_2.rate)?),
            rise: new.rise,
            epsilon: config.number_or("epsilon", new.epsilon)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Nadam {
    fn class_name(&self) -> &str {
        "Nadam"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> usize {
        2
    }

    fn number_behind(&self, iterations: u64) -> Option<f32> {
        let last = iterations.checked_sub(1);
        Some(last.map_or(1.0, |last| self.product(last) as f32))
    }

    fn validate(&self) -> Result<()> {
        decay_rate("Nadam", "beta_1", self.beta_1.rate)?;
        decay_rate("Nadam", "beta_2", self.beta_2.rate)?;
        not_negative("Nadam", "epsilon", self.epsilon)?;
        self.settings.validate("Nadam")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [m, v] = slots else { return };
        let rate = f64::from(step.learning_rate);
        let power_2 = self.beta_2.power(step.iteration + 1);
        let (now, ahead) = self.momenta(step.iteration);
        let product = self.product(step.iteration);
        let from_m = (rate * ahead / (1.0 - product * ahead)) as f32;
        let from_g = (rate * (1.0 - now) / (1.0 - product)) as f32;
        let correction = (1.0 / (1.0 - power_2)) as f32;
        let (fresh_1, fresh_2) = (self.beta_1.fresh(), self.beta_2.fresh());
        let epsilon = self.epsilon as f32;
        let floor = floor(self.epsilon);
        pass(weights, gradients, [m, v], move |w, g, [m, v]| {
            let m = towards(m, g, fresh_1, floor);
            let v = towards(v, g * g, fresh_2, floor);
            let ahead = from_m.mul_add(m, from_g * g);
            (w - ahead / ((v * correction).sqrt() + epsilon), [m, v])
        });
    }

    fn config(&self) -> Value {
        let own = json!({
            "beta_1": self.beta_1.rate,
            "beta_2": self.beta_2.rate,
            "epsilon": self.epsilon,
        });
        self.settings.config("Nadam", own)
    }
}

/// The rate at which Nadam's momentum rises to `beta_1`, as the paper has it.
const RISE: f64 = 0.96;

impl Nadam {
    /// `u_t` and `u_(t+1)` of the update after `iteration` others.
    fn momenta(&self, iteration: u64) -> (f64, f64) {
        let decay = self.rise.power(iteration + 1);
        let momentum = |decay: f64| self.beta_1.rate * (1.0 - 0.5 * decay);
        (momentum(decay), momentum(decay * RISE))
    }

    /// `u_1 * ... * u_t`, or 0 once that no longer matters beside 1.
    fn product(&self, iteration: u64) -> f64 {
        if self.beta_1.power(iteration + 1) < 1e-9 {
            return 0.0;
        }
        let (mut product, mut decay) = (1.0, 1.0);
        for _ in 0..=iteration {
            decay *= RISE;
            product *= self.beta_1.rate * (1.0 - 0.5 * decay);
            if product < 1e-9 {
                return 0.0;
            }
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Nadam, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn the_first_step_by_hand() {
        let optimizer = Nadam::new().learning_rate(0.1).epsilon(0.0);
        // u_1 = 0.9 * 0.52 = 0.468, u_2 = 0.9 * (1 - 0.4608) = 0.48528, m = 0.1 * g:
        // m_hat / g = 0.48528 * 0.1 / (1 - 0.468 * 0.48528) + 1, and sqrt(v_hat) = g
        let expected = 1.0 - 0.1 * (0.048528 / (1.0 - 0.227_111_04) + 1.0);
        let (w, _) = steps(&optimizer, &[2.0]);
        assert!((w - expected).abs() < 1e-6);
    }
}
