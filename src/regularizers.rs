//! Penalties on the size of weights or outputs, added to the loss: [`L1`], [`L2`], ...
//!
//! A layer takes them as `kernel_regularizer`, `bias_regularizer` and `activity_regularizer`. The
//! `loss` that `fit` and `evaluate` report holds them, as in Keras; those of frozen weights do not
//! count.
//!
//! # Examples
//!
//! ```
//! use horn::prelude::*;
//! use horn::regularizers::L2;
//!
//! let mut model = Sequential::new()
//!     .add(Dense::new(12).input_dim(8).activation(Relu).kernel_regularizer(L2::new(0.01)))
//!     .add(Dense::new(1).activation(Sigmoid));
//! model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()))?;
//! # Ok::<(), horn::Error>(())
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::graph::Value;
use crate::registry::{self, Entry, read};

/// A penalty on an array, one number, written in ops; its gradient comes by itself.
///
/// # Examples
///
/// A penalty of one's own, on weights that do not add up to 1:
///
/// ```
/// use horn::graph::Value;
/// use horn::prelude::*;
/// use horn::regularizers::Regularizer;
///
/// #[derive(Debug)]
/// struct SumsToOne;
///
/// impl Regularizer for SumsToOne {
///     fn call(&self, x: &Value) -> Value {
///         (x.sum(..) - 1.0).square()
///     }
///     fn class_name(&self) -> &str {
///         "SumsToOne"
///     }
/// }
///
/// let layer = Dense::new(1).input_dim(3).kernel_regularizer(SumsToOne);
/// ```
pub trait Regularizer: Debug + Send + Sync {
    /// The penalty on `x`, a single number.
    fn call(&self, x: &Value) -> Value;

    /// Keras's class name, for example `L2`.
    fn class_name(&self) -> &str;

    /// Whether the settings are within their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for the first that is not; `compile` and `build` return it with the
    /// layer's name.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// The settings as Keras writes them, a JSON object.
    fn config(&self) -> Json {
        json!({})
    }
}

impl<R: Regularizer + ?Sized> Regularizer for Arc<R> {
    fn call(&self, x: &Value) -> Value {
        (**self).call(x)
    }

    fn class_name(&self) -> &str {
        (**self).class_name()
    }

    fn validate(&self) -> Result<()> {
        (**self).validate()
    }

    fn config(&self) -> Json {
        (**self).config()
    }
}

/// Every regularizer: Keras's class, its other names, and how it is made.
const TABLE: &[Entry<dyn Regularizer>] = &[
    ("L1", &["l1"], |c| Ok(Arc::new(read::<L1>("L1", c)?))),
    ("L2", &["l2"], |c| Ok(Arc::new(read::<L2>("L2", c)?))),
    ("L1L2", &["l1_l2", "l1l2"], |c| {
        Ok(Arc::new(read::<L1L2>("L1L2", c)?))
    }),
    ("OrthogonalRegularizer", &["orthogonal_regularizer"], |c| {
        Ok(Arc::new(read::<OrthogonalRegularizer>(
            "OrthogonalRegularizer",
            c,
        )?))
    }),
];

registry::own!("regularizer", Regularizer, Arc, |name| registry::is_known(
    TABLE, name
));

/// The regularizer of Keras's name, with its default settings: `"l2"`, `"L2"`, ...
///
/// # Errors
///
/// [`Error::Unknown`], with the nearest names.
///
/// # Examples
///
/// ```
/// use horn::regularizers::{self, Regularizer};
///
/// assert_eq!(regularizers::get("l2")?.class_name(), "L2");
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Arc<dyn Regularizer>> {
    registry::named("regularizer", (TABLE, &OWN), name, &json!({}))
}

/// A regularizer from what Keras writes: a name, or `{"class_name", "config"}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not there, [`Error::Config`] for a setting that cannot be
/// understood.
pub fn from_keras(json: &Json) -> Result<Arc<dyn Regularizer>> {
    registry::described("regularizer", (TABLE, &OWN), json)
}

