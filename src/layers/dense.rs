//! [`Dense`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Absent, Base};
use super::{Layer, rules_builder, shared_settings};
use crate::activations::{Activation, Linear};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::regularizers::Regularizer;

/// A fully connected layer: `y = activation(x kernel + bias)`.
///
/// | | shape |
/// |---|---|
/// | `x` | `(batch, ..., columns)` |
/// | `kernel` | `(columns, units)`, `GlorotUniform` |
/// | `bias` | `(units,)`, `Zeros` |
/// | `y` | `(batch, ..., units)` |
///
/// Source: <https://keras.io/api/layers/core_layers/dense/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new()
///     .add(Dense::new(12).input_dim(8).activation(Relu))
///     .add(Dense::new(1).activation(Sigmoid).name("risk"));
/// model.build()?;
/// assert_eq!(model.count_params(), 8 * 12 + 12 + 12 + 1);
/// assert_eq!(model.weights()[2].path(), "risk/kernel");
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Dense {
    #[serde(flatten)]
    base: Base,
    units: usize,
    #[serde(with = "config::activation")]
    activation: Arc<dyn Activation>,
    use_bias: bool,
    #[serde(with = "config::initializer")]
    kernel_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    bias_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    kernel_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    bias_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer", skip_serializing_if = "Option::is_none")]
    activity_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    kernel_constraint: Option<Arc<dyn Constraint>>,
    #[serde(with = "config::constraint")]
    bias_constraint: Option<Arc<dyn Constraint>>,
    quantization_config: Absent,
    #[serde(skip_serializing)]
    lora_rank: Absent,
    #[serde(skip)]
    input_shape: Option<Vec<usize>>,
}

impl Default for Dense {
    fn default() -> Self {
        Dense {
            base: Base::default(),
            units: 0,
            activation: Arc::new(Linear),
            use_bias: true,
            kernel_initializer: Arc::new(GlorotUniform::new()),
            bias_initializer: Arc::new(Zeros),
            kernel_regularizer: None,
            bias_regularizer: None,
            activity_regularizer: None,
            kernel_constraint: None,
            bias_constraint: None,
            quantization_config: Absent::default(),
            lora_rank: Absent::default(),
            input_shape: None,
        }
    }
}

impl Dense {
    /// A layer of `units` outputs, at least 1.
    pub fn new(units: usize) -> Self {
        Dense {
            units,
            ..Dense::default()
        }
    }

    /// The number of columns of the inputs; needed on the first layer only.
    pub fn input_dim(self, columns: usize) -> Self {
        self.input_shape([columns])
    }

    /// The shape of one input, without the batch; needed on the first layer only.
    pub fn input_shape(mut self, shape: impl Into<Vec<usize>>) -> Self {
        self.input_shape = Some(shape.into());
        self
    }

    /// What the sums go through. Default: nothing ([`Linear`]).
    pub fn activation(mut self, activation: impl Activation + 'static) -> Self {
        self.activation = Arc::new(activation);
        self
    }

    /// Whether a bias is added. Default: true.
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    rules_builder!(kernel);
    rules_builder!(bias);
    rules_builder!(activity);
    shared_settings!(builder plain);
}

impl Layer for Dense {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if x.rank() < 2 {
            return x.fail(format!(
                "expects inputs of shape (batch, ..., columns), got {}",
                x.shape()
            ));
        }
        let kernel = scope.ruled_weight(
            "kernel",
            [x.dim(-1), self.units],
            &self.kernel_initializer,
            &self.kernel_regularizer,
            &self.kernel_constraint,
        );
        let mut y = x.matmul(&kernel);
        if self.use_bias {
            y = y + scope.ruled_weight(
                "bias",
                [self.units],
                &self.bias_initializer,
                &self.bias_regularizer,
                &self.bias_constraint,
            );
        }
        let y = self.activation.call(&y);
        if let Some(regularizer) = &self.activity_regularizer {
            scope.regularize_activity(&y, regularizer);
        }
        y
    }

    fn class_name(&self) -> &str {
        "Dense"
    }

    fn input_shape(&self) -> Option<&[usize]> {
        self.input_shape.as_deref()
    }

    fn validate(&self) -> Result<()> {
        match self.units {
            0 => Err(Error::argument("Dense", "units", "at least 1", 0)),
            _ => Ok(()),
        }
    }

    shared_settings!(layer masked);
}
