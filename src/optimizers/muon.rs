//! [`Muon`].

use std::cell::Cell;

use serde_json::{Value, json};

use super::config::Config;
use super::moments::{Decay, floor, step_size, towards};
use super::settings::{Settings, builders, decay_rate, not_negative};
use super::{Optimizer, Step, Variable};
use crate::error::{Error, Result};
use crate::kernels::elementwise::zip_in_place;
use crate::kernels::matmul::{Epilogue, Matrix, matmul};
use crate::kernels::reduce;

/// Moves each matrix by its momentum made orthogonal, so that all directions move as far; other
/// variables by Adam.
///
/// ```text
/// m = momentum * m + g
/// u = g + momentum * m  (nesterov)  or  m
/// x = u / ‖u‖; ns_steps times: x = a x + (b x xᵀ + c (x xᵀ)²) x
/// w -= learning_rate * sqrt(max(rows, columns)) * rms_rate * x
/// ```
///
/// Vectors, arrays of more than two axes, embeddings (variables whose path has the word, with
/// `exclude_embeddings`) and variables whose path has one of `exclude_layers` are updated by Adam
/// with `adam_beta_1`, `adam_beta_2`, `epsilon`, `adam_weight_decay` and `adam_lr_ratio` times the
/// learning rate. Keras takes `exclude_layers` as regular expressions; here they are words.
///
/// Defaults: `learning_rate` 0.001, `weight_decay` 0.004, `momentum` 0.95, `ns_steps` 5, `rms_rate`
/// 0.2, `a, b, c` 3.4445, -4.775, 2.0315. Slots: m, and Adam's v.
///
/// Source: Jordan 2024, <https://kellerjordan.github.io/posts/muon/>; Keras's `Muon`.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Muon, State, Variable};
///
/// let optimizer = Muon::new().learning_rate(0.1).weight_decay(0.0);
/// let variables = [Variable::new("dense/kernel", 0..4, &[2, 2])];
/// let mut weights = [1.0, 0.0, 0.0, 1.0];
/// let mut state = State::new(&optimizer, 4);
/// // A gradient far larger in one direction moves both about as far.
/// state.apply(&optimizer, &variables, &mut weights, &mut [100.0, 0.0, 0.0, 1.0]);
/// assert!(weights[0] < 0.99 && weights[3] < 0.99);
/// ```
#[derive(Debug, Clone)]
pub struct Muon {
    adam_beta_1: Decay,
    adam_beta_2: Decay,
    adam_weight_decay: Option<f64>,
    adam_lr_ratio: f64,
    epsilon: f64,
    exclude_layers: Vec<String>,
    exclude_embeddings: bool,
    coefficients: [f64; 3],
    momentum: f64,
    ns_steps: u64,
    nesterov: bool,
    rms_rate: Option<f64>,
    settings: Settings,
}

builders!(Muon);

impl Muon {
    /// Keras's defaults.
    pub fn new() -> Self {
        let mut settings = Settings::new(0.001);
        settings.weight_decay = Some(0.004);
        Muon {
            adam_beta_1: Decay::new(0.9),
            adam_beta_2: Decay::new(0.999),
            adam_weight_decay: Some(0.004),
            adam_lr_ratio: 1.0,
            epsilon: 1e-7,
            exclude_layers: Vec::new(),
            exclude_embeddings: true,
            coefficients: [3.4445, -4.775, 2.0315],
            momentum: 0.95,
            ns_steps: 5,
            nesterov: true,
            rms_rate: Some(0.2),
            settings,
        }
    }

    /// Sets how slowly the momentum forgets, from 0 to 1; 0.95 by default.
    pub fn momentum(mut self, momentum: impl Into<f64>) -> Self {
        self.momentum = momentum.into();
        self
    }

    /// Sets whether to look one step ahead along the momentum; true by default.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    /// Sets how many rounds make a matrix orthogonal, at least 1; 5 by default.
    pub fn ns_steps(mut self, rounds: u64) -> Self {
        self.ns_steps = rounds;
        self
    }

