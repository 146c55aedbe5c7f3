//! [`IntegerLookup`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::encoding::{OutputMode, encode};
use super::mapped::map;
use super::vocabulary::{Vocabulary, lookup_builder};
use super::{Layer, shared_settings, written};
use crate::data::AsRows;
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Whole numbers that name categories, as indices from 0 on: postal codes, numbers of articles.
///
/// The categories are given as `vocabulary`, or learnt from data by
/// [`adapt`](IntegerLookup::adapt), the most frequent first. Index 0 stands for what is not known
/// (with a `mask_token`, 0 for that and 1 for what is not known). With `num_oov_indices(0)` what is
/// not known turns NaN, which training reports.
///
/// Numbers above 2^24 are not exact as `f32`, and so not in a model.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/categorical/integer_lookup/>
///
/// # Examples
///
/// ```
/// use horn::layers::IntegerLookup;
/// use horn::prelude::*;
///
/// let lookup = IntegerLookup::new().adapt(&array![[12], [1138], [12], [42]])?;
/// assert_eq!(lookup.get_vocabulary(), [-1, 12, 1138, 42]);
/// let mut model = Sequential::new().add(Input::new([1])).add(lookup);
/// model.build()?;
/// assert_eq!(model.predict(&array![[42], [7]])?, array![[3.0], [0.0]]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Read")]
pub struct IntegerLookup {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    lookup: Vocabulary<i64>,
}

/// As Keras's configuration has it.
#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    lookup: Vocabulary<i64>,
}

impl From<Read> for IntegerLookup {
    fn from(Read { base, mut lookup }: Read) -> Self {
        lookup.oov_token = lookup.oov_token.or(Some(-1));
        IntegerLookup { base, lookup }
    }
}

impl Default for IntegerLookup {
    fn default() -> Self {
        let base = Base {
            dtype: "int64".into(),
            ..Base::default()
        };
        IntegerLookup {
            base,
            lookup: Vocabulary::new(-1),
        }
    }
}

impl IntegerLookup {
    /// Of numbers that [`vocabulary`](Self::vocabulary) gives or [`adapt`](Self::adapt) learns.
    pub fn new() -> Self {
        Self::default()
    }

    lookup_builder!(i64, i64);
    shared_settings!(builder);

    /// Learns the categories of data, one document a row.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) where the vocabulary is given.
    pub fn adapt(mut self, data: &(impl AsRows + ?Sized)) -> Result<Self> {
        let rows = data.as_rows();
        let mut row = vec![0.0; rows.row_size()];
        let documents = (0..rows.len()).map(|i| {
            rows.gather_range(i..i + 1, &mut row);
            row.iter().map(|token| *token as i64).collect::<Vec<i64>>()
        });
        self.lookup
            .adapt("IntegerLookup", documents.collect::<Vec<_>>().into_iter())?;
        Ok(self)
    }

    /// The token of each index, those of mask and unknown included.
    pub fn get_vocabulary(&self) -> Vec<i64> {
        (0..self.lookup.depth())
            .filter_map(|index| self.lookup.token(index))
            .collect()
    }
}

impl Layer for IntegerLookup {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        if self.lookup.tokens().is_none() {
            return x.fail("has not seen data: call `adapt` before the model is built".into());
        }
        if self.lookup.invert {
            let lookup = self.lookup.clone();
            return map(x, "integer_lookup", move |x| {
                lookup
                    .token(x as usize)
                    .map_or(f32::NAN, |token| token as f32)
            });
        }
        let table = self.lookup.table();
        let nothing = match self.lookup.output_mode {
            OutputMode::Int => f32::NAN,
            // A row of zeros.
            _ => -1.0,
        };
        let indices = map(x, "integer_lookup", move |x| {
            table
                .index(&(x as i64))
                .map_or(nothing, |index| index as f32)
        });
        encode(
            &indices,
            self.lookup.output_mode,
            self.lookup.depth(),
            &self.lookup.weights(),
        )
    }

    fn class_name(&self) -> &str {
        "IntegerLookup"
    }

    fn validate(&self) -> Result<()> {
        self.lookup.validate("IntegerLookup")
    }

    fn name(&self) -> Option<&str> {
        self.base.name.as_deref()
    }

    fn config(&self) -> serde_json::Value {
        let mut config = written(self);
        if let Some(fields) = config.as_object_mut() {
            fields.insert("vocabulary_dtype".into(), "int64".into());
        }
        config
    }
}
