//! [`R2Score`], the coefficient of determination.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::thresholded::add;
use super::weights::Weights;
use super::{Batch, Metric, check_same, parse};
use crate::error::{Error, Result};

/// How the scores of several outputs become one, for [`R2Score`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassAggregation {
    /// Their mean. The default.
    UniformAverage,
    /// Their mean, each weighed by the variance of its targets.
    VarianceWeightedAverage,
}

/// How much of the targets' variance the predictions explain: 1 for all, 0 for as much as their
/// mean does.
///
/// `1 - Σ (t - p)² / Σ (t - mean(t))²` for each column of targets and predictions
/// `(batch, columns)`. With `num_regressors` the score is adjusted for as many inputs; as in Keras
/// the number of samples in that is the number of values.
///
/// Source: <https://keras.io/api/metrics/regression_metrics/#r2score-class>
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, Metric, R2Score};
///
/// let mut metric = R2Score::new();
/// metric.update(&Batch {
///     y_true: &[1.0, 4.0, 3.0],
///     y_true_shape: &[3, 1],
///     y_pred: &[2.0, 4.0, 4.0],
///     y_pred_shape: &[3, 1],
///     sample_weight: None,
/// })?;
/// // 1 - 2 / 4.6667
/// assert!((metric.result() - 0.5714286).abs() < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct R2Score {
    name: String,
    class_aggregation: Option<ClassAggregation>,
    num_regressors: i64,
    /// Of each column the sums of weights, weighted targets, squared targets and squared errors;
    /// and last the number of values.
    #[serde(skip)]
    sums: Vec<f64>,
}

impl Default for R2Score {
    fn default() -> Self {
        R2Score {
            name: "r2_score".into(),
            class_aggregation: Some(ClassAggregation::UniformAverage),
            num_regressors: 0,
            sums: Vec::new(),
        }
    }
}

impl R2Score {
    /// The mean over the columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the scores of the columns become one; `None` gives each as one of the
    /// [results](Metric::results), which cannot be logged. Default: their mean.
    pub fn class_aggregation(mut self, aggregation: impl Into<Option<ClassAggregation>>) -> Self {
        self.class_aggregation = aggregation.into();
        self
    }

    /// The number of inputs that the score is adjusted for. Default: 0, not adjusted.
    pub fn num_regressors(mut self, count: usize) -> Self {
        self.num_regressors = i64::try_from(count).unwrap_or(i64::MAX);
        self
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("R2Score", config)
    }

    /// Of each column, how far its targets are spread, and its score.
    fn columns(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let (columns, _) = self.sums.as_chunks::<4>();
        columns.iter().map(|[count, sum, squares, errors]| {
            let spread = squares - sum * sum / count;
            let score = 1.0 - errors / spread;
            (spread, if score.is_infinite() { 0.0 } else { score })
        })
    }

    /// Adjusts a score for the number of inputs, where there are samples enough.
    fn adjusted(&self, score: f64) -> f64 {
        let samples = self.sums.last().copied().unwrap_or(0.0);
        let rest = samples - self.num_regressors as f64 - 1.0;
        match self.num_regressors > 0 && rest > 0.0 {
            true => 1.0 - (1.0 - score) * (samples - 1.0) / rest,
            false => score,
        }
    }
}

impl Metric for R2Score {
    fn name(&self) -> &str {
        &self.name
    }

    fn class_name(&self) -> &str {
        "R2Score"
    }

    fn config(&self) -> Value {
        json!({
            "name": self.name,
            "dtype": "float32",
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        })
    }

    fn resolve(&self, _y_true: &[usize], y_pred: &[usize]) -> Option<Box<dyn Metric>> {
        let mut metric = self.clone();
        metric.sums = vec![0.0; 4 * y_pred.last().copied().unwrap_or(1) + 1];
        Some(Box::new(metric))
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        if self.num_regressors < 0 {
            let (wanted, found) = ("at least 0", self.num_regressors);
            return Err(Error::argument("R2Score", "num_regressors", wanted, found));
        }
        check_same(&self.name, y_true_shape, y_pred_shape)?;
        match y_pred_shape {
            [_, _] => Ok(()),
            _ => Err(Error::Shape {
                place: format!("metric `{}`", self.name),
                expected: "outputs of shape (batch, columns)".into(),
                found: format!("outputs {y_pred_shape:?}"),
                hint: "reshape them to two axes".into(),
            }),
        }
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        self.check(batch.y_true_shape, batch.y_pred_shape)?;
        let columns = batch.classes();
        if self.sums.len() != 4 * columns + 1 {
            self.sums = vec![0.0; 4 * columns + 1];
        }
        let weights = Weights::over(batch, batch.y_true.len())?;
        let rows = batch.y_true.chunks_exact(columns.max(1));
        let rows = rows.zip(batch.y_pred.chunks_exact(columns.max(1)));
        for (row, (t, p)) in rows.enumerate() {
            let sums = self.sums.as_chunks_mut::<4>().0.iter_mut();
            for (column, (sums, (t, p))) in sums.zip(t.iter().zip(p)).enumerate() {
                let (t, p) = (f64::from(*t), f64::from(*p));
                let w = f64::from(weights.at(row * columns + column));
                let terms = [w, w * t, w * t * t, w * (t - p) * (t - p)];
                sums.iter_mut()
                    .zip(terms)
                    .for_each(|(sum, term)| *sum += term);
            }
        }
        if let Some(count) = self.sums.last_mut() {
            *count += batch.y_true.len() as f64;
        }
        Ok(())
    }

    fn result(&self) -> f32 {
        let scores = || self.columns().map(|(_, score)| score);
        let score = match self.class_aggregation {
            None => scores().next().unwrap_or(0.0),
            Some(ClassAggregation::UniformAverage) => {
                scores().sum::<f64>() / scores().count() as f64
            }
            Some(ClassAggregation::VarianceWeightedAverage) => {
                let weighted: f64 = self.columns().map(|(spread, score)| spread * score).sum();
                weighted / self.columns().map(|(spread, _)| spread).sum::<f64>()
            }
        };
        self.adjusted(score) as f32
    }

    fn results(&self) -> Vec<f32> {
        match self.class_aggregation {
            None => {
                let scores = self.columns().map(|(_, score)| self.adjusted(score) as f32);
                scores.collect()
            }
            Some(_) => vec![self.result()],
        }
    }

    fn state(&self) -> &[f64] {
        &self.sums
    }

    fn state_mut(&mut self) -> &mut [f64] {
        &mut self.sums
    }

    fn merge(&mut self, other: &dyn Metric) {
        add(&mut self.sums, other.state());
    }
}
