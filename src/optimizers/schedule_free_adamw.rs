//! [`ScheduleFreeAdamW`].

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{Decay, floor, towards};
use super::settings::{Settings, builders, decay_rate, not_negative};
use super::{Optimizer, Step, pass};
use crate::error::{Error, Result};

/// Adam that needs no falling learning rate: it trains at a point between the fast iterates and
/// their average.
///
/// ```text
/// rate = learning_rate * min((t + 1) / warmup_steps, 1)
/// v += (1 - beta_2) (g² - v)
/// z -= rate * g / (sqrt(v / (1 - beta_2^(t + 1))) + epsilon)
/// x += (z - x) / (t + 1)
/// w  = (1 - beta_1) z + beta_1 x
/// ```
///
/// where `x` is not kept: `x = (w - (1 - beta_1) z) / beta_1`. As in Keras 3.15, predictions use `w`
/// also after training, not `x`, and weight decay changes `w` alone.
///
/// Defaults: `learning_rate` 0.0025, `beta_1` 0.9, `beta_2` 0.999, `epsilon` 1e-8, no warm-up. Slots:
/// z, which starts at the weights, and v.
///
/// Source: Defazio et al. 2024, *The road less scheduled*
/// ([arXiv 2405.15682](https://arxiv.org/abs/2405.15682)); Keras's `ScheduleFreeAdamW`.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{ScheduleFreeAdamW, State};
///
/// let optimizer = ScheduleFreeAdamW::new().learning_rate(0.5);
/// let mut weights = [4.0];
/// State::new(&optimizer, 1).apply(&optimizer, &[], &mut weights, &mut [3.0]);
/// // At the first step x, z and w are one.
/// assert!((weights[0] - 3.5).abs() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct ScheduleFreeAdamW {
    beta_1: f64,
    beta_2: Decay,
    epsilon: f64,
    warmup_steps: u64,
    settings: Settings,
}

builders!(ScheduleFreeAdamW);

impl ScheduleFreeAdamW {
    /// Keras's defaults.
    pub fn new() -> Self {
        ScheduleFreeAdamW {
            beta_1: 0.9,
            beta_2: Decay::new(0.999),
            epsilon: 1e-8,
            warmup_steps: 0,
            settings: Settings::new(0.0025),
        }
    }

    /// Sets how near the average training happens, above 0 and at most 1; 0.9 by default.
    pub fn beta_1(mut self, beta_1: impl Into<f64>) -> Self {
        self.beta_1 = beta_1.into();
        self
    }

    /// Sets how slowly the mean square of the gradient forgets, from 0 to 1; 0.999 by default.
    pub fn beta_2(mut self, beta_2: impl Into<f64>) -> Self {
        self.beta_2 = Decay::new(beta_2.into());
        self
    }

    /// Sets the small number added to the root, 1e-8 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    /// Sets how many steps the learning rate takes to its value; 0 by default.
    pub fn warmup_steps(mut self, steps: u64) -> Self {
        self.warmup_steps = steps;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = ScheduleFreeAdamW::new();
        Ok(ScheduleFreeAdamW {
            beta_1: config.number_or("beta_1", new.beta_1)?,
            beta_2: Decay::new(config.number_or("beta_2", new.beta_2.rate)?),
            epsilon: config.number_or("epsilon", new.epsilon)?,
            warmup_steps: config.count("warmup_steps")?.unwrap_or(0),
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for ScheduleFreeAdamW {
    fn class_name(&self) -> &str {
        "ScheduleFreeAdamW"
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

    fn begin(&self, weights: &[f32], slots: &mut [&mut [f32]]) {
        if let Some(z) = slots.first_mut() {
            z.iter_mut().zip(weights).for_each(|(z, w)| *z = *w);
        }
    }

    fn validate(&self) -> Result<()> {
        let class_name = "ScheduleFreeAdamW";
        if !(self.beta_1 > 0.0 && self.beta_1 <= 1.0) {
            let expected = "above 0 and at most 1";
            return Err(Error::argument(class_name, "beta_1", expected, self.beta_1));
        }
        decay_rate(class_name, "beta_2", self.beta_2.rate)?;
        not_negative(class_name, "epsilon", self.epsilon)?;
        self.settings.validate(class_name)
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [z, v] = slots else { return };
        let count = (step.iteration + 1) as f64;
        let warm = match self.warmup_steps {
            0 => 1.0,
            steps => (count / steps as f64).min(1.0),
        };
        let rate = step.learning_rate * warm as f32;
        let fresh = self.beta_2.fresh();
        let correct = (1.0 / (1.0 - self.beta_2.power(step.iteration + 1))) as f32;
        let (beta, rest) = (self.beta_1 as f32, (1.0 - self.beta_1) as f32);
        let share = (1.0 / count) as f32;
        let (epsilon, floor) = (self.epsilon as f32, floor(self.epsilon));
        pass(weights, gradients, [z, v], move |w, g, [z, v]| {
            let v = towards(v, g * g, fresh, floor);
            let x = (w - rest * z) / beta;
            let z = z - rate * g / ((v * correct).sqrt() + epsilon);
            let x = (1.0 - share) * x + share * z;
            (rest * z + beta * x, [z, v])
        });
    }

    fn config(&self) -> Value {
        let own = json!({
            "beta_1": self.beta_1,
            "beta_2": self.beta_2.rate,
            "epsilon": self.epsilon,
            "warmup_steps": self.warmup_steps,
        });
        self.settings.config("ScheduleFreeAdamW", own)
    }
}
