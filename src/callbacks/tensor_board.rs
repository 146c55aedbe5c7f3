//! [`TensorBoard`]: curves and histograms that TensorBoard draws.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::event_file::EventFile;
use super::{Callback, Control, Logs, Memory, Run};
use crate::error::{Error, Result};

/// Events wait this long for others to be written with, so that short epochs cost little.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often [`TensorBoard`] writes losses and metrics, beside the end of each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UpdateFreq {
    /// At the end of each epoch only.
    #[default]
    Epoch,
    /// After each batch, too.
    Batch,
    /// After each so many batches, too.
    Batches(u64),
}

/// Writes losses, metrics, learning rates and histograms of weights for TensorBoard, which shows them
/// with `tensorboard --logdir logs`.
///
/// As Keras does, it writes to the folders `train` and `validation` in `log_dir`:
///
/// | tag | what, against what |
/// |---|---|
/// | `epoch_loss`, `epoch_accuracy`, ... | of each epoch, in both folders |
/// | `epoch_learning_rate` | at the end of each epoch |
/// | `epoch_steps_per_second` | with `write_steps_per_second` |
/// | `evaluation_loss_vs_iterations`, ... | of each validation, against the steps of training |
/// | `batch_loss`, ..., `batch_steps_per_second` | with `update_freq`, against the steps of this training |
/// | `dense/kernel/histogram`, ... | with `histogram_freq` |
///
/// Give each training a `log_dir` of its own, such as `logs/2` for the second; TensorBoard draws two
/// trainings of one folder as one. Keras's `write_graph`, `write_images`, `profile_batch` and
/// `embeddings_freq` are for TensorFlow's graphs and are not there.
///
/// Source: <https://keras.io/api/callbacks/tensorboard/>
///
/// # Errors
///
/// A folder or file that cannot be written, on a full disk for example, ends the training with
/// [`Error::Io`].
///
/// # Examples
///
/// ```
/// use horn::callbacks::TensorBoard;
/// use horn::prelude::*;
/// # let folder = tempfile::tempdir().unwrap();
/// # let logs = folder.path().join("logs");
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let board = TensorBoard::new(&logs).histogram_freq(1);
/// model.fit(&array![[1.0]], &array![0.5], Fit::new().epochs(2).verbose(0).callback(board))?;
/// assert!(logs.join("train").is_dir());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    log_dir: PathBuf,
    histogram_freq: usize,
    write_steps_per_second: bool,
    update_freq: UpdateFreq,
    train: Option<EventFile>,
    validation: Option<EventFile>,
    /// Batches of this training so far.
    batches: u64,
    /// When the batch and the epoch under way began, and after how many batches.
    batch_began: Option<Instant>,
    epoch_began: Option<(Instant, u64)>,
    written: Option<Instant>,
}

impl Default for TensorBoard {
    fn default() -> Self {
        TensorBoard::new("logs")
    }
}

impl TensorBoard {
    /// Writes below this folder; Keras's default is `logs`.
    pub fn new(log_dir: impl AsRef<Path>) -> Self {
        TensorBoard {
            log_dir: log_dir.as_ref().to_path_buf(),
            histogram_freq: 0,
            write_steps_per_second: false,
            update_freq: UpdateFreq::Epoch,
            train: None,
            validation: None,
            batches: 0,
            batch_began: None,
            epoch_began: None,
            written: None,
        }
    }

    /// Every how many epochs histograms of the weights are written. Default: 0, never.
    pub fn histogram_freq(mut self, epochs: usize) -> Self {
        self.histogram_freq = epochs;
        self
    }

    /// Whether the speed of training is written. Default: false.
    pub fn write_steps_per_second(mut self, write: bool) -> Self {
        self.write_steps_per_second = write;
        self
    }

    /// How often losses and metrics are written, beside the end of each epoch. Default:
    /// [`UpdateFreq::Epoch`].
    pub fn update_freq(mut self, update_freq: UpdateFreq) -> Self {
        self.update_freq = update_freq;
        self
    }

    /// Every how many batches something is written.
    fn every(&self) -> Option<u64> {
        match self.update_freq {
            UpdateFreq::Epoch => None,
            UpdateFreq::Batch => Some(1),
            UpdateFreq::Batches(batches) => Some(batches),
        }
    }

