//! [`Ftrl`]: follow the regularized leader.

use serde_json::{Value, json};

use super::config::Config;
use super::settings::{builders, not_negative};
use super::{Optimizer, Settings, Step, pass};
use crate::error::{Error, Result};

/// Follow the regularized leader: for wide, sparse linear models, whose useless weights become
/// exactly zero with `l1_regularization_strength`.
///
/// ```text
/// g_ = g + 2 * l2_shrinkage_regularization_strength * w
/// n_ = n + g^2
/// linear += g_ - (n_^p - n^p) / learning_rate * w                p = -learning_rate_power
/// quadratic = n_^p / learning_rate + 2 * (l2_regularization_strength + beta / (2 * learning_rate))
/// w = (clip(linear, -l1, l1) - linear) / quadratic               l1 = l1_regularization_strength
/// n = n_
/// ```
///
/// Defaults: `learning_rate` 0.001, `learning_rate_power` -0.5, `initial_accumulator_value` 0.1,
/// the regularizations and `beta` 0. Slots: n and linear.
///
/// Source: [Keras, Ftrl](https://keras.io/api/optimizers/ftrl/); McMahan et al., *Ad click
/// prediction* (2013).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Ftrl, State};
///
/// let optimizer = Ftrl::new().learning_rate(0.5).l1_regularization_strength(1);
/// let mut weights = [0.0, 0.0];
/// State::new(&optimizer, 2).apply(&optimizer, &[], &mut weights, &mut [0.5, 2.0]);
/// assert_eq!(weights[0], 0.0);
/// assert!(weights[1] < 0.0);
/// ```
#[derive(Debug, Clone)]
pub struct Ftrl {
    learning_rate_power: f64,
    initial_accumulator_value: f64,
    l1_regularization_strength: f64,
    l2_regularization_strength: f64,
    l2_shrinkage_regularization_strength: f64,
    beta: f64,
    settings: Settings,
}

builders!(Ftrl);

impl Ftrl {
    /// Keras's defaults.
    pub fn new() -> Self {
        Ftrl {
            learning_rate_power: -0.5,
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
            l2_shrinkage_regularization_strength: 0.0,
            beta: 0.0,
            settings: Settings::new(0.001),
        }
    }

    /// Sets the power by which the rate falls, at most 0; -0.5 by default.
    pub fn learning_rate_power(mut self, learning_rate_power: impl Into<f64>) -> Self {
        self.learning_rate_power = learning_rate_power.into();
        self
    }

    /// Sets what the sums of squares start from, 0.1 by default.
    pub fn initial_accumulator_value(mut self, initial_accumulator_value: impl Into<f64>) -> Self {
        self.initial_accumulator_value = initial_accumulator_value.into();
        self
    }

    /// Sets the strength that makes weights zero, 0 by default.
    pub fn l1_regularization_strength(
        mut self,
        l1_regularization_strength: impl Into<f64>,
    ) -> Self {
        self.l1_regularization_strength = l1_regularization_strength.into();
        self
    }

    /// Sets the strength that keeps weights small, 0 by default.
    pub fn l2_regularization_strength(
        mut self,
        l2_regularization_strength: impl Into<f64>,
    ) -> Self {
        self.l2_regularization_strength = l2_regularization_strength.into();
        self
    }

    /// Sets the strength that shrinks by way of the gradient, 0 by default.
    pub fn l2_shrinkage_regularization_strength(
        mut self,
        l2_shrinkage_regularization_strength: impl Into<f64>,
    ) -> Self {
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength.into();
        self
    }

