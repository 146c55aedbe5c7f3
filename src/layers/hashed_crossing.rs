//! [`HashedCrossing`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::config::Base;
use super::encoding::{OutputMode, encode};
use super::fingerprint::fingerprint;
use super::hash::crossed;
use super::{Layer, shared_settings, written};
use crate::error::{Error, Result};
use crate::graph::{Scope, Shape, Value};
use crate::ops::{Backward, Forward, Operation};

/// Several categories as one: each combination falls into one of `num_bins` bins by a hash.
///
/// A linear model cannot tell that a colour matters for one kind of fruit only; with the bins of
/// both together it can. Different combinations may share a bin. The bins are those of Keras and
/// TensorFlow.
///
/// | | shape |
/// |---|---|
/// | `x` | `(batch, categories)`, whole numbers, at least two a row |
/// | `y` | `(batch, 1)`, or with [`OutputMode::OneHot`] `(batch, num_bins)` |
///
/// Keras takes a list of arrays; here they are the columns of one. Words are crossed before the model,
/// by [`bin`](HashedCrossing::bin), and so are numbers above 2^24, which are not exact as `f32`.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/categorical/hashed_crossing/>
///
/// # Examples
///
/// ```
/// use horn::layers::HashedCrossing;
/// use horn::prelude::*;
///
/// let crossing = HashedCrossing::new(5);
/// assert_eq!(crossing.bin(["A".into(), 101.into()]), 1);
/// assert_eq!(crossing.bin(["B".into(), 101.into()]), 4);
///
/// // With ids as inputs it is a layer.
/// let mut model = Sequential::new().add(Input::new([2])).add(HashedCrossing::new(5));
/// model.build()?;
/// assert!(model.predict(&array![[7, 101]])?[[0, 0]] < 5.0);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HashedCrossing {
    #[serde(flatten)]
    base: Base,
    num_bins: u64,
    output_mode: OutputMode,
    sparse: bool,
}

/// A category that [`HashedCrossing`] crosses with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category<'a> {
    /// A word.
    Text(&'a str),
    /// A whole number.
    Number(i64),
}

impl<'a> From<&'a str> for Category<'a> {
    fn from(text: &'a str) -> Self {
        Category::Text(text)
    }
}

impl From<i64> for Category<'_> {
    fn from(number: i64) -> Self {
        Category::Number(number)
    }
}

impl Category<'_> {
    /// What is hashed: a number itself, and the hash of a word.
    fn bits(&self) -> u64 {
        match self {
            Category::Text(text) => fingerprint(text.as_bytes()),
            Category::Number(number) => *number as u64,
        }
    }
}

impl Default for HashedCrossing {
    fn default() -> Self {
        let base = Base {
            dtype: "int64".into(),
            ..Base::default()
        };
        HashedCrossing {
            base,
            num_bins: 0,
            output_mode: OutputMode::Int,
            sparse: false,
        }
    }
}

impl HashedCrossing {
    /// Into so many bins, at least 1.
    pub fn new(num_bins: u64) -> Self {
        HashedCrossing {
            num_bins,
            ..Self::default()
        }
    }

    /// How the bins are given out: [`OutputMode::Int`], the default, or [`OutputMode::OneHot`].
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        self.output_mode = mode;
        self.base.dtype = match mode {
            OutputMode::Int => "int64".into(),
            _ => "float32".into(),
        };
        self
    }

    shared_settings!(builder);

    /// The bin of a combination.
    pub fn bin<'a>(&self, categories: impl IntoIterator<Item = Category<'a>>) -> u64 {
        crossed(categories.into_iter().map(|c| c.bits()), self.num_bins)
    }
}

/// The bin of each row.
#[derive(Debug, Clone, Copy)]
struct Crossed {
    bins: u64,
}

impl Operation for Crossed {
    fn name(&self) -> &str {
        "hashed_crossing"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if x.rank() == 2 && x.last() > 1 => Ok(x.with(1, 1)),
            _ => Err(format!(
                "expects inputs of shape (batch, categories), at least two of them, got {inputs:?}"
            )),
        }
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let columns = run.input_shape(0).last().max(1);
        for (y, row) in output.iter_mut().zip(run.input(0).chunks_exact(columns)) {
            *y = crossed(row.iter().map(|x| *x as i64 as u64), self.bins) as f32;
        }
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}

