//! [`CsvRows`]: a text file of numbers as a dataset, one row after the other.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::csv::{Csv, Lines, Table, io_error, trim};
use super::dataset::{Batch, Dataset, Length, Pass};
use crate::error::{Error, Result};

/// A column of a text file: its position, counted from 0, or from the end where it is negative, or
/// its name in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The position.
    Position(isize),
    /// The name.
    Name(String),
}

impl From<i32> for Column {
    fn from(position: i32) -> Self {
        // Where that does not fit, no line is as long.
        Column::Position(position.try_into().unwrap_or(isize::MAX))
    }
}

impl From<usize> for Column {
    fn from(position: usize) -> Self {
        Column::Position(position.try_into().unwrap_or(isize::MAX))
    }
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_string())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Column::Name(name)
    }
}

/// How many rows are read at a time, at most.
const CHUNK: usize = 1024;

/// The rows of a text file of any size, read as they are needed; made by [`Csv::stream`].
///
/// A row has one input, all columns that are nothing else, and one target. The file is opened anew
/// for each pass, and takes a few hundred kilobytes of memory.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::data::Dataset;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("people.csv");
/// # std::fs::write(&path, "age,height,weight\n36,1.65,60\n85,1.70,64\n31,1.80,81\n")?;
///
/// let rows = Csv::new().header(true).stream(&path)?.targets(["weight"])?;
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// model.fit_dataset(rows.shuffle(1000).prefetch(2), Fit::new().verbose(0))?;
///
/// let error = Csv::new().header(true).stream(&path)?.targets(["heigt"]).unwrap_err();
/// assert_eq!(error.to_string(), "there is no column named `heigt`: did you mean `height` or `weight`?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CsvRows {
    /// How the file is read: the inputs' columns first, then the targets', then that of the weight.
    csv: Csv,
    path: PathBuf,
    header: Vec<String>,
    /// How many columns the first row has.
    width: usize,
    inputs: Vec<usize>,
    targets: Vec<usize>,
    weight: Option<usize>,
    lines: Option<Lines<File>>,
    table: Table,
    /// How many rows there are, once a pass has seen them all.
    rows: Option<usize>,
}

impl CsvRows {
    pub(super) fn open(csv: Csv, path: &Path) -> Result<Self> {
        let io = |source| io_error(path, source);
        let mut lines = csv.lines(path, File::open(path).map_err(io)?)?;
        let mut header = Vec::new();
        if csv.has_header()
            && let Some((_, cells)) = lines.next().map_err(io)?
        {
            header.extend(cells.iter().map(name));
        }
        let Some((_, cells)) = lines.next().map_err(io)? else {
            return Err(lines.without_rows(path));
        };
        let width = cells.len();
        let rows = CsvRows {
            inputs: match csv.chosen() {
                Some(columns) => columns.to_vec(),
                None => (0..width).collect(),
            },
            csv,
            path: path.to_path_buf(),
            header,
            width,
            targets: Vec::new(),
            weight: None,
            lines: None,
            table: Table::default(),
            rows: None,
        };
        for column in rows.inputs.clone() {
            rows.position(Column::from(column))?;
        }
        rows.choose()
    }

    /// The columns that are inputs, in this order. Default: those that [`Csv::columns`] chose, or
    /// all; targets and weights are left out.
    ///
    /// # Errors
    ///
    /// A column that is not there, or none left.
    pub fn inputs<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Result<Self> {
        self.inputs = self.positions(columns)?;
        self.choose()
    }

    /// The columns that are targets, by name or position. One column gives targets of shape
    /// `(rows,)`, several `(rows, columns)`. Default: none.
    ///
    /// # Errors
    ///
    /// A column that is not there, or no column left for the inputs.
    pub fn targets<C: Into<Column>>(
        mut self,
        columns: impl IntoIterator<Item = C>,
    ) -> Result<Self> {
        self.targets = self.positions(columns)?;
        self.choose()
    }

    /// The column that holds the weight of each row. Default: none.
    ///
    /// # Errors
    ///
    /// A column that is not there, or no column left for the inputs.
    pub fn sample_weight(mut self, column: impl Into<Column>) -> Result<Self> {
        self.weight = Some(self.position(column.into())?);
        self.choose()
    }