    /// Sets the paper's beta, which softens the first steps; 0 by default.
    pub fn beta(mut self, beta: impl Into<f64>) -> Self {
        self.beta = beta.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Ftrl::new();
        Ok(Ftrl {
            learning_rate_power: config
                .number_or("learning_rate_power", new.learning_rate_power)?,
            initial_accumulator_value: config
                .number_or("initial_accumulator_value", new.initial_accumulator_value)?,
            l1_regularization_strength: config
                .number_or("l1_regularization_strength", new.l1_regularization_strength)?,
            l2_regularization_strength: config
                .number_or("l2_regularization_strength", new.l2_regularization_strength)?,
            l2_shrinkage_regularization_strength: config.number_or(
                "l2_shrinkage_regularization_strength",
                new.l2_shrinkage_regularization_strength,
            )?,
            beta: config.number_or("beta", new.beta)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Ftrl {
    fn class_name(&self) -> &str {
        "Ftrl"
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

    fn initial(&self, slot: usize) -> f32 {
        if slot == 0 {
            self.initial_accumulator_value as f32
        } else {
            0.0
        }
    }

    fn validate(&self) -> Result<()> {
        for (argument, value) in [
            ("initial_accumulator_value", self.initial_accumulator_value),
            (
                "l1_regularization_strength",
                self.l1_regularization_strength,
            ),
            (
                "l2_regularization_strength",
                self.l2_regularization_strength,
            ),
            (
                "l2_shrinkage_regularization_strength",
                self.l2_shrinkage_regularization_strength,
            ),
            ("beta", self.beta),
        ] {
            not_negative("Ftrl", argument, value)?;
        }
        let power = self.learning_rate_power;
        if !(power.is_finite() && power <= 0.0) {
            let expected = "a finite number of at most 0";
            return Err(Error::argument(
                "Ftrl",
                "learning_rate_power",
                expected,
                power,
            ));
        }
        self.settings.validate("Ftrl")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [n, linear] = slots else { return };
        let rate = f64::from(step.learning_rate);
        let inverse = (1.0 / rate) as f32;
        let twice_l2 = (2.0 * self.l2_regularization_strength + self.beta / rate) as f32;
        let l1 = self.l1_regularization_strength as f32;
        let shrink = (2.0 * self.l2_shrinkage_regularization_strength) as f32;
        let power = -self.learning_rate_power as f32;
        let rule = |w: f32, g: f32, n: f32, linear: f32, raise: fn(f32, f32) -> f32| {
            let sum = g.mul_add(g, n);
            let raised = raise(sum, power);
            let sigma = (raised - raise(n, power)) * inverse;
            let linear = linear + (shrink.mul_add(w, g) - sigma * w);
            let high = if linear > l1 { l1 } else { linear };
            let clipped = if high < -l1 { -l1 } else { high };
            let quadratic = raised.mul_add(inverse, twice_l2);
            ((clipped - linear) / quadratic, [sum, linear])
        };
        // The usual power is a root, which is vector code.
        if power == 0.5 {
            pass(weights, gradients, [n, linear], move |w, g, [n, linear]| {
                rule(w, g, n, linear, |x, _| x.sqrt())
            });
        } else {
            pass(weights, gradients, [n, linear], move |w, g, [n, linear]| {
                rule(w, g, n, linear, f32::powf)
            });
        }
    }

    fn config(&self) -> Value {
        let own = json!({
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        });
        self.settings.config("Ftrl", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    fn steps(optimizer: &Ftrl, gradients: &[f32]) -> (f32, State) {
        let mut weights = [1.0];
        let mut state = State::new(optimizer, 1);
        for g in gradients {
            state.apply(optimizer, &[], &mut weights, &mut [*g]);
        }
        (weights[0], state)
    }

    #[test]
    fn one_step_by_hand() {
        let optimizer = Ftrl::new()
            .learning_rate(0.5)
            .initial_accumulator_value(9)
            .l1_regularization_strength(1)
            .l2_regularization_strength(2);
        // n = 9 + 16 = 25; linear = 4 - (5 - 3) / 0.5 * 1 = 0; within l1: w = 0
        assert_eq!(steps(&optimizer, &[4.0]).0, 0.0);
        // linear = -4 - 4 = -8; quadratic = 5 / 0.5 + 4 = 14: w = (-1 + 8) / 14
        let (w, state) = steps(&optimizer, &[-4.0]);
        assert!((w - 0.5).abs() < 1e-6);
        assert_eq!(state.slots()[0][0], 25.0);
        // Other powers: 25^1 / 0.5 + 4 = 54 and linear = -4 - 32 = -36: w = 35 / 54
        let other = optimizer.learning_rate_power(-1);
        assert!((steps(&other, &[-4.0]).0 - 35.0 / 54.0).abs() < 1e-6);
    }

    #[test]
    fn a_rising_power_is_an_error() {
        let error = Ftrl::new().learning_rate_power(0.5).validate().unwrap_err();
        assert!(error.to_string().contains("at most 0, got 0.5"));
    }
}
