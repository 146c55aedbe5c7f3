//! Step 2, [`Sequential`]: a model whose layers feed one another in a row.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::functional::Model;
use crate::error::Result;
use crate::graph::{Scope, Value};
use crate::layers::Layer;

/// A model whose layers feed one another in a row: the chain of the five steps.
///
/// It is a [`Model`], with all of its methods: [`compile`](Model::compile), [`fit`](Model::fit),
/// [`evaluate`](Model::evaluate), [`predict`](Model::predict). And it is a layer, for models that
/// are made of models.
///
/// It is `Send + Sync`: `predict` and `evaluate` take a shared reference and may run on any number
/// of threads at once.
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
    pub(super) model: Model,
}

impl Default for Sequential {
    fn default() -> Self {
        Sequential::new()
    }
}

impl Sequential {
    /// A model whose layers are in a row.
    pub(crate) fn of(model: Model) -> Self {
        Sequential { model }
    }
}

impl Deref for Sequential {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl DerefMut for Sequential {
    fn deref_mut(&mut self) -> &mut Model {
        &mut self.model
    }
}

impl From<Sequential> for Model {
    fn from(sequential: Sequential) -> Model {
        sequential.model
    }
}

impl Sequential {
    /// A model without layers, and with a seed drawn from the system.
    pub fn new() -> Self {
        Sequential {
            model: Model::chain(),
        }
    }

    /// Sets the seed that initial weights, shuffles and dropout draw from: the same seed gives the
    /// same bits. Set it before the model is built.
    pub fn seed(self, seed: u64) -> Self {
        Sequential {
            model: self.model.seed(seed),
        }
    }

    /// Gives the model a name. Default: `sequential`.
    pub fn name(self, name: impl Into<String>) -> Self {
        Sequential {
            model: self.model.name(name),
        }
    }

    /// The shape of one input, without the batch.
    ///
    /// # Errors
    ///
    /// A model without layers, or whose first layer does not say it.
    pub fn input_shape(&self) -> Result<Vec<usize>> {
        self.model.input_shape()
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
        self.model.network.push(Arc::new(layer));
        self.model.forget();
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
        self.model.forget();
        self.model.network.pop().map(|node| node.layer)
    }
}

impl Layer for Sequential {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        self.model.call(scope, x)
    }

    fn call_many(&self, scope: &mut Scope, inputs: &[Value]) -> Vec<Value> {
        self.model.call_many(scope, inputs)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(&self.model)
    }

    fn class_name(&self) -> &str {
        self.model.class_name()
    }

    fn name(&self) -> Option<&str> {
        Layer::name(&self.model)
    }

    fn input_shape(&self) -> Option<&[usize]> {
        Layer::input_shape(&self.model)
    }

    fn input_ids(&self) -> Option<usize> {
        self.model.input_ids()
    }
}