    /// The names of the columns, where the file has a header.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Reads the inputs first, then the targets, then the weight.
    fn choose(mut self) -> Result<Self> {
        let (targets, weight) = (&self.targets, self.weight);
        self.inputs
            .retain(|input| !targets.contains(input) && weight != Some(*input));
        if self.inputs.is_empty() {
            let wanted = "at least one column that is no target";
            return Err(Error::argument("CsvRows", "inputs", wanted, "none"));
        }
        let inputs = self.inputs.iter().copied();
        let rest = self.targets.iter().copied().chain(self.weight);
        self.csv = self.csv.columns(inputs.chain(rest).collect::<Vec<_>>());
        Ok(self)
    }

    fn positions<C: Into<Column>>(
        &self,
        columns: impl IntoIterator<Item = C>,
    ) -> Result<Vec<usize>> {
        let columns = columns.into_iter();
        columns.map(|column| self.position(column.into())).collect()
    }

    fn position(&self, column: Column) -> Result<usize> {
        match column {
            Column::Position(position) => {
                let place = match usize::try_from(position) {
                    Ok(place) => Some(place),
                    Err(_) => self.width.checked_sub(position.unsigned_abs()),
                };
                place.filter(|place| *place < self.width).ok_or_else(|| {
                    let expected = format!("one of the {} columns, from 0", self.width);
                    Error::argument("CsvRows", "column", expected, position)
                })
            }
            Column::Name(name) => {
                let place = self.header.iter().position(|known| *known == name);
                place.ok_or_else(|| match self.header.is_empty() {
                    true => Error::argument(
                        "CsvRows",
                        "column",
                        "a position where no header is read with `Csv::header(true)`",
                        format!("`{name}`"),
                    ),
                    false => {
                        let known = self.header.iter().map(String::as_str);
                        Error::unknown("column", &name, known)
                    }
                })
            }
        }
    }
}

/// A name in the header.
fn name(cell: &[u8]) -> String {
    let cell = trim(cell);
    let inner = cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\""));
    String::from_utf8_lossy(inner.unwrap_or(cell)).into_owned()
}

impl Dataset for CsvRows {
    fn length(&self) -> Length {
        match self.rows {
            Some(rows) => Length::Known(rows),
            None => Length::Unknown,
        }
    }

