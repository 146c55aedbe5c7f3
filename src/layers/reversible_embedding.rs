//! [`ReversibleEmbedding`].

use serde::{Deserialize, Serialize};

use super::config::Absent;
use super::{Embedding, Layer, written};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// An [`Embedding`] whose rows also turn vectors back into a score for each id, as language models
/// end.
///
/// As a layer it is the embedding; [`reverse`](ReversibleEmbedding::reverse) is for layers of one's
/// own: `logits = y embeddingsᵀ`, or `y reverse_embeddings` of weights of their own where
/// `tie_weights` is false, and then `cap tanh(logits / cap)` with a `logit_soft_cap`.
///
/// Source: Press and Wolf 2017, <https://arxiv.org/abs/1608.05859>; Keras's `ReversibleEmbedding`.
///
/// # Examples
///
/// A layer that reads ids and gives a score for each:
///
/// ```
/// use horn::layers::ReversibleEmbedding;
/// use horn::prelude::*;
///
/// #[derive(Debug, Clone)]
/// struct There(ReversibleEmbedding);
///
/// impl Layer for There {
///     fn call(&self, scope: &mut Scope, x: &Value) -> Value {
///         let y = self.0.call(scope, x);
///         self.0.reverse(scope, &y)
///     }
/// }
///
/// let mut model = Sequential::new()
///     .add(Input::new([10]))
///     .add(There(ReversibleEmbedding::new(50, 8)));
/// model.build()?;
/// assert_eq!(model.output_shape()?, [10, 50]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ReversibleEmbedding {
    #[serde(flatten)]
    embedding: Embedding,
    tie_weights: bool,
    reverse_dtype: Absent,
    logit_soft_cap: Option<f32>,
}

impl Default for ReversibleEmbedding {
    fn default() -> Self {
        ReversibleEmbedding {
            embedding: Embedding::default(),
            tie_weights: true,
            reverse_dtype: Absent::default(),
            logit_soft_cap: None,
        }
    }
}

impl ReversibleEmbedding {
    /// `output_dim` numbers for each of `input_dim` ids, both at least 1.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Embedding::new(input_dim, output_dim).into()
    }

    /// Whether the way back uses the same weights. Default: true.
    pub fn tie_weights(mut self, tie: bool) -> Self {
        self.tie_weights = tie;
        self
    }

    /// Holds scores between minus and plus this. Default: any.
    pub fn logit_soft_cap(mut self, cap: f32) -> Self {
        self.logit_soft_cap = Some(cap);
        self
    }

    /// Scores `(batch, ..., input_dim)` for vectors `(batch, ..., output_dim)`; call it with the
    /// scope in which the embedding was called.
    pub fn reverse(&self, scope: &mut Scope, y: &Value) -> Value {
        let (ids, numbers) = self.embedding.dims();
        let kernel = match self.tie_weights {
            true => self.embedding.table(scope).transpose([1, 0]),
            false => {
                let begin = self.embedding.initializer();
                scope.weight("reverse_embeddings", [numbers, ids], begin)
            }
        };
        let logits = y.matmul(&kernel);
        match self.logit_soft_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }
}

/// With the settings of an embedding.
impl From<Embedding> for ReversibleEmbedding {
    fn from(embedding: Embedding) -> Self {
        ReversibleEmbedding {
            embedding,
            ..Self::default()
        }
    }
}

impl Layer for ReversibleEmbedding {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        if !self.tie_weights {
            let (ids, numbers) = self.embedding.dims();
            let y = self.embedding.call(scope, x);
            scope.weight(
                "reverse_embeddings",
                [numbers, ids],
                self.embedding.initializer(),
            );
            return y;
        }
        self.embedding.call(scope, x)
    }

    fn class_name(&self) -> &str {
        "ReversibleEmbedding"
    }

    fn name(&self) -> Option<&str> {
        Layer::name(&self.embedding)
    }

    fn trainable(&self) -> bool {
        Layer::trainable(&self.embedding)
    }

    fn validate(&self) -> Result<()> {
        if let Some(cap) = self
            .logit_soft_cap
            .filter(|cap| !(*cap > 0.0 && cap.is_finite()))
        {
            let wanted = "finite and above 0";
            return Err(Error::argument(
                "ReversibleEmbedding",
                "logit_soft_cap",
                wanted,
                cap,
            ));
        }
        self.embedding.check("ReversibleEmbedding")
    }

    fn input_ids(&self) -> Option<usize> {
        self.embedding.input_ids()
    }

    fn config(&self) -> serde_json::Value {
        written(self)
    }
}
