//! [`Model`]: layers that feed one another in any way, and what every model can do.

use super::built::Built;
use super::compile::{Compile, Compiled};
use super::extras::Extras;
use super::network::Network;
use super::plans::{Key, Mode, Plans};
use super::summary::{Row, Summary};
use super::tensor::Tensors;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::layers::Layer;
use crate::losses::Targets;
use crate::random::entropy;

/// A model of any shape: branches, layers that are shared, several inputs and outputs.
///
/// It is made of [`Tensor`](super::Tensor)s, which layers give when they are applied; a
/// [`Sequential`](super::Sequential) is one whose layers are in a row, and has all of its methods. A
/// model is a layer too, so models are made of models.
///
/// It is `Send + Sync`: [`predict`](Self::predict) and [`evaluate`](Self::evaluate) take a shared
/// reference and may run on any number of threads at once.
///
/// Source: <https://keras.io/api/models/model/>
///
/// # Examples
///
/// Two inputs, one output:
///
/// ```
/// use horn::layers::Concatenate;
/// use horn::prelude::*;
///
/// let (numbers, city) = (Input::new([3]).tensor(), Input::new([1]).name("city").tensor());
/// let place = Flatten::new().apply(Embedding::new(10, 2).apply(&city));
/// let both = Concatenate::new().apply([Dense::new(4).apply(&numbers), place]);
/// let mut model = Model::new([&numbers, &city], Dense::new(1).apply(both));
///
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// let (x, cities) = (array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], array![[3], [7]]);
/// model.fit((&x, &cities), &array![[0.5], [1.5]], Fit::new().epochs(5).verbose(0))?;
/// assert_eq!(model.predict((&x, &cities))?.dim(), (2, 1));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) network: Network,
    pub(crate) built: Option<Built>,
    pub(crate) compiled: Option<Compiled>,
    pub(crate) extras: Extras,
}

impl Model {
    /// The model that gives `outputs` for `inputs`, with a seed drawn from the system. Inputs are
    /// tensors made by [`Input::tensor`](crate::layers::Input::tensor).
    ///
    /// Tensors that do not fit together, such as an output that depends on an input that is not among
    /// `inputs`, are told by [`build`](Self::build) and [`compile`](Self::compile).
    ///
    /// # Examples
    ///
    /// See [`Model`].
    pub fn new(inputs: impl Tensors, outputs: impl Tensors) -> Self {
        let network = Network::of(&inputs.tensors(), &outputs.tensors());
        Model::of("functional", network)
    }

    /// A chain without layers.
    pub(crate) fn chain() -> Self {
        Model::of("sequential", Network::default())
    }

    pub(crate) fn of(name: &str, network: Network) -> Self {
        Model {
            name: name.into(),
            seed: entropy(),
            network,
            built: None,
            compiled: None,
            extras: Extras::default(),
        }
    }

    /// Sets the seed that initial weights, shuffles and dropout draw from: the same seed gives the
    /// same bits. Set it before the model is built.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The seed, given or drawn.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// // What worked once without a seed can be repeated.
    /// let lucky = Sequential::new().current_seed();
    /// assert_eq!(Sequential::new().seed(lucky).current_seed(), lucky);
    /// ```
    pub fn current_seed(&self) -> u64 {
        self.seed
    }

    /// Gives the model a name. Default: `functional`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Forgets what was made for the layers as they were; their weights stay.
    pub(crate) fn forget(&mut self) {
        self.compiled = None;
        if let Some(built) = &mut self.built {
            built.outputs.clear();
            built.layers.clear();
            built.plans = Plans::default();
        }
    }

