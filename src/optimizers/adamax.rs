//! [`Adamax`]: Adam with the infinity norm.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{Decay, floor, flush, towards};
use super::settings::{builders, decay_rate, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;

/// Adam with the largest recent gradient in place of the root mean square.
///
/// ```text
/// m += (g - m) * (1 - beta_1)
/// u = max(beta_2 * u, abs(g))
/// w -= learning_rate * m / ((1 - beta_1^t) * (u + epsilon))      t = 1, 2, ...
/// ```
///
/// Defaults: `learning_rate` 0.001, `beta_1` 0.9, `beta_2` 0.999, `epsilon` 1e-7. Slots: m and u.
///
/// Source: [Keras, Adamax](https://keras.io/api/optimizers/adamax/); section 7 of Kingma and Ba,
/// *Adam* ([arXiv 1412.6980](https://arxiv.org/abs/1412.6980)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adamax, State};
///
/// let optimizer = Adamax::new().learning_rate(0.5);
/// let mut weights = [1.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [-3.0]);
/// assert!((weights[0] - 1.5f32).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct Adamax {
    beta_1: Decay,
    beta_2: Decay,
    epsilon: f64,
    settings: Settings,
}

builders!(Adamax);

impl Adamax {
    /// Keras's defaults.
    pub fn new() -> Self {
        Adamax {
            beta_1: Decay::new(0.9),
            beta_2: Decay::new(0.999),
            epsilon: 1e-7,
            settings: Settings::new(0.001),
        }
    }

    /// Sets how slowly the mean of the gradient forgets, from 0 to 1; 0.9 by default.
    pub fn beta_1(mut self, beta_1: impl Into<f64>) -> Self {
        self.beta_1 = Decay::new(beta_1.into());
        self
    }

    /// Sets how slowly the largest gradient fades, from 0 to 1; 0.999 by default.
    pub fn beta_2(mut self, beta_2: impl Into<f64>) -> Self {
        self.beta_2 = Decay::new(beta_2.into());
        self
    }

    /// Sets the small number in the divisor, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Adamax::new();
        Ok(Adamax {
            beta_1: Decay::new(config.number_or("beta_1", new.beta_1.rate)?),
            beta_2: Decay::new(config.number_or("beta_2", new.beta_2.rate)?),
            epsilon: config.number_or("epsilon", new.epsilon)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Adamax {
    fn class_name(&self) -> &str {
        "Adamax"
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

    fn validate(&self) -> Result<()> {
        decay_rate("Adamax", "beta_1", self.beta_1.rate)?;
        decay_rate("Adamax", "beta_2", self.beta_2.rate)?;
        not_negative("Adamax", "epsilon", self.epsilon)?;
        self.settings.validate("Adamax")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [m, u] = slots else { return };
        let power = self.beta_1.power(step.iteration + 1);
        let rate = (f64::from(step.learning_rate) / (1.0 - power)) as f32;
        let fresh = self.beta_1.fresh();
        let fade = self.beta_2.rate as f32;
        let epsilon = self.epsilon as f32;
        let floor = floor(self.epsilon);
        pass(weights, gradients, [m, u], move |w, g, [m, u]| {
            let m = towards(m, g, fresh, floor);
            let faded = flush(fade * u, floor);
            let u = if faded > g.abs() { faded } else { g.abs() };
            (w - rate * m / (u + epsilon), [m, u])
        });
    }

    fn config(&self) -> Value {
        let own = json!({
            "beta_1": self.beta_1.rate,
            "beta_2": self.beta_2.rate,
            "epsilon": self.epsilon,
        });
        self.settings.config("Adamax", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Adamax, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn the_largest_gradient_fades() {
        let optimizer = Adamax::new()
            .learning_rate(0.5)
            .beta_1(0.5)
            .beta_2(0.75)
            .epsilon(0.0);
        // t = 1: m = 2, u = 4: w = 1 - 0.5 * 2 / (0.5 * 4) = 0.5
        // t = 2: m = 1, u = 3: w -= 0.5 * 1 / (0.75 * 3)
        let (w, state) = steps(&optimizer, &[4.0, 0.0]);
        assert!((w - (0.5 - 0.5 / 2.25)).abs() < 1e-6);
        assert_eq!(state.slots()[1][0], 3.0);
    }
}
