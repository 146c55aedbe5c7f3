//! [`Scope`], what a layer sees of the model while it is traced.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::trace::{Graph, NodeId, Shared};
use super::value::Value;
use super::variables::{Spec, Variables};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::ops::random::{Distribution, Random};
use crate::ops::{Op, Port};
use crate::random::{Rng, path_hash};
use crate::shape::Shape;

/// What a layer declares its weights in, and asks whether the model is training.
///
/// # Examples
///
/// A layer that learns one factor for each column:
///
/// ```
/// use horn::prelude::*;
///
/// #[derive(Debug, Clone)]
/// struct Scale;
///
/// impl Layer for Scale {
///     fn call(&self, scope: &mut Scope, x: &Value) -> Value {
///         let factor = scope.weight("factor", [x.dim(-1)], &Ones);
///         x * factor
///     }
/// }
///
/// let mut model = Sequential::new().add(Input::new([3])).add(Scale);
/// model.build()?;
/// assert_eq!(model.weights()[0].path(), "scale/factor");
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug)]
pub struct Scope {
    graph: Shared,
    variables: Variables,
    /// Variables are all declared: a new one is a mistake.
    complete: bool,
    training: bool,
    /// Whether layers draw at random.
    noisy: bool,
    /// What each layer gave, by its path.
    layers: Vec<(String, Vec<NodeId>)>,
    levels: Vec<Level>,
    /// The value of each variable that this graph has read, by its number.
    read: HashMap<usize, Value>,
    losses: Vec<Value>,
    /// What variables become after a step of training, by their numbers.
    updates: Vec<(usize, NodeId)>,
    /// Which time steps of a value count, by the value's node.
    masks: HashMap<NodeId, Value>,
    draws: u64,
}

/// A layer that is being traced.
#[derive(Debug, Default)]
struct Level {
    path: String,
    trainable: bool,
    /// How many layers of each class it has held, for their names.
    counts: HashMap<String, usize>,
    /// What its variables begin with, by their paths in it.
    given: HashMap<String, Copied>,
}

/// Values that are there already, as an initializer.
#[derive(Debug, Clone)]
struct Copied {
    shape: Shape,
    values: Arc<[f32]>,
}

impl Initializer for Copied {
    fn class_name(&self) -> &str {
        "Copied"
    }

    fn fill(&self, _shape: &[usize], _rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        for (to, from) in out.iter_mut().zip(self.values.iter()) {
            *to = *from;
        }
        Ok(())
    }
}

/// What is left of a scope when the model has been traced.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) graph: Graph,
    pub(crate) variables: Variables,
    /// What each layer gave, by its path, a layer inside another before that.
    pub(crate) layers: Vec<(String, Vec<NodeId>)>,
}

impl Scope {
    /// A scope of a new graph. `variables` are those of the model, or none when it is first built.
    pub(crate) fn new(variables: Option<&Variables>, training: bool) -> Scope {
        Scope {
            graph: Shared::default(),
            variables: variables.cloned().unwrap_or_default(),
            complete: variables.is_some(),
            training,
            noisy: training,
            layers: Vec::new(),
            levels: vec![Level {
                trainable: true,
                ..Level::default()
            }],
            read: HashMap::new(),
            losses: Vec::new(),
            updates: Vec::new(),
            masks: HashMap::new(),
            draws: 0,
        }
    }

    /// The value written at a port before each run.
    pub(crate) fn input(&mut self, port: Port, shape: Shape) -> Value {
        let (id, shape) = self.graph.borrow_mut().add(Op::Input(port), &[], shape);
        Value::new(&self.graph, id, shape)
    }

    /// Whether the graph is traced for training: dropout drops, normalization learns.
    pub fn training(&self) -> bool {
        self.training
    }

    /// Whether what layers draw at random is wanted: in training, and in predictions that ask for it.
    pub fn noisy(&self) -> bool {
        self.noisy
    }

    /// The same scope, in which layers draw at random though it may be none for training.
    pub(crate) fn with_noise(mut self) -> Scope {
        self.noisy = true;
        self
    }

