//! [`load_csv`] and [`Csv`]: text files of numbers, as numpy's `loadtxt` reads them.

use crate::error::{Error, Result};
use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use ndarray::Array2;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Read};
use std::path::Path;

use super::csv_rows::CsvRows;

/// Reads a file of comma-separated numbers into an array of shape `(rows, columns)`.
///
/// Every cell is a number, spaces around it allowed. Blank lines and lines that start with `#`
/// are skipped. For other delimiters, a header or some of the columns, see [`Csv`].
///
/// # Errors
///
/// When the file cannot be read, holds no rows, or a cell is empty or not a number, or a row is
/// longer or shorter than the first. The error names the file, the line and the column.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("diabetes.csv");
/// # std::fs::write(&path, "6,148,72,35,0,33.6,0.627,50,1\n1,85,66,29,0,26.6,0.351,31,0\n")?;
///
/// let dataset = load_csv(path)?;
/// let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
/// assert_eq!(x.shape(), [2, 8]);
/// assert_eq!(y, array![1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_csv(path: impl AsRef<Path>) -> Result<Array2<f32>> {
    Csv::new().load(path)
}

/// How to read a text file of numbers: the delimiter, a header, the columns wanted.
///
/// Defaults: cells separated by commas, no header, all columns, comments after `#`. A byte-order
/// mark, Windows line ends, blank lines and a missing last line end are all fine; a cell may
/// stand in double quotes. `nan`, `inf` and `infinity` are numbers, as in numpy.
///
/// # Examples
///
/// ```
/// use horn::data::Csv;
/// use horn::prelude::*;
///
/// let text = "name;age;height\nada;36;1.65\ngrace;85;1.70\n";
/// let people = Csv::new()
///     .delimiter(b';')
///     .header(true)
///     .columns([1, 2])
///     .read(text.as_bytes())?;
/// assert_eq!(people, array![[36.0, 1.65], [85.0, 1.70]]);
///
/// let error = Csv::new().delimiter(b';').read(text.as_bytes()).unwrap_err();
/// assert!(error.to_string().contains("`.header(true)`"));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    delimiter: u8,
    header: bool,
    columns: Option<Vec<usize>>,
    comment: Option<u8>,
    skip_rows: usize,
}

impl Default for Csv {
    fn default() -> Self {
        Csv {
            delimiter: b',',
            header: false,
            columns: None,
            comment: Some(b'#'),
            skip_rows: 0,
        }
    }
}

impl Csv {
    /// Comma-separated numbers without a header.
    pub fn new() -> Self {
        Self::default()
    }

    /// The byte between two cells, `,` by default. A space stands for any number of them.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Whether the first line (after blank lines and comments) names the columns and is to be
    /// skipped; `false` by default.
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// The columns to read, counted from 0 and in this order; all by default. Cells of the
    /// others may hold anything.
    pub fn columns(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.columns = Some(columns.into_iter().collect());
        self
    }

    /// The byte that starts a line to skip, `#` by default; `None` for no comments.
    pub fn comment(mut self, comment: impl Into<Option<u8>>) -> Self {
        self.comment = comment.into();
        self
    }

    /// The number of lines to skip at the start of the file, blank ones and comments included;
    /// 0 by default.
    pub fn skip_rows(mut self, skip_rows: usize) -> Self {
        self.skip_rows = skip_rows;
        self
    }

