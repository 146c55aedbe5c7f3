//! [`ModelCheckpoint`]: files of the model as training goes on.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::monitor::{Monitor, monitored};
use super::save_freq::Pace;
use super::text::{Number, Template, fail, fixed};
use super::{Callback, Control, Logs, Memory, Mode, Run, SaveFreq};
use crate::error::{Error, Result};
use crate::saving::Format;

/// Saves the model after each epoch, or only when a monitored value is better than ever.
///
/// The path may hold fields in Python's notation, `{epoch:02d}-{val_loss:.2f}.npz`: the epoch counted
/// from 1, the batch counted from 1 where `save_freq` counts batches, and whatever is logged. Without
/// fields the file is overwritten. Directories are made. A file is written beside its place and then
/// moved there, so that a checkpoint is whole or not there.
///
/// A path that ends in `.keras` gets the whole model, with the optimizer's state, for
/// [`Model::load`](crate::model::Model::load); one that ends in `.weights.h5`, `.safetensors` or `.npz`
/// the weights, for [`Model::load_weights`](crate::model::Model::load_weights).
///
/// Source: <https://keras.io/api/callbacks/model_checkpoint/>
///
/// # Errors
///
/// A field or a monitored value that is not logged, before the first epoch; [`Error::Io`] when a file
/// cannot be written.
///
/// # Examples
///
/// ```
/// use horn::callbacks::ModelCheckpoint;
/// use horn::prelude::*;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("best-{epoch:02d}.keras").display().to_string();
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let best = ModelCheckpoint::new(&path).monitor("loss").save_best_only(true);
/// model.fit(&array![[1.0]], &array![2.0], Fit::new().epochs(3).verbose(0).callback(best))?;
///
/// let best = Sequential::load(folder.path().join("best-03.keras"))?;
/// assert_eq!(best.get_weights(), model.get_weights());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ModelCheckpoint {
    filepath: String,
    monitor: Monitor,
    verbose: u8,
    save_best_only: bool,
    save_weights_only: bool,
    initial_value_threshold: Option<f32>,
    template: Template,
    best: Option<f32>,
    epoch: usize,
    pace: Pace,
    keep_last: Option<usize>,
    /// The files that are there, the oldest first.
    written: VecDeque<String>,
}

impl ModelCheckpoint {
    /// Saves after each epoch, under this path.
    pub fn new(filepath: impl AsRef<Path>) -> Self {
        ModelCheckpoint {
            filepath: filepath.as_ref().to_string_lossy().into_owned(),
            monitor: Monitor::new(0.0),
            verbose: 0,
            save_best_only: false,
            save_weights_only: false,
            initial_value_threshold: None,
            template: Template::default(),
            best: None,
            epoch: 0,
            pace: Pace::new(SaveFreq::Epoch),
            keep_last: None,
            written: VecDeque::new(),
        }
    }

    monitored!();

    /// Whether lines tell what is saved: 0 or 1. Default: 0.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// Whether only what is better than all before is saved. Default: false.
    pub fn save_best_only(mut self, best_only: bool) -> Self {
        self.save_best_only = best_only;
        self
    }

    /// Whether the weights are saved without the model around them; the path must then end in one of
    /// the formats for weights, which never hold more. Default: false.
    pub fn save_weights_only(mut self, weights_only: bool) -> Self {
        self.save_weights_only = weights_only;
        self
    }

    /// How often: a number is of batches, a `Duration` is time. Default: [`SaveFreq::Epoch`].
    pub fn save_freq(mut self, freq: impl Into<SaveFreq>) -> Self {
        self.pace = Pace::new(freq.into());
        self
    }

    /// The value that the first file must be better than, with `save_best_only`. Default: none.
    pub fn initial_value_threshold(mut self, threshold: f64) -> Self {
        self.initial_value_threshold = Some(threshold as f32);
        self
    }

    /// How many of the files stay, those that were written last; older ones are removed. The path then
    /// needs a field, such as `{epoch}`. Default: all.
    pub fn keep_last(mut self, files: usize) -> Self {
        self.keep_last = Some(files);
        self
    }

    /// The best value so far.
    pub fn best(&self) -> Option<f32> {
        self.best
    }

