//! Small adapters of a [`Dataset`]: [`Map`], [`Take`], [`Skip`], [`Repeat`].

use std::fmt;

use super::{Batch, Dataset, Length, Pass, fill};
use crate::error::Result;

/// How many rows are read at a time where they are looked at one by one.
pub(super) const CHUNK: usize = 64;

/// Rows that a function changes; see [`Dataset::map`].
#[derive(Clone)]
pub struct Map<D, F> {
    dataset: D,
    change: F,
    read: Batch,
    row: Batch,
}

impl<D: fmt::Debug, F> fmt::Debug for Map<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Map");
        debug
            .field("dataset", &self.dataset)
            .finish_non_exhaustive()
    }
}

impl<D, F> Map<D, F> {
    pub(super) fn new(dataset: D, change: F) -> Self {
        Map {
            dataset,
            change,
            read: Batch::new(),
            row: Batch::new(),
        }
    }
}

impl<D: Dataset, F: FnMut(&mut Batch) -> Result<()> + Send> Dataset for Map<D, F> {
    fn length(&self) -> Length {
        self.dataset.length()
    }

    fn begin(&mut self, pass: Pass) -> Result<()> {
        self.read.set_first(0);
        self.dataset.begin(pass)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let count = fill(&mut self.dataset, rows.min(CHUNK), &mut self.read)?;
        for row in 0..count {
            self.row.clear();
            self.row.set_first(self.read.first() + row);
            self.row.push_from(&self.read, row)?;
            (self.change)(&mut self.row)?;
            batch.extend(&self.row, 0, 1)?;
        }
        Ok(count)
    }
}

/// The first rows; see [`Dataset::take`].
#[derive(Debug, Clone)]
pub struct Take<D> {
    dataset: D,
    rows: usize,
    left: usize,
}

impl<D> Take<D> {
    pub(super) fn new(dataset: D, rows: usize) -> Self {
        Take {
            dataset,
            rows,
            left: rows,
        }
    }
}

impl<D: Dataset> Dataset for Take<D> {
    fn length(&self) -> Length {
        match self.dataset.length() {
            Length::Known(rows) => Length::Known(rows.min(self.rows)),
            Length::Unknown => Length::Unknown,
            Length::Endless => Length::Known(self.rows),
        }
    }

    fn begin(&mut self, pass: Pass) -> Result<()> {
        self.left = self.rows;
        self.dataset.begin(pass)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let wanted = rows.min(self.left);
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.dataset.read(wanted, batch)?;
        self.left = self.left.saturating_sub(count);
        Ok(count)
    }
}

/// The rows after the first; see [`Dataset::skip`].
#[derive(Debug, Clone)]
pub struct Skip<D> {
    dataset: D,
    rows: usize,
    /// How many are still to be left out in this pass.
    left: usize,
    unwanted: Batch,
}

impl<D> Skip<D> {
    pub(super) fn new(dataset: D, rows: usize) -> Self {
        Skip {
            dataset,
            rows,
            left: rows,
            unwanted: Batch::new(),
        }
    }
}

impl<D: Dataset> Dataset for Skip<D> {
    fn length(&self) -> Length {
        match self.dataset.length() {
            Length::Known(rows) => Length::Known(rows.saturating_sub(self.rows)),
            other => other,
        }
    }

    fn begin(&mut self, pass: Pass) -> Result<()> {
        self.left = self.rows;
        self.dataset.begin(pass)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        while self.left > 0 {
            self.unwanted.clear();
            let count = self
                .dataset
                .read(self.left.min(CHUNK), &mut self.unwanted)?;
            if count == 0 {
                self.left = 0;
                return Ok(0);
            }
            self.left = self.left.saturating_sub(count);
        }
        self.dataset.read(rows, batch)
    }
}

/// The rows over and over; see [`Dataset::repeat`].
#[derive(Debug, Clone)]
pub struct Repeat<D> {
    dataset: D,
    /// The pass over the rows that is under way.
    pass: Pass,
    /// Whether it has given a row.
    some: bool,
}

impl<D> Repeat<D> {
    pub(super) fn new(dataset: D) -> Self {
        Repeat {
            dataset,
            pass: Pass::default(),
            some: false,
        }
    }
}

impl<D: Dataset> Dataset for Repeat<D> {
    fn length(&self) -> Length {
        match self.dataset.length() {
            Length::Known(0) => Length::Known(0),
            _ => Length::Endless,
        }
    }

    fn begin(&mut self, pass: Pass) -> Result<()> {
        self.pass = pass;
        self.some = false;
        self.dataset.begin(pass)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let mut count = self.dataset.read(rows, batch)?;
        // A pass without a row is the end: another would have none either.
        if count == 0 && self.some && rows > 0 {
            self.pass.epoch += 1;
            self.dataset.begin(self.pass)?;
            count = self.dataset.read(rows, batch)?;
        }
        self.some = count > 0;
        Ok(count)
    }
}
