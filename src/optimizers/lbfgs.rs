//! [`LBFGS`].

use std::cell::Cell;

use serde_json::{Value, json};

use super::config::Config;
use super::line_search::{Point, strong_wolfe};
use super::settings::{Settings, builders};
use super::{Optimizer, Search, Step};
use crate::error::{Error, Result};
use crate::kernels::aligned::Aligned;
use crate::kernels::elementwise::zip_in_place;
use crate::kernels::reduce::sum_of;

/// The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno: for small data, taken whole.
///
/// It estimates from the last `history_size` steps how the loss curves, goes to where a parabola of
/// that curvature would be lowest, and finds by a line search (strong Wolfe conditions) how far. A
/// step of training makes up to `max_iterations` of those, and evaluates the loss more often. Give
/// `batch_size` as many rows as there are: of a part of them the curvature says nothing about the
/// next part.
///
/// Constraints are applied after a step. Weight decay, clipping and accumulated gradients belong to
/// other optimizers and are refused. Keras has no such optimizer.
///
/// Defaults: `learning_rate` 1 (the first distance that is tried), `history_size` 10,
/// `max_iterations` 20, `tolerance_grad` 1e-7, `tolerance_change` 1e-9. Slots: two for each step of
/// the history, and three.
///
/// Source: Nocedal and Wright, *Numerical optimization*, second edition, algorithm 7.5.
///
/// # Examples
///
/// ```
/// use horn::optimizers::LBFGS;
/// use horn::prelude::*;
///
/// // A line through points, to the last digit in three steps.
/// let x = Array2::from_shape_fn((20, 1), |(i, _)| i as f32);
/// let y = x.mapv(|x| 3.0 * x - 7.0);
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(LBFGS::new(), MeanSquaredError::new()))?;
/// let history = model.fit(&x, &y, Fit::new().epochs(3).batch_size(20).verbose(0))?;
/// assert!(model.evaluate(&x, &y)?[0] < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LBFGS {
    history_size: u64,
    max_iterations: u64,
    tolerance_grad: f64,
    tolerance_change: f64,
    settings: Settings,
}

builders!(LBFGS);

impl LBFGS {
    /// With a history of 10, and up to 20 iterations a step.
    pub fn new() -> Self {
        LBFGS {
            history_size: 10,
            max_iterations: 20,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            settings: Settings::new(1.0),
        }
    }

    /// Sets how many steps it remembers, from 1 to 1000; 10 by default.
    pub fn history_size(mut self, steps: u64) -> Self {
        self.history_size = steps;
        self
    }

    /// Sets how many iterations a step of training makes at most; 20 by default.
    pub fn max_iterations(mut self, iterations: u64) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// Sets the largest element of a gradient at which it is done; 1e-7 by default.
    pub fn tolerance_grad(mut self, tolerance: impl Into<f64>) -> Self {
        self.tolerance_grad = tolerance.into();
        self
    }

    /// Sets the change of a weight or the loss at which it is done; 1e-9 by default.
    pub fn tolerance_change(mut self, tolerance: impl Into<f64>) -> Self {
        self.tolerance_change = tolerance.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = LBFGS::new();
        Ok(LBFGS {
            history_size: config.count("history_size")?.unwrap_or(new.history_size),
            max_iterations: config
                .count("max_iterations")?
                .unwrap_or(new.max_iterations),
            tolerance_grad: config.number_or("tolerance_grad", new.tolerance_grad)?,
            tolerance_change: config.number_or("tolerance_change", new.tolerance_change)?,
            settings: new.settings.read(config)?,
        })
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    f64::from(sum_of(a, b, |a, b| a * b))
}

fn largest(values: &[f32]) -> f64 {
    f64::from(
        values
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs())),
    )
}

/// `y += factor * x`
fn add(y: &mut [f32], x: &[f32], factor: f64) {
    let factor = factor as f32;
    zip_in_place(y, x, move |y, x| factor.mul_add(x, y));
}

