//! Where training takes its batches from: arrays in memory, or a dataset.

use std::sync::Arc;

use super::built::Built;
use super::compile::Head;
use super::examples::Examples;
use super::feed::Feed;
use super::network::Network;
use super::plans::{Key, Mode, Prepared};
use crate::data::Order;
use crate::data::dataset::Pass;
use crate::error::{Error, Result};
use crate::kernels::aligned::Aligned;

/// What training and validation hold of their rows.
pub(crate) enum Held<'a> {
    Arrays(Examples<'a>),
    /// A dataset, and how many batches of it are taken.
    Dataset(Feed<'a>, Option<usize>),
}

/// What gives the batches of training.
pub(crate) enum Source<'a> {
    Arrays(Resident<'a>),
    Dataset(Stream<'a>),
}

/// A plan with a workspace of its own.
pub(crate) struct Bench {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) workspace: Aligned,
}

impl Bench {
    fn new(prepared: Arc<Prepared>) -> Self {
        Bench {
            workspace: prepared.workspace(),
            prepared,
        }
    }
}

impl<'a> Source<'a> {
    /// All that an epoch takes.
    pub(crate) fn new(
        train: Held<'a>,
        parts: (&Network, &Built, &[Head]),
        batch_size: usize,
        steps: impl FnOnce(usize) -> Result<usize>,
    ) -> Result<Self> {
        match train {
            Held::Arrays(rows) => {
                let steps = steps(rows.len())?;
                Ok(Source::Arrays(Resident::new(
                    rows, parts, batch_size, steps,
                )?))
            }
            Held::Dataset(feed, asked) => {
                let steps = feed.steps("steps_per_epoch", asked)?;
                Ok(Source::Dataset(Stream::new(feed, asked, steps)))
            }
        }
    }

    /// How many batches an epoch has, if anyone knows.
    pub(crate) fn steps(&self) -> Option<usize> {
        match self {
            Source::Arrays(resident) => Some(resident.steps),
            Source::Dataset(stream) => stream.expected,
        }
    }
}

/// Arrays in memory.
pub(crate) struct Resident<'a> {
    pub(crate) rows: Examples<'a>,
    /// The order of the rows in this epoch.
    pub(crate) order: Order,
    pub(crate) steps: usize,
    pub(crate) full: Bench,
    /// For the last batch, where it is smaller.
    pub(crate) last: Option<Bench>,
}

impl<'a> Resident<'a> {
    fn new(
        rows: Examples<'a>,
        (network, built, heads): (&Network, &Built, &[Head]),
        batch_size: usize,
        steps: usize,
    ) -> Result<Self> {
        if rows.len() > u32::MAX as usize {
            let wanted = format!("at most {} rows", u32::MAX);
            return Err(Error::argument("fit", "x", wanted, rows.len()));
        }
        let mode = Mode::Train {
            weighted: rows.weights.is_some(),
        };
        let size = batch_size.min(rows.len());
        let bench = |batch: usize| -> Result<Bench> {
            let labels = rows.labels;
            let key = Key {
                mode,
                batch,
                labels,
            };
            Ok(Bench::new(built.plan(network, heads, key)?))
        };
        let full = bench(size)?;
        let rest = rows.len() % size;
        let last = match rest > 0 && steps * size > rows.len() {
            true => Some(bench(rest)?),
            false => None,
        };
        Ok(Resident {
            order: Order::new(rows.len()),
            rows,
            steps,
            full,
            last,
        })
    }
}

/// A dataset. Without `steps_per_epoch` each epoch is a pass over it; with it, an epoch goes on
/// where the one before has stopped, as in Keras.
pub(crate) struct Stream<'a> {
    feed: Feed<'a>,
    /// What was asked for with `steps_per_epoch`.
    asked: Option<usize>,
    /// How many batches an epoch has, if anyone knows.
    expected: Option<usize>,
    /// The epoch in which the pass began that is under way, if one is.
    running: Option<usize>,
    full: Option<(usize, Bench)>,
    last: Option<(usize, Bench)>,
}

impl<'a> Stream<'a> {
    fn new(feed: Feed<'a>, asked: Option<usize>, expected: Option<usize>) -> Self {
        Stream {
            feed,
            asked,
            expected,
            running: None,
            full: None,
            last: None,
        }
    }

    /// Begins an epoch.
    pub(crate) fn begin(&mut self, pass: Pass) -> Result<()> {
        if self.running.is_none() || self.asked.is_none() {
            self.start(pass)?;
        }
        Ok(())
    }

    fn start(&mut self, pass: Pass) -> Result<()> {
        self.feed.begin(pass)?;
        self.running = Some(pass.epoch);
        Ok(())
    }

    /// The epoch in which the pass began that is under way, and how many batches of it were read.
    pub(crate) fn place(&self) -> Option<(usize, usize)> {
        Some((self.running?, self.feed.read))
    }

    /// Begins the pass of an epoch and leaves so many batches out. False when it has fewer.
    pub(crate) fn seek(
        &mut self,
        (epoch, batches): (usize, usize),
        seed: u64,
        parts: (&Network, &Built, &[Head]),
    ) -> Result<bool> {
        self.start(Pass::new(epoch, seed))?;
        for _ in 0..batches {
            if self.feed.next(parts)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads batch number `batch` of the epoch. False when the epoch is over.
    pub(crate) fn next(
        &mut self,
        batch: usize,
        pass: Pass,
        parts: (&Network, &Built, &[Head]),
    ) -> Result<bool> {
        if self.asked == Some(batch) {
            return Ok(false);
        }
        let mut rows = self.feed.next(parts)?;
        if rows == 0 && batch == 0 && self.asked.is_some() {
            // The pass had ended where the epoch before did.
            self.start(pass)?;
            rows = self.feed.next(parts)?;
        }
        if rows > 0 {
            self.prepare(rows, parts)?;
            return Ok(true);
        }
        self.running = None;
        match self.asked {
            // A whole pass that is too short will never do; the end of a longer one, which its
            // epochs do not divide evenly, is a shorter epoch.
            Some(steps) if self.feed.read < steps => {
                Err(self.feed.ended_early("steps_per_epoch", steps))
            }
            _ => Ok(false),
        }
    }

    /// Makes a bench for batches of so many rows, where there is none.
    fn prepare(&mut self, rows: usize, parts: (&Network, &Built, &[Head])) -> Result<()> {
        let full = rows == self.feed.batch_size;
        let bench = if full { &mut self.full } else { &mut self.last };
        if !matches!(bench, Some((known, _)) if *known == rows) {
            let (network, built, heads) = parts;
            let prepared = built.plan(network, heads, self.feed.key(true))?;
            *bench = Some((rows, Bench::new(prepared)));
        }
        Ok(())
    }

    /// What holds the batch that was read last.
    pub(crate) fn feed(&self) -> &Feed<'a> {
        &self.feed
    }

    /// What the batch that was read last is computed with.
    pub(crate) fn bench(&mut self) -> Option<(&mut Bench, &Feed<'a>)> {
        let full = self.feed.rows() == self.feed.batch_size;
        let bench = if full { &mut self.full } else { &mut self.last };
        bench.as_mut().map(|(_, bench)| (bench, &self.feed))
    }
}