    /// Saves if these logs are worth it; `batch` within an epoch.
    fn save(&mut self, control: &mut Control, batch: Option<usize>, logs: &Logs) -> Result<()> {
        let epoch = self.epoch + 1;
        let value = |name: &str| match (name, batch) {
            ("epoch", _) => Some(Number::Whole(epoch)),
            ("batch", Some(batch)) => Some(Number::Whole(batch + 1)),
            _ => logs.get(name).map(Number::Real),
        };
        let path = self.template.fill(value).map_err(|field| {
            let when = "an epoch that is not validated";
            self.wrong(format!("`{{{field}}}` has no value after {when}"))
        })?;
        if !self.worth(control, logs, &path) {
            return Ok(());
        }
        control.save(&path)?;
        self.say(control, format!("finished saving model to {path}"));
        self.tidy(path)
    }

    /// Removes the files that are too many, now that one more is there.
    fn tidy(&mut self, path: String) -> Result<()> {
        let Some(most) = self.keep_last else {
            return Ok(());
        };
        self.written.retain(|other| *other != path);
        self.written.push_back(path);
        while self.written.len() > most {
            let Some(old) = self.written.pop_front() else {
                break;
            };
            match fs::remove_file(&old) {
                // Someone else was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => {
                    let path = old.into();
                    return Err(Error::Io { path, source });
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Whether the model of these logs is to be saved.
    fn worth(&mut self, control: &mut Control, logs: &Logs, path: &str) -> bool {
        let value = self.monitor.value(logs).filter(|_| self.save_best_only);
        let Some(value) = value else {
            // As in Keras: without a value, better safe.
            self.say(control, format!("saving model to {path}"));
            return true;
        };
        let name = &self.monitor.name;
        let best = self.best.map_or("None".into(), |best| fixed(best, 5));
        if !self.monitor.improves(value, self.best) {
            self.say(control, format!("{name} did not improve from {best}"));
            return false;
        }
        let now = fixed(value, 5);
        let line = format!("{name} improved from {best} to {now}, saving model to {path}");
        self.say(control, line);
        self.best = Some(value);
        true
    }

    fn say(&self, control: &mut Control, what: String) {
        if self.verbose > 0 {
            control.print(&format!("Epoch {}: {what}", self.epoch + 1));
        }
    }

    fn wrong(&self, message: String) -> Error {
        let path = &self.filepath;
        fail("ModelCheckpoint", format!("`filepath` {path:?}: {message}"))
    }

    /// Reads the path's fields, and checks them against what is logged when it saves.
    fn read_path(&self, run: &Run) -> Result<Template> {
        let template = Template::parse(&self.filepath).map_err(|message| self.wrong(message))?;
        let format = Format::of(Path::new(&self.filepath));
        let fits = match format {
            None => false,
            Some(Format::Keras) => !self.save_weights_only,
            Some(_) => true,
        };
        if !fits {
            let weights = "`.weights.h5`, `.safetensors` or `.npz`, the formats for weights";
            let message = match self.save_weights_only {
                true => format!("must end in {weights}"),
                false => format!("must end in `.keras`, for whole models, or in {weights}"),
            };
            return Err(self.wrong(message));
        }
        let by_batch = self.pace.by_batch();
        let known: Vec<&str> = std::iter::once("epoch")
            .chain(by_batch.then_some("batch"))
            .chain(self.logged(run))
            .collect();
        if let Some(field) = template.fields().find(|field| !known.contains(field)) {
            let error = Error::unknown("logged value", field, known.iter().copied());
            return Err(self.wrong(error.to_string()));
        }
        let whole = |name: &str| match name {
            "epoch" | "batch" => Number::Whole(1),
            _ => Number::Real(1.0),
        };
        match template.unfit(whole).map(String::from) {
            Some(field) => Err(self.wrong(format!(
                "`{field}` cannot be written so: use `d` for `epoch` and `batch`, `.2f` or `.2e` for \
                 others"
            ))),
            None => Ok(template),
        }
    }

    /// What is logged when it saves: after a batch nothing of validation or rates.
    fn logged<'r>(&self, run: &'r Run) -> impl Iterator<Item = &'r str> {
        let by_batch = self.pace.by_batch();
        let late = |name: &str| name.starts_with("val_") || name == "learning_rate";
        let names = run.names.iter().map(String::as_str);
        names.filter(move |name| !(by_batch && late(name)))
    }
}

impl Callback for ModelCheckpoint {
    fn on_train_begin(&mut self, _control: &mut Control, run: &Run) -> Result<()> {
        self.pace.begin("ModelCheckpoint")?;
        self.template = self.read_path(run)?;
        if self.keep_last == Some(0) {
            let wanted = "at least 1 file";
            return Err(Error::argument("ModelCheckpoint", "keep_last", wanted, 0));
        }
        if self.keep_last.is_some() && self.template.fields().next().is_none() {
            let message =
                "needs a field such as `{epoch}`, so that there are several files to keep";
            return Err(self.wrong(message.into()));
        }
        if self.save_best_only {
            let mut seen = run.clone();
            seen.names = self.logged(run).map(String::from).collect();
            self.monitor.begin("ModelCheckpoint", &seen)?;
        }
        // As in Keras, the best value and the count of batches last through several trainings.
        self.best = self.best.or(self.initial_value_threshold);
        Ok(())
    }

