//! [`Adadelta`]: the gradient over its recent past, in units of the weights.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{floor, towards};
use super::settings::{builders, decay_rate, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;

/// Scales the gradient by the ratio of two running root mean squares: of past changes, and of
/// past gradients.
///
/// ```text
/// mean_g = rho * mean_g + (1 - rho) * g^2
/// change = -g * sqrt(mean_change + epsilon) / sqrt(mean_g + epsilon)
/// mean_change = rho * mean_change + (1 - rho) * change^2
/// w += learning_rate * change
/// ```
///
/// Defaults: `learning_rate` 0.001 (1 in the paper), `rho` 0.95, `epsilon` 1e-7. Slots: mean_g and
/// mean_change.
///
/// Source: [Keras, Adadelta](https://keras.io/api/optimizers/adadelta/); Zeiler, *ADADELTA*
/// ([arXiv 1212.5701](https://arxiv.org/abs/1212.5701)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adadelta, State};
///
/// let optimizer = Adadelta::new().learning_rate(1.0).rho(0.75).epsilon(1);
/// let mut weights = [1.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [2.0]);
/// // mean_g = 0.25 * 4 = 1: the change is -2 * 1 / sqrt(2)
/// assert!((weights[0] - (1.0 - 2f32.sqrt())).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct Adadelta {
    rho: f64,
    epsilon: f64,
    settings: Settings,
}

builders!(Adadelta);

impl Adadelta {
    /// Keras's defaults.
    pub fn new() -> Self {
        Adadelta {
            rho: 0.95,
            epsilon: 1e-7,
            settings: Settings::new(0.001),
        }
    }

    /// Sets how slowly the means forget, from 0 to 1; 0.95 by default.
    pub fn rho(mut self, rho: impl Into<f64>) -> Self {
        self.rho = rho.into();
        self
    }

    /// Sets the small number under both roots, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Adadelta::new();
        Ok(Adadelta {
            rho: config.number_or("rho", new.rho)?,
            epsilon: config.number_or("epsilon", new.epsilon)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Adadelta {
    fn class_name(&self) -> &str {
        "Adadelta"
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
        decay_rate("Adadelta", "rho", self.rho)?;
        not_negative("Adadelta", "epsilon", self.epsilon)?;
        self.settings.validate("Adadelta")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [mean_g, mean_change] = slots else { return };
        let rate = step.learning_rate;
        let fresh = (1.0 - self.rho) as f32;
        let epsilon = self.epsilon as f32;
        let floor = floor(self.epsilon);
        pass(
            weights,
            gradients,
            [mean_g, mean_change],
            move |w, g, means| {
                let mean_g = towards(means[0], g * g, fresh, floor);
                let change = -g * (means[1] + epsilon).sqrt() / (mean_g + epsilon).sqrt();
                let mean_change = towards(means[1], change * change, fresh, floor);
                (change.mul_add(rate, w), [mean_g, mean_change])
            },
        );
    }

    fn config(&self) -> Value {
        let own = json!({
            "rho": self.rho,
            "epsilon": self.epsilon,
        });
        self.settings.config("Adadelta", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Adadelta, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn changes_are_scaled_by_changes() {
        let optimizer = Adadelta::new().learning_rate(1.0).rho(0.5).epsilon(1.0);
        // mean_g = 0.5 * 6 = 3: change = -sqrt(6) * 1 / 2, whose square is 1.5
        let (w, state) = steps(&optimizer, &[6f32.sqrt()]);
        assert!((w - (1.0 - 1.5f32.sqrt())).abs() < 1e-6);
        assert!((state.slots()[1][0] - 0.75).abs() < 1e-6);
    }
}
