//! [`LossScaleOptimizer`].

use serde_json::{Value, json};

use super::config::Config;
use super::{MultiOptimizer, Optimizer, Settings, Step, Variable, from_keras, to_keras};
use crate::error::{Error, Result};
use crate::kernels::reduce::all_finite;

/// Another optimizer, which makes no step where a gradient is not finite.
///
/// Keras multiplies the loss so that half-precision gradients do not vanish, and divides it out
/// again. With the `f32` of this crate nothing vanishes that matters, so the loss is left as it is:
/// what remains is that a step with an infinite or NaN gradient is skipped and not counted. The
/// settings are kept for Keras.
///
/// Source: Keras's `LossScaleOptimizer`.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{LossScaleOptimizer, SGD, State};
///
/// let optimizer = LossScaleOptimizer::new(SGD::new().learning_rate(1.0));
/// let mut weights = [1.0];
/// let mut state = State::new(&optimizer, 1);
/// state.apply(&optimizer, &[], &mut weights, &mut [f32::INFINITY]);
/// assert_eq!((weights[0], state.iterations), (1.0, 0));
/// state.apply(&optimizer, &[], &mut weights, &mut [0.5]);
/// assert_eq!((weights[0], state.iterations), (0.5, 1));
/// ```
#[derive(Debug, Clone)]
pub struct LossScaleOptimizer {
    inner: Box<dyn Optimizer>,
    initial_scale: f64,
    dynamic_growth_steps: u64,
    name: Option<String>,
}

impl LossScaleOptimizer {
    /// This optimizer, with Keras's scale of 2^15 that doubles every 2000 steps.
    pub fn new(inner: impl Optimizer + 'static) -> Self {
        LossScaleOptimizer {
            inner: Box::new(inner),
            initial_scale: 32_768.0,
            dynamic_growth_steps: 2000,
            name: None,
        }
    }

    /// Sets Keras's first scale.
    pub fn initial_scale(mut self, scale: impl Into<f64>) -> Self {
        self.initial_scale = scale.into();
        self
    }

    /// Sets after how many steps Keras doubles it.
    pub fn dynamic_growth_steps(mut self, steps: u64) -> Self {
        self.dynamic_growth_steps = steps;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let inner = config.get("inner_optimizer");
        let inner = inner.ok_or_else(|| config.error("inner_optimizer", "an optimizer"))?;
        Ok(LossScaleOptimizer {
            inner: from_keras(inner)?,
            initial_scale: config.number_or("initial_scale", 32_768.0)?,
            dynamic_growth_steps: config.count("dynamic_growth_steps")?.unwrap_or(2000),
            name: config.text("name")?,
        })
    }
}

impl Optimizer for LossScaleOptimizer {
    fn class_name(&self) -> &str {
        "LossScaleOptimizer"
    }

    fn settings(&self) -> &Settings {
        self.inner.settings()
    }

    fn settings_mut(&mut self) -> &mut Settings {
        self.inner.settings_mut()
    }

    fn slots(&self) -> usize {
        self.inner.slots()
    }

    fn initial(&self, slot: usize) -> f32 {
        self.inner.initial(slot)
    }

    fn begin(&self, weights: &[f32], slots: &mut [&mut [f32]]) {
        self.inner.begin(weights, slots);
    }

    fn prepare(&mut self, variables: &[Variable], frozen: &[&str]) -> Result<()> {
        self.inner.prepare(variables, frozen)
    }

    fn parts(&self) -> Option<&MultiOptimizer> {
        self.inner.parts()
    }

    fn slot_groups(&self) -> Vec<usize> {
        self.inner.slot_groups()
    }

    fn accepts(&self, gradients: &[f32]) -> bool {
        all_finite(gradients)
    }

    fn weight_decay(&self, variable: &Variable) -> Option<f32> {
        self.inner.weight_decay(variable)
    }

    fn decays_apart(&self) -> bool {
        self.inner.decays_apart()
    }

    fn validate(&self) -> Result<()> {
        if !(self.initial_scale > 0.0 && self.initial_scale.is_finite()) {
            let (expected, found) = ("finite and above 0", self.initial_scale);
            return Err(Error::argument(
                "LossScaleOptimizer",
                "initial_scale",
                expected,
                found,
            ));
        }
        self.inner.validate()
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        self.inner.update(step, weights, gradients, slots);
    }

    fn config(&self) -> Value {
        json!({
            "name": self.name.clone().unwrap_or("loss_scale_optimizer".into()),
            "inner_optimizer": to_keras(self.inner.as_ref()),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        })
    }
}
