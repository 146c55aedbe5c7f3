//! [`CsvLogger`]: a CSV file that grows with each epoch.

use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Callback, Control, Logs, Memory, Run};
use crate::error::{Error, Result};

/// Lines wait this long for others to be written with, so that short epochs cost little.
const PATIENCE: Duration = Duration::from_millis(50);

/// Writes the logs of each epoch as a line of a CSV file, as soon as the epoch ends; lines of short
/// epochs are written together, at most every 50 ms.
///
/// The header is `epoch`, then the names in alphabetical order; epochs count from 0. As in Keras, a
/// training without validation gets the `val_` columns all the same, filled with `NA`, as do epochs
/// that were not validated. Numbers have all the digits that make them the `f32` they are.
///
/// Source: <https://keras.io/api/callbacks/csv_logger/>
///
/// # Errors
///
/// A file that cannot be opened or written, on a full disk for example, ends the training with
/// [`Error::Io`].
///
/// # Examples
///
/// ```
/// use horn::callbacks::CsvLogger;
/// use horn::prelude::*;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("training.csv");
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let fit = Fit::new().epochs(2).verbose(0).callback(CsvLogger::new(&path));
/// model.fit(&array![[0.0]], &array![0.5], fit)?;
///
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert!(text.starts_with("epoch,loss,val_loss\n0,0.25,NA\n1,"));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug)]
pub struct CsvLogger {
    filename: PathBuf,
    separator: char,
    append: bool,
    columns: Vec<String>,
    table: Option<csv::Writer<File>>,
    /// Whether the file is ready for lines: emptied, with its header.
    begun: bool,
    /// When lines were last written.
    written: Option<Instant>,
    /// Room for a number.
    cell: String,
}

impl CsvLogger {
    /// Writes to this file.
    pub fn new(filename: impl Into<PathBuf>) -> Self {
        CsvLogger {
            filename: filename.into(),
            separator: ',',
            append: false,
            columns: Vec::new(),
            table: None,
            begun: false,
            written: None,
            cell: String::new(),
        }
    }

    /// What stands between two values: an ASCII character. Default: a comma.
    pub fn separator(mut self, separator: char) -> Self {
        self.separator = separator;
        self
    }

    /// Whether lines are added to a file that is there, for a training that goes on. Default:
    /// false, it is replaced.
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io {
            path: self.filename.clone(),
            source,
        }
    }

    /// Makes the file ready for lines. A training that goes on after a crash keeps what is there.
    fn begin(&mut self) -> csv::Result<()> {
        let Some(table) = self.table.as_mut().filter(|_| !self.begun) else {
            return Ok(());
        };
        self.begun = true;
        let data = table.get_ref().metadata()?;
        match self.append {
            true if data.len() > 0 => return Ok(()),
            false if data.is_file() => table.get_ref().set_len(0)?,
            _ => {}
        }
        let header = std::iter::once("epoch").chain(self.columns.iter().map(String::as_str));
        table.write_record(header)
    }

    /// Adds the line of an epoch to those that wait.
    fn add(&mut self, epoch: usize, logs: &Logs) -> csv::Result<()> {
        self.begin()?;
        let Some(table) = &mut self.table else {
            return Ok(());
        };
        // Writing to a `String` cannot fail.
        self.cell.clear();
        let _ = write!(self.cell, "{epoch}");
        table.write_field(&self.cell)?;
        for name in &self.columns {
            self.cell.clear();
            let _ = match logs.get(name) {
                Some(value) => write!(self.cell, "{value}"),
                None => write!(self.cell, "NA"),
            };
            table.write_field(&self.cell)?;
        }
        table.write_record(None::<&[u8]>)
    }

    /// Writes what waits.
    fn write(&mut self) -> Result<()> {
        let result = self.table.as_mut().map_or(Ok(()), csv::Writer::flush);
        self.written = Some(Instant::now());
        result.map_err(|source| self.io(source))
    }
}

/// The names in the order of the columns.
fn columns(names: &[String]) -> Vec<String> {
    let mut columns = names.to_vec();
    columns.sort();
    if !columns.iter().any(|name| name.starts_with("val_")) {
        let held: Vec<String> = columns.iter().map(|name| format!("val_{name}")).collect();
        columns.extend(held);
    }
    columns
}

impl Callback for CsvLogger {
    fn on_train_begin(&mut self, _control: &mut Control, run: &Run) -> Result<()> {
        let plain = self.separator.is_ascii() && !matches!(self.separator, '\n' | '\r' | '"');
        let separator = u8::try_from(self.separator).ok().filter(|_| plain);
        let Some(separator) = separator else {
            let wanted = "an ASCII character other than a quote or the end of a line";
            let found = format!("{:?}", self.separator);
            return Err(Error::argument("CsvLogger", "separator", wanted, found));
        };
        let mut options = OpenOptions::new();
        match self.append {
            true => options.append(true).create(true),
            false => options.write(true).create(true).truncate(false),
        };
        let file = options.open(&self.filename).map_err(|e| self.io(e))?;
        let mut builder = csv::WriterBuilder::new();
        self.table = Some(builder.delimiter(separator).from_writer(file));
        self.columns = columns(&run.names);
        self.written = None;
        self.begun = false;
        Ok(())
    }

    fn on_epoch_end(&mut self, _control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let added = self.add(epoch, logs);
        added.map_err(|error| self.io(error.into()))?;
        let due = |written: Instant| written.elapsed() >= PATIENCE;
        match self.written.is_none_or(due) {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        let result = self.write();
        self.table = None;
        result
    }

    fn save_state(&mut self) -> Result<Memory> {
        let begun = self.begin();
        begun.map_err(|error| self.io(error.into()))?;
        self.write()?;
        let data = self.table.as_ref().map(|table| table.get_ref().metadata());
        let data = data.transpose().map_err(|source| self.io(source))?;
        Ok(Memory::new().count("bytes", data.map_or(0, |data| data.len())))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        let (Some(bytes), Some(table)) = (memory.get_count("bytes"), &self.table) else {
            return Ok(());
        };
        // Lines that were written after the state was kept are written again.
        let mut file = table.get_ref();
        let cut = file.metadata().and_then(|data| {
            let there = data.is_file() && data.len() >= bytes;
            if there {
                file.set_len(bytes)?;
                file.seek(SeekFrom::Start(bytes))?;
            }
            Ok(there)
        });
        self.begun = cut.map_err(|source| self.io(source))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_keras() {
        let sorted = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            columns(&names).join(" ")
        };
        assert_eq!(
            sorted(&[
                "accuracy",
                "loss",
                "val_accuracy",
                "val_loss",
                "learning_rate"
            ]),
            "accuracy learning_rate loss val_accuracy val_loss"
        );
        assert_eq!(sorted(&["loss"]), "loss val_loss");
    }

    #[test]
    fn separators_that_are_none_are_refused() {
        let run = Run::new(1, 0, 1, ["loss"]);
        for separator in ['\n', '"', 'é', '→'] {
            let mut logger = CsvLogger::new("never.csv").separator(separator);
            let error = logger
                .on_train_begin(&mut Control::new(0.1), &run)
                .unwrap_err();
            assert!(error.to_string().contains("`separator`"), "{error}");
        }
    }
}
