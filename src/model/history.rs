//! [`History`]: what `fit` recorded, epoch by epoch.

use std::fmt;
use std::io::Write;
use std::ops::Index;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::ser::{SerializeMap, SerializeStruct, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::callbacks::{Shown, missing};
use crate::error::{Error, Result};

/// A longer history is printed with its middle left out.
const LONG: usize = 12;
/// How many epochs of a long history are printed at its start and at its end.
const ENDS: usize = 5;

/// The loss and metrics of each epoch, as [`fit`](crate::model) returns them.
///
/// Columns are named and ordered as they are printed: `accuracy`, `loss`, then `val_accuracy`,
/// `val_loss`. Epochs count from 0, as in Keras; only the printed table counts from 1, like the
/// progress lines.
///
/// Source: `keras.callbacks.History`.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let x = array![[0.0_f32], [1.0], [2.0], [3.0]];
/// let y = array![1.0_f32, 3.0, 5.0, 7.0];
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// let history = model.fit(&x, &y, Fit::new().epochs(3).verbose(0))?;
///
/// assert_eq!(history.epochs(), [0, 1, 2]);
/// assert!(history["loss"][2] < history["loss"][0]);
/// assert_eq!(history.last("loss"), Some(history["loss"][2]));
/// println!("{history}");
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    epochs: Vec<usize>,
    names: Vec<String>,
    columns: Vec<Vec<f32>>,
}

impl History {
    /// A history of nothing yet, with room for this many epochs.
    pub(crate) fn with_capacity(names: Vec<String>, epochs: usize) -> Self {
        Self {
            epochs: Vec::with_capacity(epochs),
            columns: names.iter().map(|_| Vec::with_capacity(epochs)).collect(),
            names,
        }
    }

    /// Epochs, names and columns, in their order; NaN, which JSON cannot say, is none.
    pub(crate) fn columns(&self) -> Columns {
        let values = |column: &Vec<f32>| {
            let values = column.iter().copied();
            values
                .map(|value| (!value.is_nan()).then_some(value))
                .collect()
        };
        Columns {
            epochs: self.epochs.clone(),
            names: self.names.clone(),
            columns: self.columns.iter().map(values).collect(),
        }
    }

    /// The history of these columns; what is missing is NaN.
    pub(crate) fn of_columns(from: Columns) -> Self {
        let rows = from.epochs.len();
        let mut columns = from.columns.into_iter();
        let columns = from.names.iter().map(|_| {
            let column = columns.next().unwrap_or_default();
            let mut column: Vec<f32> = column.into_iter().map(|v| v.unwrap_or(f32::NAN)).collect();
            column.resize(rows, f32::NAN);
            column
        });
        History {
            columns: columns.collect(),
            epochs: from.epochs,
            names: from.names,
        }
    }

    /// Adds an epoch, its values in the order of the names; a value that is missing is NaN.
    pub(crate) fn push(&mut self, epoch: usize, values: &[f32]) {
        self.epochs.push(epoch);
        let values = values.iter().copied().chain(std::iter::repeat(f32::NAN));
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
    }

