//! [`R2Score`], the coefficient of determination.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::thresholded::{Weights, add};
use super::{Batch, Metric, parse};
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
        match y_pred_shape.len() == 2 && y_true_shape == y_pred_shape {
            true => Ok(()),
            false => Err(Error::Shape {
                place: format!("metric `{}`", self.name),
                expected: "targets and outputs of one shape (batch, columns)".into(),
                found: format!("targets {y_true_shape:?} and outputs {y_pred_shape:?}"),
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
        let weights = Weights::of(batch)?;
        for (i, (t, p)) in batch.y_true.iter().zip(batch.y_pred).enumerate() {
            let (t, p) = (f64::from(*t), f64::from(*p));
            let w = f64::from(weights.at(i / columns, i));
            let of_column = &mut self.sums[i % columns * 4..][..4];
            for (sum, term) in
                of_column
                    .iter_mut()
                    .zip([w, w * t, w * t * t, w * (t - p) * (t - p)])
            {
                *sum += term;
            }
        }
        if let Some(count) = self.sums.last_mut() {
            *count += batch.y_true.len() as f64;
        }
        Ok(())
    }

    fn result(&self) -> f32 {
        self.results().first().copied().unwrap_or(0.0)
    }

    fn results(&self) -> Vec<f32> {
        let (columns, _) = self.sums.as_chunks::<4>();
        let of = |[count, sum, squares, errors]: &[f64; 4]| {
            let variance = squares - sum * sum / count;
            let score = 1.0 - errors / variance;
            (variance, if score.is_infinite() { 0.0 } else { score })
        };
        let all: Vec<(f64, f64)> = columns.iter().map(of).collect();
        let score = match self.class_aggregation {
            None => {
                let scores = all.iter().map(|(_, score)| self.adjusted(*score) as f32);
                return scores.collect();
            }
            Some(ClassAggregation::UniformAverage) => {
                all.iter().map(|(_, score)| score).sum::<f64>() / all.len() as f64
            }
            Some(ClassAggregation::VarianceWeightedAverage) => {
                let weighted: f64 = all.iter().map(|(variance, score)| variance * score).sum();
                weighted / all.iter().map(|(variance, _)| variance).sum::<f64>()
            }
        };
        vec![self.adjusted(score) as f32]
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
