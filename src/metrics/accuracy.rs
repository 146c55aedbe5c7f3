//! [`Accuracy`], which picks the accuracy that fits the shapes, and [`EqualityAccuracy`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Batch, BinaryAccuracy, CategoricalAccuracy, Metric, RunningMean, SparseCategoricalAccuracy,
    check_same, mean_of_values, parse,
};
use crate::error::{Error, Result};

/// The accuracy that fits the outputs and targets, logged as `accuracy`: Keras's string
/// `"accuracy"`.
///
/// | outputs | targets | becomes |
/// |---|---|---|
/// | `(batch, ..., 1)` | any | [`BinaryAccuracy`] |
/// | `(batch, ..., classes)` | class ids, `(batch, ...)` or `(batch, ..., 1)` | [`SparseCategoricalAccuracy`] |
/// | `(batch, ..., classes)` | one-hot, `(batch, ..., classes)` | [`CategoricalAccuracy`] |
///
/// Source: `keras.Model.compile`, `metrics=["accuracy"]`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Accuracy, Metric};
///
/// let metric = Accuracy.resolve(&[32], &[32, 10]).unwrap();
/// assert_eq!(metric.class_name(), "SparseCategoricalAccuracy");
/// assert_eq!(metric.name(), "accuracy");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn class_name(&self) -> &str {
        "accuracy"
    }

    fn config(&self) -> Value {
        Value::String("accuracy".into())
    }

    fn resolve(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Option<Box<dyn Metric>> {
        Some(pick("accuracy", y_true_shape, y_pred_shape))
    }

    fn update(&mut self, _batch: &Batch) -> Result<()> {
        Err(unresolved())
    }

    fn result(&self) -> f32 {
        0.0
    }

    fn state(&self) -> &[f64] {
        &[]
    }

    fn state_mut(&mut self) -> &mut [f64] {
        &mut []
    }
}

/// [`Accuracy`] under another name: `acc`.
#[derive(Debug, Clone)]
struct Named(String);

impl Metric for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn class_name(&self) -> &str {
        "accuracy"
    }

    fn config(&self) -> Value {
        Value::String(self.0.clone())
    }

    fn resolve(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Option<Box<dyn Metric>> {
        Some(pick(&self.0, y_true_shape, y_pred_shape))
    }

    fn update(&mut self, _batch: &Batch) -> Result<()> {
        Err(unresolved())
    }

    fn result(&self) -> f32 {
        0.0
    }

    fn state(&self) -> &[f64] {
        &[]
    }

    fn state_mut(&mut self) -> &mut [f64] {
        &mut []
    }
}

/// [`Accuracy`], logged under `name`.
pub(super) fn by_shape(name: &str) -> Box<dyn Metric> {
    Box::new(Named(name.into()))
}

/// The accuracy that fits these shapes.
fn pick(name: &str, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Box<dyn Metric> {
    let classes = match y_pred_shape {
        [] | [_] => 1,
        [.., last] => *last,
    };
    if classes == 1 {
        Box::new(BinaryAccuracy::new().name(name))
    } else if y_true_shape.len() < y_pred_shape.len() || y_true_shape.last() == Some(&1) {
        Box::new(SparseCategoricalAccuracy::new().name(name))
    } else {
        Box::new(CategoricalAccuracy::new().name(name))
    }
}

/// What an accuracy says that is used before it knows the shapes.
fn unresolved() -> Error {
    Error::argument(
        "Accuracy",
        "update",
        "called on what `resolve` returns",
        "a call on `Accuracy` itself",
    )
}

/// How often predictions equal the targets: the mean of `y_pred == y_true`, for predictions that
/// are labels already. This is Keras's class `Accuracy`.
///
/// `y_true` and `y_pred`: `(batch, ...)`. The name is `accuracy`.
///
/// Source: `keras.metrics.Accuracy`.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, EqualityAccuracy, Metric};
///
/// let mut metric = EqualityAccuracy::new();
/// metric.update(&Batch {
///     y_true: &[1.0, 2.0, 3.0, 4.0],
///     y_true_shape: &[4, 1],
///     y_pred: &[0.0, 2.0, 3.0, 4.0],
///     y_pred_shape: &[4, 1],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 0.75);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct EqualityAccuracy {
    name: String,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for EqualityAccuracy {
    fn default() -> Self {
        Self {
            name: "accuracy".into(),
            mean: RunningMean::new(),
        }
    }
}

impl EqualityAccuracy {
    /// The metric, logged as `accuracy`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("Accuracy", config)
    }
}

impl Metric for EqualityAccuracy {
    mean_of_values!();

    fn class_name(&self) -> &str {
        "Accuracy"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32" })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        check_same(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        if batch.y_true.len() != batch.y_pred.len() {
            check_same(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        }
        self.mean
            .add_matches(batch, |y_true, y_pred| y_true == y_pred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_pick_the_accuracy() {
        let class = |y_true: &[usize], y_pred: &[usize]| {
            let metric = Accuracy.resolve(y_true, y_pred).unwrap();
            assert_eq!(metric.name(), "accuracy");
            metric.class_name().to_string()
        };
        assert_eq!(class(&[32], &[32, 1]), "BinaryAccuracy");
        assert_eq!(class(&[32, 1], &[32, 1]), "BinaryAccuracy");
        assert_eq!(class(&[32], &[32, 3]), "SparseCategoricalAccuracy");
        assert_eq!(class(&[32, 1], &[32, 3]), "SparseCategoricalAccuracy");
        assert_eq!(class(&[32, 7], &[32, 7, 3]), "SparseCategoricalAccuracy");
        assert_eq!(class(&[32, 3], &[32, 3]), "CategoricalAccuracy");
        let acc = by_shape("acc").resolve(&[4], &[4, 2]).unwrap();
        assert_eq!(acc.name(), "acc");
    }

    #[test]
    fn an_accuracy_without_shapes_takes_no_batch() {
        let batch = Batch {
            y_true: &[],
            y_true_shape: &[0],
            y_pred: &[],
            y_pred_shape: &[0],
            sample_weight: None,
        };
        assert!(Accuracy.update(&batch).is_err());
    }
}
