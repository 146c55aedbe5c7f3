//! [`SaveFreq`]: how often callbacks write their files.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// When a [`ModelCheckpoint`](super::ModelCheckpoint) or a
/// [`BackupAndRestore`](super::BackupAndRestore) writes.
///
/// # Examples
///
/// ```
/// use horn::callbacks::SaveFreq;
/// use std::time::Duration;
///
/// assert_eq!(SaveFreq::from(100), SaveFreq::Batches(100));
/// assert_eq!(SaveFreq::from(Duration::from_secs(60)), SaveFreq::Time(Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveFreq {
    /// After each epoch.
    #[default]
    Epoch,
    /// After each so many epochs.
    Epochs(usize),
    /// After each so many batches, counted through all epochs.
    Batches(usize),
    /// After the first batch of each such time.
    Time(Duration),
}

impl From<usize> for SaveFreq {
    fn from(batches: usize) -> Self {
        SaveFreq::Batches(batches)
    }
}

impl From<Duration> for SaveFreq {
    fn from(time: Duration) -> Self {
        SaveFreq::Time(time)
    }
}

/// What counts up to the next file.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    pub(super) freq: SaveFreq,
    /// Epochs or batches since the last file.
    pub(super) count: usize,
    last: Instant,
}

impl Pace {
    pub(super) fn new(freq: SaveFreq) -> Self {
        Pace {
            freq,
            count: 0,
            last: Instant::now(),
        }
    }

    /// Checks the frequency; time runs from now on, counts last through several trainings.
    pub(super) fn begin(&mut self, owner: &'static str) -> Result<()> {
        let fail = |wanted| Err(Error::argument(owner, "save_freq", wanted, 0));
        match self.freq {
            SaveFreq::Epochs(0) => return fail("at least 1 epoch"),
            SaveFreq::Batches(0) => return fail("at least 1 batch"),
            _ => self.last = Instant::now(),
        }
        Ok(())
    }

    /// Whether files are written within epochs.
    pub(super) fn by_batch(&self) -> bool {
        matches!(self.freq, SaveFreq::Batches(_) | SaveFreq::Time(_))
    }

    /// Whether a batch is of interest.
    pub(super) fn wants_batch(&self) -> bool {
        match self.freq {
            SaveFreq::Time(time) => self.last.elapsed() >= time,
            _ => self.by_batch(),
        }
    }

    /// Whether a file is due after this batch.
    pub(super) fn batch(&mut self) -> bool {
        match self.freq {
            SaveFreq::Batches(every) => self.counted(every),
            SaveFreq::Time(time) if self.last.elapsed() >= time => {
                self.last = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// Whether a file is due after this epoch.
    pub(super) fn epoch(&mut self) -> bool {
        match self.freq {
            SaveFreq::Epoch => true,
            SaveFreq::Epochs(every) => self.counted(every),
            _ => false,
        }
    }

    fn counted(&mut self, every: usize) -> bool {
        self.count += 1;
        let due = self.count >= every;
        if due {
            self.count = 0;
        }
        due
    }
}
