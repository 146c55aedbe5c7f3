//! [`Weights`], how much each value of a batch counts.

use super::Batch;
use crate::error::{Error, Result};

/// The weights of a batch: each is for as many values in a row, those of a whole row or fewer.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    weights: Option<&'a [f32]>,
    each: usize,
}

impl<'a> Weights<'a> {
    /// The weights of `places` values, row by row. As in Keras there is one for each place along
    /// the first axes of the predictions: `(batch,)`, `(batch, steps)` or all; or one a value.
    ///
    /// # Errors
    ///
    /// When there are as many as none of these.
    pub(super) fn over(batch: &Batch<'a>, places: usize) -> Result<Self> {
        let Some(weights) = batch.sample_weight else {
            return Ok(Weights {
                weights: None,
                each: 1,
            });
        };
        let (count, rows) = (weights.len(), batch.rows());
        let along_axes = || {
            let mut lengths = batch.y_pred_shape.iter();
            let mut product = 1usize;
            lengths.any(|length| {
                product = product.saturating_mul(*length);
                product == count && places.is_multiple_of(count)
            })
        };
        if count != rows && count != places && !along_axes() {
            return Err(Error::argument(
                "metrics",
                "sample_weight",
                format!("one weight for each of {rows} rows, or of {places} values"),
                format!("{count} weights"),
            ));
        }
        Ok(Weights {
            weights: Some(weights),
            each: (places / count.max(1)).max(1),
        })
    }

    /// Whether every value counts once.
    pub(super) fn are_none(&self) -> bool {
        self.weights.is_none()
    }

    /// The weights, and for how many values each is.
    pub(super) fn all(&self) -> Option<(&'a [f32], usize)> {
        self.weights.map(|weights| (weights, self.each))
    }

    /// The weight of a value.
    #[inline(always)]
    pub(super) fn at(&self, place: usize) -> f32 {
        self.weights.map_or(1.0, |weights| {
            weights.get(place / self.each).copied().unwrap_or(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(count: usize, places: usize) -> Result<Vec<f32>> {
        let weights: Vec<f32> = (0..count).map(|weight| weight as f32).collect();
        let batch = Batch {
            y_true: &[],
            y_true_shape: &[2, 3, 4],
            y_pred: &[],
            y_pred_shape: &[2, 3, 4],
            sample_weight: Some(&weights),
        };
        let weights = Weights::over(&batch, places)?;
        Ok([0, 3, 4, 23].map(|place| weights.at(place)).to_vec())
    }

    #[test]
    fn there_is_one_for_each_place_along_the_first_axes() {
        assert_eq!(over(2, 24).expect("rows"), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(over(6, 24).expect("steps"), [0.0, 0.0, 1.0, 5.0]);
        assert_eq!(over(24, 24).expect("values"), [0.0, 3.0, 4.0, 23.0]);
        // Of groups, whose number is no product of these axes where they lie along another one.
        assert_eq!(over(8, 8).expect("groups")[..3], [0.0, 3.0, 4.0]);
    }

    #[test]
    fn other_numbers_are_refused() {
        for count in [1, 3, 4, 8, 12, 25] {
            assert!(over(count, 24).is_err(), "{count}");
        }
        assert!(over(24, 6).is_err());
    }
}