    /// Sets the three coefficients of a round.
    pub fn coefficients(mut self, a: f64, b: f64, c: f64) -> Self {
        self.coefficients = [a, b, c];
        self
    }

    /// Sets how far a matrix moves beside Adam's steps, or that it does not depend on its size;
    /// 0.2 by default.
    pub fn rms_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.rms_rate = rate.into();
        self
    }

    /// Sets whether embeddings are updated by Adam; true by default.
    pub fn exclude_embeddings(mut self, exclude: bool) -> Self {
        self.exclude_embeddings = exclude;
        self
    }

    /// Sets words of paths whose variables are updated by Adam.
    pub fn exclude_layers<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.exclude_layers = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets Adam's two decay rates, 0.9 and 0.999 by default.
    pub fn adam_betas(mut self, beta_1: f64, beta_2: f64) -> Self {
        self.adam_beta_1 = Decay::new(beta_1);
        self.adam_beta_2 = Decay::new(beta_2);
        self
    }

    /// Sets the weight decay of the variables that Adam updates, 0.004 by default.
    pub fn adam_weight_decay(mut self, decay: impl Into<Option<f64>>) -> Self {
        self.adam_weight_decay = decay.into();
        self
    }

    /// Sets how many times the learning rate Adam's is, 1 by default.
    pub fn adam_lr_ratio(mut self, ratio: impl Into<f64>) -> Self {
        self.adam_lr_ratio = ratio.into();
        self
    }

    /// Sets Adam's small number, 1e-7 by default.
    pub fn epsilon(mut self, epsilon: impl Into<f64>) -> Self {
        self.epsilon = epsilon.into();
        self
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let new = Muon::new();
        let [a, b, c] = new.coefficients;
        let words = match config.get("exclude_layers") {
            None | Some(Value::Null) => Vec::new(),
            Some(words) => serde_json::from_value(words.clone())
                .map_err(|_| config.error("exclude_layers", "a list of words"))?,
        };
        // Null is a setting of its own, a missing key is the default.
        let optional = |key: &str, default: Option<f64>| match config.get(key) {
            None => Ok(default),
            Some(_) => config.number(key),
        };
        let mut settings = new.settings.read(config)?;
        settings.weight_decay = optional("weight_decay", Some(0.004))?.map(|decay| decay as f32);
        Ok(Muon {
            adam_beta_1: Decay::new(config.number_or("adam_beta_1", 0.9)?),
            adam_beta_2: Decay::new(config.number_or("adam_beta_2", 0.999)?),
            adam_weight_decay: optional("adam_weight_decay", new.adam_weight_decay)?,
            adam_lr_ratio: config.number_or("adam_lr_ratio", 1.0)?,
            epsilon: config.number_or("epsilon", new.epsilon)?,
            exclude_layers: words,
            exclude_embeddings: config.flag_or("exclude_embeddings", true)?,
            coefficients: [
                config.number_or("muon_a", a)?,
                config.number_or("muon_b", b)?,
                config.number_or("muon_c", c)?,
            ],
            momentum: config.number_or("momentum", new.momentum)?,
            ns_steps: config.count("ns_steps")?.unwrap_or(new.ns_steps),
            nesterov: config.flag_or("nesterov", true)?,
            rms_rate: optional("rms_rate", new.rms_rate)?,
            settings,
        })
    }

    /// Whether a variable is one that Adam updates.
    fn is_adams(&self, variable: &Variable) -> bool {
        variable.shape.len() != 2
            || (self.exclude_embeddings && variable.path.to_lowercase().contains("embedding"))
            || self
                .exclude_layers
                .iter()
                .any(|word| variable.path.contains(word.as_str()))
    }

    fn adam(&self, step: &Step, w: &mut [f32], g: &[f32], [m, v]: [&mut [f32]; 2]) {
        let (fresh_1, fresh_2) = (self.adam_beta_1.fresh(), self.adam_beta_2.fresh());
        let rate = step.learning_rate * self.adam_lr_ratio as f32;
        let rate = step_size(rate, &self.adam_beta_1, &self.adam_beta_2, step.iteration);
        let (epsilon, floor) = (self.epsilon as f32, floor(self.epsilon));
        zip_in_place(m, g, move |m, g| towards(m, g, fresh_1, floor));
        zip_in_place(v, g, move |v, g| towards(v, g * g, fresh_2, floor));
        for ((w, m), v) in w.iter_mut().zip(&*m).zip(&*v) {
            *w -= rate * m / (v.sqrt() + epsilon);
        }
    }

    fn muon(&self, step: &Step, w: &mut [f32], g: &[f32], m: &mut [f32], shape: [usize; 2]) {
        let momentum = self.momentum as f32;
        zip_in_place(m, g, move |m, g| momentum * m + g);
        // Taken, not borrowed: while this thread waits for products it may be given other work.
        let mut space = SPACE.take();
        let short = shape[0].min(shape[1]);
        let (size, square) = (w.len(), short * short);
        space.resize(space.len().max(2 * size + 2 * square), 0.0);
        let (x, rest) = space.split_at_mut(size);
        let (next, rest) = rest.split_at_mut(size);
        let (a, rest) = rest.split_at_mut(square);
        let b = &mut rest[..square];
        x.copy_from_slice(m);
        if self.nesterov {
            zip_in_place(x, g, move |m, g| g + momentum * m);
        }
        self.orthogonalize(x, next, (a, b), shape);
        let scale = self
            .rms_rate
            .map_or(1.0, |rate| (shape[0].max(shape[1]) as f64).sqrt() * rate);
        let rate = step.learning_rate * scale as f32;
        zip_in_place(w, x, move |w, x| w - rate * x);
        SPACE.set(space);
    }

    /// Makes the rows (or columns, whichever are fewer) of `x` orthogonal, by Newton and Schulz.
    fn orthogonalize(
        &self,
        x: &mut [f32],
        next: &mut [f32],
        (a, b): (&mut [f32], &mut [f32]),
        [rows, columns]: [usize; 2],
    ) {
        let norm = reduce::sum_of_squares(x).sqrt() + 1e-7;
        x.iter_mut().for_each(|x| *x /= norm);
        let [first, second, third] = self.coefficients.map(|c| c as f32);
        let tall = rows > columns;
        let short = rows.min(columns);
        for _ in 0..self.ns_steps {
            let whole = Matrix::new(x, rows, columns);
            // The Gram matrix of the fewer of rows and columns.
            match tall {
                true => matmul(whole.transposed(), whole, a, Epilogue::default()),
                false => matmul(whole, whole.transposed(), a, Epilogue::default()),
            }
            let gram = Matrix::new(a, short, short);
            matmul(gram, gram, b, Epilogue::default());
            zip_in_place(b, a, move |square, gram| second * gram + third * square);
            let factor = Matrix::new(b, short, short);
            match tall {
                // The factor is symmetric: on the other side it does to columns what it does to rows.
                true => matmul(whole, factor, next, Epilogue::default()),
                false => matmul(factor, whole, next, Epilogue::default()),
            }
            zip_in_place(x, next, move |x, next| first * x + next);
        }
    }
}

