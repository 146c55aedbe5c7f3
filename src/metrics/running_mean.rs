//! [`RunningMean`], the sums behind every metric that is a mean.

use super::Batch;
use super::hits::{self, Hit};
use super::weights::Weights;
use crate::error::Result;

/// A weighted mean over all batches so far: `total / count`, 0 when nothing was counted.
///
/// Each row of a batch counts once (or with its weight), whatever the number of values in it, as
/// in `keras.metrics.Mean`.
///
/// # Examples
///
/// [`Metric`](super::Metric) has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunningMean {
    /// The weighted total, and the sum of the weights.
    state: [f64; 2],
}

impl RunningMean {
    /// A mean of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the `values` values of a batch; `value(i)` is the i-th, row by row.
    ///
    /// The weights of the batch are one a row, one for each place along some more of the first axes,
    /// or one a value.
    ///
    /// # Errors
    ///
    /// When the number of weights is none of these.
    pub fn add(
        &mut self,
        batch: &Batch,
        values: usize,
        value: impl Fn(usize) -> f32,
    ) -> Result<()> {
        let rows = batch.rows();
        if rows == 0 || values == 0 {
            return Ok(());
        }
        let value = |i| f64::from(value(i));
        let Some((weights, each)) = Weights::over(batch, values)?.all() else {
            let total: f64 = (0..values).map(value).sum();
            self.add_total(total, values, rows);
            return Ok(());
        };
        // A row counts as the mean of its weights.
        let per_row = (weights.len() / rows).max(1) as f64;
        for (i, weight) in weights.iter().enumerate() {
            let total: f64 = (i * each..(i + 1) * each).map(value).sum();
            self.push(total / each as f64, f64::from(*weight) / per_row);
        }
        Ok(())
    }

    /// Takes in how often targets and predictions of the same shape match, one value for each
    /// group along the last axis.
    ///
    /// # Errors
    ///
    /// As [`add`](RunningMean::add).
    pub(super) fn add_matches(
        &mut self,
        batch: &Batch,
        matches: impl Fn(f32, f32) -> bool,
    ) -> Result<()> {
        let count = |y_true: &[f32], y_pred: &[f32]| {
            let pairs = y_true.iter().zip(y_pred);
            pairs.map(|(t, p)| u32::from(matches(*t, *p))).sum::<u32>()
        };
        if batch.sample_weight.is_none() {
            // All in one loop, which vectorises.
            let total = f64::from(count(batch.y_true, batch.y_pred));
            self.add_total(total, batch.y_pred.len(), batch.rows());
            return Ok(());
        }
        let classes = batch.classes().max(1);
        self.add(batch, batch.y_pred.len() / classes, |i| {
            let group = i * classes..(i + 1) * classes;
            let y_true = batch.y_true.get(group.clone()).unwrap_or(&[]);
            let y_pred = batch.y_pred.get(group).unwrap_or(&[]);
            count(y_true, y_pred) as f32 / classes as f32
        })
    }

    /// Takes in whether each row of classes hits its target, one-hot or a class id.
    ///
    /// # Errors
    ///
    /// As [`add`](RunningMean::add).
    #[inline(always)]
    pub(super) fn add_hits<const ONE_HOT: bool>(
        &mut self,
        batch: &Batch,
        hit: impl Hit,
    ) -> Result<()> {
        let classes = batch.classes().max(1);
        let groups = batch.y_pred.len() / classes;
        if batch.sample_weight.is_none() {
            let total = hits::count::<ONE_HOT>(batch.y_true, batch.y_pred, classes, hit);
            self.add_total(total as f64, groups, batch.rows());
            return Ok(());
        }
        let width = if ONE_HOT { classes } else { 1 };
        self.add(batch, groups, |i| {
            let t = batch.y_true.get(i * width..(i + 1) * width);
            let p = batch.y_pred.get(i * classes..(i + 1) * classes);
            f32::from(u8::from(hit(t.unwrap_or(&[]), p.unwrap_or(&[]))))
        })
    }

    /// Takes in unweighted rows whose `values` values add up to `total`.
    pub fn add_total(&mut self, total: f64, values: usize, rows: usize) {
        if values == rows {
            // The usual case, spared a division.
            let [sum, count] = &mut self.state;
            *sum += total;
            *count += rows as f64;
        } else if values > 0 {
            self.push(total / values as f64, rows as f64);
        }
    }

    /// Takes in one value with its weight.
    pub(super) fn push(&mut self, value: f64, weight: f64) {
        let [total, count] = &mut self.state;
        *total += value * weight;
        *count += weight;
    }

    /// The mean so far.
    pub fn result(&self) -> f32 {
        let [total, count] = self.state;
        if count == 0.0 {
            0.0
        } else {
            (total / count) as f32
        }
    }

    /// The total and the count.
    pub fn state(&self) -> &[f64] {
        &self.state
    }

    /// The total and the count, to change them.
    pub fn state_mut(&mut self) -> &mut [f64] {
        &mut self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(weights: Option<&[f32]>) -> Batch<'_> {
        Batch {
            y_true: &[],
            y_true_shape: &[2, 3],
            y_pred: &[],
            y_pred_shape: &[2, 3],
            sample_weight: weights,
        }
    }

    const VALUES: [f32; 6] = [0.5, 0.5, 1.0, 0.0, 1.0, 0.5];

    fn mean(weights: Option<&[f32]>) -> f32 {
        let mut mean = RunningMean::new();
        mean.add(&batch(weights), 6, |i| VALUES[i]).unwrap();
        mean.result()
    }

    #[test]
    fn weights_are_one_a_row_or_one_a_value() {
        // (2 + 1.5) / 6
        assert!((mean(None) - 3.5 / 6.0).abs() < 1e-7);
        // Rows are 2/3 and 1/2: (2 * 2/3 + 0.5 * 1/2) / 2.5.
        assert!((mean(Some(&[2.0, 0.5])) - 0.633_333_3).abs() < 1e-7);
        // Keras: ((0.5 + 1 + 3) / 3 + (0 + 0 + 0.5) / 3) / (6 / 3 + 1.5 / 3)
        assert!((mean(Some(&[1.0, 2.0, 3.0, 0.5, 0.0, 1.0])) - 0.666_666_6).abs() < 1e-7);
    }

    #[test]
    fn other_numbers_of_weights_are_an_error() {
        let mut mean = RunningMean::new();
        assert!(mean.add(&batch(Some(&[1.0])), 6, |_| 1.0).is_err());
        assert_eq!(mean.result(), 0.0);
    }

    #[test]
    fn weights_of_zero_give_zero() {
        assert_eq!(mean(Some(&[0.0, 0.0])), 0.0);
    }
}