    /// Reads the file into an array of shape `(rows, columns)`.
    ///
    /// # Errors
    ///
    /// As [`load_csv`]; also when a chosen column does not exist, or the delimiter cannot be one.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Array2<f32>> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| io_error(path, source))?;
        self.parse(path, file)
    }

    /// Reads what `input` gives into an array of shape `(rows, columns)`; in errors its path is
    /// `<input>`.
    ///
    /// # Errors
    ///
    /// As [`Csv::load`].
    pub fn read(&self, input: impl Read) -> Result<Array2<f32>> {
        self.parse(Path::new("<input>"), input)
    }

    /// Opens the file to read its rows one after the other: a dataset for files that are larger than
    /// memory.
    ///
    /// All columns are inputs until [`CsvRows::targets`] says which are targets.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds no rows, or settings that make no sense. Cells that are
    /// no numbers are found when their rows are read.
    pub fn stream(&self, path: impl AsRef<Path>) -> Result<CsvRows> {
        CsvRows::open(self.clone(), path.as_ref())
    }

    fn parse(&self, path: &Path, input: impl Read) -> Result<Array2<f32>> {
        let mut lines = self.lines(path, input)?;
        if self.header {
            lines.next().map_err(|source| io_error(path, source))?;
        }
        let mut table = Table::default();
        while lines.parse_row(self, path, &mut table)? {}
        let rows = table.rows;
        let shape = (rows, table.values.len().checked_div(rows).unwrap_or(0));
        match Array2::from_shape_vec(shape, table.values) {
            Ok(array) if rows > 0 => Ok(array),
            _ => Err(lines.without_rows(path)),
        }
    }

    /// The lines of an input, the header among them.
    pub(super) fn lines<R: Read>(&self, path: &Path, input: R) -> Result<Lines<R>> {
        self.check()?;
        let io = |source| io_error(path, source);
        let mut input = without_mark(input).map_err(io)?;
        let mut skipped = 0;
        for _ in 0..self.skip_rows {
            skipped += u64::from(input.skip_until(b'\n').map_err(io)? > 0);
        }
        let end: &[u8] = b"\n";
        Ok(Lines {
            delimiter: self.delimiter,
            comment: self.comment,
            skipped,
            // With a last line end that is always there, each record is one line, and the
            // reader's count stands on the next one. That needs quotes without a meaning (they
            // could span lines) and `\n` as the only line end (`\r` is trimmed as a blank).
            reader: ReaderBuilder::new()
                .delimiter(self.delimiter)
                .comment(self.comment)
                .terminator(Terminator::Any(b'\n'))
                .quoting(false)
                .has_headers(false)
                .flexible(true)
                .buffer_capacity(1 << 16)
                .from_reader(input.chain(end)),
            record: ByteRecord::new(),
            compact: ByteRecord::new(),
        })
    }

    pub(super) fn has_header(&self) -> bool {
        self.header
    }

    /// The columns to read, where not all of them are.
    pub(super) fn chosen(&self) -> Option<&[usize]> {
        self.columns.as_deref()
    }

    /// An error unless the settings make sense together.
    fn check(&self) -> Result<()> {
        let byte = |byte: u8| format!("{:?}", char::from(byte));
        let delimiter = self.delimiter;
        if delimiter.is_ascii_alphanumeric() || b"\r\n.+-\"".contains(&delimiter) {
            let expected = "a byte that is no part of a number";
            return Err(Error::argument(
                "Csv",
                "delimiter",
                expected,
                byte(delimiter),
            ));
        }
        if self.comment == Some(delimiter) {
            let expected = "another byte than the delimiter";
            return Err(Error::argument("Csv", "comment", expected, byte(delimiter)));
        }
        if self.columns.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::argument("Csv", "columns", "at least one", "none"));
        }
        Ok(())
    }

    /// Appends the numbers of a line to the table.
    fn parse_row(
        &self,
        line: u64,
        cells: &ByteRecord,
        table: &mut Table,
    ) -> std::result::Result<(), Problem> {
        if table.rows == 0 {
            table.width = cells.len();
            table.first_line = line;
        } else if cells.len() != table.width {
            return Err(Problem {
                column: cells.len().min(table.width) + 1,
                message: format!(
                    "expected {} columns as in line {}, found {}",
                    table.width,
                    table.first_line,
                    cells.len()
                ),
            });
        }
        let first = table.rows == 0;
        let mut push = |column: usize, cell: &[u8]| {
            let value = number(cell).ok_or_else(|| Problem {
                column: column + 1,
                message: self.not_a_number(cell, first),
            })?;
            table.values.push(value);
            Ok(())
        };
        match &self.columns {
            None => {
                for (column, cell) in cells.iter().enumerate() {
                    push(column, cell)?;
                }
            }
            Some(columns) => {
                for &column in columns {
                    let cell = cells.get(column).ok_or_else(|| Problem {
                        column: column.saturating_add(1),
                        message: format!(
                            "`columns` asks for column {column} counted from 0, the line has {}",
                            cells.len()
                        ),
                    })?;
                    push(column, cell)?;
                }
            }
        }
        table.rows += 1;
        Ok(())
    }

    /// What to say of a cell that is not a number.
    fn not_a_number(&self, cell: &[u8], first: bool) -> String {
        const SHOWN: usize = 40;
        let cell = trim(cell);
        if cell.is_empty() {
            return "the cell is empty: fill it, or drop the line".to_string();
        }
        let text = String::from_utf8_lossy(cell);
        let mut message = match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{:?}... is not a number", text.get(..end).unwrap_or("")),
            None => format!("{text:?} is not a number"),
        };
        let separates = |delimiter: &&u8| {
            let mut pieces = cell.split(|byte| byte == *delimiter);
            cell.contains(delimiter) && pieces.all(|piece| number(piece).is_some())
        };
        if let Some(delimiter) = b";\t|, ".iter().find(separates) {
            let delimiter = delimiter.escape_ascii();
            message += &format!(": are the cells separated by `.delimiter(b'{delimiter}')`?");
        } else if first && !self.header {
            message += ": if the first line names the columns, `.header(true)` skips it";
        }
        message
    }
}