    /// Writes to the file of training, or that of validation, which is made when it is first needed.
    fn write(
        &mut self,
        validation: bool,
        events: impl FnOnce(&mut EventFile) -> std::io::Result<()>,
    ) -> Result<()> {
        let (file, folder) = match validation {
            true => (&mut self.validation, "validation"),
            false => (&mut self.train, "train"),
        };
        let folder = self.log_dir.join(folder);
        let file = match file {
            Some(file) => file,
            None => {
                let created = EventFile::create(&folder);
                file.insert(created.map_err(|source| io(&folder, source))?)
            }
        };
        let result = events(file);
        result.map_err(|source| io(file.path(), source))
    }

    /// Hands what was written to the system.
    fn flush(&mut self) -> Result<()> {
        for file in [&mut self.train, &mut self.validation]
            .into_iter()
            .flatten()
        {
            file.flush().map_err(|source| io(file.path(), source))?;
        }
        self.written = Some(Instant::now());
        Ok(())
    }
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

impl Callback for TensorBoard {
    fn on_train_begin(&mut self, _control: &mut Control, _run: &Run) -> Result<()> {
        if self.every() == Some(0) {
            return Err(Error::argument(
                "TensorBoard",
                "update_freq",
                "at least 1",
                0,
            ));
        }
        self.train = None;
        self.validation = None;
        self.batches = 0;
        self.written = None;
        // A folder that cannot be written is told before the first epoch.
        self.write(false, |_| Ok(()))?;
        self.flush()
    }

    fn on_epoch_begin(&mut self, control: &mut Control, _epoch: usize) -> Result<()> {
        self.epoch_began = Some((Instant::now(), control.iterations()));
        Ok(())
    }

    fn wants_batches(&self) -> bool {
        self.every().is_some()
    }

    fn on_batch_begin(&mut self, _control: &mut Control, _batch: usize) -> Result<()> {
        self.batch_began = Some(Instant::now());
        Ok(())
    }

    fn on_batch_end(&mut self, _control: &mut Control, _batch: usize, logs: &Logs) -> Result<()> {
        self.batches += 1;
        let step = self.batches;
        if !self.every().is_some_and(|every| step.is_multiple_of(every)) {
            return Ok(());
        }
        let speed = self.batch_began.filter(|_| self.write_steps_per_second);
        let speed = speed.map(|began| 1.0 / began.elapsed().as_secs_f32());
        self.write(false, |file| {
            if let Some(speed) = speed {
                file.scalar(step, "batch_steps_per_second", speed)?;
            }
            for (name, value) in logs.iter() {
                file.scalar(step, &format!("batch_{name}"), value)?;
            }
            Ok(())
        })
    }

    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let step = epoch as u64;
        let (rate, iterations) = (control.learning_rate(), control.iterations());
        let speed = self.epoch_began.filter(|_| self.write_steps_per_second);
        let speed = speed.map(|(began, before)| {
            iterations.saturating_sub(before) as f32 / began.elapsed().as_secs_f32()
        });
        let held = |name: &str| name.strip_prefix("val_").map(str::to_string);
        let histograms = self.histogram_freq > 0 && epoch.is_multiple_of(self.histogram_freq);
        self.write(false, |file| {
            let own = logs.iter().filter(|(name, _)| held(name).is_none());
            for (name, value) in own.filter(|(name, _)| *name != "learning_rate") {
                file.scalar(step, &format!("epoch_{name}"), value)?;
            }
            file.scalar(step, "epoch_learning_rate", rate)?;
            if let Some(speed) = speed {
                file.scalar(step, "epoch_steps_per_second", speed)?;
            }
            for (path, _, values) in control.iter_weights().filter(|_| histograms) {
                file.histogram(step, &format!("{path}/histogram"), values)?;
            }
            Ok(())
        })?;
        let validated: Vec<(String, f32)> = logs
            .iter()
            .filter_map(|(name, value)| Some((held(name)?, value)))
            .filter(|(_, value)| !value.is_nan())
            .collect();
        if !validated.is_empty() {
            self.write(true, |file| {
                for (name, value) in validated {
                    file.scalar(step, &format!("epoch_{name}"), value)?;
                    let tag = format!("evaluation_{name}_vs_iterations");
                    file.scalar(iterations, &tag, value)?;
                }
                Ok(())
            })?;
        }
        let due = |written: Instant| written.elapsed() >= PATIENCE;
        match self.written.is_none_or(due) {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        let result = self.flush();
        self.train = None;
        self.validation = None;
        result
    }

