//! [`StringLookup`].

use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

use super::config::Base;
use super::encoding::OutputMode;
use super::vocabulary::{Vocabulary, lookup_builder};
use super::{Layer, shared_settings, written};
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Words that name categories, as indices from 0 on.
///
/// Strings end at the border: [`call`](StringLookup::call) turns an array of them into one of
/// indices, which a model then reads, and [`inverse`](StringLookup::inverse) turns indices back, of
/// predicted classes for example. The words are given as `vocabulary`, or learnt from data by
/// [`adapt`](StringLookup::adapt), the most frequent first; of equally frequent ones the last in the
/// alphabet, as in Keras. Index 0 stands for what is not known (with a `mask_token`, 0 for that and
/// 1 for what is not known).
///
/// Its configuration holds the vocabulary also where it is learnt, which Keras reads but does not do:
/// it keeps such in a file of its own.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/categorical/string_lookup/>
///
/// # Examples
///
/// ```
/// use horn::layers::StringLookup;
/// use horn::prelude::*;
///
/// let words = array![["setosa"], ["virginica"], ["setosa"]];
/// let lookup = StringLookup::new().adapt(&words)?;
/// assert_eq!(lookup.get_vocabulary(), ["[UNK]", "setosa", "virginica"]);
/// let ids = lookup.call(&words)?;
/// assert_eq!(ids, array![[1.0], [2.0], [1.0]].into_dyn());
/// assert_eq!(lookup.inverse(&[2.0, 0.0]), ["virginica", "[UNK]"]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Read")]
pub struct StringLookup {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    lookup: Vocabulary<String>,
    encoding: String,
}

/// As Keras's configuration has it.
#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    lookup: Vocabulary<String>,
}

impl From<Read> for StringLookup {
    fn from(Read { base, mut lookup }: Read) -> Self {
        lookup.oov_token = lookup.oov_token.or(Some("[UNK]".into()));
        StringLookup {
            base,
            lookup,
            encoding: "utf-8".into(),
        }
    }
}

impl Default for StringLookup {
    fn default() -> Self {
        StringLookup {
            base: Base::default(),
            lookup: Vocabulary::new("[UNK]".to_string()),
            encoding: "utf-8".into(),
        }
    }
}

impl StringLookup {
    /// Of words that [`vocabulary`](Self::vocabulary) gives or [`adapt`](Self::adapt) learns.
    pub fn new() -> Self {
        Self::default()
    }

    lookup_builder!(String, &str);
    shared_settings!(builder);

    /// Learns the words of an array, one document a row.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) for data without words, and where the vocabulary is given.
    pub fn adapt<'a, S: AsRef<str> + 'a, D: ndarray::Dimension>(
        mut self,
        data: &ndarray::ArrayRef<S, D>,
    ) -> Result<Self> {
        let in_a_row = data.shape().iter().skip(1).product::<usize>();
        let mut words = data.iter().map(|word| word.as_ref().to_string());
        let rows = (0..data.shape().first().copied().unwrap_or(1))
            .map(|_| words.by_ref().take(in_a_row).collect());
        self.lookup.adapt("StringLookup", rows)?;
        Ok(self)
    }

    /// The word of each index, those of mask and unknown included.
    pub fn get_vocabulary(&self) -> Vec<String> {
        self.lookup.all()
    }

    /// The index of each word, or with an [`output_mode`](Self::output_mode) rows of ones and zeros:
    /// `(batch, words)` gives `(batch, indices)`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) for a word that is not known, with its place, where there is no index for
    /// such; settings out of range; where it has not seen data.
    pub fn call<S: AsRef<str>, D: ndarray::Dimension>(
        &self,
        words: &ndarray::ArrayRef<S, D>,
    ) -> Result<ArrayD<f32>> {
        let tokens = words.iter().map(|word| word.as_ref().to_string());
        self.lookup.look_up("StringLookup", tokens, words.shape())
    }

    /// The word of each index; that of the unknown for numbers that are none.
    pub fn inverse(&self, indices: &[f32]) -> Vec<String> {
        let words = self.lookup.inverse(indices);
        words.map(Option::unwrap_or_default).collect()
    }

    /// The words of an array of indices.
    pub fn inverse_nd(&self, indices: &ArrayViewD<f32>) -> ArrayD<String> {
        indices.map(|index| self.inverse(&[*index]).pop().unwrap_or_default())
    }
}

impl Layer for StringLookup {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x.fail(
            "strings end before the model: give it what `StringLookup::call` makes of them, and use \
             `inverse` on what comes out"
                .into(),
        )
    }

    fn class_name(&self) -> &str {
        "StringLookup"
    }

    fn validate(&self) -> Result<()> {
        self.lookup.validate("StringLookup")
    }

    fn name(&self) -> Option<&str> {
        self.base.name.as_deref()
    }

    fn config(&self) -> serde_json::Value {
        written(&StringLookup {
            lookup: self.lookup.saved(),
            ..self.clone()
        })
    }
}