/// What is wrong with a line, and at which column counted from 1.
struct Problem {
    column: usize,
    message: String,
}

/// The numbers read so far.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) values: Vec<f32>,
    pub(super) rows: usize,
    /// The number of cells of the first row, chosen or not, and its line.
    width: usize,
    first_line: u64,
}

/// An input without a byte-order mark, and with a line end behind it.
type Source<R> = Chain<Chain<io::Cursor<Vec<u8>>, BufReader<R>>, &'static [u8]>;

/// The lines of a file that are neither blank nor comments, split into cells.
#[derive(Debug)]
pub(super) struct Lines<R> {
    delimiter: u8,
    comment: Option<u8>,
    skipped: u64,
    reader: Reader<Source<R>>,
    record: ByteRecord,
    compact: ByteRecord,
}

impl<R: Read> Lines<R> {
    /// Appends the numbers of the next line to the table. False at the end.
    pub(super) fn parse_row(&mut self, csv: &Csv, path: &Path, table: &mut Table) -> Result<bool> {
        let next = self.next().map_err(|source| io_error(path, source))?;
        let Some((line, cells)) = next else {
            return Ok(false);
        };
        let parsed = csv.parse_row(line, cells, table);
        let failed = |Problem { column, message }| Error::Csv {
            path: path.to_path_buf(),
            line,
            column,
            message,
        };
        parsed.map(|()| true).map_err(failed)
    }

    /// The error of a file that has ended without a row.
    pub(super) fn without_rows(&self, path: &Path) -> Error {
        Error::Csv {
            path: path.to_path_buf(),
            line: self.line().max(1),
            column: 1,
            message: "the file ends without a row of numbers".to_string(),
        }
    }

    /// The next line: its number counted from 1, and its cells.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &ByteRecord)>> {
        while self.reader.read_byte_record(&mut self.record)? {
            let first = trim(self.record.get(0).unwrap_or_default());
            let blank = first.is_empty() && self.record.len() == 1;
            if blank || self.comment.is_some() && first.first().copied() == self.comment {
                continue;
            }
            let line = self.line();
            if self.delimiter != b' ' {
                return Ok(Some((line, &self.record)));
            }
            self.compact.clear();
            for cell in self.record.iter().filter(|cell| !trim(cell).is_empty()) {
                self.compact.push_field(cell);
            }
            if !self.compact.is_empty() {
                return Ok(Some((line, &self.compact)));
            }
        }
        Ok(None)
    }

    /// The line that was read last.
    fn line(&self) -> u64 {
        self.reader.position().line().saturating_sub(1) + self.skipped
    }
}