    /// How often layers have drawn at random.
    pub(crate) fn draws(&self) -> u64 {
        self.draws
    }

    /// Remembers what the layer under way gives.
    pub(crate) fn gives(&mut self, outputs: &[Value]) {
        let path = self.level().path.clone();
        self.layers
            .push((path, outputs.iter().map(Value::id).collect()));
    }

    /// A constant of this shape, row-major.
    ///
    /// A count of numbers that does not fit the shape is reported by `compile`.
    pub fn constant(&mut self, values: &[f32], shape: impl AsRef<[usize]>) -> Value {
        let shape = shape.as_ref();
        match Shape::new(shape).filter(|s| s.size() == values.len()) {
            Some(shape) => {
                let op = Op::Constant(Arc::from(values));
                let (id, shape) = self.graph.borrow_mut().add(op, &[], shape);
                Value::new(&self.graph, id, shape)
            }
            None => self.fail(format!("{} numbers do not fill {shape:?}", values.len())),
        }
    }

    /// A weight of the layer: declared on the first trace, found again on later ones.
    ///
    /// Its path is the layer's followed by `name`, as in `dense/kernel`.
    pub fn weight<I>(&mut self, name: &str, shape: impl AsRef<[usize]>, initializer: &I) -> Value
    where
        I: Initializer + Clone + 'static,
    {
        let initializer = Arc::new(initializer.clone());
        self.variable(name, shape.as_ref(), initializer, true)
    }

    /// A variable that training does not change, such as a table that is given.
    pub fn fixed<I>(&mut self, name: &str, shape: impl AsRef<[usize]>, initializer: &I) -> Value
    where
        I: Initializer + Clone + 'static,
    {
        let initializer = Arc::new(initializer.clone());
        self.variable(name, shape.as_ref(), initializer, false)
    }

    fn variable(
        &mut self,
        name: &str,
        lengths: &[usize],
        initializer: Arc<dyn Initializer>,
        learns: bool,
    ) -> Value {
        let Some(shape) = Shape::new(lengths) else {
            return self.fail(format!("weight `{name}` of shape {lengths:?} is too large"));
        };
        let path = self.path_of(name);
        let number = match self.variables.find(&path) {
            Some(number) => number,
            None if self.complete || self.failed() => {
                return self.fail(format!(
                    "weight `{name}` was not there when the model was built"
                ));
            }
            None => {
                let initializer = self.given(&path, shape).unwrap_or(initializer);
                self.variables.specs.push(Spec {
                    path,
                    shape,
                    trainable: learns && self.level().trainable,
                    initializer,
                    constraint: None,
                    range: 0..0,
                });
                self.variables.specs.len() - 1
            }
        };
        let declared = self.variables.specs.get(number).map(|spec| spec.shape);
        if declared != Some(shape) {
            return self.fail(format!(
                "weight `{name}` was built with shape {}, and these inputs want {shape}",
                declared.unwrap_or(Shape::SCALAR)
            ));
        }
        if let Some(value) = self.read.get(&number) {
            return value.clone();
        }
        let (id, shape) = self
            .graph
            .borrow_mut()
            .add(Op::Variable(number), &[], shape);
        let value = Value::new(&self.graph, id, shape);
        self.read.insert(number, value.clone());
        value
    }

    /// Variables of the layer that is being traced begin with these values, where path and shape are
    /// the same.
    pub(crate) fn give(&mut self, variables: &Variables, values: &[f32]) {
        if self.complete {
            return;
        }
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        for spec in &variables.specs {
            if let Some(own) = values.get(spec.range.clone()) {
                let copied = Copied {
                    shape: spec.shape,
                    values: Arc::from(own),
                };
                level.given.insert(spec.path.clone(), copied);
            }
        }
    }