/// `direction = -H gradient` of the estimated inverse curvature `H`; the newest pair of a step and
/// the change of the gradient over it comes first. Pairs that say nothing are all zero.
fn direct(direction: &mut [f32], gradient: &[f32], pairs: &[Aligned], weights: &mut [f64]) {
    direction.copy_from_slice(gradient);
    let known = |pair: &[Aligned]| match pair {
        [s, y] => Some(dot(s, y)).filter(|curvature| *curvature > 0.0),
        _ => None,
    };
    let mut scale = None;
    for (pair, weight) in pairs.chunks(2).zip(weights.iter_mut()) {
        let ([s, y], Some(curvature)) = (pair, known(pair)) else {
            continue;
        };
        scale = scale.or(Some(curvature / dot(y, y)));
        *weight = dot(s, direction) / curvature;
        add(direction, y, -*weight);
    }
    let scale = scale.unwrap_or(1.0) as f32;
    direction.iter_mut().for_each(|d| *d *= scale);
    for (pair, weight) in pairs.chunks(2).zip(weights.iter()).rev() {
        let ([s, y], Some(curvature)) = (pair, known(pair)) else {
            continue;
        };
        let back = dot(y, direction) / curvature;
        add(direction, s, *weight - back);
    }
    direction.iter_mut().for_each(|d| *d = -*d);
}