impl Layer for HashedCrossing {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let bins = self.num_bins;
        encode(
            &x.custom(Crossed { bins }, &[]),
            self.output_mode,
            bins as usize,
            &[],
        )
    }

    fn class_name(&self) -> &str {
        "HashedCrossing"
    }

    fn validate(&self) -> Result<()> {
        let bad = |argument: &str, wanted: &str, found: String| {
            Err(Error::argument("HashedCrossing", argument, wanted, found))
        };
        // Above 2^24 not every bin is an `f32`.
        if !(1..=1 << 24).contains(&self.num_bins) {
            return bad(
                "num_bins",
                "from 1 to 16 777 216",
                self.num_bins.to_string(),
            );
        }
        let known = matches!(self.output_mode, OutputMode::Int | OutputMode::OneHot);
        match known && !self.sparse {
            true => Ok(()),
            false => {
                let found = format!("{:?}", self.output_mode);
                bad("output_mode", "dense, `Int` or `OneHot`", found)
            }
        }
    }

    fn name(&self) -> Option<&str> {
        self.base.name.as_deref()
    }

    fn config(&self) -> Json {
        // Keras neither writes nor takes `trainable` here.
        let mut config = written(self);
        if let Some(fields) = config.as_object_mut() {
            fields.remove("trainable");
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    /// Of Keras's documentation of the class.
    #[test]
    fn bins_are_those_of_keras() {
        let crossing = HashedCrossing::new(5);
        let pairs = [("A", 101), ("B", 101), ("A", 101), ("B", 102), ("A", 102)];
        let bins = pairs.map(|(letter, number)| crossing.bin([letter.into(), number.into()]));
        assert_eq!(bins, [1, 4, 1, 1, 3]);
        // The order matters, as in TensorFlow.
        let many = HashedCrossing::new(1 << 20);
        let (a, b) = (Category::Number(1), Category::Number(2));
        assert_ne!(many.bin([a, b]), many.bin([b, a]));
    }

    #[test]
    fn a_layer_crosses_the_columns_of_each_row() -> Result<()> {
        let crossing = HashedCrossing::new(7);
        let rows = [[3.0, -5.0, 8.0], [1.0, 2.0, 3.0]];
        let want = rows.map(|row| crossing.bin(row.map(|x| Category::Number(x as i64))) as usize);
        let mut probe = Probe::layer(&crossing, &[2, 3], false)?;
        probe.set_inputs(&[rows.concat()]);
        assert_eq!(probe.output_shape(), [2, 1]);
        assert_eq!(probe.forward(), want.map(|bin| bin as f32));
        let one_hot = crossing.output_mode(OutputMode::OneHot);
        let mut probe = Probe::layer(&one_hot, &[2, 3], false)?;
        probe.set_inputs(&[rows.concat()]);
        assert_eq!(probe.output_shape(), [2, 7]);
        let y = probe.forward();
        for (row, bin) in y.chunks(7).zip(want) {
            assert!(
                row.iter()
                    .enumerate()
                    .all(|(i, y)| (*y == 1.0) == (i == bin))
            );
        }
        Ok(())
    }

    #[test]
    fn wrong_settings_and_shapes_are_refused() {
        for layer in [
            HashedCrossing::new(0),
            HashedCrossing::new(1 << 25),
            HashedCrossing::new(5).output_mode(OutputMode::Count),
        ] {
            assert!(layer.validate().is_err(), "{layer:?}");
        }
        for shape in [&[4][..], &[4, 1], &[4, 2, 2]] {
            assert!(Probe::layer(&HashedCrossing::new(5), shape, false).is_err());
        }
    }

    #[test]
    fn its_configuration_is_that_of_keras() -> Result<()> {
        let config = HashedCrossing::new(5).config();
        let want = serde_json::json!({
            "num_bins": 5, "output_mode": "int", "sparse": false, "dtype": "int64",
        });
        assert_eq!(config, want);
        let json = serde_json::json!({"class_name": "HashedCrossing", "config": config});
        assert_eq!(crate::layers::from_keras(&json)?.config(), want);
        Ok(())
    }
}
