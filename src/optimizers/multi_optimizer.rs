//! [`MultiOptimizer`].

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use super::config::{Config, serialised, snake_case};
use super::state::FEW;
use super::{Optimizer, Settings, Step, Variable, from_keras, to_keras};
use crate::error::{Error, Result};

const CLASS_NAME: &str = "MultiOptimizer";

/// Several optimizers, each for the variables whose path matches its pattern: a small rate for what
/// was trained before and a larger one for what is new, or no decay for embeddings.
///
/// A pattern is the path of a variable, such as `dense_1/kernel`, or a regular expression that
/// matches the whole of one: `dense_1/.*` is all of that layer. A path that matches none belongs to
/// the default; one that matches two is an error of `compile`, and so is a pattern that matches
/// nothing. (Keras lets the latter pass, and puts the name of a `Sequential` before its paths.)
///
/// Clipping, weight decay, averages and accumulation are those of each part. The learning rate of the
/// whole, 1 at first, multiplies those of the parts, so that callbacks that reduce it reduce all of
/// them. (In Keras it is an error to ask for it.)
///
/// Source: <https://keras.io/api/optimizers/>; Keras's `MultiOptimizer` and `OptimizerMap`.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::optimizers::{MultiOptimizer, SGD};
///
/// let optimizer = MultiOptimizer::new(SGD::new().learning_rate(0.1))
///     .with("new/.*", Adam::new().learning_rate(0.01));
/// let mut model = Sequential::new()
///     .add(Dense::new(4).input_dim(2).name("old"))
///     .add(Dense::new(1).name("new"));
/// model.compile(Compile::new(optimizer, MeanSquaredError::new()))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MultiOptimizer {
    parts: Vec<Part>,
    /// For what no pattern matches.
    default: Box<dyn Optimizer>,
    /// The part of each variable.
    assigned: Vec<usize>,
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Part {
    pattern: String,
    optimizer: Box<dyn Optimizer>,
}

impl MultiOptimizer {
    /// This optimizer for all variables, as long as no other is given.
    pub fn new(default: impl Optimizer + 'static) -> Self {
        let mut new = MultiOptimizer {
            parts: Vec::new(),
            default: Box::new(default),
            assigned: Vec::new(),
            settings: Settings::new(1.0),
        };
        new.keep_for(new.default.settings().clone());
        new
    }

    /// An optimizer for the variables whose path is `pattern`, or matches it.
    pub fn with(self, pattern: impl Into<String>, optimizer: impl Optimizer + 'static) -> Self {
        self.part(pattern.into(), Box::new(optimizer))
    }

    /// Sets the optimizer's name, `multi_optimizer` by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    fn part(mut self, pattern: String, optimizer: Box<dyn Optimizer>) -> Self {
        self.keep_for(optimizer.settings().clone());
        self.parts.push(Part { pattern, optimizer });
        self
    }

    /// The state of the whole has an average and a sum where a part needs them.
    fn keep_for(&mut self, part: Settings) {
        self.settings.use_ema |= part.use_ema;
        if part.gradient_accumulation_steps.is_some() {
            self.settings.gradient_accumulation_steps = part.gradient_accumulation_steps;
        }
    }

    /// The optimizers, the default last.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::{Adam, MultiOptimizer, Optimizer, SGD};
    ///
    /// let multi = MultiOptimizer::new(SGD::new()).with("encoder/.*", Adam::new());
    /// let names: Vec<&str> = multi.optimizers().map(|part| part.class_name()).collect();
    /// assert_eq!(names, ["Adam", "SGD"]);
    /// ```
    pub fn optimizers(&self) -> impl Iterator<Item = &dyn Optimizer> {
        let parts = self.parts.iter().map(|part| part.optimizer.as_ref());
        parts.chain(std::iter::once(self.default.as_ref()))
    }

    /// The variables of a part, as [`prepare`](Optimizer::prepare) has assigned them.
    pub(super) fn variables_of<'v>(
        &self,
        part: usize,
        variables: &'v [Variable<'v>],
    ) -> impl Iterator<Item = &'v Variable<'v>> {
        let parts = self.assigned.iter().zip(variables);
        parts
            .filter(move |(own, _)| **own == part)
            .map(|(_, variable)| variable)
    }

    /// Which part a path belongs to; the default comes after the last.
    fn part_of(&self, path: &str, patterns: &[Regex]) -> Result<usize> {
        if let Some(exact) = self.parts.iter().position(|part| part.pattern == path) {
            return Ok(exact);
        }
        let parts = self.parts.iter().zip(patterns).enumerate();
        let mut matching = parts.filter(|(_, (_, pattern))| pattern.is_match(path));
        match (matching.next(), matching.next()) {
            (None, _) => Ok(self.parts.len()),
            (Some((part, _)), None) => Ok(part),
            (Some((_, (one, _))), Some((_, (other, _)))) => {
                let expected = format!("patterns of which one at most matches `{path}`");
                Err(argument(
                    &expected,
                    format!("{}` and `{}", one.pattern, other.pattern),
                ))
            }
        }
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let map = config
            .get("optimizer_map")
            .and_then(|map| map.get("config"));
        let map = map.ok_or_else(|| config.error("optimizer_map", "an `OptimizerMap`"))?;
        let default = map.get("default_optimizer");
        let default = default.ok_or_else(|| config.error("default_optimizer", "an optimizer"))?;
        let mut new = MultiOptimizer::new(from_keras(default)?);
        if let Some(others) = map.get("optimizer_map").and_then(Value::as_object) {
            for (pattern, optimizer) in others {
                new = new.part(pattern.clone(), from_keras(optimizer)?);
            }
        }
        new.settings.name = config.text("name")?;
        Ok(new)
    }
}