    /// Adds the epochs of a later history, of the same or other columns: what one of them has not is
    /// NaN. Epochs that begin again at 0 go on counting behind those that are there.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let (x, y) = (array![[0.0_f32], [1.0]], array![1.0_f32, 3.0]);
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// let mut history = model.fit(&x, &y, Fit::new().epochs(2).verbose(0))?;
    /// history.append(model.fit(&x, &y, Fit::new().epochs(3).verbose(0))?);
    /// assert_eq!(history.epochs(), [0, 1, 2, 3, 4]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn append(&mut self, later: History) {
        let before = self.len();
        let next = self.epochs.last().map_or(0, |last| last + 1);
        let first = later.epochs.first().copied().unwrap_or(0);
        let shift = next.saturating_sub(first);
        self.epochs
            .extend(later.epochs.iter().map(|epoch| epoch + shift));
        for name in &later.names {
            if !self.names.contains(name) {
                self.names.push(name.clone());
                self.columns.push(vec![f32::NAN; before]);
            }
        }
        for (name, column) in self.names.iter().zip(&mut self.columns) {
            match later.get(name) {
                Some(values) => column.extend_from_slice(values),
                None => column.resize(before + later.len(), f32::NAN),
            }
        }
    }

    /// The values of that name, one for each epoch.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        let place = self.names.iter().position(|other| other == name)?;
        self.columns.get(place).map(Vec::as_slice)
    }

    /// The value of that name after the last epoch.
    pub fn last(&self, name: &str) -> Option<f32> {
        self.get(name)?.last().copied()
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The epochs that were trained, counted from 0.
    pub fn epochs(&self) -> &[usize] {
        &self.epochs
    }

    /// The number of epochs.
    pub fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Whether no epoch was trained.
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// Writes a CSV table: the header `epoch,accuracy,loss,...`, then a line for each epoch,
    /// counted from 0 as Keras's `CSVLogger` does.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let x = array![[0.0_f32], [1.0]];
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// let history = model.fit(&x, &array![1.0_f32, 3.0], Fit::new().verbose(0))?;
    ///
    /// let mut table = Vec::new();
    /// history.to_csv(&mut table)?;
    /// assert!(table.starts_with(b"epoch,loss\n0,"));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn to_csv(&self, writer: impl Write) -> Result<()> {
        self.write_csv(writer)
            .map_err(|error| io_error(Path::new("history"), error))
    }

    /// Curves of these columns against the epochs, counted from 1, as an SVG image; all columns where
    /// none is named. Needs the feature `plot`.
    ///
    /// # Errors
    ///
    /// A name that is not there, a history of nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use horn::prelude::*;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("loss.svg");
    /// # let (x, y) = (array![[0.0_f32], [1.0]], array![1.0_f32, 3.0]);
    /// # let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    /// # model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// let history = model.fit(&x, &y, Fit::new().epochs(9).verbose(0))?;
    /// std::fs::write(&path, history.to_svg(&["loss"])?).unwrap();
    /// # Ok::<(), horn::Error>(())
    /// ```
    #[cfg(feature = "plot")]
    pub fn to_svg(&self, names: &[&str]) -> Result<String> {
        let all: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let names = if names.is_empty() { &all } else { names };
        let mut lines = Vec::new();
        for name in names {
            let Some(values) = self.get(name) else {
                return Err(Error::unknown("column", name, all.iter().copied()));
            };
            let points = self.epochs.iter().zip(values);
            let points = points.map(|(epoch, value)| ((epoch + 1) as f64, f64::from(*value)));
            lines.push((name.to_string(), points.collect()));
        }
        let chart = crate::plot::Chart {
            title: "",
            x: "epoch",
            y: if let [name] = names { name } else { "" },
            logarithmic: false,
        };
        chart.lines(&lines)
    }

    /// Writes the table of [`to_csv`](History::to_csv) to a file, replacing it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be written.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::File::create(path)
            .map_err(csv::Error::from)
            .and_then(|file| self.write_csv(file))
            .map_err(|error| io_error(path, error))
    }

    fn write_csv(&self, writer: impl Write) -> csv::Result<()> {
        let mut table = csv::Writer::from_writer(writer);
        table
            .write_record(std::iter::once("epoch").chain(self.names.iter().map(String::as_str)))?;
        for (row, epoch) in self.epochs.iter().enumerate() {
            table.write_field(epoch.to_string())?;
            for value in self.row(row) {
                table.write_field(value.to_string())?;
            }
            table.write_record(None::<&[u8]>)?;
        }
        Ok(table.flush()?)
    }

    /// The values of one epoch, counted from the first of this history.
    fn row(&self, row: usize) -> impl Iterator<Item = f32> {
        self.columns
            .iter()
            .filter_map(move |column| column.get(row).copied())
    }
}

/// What went wrong while a CSV table was written.
fn io_error(path: &Path, error: csv::Error) -> Error {
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        kind => std::io::Error::other(format!("{kind:?}")),
    };
    Error::Io {
        path: PathBuf::from(path),
        source,
    }
}

impl Index<&str> for History {
    type Output = [f32];

    /// The values of that name, one for each epoch.
    ///
    /// # Panics
    ///
    /// When there is none, as a `HashMap` does; [`get`](History::get) asks.
    fn index(&self, name: &str) -> &[f32] {
        match self.get(name) {
            Some(values) => values,
            None => missing("history", name, &self.names),
        }
    }
}

impl fmt::Display for History {
    /// A table with a line for each epoch; of a long history the first and the last few.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ends = |row: &usize| self.len() <= LONG || *row < ENDS || *row >= self.len() - ENDS;
        let rows: Vec<(usize, Vec<String>)> = (0..self.len())
            .filter(ends)
            .map(|row| {
                (
                    row,
                    self.row(row)
                        .map(|value| Shown(value).to_string())
                        .collect(),
                )
            })
            .collect();
        let widths: Vec<usize> = self
            .names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let cells = rows.iter().filter_map(|(_, cells)| cells.get(i));
                cells
                    .chain([name])
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        f.write_str("epoch")?;
        for (name, width) in self.names.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        for (row, cells) in &rows {
            if self.len() > LONG && *row == self.len() - ENDS {
                f.write_str("\n  ...")?;
            }
            let epoch = self.epochs.get(*row).map_or(0, |epoch| epoch + 1);
            write!(f, "\n{epoch:>5}")?;
            for (cell, width) in cells.iter().zip(&widths) {
                write!(f, "  {cell:>width$}")?;
            }
        }
        Ok(())
    }
}

/// A history as files keep it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Columns {
    epochs: Vec<usize>,
    names: Vec<String>,
    columns: Vec<Vec<Option<f32>>>,
}