thread_local! {
    /// Where a thread keeps its matrices, for the next time.
    static SPACE: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl Optimizer for Muon {
    fn class_name(&self) -> &str {
        "Muon"
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

    fn saves_slot(&self, slot: usize, variable: &Variable) -> bool {
        slot == 0 || self.is_adams(variable)
    }

    fn weight_decay(&self, variable: &Variable) -> Option<f32> {
        match self.is_adams(variable) {
            true => self.adam_weight_decay.map(|decay| decay as f32),
            false => self.settings.weight_decay,
        }
    }

    fn decays_apart(&self) -> bool {
        true
    }

    fn validate(&self) -> Result<()> {
        let class_name = "Muon";
        decay_rate(class_name, "adam_beta_1", self.adam_beta_1.rate)?;
        decay_rate(class_name, "adam_beta_2", self.adam_beta_2.rate)?;
        not_negative(class_name, "epsilon", self.epsilon)?;
        not_negative(class_name, "momentum", self.momentum)?;
        not_negative(class_name, "adam_lr_ratio", self.adam_lr_ratio)?;
        not_negative(
            class_name,
            "adam_weight_decay",
            self.adam_weight_decay.unwrap_or(0.0),
        )?;
        not_negative(class_name, "rms_rate", self.rms_rate.unwrap_or(0.0))?;
        if !(1..=1000).contains(&self.ns_steps) {
            let expected = "from 1 to 1000";
            return Err(Error::argument(
                class_name,
                "ns_steps",
                expected,
                self.ns_steps,
            ));
        }
        if let Some(c) = self.coefficients.iter().find(|c| !c.is_finite()) {
            return Err(Error::argument(
                class_name,
                "muon_a, muon_b, muon_c",
                "finite",
                c,
            ));
        }
        self.settings.validate(class_name)
    }

    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [m, v] = slots else { return };
        if step.variables.is_empty() {
            // Without shapes there are no matrices.
            let length = weights.len().min(gradients.len()).min(m.len()).min(v.len());
            let parts = [&mut m[..length], &mut v[..length]];
            return self.adam(step, &mut weights[..length], &gradients[..length], parts);
        }
        for variable in step.variables {
            let range = || variable.range.clone();
            let (Some(w), Some(g), Some(m), Some(v)) = (
                weights.get_mut(range()),
                gradients.get(range()),
                m.get_mut(range()),
                v.get_mut(range()),
            ) else {
                continue;
            };
            match variable.shape {
                [rows, columns] if !self.is_adams(variable) && rows * columns == w.len() => {
                    self.muon(step, w, g, m, [*rows, *columns]);
                }
                _ => self.adam(step, w, g, [m, v]),
            }
        }
    }

    fn config(&self) -> Value {
        let [a, b, c] = self.coefficients;
        let own = json!({
            "adam_beta_1": self.adam_beta_1.rate,
            "adam_beta_2": self.adam_beta_2.rate,
            "epsilon": self.epsilon,
            "exclude_layers": self.exclude_layers,
            "muon_a": a,
            "muon_b": b,
            "muon_c": c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "exclude_embeddings": self.exclude_embeddings,
            "adam_weight_decay": self.adam_weight_decay,
            "rms_rate": self.rms_rate,
        });
        self.settings.config("Muon", own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tall_and_wide_matrices_are_made_orthogonal_alike() {
        let wide: Vec<f32> = (0..12).map(|i| (i as f32 * 1.3).sin()).collect();
        let tall: Vec<f32> = (0..12).map(|i| wide[i % 3 * 4 + i / 3]).collect();
        let muon = Muon::new();
        let make = |x: &[f32], shape: [usize; 2]| {
            let mut x = x.to_vec();
            let (mut next, mut a, mut b) = (vec![0.0; 12], vec![0.0; 9], vec![0.0; 9]);
            muon.orthogonalize(&mut x, &mut next, (&mut a, &mut b), shape);
            x
        };
        let (wide, tall) = (make(&wide, [3, 4]), make(&tall, [4, 3]));
        for i in 0..12 {
            assert!((tall[i] - wide[i % 3 * 4 + i / 3]).abs() < 1e-5);
        }
        // The rows' norms are about 1: Muon's rounds end between 0.7 and 1.2.
        for row in wide.chunks(4) {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((0.6..1.3).contains(&norm), "{norm}");
        }
    }

    #[test]
    fn what_is_no_matrix_is_adams() {
        let muon = Muon::new().exclude_layers(["head"]);
        let adams = |path, shape: &[usize]| muon.is_adams(&Variable::new(path, 0..1, shape));
        assert!(!adams("dense/kernel", &[2, 2]));
        assert!(adams("dense/bias", &[2]));
        assert!(adams("Embedding/embeddings", &[2, 2]));
        assert!(adams("head/kernel", &[2, 2]));
    }
}
