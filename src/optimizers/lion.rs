//! [`Lion`]: the sign of the momentum.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{floor, towards};
use super::settings::{builders, decay_rate};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;

/// Takes the sign of a blend of momentum and gradient: every weight changes by the learning rate.
///
/// ```text
/// w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g)
/// m = beta_2 * m + (1 - beta_2) * g
/// ```
///
/// Its learning rate should be a third to a tenth of Adam's, and its weight decay as much larger.
///
/// Defaults: `learning_rate` 0.001, `beta_1` 0.9, `beta_2` 0.99. Slots: m.
///
/// Source: [Keras, Lion](https://keras.io/api/optimizers/lion/); Chen et al., *Symbolic discovery of
/// optimization algorithms* ([arXiv 2302.06675](https://arxiv.org/abs/2302.06675)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Lion, State};
///
/// let optimizer = Lion::new().learning_rate(0.25);
/// let mut weights = [1.0, 1.0, 1.0];
/// State::new(&optimizer, 3).apply(&optimizer, &[], &mut weights, &mut [0.01, -9.0, 0.0]);
/// assert_eq!(weights, [0.75, 1.25, 1.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Lion {
    beta_1: f64,
    beta_2: f64,
    settings: Settings,
}

builders!(Lion);

impl Lion {
    /// Keras's defaults.
    pub fn new() -> Self {
        Lion {
            beta_1: 0.9,
            beta_2: 0.99,
            settings: Settings::new(0.001),
        }
    }

    /// Sets the share of the momentum in a step, from 0 to 1; 0.9 by default.
    pub fn beta_1(mut self, beta_1: impl Into<f64>) -> Self {
        self.beta_1 = beta_1.into();
        self
    }

    /// Sets how slowly the momentum forgets, from 0 to 1; 0.99 by default.
    pub fn beta_2(mut self, beta_2: impl Into<f64>) -> Self {
        self.beta_2 = beta_2.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Lion::new();
        Ok(Lion {
            beta_1: config.number_or("beta_1", new.beta_1)?,
            beta_2: config.number_or("beta_2", new.beta_2)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Lion {
    fn class_name(&self) -> &str {
        "Lion"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> usize {
        1
    }

    fn validate(&self) -> Result<()> {
        decay_rate("Lion", "beta_1", self.beta_1)?;
        decay_rate("Lion", "beta_2", self.beta_2)?;
        self.settings.validate("Lion")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [m] = slots else { return };
        let rate = step.learning_rate;
        let share = self.beta_1 as f32;
        let (fresh_1, fresh_2) = ((1.0 - self.beta_1) as f32, (1.0 - self.beta_2) as f32);
        let floor = floor(1.0);
        pass(weights, gradients, [m], move |w, g, [m]| {
            let blend = share.mul_add(m, fresh_1 * g);
            // The sign of zero is zero, and that of NaN is NaN.
            let up = if blend > 0.0 { 1.0 } else { blend };
            let sign = if blend < 0.0 { -1.0 } else { up };
            (w - rate * sign, [towards(m, g, fresh_2, floor)])
        });
    }

    fn config(&self) -> Value {
        let own = json!({
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
        });
        self.settings.config("Lion", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Lion, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn the_momentum_can_outweigh_the_gradient() {
        let optimizer = Lion::new().learning_rate(0.25).beta_2(0.5);
        // m = 4, then 0.9 * 4 - 0.1 * 1 > 0: down twice
        let (w, state) = steps(&optimizer, &[8.0, -1.0]);
        assert_eq!(w, 0.5);
        assert_eq!(state.slots()[0][0], 1.5);
    }

    #[test]
    fn nan_gradients_stay_visible() {
        assert!(steps(&Lion::new(), &[f32::NAN]).0.is_nan());
    }
}