    fn on_epoch_begin(&mut self, _control: &mut Control, epoch: usize) -> Result<()> {
        self.epoch = epoch;
        Ok(())
    }

    fn wants_batches(&self) -> bool {
        self.pace.by_batch()
    }

    fn wants_batch(&self, _batch: usize) -> bool {
        self.pace.wants_batch()
    }

    fn on_batch_end(&mut self, control: &mut Control, batch: usize, logs: &Logs) -> Result<()> {
        match self.pace.batch() {
            true => self.save(control, Some(batch), logs),
            false => Ok(()),
        }
    }

    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        self.epoch = epoch;
        match self.pace.epoch() {
            true => self.save(control, None, logs),
            false => Ok(()),
        }
    }

    fn save_state(&mut self) -> Result<Memory> {
        let written: Vec<&str> = self.written.iter().map(String::as_str).collect();
        Ok(Memory::new()
            .number("best", self.best)
            .count("epoch", self.epoch as u64)
            .count("count", self.pace.count as u64)
            .value("written", written))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        self.best = memory.get_number("best");
        self.epoch = memory.get_count("epoch").unwrap_or(0) as usize;
        self.pace.count = memory.get_count("count").unwrap_or(0) as usize;
        let written = memory.get_value("written").and_then(Value::as_array);
        let written = written.into_iter().flatten().filter_map(Value::as_str);
        self.written = written.map(String::from).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(mut checkpoint: ModelCheckpoint) -> Result<()> {
        let run = Run::new(2, 0, 5, ["loss", "val_loss"]);
        checkpoint.on_train_begin(&mut Control::new(0.1), &run)
    }

    #[test]
    fn paths_are_checked_before_the_first_epoch() {
        let refused = |checkpoint: ModelCheckpoint, part: &str| {
            let error = begin(checkpoint).unwrap_err().to_string();
            assert!(
                error.contains("`ModelCheckpoint`") && error.contains(part),
                "{error}"
            );
        };
        refused(ModelCheckpoint::new("a.pkl"), "must end in `.keras`");
        let weights = ModelCheckpoint::new("a.keras").save_weights_only(true);
        refused(weights, "must end in `.weights.h5`");
        refused(
            ModelCheckpoint::new("{val_los}.npz"),
            "did you mean `val_loss`?",
        );
        refused(ModelCheckpoint::new("{epoch:02x}.npz"), "`02x`");
        refused(
            ModelCheckpoint::new("{loss:d}.npz"),
            "`loss` cannot be written",
        );
        refused(ModelCheckpoint::new("{batch}.npz"), "`batch`");
        refused(ModelCheckpoint::new("a.npz").save_freq(0), "`save_freq`");
        let by_batch = || ModelCheckpoint::new("{val_loss:.2f}.npz").save_freq(10);
        refused(by_batch(), "`val_loss`");
        let best = ModelCheckpoint::new("a.npz").save_best_only(true);
        refused(best.clone().save_freq(10), "`val_loss` is not logged");
        refused(best.clone().monitor("acc"), "`acc` is not logged");
        begin(best).unwrap();
        begin(ModelCheckpoint::new("{epoch:02d}-{batch}-{loss:.2f}.npz").save_freq(3)).unwrap();
        // What is not followed is not looked for.
        begin(ModelCheckpoint::new("a.npz").monitor("acc")).unwrap();
    }
}