    /// Draws the weights, if the model has none yet; [`compile`](Self::compile) does it too.
    ///
    /// # Errors
    ///
    /// No layers, no input shape on the first, settings out of range, shapes that do not fit.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(12).input_dim(8));
    /// model.build()?;
    /// assert_eq!(model.count_params(), 108);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn build(&mut self) -> Result<()> {
        self.built = Some(Built::new(&self.network, self.seed, self.built.as_ref())?);
        Ok(())
    }

    /// Makes the model ready to train: draws weights that it has not yet, checks all settings
    /// against each other, and begins the optimizer anew. Weights that are there are kept.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and settings of the optimizer, loss or metrics that are out of
    /// range or do not fit the model. Then the model is as it was before.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(8));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    ///
    /// let error = model
    ///     .compile(Compile::new(Adam::new().learning_rate(-1.0), MeanSquaredError::new()))
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("learning_rate"));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn compile(&mut self, compile: Compile) -> Result<()> {
        let built = Built::new(&self.network, self.seed, self.built.as_ref())?;
        let compiled = Compiled::new(compile, &self.network, &built)?;
        // A loss of the user's own may not fit the outputs: find out now.
        let mut heads = compiled.heads.iter();
        let key = Key {
            mode: Mode::Train { weighted: false },
            batch: 2,
            labels: usize::from(heads.any(|head| head.loss.targets() == Targets::Sequences)),
        };
        built.plan(&self.network, &compiled.heads, key)?;
        self.built = Some(built);
        self.compiled = Some(compiled);
        Ok(())
    }

    /// An untrained copy, with weights drawn from this seed and the optimizer as `compile` was given it:
    /// for cross-validation, or to see how much a result owes to its seed.
    ///
    /// What layers have learnt by `adapt` stays, and so do the weights of models that are layers and
    /// were trained before.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let (x, y) = (array![[1.0], [2.0]], array![2.0, 4.0]);
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// let mut again = model.fresh(1)?;
    /// let fit = || Fit::new().epochs(3).verbose(0);
    /// assert_eq!(model.fit(&x, &y, fit())?, again.fit(&x, &y, fit())?);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn fresh(&self, seed: u64) -> Result<Model> {
        let mut copy = self.clone();
        copy.seed = seed;
        copy.built = None;
        match &self.compiled {
            Some(compiled) => copy.compile(compiled.asked.clone())?,
            None if self.built.is_some() => copy.build()?,
            None => {}
        }
        Ok(copy)
    }

    /// The names of what `evaluate` gives: `loss`, then the loss of each output if there are
    /// several, then the metrics; empty before `compile`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(8).activation(Sigmoid));
    /// model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    /// assert_eq!(model.metrics_names(), ["loss", "accuracy"]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn metrics_names(&self) -> Vec<String> {
        self.compiled.as_ref().map_or(Vec::new(), Compiled::names)
    }

    /// The name of each input: that of the layer that takes it.
    pub fn input_names(&self) -> Vec<String> {
        self.network.input_names()
    }

    /// The name of each output: that of the layer that gives it.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let x = Input::new([4]).name("pixels").tensor();
    /// let model = Model::new(&x, [Dense::new(2).apply(&x), Dense::new(3).name("b").apply(&x)]);
    /// assert_eq!((model.input_names(), model.output_names()), (
    ///     vec!["pixels".to_string()],
    ///     vec!["dense".to_string(), "b".to_string()],
    /// ));
    /// ```
    pub fn output_names(&self) -> Vec<String> {
        self.network.output_names()
    }

    /// The shape of one row of the only input, without the batch.
    ///
    /// # Errors
    ///
    /// A model without layers, or whose first layer does not say it; one of several inputs.
    pub fn input_shape(&self) -> Result<Vec<usize>> {
        only("input_shape", "input_shapes", self.input_shapes()?)
    }

    /// The shape of one row of each input, without the batch.
    ///
    /// # Errors
    ///
    /// As [`input_shape`](Self::input_shape).
    pub fn input_shapes(&self) -> Result<Vec<Vec<usize>>> {
        self.network.input_shapes()
    }

    /// The shape of one row of the only output, without the batch.
    ///
    /// # Errors
    ///
    /// A model that is not built, or one of several outputs.
    pub fn output_shape(&self) -> Result<Vec<usize>> {
        only("output_shape", "output_shapes", self.output_shapes()?)
    }

    /// The shape of one row of each output, without the batch.
    ///
    /// # Errors
    ///
    /// A model that is not built.
    pub fn output_shapes(&self) -> Result<Vec<Vec<usize>>> {
        let (_, built) = self.built_parts("output_shapes")?;
        let outputs = built.outputs.iter();
        Ok(outputs
            .map(|shape| shape.dims().get(1..).unwrap_or(&[]).to_vec())
            .collect())
    }

    /// The layers, their output shapes and parameters, as a table to print; of a model that is not a
    /// chain, also what each layer is connected to.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(12).input_dim(8)).add(Dense::new(1));
    /// model.build()?;
    /// let text = model.summary().to_string();
    /// assert!(text.contains("dense_1 (Dense)"));
    /// assert!(text.contains("Total params: 121"));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn summary(&self) -> Summary {
        let connections = self.network.connections();
        let mut rows = Vec::new();
        for (number, layer) in self.layers().iter().enumerate() {
            // As in Keras, the input of a chain is not shown.
            if !self.network.graph && layer.class_name() == "InputLayer" {
                continue;
            }
            let shape = layer.output_shape().unwrap_or("?".into());
            let row = Row::new(
                layer.name(),
                layer.class_name(),
                shape,
                layer.count_params(),
            );
            rows.push(row.connected_to(connections.get(number).cloned().unwrap_or_default()));
        }
        let variables = self.built.as_ref().map(|built| &built.variables);
        let (trainable, total) = variables.map_or((0, 0), |v| (v.trainable, v.total));
        let optimizer = self.compiled.as_ref().map(|compiled| {
            // Keras counts the number of steps too, and the learning rate where it is a number.
            let rate = compiled.optimizer.settings().learning_rate.constant();
            compiled.state.slot_count() * trainable + 1 + usize::from(rate.is_some())
        });
        Summary::new(&self.name, rows, trainable, total - trainable, optimizer)
            .with_connections(!self.network.is_row())
    }

    /// The layers and the variables.
    pub(crate) fn built_parts(&self, method: &'static str) -> Result<(&Network, &Built)> {
        match &self.built {
            Some(built) if !built.outputs.is_empty() => Ok((&self.network, built)),
            _ => Err(Error::NotBuilt { method }),
        }
    }

    /// The layers, the variables and what they are trained with.
    pub(crate) fn parts(&self, method: &'static str) -> Result<(&Network, &Built, &Compiled)> {
        match (&self.built, &self.compiled) {
            (Some(built), Some(compiled)) => Ok((&self.network, built, compiled)),
            _ => Err(Error::NotCompiled { method }),
        }
    }

    /// The same, to change them.
    pub(crate) fn parts_mut(
        &mut self,
        method: &'static str,
    ) -> Result<(&Network, &mut Built, &mut Compiled)> {
        match (&mut self.built, &mut self.compiled) {
            (Some(built), Some(compiled)) => {
                if compiled.model_name != self.name {
                    compiled.model_name.clone_from(&self.name);
                }
                Ok((&self.network, built, compiled))
            }
            _ => Err(Error::NotCompiled { method }),
        }
    }
}

