//! Step 2, [`Sequential`]: a model whose layers feed one another in a row.

use std::sync::Arc;

use super::built::Built;
use super::compile::{Compile, Compiled};
use super::network::Network;
use super::plans::{Key, Mode, Plans};
use super::summary::{Row, Summary};
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::Targets;
use crate::random::entropy;

/// A model whose layers feed one another in a row: the chain of the five steps.
///
/// It is `Send + Sync`: [`predict`](Self::predict) and [`evaluate`](Self::evaluate) take a shared
/// reference and may run on any number of threads at once.
///
/// Source: <https://keras.io/api/models/sequential/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let (x, y) = (array![[0.0], [1.0], [2.0], [3.0]], array![1.0, 3.0, 5.0, 7.0]);
///
/// let mut model = Sequential::new().seed(7).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new().learning_rate(0.1), MeanSquaredError::new()))?;
/// model.fit(&x, &y, Fit::new().epochs(200).verbose(0))?;
///
/// assert!((model.predict(&array![[4.0]])?[[0, 0]] - 9.0).abs() < 0.1);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sequential {
    name: String,
    seed: u64,
    pub(crate) network: Network,
    pub(crate) built: Option<Built>,
    pub(crate) compiled: Option<Compiled>,
}

impl Default for Sequential {
    fn default() -> Self {
        Sequential::new()
    }
}

impl Sequential {
    /// A model without layers, and with a seed drawn from the system.
    pub fn new() -> Self {
        Sequential {
            name: "sequential".into(),
            seed: entropy(),
            network: Network::default(),
            built: None,
            compiled: None,
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

    /// Gives the model a name. Default: `sequential`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds a layer at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let model = Sequential::new()
    ///     .add(Dense::new(12).input_dim(8).activation(Relu))
    ///     .add(Dense::new(1).activation(Sigmoid));
    /// assert_eq!(model.layers().len(), 2);
    /// ```
    // Keras's `add`; nobody will mistake it for `+`.
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Layer + 'static) -> Self {
        self.push(layer);
        self
    }

    /// Adds a layer at the end, in place. The layers before it keep their weights; the model must
    /// be compiled again.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        self.network.push(Arc::new(layer));
        self.forget();
    }

    /// Takes the last layer off, if there is one. The layers before it keep their weights; the
    /// model must be compiled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(12).input_dim(8)).add(Dense::new(1));
    /// assert_eq!(model.pop().map(|layer| layer.class_name().to_string()), Some("Dense".into()));
    /// assert_eq!(model.layers().len(), 1);
    /// ```
    pub fn pop(&mut self) -> Option<Arc<dyn Layer>> {
        self.forget();
        self.network.nodes.pop().map(|node| node.layer)
    }

    /// Forgets what was made for the layers as they were; their weights stay.
    fn forget(&mut self) {
        self.compiled = None;
        if let Some(built) = &mut self.built {
            built.outputs.clear();
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
        let compiled = Compiled::new(compile, &built)?;
        // A loss of the user's own may not fit the outputs: find out now.
        let key = Key {
            mode: Mode::Train { weighted: false },
            batch: 2,
            labels: usize::from(compiled.loss.targets() == Targets::Sequences),
        };
        built.plan(&self.network, Some(compiled.loss.as_ref()), key)?;
        self.built = Some(built);
        self.compiled = Some(compiled);
        Ok(())
    }

    /// The names of what `evaluate` gives: `loss`, then the metrics; empty before `compile`.
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

    /// The shape of one input, without the batch.
    ///
    /// # Errors
    ///
    /// A model without layers, or whose first layer does not say it.
    pub fn input_shape(&self) -> Result<Vec<usize>> {
        self.network.input_shape()
    }

    /// The shape of one output, without the batch.
    ///
    /// # Errors
    ///
    /// A model that is not built.
    pub fn output_shape(&self) -> Result<Vec<usize>> {
        let (_, built) = self.built_parts("output_shape")?;
        Ok(built.output(1).dims().get(1..).unwrap_or(&[]).to_vec())
    }

    /// The layers, their output shapes and parameters, as a table to print.
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
        let layers = self.layers();
        // As in Keras, inputs are not shown.
        let shown = layers
            .iter()
            .filter(|layer| layer.class_name() != "InputLayer");
        let rows = shown
            .map(|layer| {
                let shape = layer.output_shape().unwrap_or("?".into());
                Row::new(
                    layer.name(),
                    layer.class_name(),
                    shape,
                    layer.count_params(),
                )
            })
            .collect();
        let variables = self.built.as_ref().map(|built| &built.variables);
        let (trainable, total) = variables.map_or((0, 0), |v| (v.trainable, v.total));
        let optimizer = self.compiled.as_ref().map(|compiled| {
            // Keras counts the number of steps too, and the learning rate where it is a number.
            let rate = compiled.optimizer.settings().learning_rate.constant();
            compiled.state.slot_count() * trainable + 1 + usize::from(rate.is_some())
        });
        Summary::new(&self.name, rows, trainable, total - trainable, optimizer)
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
            (Some(built), Some(compiled)) => Ok((&self.network, built, compiled)),
            _ => Err(Error::NotCompiled { method }),
        }
    }
}
