//! [`Vocabulary`], what [`IntegerLookup`](super::IntegerLookup) and
//! [`StringLookup`](super::StringLookup) share: categories, and the index of each.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::encoding::OutputMode;
use super::hash::{Salt, bucket};
use crate::error::{Error, Result};

/// How numbers outside the vocabulary of an [`IntegerLookup`](super::IntegerLookup) are spread over
/// several indices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OovMethod {
    /// By the remainder of the number.
    #[default]
    FloorMod,
    /// By FarmHash of its decimal digits, or with a salt by SipHash: evenly, whatever the numbers.
    FarmHash,
}

/// The settings of a lookup, under Keras's names, and what it has learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + serde::de::DeserializeOwned")]
pub(super) struct Vocabulary<T> {
    #[serde(default)]
    pub(super) invert: bool,
    #[serde(default)]
    pub(super) max_tokens: Option<usize>,
    #[serde(default = "one")]
    pub(super) num_oov_indices: usize,
    pub(super) oov_token: Option<T>,
    #[serde(default)]
    pub(super) mask_token: Option<T>,
    #[serde(default)]
    pub(super) output_mode: OutputMode,
    #[serde(default)]
    pub(super) sparse: bool,
    #[serde(default)]
    pub(super) pad_to_max_tokens: bool,
    #[serde(default)]
    pub(super) idf_weights: Option<Vec<f32>>,
    #[serde(default)]
    pub(super) vocabulary: Option<Vec<T>>,
    #[serde(default)]
    pub(super) vocabulary_size: Option<usize>,
    #[serde(default)]
    pub(super) oov_method: OovMethod,
    #[serde(default)]
    pub(super) salt: Option<Salt>,
    /// What was learnt from data: the tokens in order, and their weights.
    #[serde(skip)]
    learnt: Option<(Vec<T>, Vec<f32>)>,
}

fn one() -> usize {
    1
}

/// A category.
pub(super) trait Token: Clone + Debug + Display + Ord + Hash {
    /// Whether those that are not known are always spread by a hash.
    const HASHED: bool;

    /// Which of several indices for what is not known it gets.
    fn outside(&self, indices: usize, method: OovMethod, salt: Option<Salt>) -> usize;
}

impl Token for i64 {
    const HASHED: bool = false;

    fn outside(&self, indices: usize, method: OovMethod, salt: Option<Salt>) -> usize {
        match method {
            OovMethod::FloorMod => self.rem_euclid(indices as i64) as usize,
            OovMethod::FarmHash => self.to_string().outside(indices, method, salt),
        }
    }
}

impl Token for String {
    const HASHED: bool = true;

    fn outside(&self, indices: usize, _method: OovMethod, salt: Option<Salt>) -> usize {
        bucket(self.as_bytes(), indices as u64, salt) as usize
    }
}

impl<T: Token> Vocabulary<T> {
    pub(super) fn new(oov_token: T) -> Self {
        Vocabulary {
            invert: false,
            max_tokens: None,
            num_oov_indices: 1,
            oov_token: Some(oov_token),
            mask_token: None,
            output_mode: OutputMode::Int,
            sparse: false,
            pad_to_max_tokens: false,
            idf_weights: None,
            vocabulary: None,
            vocabulary_size: None,
            oov_method: OovMethod::default(),
            salt: None,
            learnt: None,
        }
    }

    /// The index of the first that is not known: behind that of the mask.
    fn oov_start(&self) -> usize {
        usize::from(self.mask_token.is_some() && self.output_mode == OutputMode::Int)
    }

    /// The index of the first token.
    fn token_start(&self) -> usize {
        self.oov_start() + self.num_oov_indices
    }

    /// The tokens without mask and unknown, if they are given or learnt.
    pub(super) fn tokens(&self) -> Option<&[T]> {
        if let Some((tokens, _)) = &self.learnt {
            return Some(tokens);
        }
        let given = self.vocabulary.as_deref()?;
        let special = self.special();
        Some(given.strip_prefix(special.as_slice()).unwrap_or(given))
    }

    /// What stands before the tokens.
    fn special(&self) -> Vec<T> {
        let mask = self.mask_token.iter().take(self.oov_start()).cloned();
        let oov = self
            .oov_token
            .iter()
            .flat_map(|oov| vec![oov.clone(); self.num_oov_indices]);
        mask.chain(oov).collect()
    }

    /// How many indices have a token, those of mask and unknown included.
    pub(super) fn size(&self) -> usize {
        self.token_start() + self.tokens().map_or(0, <[T]>::len)
    }

    /// How long rows of ones and zeros are.
    pub(super) fn depth(&self) -> usize {
        match self.max_tokens {
            Some(most) if self.pad_to_max_tokens => most,
            _ => self.size(),
        }
    }

    /// The settings with what was learnt among them, so that a configuration holds all.
    pub(super) fn saved(&self) -> Self {
        let mut saved = self.clone();
        if let Some((tokens, weights)) = saved.learnt.take() {
            saved.vocabulary = Some(tokens);
            saved.idf_weights = (self.output_mode == OutputMode::TfIdf).then_some(weights);
        }
        saved.vocabulary_size = self.tokens().map(|_| self.size());
        saved
    }