fn argument(expected: &str, found: impl std::fmt::Display) -> Error {
    Error::argument(CLASS_NAME, "optimizer_map", expected, format!("`{found}`"))
}

/// A pattern that must match a whole path.
fn whole(pattern: &str) -> Result<Regex> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| argument(&format!("a regular expression ({error})"), pattern))
}

impl Optimizer for MultiOptimizer {
    fn class_name(&self) -> &str {
        CLASS_NAME
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// As many as the part that has most.
    fn slots(&self) -> usize {
        let slots = self.optimizers().map(Optimizer::slots);
        slots.max().unwrap_or(0)
    }

    fn validate(&self) -> Result<()> {
        for optimizer in self.optimizers() {
            let class_name = optimizer.class_name();
            let nested = optimizer.parts().is_some() || class_name == "LossScaleOptimizer";
            if nested || optimizer.searches() || optimizer.slots() > FEW {
                let expected = "optimizers that can update some of the variables";
                return Err(argument(expected, class_name));
            }
            optimizer.validate()?;
        }
        for (number, Part { pattern, .. }) in self.parts.iter().enumerate() {
            whole(pattern)?;
            let before = self.parts.iter().take(number);
            if before.into_iter().any(|part| part.pattern == *pattern) {
                return Err(argument("each pattern once", pattern));
            }
        }
        self.settings.validate(CLASS_NAME)
    }

    fn prepare(&mut self, variables: &[Variable], frozen: &[&str]) -> Result<()> {
        let patterns = self.parts.iter().map(|part| whole(&part.pattern));
        let patterns = patterns.collect::<Result<Vec<Regex>>>()?;
        let part_of = |path| self.part_of(path, &patterns);
        let assigned = variables.iter().map(|variable| part_of(variable.path));
        let assigned = assigned.collect::<Result<Vec<usize>>>()?;
        let others = frozen.iter().map(|path| part_of(path));
        let others = others.collect::<Result<Vec<usize>>>()?;
        for (number, Part { pattern, .. }) in self.parts.iter().enumerate() {
            if !assigned.contains(&number) && !others.contains(&number) {
                let paths: Vec<&str> = variables.iter().map(|variable| variable.path).collect();
                let expected = format!("patterns that match a variable ({})", paths.join(", "));
                return Err(argument(&expected, pattern));
            }
        }
        self.assigned = assigned;
        Ok(())
    }

    fn parts(&self) -> Option<&MultiOptimizer> {
        Some(self)
    }

    /// The formula of each part alone; [`State`](super::State) asks the parts themselves.
    fn update(
        &self,
        step: &Step,
        weights: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        for (part, optimizer) in self.optimizers().enumerate() {
            for variable in self.variables_of(part, step.variables) {
                let range = || variable.range.clone();
                let (Some(weights), Some(gradients)) =
                    (weights.get_mut(range()), gradients.get(range()))
                else {
                    continue;
                };
                let own = Variable {
                    range: 0..variable.range.len(),
                    ..variable.clone()
                };
                let rate = optimizer.settings().learning_rate.rate(step.iteration);
                let own = [own];
                let step = Step::new(step.iteration, rate * step.learning_rate, &own);
                let count = optimizer.slots().min(slots.len()).min(FEW);
                let mut few: [&mut [f32]; FEW] = Default::default();
                for (view, slot) in few.iter_mut().zip(slots.iter_mut()) {
                    *view = slot.get_mut(range()).unwrap_or_default();
                }
                optimizer.update(&step, weights, gradients, &mut few[..count]);
            }
        }
    }

    fn config(&self) -> Value {
        let others = self.parts.iter();
        let others = others.map(|part| (part.pattern.clone(), to_keras(part.optimizer.as_ref())));
        let map = json!({
            "default_optimizer": to_keras(self.default.as_ref()),
            "optimizer_map": others.collect::<Map<String, Value>>(),
        });
        let name = self.settings.name.clone();
        json!({
            "optimizer_map": serialised(Some("keras.optimizers"), "OptimizerMap", map),
            "loss_scale_factor": null,
            "name": name.unwrap_or_else(|| snake_case(CLASS_NAME)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::{Adam, LBFGS, LossScaleOptimizer, SGD, State};

    fn variables() -> [Variable<'static>; 3] {
        [
            Variable::new("a/kernel", 0..2, &[2]),
            Variable::new("a/bias", 2..3, &[1]),
            Variable::new("b/kernel", 3..5, &[2]),
        ]
    }

    fn prepared(multi: MultiOptimizer) -> Result<MultiOptimizer> {
        let mut multi = multi;
        multi.validate()?;
        multi.prepare(&variables(), &["frozen/kernel"])?;
        Ok(multi)
    }

    #[test]
    fn a_path_itself_comes_before_patterns() {
        let multi = MultiOptimizer::new(SGD::new())
            .with("a/.*", SGD::new())
            .with("a/bias", Adam::new());
        assert_eq!(prepared(multi).unwrap().assigned, [0, 1, 2]);
        // The whole path must match.
        let part = MultiOptimizer::new(SGD::new()).with("a|b/ker", SGD::new());
        assert!(prepared(part).is_err());
    }

    #[test]
    fn the_rate_of_the_whole_multiplies() {
        let sgd = |rate: f64| SGD::new().learning_rate(rate);
        let multi = MultiOptimizer::new(sgd(0.5)).with("b/.*", sgd(0.25));
        let mut multi = prepared(multi).unwrap();
        multi.settings_mut().learning_rate = std::sync::Arc::new(0.5_f32);
        let mut weights = [0.0; 5];
        let mut state = State::new(&multi, 5);
        state.apply(&multi, &variables(), &mut weights, &mut [-1.0; 5]);
        assert_eq!(weights, [0.25, 0.25, 0.25, 0.125, 0.125]);
        let variables = variables();
        let step = Step::new(1, 1.0, &variables);
        multi.update(&step, &mut weights, &[1.0; 5], &mut []);
        assert_eq!(weights, [-0.25, -0.25, -0.25, -0.125, -0.125]);
    }

    #[test]
    fn mistakes_are_told() {
        let new = || MultiOptimizer::new(SGD::new());
        for (multi, expected) in [
            (
                new().with("c/.*", Adam::new()),
                "a/kernel, a/bias, b/kernel",
            ),
            (
                new().with("a/.*", Adam::new()).with(".*s", Adam::new()),
                "`a/bias`",
            ),
            (new().with("a/(", Adam::new()), "regular expression"),
            (
                new().with("a/.*", Adam::new()).with("a/.*", Adam::new()),
                "once",
            ),
            (new().with("a/.*", Adam::new().clipnorm(-1.0)), "`clipnorm`"),
            (new().with("a/.*", LBFGS::new()), "`LBFGS`"),
            (new().with("a/.*", new()), "`MultiOptimizer`"),
            (
                MultiOptimizer::new(LossScaleOptimizer::new(SGD::new())),
                "LossScale",
            ),
        ] {
            let error = prepared(multi).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        // What is frozen now may be there later.
        assert!(prepared(new().with("frozen/.*", Adam::new())).is_ok());
    }

    #[test]
    fn its_configuration_gives_it_back() {
        let multi = MultiOptimizer::new(SGD::new()).with("a/.*", Adam::new().beta_1(0.8));
        let keras = to_keras(&multi.name("two"));
        let again = from_keras(&keras).unwrap();
        assert_eq!(to_keras(again.as_ref()), keras);
        assert_eq!(keras["config"]["name"], "two");
        assert!(from_keras(&json!("multioptimizer")).is_err());
    }
}
