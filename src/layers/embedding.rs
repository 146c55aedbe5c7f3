//! [`Embedding`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Absent, Base};
use super::{Layer, rules_builder, shared_settings};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::{Initializer, RandomUniform};
use crate::regularizers::Regularizer;

/// A row of learnt numbers for each id: `y[..., :] = embeddings[x[...]]`.
///
/// | | shape |
/// |---|---|
/// | `x` | `(batch, ...)`, whole numbers from 0 to `input_dim - 1` |
/// | `embeddings` | `(input_dim, output_dim)`, `RandomUniform` |
/// | `y` | `(batch, ..., output_dim)` |
///
/// Ids beyond the rows are refused before training or prediction, with their place. With
/// `mask_zero` the id 0 stands for nothing: layers behind that support masking, and the loss, leave
/// it out.
///
/// Source: <https://keras.io/api/layers/core_layers/embedding/>
///
/// # Examples
///
/// ```
/// use horn::layers::Embedding;
/// use horn::prelude::*;
///
/// // Sequences of ten words out of a thousand.
/// let mut model = Sequential::new()
///     .add(Input::new([10]))
///     .add(Embedding::new(1000, 8))
///     .add(Flatten::new())
///     .add(Dense::new(1).activation(Sigmoid));
/// model.build()?;
/// let shape = model.layers()[1].output_shape();
/// assert_eq!(shape.as_deref(), Some("(None, 10, 8)"));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Embedding {
    #[serde(flatten)]
    base: Base,
    input_dim: usize,
    output_dim: usize,
    #[serde(with = "config::initializer")]
    embeddings_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    embeddings_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    activity_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    embeddings_constraint: Option<Arc<dyn Constraint>>,
    mask_zero: bool,
    quantization_config: Absent,
    #[serde(skip_serializing)]
    lora_rank: Absent,
}

impl Default for Embedding {
    fn default() -> Self {
        Embedding {
            base: Base::default(),
            input_dim: 0,
            output_dim: 0,
            embeddings_initializer: Arc::new(RandomUniform::new()),
            embeddings_regularizer: None,
            activity_regularizer: None,
            embeddings_constraint: None,
            mask_zero: false,
            quantization_config: Absent::default(),
            lora_rank: Absent::default(),
        }
    }
}

impl Embedding {
    /// `output_dim` numbers for each of `input_dim` ids, both at least 1.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Embedding {
            input_dim,
            output_dim,
            ..Self::default()
        }
    }

    /// Whether the id 0 stands for nothing. Default: false.
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.mask_zero = mask_zero;
        self
    }

    rules_builder!(
        "embeddings",
        embeddings_initializer,
        embeddings_regularizer,
        embeddings_constraint
    );
    rules_builder!(activity);
    shared_settings!(builder plain);

    /// The table of rows.
    pub(super) fn table(&self, scope: &mut Scope) -> Value {
        scope.ruled_weight(
            "embeddings",
            [self.input_dim, self.output_dim],
            &self.embeddings_initializer,
            &self.embeddings_regularizer,
            &self.embeddings_constraint,
        )
    }

    pub(super) fn initializer(&self) -> &Arc<dyn Initializer> {
        &self.embeddings_initializer
    }

    pub(super) fn dims(&self) -> (usize, usize) {
        (self.input_dim, self.output_dim)
    }

    pub(super) fn check(&self, class_name: &str) -> Result<()> {
        let bad =
            |argument, wanted, found| Err(Error::argument(class_name, argument, wanted, found));
        match (self.input_dim, self.output_dim) {
            (0, _) => bad("input_dim", "at least 1", 0),
            (_, 0) => bad("output_dim", "at least 1", 0),
            // Ids are `f32`s: above this, neighbours would share a row.
            (rows, _) if rows > 1 << 24 => bad("input_dim", "at most 16 777 216", rows),
            _ => Ok(()),
        }
    }
}

impl Layer for Embedding {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let y = self.table(scope).gather(x, 0);
        if self.mask_zero {
            scope.set_mask(&y, &x.not_equal(0.0));
        }
        if let Some(regularizer) = &self.activity_regularizer {
            scope.regularize_activity(&y, regularizer);
        }
        y
    }

    fn class_name(&self) -> &str {
        "Embedding"
    }

    fn validate(&self) -> Result<()> {
        self.check("Embedding")
    }

    fn input_ids(&self) -> Option<usize> {
        Some(self.input_dim)
    }

    shared_settings!(layer);
}
