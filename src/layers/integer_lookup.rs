//! [`IntegerLookup`].

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::config::Base;
use super::encoding::{OutputMode, encode};
use super::mapped::map;
use super::vocabulary::{OovMethod, Vocabulary, lookup_builder};
use super::{Layer, shared_settings, written};
use crate::data::AsRows;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Whole numbers that name categories, as indices from 0 on: postal codes, numbers of articles.
///
/// The categories are given as `vocabulary`, or learnt from data by
/// [`adapt`](IntegerLookup::adapt), the most frequent first. Index 0 stands for what is not known
/// (with a `mask_token`, 0 for that and 1 for what is not known). With `num_oov_indices(0)` what is
/// not known turns NaN in a model, which training reports; as rows of ones and zeros it is all zeros.
///
/// Numbers above 2^24 are not exact as `f32`, and so not in a model: learn them with
/// [`adapt_exact`](IntegerLookup::adapt_exact), and look them up before it with
/// [`call`](IntegerLookup::call).
///
/// Its configuration holds the vocabulary also where it is learnt, which Keras reads but does not do:
/// it keeps such in a file of its own.
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
        IntegerLookup {
            base: Base::default(),
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

    /// How numbers that are not known are spread over several indices. Default:
    /// [`OovMethod::FloorMod`].
    pub fn oov_method(mut self, method: OovMethod) -> Self {
        self.lookup.oov_method = method;
        self
    }

    /// Learns the categories of data, one document a row.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for data without numbers or with ones that are not whole or above 2^24, and
    /// where the vocabulary is given.
    pub fn adapt(mut self, data: &(impl AsRows + ?Sized)) -> Result<Self> {
        let rows = data.as_rows();
        let exact = |token: f32| token.fract() == 0.0 && token.abs() < EXACT as f32;
        if let Some((row, column, token)) = rows.first_where(|token| !exact(token)) {
            return Err(Error::argument(
                "IntegerLookup",
                "adapt",
                "given whole numbers below 16 777 216 (`adapt_exact` takes larger ones)",
                format!("{token} in row {row}, column {column}"),
            ));
        }
        let mut row = vec![0.0; rows.row_size()];
        let documents = (0..rows.len()).map(|i| {
            rows.gather_range(i..i + 1, &mut row);
            row.iter().map(|token| *token as i64).collect()
        });
        self.lookup.adapt("IntegerLookup", documents)?;
        Ok(self)
    }

    /// The same for numbers of any size.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for data without numbers, and where the vocabulary is given.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::IntegerLookup;
    /// use horn::prelude::*;
    ///
    /// let articles = array![[4_006_381_333_931_i64], [4_006_381_333_932], [4_006_381_333_931]];
    /// let lookup = IntegerLookup::new().adapt_exact(&articles)?;
    /// assert_eq!(lookup.call(&articles)?, array![[1.0], [2.0], [1.0]].into_dyn());
    /// assert_eq!(lookup.inverse(&[2.0, 0.0]), [4_006_381_333_932, -1]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn adapt_exact<D: ndarray::Dimension>(
        mut self,
        data: &ndarray::ArrayRef<i64, D>,
    ) -> Result<Self> {
        let in_a_row = data.shape().iter().skip(1).product::<usize>();
        let mut tokens = data.iter().copied();
        let rows = (0..data.shape().first().copied().unwrap_or(1))
            .map(|_| tokens.by_ref().take(in_a_row).collect());
        self.lookup.adapt("IntegerLookup", rows)?;
        Ok(self)
    }

    /// The index of each number, or with an [`output_mode`](Self::output_mode) rows of ones and zeros:
    /// what the layer does in a model, before it and for numbers of any size.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a number that is not known, with its place, where there is no index for
    /// such; settings out of range; where it has not seen data.
    ///
    /// # Examples
    ///
    /// See [`adapt_exact`](Self::adapt_exact).
    pub fn call<D: ndarray::Dimension>(
        &self,
        tokens: &ndarray::ArrayRef<i64, D>,
    ) -> Result<ArrayD<f32>> {
        let shape = tokens.shape();
        self.lookup
            .look_up("IntegerLookup", tokens.iter().copied(), shape)
    }

    /// The number of each index; that of the unknown for those that are none.
    pub fn inverse(&self, indices: &[f32]) -> Vec<i64> {
        let tokens = self.lookup.inverse(indices);
        tokens.map(Option::unwrap_or_default).collect()
    }

    /// The token of each index, those of mask and unknown included.
    pub fn get_vocabulary(&self) -> Vec<i64> {
        self.lookup.all()
    }
}

/// From here on not every whole number is an `f32`.
const EXACT: i64 = 1 << 24;