    /// What a variable begins with, where a layer around it says so; the outermost decides.
    fn given(&self, path: &str, shape: Shape) -> Option<Arc<dyn Initializer>> {
        let found = self.levels.iter().find_map(|level| {
            let own = match level.path.is_empty() {
                true => path,
                false => path.strip_prefix(&level.path)?.strip_prefix('/')?,
            };
            level.given.get(own).filter(|given| given.shape == shape)
        });
        found.map(|copied| Arc::new(copied.clone()) as Arc<dyn Initializer>)
    }

    /// What a variable made by [`fixed`](Scope::fixed) becomes after this step of training: a
    /// moving average, for example. Outside training nothing happens.
    ///
    /// # Examples
    ///
    /// A layer that counts the steps that it was trained for:
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// #[derive(Debug, Clone)]
    /// struct Counter;
    ///
    /// impl Layer for Counter {
    ///     fn call(&self, scope: &mut Scope, x: &Value) -> Value {
    ///         let steps = scope.fixed("steps", [], &Zeros);
    ///         scope.assign(&steps, &(&steps + 1.0));
    ///         x.clone()
    ///     }
    /// }
    ///
    /// let mut model = Sequential::new().add(Counter).add(Dense::new(1));
    /// # let mut model = Sequential::new().add(Input::new([2])).add(Counter).add(Dense::new(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// model.fit(&Array2::<f32>::ones((8, 2)), &Array2::<f32>::ones((8, 1)),
    ///     Fit::new().batch_size(2).verbose(0))?;
    /// assert_eq!(model.weights()[0].values()[[]], 4.0);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn assign(&mut self, variable: &Value, value: &Value) {
        let Some(number) = self.number_of(variable) else {
            self.fail("only a variable can be assigned to".into());
            return;
        };
        let learns = self.variables.specs.get(number).map(|spec| spec.trainable);
        if learns == Some(true) {
            self.fail("a weight that training changes cannot be assigned to as well".into());
        } else if value.shape() != variable.shape() {
            self.fail(format!(
                "a variable of shape {} cannot become a value of shape {}",
                variable.shape(),
                value.shape()
            ));
        } else if self.training {
            // As an op of its own it has a place in the workspace, also where it is a variable.
            self.updates.push((number, value.stop_gradient().id()));
        }
    }

    /// The name of a layer inside the one that is being traced: its own, or one made from its class.
    pub(crate) fn name_for(&mut self, name: Option<&str>, class_name: &str) -> String {
        match (name, self.levels.last_mut()) {
            (Some(name), _) => name.to_string(),
            (None, Some(level)) => numbered(&mut level.counts, class_name),
            (None, None) => class_name.to_string(),
        }
    }

    /// A variable by its path inside the layer that is being traced, if it has been read.
    pub(crate) fn find(&self, path: &str) -> Option<Value> {
        let number = self.variables.find(&self.path_of(path))?;
        self.read.get(&number).cloned()
    }

    /// What is read as this weight from now on, and what the weight becomes before the optimizer
    /// changes it.
    pub(crate) fn replace(&mut self, weight: &Value, read: &Value, becomes: &Value) {
        if let Some(number) = self.number_of(weight) {
            self.read.insert(number, read.clone());
            if self.training {
                self.updates.push((number, becomes.stop_gradient().id()));
            }
        }
    }

    /// How many penalties and updates there are.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.losses.len(), self.updates.len())
    }

    /// Takes back the penalties and updates since a mark.
    pub(crate) fn take_back(&mut self, (losses, updates): (usize, usize)) {
        self.losses.truncate(losses);
        self.updates.truncate(updates);
    }

    /// The number of the variable that a value was read from.
    fn number_of(&self, variable: &Value) -> Option<usize> {
        let mut read = self.read.iter();
        let found = read.find(|(_, value)| value.id() == variable.id());
        found.map(|(number, _)| *number)
    }

    /// Whether the layer that is being traced is one that training changes: not frozen.
    pub fn trainable(&self) -> bool {
        self.level().trainable
    }

    /// Puts a weight back into what a constraint allows after each update.
    pub fn constrain(&mut self, weight: &Value, constraint: &Arc<dyn Constraint>) {
        if let Err(error) = constraint.validate(weight.shape().dims()) {
            let error = self.named(error);
            self.fail_with(error);
        }
        let number = self.number_of(weight);
        match number.and_then(|number| self.variables.specs.get_mut(number)) {
            Some(spec) => spec.constraint = Some(Arc::clone(constraint)),
            None => {
                self.fail("only a weight can be constrained".into());
            }
        }
    }

    /// Says which steps of a sequence count: `mask` is 1 where they do and 0 where they do not,
    /// of shape `(batch, steps)` for a value of shape `(batch, steps, ...)`.
    ///
    /// Layers that [support masking](crate::layers::Layer::supports_masking) hand it on, and the
    /// loss leaves the steps out.
    pub fn set_mask(&mut self, value: &Value, mask: &Value) {
        let (own, all) = (mask.shape(), value.shape());
        match all.dims().starts_with(own.dims()) {
            true => {
                self.masks.insert(value.id(), mask.clone());
            }
            false => {
                self.fail(format!("a mask of shape {own} does not fit {all}"));
            }
        }
    }

    /// The mask of a value: 1 where a step counts, 0 where it does not; nothing when all do.
    pub fn mask(&self, value: &Value) -> Option<Value> {
        self.masks.get(&value.id()).cloned()
    }

    /// A factor of this shape for dropout: 0 with probability `rate`, else `1 / (1 - rate)`.
    ///
    /// It is drawn anew at each step from the model's seed (or `seed`), the layer's path and the
    /// number of the step.
    pub fn dropout_mask(
        &mut self,
        shape: impl AsRef<[usize]>,
        rate: f32,
        seed: Option<u64>,
    ) -> Value {
        self.random(shape.as_ref(), Distribution::Dropout { rate }, seed)
    }

    /// Numbers of a normal distribution, drawn as [`dropout_mask`](Scope::dropout_mask) draws.
    pub fn random_normal(
        &mut self,
        shape: impl AsRef<[usize]>,
        mean: f32,
        stddev: f32,
        seed: Option<u64>,
    ) -> Value {
        self.random(shape.as_ref(), Distribution::Normal { mean, stddev }, seed)
    }

    /// Numbers spread evenly from `low` up to but not including `high`, drawn as
    /// [`dropout_mask`](Scope::dropout_mask) draws.
    pub fn random_uniform(
        &mut self,
        shape: impl AsRef<[usize]>,
        low: f32,
        high: f32,
        seed: Option<u64>,
    ) -> Value {
        self.random(shape.as_ref(), Distribution::Uniform { low, high }, seed)
    }

    fn random(&mut self, shape: &[usize], distribution: Distribution, seed: Option<u64>) -> Value {
        let Some(shape) = Shape::new(shape) else {
            return self.fail(format!("{shape:?} is too large for random numbers"));
        };
        self.draws += 1;
        let op = Random {
            distribution,
            shape,
            seed,
            path: path_hash(&self.level().path).wrapping_add(self.draws),
        };
        let (id, shape) = self.graph.borrow_mut().push(Op::Random(op), &[]);
        Value::new(&self.graph, id, shape)
    }

    /// Adds a penalty, a single number, to the model's loss.
    pub fn add_loss(&mut self, penalty: &Value) {
        self.losses.push(penalty.clone());
    }

    /// The penalties that layers have added.
    pub(crate) fn losses(&self) -> &[Value] {
        &self.losses
    }

    /// What variables become after a step of training, by their numbers.
    pub(crate) fn updates(&self) -> &[(usize, NodeId)] {
        &self.updates
    }

    /// Records a mistake, which `compile` returns with the layer's name, and gives a value to go
    /// on with.
    pub fn fail(&mut self, message: String) -> Value {
        self.graph.borrow_mut().fail(message);
        let (id, shape) = self
            .graph
            .borrow_mut()
            .push(Op::Constant(Arc::from([])), &[]);
        Value::new(&self.graph, id, shape)
    }

    /// Records an error as it is.
    pub(crate) fn fail_with(&mut self, error: Error) {
        self.graph.borrow_mut().fail_with(error);
    }

    /// An error about an argument, with the name of the layer whose it is.
    pub(crate) fn named(&self, error: Error) -> Error {
        match error {
            Error::Argument {
                owner,
                argument,
                expected,
                found,
            } => Error::Layer {
                layer: self.level().path.clone(),
                message: format!("`{owner}`: `{argument}` must be {expected}, got {found}"),
            },
            other => other,
        }
    }

    fn failed(&self) -> bool {
        self.graph.borrow().error.is_some()
    }

    /// Begins a layer: its name, or one made from its class as Keras does (`dense`, `dense_1`).
    pub(crate) fn enter(&mut self, name: Option<&str>, class_name: &str, trainable: bool) {
        let parent = self.levels.last_mut();
        let mut level = Level {
            trainable,
            ..Level::default()
        };
        if let Some(parent) = parent {
            let name = match name {
                Some(name) => name.to_string(),
                None => numbered(&mut parent.counts, class_name),
            };
            level.trainable &= parent.trainable;
            level.path = join(&parent.path, &name);
        }
        self.graph.borrow_mut().layer = level.path.clone();
        self.levels.push(level);
    }

    /// Ends the layer that was begun last.
    pub(crate) fn leave(&mut self) {
        if self.levels.len() > 1 {
            self.levels.pop();
        }
        let path = self.level().path.clone();
        self.graph.borrow_mut().layer = path;
    }

    fn level(&self) -> &Level {
        static ROOT: std::sync::LazyLock<Level> = std::sync::LazyLock::new(Level::default);
        self.levels.last().unwrap_or(&ROOT)
    }

    fn path_of(&self, name: &str) -> String {
        join(&self.level().path, name)
    }

    /// The graph and the variables.
    ///
    /// # Errors
    ///
    /// The first mistake that was made while tracing.
    pub(crate) fn finish(self) -> Result<Traced> {
        drop(self.read);
        drop(self.losses);
        drop(self.masks);
        let mut variables = self.variables;
        if !self.complete {
            variables.lay_out();
        }
        let mut graph = match Rc::try_unwrap(self.graph) {
            Ok(cell) => cell.into_inner(),
            Err(shared) => std::mem::take(&mut *shared.borrow_mut()),
        };
        match graph.error.take() {
            Some(error) => Err(error),
            None => Ok(Traced {
                graph,
                variables,
                layers: self.layers,
            }),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_string()
    } else {
        format!("{path}/{name}")
    }
}

