//! [`Shuffle`]: rows in a random order, through a buffer.

use super::adapters::CHUNK;
use super::{Batch, Dataset, Length, Pass, fill};
use crate::error::{Error, Result};
use crate::random::{Rng, below};

/// Rows in a random order; see [`Dataset::shuffle`].
///
/// The buffer holds `buffer_size` rows. Each row that is given is one of them, any with the same
/// probability, and the next row of the dataset takes its place.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Batch, Dataset, Pass, from_index};
///
/// let mut rows = from_index(10, |i| (i, i)).shuffle(10).seed(3);
/// let mut batch = Batch::new();
/// rows.begin(Pass::default())?;
/// rows.read(10, &mut batch)?;
/// let mut order = batch.target(0).unwrap().values().to_vec();
/// order.sort_by(f32::total_cmp);
/// assert_eq!(order[9], 9.0);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug)]
pub struct Shuffle<D> {
    dataset: D,
    buffer_size: usize,
    seed: Option<u64>,
    rng: Rng,
    buffer: Batch,
    /// Rows that were read and are not in the buffer yet, and how many of them are.
    read: Batch,
    taken: usize,
}

impl<D> Shuffle<D> {
    pub(super) fn new(dataset: D, buffer_size: usize) -> Self {
        Shuffle {
            dataset,
            buffer_size,
            seed: None,
            rng: Pass::default().rng("shuffle"),
            buffer: Batch::new(),
            read: Batch::new(),
            taken: 0,
        }
    }

    /// A seed of its own instead of the model's.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl<D: Dataset> Shuffle<D> {
    /// Whether there is a row that waits in `read`, after reading more where there was none.
    fn waits(&mut self) -> Result<bool> {
        if self.taken == self.read.len() {
            self.taken = 0;
            fill(&mut self.dataset, CHUNK, &mut self.read)?;
        }
        Ok(self.taken < self.read.len())
    }

    fn draw(&mut self, batch: &mut Batch) -> Result<bool> {
        while self.buffer.len() < self.buffer_size && self.waits()? {
            let count = self.buffer_size - self.buffer.len();
            let count = count.min(self.read.len() - self.taken);
            self.buffer.extend(&self.read, self.taken, count)?;
            self.taken += count;
        }
        let rows = self.buffer.len();
        if rows == 0 {
            return Ok(false);
        }
        let row = below(rows as u32, &mut self.rng) as usize;
        batch.push_from(&self.buffer, row)?;
        match self.waits()? {
            true => {
                self.buffer.replace(row, &self.read, self.taken)?;
                self.taken += 1;
            }
            false => self.buffer.swap_remove(row),
        }
        Ok(true)
    }
}

impl<D: Dataset> Dataset for Shuffle<D> {
    fn length(&self) -> Length {
        self.dataset.length()
    }

    fn begin(&mut self, pass: Pass) -> Result<()> {
        if !(1..=u32::MAX as usize).contains(&self.buffer_size) {
            let wanted = "from 1 to 4 294 967 295";
            let found = self.buffer_size;
            return Err(Error::argument("shuffle", "buffer_size", wanted, found));
        }
        let own = Pass {
            seed: self.seed.unwrap_or(pass.seed),
            ..pass
        };
        self.rng = own.rng("shuffle");
        self.buffer.clear();
        self.read.clear();
        self.read.set_first(0);
        self.taken = 0;
        self.dataset.begin(pass)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        for count in 0..rows {
            if !self.draw(batch)? {
                return Ok(count);
            }
        }
        Ok(rows)
    }
}
