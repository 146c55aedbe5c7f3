//! Streams of rows, for data that do not fit in memory or are made on the way: [`Dataset`].
//!
//! A dataset has a source and, behind it, what changes the stream:
//!
//! | source | rows from |
//! |---|---|
//! | [`from_arrays`] | arrays in memory, of several inputs and targets too |
//! | [`from_index`] | a function of the row's number |
//! | [`from_generator`], [`from_iter`] | iterators over rows |
//! | [`from_batches`] | iterators over batches of any size |
//! | [`Csv::stream`](super::Csv::stream) | a text file of any size |
//! | [`NpyRows`] | numpy's `.npy` files of any size |
//!
//! | adapter | |
//! |---|---|
//! | [`shuffle`](Dataset::shuffle) | a random order, through a buffer |
//! | [`map`](Dataset::map) | changes each row |
//! | [`take`](Dataset::take), [`skip`](Dataset::skip) | the first rows; those after them |
//! | [`repeat`](Dataset::repeat) | begins again for ever |
//! | [`prefetch`](Dataset::prefetch) | works ahead on a thread of its own |
//!
//! Rows become batches in `fit_dataset`, `evaluate_dataset` and `predict_dataset`, whose
//! `batch_size` says how large they are: there is no `batch` to call.
//!
//! Files are read through small buffers at the place where the stream stands; they are not mapped
//! into memory, which would be undefined behaviour as soon as another program changes them.
//!
//! # Examples
//!
//! ```
//! use horn::data::dataset::{Batch, Dataset, Pass, from_index};
//!
//! // y = 2 x, for x from 0 to 99, in a random order.
//! let mut numbers = from_index(100, |i| ([i as f32], 2.0 * i as f32)).shuffle(100);
//! let mut batch = Batch::new();
//! numbers.begin(Pass::new(0, 7))?;
//! assert_eq!(numbers.read(32, &mut batch)?, 32);
//! let x = batch.input(0).unwrap();
//! let y = batch.target(0).unwrap();
//! assert_eq!((x.row_shape(), y.values()[5]), (&[1][..], 2.0 * x.values()[5]));
//! # Ok::<(), horn::Error>(())
//! ```

mod adapters;
mod arrays;
mod batch;
mod functions;
pub(crate) mod npy;
mod prefetch;
mod sample;
mod shuffle;

pub use adapters::{Map, Repeat, Skip, Take};
pub use arrays::{ArrayRows, from_arrays};
pub use batch::{Batch, Part, Row};
pub use functions::{
    Batches, Generator, Index, from_batches, from_generator, from_index, from_iter,
};
pub use npy::NpyRows;
pub use prefetch::Prefetch;
pub use sample::{Parts, Sample, Values};
pub use shuffle::Shuffle;

use crate::error::Result;
use crate::random::{Purpose, Rng, stream};

/// How many rows a pass over a dataset gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// That many.
    Known(usize),
    /// An end, but nobody knows when.
    Unknown,
    /// No end.
    Endless,
}

/// A pass over a dataset: which one it is, and the seed of what is random in it.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::Pass;
/// use horn::random;
///
/// let pass = Pass::new(3, 7);
/// let noise = random::uniform(&mut pass.rng("noise"));
/// assert_eq!(noise, random::uniform(&mut Pass::new(3, 7).rng("noise")));
/// assert_ne!(noise, random::uniform(&mut Pass::new(4, 7).rng("noise")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pass {
    /// The number of the epoch, from 0, in which the pass begins.
    pub epoch: usize,
    /// The seed; in training that of the model.
    pub seed: u64,
}

impl Pass {
    /// The pass of an epoch, with a seed.
    pub fn new(epoch: usize, seed: u64) -> Self {
        Pass { epoch, seed }
    }

    /// Random numbers that are the same whenever the pass is made again; different names give
    /// unrelated ones.
    pub fn rng(&self, name: &str) -> Rng {
        stream(self.seed, Purpose::Data, name, self.epoch as u64)
    }
}

