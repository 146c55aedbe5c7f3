//! [`Adafactor`]: Adam for little memory.

use serde_json::{Value, json};

use super::config::Config;
use super::settings::{above_zero, builders, not_negative};
use super::{Optimizer, Settings, Step};
use crate::error::{Error, Result};
use crate::kernels::{reduce, simd};

/// Adam's second moment factored into rows and columns, and no first one: for little memory.
///
/// For a variable of two or more dimensions, over its last two:
///
/// ```text
/// beta = 1 - t^beta_2_decay                                      t = 1, 2, ...
/// r = beta * r + (1 - beta) * mean of (g^2 + epsilon_1) along each row
/// c = beta * c + (1 - beta) * mean of (g^2 + epsilon_1) along each column
/// v = r / mean(r) * c                                            (rows, columns)
/// ```
///
/// and `v = beta * v + (1 - beta) * (g^2 + epsilon_1)` for one of fewer. Then
///
/// ```text
/// alpha = max(epsilon_2, rms(w)) * min(learning_rate, 1 / sqrt(t))
/// u = g / sqrt(v)
/// w -= alpha * u / max(1, rms(u) / clip_threshold)
/// ```
///
/// Defaults: `learning_rate` 0.001, `beta_2_decay` -0.8, `epsilon_1` 1e-30, `epsilon_2` 1e-3,
/// `clip_threshold` 1, `relative_step` true (which in Keras, too, changes nothing: the rate is
/// limited by `1 / sqrt(t)` either way). Slots: r, or v of a vector; and c. Each lies at the
/// beginning of its variable's range.
///
/// Source: [Keras, Adafactor](https://keras.io/api/optimizers/adafactor/); Shazeer and Stern,
/// *Adafactor* ([arXiv 1804.04235](https://arxiv.org/abs/1804.04235)).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adafactor, State, Variable};
///
/// let optimizer = Adafactor::new().learning_rate(0.5);
/// let variables = [Variable::new("dense/bias", 0..2, &[2])];
/// let mut weights = [1.0, -1.0];
/// State::new(&optimizer, 2).apply(&optimizer, &variables, &mut weights, &mut [3.0, 3.0]);
/// assert!((weights[0] - 0.5f32).abs() < 1e-6);
/// assert!((weights[1] + 1.5f32).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct Adafactor {
    beta_2_decay: f64,
    epsilon_1: f64,
    epsilon_2: f64,
    clip_threshold: f64,
    relative_step: bool,
    settings: Settings,
}

builders!(Adafactor);

impl Adafactor {
    /// Keras's defaults.
    pub fn new() -> Self {
        Adafactor {
            beta_2_decay: -0.8,
            epsilon_1: 1e-30,
            epsilon_2: 1e-3,
            clip_threshold: 1.0,
            relative_step: true,
            settings: Settings::new(0.001),
        }
    }

    /// Sets the power of the step by which the means forget more slowly, below 0; -0.8 by default.
    pub fn beta_2_decay(mut self, beta_2_decay: impl Into<f64>) -> Self {
        self.beta_2_decay = beta_2_decay.into();
        self
    }

    /// Sets the small number added to squares, 1e-30 by default.
    pub fn epsilon_1(mut self, epsilon_1: impl Into<f64>) -> Self {
        self.epsilon_1 = epsilon_1.into();
        self
    }

    /// Sets the least root mean square of the weights, 1e-3 by default.
    pub fn epsilon_2(mut self, epsilon_2: impl Into<f64>) -> Self {
        self.epsilon_2 = epsilon_2.into();
        self
    }

    /// Sets the largest root mean square of a step before its rate, 1 by default.
    pub fn clip_threshold(mut self, clip_threshold: impl Into<f64>) -> Self {
        self.clip_threshold = clip_threshold.into();
        self
    }

    /// Sets Keras's flag of that name, true by default. It changes nothing.
    pub fn relative_step(mut self, relative_step: bool) -> Self {
        self.relative_step = relative_step;
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Adafactor::new();
        Ok(Adafactor {
            beta_2_decay: config.number_or("beta_2_decay", new.beta_2_decay)?,
            epsilon_1: config.number_or("epsilon_1", new.epsilon_1)?,
            epsilon_2: config.number_or("epsilon_2", new.epsilon_2)?,
            clip_threshold: config.number_or("clip_threshold", new.clip_threshold)?,
            relative_step: config.flag_or("relative_step", new.relative_step)?,
            settings: new.settings.read(config)?,
        })
    }
}

impl Optimizer for Adafactor {
    fn class_name(&self) -> &str {
        "Adafactor"
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
        if !(self.beta_2_decay.is_finite() && self.beta_2_decay <= 0.0) {
            let (expected, found) = ("a finite number of at most 0", self.beta_2_decay);
            return Err(Error::argument(
                "Adafactor",
                "beta_2_decay",
                expected,
                found,
            ));
        }
        not_negative("Adafactor", "epsilon_1", self.epsilon_1)?;
        not_negative("Adafactor", "epsilon_2", self.epsilon_2)?;
        above_zero("Adafactor", "clip_threshold", self.clip_threshold)?;
        self.settings.validate("Adafactor")
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [rows, columns] = slots else { return };
        let t = (step.iteration + 1) as f64;
        let keep = (1.0 - t.powf(self.beta_2_decay)) as f32;
        let rho = step.learning_rate.min((1.0 / t.sqrt()) as f32);
        for variable in step.variables {
            let range = || variable.range.clone();
            let (Some(w), Some(g)) = (weights.get_mut(range()), gradients.get(range())) else {
                continue;
            };
            let (Some(r), Some(c)) = (rows.get_mut(range()), columns.get_mut(range())) else {
                continue;
            };
            let alpha = rms(reduce::sum_of_squares(w), w.len()).max(self.epsilon_2 as f32) * rho;
            simd::dispatch(|| match variable.shape {
                [.., height, width] if *height > 0 && *width > 0 => {
                    self.matrix(w, g, (r, c), (*height, *width), keep, alpha);
                }
                _ => self.vector(w, g, r, keep, alpha),
            });
        }
    }

