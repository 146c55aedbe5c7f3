//! Functions and iterators as a [`Dataset`].

use std::fmt;

use super::{Batch, Dataset, Length, Pass, Sample};
use crate::data::AsRows;
use crate::error::{Error, Result};

/// Rows that a function makes from their numbers, `0..rows`.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Dataset, from_index};
/// use horn::prelude::*;
///
/// // A number's last two bits, and whether they differ.
/// let rows = from_index(1024, |i| ([i & 1, i >> 1 & 1], i & 1 != i >> 1 & 1));
/// let mut model = Sequential::new()
///     .seed(1)
///     .add(Dense::new(8).input_dim(2).activation(Tanh))
///     .add(Dense::new(1).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new().learning_rate(0.1), BinaryCrossentropy::new()))?;
/// let history = model.fit_dataset(rows, Fit::new().epochs(5).verbose(0))?;
/// assert!(history["loss"][4] < 0.1);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_index<S, F>(rows: usize, function: F) -> Index<F>
where
    S: Sample,
    F: FnMut(usize) -> S + Send,
{
    Index {
        rows,
        next: 0,
        function,
    }
}

/// Rows of a function; see [`from_index`].
#[derive(Clone)]
pub struct Index<F> {
    rows: usize,
    next: usize,
    function: F,
}

impl<F> fmt::Debug for Index<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Index");
        debug.field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<S: Sample, F: FnMut(usize) -> S + Send> Dataset for Index<F> {
    fn length(&self) -> Length {
        Length::Known(self.rows)
    }

    fn begin(&mut self, _pass: Pass) -> Result<()> {
        self.next = 0;
        Ok(())
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let count = rows.min(self.rows - self.next);
        for _ in 0..count {
            batch.push((self.function)(self.next))?;
            self.next += 1;
        }
        Ok(count)
    }
}

/// Rows from an iterator that `make` makes anew for each pass, as a Python generator is.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::from_generator;
/// use horn::prelude::*;
///
/// let lines = "1 2\n2 4\n3 6";
/// let rows = from_generator(|| {
///     lines.lines().map(|line| {
///         let (x, y) = line.split_once(' ').ok_or_else(|| Error::dataset("no space"))?;
///         let number = |text: &str| text.parse::<f32>().map_err(|e| Error::dataset(e.to_string()));
///         Result::Ok(([number(x)?], number(y)?))
///     })
/// });
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// model.fit_dataset(rows, Fit::new().epochs(3).verbose(0))?;
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_generator<I, F>(make: F) -> Generator<I, F>
where
    I: Iterator<Item: Sample> + Send,
    F: FnMut() -> I + Send,
{
    Generator {
        make,
        iterator: None,
    }
}

/// Rows from what can be iterated over; it is cloned for each pass.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Batch, Dataset, Pass, from_iter};
///
/// let mut rows = from_iter((0..5).map(|i| ([i], i * i)));
/// let mut batch = Batch::new();
/// rows.begin(Pass::default())?;
/// assert_eq!(rows.read(3, &mut batch)?, 3);
/// assert_eq!(rows.read(3, &mut batch)?, 2);
/// assert_eq!(batch.target(0).unwrap().values(), [0.0, 1.0, 4.0, 9.0, 16.0]);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_iter<I>(rows: I) -> Generator<I::IntoIter, impl FnMut() -> I::IntoIter + Send>
where
    I: IntoIterator<Item: Sample, IntoIter: Send> + Clone + Send,
{
    from_generator(move || rows.clone().into_iter())
}

/// Rows of iterators; see [`from_generator`] and [`from_iter`].
#[derive(Clone)]
pub struct Generator<I, F> {
    make: F,
    iterator: Option<I>,
}

impl<I, F> fmt::Debug for Generator<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").finish_non_exhaustive()
    }
}

impl<I, F> Dataset for Generator<I, F>
where
    I: Iterator<Item: Sample> + Send,
    F: FnMut() -> I + Send,
{
    fn begin(&mut self, _pass: Pass) -> Result<()> {
        self.iterator = Some((self.make)());
        Ok(())
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        for count in 0..rows {
            let Some(sample) = self.iterator.as_mut().and_then(Iterator::next) else {
                self.iterator = None;
                return Ok(count);
            };
            batch.push(sample)?;
        }
        Ok(rows)
    }
}

/// Rows from an iterator over batches `(x, y)`, arrays with rows along their first axes, that
/// `make` makes anew for each pass. Training cuts batches of its own size out of them.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::from_batches;
/// use horn::prelude::*;
///
/// let days = || (0..7).map(|day| (Array2::from_elem((24, 3), day as f32), Array1::from_elem(24, day)));
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(3));
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// model.fit_dataset(from_batches(days), Fit::new().batch_size(10).verbose(0))?;
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_batches<X, Y, I, F>(make: F) -> Batches<I, F>
where
    X: AsRows,
    Y: AsRows,
    I: Iterator<Item = (X, Y)> + Send,
    F: FnMut() -> I + Send,
{
    Batches {
        make,
        iterator: None,
        batch: Batch::new(),
        taken: 0,
    }
}

/// Rows of batches; see [`from_batches`].
#[derive(Clone)]
pub struct Batches<I, F> {
    make: F,
    iterator: Option<I>,
    /// The batch that was made last, and how many of its rows were read.
    batch: Batch,
    taken: usize,
}

impl<I, F> fmt::Debug for Batches<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").finish_non_exhaustive()
    }
}

impl<X, Y, I, F> Dataset for Batches<I, F>
where
    X: AsRows,
    Y: AsRows,
    I: Iterator<Item = (X, Y)> + Send,
    F: FnMut() -> I + Send,
{
    fn begin(&mut self, _pass: Pass) -> Result<()> {
        self.iterator = Some((self.make)());
        self.batch.clear();
        self.batch.set_first(0);
        self.taken = 0;
        Ok(())
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        while self.taken == self.batch.len() {
            self.batch.clear();
            self.taken = 0;
            let Some((x, y)) = self.iterator.as_mut().and_then(Iterator::next) else {
                self.iterator = None;
                return Ok(0);
            };
            let (x, y) = (x.as_rows(), y.as_rows());
            if x.len() != y.len() {
                return Err(Error::Shape {
                    place: format!("the batch that begins with row {}", self.batch.first()),
                    expected: format!("as many targets as inputs, {}", x.len()),
                    found: y.len().to_string(),
                    hint: "every input needs one target".into(),
                });
            }
            if x.is_empty() {
                continue;
            }
            self.batch.append(x.len(), |row| {
                x.gather_range(0..x.len(), row.input_space(x.row_shape())?);
                y.gather_range(0..y.len(), row.target_space(y.row_shape())?);
                Ok(())
            })?;
        }
        let count = rows.min(self.batch.len() - self.taken);
        batch.extend(&self.batch, self.taken, count)?;
        self.taken += count;
        Ok(count)
    }
}