/// A stream of rows that can be gone through again and again.
///
/// A row has one or more inputs, targets, and perhaps a weight. All rows of a dataset have the
/// same of them, in the same shapes.
///
/// Two methods are enough for one's own: [`begin`](Dataset::begin) goes to the first row, and
/// [`read`](Dataset::read) gives the next ones.
///
/// Source: <https://keras.io/api/models/model_training_apis/#fit-method>, and the methods of
/// <https://www.tensorflow.org/api_docs/python/tf/data/Dataset>.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Batch, Dataset, Pass};
/// use horn::random::{self, Rng};
///
/// /// Points of the unit square, and whether they lie in the circle. There is no end of them.
/// struct Darts(Rng);
///
/// impl Dataset for Darts {
///     fn begin(&mut self, pass: Pass) -> horn::Result<()> {
///         self.0 = pass.rng("darts");
///         Ok(())
///     }
///
///     fn read(&mut self, rows: usize, batch: &mut Batch) -> horn::Result<usize> {
///         for _ in 0..rows {
///             let point = [random::uniform(&mut self.0), random::uniform(&mut self.0)];
///             let inside = point[0].hypot(point[1]) < 1.0;
///             batch.push((point, f32::from(inside)))?;
///         }
///         Ok(rows)
///     }
/// }
///
/// let mut darts = Darts(Pass::new(0, 0).rng("darts")).take(1000);
/// let mut batch = Batch::new();
/// darts.begin(Pass::new(0, 1))?;
/// darts.read(1000, &mut batch)?;
/// let inside: f32 = batch.target(0).unwrap().values().iter().sum();
/// assert!((4.0 * inside / 1000.0 - 3.14).abs() < 0.2);
/// # Ok::<(), horn::Error>(())
/// ```
pub trait Dataset: Send {
    /// How many rows a pass gives; [`Length::Unknown`] unless it is written.
    fn length(&self) -> Length {
        Length::Unknown
    }

    /// Goes back to the first row. Called before the first `read` of each pass.
    ///
    /// # Errors
    ///
    /// Whatever keeps the rows from being read again.
    fn begin(&mut self, pass: Pass) -> Result<()>;

    /// Appends the next rows to the batch, at most `rows` of them, and says how many; it may give
    /// fewer, and none only when the pass is over.
    ///
    /// # Errors
    ///
    /// Whatever keeps the rows from being read.
    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize>;

    /// The rows in a random order: each is drawn from a buffer of the next `buffer_size` rows.
    /// For a uniform order the buffer must hold all rows.
    ///
    /// The order changes from epoch to epoch, and is the same for the same seed: the model's, or
    /// the one that [`Shuffle::seed`] sets.
    fn shuffle(self, buffer_size: usize) -> Shuffle<Self>
    where
        Self: Sized,
    {
        Shuffle::new(self, buffer_size)
    }

    /// Each row, alone in a batch, as `change` leaves it.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::{Batch, Dataset, Pass, from_index};
    ///
    /// let mut pixels = from_index(2, |i| ([0, 255], i)).map(|row| {
    ///     row.input_mut(0).iter_mut().for_each(|pixel| *pixel /= 255.0);
    ///     Ok(())
    /// });
    /// let mut batch = Batch::new();
    /// pixels.begin(Pass::default())?;
    /// pixels.read(2, &mut batch)?;
    /// assert_eq!(batch.input(0).unwrap().values(), [0.0, 1.0, 0.0, 1.0]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    fn map<F>(self, change: F) -> Map<Self, F>
    where
        Self: Sized,
        F: FnMut(&mut Batch) -> Result<()> + Send,
    {
        Map::new(self, change)
    }

    /// The first `rows` rows, or all where there are fewer.
    fn take(self, rows: usize) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, rows)
    }

    /// All but the first `rows` rows.
    fn skip(self, rows: usize) -> Skip<Self>
    where
        Self: Sized,
    {
        Skip::new(self, rows)
    }

    /// The rows over and over; `fit` then needs `steps_per_epoch`.
    fn repeat(self) -> Repeat<Self>
    where
        Self: Sized,
    {
        Repeat::new(self)
    }

    /// The same rows, read ahead by a thread: up to `batches` batches wait in memory, small ones
    /// several at a time.
    ///
    /// Put it last. What is read does not change, nor does the order. Where reading a batch takes
    /// less time than a step of training, it takes none of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::{Dataset, from_index};
    /// use horn::prelude::*;
    ///
    /// let rows = from_index(64, |i| ([(i % 8) as f32], (i % 8) as f32)).shuffle(64).prefetch(2);
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// model.fit_dataset(rows, Fit::new().epochs(2).verbose(0))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    fn prefetch(self, batches: usize) -> Prefetch<Self>
    where
        Self: Sized + 'static,
    {
        Prefetch::new(self, batches)
    }
}

/// A pointer to a dataset is one: `&mut dataset` to use it again, `Box<dyn Dataset>`.
macro_rules! forward {
    ($Pointer:ty) => {
        impl<D: Dataset + ?Sized> Dataset for $Pointer {
            fn length(&self) -> Length {
                (**self).length()
            }

            fn begin(&mut self, pass: Pass) -> Result<()> {
                (**self).begin(pass)
            }

            fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
                (**self).read(rows, batch)
            }
        }
    };
}

forward!(&mut D);
forward!(Box<D>);

/// Fills a batch up to `rows` rows, or to the end of the pass. Gives the number of rows in it.
pub(crate) fn fill(
    dataset: &mut (impl Dataset + ?Sized),
    rows: usize,
    batch: &mut Batch,
) -> Result<usize> {
    batch.clear();
    while batch.len() < rows {
        let before = batch.len();
        let read = dataset.read(rows - before, batch)?;
        if read == 0 || batch.len() == before {
            break;
        }
    }
    Ok(batch.len())
}