impl Layer for IntegerLookup {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let Some(tokens) = self.lookup.tokens() else {
            return x.fail("has not seen data: call `adapt` before the model is built".into());
        };
        let special = self.lookup.mask_token.iter().chain(&self.lookup.oov_token);
        let mut all = tokens.iter().chain(special);
        if let Some(token) = all.find(|token| token.unsigned_abs() > EXACT.unsigned_abs()) {
            return x.fail(format!(
                "{token} is above 16 777 216 and not exact in a model: look the numbers up before it, \
                 with `IntegerLookup::call`"
            ));
        }
        if self.lookup.invert {
            let lookup = self.lookup.clone();
            return map(x, "integer_lookup", move |x| {
                let token = lookup.inverse(&[x]).next().flatten();
                token.map_or(f32::NAN, |token| token as f32)
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
        let mut config = written(&IntegerLookup {
            lookup: self.lookup.saved(),
            ..self.clone()
        });
        if let Some(fields) = config.as_object_mut() {
            fields.insert("vocabulary_dtype".into(), "int64".into());
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;
    use ndarray::array;
    use serde_json::json;

    /// What the layer gives in a model, which `call` gives before it.
    fn both(layer: &IntegerLookup, tokens: &ndarray::Array2<i64>) -> Result<Vec<f32>> {
        let mut probe = Probe::layer(layer, tokens.shape(), false)?;
        probe.set_inputs(&[tokens.iter().map(|token| *token as f32).collect()]);
        let got = probe.forward();
        let called = layer.call(tokens)?;
        assert_eq!(called.shape(), probe.output_shape());
        assert_eq!(called.into_raw_vec_and_offset().0, got);
        Ok(got)
    }

    fn known() -> IntegerLookup {
        IntegerLookup::new().vocabulary([12_i64, 36, 1138, 42])
    }

    /// All values are those of the examples in Keras's documentation of the class.
    #[test]
    fn every_output_mode_is_that_of_keras() -> Result<()> {
        let tokens = array![[12, 1138, 42], [42, 1000, 36]];
        assert_eq!(both(&known(), &tokens)?, [1., 3., 4., 4., 0., 2.]);
        let tokens = array![[12, 1138, 42], [37, 1000, 36]];
        let two = known().num_oov_indices(2);
        assert_eq!(both(&two, &tokens)?, [2., 4., 5., 1., 0., 3.]);

        let tokens = array![[100, 300, 700, 1100, 1700, 2000]];
        let four = IntegerLookup::new()
            .vocabulary([10_i64, 20, 30])
            .num_oov_indices(4);
        assert_eq!(both(&four, &tokens)?, [0.0; 6]);
        let hashed = four.oov_method(OovMethod::FarmHash);
        assert_eq!(both(&hashed, &tokens)?, [3., 3., 2., 2., 0., 1.]);

        let one_hot = known().output_mode(OutputMode::OneHot);
        let got = both(&one_hot, &array![[12], [42], [7]])?;
        assert_eq!(
            got,
            [0., 1., 0., 0., 0., 0., 0., 0., 0., 1., 1., 0., 0., 0., 0.]
        );

        let tokens = array![[12, 1138, 42, 42], [42, 7, 36, 7]];
        let many = known().output_mode(OutputMode::MultiHot);
        assert_eq!(
            both(&many, &tokens)?,
            [0., 1., 0., 1., 1., 1., 0., 1., 0., 1.]
        );
        let count = known().output_mode(OutputMode::Count);
        assert_eq!(
            both(&count, &tokens)?,
            [0., 1., 0., 1., 2., 2., 0., 1., 0., 1.]
        );
        let padded = count.max_tokens(7).pad_to_max_tokens(true);
        let want = [0., 1., 0., 1., 2., 0., 0., 2., 0., 1., 0., 1., 0., 0.];
        assert_eq!(both(&padded, &tokens)?, want);
        assert_eq!(padded.get_vocabulary(), [-1, 12, 36, 1138, 42]);

        let idf = known()
            .output_mode(OutputMode::TfIdf)
            .idf_weights([0.25, 0.75, 0.6, 0.4]);
        let want = [0., 0.25, 0., 0.6, 0.8, 1., 0., 0.75, 0., 0.4];
        assert_eq!(both(&idf, &tokens)?, want);
        // The weight of the unknown, where the vocabulary begins with it.
        let idf = IntegerLookup::new()
            .vocabulary([-1_i64, 12, 36, 1138, 42])
            .output_mode(OutputMode::TfIdf)
            .idf_weights([0.9, 0.25, 0.75, 0.6, 0.4]);
        let want = [0., 0.25, 0., 0.6, 0.8, 1.8, 0., 0.75, 0., 0.4];
        assert_eq!(both(&idf, &tokens)?, want);
        Ok(())
    }

    #[test]
    fn masks_come_first_as_indices_and_count_for_nothing_otherwise() -> Result<()> {
        let masked = || known().mask_token(0_i64);
        let tokens = array![[0, 12, 7, 42]];
        assert_eq!(both(&masked(), &tokens)?, [0., 2., 1., 5.]);
        assert_eq!(masked().get_vocabulary(), [0, -1, 12, 36, 1138, 42]);
        let count = masked().output_mode(OutputMode::Count);
        assert_eq!(both(&count, &tokens)?, [1., 1., 0., 0., 1.]);
        Ok(())
    }

    #[test]
    fn what_is_learnt_is_in_the_configuration() -> Result<()> {
        let data = array![[12, 1138, 42], [42, 1000, 36]];
        let learnt = IntegerLookup::new().adapt(&data)?;
        // Of Keras's documentation.
        assert_eq!(learnt.get_vocabulary(), [-1, 42, 1138, 1000, 36, 12]);
        assert_eq!(both(&learnt, &data)?, [5., 2., 1., 1., 3., 4.]);
        let capped = IntegerLookup::new().max_tokens(3).adapt(&data)?;
        assert_eq!(capped.get_vocabulary(), [-1, 42, 1138]);

        let idf = IntegerLookup::new()
            .output_mode(OutputMode::TfIdf)
            .adapt(&data)?;
        // ln(1 + 2 / (1 + documents)): 42 is in both, the others in one, the unknown has the mean.
        let (twice, once) = ((5.0_f32 / 3.0).ln(), 2.0_f32.ln());
        let weights = [(twice + 4.0 * once) / 5.0, twice, once, once, once, once];
        for (got, want) in idf.lookup.weights().iter().zip(weights) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        for layer in [learnt, capped, idf] {
            let config = layer.config();
            assert_eq!(config["vocabulary_size"], layer.get_vocabulary().len());
            let json = json!({"class_name": "IntegerLookup", "config": config});
            let again = crate::layers::from_keras(&json)?;
            again.validate()?;
            assert_eq!(again.config(), layer.config());
            let mut probe = Probe::layer(&again, data.shape(), false)?;
            let numbers: Vec<f32> = data.iter().map(|token| *token as f32).collect();
            probe.set_inputs(&[numbers]);
            for (got, want) in probe.forward().iter().zip(both(&layer, &data)?) {
                assert!((got - want).abs() < 1e-6, "{got} {want}");
            }
        }
        Ok(())
    }

    #[test]
    fn indices_become_numbers_again() -> Result<()> {
        let back = known().invert(true);
        let mut probe = Probe::layer(&back, &[2, 3], false)?;
        probe.set_inputs(&[vec![1., 3., 4., 4., 0., 2.]]);
        // Of Keras's documentation.
        assert_eq!(probe.forward(), [12., 1138., 42., 42., -1., 36.]);
        assert_eq!(
            back.inverse(&[2.0, 99.0, -3.0, 0.5, f32::NAN]),
            [36, -1, -1, -1, -1]
        );
        Ok(())
    }

    #[test]
    fn numbers_that_are_not_exact_are_refused() -> Result<()> {
        let inexact = |data: &[f64]| {
            let error = IntegerLookup::new().adapt(data).expect_err("refused");
            error.to_string()
        };
        assert!(inexact(&[1.0, 20_000_001.0]).contains("20000001 in row 1"));
        assert!(inexact(&[0.5]).contains("0.5 in row 0"));
        assert!(inexact(&[]).contains("none"));
        let exact = IntegerLookup::new().adapt_exact(&array![20_000_001, 20_000_000])?;
        assert_eq!(
            exact.call(&array![20_000_000, 20_000_001])?,
            array![2., 1.].into_dyn()
        );
        let message = Probe::layer(&exact, &[1, 1], false)
            .expect_err("refused")
            .to_string();
        assert!(message.contains("20000001 is above"), "{message}");
        Ok(())
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let errors = [
            known().max_tokens(1),
            known().max_tokens(4),
            known().pad_to_max_tokens(true),
            known().invert(true).output_mode(OutputMode::Count),
            known().output_mode(OutputMode::TfIdf),
            known().idf_weights([1.0; 4]),
            known().output_mode(OutputMode::TfIdf).idf_weights([1.0; 3]),
            known().mask_token(36_i64),
            known().invert(true).oov_token(36_i64),
            known().salt(1, 2),
            IntegerLookup::new().vocabulary([0_i64; 0]),
        ];
        for layer in errors {
            assert!(layer.validate().is_err(), "{layer:?}");
        }
        assert!(known().adapt(&[1.0]).is_err());
        assert!(known().num_oov_indices(0).call(&array![[12], [5]]).is_err());
        assert!(IntegerLookup::new().call(&array![12]).is_err());
    }
}