impl Optimizer for LBFGS {
    fn class_name(&self) -> &str {
        "LBFGS"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> usize {
        3 + 2 * self.history_size.min(1000) as usize
    }

    fn validate(&self) -> Result<()> {
        let bad = |argument: &'static str, expected: &str, found: String| {
            Err(Error::argument("LBFGS", argument, expected, found))
        };
        if !(1..=1000).contains(&self.history_size) {
            return bad(
                "history_size",
                "from 1 to 1000",
                self.history_size.to_string(),
            );
        }
        if !(1..=1_000_000).contains(&self.max_iterations) {
            return bad(
                "max_iterations",
                "from 1 to 1 000 000",
                self.max_iterations.to_string(),
            );
        }
        for (argument, tolerance) in [
            ("tolerance_grad", self.tolerance_grad),
            ("tolerance_change", self.tolerance_change),
        ] {
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                return bad(argument, "finite and at least 0", tolerance.to_string());
            }
        }
        let settings = &self.settings;
        for (argument, given) in [
            ("weight_decay", settings.weight_decay.is_some()),
            ("clipnorm", settings.clipnorm.is_some()),
            ("global_clipnorm", settings.global_clipnorm.is_some()),
            ("clipvalue", settings.clipvalue.is_some()),
            (
                "gradient_accumulation_steps",
                settings.gradient_accumulation_steps.is_some(),
            ),
        ] {
            if given {
                return bad(
                    argument,
                    "left out: it searches along the loss's own slope",
                    "one".into(),
                );
            }
        }
        settings.validate("LBFGS")
    }

    fn searches(&self) -> bool {
        true
    }

    /// Without a loss to search along: down the gradient.
    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        _slots: &mut [&mut [f32]],
    ) {
        add(weights, gradients, -f64::from(step.learning_rate));
    }

    fn search(&self, search: &mut Search) {
        let Search {
            step,
            parameters,
            gradients,
            slots,
            loss,
            evaluate,
        } = search;
        let Some(([start, before, direction], pairs)) = slots.split_first_chunk_mut::<3>() else {
            return;
        };
        let mut weights = [0.0; 1000];
        let mut value = f64::from(*loss);
        for _ in 0..self.max_iterations {
            if largest(gradients) <= self.tolerance_grad {
                return;
            }
            start.copy_from_slice(parameters);
            before.copy_from_slice(gradients);
            direct(direction, gradients, pairs, &mut weights);
            let mut slope = dot(gradients, direction);
            if slope.is_nan() || slope >= 0.0 {
                // Rounding has spoilt the estimate: begin anew.
                pairs.iter_mut().for_each(|vector| vector.fill(0.0));
                direct(direction, gradients, pairs, &mut weights);
                slope = dot(gradients, direction);
            }
            if slope.is_nan() || slope > -self.tolerance_change {
                return;
            }
            let fresh = !pairs.first().is_some_and(|s| s.iter().any(|s| *s != 0.0));
            let size: f64 = gradients.iter().map(|g| f64::from(g.abs())).sum();
            let first =
                f64::from(step.learning_rate) * if fresh { (1.0 / size).min(1.0) } else { 1.0 };
            let last = Cell::new(f64::NAN);
            let mut go = |t: f64, parameters: &mut [f32], gradients: &mut [f32]| {
                parameters.copy_from_slice(start);
                add(parameters, direction, t);
                last.set(t);
                f64::from(evaluate(parameters, gradients))
            };
            let origin = Point {
                t: 0.0,
                value,
                slope,
            };
            let found = strong_wolfe(origin, first, |t| {
                let value = go(t, parameters, gradients);
                (value, dot(gradients, direction))
            });
            let Some(found) = found else {
                go(0.0, parameters, gradients);
                return;
            };
            if last.get() != found.t {
                go(found.t, parameters, gradients);
            }
            // The newest pair takes the place of the oldest.
            pairs.rotate_right(2);
            if let [s, y, ..] = pairs {
                s.copy_from_slice(parameters);
                add(s, start, -1.0);
                y.copy_from_slice(gradients);
                add(y, before, -1.0);
                if dot(s, y) <= 1e-10 * dot(y, y) {
                    s.fill(0.0);
                    y.fill(0.0);
                }
            }
            let change = (value - found.value).abs();
            value = found.value;
            if change <= self.tolerance_change
                || largest(direction) * found.t <= self.tolerance_change
            {
                return;
            }
        }
    }

    fn config(&self) -> Value {
        let own = json!({
            "history_size": self.history_size,
            "max_iterations": self.max_iterations,
            "tolerance_grad": self.tolerance_grad,
            "tolerance_change": self.tolerance_change,
        });
        self.settings.config("LBFGS", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::State;

    /// Minimises a function from a point, so many steps of training.
    fn minimize(
        optimizer: &LBFGS,
        from: &[f32],
        steps: usize,
        f: impl Fn(&[f32], &mut [f32]) -> f32,
    ) -> Vec<f32> {
        let mut x = from.to_vec();
        let mut state = State::new(optimizer, x.len());
        for _ in 0..steps {
            let mut gradient = vec![0.0; x.len()];
            let loss = f(&x, &mut gradient);
            state.search(optimizer, &[], &mut x, &mut gradient, loss, &mut |x, g| {
                f(x, g)
            });
        }
        x
    }

    #[test]
    fn the_valley_of_rosenbrock_is_walked_to_its_end() {
        let rosenbrock = |x: &[f32], g: &mut [f32]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            g[0] = -2.0 * a - 400.0 * x[0] * b;
            g[1] = 200.0 * b;
            a * a + 100.0 * b * b
        };
        let x = minimize(&LBFGS::new(), &[-1.2, 1.0], 4, rosenbrock);
        assert!(
            (x[0] - 1.0).abs() < 1e-3 && (x[1] - 1.0).abs() < 1e-3,
            "{x:?}"
        );
    }

    #[test]
    fn a_bowl_of_unlike_axes_takes_one_step_of_training() {
        let bowl = |x: &[f32], g: &mut [f32]| {
            let mut value = 0.0;
            for (i, (x, g)) in x.iter().zip(g).enumerate() {
                let stiff = 10f32.powi(i as i32 % 4);
                *g = stiff * (x - i as f32);
                value += 0.5 * stiff * (x - i as f32) * (x - i as f32);
            }
            value
        };
        let x = minimize(&LBFGS::new().max_iterations(60), &[9.0; 7], 1, bowl);
        for (i, x) in x.iter().enumerate() {
            assert!((x - i as f32).abs() < 1e-2, "{i}: {x}");
        }
    }

    #[test]
    fn what_is_for_other_optimizers_is_refused() {
        for optimizer in [LBFGS::new().weight_decay(0.1), LBFGS::new().clipnorm(1.0)] {
            assert!(optimizer.validate().is_err());
        }
        let error = LBFGS::new().history_size(0).validate().unwrap_err();
        assert!(error.to_string().contains("`history_size`"));
    }
}