/// What Keras writes for a regularizer: `{"class_name", "config"}`.
pub fn to_keras(regularizer: &dyn Regularizer) -> Json {
    json!({"class_name": regularizer.class_name(), "config": regularizer.config()})
}

/// A factor of a penalty is a finite number that is not negative.
pub(crate) fn check_factor(owner: &str, argument: &'static str, factor: f32) -> Result<()> {
    match factor.is_finite() && factor >= 0.0 {
        true => Ok(()),
        false => Err(Error::argument(
            owner,
            argument,
            "a finite number of at least 0",
            factor,
        )),
    }
}

fn settings(regularizer: &impl Serialize) -> Json {
    serde_json::to_value(regularizer).unwrap_or_default()
}

/// `l1 Σ|x|`: pushes weights that matter little to zero.
///
/// Source: <https://keras.io/api/layers/regularizers/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::regularizers::L1;
///
/// let layer = Dense::new(4).kernel_regularizer(L1::new(0.001));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct L1 {
    l1: f32,
}

impl L1 {
    /// With this factor; Keras's default is 0.01.
    pub fn new(l1: f32) -> Self {
        L1 { l1 }
    }
}

impl Default for L1 {
    fn default() -> Self {
        L1::new(0.01)
    }
}

impl Regularizer for L1 {
    fn call(&self, x: &Value) -> Value {
        x.abs().sum(..) * self.l1
    }

    fn class_name(&self) -> &str {
        "L1"
    }

    fn validate(&self) -> Result<()> {
        check_factor("L1", "l1", self.l1)
    }

    fn config(&self) -> Json {
        settings(self)
    }
}

/// `l2 Σx²`: keeps weights small.
///
/// Source: <https://keras.io/api/layers/regularizers/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::regularizers::L2;
///
/// let layer = Dense::new(4).kernel_regularizer(L2::new(0.001));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct L2 {
    l2: f32,
}

impl L2 {
    /// With this factor; Keras's default is 0.01.
    pub fn new(l2: f32) -> Self {
        L2 { l2 }
    }
}

impl Default for L2 {
    fn default() -> Self {
        L2::new(0.01)
    }
}

impl Regularizer for L2 {
    fn call(&self, x: &Value) -> Value {
        x.square().sum(..) * self.l2
    }

    fn class_name(&self) -> &str {
        "L2"
    }

    fn validate(&self) -> Result<()> {
        check_factor("L2", "l2", self.l2)
    }

    fn config(&self) -> Json {
        settings(self)
    }
}

/// `l1 Σ|x| + l2 Σx²`: both at once.
///
/// By its name alone both factors are 0, as Keras 3 has it (its docs say 0.01).
///
/// Source: <https://keras.io/api/layers/regularizers/>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::regularizers::L1L2;
///
/// let layer = Dense::new(4).kernel_regularizer(L1L2::new(0.001, 0.01));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct L1L2 {
    l1: f32,
    l2: f32,
}

impl L1L2 {
    /// With these factors.
    pub fn new(l1: f32, l2: f32) -> Self {
        L1L2 { l1, l2 }
    }
}

impl Regularizer for L1L2 {
    fn call(&self, x: &Value) -> Value {
        x.abs().sum(..) * self.l1 + x.square().sum(..) * self.l2
    }

    fn class_name(&self) -> &str {
        "L1L2"
    }

    fn validate(&self) -> Result<()> {
        check_factor("L1L2", "l1", self.l1)?;
        check_factor("L1L2", "l2", self.l2)
    }

    fn config(&self) -> Json {
        settings(self)
    }
}

/// What an [`OrthogonalRegularizer`] makes orthogonal to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrthogonalMode {
    /// The rows of the matrix. The default.
    #[default]
    Rows,
    /// Its columns.
    Columns,
}

