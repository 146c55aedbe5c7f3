//! [`Hashing`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::encoding::{OutputMode, encode};
use super::hash::{Salt, bucket};
use super::mapped::map;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Categories without a vocabulary: each falls into one of `num_bins` bins by a hash of its text.
///
/// Inputs are whole numbers, hashed as their decimal digits; strings are hashed before the model, by
/// [`bin`](Hashing::bin), and so are numbers above 2^24, which are not exact as `f32`. Different categories may share a bin. The bins are those of Keras and
/// TensorFlow: FarmHash's 64-bit fingerprint, or with a `salt` SipHash-2-4.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/categorical/hashing/>
///
/// # Examples
///
/// ```
/// use horn::layers::Hashing;
/// use horn::prelude::*;
///
/// let hashing = Hashing::new(3);
/// assert_eq!(["A", "B", "C"].map(|word| hashing.bin(word)), [1, 0, 1]);
///
/// // With ids as inputs it is a layer.
/// let mut model = Sequential::new().add(Input::new([1])).add(Hashing::new(3));
/// model.build()?;
/// assert!(model.predict(&array![[2026]])?[[0, 0]] < 3.0);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hashing {
    #[serde(flatten)]
    base: Base,
    num_bins: u64,
    salt: Option<Salt>,
    mask_value: Option<Mask>,
    output_mode: OutputMode,
    sparse: bool,
}

/// The category that stands for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Mask {
    Number(i64),
    Text(String),
}

impl Default for Hashing {
    fn default() -> Self {
        let base = Base {
            dtype: "int64".into(),
            ..Base::default()
        };
        Hashing {
            base,
            num_bins: 0,
            salt: None,
            mask_value: None,
            output_mode: OutputMode::Int,
            sparse: false,
        }
    }
}

impl Hashing {
    /// Into so many bins, at least 1.
    pub fn new(num_bins: u64) -> Self {
        Hashing {
            num_bins,
            ..Self::default()
        }
    }

    /// Another hash, of two numbers of one's own.
    pub fn salt(mut self, a: u64, b: u64) -> Self {
        self.salt = Some(Salt([a, b]));
        self
    }

    /// A number that stands for nothing: it alone falls into bin 0.
    pub fn mask_value(mut self, value: i64) -> Self {
        self.mask_value = Some(Mask::Number(value));
        self
    }

    /// A word that stands for nothing: it alone falls into bin 0.
    pub fn mask_text(mut self, text: impl Into<String>) -> Self {
        self.mask_value = Some(Mask::Text(text.into()));
        self
    }

    /// How the bins are given out. Default: [`OutputMode::Int`].
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        self.output_mode = mode;
        self.base.dtype = match mode {
            OutputMode::Int => "int64".into(),
            _ => "float32".into(),
        };
        self
    }

    shared_settings!(builder);

    /// The bin of a word.
    pub fn bin(&self, text: impl AsRef<str>) -> u64 {
        let text = text.as_ref();
        let masks = match &self.mask_value {
            Some(Mask::Text(mask)) => text == mask,
            Some(Mask::Number(mask)) => text == mask.to_string(),
            None => false,
        };
        match self.mask_value.is_some() && self.num_bins > 1 {
            true if masks => 0,
            true => bucket(text.as_bytes(), self.num_bins - 1, self.salt) + 1,
            false => bucket(text.as_bytes(), self.num_bins, self.salt),
        }
    }
}

impl Layer for Hashing {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let hashing = self.clone();
        // A number is hashed without what is behind its point, as in Keras.
        let bins = map(x, "hashing", move |x| {
            hashing.bin((x as i64).to_string()) as f32
        });
        encode(&bins, self.output_mode, self.num_bins as usize, &[])
    }

    fn class_name(&self) -> &str {
        "Hashing"
    }

    fn validate(&self) -> Result<()> {
        // Above 2^24 not every bin is an `f32`.
        if !(1..=1 << 24).contains(&self.num_bins) {
            let wanted = "from 1 to 16 777 216";
            return Err(Error::argument(
                "Hashing",
                "num_bins",
                wanted,
                self.num_bins,
            ));
        }
        match self.sparse || self.output_mode == OutputMode::TfIdf {
            false => Ok(()),
            true => Err(Error::argument(
                "Hashing",
                "output_mode",
                "dense, and not `TfIdf`",
                format!("{:?}", self.output_mode),
            )),
        }
    }

    shared_settings!(layer);
}