/// The only one of some shapes.
fn only(method: &'static str, all: &str, mut shapes: Vec<Vec<usize>>) -> Result<Vec<usize>> {
    match (shapes.pop(), shapes.is_empty()) {
        (Some(shape), true) => Ok(shape),
        _ => Err(Error::argument(
            method,
            "model",
            format!("one that has just one: call `{all}`"),
            "several",
        )),
    }
}

/// A model is a layer: of another it is a part with weights of its own, which begin as those of the
/// model if it is built, and are trained with the other.
impl Layer for Model {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let outputs = self.call_many(scope, std::slice::from_ref(x));
        match outputs.as_slice() {
            [output] => output.clone(),
            _ => scope.fail(format!("gives {} outputs, not one", outputs.len())),
        }
    }

    fn call_many(&self, scope: &mut Scope, inputs: &[Value]) -> Vec<Value> {
        let wanted = match self.network.input_shapes() {
            Ok(shapes) => Some(shapes),
            // A chain without a shape of its own takes what it is given.
            Err(Error::NoInputShape { .. }) => None,
            Err(error) => {
                scope.fail_with(error);
                return inputs.to_vec();
            }
        };
        if let Some(wanted) = wanted
            && let Some(mistake) = unfit(&wanted, inputs)
        {
            return vec![scope.fail(mistake)];
        }
        if let Some(built) = &self.built {
            scope.give(&built.variables, &built.parameters);
        }
        let flow = self.network.trace(scope, inputs);
        let outputs = self.network.outputs.iter();
        let values: Option<Vec<Value>> = outputs.map(|output| flow.get(*output).cloned()).collect();
        values.unwrap_or_else(|| vec![scope.fail("gives an output that is not there".into())])
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn class_name(&self) -> &str {
        match self.network.graph {
            true => "Functional",
            false => "Sequential",
        }
    }

    fn name(&self) -> Option<&str> {
        // Models that nobody has named are numbered, as layers are.
        let named = self.name != "functional" && self.name != "sequential";
        named.then_some(self.name.as_str())
    }

    fn input_shape(&self) -> Option<&[usize]> {
        match self.network.graph {
            true => None,
            false => self.network.nodes.first()?.layer.input_shape(),
        }
    }

    fn input_ids(&self) -> Option<usize> {
        match self.network.input_ids().as_slice() {
            [Some((_, count))] => Some(*count),
            _ => None,
        }
    }
}

/// What is wrong with the inputs of a model that is a layer.
fn unfit(wanted: &[Vec<usize>], inputs: &[Value]) -> Option<String> {
    if wanted.len() != inputs.len() {
        return Some(format!(
            "takes {} inputs, got {}",
            wanted.len(),
            inputs.len()
        ));
    }
    let mut pairs = wanted.iter().zip(inputs);
    let (wanted, input) = pairs.find(|(wanted, input)| {
        let shape = input.shape();
        shape.dims().get(1..) != Some(wanted.as_slice())
    })?;
    Some(format!(
        "takes rows of shape {wanted:?}, got a batch of shape {}",
        input.shape()
    ))
}
