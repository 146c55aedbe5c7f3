//! [`CsvLogger`]: a CSV file that grows with each epoch.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use super::{Callback, Control, Logs, Run};
use crate::error::{Error, Result};

/// Writes the logs of each epoch as a line of a CSV file, as soon as the epoch ends.
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

    /// Writes one line, at once.
    fn write(&mut self, line: impl Iterator<Item = String>) -> Result<()> {
        let Some(table) = &mut self.table else {
            return Ok(());
        };
        let written = table.write_record(line).map_err(std::io::Error::from);
        let result = written.and_then(|()| table.flush());
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
            false => options.write(true).create(true).truncate(true),
        };
        let file = options.open(&self.filename).map_err(|e| self.io(e))?;
        let length = file.metadata().map_err(|e| self.io(e))?.len();
        let mut builder = csv::WriterBuilder::new();
        self.table = Some(builder.delimiter(separator).from_writer(file));
        self.columns = columns(&run.names);
        if self.append && length > 0 {
            return Ok(());
        }
        let header = std::iter::once("epoch".to_string()).chain(self.columns.clone());
        self.write(header)
    }

    fn on_epoch_end(&mut self, _control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let values = self.columns.iter().map(|name| match logs.get(name) {
            Some(value) => value.to_string(),
            None => "NA".to_string(),
        });
        let line: Vec<String> = std::iter::once(epoch.to_string()).chain(values).collect();
        self.write(line.into_iter())
    }

    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        self.table = None;
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