    /// The weights of [`OutputMode::TfIdf`], one for each index.
    pub(super) fn weights(&self) -> Vec<f32> {
        let (front, own): (bool, &[f32]) = match (&self.learnt, &self.idf_weights) {
            (Some((_, weights)), _) => (true, weights),
            (None, Some(weights)) => {
                let special = self.special();
                let given = self.vocabulary.as_deref().unwrap_or(&[]);
                (special.is_empty() || !given.starts_with(&special), weights)
            }
            _ => (false, &[]),
        };
        let mean = own.iter().sum::<f32>() / own.len().max(1) as f32;
        let front = if front { self.token_start() } else { 0 };
        let mut all = vec![mean; front];
        all.extend_from_slice(own);
        all.resize(self.depth(), 0.0);
        all
    }

    /// Learns tokens from documents: the most frequent first, of equally frequent ones the largest,
    /// as in Keras.
    pub(super) fn adapt<'d>(
        &mut self,
        class_name: &str,
        documents: impl Iterator<Item = Vec<T>> + 'd,
    ) -> Result<()> {
        if self.vocabulary.is_some() {
            let wanted = "left out where `vocabulary` is given";
            return Err(Error::argument(class_name, "adapt", wanted, "data"));
        }
        let mut counts: HashMap<T, (u64, u64)> = HashMap::new();
        let mut total = 0_u64;
        for mut tokens in documents {
            total += 1;
            tokens.sort_unstable();
            for same in tokens.chunk_by(|a, b| a == b) {
                let Some(token) = same.first() else { continue };
                let (count, documents) = match counts.get_mut(token) {
                    Some(known) => known,
                    None => counts.entry(token.clone()).or_default(),
                };
                *count += same.len() as u64;
                *documents += 1;
            }
        }
        if counts.is_empty() {
            let wanted = "given data with tokens";
            return Err(Error::argument(class_name, "adapt", wanted, "none"));
        }
        for special in self.mask_token.iter().chain(&self.oov_token) {
            counts.remove(special);
        }
        let mut all: Vec<(u64, T, u64)> = counts
            .into_iter()
            .map(|(token, (count, documents))| (count, token, documents))
            .collect();
        all.sort_unstable_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
        if let Some(most) = self.max_tokens {
            all.truncate(most.saturating_sub(self.token_start()));
        }
        let weight = |documents: u64| (1.0 + total as f64 / (1.0 + documents as f64)).ln() as f32;
        self.learnt = Some(
            all.into_iter()
                .map(|(_, token, n)| (token, weight(n)))
                .unzip(),
        );
        Ok(())
    }

    /// A table to look tokens up in.
    pub(super) fn table(&self) -> Table<T> {
        let start = self.token_start();
        let tokens = self.tokens().unwrap_or(&[]);
        Table {
            indices: tokens
                .iter()
                .enumerate()
                .map(|(i, t)| (t.clone(), start + i))
                .collect(),
            mask: self.mask_token.clone(),
            masked: self.oov_start().checked_sub(1),
            oov_start: self.oov_start(),
            oov: self.num_oov_indices,
            method: self.oov_method,
            salt: self.salt,
        }
    }

    /// The token of an index; that of the unknown where it is none.
    pub(super) fn token(&self, index: usize) -> Option<T> {
        if index == 0 && self.mask_token.is_some() && self.oov_start() == 1 {
            return self.mask_token.clone();
        }
        let place = index.checked_sub(self.token_start());
        let known = place.and_then(|place| self.tokens()?.get(place).cloned());
        known.or(self.oov_token.clone())
    }

    pub(super) fn validate(&self, class_name: &str) -> Result<()> {
        let bad = |argument: &'static str, expected: String, found: String| {
            Err(Error::argument(class_name, argument, expected, found))
        };
        if let Some(most) = self.max_tokens.filter(|most| *most <= 1) {
            return bad("max_tokens", "at least 2".into(), most.to_string());
        }
        if self.pad_to_max_tokens && self.max_tokens.is_none() {
            return bad(
                "pad_to_max_tokens",
                "false without `max_tokens`".into(),
                "true".into(),
            );
        }
        if self.sparse {
            return bad("sparse", "false".into(), "true".into());
        }
        if self.invert && self.output_mode != OutputMode::Int {
            let found = format!("{:?}", self.output_mode);
            return bad("output_mode", "`Int` where it inverts".into(), found);
        }
        if self.idf_weights.is_some() && self.output_mode != OutputMode::TfIdf {
            let found = format!("`{:?}`", self.output_mode);
            return bad("output_mode", "`TfIdf` with `idf_weights`".into(), found);
        }
        if self.salt.is_some() && !T::HASHED && self.oov_method == OovMethod::FloorMod {
            let wanted = "`FarmHash` with a `salt`".into();
            return bad("oov_method", wanted, "`FloorMod`".into());
        }
        if self.num_oov_indices > 1 << 24 {
            let found = self.num_oov_indices.to_string();
            return bad("num_oov_indices", "at most 16 777 216".into(), found);
        }
        let Some(tokens) = self.tokens() else {
            return Ok(());
        };
        if tokens.is_empty() && self.learnt.is_none() {
            return bad("vocabulary", "at least one token".into(), "none".into());
        }
        let mut sorted: Vec<&T> = tokens.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
            return bad(
                "vocabulary",
                "of different tokens".into(),
                format!("{:?} twice", pair[0]),
            );
        }
        // The token of the unknown is not used but on the way back.
        let oov = self.oov_token.iter().filter(|_| self.invert);
        let mut special = self.mask_token.iter().chain(oov);
        if let Some(token) = special.find(|token| tokens.contains(token)) {
            let wanted = "without the tokens of mask and unknown, or with all of them in front";
            return bad("vocabulary", wanted.into(), format!("{token:?}"));
        }
        let size = self.token_start() + tokens.len();
        if let Some(most) = self.max_tokens.filter(|most| size > *most) {
            return bad(
                "vocabulary",
                format!("of at most `max_tokens`, {most}"),
                size.to_string(),
            );
        }
        let weighted = self.output_mode == OutputMode::TfIdf && self.learnt.is_none();
        match (&self.idf_weights, &self.vocabulary) {
            (None, _) if weighted => bad(
                "idf_weights",
                "given with the vocabulary".into(),
                "none".into(),
            ),
            (Some(weights), Some(given)) if weights.len() != given.len() => bad(
                "idf_weights",
                format!("one for each of {} tokens", given.len()),
                weights.len().to_string(),
            ),
            _ => Ok(()),
        }
    }
}