    fn save_state(&mut self) -> Result<Memory> {
        self.flush()?;
        Ok(Memory::new().count("batches", self.batches))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        self.batches = memory.get_count("batches").unwrap_or(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::event_file::tests::read;
    use super::*;
    use crate::prelude::*;

    type Value = (String, u64, String, Vec<f64>);

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn only(folder: &Path) -> Vec<Value> {
        match files(folder).as_slice() {
            [file] => read(file),
            other => panic!("{other:?}"),
        }
    }

    fn fit(board: TensorBoard) -> Result<History> {
        let x = Array2::from_shape_fn((10, 1), |(row, _)| row as f32 / 10.0);
        let y = x.column(0).to_owned();
        let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
        model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
        let fit = Fit::new().epochs(3).batch_size(2).validation_split(0.2);
        model.fit(&x, &y, fit.verbose(0).callback(board))
    }

    fn of<'v>(values: &'v [Value], tag: &str) -> Vec<(u64, &'v [f64])> {
        let own = values.iter().filter(|(own, ..)| own == tag);
        own.map(|(_, step, _, numbers)| (*step, numbers.as_slice()))
            .collect()
    }

    #[test]
    fn epochs_are_written_as_keras_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let history = fit(TensorBoard::new(folder.path()).histogram_freq(2)).unwrap();
        let train = only(&folder.path().join("train"));
        let held = only(&folder.path().join("validation"));
        for epoch in 0..3 {
            let loss = of(&train, "epoch_loss")[epoch];
            assert_eq!(
                loss,
                (epoch as u64, &[f64::from(history["loss"][epoch])][..])
            );
            let value = f64::from(history["val_loss"][epoch]);
            assert_eq!(of(&held, "epoch_loss")[epoch].1, [value]);
            let against = of(&held, "evaluation_loss_vs_iterations")[epoch];
            assert_eq!(against, (4 * (epoch as u64 + 1), &[value][..]));
        }
        assert_eq!(
            of(&train, "epoch_learning_rate")[0].1,
            [f64::from(0.01_f32)]
        );
        let steps = |tag| {
            of(&train, tag)
                .iter()
                .map(|(step, _)| *step)
                .collect::<Vec<_>>()
        };
        assert_eq!(steps("dense/kernel/histogram"), [0, 2]);
        assert_eq!(steps("dense/bias/histogram"), [0, 2]);
        assert!(of(&train, "batch_loss").is_empty() && of(&train, "epoch_val_loss").is_empty());
    }

    #[test]
    fn batches_are_written_at_their_steps() {
        let folder = tempfile::tempdir().unwrap();
        let board = TensorBoard::new(folder.path()).write_steps_per_second(true);
        fit(board.update_freq(UpdateFreq::Batches(5))).unwrap();
        let train = only(&folder.path().join("train"));
        let steps = |tag| {
            of(&train, tag)
                .iter()
                .map(|(step, _)| *step)
                .collect::<Vec<_>>()
        };
        assert_eq!(steps("batch_loss"), [5, 10]);
        assert_eq!(steps("batch_steps_per_second"), [5, 10]);
        assert_eq!(steps("epoch_steps_per_second"), [0, 1, 2]);
        assert!(
            of(&train, "epoch_steps_per_second")
                .iter()
                .all(|(_, speed)| speed[0] > 0.0)
        );
    }

    #[test]
    fn each_training_has_files_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            fit(TensorBoard::new(folder.path())).unwrap();
        }
        assert_eq!(files(&folder.path().join("train")).len(), 2);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = fit(TensorBoard::new(&file)).unwrap_err();
        assert!(
            matches!(&error, Error::Io { path, .. } if path.starts_with(&file)),
            "{error}"
        );
        let never = TensorBoard::new(folder.path()).update_freq(UpdateFreq::Batches(0));
        assert!(
            fit(never)
                .unwrap_err()
                .to_string()
                .contains("`update_freq`")
        );
    }

    /// A device that is always full, where there is one.
    #[test]
    fn a_full_disk_ends_the_training_with_its_error() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::new(folder.path());
        let mut control = Control::new(0.1);
        board
            .on_train_begin(&mut control, &Run::new(1, 0, 1, ["loss"]))
            .unwrap();
        board.train = Some(EventFile::to(Path::new("/dev/full")).unwrap());
        let names = ["loss".to_string()];
        board
            .on_epoch_end(&mut control, 0, &Logs::new(&names, &[1.0]))
            .unwrap();
        let error = board
            .on_train_end(&mut control, &Logs::new(&names, &[1.0]))
            .unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("/dev/full")));
    }
}
