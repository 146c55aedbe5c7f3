//! [`ExpectedCalibrationError`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::thresholded::{check_probabilities, ratio};
use super::weights::Weights;
use super::{Batch, Metric, argmax, check_ids, check_same, parse};
use crate::error::{Error, Result};

/// How far predicted probabilities are from how often they come true. Keras has no such metric.
///
/// Predictions are sorted by the probability of the class that they choose into `bins` of equal
/// width; `Σ n / N |how often right - mean probability|` over the bins. Predictions are
/// probabilities `(batch, classes)` with class ids or one-hot targets, or `(batch, 1)`.
///
/// Source: Naeini et al. 2015, <https://doi.org/10.1609/aaai.v29i1.9602>; Guo et al. 2017,
/// <https://arxiv.org/abs/1706.04599>
///
/// # Examples
///
/// ```
/// use horn::metrics::{Batch, ExpectedCalibrationError, Metric};
///
/// let mut metric = ExpectedCalibrationError::new();
/// metric.update(&Batch {
///     y_true: &[1.0, 1.0, 1.0, 0.0],
///     y_true_shape: &[4],
///     y_pred: &[0.9, 0.9, 0.9, 0.9],
///     y_pred_shape: &[4],
///     sample_weight: None,
/// })?;
/// // Right three times in four, with a probability of 0.9.
/// assert!((metric.result() - 0.15).abs() < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Config")]
pub struct ExpectedCalibrationError {
    name: String,
    bins: usize,
    /// Of each bin the sums of weights, of probabilities, and of what was right.
    sums: Vec<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Config {
    name: String,
    bins: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: "expected_calibration_error".into(),
            bins: 15,
        }
    }
}

/// The most bins that are kept.
const MOST: usize = 1 << 20;

impl From<Config> for ExpectedCalibrationError {
    fn from(config: Config) -> Self {
        ExpectedCalibrationError {
            name: config.name,
            bins: config.bins,
            // Where there are too many for memory, `check` says so.
            sums: vec![0.0; 3 * config.bins.min(MOST)],
        }
    }
}

impl Default for ExpectedCalibrationError {
    fn default() -> Self {
        Config::default().into()
    }
}

impl ExpectedCalibrationError {
    /// With 15 bins.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bins there are, at least 1. Default: 15.
    pub fn bins(self, bins: usize) -> Self {
        Config {
            name: self.name,
            bins,
        }
        .into()
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("ExpectedCalibrationError", config)
    }
}

impl Metric for ExpectedCalibrationError {
    fn name(&self) -> &str {
        &self.name
    }

    fn class_name(&self) -> &str {
        "ExpectedCalibrationError"
    }

    fn config(&self) -> Value {
        json!({ "name": self.name, "dtype": "float32", "bins": self.bins })
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        if !(1..=MOST).contains(&self.bins) {
            let wanted = format!("from 1 to {MOST}");
            return Err(Error::argument(
                "ExpectedCalibrationError",
                "bins",
                wanted,
                self.bins,
            ));
        }
        match y_pred_shape {
            [_, .., classes] if *classes > 1 && y_true_shape != y_pred_shape => {
                check_ids(&self.name, y_true_shape, y_pred_shape)
            }
            _ => check_same(&self.name, y_true_shape, y_pred_shape),
        }
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        self.check(batch.y_true_shape, batch.y_pred_shape)?;
        check_probabilities(&self.name, batch)?;
        let width = batch.classes().max(1);
        let one_hot = width > 1 && batch.y_true_shape == batch.y_pred_shape;
        let weights = Weights::over(batch, batch.y_pred.len() / width)?;
        for (i, p) in batch.y_pred.chunks_exact(width).enumerate() {
            let (class, probability) = match p {
                [p] if *p >= 0.5 => (1, *p),
                [p] => (0, 1.0 - p),
                all => (argmax(all), all.iter().copied().fold(0.0, f32::max)),
            };
            let truth = match one_hot {
                true => argmax(batch.y_true.get(i * width..(i + 1) * width).unwrap_or(&[])) as f32,
                false => batch.y_true.get(i).copied().unwrap_or(f32::NAN),
            };
            // A bin holds its upper bound, not its lower.
            let bin = (probability * self.bins as f32).ceil() as usize;
            let bin = bin.clamp(1, self.bins) - 1;
            let weight = f64::from(weights.at(i));
            if let Some([all, confidence, right]) = self.sums.as_chunks_mut::<3>().0.get_mut(bin) {
                *all += weight;
                *confidence += weight * f64::from(probability);
                *right += weight * f64::from(u8::from(truth == class as f32));
            }
        }
        Ok(())
    }

    fn result(&self) -> f32 {
        let bins = self.sums.as_chunks::<3>().0;
        let total: f64 = bins.iter().map(|[all, ..]| all).sum();
        let apart: f64 = bins
            .iter()
            .map(|[_, confidence, right]| (right - confidence).abs())
            .sum();
        ratio(apart, total) as f32
    }

    fn state(&self) -> &[f64] {
        &self.sums
    }

    fn state_mut(&mut self) -> &mut [f64] {
        &mut self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(y_true: &[f32], shape: &[usize], weights: Option<&[f32]>) -> f32 {
        let mut metric = ExpectedCalibrationError::new().bins(5);
        metric.check(shape, &[4, 3]).expect("fits");
        metric
            .update(&Batch {
                y_true,
                y_true_shape: shape,
                y_pred: &[0.7, 0.2, 0.1, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8, 0.4, 0.35, 0.25],
                y_pred_shape: &[4, 3],
                sample_weight: weights,
            })
            .expect("fits");
        metric.result()
    }

    #[test]
    fn class_ids_and_one_hot_targets_give_the_same() {
        let one_hot = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        // From 0.6 to 0.8 two are right with 0.7 and 0.8; 0.6 and 0.4 are wrong, each alone:
        // (|2 - 1.5| + 0.6 + 0.4) / 4
        for (y_true, shape) in [(&[0.0, 1.0, 2.0, 2.0][..], &[4][..]), (&one_hot, &[4, 3])] {
            assert!((error(y_true, shape, None) - 0.375).abs() < 1e-6);
        }
    }

    #[test]
    fn weights_count_as_so_many_rows() {
        let weights = [2.0, 1.0, 1.0, 0.0];
        // (|3 - 2.2| + 0.6) / 4
        let got = error(&[0.0, 1.0, 2.0, 2.0], &[4], Some(&weights));
        assert!((got - 0.35).abs() < 1e-6);
        assert_eq!(error(&[0.0, 1.0, 2.0, 2.0], &[4], Some(&[0.0; 4])), 0.0);
    }
}