    fn config(&self) -> Value {
        let own = json!({
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        });
        self.settings.config("Adafactor", own)
    }
}

impl Adafactor {
    /// A variable of fewer than two dimensions.
    fn vector(&self, w: &mut [f32], g: &[f32], v: &mut [f32], keep: f32, alpha: f32) {
        let small = self.epsilon_1 as f32;
        let mut sum = 0.0;
        for (v, g) in v.iter_mut().zip(g) {
            *v = keep * *v + (1.0 - keep) * (g * g + small);
            sum += square(quotient(*g, *v));
        }
        let alpha = alpha / self.clip(sum, g.len());
        for ((w, g), v) in w.iter_mut().zip(g).zip(v.iter()) {
            *w -= alpha * quotient(*g, *v);
        }
    }

    /// A variable of two or more dimensions: a stack of matrices, each with its `r` and `c`.
    fn matrix(
        &self,
        w: &mut [f32],
        g: &[f32],
        (r, c): (&mut [f32], &mut [f32]),
        (height, width): (usize, usize),
        keep: f32,
        alpha: f32,
    ) {
        let small = self.epsilon_1 as f32;
        let fresh = 1.0 - keep;
        let matrices = || g.chunks_exact(height * width);
        let heights = |r| <[f32]>::chunks_exact(r, height);

        for ((g, r), c) in matrices()
            .zip(r.chunks_exact_mut(height))
            .zip(c.chunks_exact_mut(width))
        {
            c.iter_mut().for_each(|c| *c *= keep);
            for (g, r) in g.chunks_exact(width).zip(r) {
                let mean = reduce::sum_of_squares(g) / width as f32 + small;
                *r = keep * *r + fresh * mean;
                for (c, g) in c.iter_mut().zip(g) {
                    *c += fresh / height as f32 * (g * g + small);
                }
            }
        }

        let mut sum = 0.0;
        for ((g, r), c) in matrices().zip(heights(r)).zip(c.chunks_exact(width)) {
            let mean = r.iter().sum::<f32>() / height as f32;
            for (g, r) in g.chunks_exact(width).zip(r) {
                for (g, c) in g.iter().zip(c) {
                    sum += square(quotient(*g, r / mean * c));
                }
            }
        }
        let alpha = alpha / self.clip(sum, g.len());
        for (((w, g), r), c) in w
            .chunks_exact_mut(height * width)
            .zip(matrices())
            .zip(heights(r))
            .zip(c.chunks_exact(width))
        {
            let mean = r.iter().sum::<f32>() / height as f32;
            for ((w, g), r) in w.chunks_exact_mut(width).zip(g.chunks_exact(width)).zip(r) {
                for ((w, g), c) in w.iter_mut().zip(g).zip(c) {
                    *w -= alpha * quotient(*g, r / mean * c);
                }
            }
        }
    }

    /// What a step is divided by, from the sum of its squares.
    fn clip(&self, sum: f64, elements: usize) -> f32 {
        let ratio = rms(sum as f32, elements) / self.clip_threshold as f32;
        if ratio < 1.0 { 1.0 } else { ratio }
    }
}

/// `g / sqrt(v)`. Where a dead row meets a dead column, `v` is too small for a number, and Keras
/// divides 0 by 0; here nothing changes.
#[inline(always)]
fn quotient(g: f32, v: f32) -> f32 {
    let v = if v < f32::MIN_POSITIVE {
        f32::MIN_POSITIVE
    } else {
        v
    };
    g / v.sqrt()
}

fn square(value: f32) -> f64 {
    f64::from(value) * f64::from(value)
}

fn rms(sum_of_squares: f32, elements: usize) -> f32 {
    (sum_of_squares / elements as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::{State, Variable};

    fn step(shape: &[usize], weights: &mut [f32], gradients: &mut [f32]) {
        let optimizer = Adafactor::new().learning_rate(0.5).clip_threshold(10);
        let variables = [Variable::new("w", 0..weights.len(), shape)];
        let mut state = State::new(&optimizer, weights.len());
        state.apply(&optimizer, &variables, weights, gradients);
    }

    #[test]
    fn a_matrix_is_factored() {
        let mut weights = [2.0; 4];
        step(&[2, 2], &mut weights, &mut [1.0, 2.0, 3.0, 4.0]);
        // r = (2.5, 12.5), mean 7.5; c = (5, 10); v = r / 7.5 * c; alpha = 2 * 0.5
        let v = [2.5 * 5.0, 2.5 * 10.0, 12.5 * 5.0, 12.5 * 10.0];
        for (i, v) in v.iter().enumerate() {
            let expected = 2.0 - (i as f32 + 1.0) / (v / 7.5f32).sqrt();
            assert!((weights[i] - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_stack_is_factored_matrix_by_matrix() {
        let mut one = [2.0; 4];
        step(&[2, 2], &mut one, &mut [1.0, 2.0, 3.0, 4.0]);
        let mut two = [2.0; 8];
        let gradients = [1.0, 2.0, 3.0, 4.0];
        step(&[2, 2, 2], &mut two, &mut [gradients, gradients].concat());
        assert_eq!(two[..4], one);
        assert_eq!(two[4..], one);
    }

    #[test]
    fn dead_units_stay_as_they_are() {
        let mut weights = [1.0; 4];
        step(&[2, 2], &mut weights, &mut [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(weights[1..], [1.0; 3]);
        assert!(weights[0] < 1.0);
    }
}
