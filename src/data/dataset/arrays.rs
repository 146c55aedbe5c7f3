//! ArrayRows in memory as a [`Dataset`].

use super::{Batch, Dataset, Length, Pass};
use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};

/// The rows of arrays: `x` and `y` as `fit` takes them.
///
/// # Errors
///
/// When `y` has not as many rows as `x`.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Dataset, Length, from_arrays};
/// use horn::prelude::*;
///
/// let (x, y) = (array![[1.0, 2.0], [3.0, 4.0]], array![0, 1]);
/// let rows = from_arrays(&x, &y)?.sample_weight(&[1.0, 0.5])?;
/// assert_eq!(rows.length(), Length::Known(2));
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_arrays<'a>(
    x: &'a (impl AsRows + ?Sized),
    y: &'a (impl AsRows + ?Sized),
) -> Result<ArrayRows<'a>> {
    ArrayRows::new(x).target(y)
}

/// Rows of arrays in memory, with any number of inputs and targets; see [`from_arrays`].
///
/// # Examples
///
/// ```
/// use horn::data::dataset::ArrayRows;
///
/// let (images, hours, labels) = (vec![0.1, 0.2, 0.3], vec![7, 12, 23], vec![0, 0, 1]);
/// let rows = ArrayRows::new(&images).input(&hours)?.target(&labels)?;
///
/// let error = rows.input(&[1.0]).unwrap_err().to_string();
/// assert!(error.contains("3 rows"), "{error}");
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ArrayRows<'a> {
    inputs: Vec<Rows<'a>>,
    targets: Vec<Rows<'a>>,
    weights: Option<Rows<'a>>,
    rows: usize,
    next: usize,
}

impl<'a> ArrayRows<'a> {
    /// Rows with one input and nothing else.
    pub fn new(x: &'a (impl AsRows + ?Sized)) -> Self {
        let x = x.as_rows();
        ArrayRows {
            rows: x.len(),
            inputs: vec![x],
            targets: Vec::new(),
            weights: None,
            next: 0,
        }
    }

    /// One more input.
    ///
    /// # Errors
    ///
    /// When it has not as many rows as the first.
    pub fn input(mut self, x: &'a (impl AsRows + ?Sized)) -> Result<Self> {
        let x = self.fitting("input", x.as_rows())?;
        self.inputs.push(x);
        Ok(self)
    }

    /// One more target.
    ///
    /// # Errors
    ///
    /// When it has not as many rows as the first input.
    pub fn target(mut self, y: &'a (impl AsRows + ?Sized)) -> Result<Self> {
        let y = self.fitting("target", y.as_rows())?;
        self.targets.push(y);
        Ok(self)
    }

    /// A weight for each row.
    ///
    /// # Errors
    ///
    /// When there are not as many as rows.
    pub fn sample_weight(mut self, weights: &'a (impl AsRows + ?Sized)) -> Result<Self> {
        let weights = self.fitting("sample_weight", weights.as_rows())?;
        if weights.row_size() != 1 {
            return Err(Error::argument(
                "ArrayRows",
                "sample_weight",
                "one number a row",
                format!("{:?}", weights.row_shape()),
            ));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    fn fitting(&self, what: &str, rows: Rows<'a>) -> Result<Rows<'a>> {
        match rows.len() == self.rows {
            true => Ok(rows),
            false => Err(Error::Shape {
                place: format!("`ArrayRows`: `{what}`"),
                expected: format!("{} rows, as many as the first input", self.rows),
                found: rows.len().to_string(),
                hint: "every row needs one of each".into(),
            }),
        }
    }
}

impl Dataset for ArrayRows<'_> {
    fn length(&self) -> Length {
        Length::Known(self.rows)
    }

    fn begin(&mut self, _pass: Pass) -> Result<()> {
        self.next = 0;
        Ok(())
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let count = rows.min(self.rows - self.next);
        if count == 0 {
            return Ok(0);
        }
        let range = self.next..self.next + count;
        batch.append(count, |row| {
            for input in &self.inputs {
                input.gather_range(range.clone(), row.input_space(input.row_shape())?);
            }
            for target in &self.targets {
                target.gather_range(range.clone(), row.target_space(target.row_shape())?);
            }
            if let Some(weights) = &self.weights {
                weights.gather_range(range.clone(), row.weight_space()?);
            }
            Ok(())
        })?;
        self.next += count;
        Ok(count)
    }
}
