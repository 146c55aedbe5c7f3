//! [`StringLookup`].

use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

use super::config::Base;
use super::encoding::OutputMode;
use super::vocabulary::{Vocabulary, lookup_builder};
use super::{Layer, shared_settings, written};
use crate::error::{Error, Result};
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
        let base = Base {
            dtype: "string".into(),
            ..Base::default()
        };
        StringLookup {
            base,
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
    /// [`Error::Argument`] where the vocabulary is given.
    pub fn adapt<'a, S: AsRef<str> + 'a, D: ndarray::Dimension>(
        mut self,
        data: &ndarray::ArrayRef<S, D>,
    ) -> Result<Self> {
        let rows = data.shape().first().copied().unwrap_or(1).max(1);
        let words: Vec<String> = data.iter().map(|word| word.as_ref().to_string()).collect();
        let rows = words
            .chunks((words.len() / rows).max(1))
            .map(<[String]>::to_vec);
        self.lookup.adapt("StringLookup", rows)?;
        Ok(self)
    }

    /// The word of each index, those of mask and unknown included.
    pub fn get_vocabulary(&self) -> Vec<String> {
        (0..self.lookup.depth())
            .filter_map(|index| self.lookup.token(index))
            .collect()
    }

    /// The index of each word, or with an [`output_mode`](Self::output_mode) rows of ones and zeros:
    /// `(batch, words)` gives `(batch, indices)`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a word that is not known, with its place, where there is no index for
    /// such; settings out of range; where it has not seen data.
    pub fn call<S: AsRef<str>, D: ndarray::Dimension>(
        &self,
        words: &ndarray::ArrayRef<S, D>,
    ) -> Result<ArrayD<f32>> {
        self.lookup.validate("StringLookup")?;
        if self.lookup.tokens().is_none() {
            let wanted = "called before the words are looked up";
            return Err(Error::argument("StringLookup", "adapt", wanted, "no words"));
        }
        let table = self.lookup.table();
        let mut indices = Vec::with_capacity(words.len());
        for (place, word) in words.iter().enumerate() {
            let word = word.as_ref().to_string();
            match table.index(&word) {
                Some(index) => indices.push(index),
                None if table.masks(&word) => indices.push(usize::MAX),
                None => {
                    let row =
                        place / (words.len() / words.shape().first().unwrap_or(&1).max(&1)).max(1);
                    return Err(Error::argument(
                        "StringLookup",
                        format!("words, row {row}"),
                        "in the vocabulary, where `num_oov_indices` is 0",
                        format!("{word:?}"),
                    ));
                }
            }
        }
        self.encoded(&indices, words.shape())
    }

    /// Indices as the output mode has them; `usize::MAX` counts for nothing.
    fn encoded(&self, indices: &[usize], shape: &[usize]) -> Result<ArrayD<f32>> {
        let depth = self.lookup.depth();
        let whole = |shape: &[usize], numbers: Vec<f32>| {
            ArrayD::from_shape_vec(shape, numbers)
                .map_err(|error| Error::argument("StringLookup", "words", "an array", error))
        };
        let mode = self.lookup.output_mode;
        if mode == OutputMode::Int {
            return whole(shape, indices.iter().map(|index| *index as f32).collect());
        }
        // Words that share a row of the output.
        let together = match (mode, shape) {
            (OutputMode::OneHot, _) => 1,
            (_, [_, words]) => *words,
            _ => {
                let wanted = "words of shape (batch, words) in this `output_mode`";
                return Err(Error::argument(
                    "StringLookup",
                    "words",
                    wanted,
                    format!("{shape:?}"),
                ));
            }
        };
        let outer = match (mode, shape) {
            (OutputMode::OneHot, [outer @ .., 1]) if !outer.is_empty() => outer,
            (OutputMode::OneHot, all) => all,
            (_, all) => all.get(..1).unwrap_or(&[]),
        };
        let mut out = vec![0.0; indices.len() / together.max(1) * depth];
        for (row, indices) in out
            .chunks_exact_mut(depth.max(1))
            .zip(indices.chunks(together.max(1)))
        {
            for index in indices {
                if let Some(place) = row.get_mut(*index) {
                    *place += 1.0;
                }
            }
            match mode {
                OutputMode::MultiHot => row.iter_mut().for_each(|n: &mut f32| *n = n.min(1.0)),
                OutputMode::TfIdf => {
                    row.iter_mut()
                        .zip(self.lookup.weights())
                        .for_each(|(n, w)| *n *= w);
                }
                _ => {}
            }
        }
        whole(&[outer, &[depth]].concat(), out)
    }

    /// The word of each index; that of the unknown for numbers that are none.
    pub fn inverse(&self, indices: &[f32]) -> Vec<String> {
        let word = |index: &f32| {
            let known = (*index >= 0.0 && index.fract() == 0.0).then_some(*index as usize);
            self.lookup
                .token(known.unwrap_or(usize::MAX))
                .unwrap_or_default()
        };
        indices.iter().map(word).collect()
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
        written(self)
    }
}
