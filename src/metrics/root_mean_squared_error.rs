//! [`RootMeanSquaredError`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, Metric, RunningMean, check_same, parse};
use crate::error::Result;

/// The root of the mean squared error: `√mean((t - p)²)`, in the units of the targets.
///
/// Targets and predictions are of the same shape `(batch, ...)`.
///
/// Source: <https://keras.io/api/metrics/regression_metrics/#rootmeansquarederror-class>
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, Metric, RootMeanSquaredError};
///
/// let mut metric = RootMeanSquaredError::new();
/// metric.update(&Batch {
///     y_true: &[0.0, 0.0],
///     y_true_shape: &[2],
///     y_pred: &[1.0, 7.0],
///     y_pred_shape: &[2],
///     sample_weight: None,
/// })?;
/// assert_eq!(metric.result(), 5.0);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct RootMeanSquaredError {
    name: String,
    #[serde(skip)]
    mean: RunningMean,
}

impl Default for RootMeanSquaredError {
    fn default() -> Self {
        RootMeanSquaredError {
            name: "root_mean_squared_error".into(),
            mean: RunningMean::new(),
        }
    }
}

impl RootMeanSquaredError {
    /// With Keras's name.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("RootMeanSquaredError", config)
    }
}

impl Metric for RootMeanSquaredError {
    fn name(&self) -> &str {
        &self.name
    }

    fn class_name(&self) -> &str {
        "RootMeanSquaredError"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32" })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        check_same(&self.name, y_true_shape, y_pred_shape)
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        check_same(&self.name, batch.y_true_shape, batch.y_pred_shape)?;
        let (t, p) = (batch.y_true, batch.y_pred);
        self.mean.add(batch, p.len().min(t.len()), |i| {
            (p[i] - t[i]) * (p[i] - t[i])
        })
    }

    fn result(&self) -> f32 {
        self.mean.result().sqrt()
    }

    fn state(&self) -> &[f64] {
        self.mean.state()
    }

    fn state_mut(&mut self) -> &mut [f64] {
        self.mean.state_mut()
    }
}