    fn begin(&mut self, _pass: Pass) -> Result<()> {
        let io = |source| io_error(&self.path, source);
        let mut lines = self
            .csv
            .lines(&self.path, File::open(&self.path).map_err(io)?)?;
        if self.csv.has_header() {
            lines.next().map_err(io)?;
        }
        self.lines = Some(lines);
        self.table = Table::default();
        Ok(())
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let Some(lines) = &mut self.lines else {
            return Ok(0);
        };
        self.table.values.clear();
        let (before, mut over) = (self.table.rows, false);
        while self.table.rows - before < rows.min(CHUNK) && !over {
            over = !lines.parse_row(&self.csv, &self.path, &mut self.table)?;
        }
        let count = self.table.rows - before;
        if over {
            self.rows = Some(self.table.rows);
            self.lines = None;
        }
        if count == 0 {
            return Ok(0);
        }
        let (inputs, targets) = (self.inputs.len(), self.targets.len());
        let width = inputs + targets + usize::from(self.weight.is_some());
        let columns = |start: usize, to: &mut [f32], count: usize| {
            let rows = self.table.values.chunks_exact(width);
            for (to, row) in to.chunks_exact_mut(count).zip(rows) {
                to.copy_from_slice(row.get(start..start + count).unwrap_or(&[]));
            }
        };
        batch.append(count, |row| {
            columns(0, row.input_space(&[inputs])?, inputs);
            match targets {
                0 => {}
                1 => columns(inputs, row.target_space(&[])?, 1),
                _ => columns(inputs, row.target_space(&[targets])?, targets),
            }
            if self.weight.is_some() {
                columns(inputs + targets, row.weight_space()?, 1);
            }
            Ok(())
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a, \"b\" ,c,d\n1,2,3,4\n5,6,7,8\n9,10,11,12\n";

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers.csv");
        std::fs::write(&path, text).unwrap();
        (directory, path)
    }

    fn all(rows: &mut CsvRows) -> Batch {
        let mut batch = Batch::new();
        rows.begin(Pass::default()).unwrap();
        while rows.read(2, &mut batch).unwrap() > 0 {}
        batch
    }

    #[test]
    fn columns_are_inputs_targets_and_weights() {
        let (_directory, path) = file(TEXT);
        let csv = Csv::new().header(true);
        let mut rows = csv.stream(&path).unwrap();
        assert_eq!(rows.header(), ["a", "b", "c", "d"]);
        assert_eq!(rows.length(), Length::Unknown);
        let batch = all(&mut rows);
        assert_eq!(rows.length(), Length::Known(3));
        assert_eq!(batch.input(0).unwrap().row_shape(), [4]);
        assert!(batch.targets().is_empty());

        let rows = csv.stream(&path).unwrap().targets(["b"]).unwrap();
        let batch = all(&mut rows.sample_weight(-1).unwrap());
        assert_eq!(
            batch.input(0).unwrap().values(),
            [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
        );
        assert_eq!(batch.target(0).unwrap().values(), [2.0, 6.0, 10.0]);
        assert!(batch.target(0).unwrap().row_shape().is_empty());
        assert_eq!(batch.sample_weights().unwrap().values(), [4.0, 8.0, 12.0]);

        let rows = csv.stream(&path).unwrap().targets([3, 0]).unwrap();
        let batch = all(&mut rows.inputs(["c", "b"]).unwrap());
        assert_eq!(
            batch.input(0).unwrap().values(),
            [3.0, 2.0, 7.0, 6.0, 11.0, 10.0]
        );
        assert_eq!(
            batch.target(0).unwrap().values(),
            [4.0, 1.0, 8.0, 5.0, 12.0, 9.0]
        );

        let rows = csv.columns([3, 2]).stream(&path).unwrap();
        let batch = all(&mut rows.targets([2]).unwrap());
        assert_eq!(batch.input(0).unwrap().values(), [4.0, 8.0, 12.0]);
    }

    #[test]
    fn a_file_is_read_again_in_each_pass() {
        let (_directory, path) = file("1,2\n3,4\n");
        let mut rows = Csv::new().stream(&path).unwrap().targets([1]).unwrap();
        let first = all(&mut rows);
        let second = all(&mut rows);
        assert_eq!(
            first.input(0).unwrap().values(),
            second.input(0).unwrap().values()
        );
        // Half of a pass, then another.
        let mut batch = Batch::new();
        rows.begin(Pass::default()).unwrap();
        rows.read(1, &mut batch).unwrap();
        assert_eq!(all(&mut rows).len(), 2);
    }

    #[test]
    fn errors_say_where_and_what() {
        let (_directory, path) = file("1,2\n3,x\n4,5,6\n");
        let mut rows = Csv::new().stream(&path).unwrap();
        rows.begin(Pass::default()).unwrap();
        let mut batch = Batch::new();
        assert_eq!(rows.read(1, &mut batch).unwrap(), 1);
        let error = rows.read(1, &mut batch).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2, column 2: \"x\" is not a number"),
            "{error}"
        );
        let error = rows.read(1, &mut batch).unwrap_err().to_string();
        assert!(
            error.contains("expected 2 columns as in line 1, found 3"),
            "{error}"
        );

        let refused = |rows: Result<CsvRows>| rows.unwrap_err().to_string();
        let open = || Csv::new().stream(&path).unwrap();
        let error = refused(open().targets(["y"]));
        assert!(error.contains("`Csv::header(true)`"), "{error}");
        let error = refused(open().targets([2]));
        assert!(
            error.contains("one of the 2 columns, from 0, got 2"),
            "{error}"
        );
        assert!(refused(open().targets([-3])).contains("got -3"));
        assert!(refused(open().targets([0, 1])).contains("at least one column"));
        assert!(refused(Csv::new().columns([5]).stream(&path)).contains("got 5"));
        assert!(refused(Csv::new().delimiter(b'e').stream(&path)).contains("`delimiter`"));
        let (_directory, path) = file("a,b\n");
        let error = refused(Csv::new().header(true).stream(&path));
        assert!(error.contains("without a row of numbers"), "{error}");
        let missing = path.with_file_name("missing.csv");
        assert!(matches!(Csv::new().stream(missing), Err(Error::Io { .. })));
    }
}
