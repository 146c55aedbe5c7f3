//! [`balanced_class_weight`].

use std::collections::BTreeMap;

use super::AsRows;
use crate::error::{Error, Result};
use crate::metrics::argmax;

/// A weight for each class, so that all classes weigh as much together: `n / (classes · count)`, what
/// [`Fit::class_weight`](crate::model::Fit::class_weight) takes. Labels are ids `(n,)` or `(n, 1)`, or
/// one-hot rows `(n, classes)`.
///
/// Source: scikit-learn's `compute_class_weight("balanced")`; King and Zeng 2001.
///
/// # Errors
///
/// No labels, or ids that are not whole numbers.
///
/// # Examples
///
/// ```
/// use horn::data::balanced_class_weight;
/// use horn::prelude::*;
///
/// let y = array![0, 0, 0, 1];
/// let weights = balanced_class_weight(&y)?;
/// assert_eq!(weights, [(0, 4.0 / 6.0), (1, 2.0)]);
/// let fit = Fit::new().class_weight(weights);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn balanced_class_weight(labels: &(impl AsRows + ?Sized)) -> Result<Vec<(i64, f32)>> {
    let rows = labels.as_rows();
    let wanted = |expected, found: String| {
        Error::argument("balanced_class_weight", "labels", expected, found)
    };
    if rows.is_empty() || rows.row_size() == 0 {
        return Err(wanted("at least one", "none".into()));
    }
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    let mut row = vec![0.0; rows.row_size()];
    for number in 0..rows.len() {
        rows.gather_range(number..number + 1, &mut row);
        let class = match row.as_slice() {
            [id] if id.fract() == 0.0 => *id as i64,
            [id] => return Err(wanted("whole numbers", format!("{id} in row {number}"))),
            one_hot => argmax(one_hot) as i64,
        };
        *counts.entry(class).or_insert(0) += 1;
    }
    let share = rows.len() as f64 / counts.len() as f64;
    let weights = counts.into_iter();
    Ok(weights
        .map(|(class, count)| (class, (share / count as f64) as f32))
        .collect())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    #[test]
    fn classes_weigh_as_much_together() {
        let ids = array![2, 0, 2, 2, 5, 5];
        let weights = balanced_class_weight(&ids).unwrap();
        assert_eq!(weights, [(0, 2.0), (2, 2.0 / 3.0), (5, 1.0)]);
        let one_hot = array![[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]];
        let weights = balanced_class_weight(&one_hot).unwrap();
        assert_eq!(weights, [(0, 2.0), (1, 2.0 / 3.0)]);
    }

    #[test]
    fn labels_are_classes() {
        let error = balanced_class_weight(&array![0.0, 0.5]).unwrap_err();
        assert!(error.to_string().contains("0.5 in row 1"), "{error}");
        assert!(balanced_class_weight(&array![f32::NAN]).is_err());
        assert!(balanced_class_weight(&Array1::<f32>::zeros(0)).is_err());
    }
}
