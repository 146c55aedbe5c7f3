//! [`BackupAndRestore`]: a training that goes on after a crash.

use std::fs;
use std::path::{Path, PathBuf};

use super::save_freq::Pace;
use super::{Callback, Control, Logs, Memory, Run, SaveFreq};
use crate::error::{Error, Result};
use crate::saving::durable;

/// The name of the file in its folder.
const FILE: &str = "training.backup";

/// Lets a training that was killed go on where it was, with the same bits: run the program again.
///
/// After each epoch, or so many batches or so much time, all that a training is goes to a file in
/// `backup_dir`: weights, the optimizer's state and learning rate, the history, the sums of the
/// metrics, what callbacks keep (patience, best values and weights), and the seed. When `fit` finds
/// that file it goes on behind it: the program that was killed by a crash, a full disk or a power cut
/// ends with the very weights and history that it would have had. When a training has ended, the file
/// is removed.
///
/// Files are written beside their place, synced and moved there: a crash at any moment leaves the
/// last file or the new one, and Keras's `double_checkpoint` is not needed. The program has to build
/// the same model and give the same data; `epochs` may grow. Order among callbacks does not matter.
/// What closures keep for themselves begins anew; a callback of your own says what it keeps with
/// [`save_state`](Callback::save_state).
///
/// In Keras the random streams, the history, other callbacks and the place within an epoch are lost.
///
/// Source: <https://keras.io/api/callbacks/backup_and_restore/>
///
/// # Errors
///
/// A file of a training of another model or with other settings, and one that is broken, before the
/// first epoch; [`Error::Io`] when the file cannot be written.
///
/// # Examples
///
/// ```
/// use horn::callbacks::{BackupAndRestore, LambdaCallback};
/// use horn::prelude::*;
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("backup");
///
/// let (x, y) = (array![[0.0], [1.0], [2.0]], array![1.0, 3.0, 5.0]);
/// let model = || -> horn::Result<Sequential> {
///     let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
///     model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
///     Ok(model)
/// };
/// let fit = || Fit::new().epochs(5).batch_size(2).verbose(0);
///
/// // A training that dies in its fourth epoch ...
/// let crash = LambdaCallback::new().on_epoch_begin(|_, epoch| assert!(epoch < 3, "lightning"));
/// let died = model()?.fit(&x, &y, fit().callback(BackupAndRestore::new(&folder)).callback(crash));
/// assert!(died.is_err());
///
/// // ... and goes on there, ends as if nothing had been.
/// let (mut again, mut never) = (model()?, model()?);
/// let resumed = again.fit(&x, &y, fit().callback(BackupAndRestore::new(&folder)))?;
/// assert_eq!(resumed, never.fit(&x, &y, fit())?);
/// assert_eq!(again.get_weights(), never.get_weights());
/// assert!(!folder.exists());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BackupAndRestore {
    backup_dir: PathBuf,
    delete_checkpoint: bool,
    pace: Pace,
}

impl BackupAndRestore {
    /// Keeps the file in this folder, which is made, after each epoch.
    pub fn new(backup_dir: impl AsRef<Path>) -> Self {
        BackupAndRestore {
            backup_dir: backup_dir.as_ref().to_path_buf(),
            delete_checkpoint: true,
            pace: Pace::new(SaveFreq::Epoch),
        }
    }

    /// How often it is written: a number is of batches, a `Duration` is time. Default:
    /// [`SaveFreq::Epoch`]. A write costs a few milliseconds, and more for many weights.
    pub fn save_freq(mut self, freq: impl Into<SaveFreq>) -> Self {
        self.pace = Pace::new(freq.into());
        self
    }

    /// Whether the file goes when the training has come to its end. Default: true. A file that stays
    /// makes the same training end at once, and one of more epochs go on.
    pub fn delete_checkpoint(mut self, delete: bool) -> Self {
        self.delete_checkpoint = delete;
        self
    }

    fn path(&self) -> PathBuf {
        self.backup_dir.join(FILE)
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io {
            path: self.path(),
            source,
        }
    }
}

impl Callback for BackupAndRestore {
    fn on_train_begin(&mut self, control: &mut Control, _run: &Run) -> Result<()> {
        self.pace.begin("BackupAndRestore")?;
        let path = self.path();
        durable::remove_parts(&path).map_err(|source| self.io(source))?;
        if path.exists() {
            control.resume(path);
        }
        Ok(())
    }

    fn wants_batches(&self) -> bool {
        self.pace.by_batch()
    }

    fn wants_batch(&self, _batch: usize) -> bool {
        self.pace.wants_batch()
    }

    fn on_batch_end(&mut self, control: &mut Control, _batch: usize, _logs: &Logs) -> Result<()> {
        if self.pace.batch() {
            control.back_up(self.path());
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, control: &mut Control, _epoch: usize, _logs: &Logs) -> Result<()> {
        if self.pace.epoch() {
            control.back_up(self.path());
        }
        Ok(())
    }

    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        if !self.delete_checkpoint {
            return Ok(());
        }
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.io(error)),
            _ => {
                // A folder that holds something else is left.
                let _ = fs::remove_dir(&self.backup_dir);
                Ok(())
            }
        }
    }

    fn save_state(&mut self) -> Result<Memory> {
        Ok(Memory::new().count("count", self.pace.count as u64))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        self.pace.count = memory.get_count("count").unwrap_or(0) as usize;
        Ok(())
    }
}