/// Keras's name of the next layer of a class: `dense`, then `dense_1`, `dense_2`, ...
pub(crate) fn numbered(counts: &mut HashMap<String, usize>, class_name: &str) -> String {
    let base = snake_case(class_name);
    let count = counts.entry(base.clone()).or_insert(0);
    let name = if *count == 0 {
        base
    } else {
        format!("{base}_{count}")
    };
    *count += 1;
    name
}

/// Keras's snake case: `LeakyReLU` is `leaky_re_lu`, `Conv2D` is `conv2d`.
pub(crate) fn snake_case(class_name: &str) -> String {
    let letters: Vec<char> = class_name
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let mut name = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|b| letters.get(b));
        let after = letters.get(i + 1);
        let starts_word = letter.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase())
                || (before.is_some() && after.is_some_and(|a| a.is_lowercase())));
        if starts_word && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_keras() {
        let pairs = [
            ("Dense", "dense"),
            ("ReLU", "re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("PReLU", "p_re_lu"),
            ("ELU", "elu"),
            ("Conv2D", "conv2d"),
            ("LSTM", "lstm"),
            ("BatchNormalization", "batch_normalization"),
        ];
        for (class, name) in pairs {
            assert_eq!(snake_case(class), name);
        }
    }

    #[test]
    fn layers_of_a_class_are_numbered() {
        let mut counts = HashMap::new();
        let names: Vec<String> = (0..3).map(|_| numbered(&mut counts, "Dense")).collect();
        assert_eq!(names, ["dense", "dense_1", "dense_2"]);
    }
}
