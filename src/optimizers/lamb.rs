//! [`Lamb`]: Adam for very large batches.

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{Decay, floor, towards};
use super::settings::{builders, decay_rate, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::Result;
use crate::kernels::{reduce, simd};

/// Adam whose step on each variable is as long as the learning rate says in units of the variable:
/// for very large batches.
///
/// ```text
/// m += (g - m) * (1 - beta_1)
/// v += (g^2 - v) * (1 - beta_2)
/// update = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)      t = 1, 2, ...
/// ratio = norm(w) / norm(update)       of the whole variable, 1 if either is 0
/// w -= learning_rate * ratio * update
/// ```
///
/// Defaults: `learning_rate` 0.001, `beta_1` 0.9, `beta_2` 0.999, `epsilon` 1e-7. Slots: m and v.
///
/// Source: [Keras, Lamb](https://keras.io/api/optimizers/lamb/); You et al., *Large batch
/// optimization for deep learning* ([arXiv 1904.00962](https://arxiv.org/abs/1904.00962)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Lamb, State, Variable};
///
/// let optimizer = Lamb::new().learning_rate(0.5);
/// let variables = [Variable::new("dense/kernel", 0..2, &[2])];
/// let mut weights = [3.0, -4.0];
/// State::new(&optimizer, 2).apply(&optimizer, &variables, &mut weights, &mut [1.0, -1.0]);
/// // norm(w) = 5, norm(update) = sqrt(2)
/// assert!((weights[0] - (3.0 - 2.5 / 2f32.sqrt())).abs() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct Lamb {
    beta_1: Decay,
    beta_2: Decay,
    epsilon: f64,
    settings: Settings,
}

builders!(Lamb);

impl Lamb {
    /// Keras's defaults.
    pub fn new() -> Self {
        Lamb {
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
        let new = Lamb::new();
        Ok(Lamb {
            beta_1: Decay::new(config.number_or("beta_1", new.beta_1.rate)?),
            beta_2: Decay::new(config.number_or("beta_2", new.beta_2.rate)?),
            epsilon: config.number_or("epsilon", new.epsilon)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Lamb {
    fn class_name(&self) -> &str {
        "Lamb"
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
        decay_rate("Lamb", "beta_1", self.beta_1.rate)?;
        decay_rate("Lamb", "beta_2", self.beta_2.rate)?;
        not_negative("Lamb", "epsilon", self.epsilon)?;
        self.settings.validate("Lamb")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [m, v] = slots else { return };
        let (fresh_1, fresh_2) = (self.beta_1.fresh(), self.beta_2.fresh());
        let floor = floor(self.epsilon);
        pass(weights, gradients, [m, v], move |w, g, [m, v]| {
            let m = towards(m, g, fresh_1, floor);
            (w, [m, towards(v, g * g, fresh_2, floor)])
        });

        let power_1 = self.beta_1.power(step.iteration + 1);
        let power_2 = self.beta_2.power(step.iteration + 1);
        let correct_m = (1.0 / (1.0 - power_1)) as f32;
        let correct_v = (1.0 / (1.0 - power_2)) as f32;
        let epsilon = self.epsilon as f32;
        let change = |m: f32, v: f32| m * correct_m / ((v * correct_v).sqrt() + epsilon);
        for variable in step.variables {
            let range = || variable.range.clone();
            let (Some(weights), Some(m), Some(v)) =
                (weights.get_mut(range()), m.get(range()), v.get(range()))
            else {
                continue;
            };
            simd::dispatch(|| {
                let w_norm = reduce::sum_of_squares(weights).sqrt();
                let moments = m.iter().zip(v);
                let update_norm = norm(moments.map(|(m, v)| change(*m, *v)));
                let ratio = if w_norm > 0.0 && update_norm > 0.0 {
                    w_norm / update_norm
                } else {
                    1.0
                };
                let rate = ratio * step.learning_rate;
                for ((w, m), v) in weights.iter_mut().zip(m).zip(v) {
                    *w -= rate * change(*m, *v);
                }
            });
        }
    }

    fn config(&self) -> Value {
        let own = json!({
            "beta_1": self.beta_1.rate,
            "beta_2": self.beta_2.rate,
            "epsilon": self.epsilon,
        });
        self.settings.config("Lamb", own)
    }
}

/// The root of the sum of squares, summed in double precision.
fn norm(values: impl Iterator<Item = f32>) -> f32 {
    let sum: f64 = values
        .map(|value| f64::from(value) * f64::from(value))
        .sum();
    sum.sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::{State, Variable};

    #[test]
    fn each_variable_has_its_own_ratio() {
        let optimizer = Lamb::new().learning_rate(0.5).epsilon(0.0);
        let variables = [
            Variable::new("a", 0..2, &[2]),
            Variable::new("b", 2..3, &[1]),
            Variable::new("c", 3..4, &[1]),
        ];
        let mut weights = [3.0, 4.0, 2.0, 0.0];
        let mut gradients = [5.0, 0.0, -7.0, 9.0];
        let mut state = State::new(&optimizer, 4);
        state.apply(&optimizer, &variables, &mut weights, &mut gradients);
        // Updates are the gradients' signs (0 / 0 is NaN without epsilon, so look at b and c):
        // b: 2 + 0.5 * 2 / 1; c, whose norm is 0: 0 - 0.5
        assert!((weights[2] - 3.0).abs() < 1e-5);
        assert!((weights[3] + 0.5).abs() < 1e-5);

        let optimizer = Lamb::new().learning_rate(0.5);
        let mut weights = [3.0, 4.0];
        let mut state = State::new(&optimizer, 2);
        state.apply(&optimizer, &variables[..1], &mut weights, &mut [5.0, 0.0]);
        // norm(w) = 5, update (1, 0): 3 - 0.5 * 5
        assert!((weights[0] - 0.5).abs() < 1e-5);
        assert_eq!(weights[1], 4.0);
    }
}