/// The names of a map in their order, with their values.
struct Named(Vec<(String, Vec<Option<f32>>)>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Named;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of numbers for each name")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Named, A::Error> {
                let mut named = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    named.push(entry);
                }
                Ok(Named(named))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for History {
    /// What [`Serialize`] writes; `null` is NaN.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Both {
            epoch: Vec<usize>,
            history: Named,
        }
        let both = Both::deserialize(deserializer)?;
        let (names, columns) = both.history.0.into_iter().unzip();
        Ok(History::of_columns(Columns {
            epochs: both.epoch,
            names,
            columns,
        }))
    }
}

impl Serialize for History {
    /// `{"epoch": [0, 1, ...], "history": {"loss": [...], ...}}`, Keras's two attributes.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Columns<'a>(&'a History);
        impl Serialize for Columns<'_> {
            fn serialize<S: Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.names.len()))?;
                for (name, column) in self.0.names.iter().zip(&self.0.columns) {
                    map.serialize_entry(name, column)?;
                }
                map.end()
            }
        }
        let mut fields = serializer.serialize_struct("History", 2)?;
        fields.serialize_field("epoch", &self.epochs)?;
        fields.serialize_field("history", &Columns(self))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(epochs: usize) -> History {
        let names = vec!["accuracy".to_string(), "loss".to_string()];
        let mut history = History::with_capacity(names, epochs);
        for epoch in 0..epochs {
            history.push(epoch, &[0.5, 1.0 / (epoch + 1) as f32]);
        }
        history
    }

    #[test]
    fn columns_are_found_by_name() {
        let history = history(2);
        assert_eq!(history["loss"], [1.0, 0.5]);
        assert_eq!(history.get("accuracy"), Some(&[0.5, 0.5][..]));
        assert_eq!(history.get("val_loss"), None);
        assert_eq!(history.last("loss"), Some(0.5));
        assert_eq!(history.names(), ["accuracy", "loss"]);
        assert_eq!((history.epochs(), history.len()), (&[0, 1][..], 2));
        assert!(!history.is_empty() && History::default().is_empty());
        assert_eq!(History::default().last("loss"), None);
    }

    #[test]
    #[should_panic(expected = "no `val_loss` in the history, only [\"accuracy\", \"loss\"]")]
    fn a_wrong_name_panics_with_the_right_ones() {
        let _ = &history(1)["val_loss"];
    }

    #[test]
    fn a_table_is_printed() {
        let table = "\
epoch  accuracy    loss
    1    0.5000  1.0000
    2    0.5000  0.5000";
        assert_eq!(history(2).to_string(), table);
    }

    #[test]
    fn the_middle_of_a_long_table_is_left_out() {
        let text = history(150).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 5 + 1 + 5);
        assert_eq!(lines[5], "    5    0.5000  0.2000");
        assert_eq!(lines[6], "  ...");
        assert_eq!(lines[7], "  146    0.5000  0.0068");
        assert_eq!(history(12).to_string().lines().count(), 13);
    }

    #[test]
    fn csv_holds_every_digit() {
        let mut csv = Vec::new();
        history(3).to_csv(&mut csv).unwrap();
        let text = "epoch,accuracy,loss\n0,0.5,1\n1,0.5,0.5\n2,0.5,0.33333334\n";
        assert_eq!(String::from_utf8(csv).unwrap(), text);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        history(3).save_csv(&path).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
        let error = history(3).save_csv(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }));
    }

    #[test]
    fn histories_are_appended() {
        let mut both = history(2);
        both.append(history(1));
        assert_eq!(both.epochs(), [0, 1, 2]);
        assert_eq!(both["loss"], [1.0, 0.5, 1.0]);
        // A run that was resumed counts on by itself.
        let mut resumed = History::with_capacity(vec!["loss".into(), "val_loss".into()], 1);
        resumed.push(7, &[0.25, 0.5]);
        both.append(resumed);
        assert_eq!(both.epochs(), [0, 1, 2, 7]);
        assert_eq!(both["loss"][3], 0.25);
        assert!(both["accuracy"][3].is_nan() && both["val_loss"][0].is_nan());
        assert_eq!(both["val_loss"][3], 0.5);
        let mut first = History::default();
        first.append(history(2));
        assert_eq!(first, history(2));
    }

    #[cfg(feature = "plot")]
    #[test]
    fn curves_are_drawn() {
        let svg = history(9).to_svg(&[]).unwrap();
        assert!(svg.contains("accuracy") && svg.contains("loss") && svg.contains("epoch"));
        let error = history(9).to_svg(&["los"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `loss`"), "{error}");
        assert!(History::default().to_svg(&[]).is_err());
    }

    #[test]
    fn a_push_within_the_room_allocates_nothing() {
        let mut history = History::with_capacity(vec!["loss".into()], 10);
        let before = history.columns[0].as_ptr();
        for epoch in 0..10 {
            history.push(epoch, &[0.0]);
        }
        assert_eq!(history.columns[0].as_ptr(), before);
    }

    #[test]
    fn json_is_keras_history() {
        assert_eq!(
            serde_json::to_string(&history(2)).unwrap(),
            r#"{"epoch":[0,1],"history":{"accuracy":[0.5,0.5],"loss":[1.0,0.5]}}"#
        );
    }
}