/// Tokens and their indices.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    indices: HashMap<T, usize>,
    mask: Option<T>,
    masked: Option<usize>,
    oov_start: usize,
    oov: usize,
    method: OovMethod,
    salt: Option<Salt>,
}

impl<T: Token> Table<T> {
    /// The index of a token; nothing for one that is not known where nothing stands for that, and
    /// for the mask where it counts for nothing.
    pub(super) fn index(&self, token: &T) -> Option<usize> {
        if self.mask.as_ref() == Some(token) {
            return self.masked;
        }
        match (self.indices.get(token), self.oov) {
            (Some(index), _) => Some(*index),
            (None, 0) => None,
            (None, 1) => Some(self.oov_start),
            (None, several) => {
                Some(self.oov_start + token.outside(several, self.method, self.salt))
            }
        }
    }

    /// Whether a token is one that stands for nothing.
    pub(super) fn masks(&self, token: &T) -> bool {
        self.mask.as_ref() == Some(token)
    }
}

/// The builder methods of a lookup of `$token`s.
macro_rules! lookup_builder {
    ($token:ty, $into:ty) => {
        /// The tokens, in the order of their indices, in place of adapting; the mask and the unknown
        /// are left out, or stand before them.
        pub fn vocabulary<V: Into<$token>>(mut self, tokens: impl IntoIterator<Item = V>) -> Self {
            self.lookup.vocabulary = Some(tokens.into_iter().map(Into::into).collect());
            self
        }

        /// The weights of [`OutputMode::TfIdf`], one for each token of the vocabulary.
        pub fn idf_weights(mut self, weights: impl Into<Vec<f32>>) -> Self {
            self.lookup.idf_weights = Some(weights.into());
            self
        }

        /// How many indices there are at most, those of mask and unknown included. Default: any
        /// number.
        pub fn max_tokens(mut self, most: usize) -> Self {
            self.lookup.max_tokens = Some(most);
            self
        }

        /// How many indices stand for tokens that are not known; with 0 they are an error.
        /// Default: 1.
        pub fn num_oov_indices(mut self, count: usize) -> Self {
            self.lookup.num_oov_indices = count;
            self
        }

        /// A token that stands for nothing, with the index 0. Default: none.
        pub fn mask_token(mut self, token: impl Into<$token>) -> Self {
            self.lookup.mask_token = Some(token.into());
            self
        }

        /// Spreads tokens that are not known over several indices by SipHash, of two numbers of one's
        /// own. Default: by FarmHash.
        pub fn salt(mut self, a: u64, b: u64) -> Self {
            self.lookup.salt = Some($crate::layers::hash::Salt([a, b]));
            self
        }

        /// What an index of the unknown becomes on the way back.
        pub fn oov_token(mut self, token: impl Into<$token>) -> Self {
            self.lookup.oov_token = Some(token.into());
            self
        }

        /// How the indices are given out. Default: [`OutputMode::Int`].
        pub fn output_mode(mut self, mode: OutputMode) -> Self {
            self.lookup.output_mode = mode;
            self
        }

        /// Whether rows of ones and zeros are `max_tokens` long. Default: false, as long as needed.
        pub fn pad_to_max_tokens(mut self, pad: bool) -> Self {
            self.lookup.pad_to_max_tokens = pad;
            self
        }

        /// Whether it turns indices into tokens. Default: false.
        pub fn invert(mut self, invert: bool) -> Self {
            self.lookup.invert = invert;
            self
        }
    };
}
pub(super) use lookup_builder;