/// `factor` times the mean absolute dot product of two different rows (or columns) of a matrix,
/// each first divided by its norm.
///
/// `x`: `(rows, columns)`; the mean is over the `n (n - 1) / 2` pairs.
///
/// Source: <https://keras.io/api/layers/regularizers/#orthogonalregularizer-class>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::regularizers::OrthogonalRegularizer;
///
/// let layer = Dense::new(4).kernel_regularizer(OrthogonalRegularizer::new(0.01));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrthogonalRegularizer {
    factor: f32,
    mode: OrthogonalMode,
}

impl OrthogonalRegularizer {
    /// With this factor, for rows; Keras's default is 0.01.
    pub fn new(factor: f32) -> Self {
        OrthogonalRegularizer {
            factor,
            mode: OrthogonalMode::default(),
        }
    }

    /// What is made orthogonal. Default: the rows.
    pub fn mode(mut self, mode: OrthogonalMode) -> Self {
        self.mode = mode;
        self
    }
}

impl Default for OrthogonalRegularizer {
    fn default() -> Self {
        OrthogonalRegularizer::new(0.01)
    }
}

impl Regularizer for OrthogonalRegularizer {
    fn call(&self, x: &Value) -> Value {
        if x.rank() != 2 {
            return x.fail(format!(
                "`OrthogonalRegularizer` expects a matrix, got {}",
                x.shape()
            ));
        }
        let x = match self.mode {
            OrthogonalMode::Rows => x.clone(),
            OrthogonalMode::Columns => x.transpose([1, 0]),
        };
        if x.dim(0) < 2 {
            return x.fail("`OrthogonalRegularizer` compares rows or columns, and got one".into());
        }
        let x = x.l2_normalize(-1);
        let products = x.matmul(&x.transpose([1, 0])).abs();
        // All products but those of a row with itself.
        let same = x.square().sum(-1).abs().sum(..);
        let n = x.dim(0) as f32;
        let pairs = n * (n - 1.0) / 2.0;
        (products.sum(..) - same) * (self.factor * 0.5 / pairs)
    }

    fn class_name(&self) -> &str {
        "OrthogonalRegularizer"
    }

    fn validate(&self) -> Result<()> {
        check_factor("OrthogonalRegularizer", "factor", self.factor)
    }

    fn config(&self) -> Json {
        settings(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    #[test]
    fn every_name_resolves_and_round_trips() {
        for (class, names, _) in TABLE {
            for name in names.iter().chain([class]) {
                let regularizer = get(name).expect(name);
                assert_eq!(regularizer.class_name(), *class);
                let again = from_keras(&to_keras(&regularizer)).expect(name);
                assert_eq!(to_keras(&again), to_keras(&regularizer));
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (class, ..) in TABLE {
            let config = json!({"l1": 0.3, "l2": 0.2, "factor": 0.4});
            let regularizer =
                registry::named("regularizer", (TABLE, &OWN), class, &config).expect(class);
            let probe = Probe::new(&[&[4, 3]], true, |_, x| regularizer.call(&x[0]));
            let mut probe = probe.expect(class);
            probe.randomize(3);
            let error = probe.check_gradients(3).expect(class);
            assert!(error < 1e-2, "{class}: {error}");
        }
    }

    #[test]
    fn factors_out_of_range_are_named() {
        let message = L2::new(-1.0).validate().unwrap_err().to_string();
        assert!(
            message.contains("`L2`") && message.contains("`l2`"),
            "{message}"
        );
        assert!(L1L2::new(0.0, f32::NAN).validate().is_err());
    }

    #[test]
    fn orthogonality_is_of_matrices() {
        let regularizer = OrthogonalRegularizer::default();
        let error = Probe::new(&[&[4]], true, |_, x| regularizer.call(&x[0])).unwrap_err();
        assert!(error.to_string().contains("expects a matrix"), "{error}");
    }
}
