//! [`Adagrad`]: the gradient over all of its past.

use serde_json::{Value, json};

use super::config::Config;
use super::settings::{builders, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;

/// Divides the gradient by the root of the sum of all its squares so far.
///
/// ```text
/// accumulator += g^2
/// w -= learning_rate * g / sqrt(accumulator + epsilon)
/// ```
///
/// Defaults: `learning_rate` 0.001, `initial_accumulator_value` 0.1, `epsilon` 1e-7 (inside the
/// root). Slots: the accumulator.
///
/// Source: [Keras, Adagrad](https://keras.io/api/optimizers/adagrad/); Duchi et al., *Adaptive
/// subgradient methods* (2011).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adagrad, State};
///
/// let optimizer = Adagrad::new().learning_rate(0.5).initial_accumulator_value(0);
/// let mut weights = [1.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [4.0]);
/// assert!((weights[0] - 0.5f32).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct Adagrad {
    initial_accumulator_value: f64,
    epsilon: f64,
    settings: Settings,
}

builders!(Adagrad);

impl Adagrad {
    /// Keras's defaults.
    pub fn new() -> Self {
        Adagrad {
            initial_accumulator_value: 0.1,
            epsilon: 1e-7,
            settings: Settings::new(0.001),
        }
    }

    /// Sets what the sums of squares start from, 0.1 by default.
    pub fn initial_accumulator_value(mut self, initial_accumulator_value: impl Into<f64>) -> Self {
        self.initial_accumulator_value = initial_accumulator_value.into();
        self
    }

    /// Sets the small number under the root, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Adagrad::new();
        Ok(Adagrad {
            initial_accumulator_value: config
                .number_or("initial_accumulator_value", new.initial_accumulator_value)?,
            epsilon: config.number_or("epsilon", new.epsilon)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Adagrad {
    fn class_name(&self) -> &str {
        "Adagrad"
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

    fn initial(&self, _slot: usize) -> f32 {
        self.initial_accumulator_value as f32
    }

    fn validate(&self) -> Result<()> {
        let initial = self.initial_accumulator_value;
        not_negative("Adagrad", "initial_accumulator_value", initial)?;
        not_negative("Adagrad", "epsilon", self.epsilon)?;
        self.settings.validate("Adagrad")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [sum] = slots else { return };
        let rate = step.learning_rate;
        let epsilon = self.epsilon as f32;
        pass(weights, gradients, [sum], move |w, g, [sum]| {
            let sum = g.mul_add(g, sum);
            (w - rate * g / (sum + epsilon).sqrt(), [sum])
        });
    }

    fn config(&self) -> Value {
        let own = json!({
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        });
        self.settings.config("Adagrad", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Adagrad, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn the_past_weighs_for_ever() {
        let optimizer = Adagrad::new()
            .learning_rate(0.5)
            .initial_accumulator_value(7)
            .epsilon(0.0);
        // sums 7 + 9 = 16 and 16 + 9 = 25: 1 - 0.5 * 3 / 4 - 0.5 * 3 / 5
        let (w, state) = steps(&optimizer, &[3.0, 3.0]);
        assert!((w - 0.325).abs() < 1e-6);
        assert_eq!(state.slots()[0][0], 25.0);
    }
}