pub(super) fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// The input without the byte-order mark of UTF-8 that some programs put first.
fn without_mark<R: Read>(mut input: R) -> io::Result<Chain<io::Cursor<Vec<u8>>, BufReader<R>>> {
    let mut head = Vec::new();
    input.by_ref().take(3).read_to_end(&mut head)?;
    if head == b"\xef\xbb\xbf" {
        head.clear();
    }
    Ok(io::Cursor::new(head).chain(BufReader::new(input)))
}

/// A cell without the blanks around it.
pub(super) fn trim(cell: &[u8]) -> &[u8] {
    cell.trim_ascii()
}

/// The number in a cell, if it is one: blanks and one pair of double quotes may stand around it.
fn number(cell: &[u8]) -> Option<f32> {
    let cell = trim(cell);
    let unquoted = match cell {
        [b'"', inner @ .., b'"'] => trim(inner),
        _ => cell,
    };
    std::str::from_utf8(unquoted).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    fn read(text: &str) -> Array2<f32> {
        Csv::new().read(text.as_bytes()).unwrap()
    }

    fn failure(csv: &Csv, text: impl AsRef<[u8]>) -> String {
        csv.read(text.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn numbers_are_read_as_numpy_reads_them() {
        assert_eq!(
            read("1,-2.5,+3\n 4e1 ,\t.5,6.\n1E-2,-0,1e400\n"),
            array![
                [1.0, -2.5, 3.0],
                [40.0, 0.5, 6.0],
                [0.01, -0.0, f32::INFINITY]
            ]
        );
        let special = read("nan,NaN,-nan,inf,-Infinity\n");
        assert!(special.iter().take(3).all(|v| v.is_nan()));
        assert_eq!(special[[0, 3]], f32::INFINITY);
        assert_eq!(special[[0, 4]], f32::NEG_INFINITY);
        // 16777217 lies half way between two f32; ties go to the even one.
        assert_eq!(read("16777217\n"), array![[16_777_216.0]]);
        assert_eq!(read("\"1.5\", \" 2 \"\n"), array![[1.5, 2.0]]);
    }

    #[test]
    fn line_ends_blank_lines_comments_and_a_byte_order_mark_do_not_matter() {
        let wanted = array![[1.0, 2.0], [3.0, 4.0]];
        for text in [
            "1,2\n3,4\n",
            "1,2\n3,4",
            "1,2\r\n3,4\r\n",
            "1,2\r\n3,4\r",
            "\u{feff}1,2\n3,4\n",
            "\n\n1,2\n \t\n3,4\n\n\n",
            "\r\n1,2\r\n\r\n3,4\r\n\r\n",
            "# made by hand\n1,2\n  # \"half\n3,4\n#",
            "\u{feff}# made by hand\r\n1,2\r\n3,4",
        ] {
            assert_eq!(read(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn settings_choose_what_is_read() {
        let csv = Csv::new().delimiter(b'\t').columns([2, 0, 0]);
        assert_eq!(
            csv.read("1\tx\t3\n4\t\t6\n".as_bytes()).unwrap(),
            array![[3.0, 1.0, 1.0], [6.0, 4.0, 4.0]]
        );
        let csv = Csv::new().header(true).comment(b'%');
        assert_eq!(
            csv.read("% units\n\n#a,\"b\"\n1,2\n%\n".as_bytes())
                .unwrap(),
            array![[1.0, 2.0]]
        );
        let csv = Csv::new().skip_rows(2).header(true);
        assert_eq!(
            csv.read("\u{feff}any \"thing\n\na,b\n1,2\n".as_bytes())
                .unwrap(),
            array![[1.0, 2.0]]
        );
        let csv = Csv::new().comment(None).header(true);
        assert_eq!(csv.read("#a\n1\n".as_bytes()).unwrap(), array![[1.0]]);
    }

    #[test]
    fn a_space_stands_for_any_number_of_spaces() {
        let csv = Csv::new().delimiter(b' ').columns([0, 2]);
        assert_eq!(
            csv.read("  1   2 3 \r\n\n   \n4 5    6\n".as_bytes())
                .unwrap(),
            array![[1.0, 3.0], [4.0, 6.0]]
        );
    }

    #[test]
    fn errors_say_where_and_what() {
        let csv = Csv::new();
        for (csv, text, wanted) in [
            (
                &csv,
                "age,height\n36,1.65\n",
                "<input>, line 1, column 1: \"age\" is not a number: if the first line names the columns, `.header(true)` skips it",
            ),
            (
                &csv,
                "# people\n\n1,2\r\n\r\n3,x\r\n",
                "<input>, line 5, column 2: \"x\" is not a number",
            ),
            (
                &csv,
                "1,2\n3, \n",
                "<input>, line 2, column 2: the cell is empty: fill it, or drop the line",
            ),
            (
                &csv,
                "1,2\n3,4,\n",
                "<input>, line 2, column 3: expected 2 columns as in line 1, found 3",
            ),
            (
                &csv,
                "\n1,2,3\n4\n",
                "<input>, line 3, column 2: expected 3 columns as in line 2, found 1",
            ),
            (
                &csv,
                "6;148;72\n",
                "<input>, line 1, column 1: \"6;148;72\" is not a number: are the cells separated by `.delimiter(b';')`?",
            ),
            (
                &csv,
                "6\t148\n",
                "<input>, line 1, column 1: \"6\\t148\" is not a number: are the cells separated by `.delimiter(b'\\t')`?",
            ),
            (
                &Csv::new().delimiter(b';'),
                "1\n1,5\n",
                "<input>, line 2, column 1: \"1,5\" is not a number: are the cells separated by `.delimiter(b',')`?",
            ),
            (
                &Csv::new().columns([0, 9]),
                "1,2\n",
                "<input>, line 1, column 10: `columns` asks for column 9 counted from 0, the line has 2",
            ),
            (
                &Csv::new().skip_rows(2).header(true),
                "a\nb\nc\n\nd\n",
                "<input>, line 5, column 1: \"d\" is not a number",
            ),
        ] {
            assert_eq!(failure(csv, text), wanted);
        }
        let long = format!("{}\n", "é".repeat(100));
        let shown = format!("\"{}\"... is not a number", "é".repeat(40));
        assert!(failure(&csv, long).contains(&shown));
        assert!(failure(&csv, b"1\n\xff\n").contains("line 2, column 1: \"\u{fffd}\" is not"));
    }

    #[test]
    fn a_file_without_rows_is_an_error() {
        for text in ["", "\n", "\u{feff}", "# nothing\n", "\r\n \r\n"] {
            let found = failure(&Csv::new(), text);
            assert!(
                found.contains("the file ends without a row of numbers"),
                "{found}"
            );
        }
        assert!(failure(&Csv::new().header(true), "a,b\n").contains("without a row"));
        assert!(failure(&Csv::new().skip_rows(9), "1\n").contains("without a row"));
    }

    #[test]
    fn settings_that_make_no_sense_are_errors() {
        for byte in *b"e5\n\r.-\"" {
            let found = failure(&Csv::new().delimiter(byte), "1\n");
            assert!(found.contains("`Csv`: `delimiter` must be"), "{found}");
        }
        let found = failure(&Csv::new().delimiter(b'#'), "1\n");
        assert!(found.contains("`comment` must be another byte than the delimiter, got '#'"));
        assert!(failure(&Csv::new().columns([]), "1\n").contains("`columns` must be at least one"));
        assert!(failure(&Csv::new().columns([usize::MAX]), "1\n").contains("asks for column"));
    }

    #[test]
    fn files_that_cannot_be_read_are_errors_with_their_path() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing.csv");
        let error = load_csv(&missing).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == missing));
        assert!(matches!(load_csv(directory.path()), Err(Error::Io { .. })));
        let file = directory.path().join("text.csv");
        std::fs::write(&file, "1\nx\n").unwrap();
        let error = load_csv(&file).unwrap_err().to_string();
        assert!(
            error.ends_with("text.csv, line 2, column 1: \"x\" is not a number"),
            "{error}"
        );
        std::fs::write(&file, "1\n2").unwrap();
        assert_eq!(load_csv(&file).unwrap(), array![[1.0], [2.0]]);
    }

    /// Gives one byte a call, as a slow pipe would.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(1);
            self.0.read(&mut out[..count])
        }
    }

    #[test]
    fn an_input_that_drips_is_read_all_the_same() {
        let text = "\u{feff}skip\r\na,b\r\n1,2\r\n# c\r\n3,4";
        let csv = Csv::new().skip_rows(1).header(true);
        assert_eq!(
            csv.read(Dripping(text.as_bytes())).unwrap(),
            array![[1.0, 2.0], [3.0, 4.0]]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_to_the_same_bits(
            rows in 1usize..20,
            bits in proptest::collection::vec(any::<u32>(), 20 * 3),
            exponent in any::<bool>(),
            end in prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n# c\n")],
        ) {
            let values: Vec<f32> = bits.iter().take(rows * 3).map(|b| f32::from_bits(*b)).collect();
            let mut text = String::new();
            for row in values.chunks(3) {
                let cells: Vec<String> = row
                    .iter()
                    .map(|v| if exponent { format!("{v:e}") } else { format!("{v}") })
                    .collect();
                text += &cells.join(",");
                text += end;
            }
            let found = read(&text);
            prop_assert_eq!(found.shape(), &[rows, 3]);
            for (found, wanted) in found.iter().zip(&values) {
                prop_assert!(found.to_bits() == wanted.to_bits() || found.is_nan() && wanted.is_nan());
            }
        }

        #[test]
        fn bytes_of_any_kind_do_not_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            csv in settings(),
        ) {
            let _ = csv.read(&bytes[..]);
        }

        #[test]
        fn nearly_good_text_does_not_panic(text in "[0-9a\n\r,;# \"\t.é-]{0,60}", csv in settings()) {
            let _ = csv.read(text.as_bytes());
        }

        #[test]
        fn errors_name_the_true_line(
            before in proptest::collection::vec(
                prop_oneof![Just(""), Just("1,2"), Just("# \"c"), Just("  "), Just("3,4\r"), Just("\r")],
                0..30,
            ),
            skip in 0usize..5,
        ) {
            let text = format!("{}\n5,oops", before.join("\n"));
            let line = text.split('\n').count();
            prop_assume!(line > skip);
            let found = failure(&Csv::new().skip_rows(skip), text);
            prop_assert!(found.starts_with(&format!("<input>, line {line}, column 2: ")), "{}", found);
        }
    }

    fn settings() -> impl Strategy<Value = Csv> {
        (
            any::<u8>(),
            any::<bool>(),
            any::<Option<u8>>(),
            0usize..4,
            any::<bool>(),
        )
            .prop_map(|(delimiter, header, comment, skip_rows, some)| {
                let delimiter = if some { b',' } else { delimiter };
                let csv = Csv::new()
                    .delimiter(delimiter)
                    .header(header)
                    .comment(comment);
                let csv = csv.skip_rows(skip_rows);
                if some { csv.columns([0, 1]) } else { csv }
            })
    }
}
