//! [`NpyRows`]: numpy's `.npy` files as a [`Dataset`].

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Batch, Dataset, Length, Pass};
use crate::error::{Error, Result};

/// The rows of arrays that `numpy.save` has written, read from their files as they are needed.
///
/// An array may hold floats of 32 or 64 bits, integers or bools, in either byte order, but must be
/// stored in C order, one row after the other. Any size of file takes the same little memory.
///
/// Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Batch, Dataset, NpyRows, Pass};
/// # let directory = tempfile::tempdir()?;
/// # let (x, y) = (directory.path().join("x.npy"), directory.path().join("y.npy"));
/// # let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
/// # let mut file = b"\x93NUMPY\x01\x00".to_vec();
/// # file.extend((header.len() as u16).to_le_bytes());
/// # file.extend(header.as_bytes());
/// # file.extend([1, 2, 3, 4, 5, 6]);
/// # std::fs::write(&x, &file)?;
/// # std::fs::write(&y, &file)?;
///
/// let mut rows = NpyRows::open(x)?.target(y)?;
/// let mut batch = Batch::new();
/// rows.begin(Pass::default())?;
/// assert_eq!(rows.read(2, &mut batch)?, 2);
/// assert_eq!(batch.input(0).unwrap().values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NpyRows {
    inputs: Vec<Array>,
    targets: Vec<Array>,
    weights: Option<Array>,
    rows: usize,
    next: usize,
}

impl NpyRows {
    /// The rows of an array as inputs.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is no `.npy` file, or holds something else than numbers in C
    /// order.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let array = Array::open(path.as_ref())?;
        Ok(NpyRows {
            rows: array.rows,
            inputs: vec![array],
            targets: Vec::new(),
            weights: None,
            next: 0,
        })
    }

    /// One more array, another input.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and when it has not as many rows as the first.
    pub fn input(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let array = self.fitting(path.as_ref())?;
        self.inputs.push(array);
        Ok(self)
    }

    /// One more array, a target.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and when it has not as many rows as the first.
    pub fn target(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let array = self.fitting(path.as_ref())?;
        self.targets.push(array);
        Ok(self)
    }

    /// A weight for each row.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and when it has not one number for each row of the first.
    pub fn sample_weight(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let array = self.fitting(path.as_ref())?;
        if array.row.iter().product::<usize>() != 1 {
            let found = format!("rows of shape {:?}", array.row);
            return Err(array.fail(&format!("expected one weight a row, found {found}")));
        }
        self.weights = Some(array);
        Ok(self)
    }

    fn fitting(&self, path: &Path) -> Result<Array> {
        let array = Array::open(path)?;
        match array.rows == self.rows {
            true => Ok(array),
            false => Err(array.fail(&format!(
                "expected {} rows, as many as the first array has, found {}",
                self.rows, array.rows
            ))),
        }
    }
}

impl Dataset for NpyRows {
    fn length(&self) -> Length {
        Length::Known(self.rows)
    }

    fn begin(&mut self, _pass: Pass) -> Result<()> {
        self.next = 0;
        let arrays = self.inputs.iter_mut().chain(&mut self.targets);
        arrays.chain(&mut self.weights).try_for_each(Array::rewind)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        let count = rows.min(self.rows - self.next);
        if count == 0 {
            return Ok(0);
        }
        batch.append(count, |row| {
            for array in &mut self.inputs {
                let to = row.input_space(&array.row)?;
                array.read(to)?;
            }
            for array in &mut self.targets {
                let to = row.target_space(&array.row)?;
                array.read(to)?;
            }
            match &mut self.weights {
                Some(array) => array.read(row.weight_space()?),
                None => Ok(()),
            }
        })?;
        self.next += count;
        Ok(count)
    }
}

/// One file.
#[derive(Debug)]
struct Array {
    path: PathBuf,
    file: BufReader<File>,
    /// Where the numbers begin.
    start: u64,
    element: Element,
    rows: usize,
    /// The shape of one row.
    row: Vec<usize>,
    bytes: Vec<u8>,
}

/// How many numbers are converted at a time.
const PIECE: usize = 4096;

impl Array {
    fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let header = header(&mut file).map_err(|message| failure(path, &message))?;
        let start = file.stream_position().map_err(io)?;
        let (rows, row) = match header.shape.split_first() {
            Some((rows, row)) => (*rows, row.to_vec()),
            None => (1, Vec::new()),
        };
        let count = header
            .shape
            .iter()
            .try_fold(1_u64, |all, length| all.checked_mul(*length as u64));
        let wanted = count.and_then(|count| count.checked_mul(header.element.size as u64));
        if wanted != Some(size - start.min(size)) {
            let found = size - start.min(size);
            let message = format!(
                "an array of shape {:?} needs {} bytes, the file has {found}",
                header.shape,
                wanted.map_or("too many".to_string(), |bytes| bytes.to_string()),
            );
            return Err(failure(path, &message));
        }
        Ok(Array {
            path: path.to_path_buf(),
            bytes: vec![0; PIECE * header.element.size],
            file,
            start,
            element: header.element,
            rows,
            row,
        })
    }

    fn fail(&self, message: &str) -> Error {
        failure(&self.path, message)
    }

    fn rewind(&mut self) -> Result<()> {
        match self.file.seek(SeekFrom::Start(self.start)) {
            Ok(_) => Ok(()),
            Err(source) => Err(self.io(source)),
        }
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// The next numbers.
    fn read(&mut self, out: &mut [f32]) -> Result<()> {
        let size = self.element.size;
        for out in out.chunks_mut(PIECE) {
            let bytes = self.bytes.get_mut(..out.len() * size).unwrap_or(&mut []);
            if let Err(source) = self.file.read_exact(bytes) {
                return Err(self.io(source));
            }
            if self.element.swapped {
                bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(size)) {
                *out = self.element.kind.number(bytes);
            }
        }
        Ok(())
    }
}

fn failure(path: &Path, message: &str) -> Error {
    Error::dataset(format!("{}: {message}", path.display()))
}

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    kind: Kind,
    size: usize,
    /// Whether its bytes are in the big-endian order.
    swapped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    Bool,
}

impl Element {
    /// `<f4`, `|u1`, ... as numpy writes them.
    fn parse(text: &str) -> Option<Self> {
        let (order, text) = text.split_at_checked(1)?;
        let (kind, size) = text.split_at_checked(1)?;
        let size = size.parse().ok()?;
        let kind = match (kind, size) {
            ("f", 4 | 8) => Kind::Float,
            ("i", 1 | 2 | 4 | 8) => Kind::Signed,
            ("u", 1 | 2 | 4 | 8) => Kind::Unsigned,
            ("b", 1) => Kind::Bool,
            _ => return None,
        };
        let swapped = match order {
            "<" | "|" => false,
            ">" => true,
            _ => return None,
        };
        Some(Element {
            kind,
            size,
            swapped,
        })
    }
}

impl Kind {
    /// The number in these bytes, the lowest first.
    fn number(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Kind::Float, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Kind::Float, _) => f64::from_le_bytes(eight(bytes, 0)) as f32,
            (Kind::Bool, _) => f32::from(bytes.iter().any(|byte| *byte != 0)),
            (Kind::Unsigned, _) => u64::from_le_bytes(eight(bytes, 0)) as f32,
            (Kind::Signed, _) => {
                let negative = bytes.last().is_some_and(|byte| *byte >= 128);
                let sign = if negative { 255 } else { 0 };
                i64::from_le_bytes(eight(bytes, sign)) as f32
            }
        }
    }
}

/// Up to eight bytes, and `sign` where there are fewer.
fn eight(bytes: &[u8], sign: u8) -> [u8; 8] {
    let mut all = [sign; 8];
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    all
}

/// What the beginning of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    element: Element,
    shape: Vec<usize>,
}

/// The longest header that is read; numpy's own have a hundred bytes.
const LONGEST: usize = 1 << 16;

fn header(file: &mut impl Read) -> Result<Header, String> {
    let short = |_| "the file is too short for an `.npy` file".to_string();
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(short)?;
    let [0x93, b'N', b'U', b'M', b'P', b'Y', version, _] = magic else {
        return Err("this is no `.npy` file: save it with `numpy.save`".to_string());
    };
    let length = match version {
        1 => {
            let mut bytes = [0; 2];
            file.read_exact(&mut bytes).map_err(short)?;
            usize::from(u16::from_le_bytes(bytes))
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes).map_err(short)?;
            u32::from_le_bytes(bytes) as usize
        }
        other => return Err(format!("version {other} of `.npy` is not known")),
    };
    if length > LONGEST {
        return Err(format!("the header has {length} bytes"));
    }
    let mut text = vec![0; length];
    file.read_exact(&mut text).map_err(short)?;
    parse(&String::from_utf8_lossy(&text))
}

/// The header's text: `{'descr': '<f4', 'fortran_order': False, 'shape': (768, 8), }`.
fn parse(text: &str) -> Result<Header, String> {
    let value = |key: &str| {
        let place = text.find(&format!("'{key}'"))?;
        let rest = text.get(place + key.len() + 2..)?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let broken = || format!("its header cannot be understood: {}", text.trim());
    let descr = value("descr").ok_or_else(broken)?;
    let name = descr.strip_prefix('\'').and_then(|d| d.split_once('\''));
    let Some(element) = name.and_then(|(name, _)| Element::parse(name)) else {
        return Err(format!(
            "its elements are {}: convert them with `astype(numpy.float32)`",
            name.map_or(descr, |(name, _)| name)
        ));
    };
    let shape = value("shape").and_then(|rest| rest.strip_prefix('('));
    let (shape, _) = shape.and_then(|s| s.split_once(')')).ok_or_else(broken)?;
    let lengths = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Result<Vec<usize>, _> = lengths.map(str::parse).collect();
    let shape = shape.map_err(|_| broken())?;
    let fortran = value("fortran_order").ok_or_else(broken)?;
    if !fortran.starts_with("False") && shape.len() > 1 {
        return Err(
            "it is stored in Fortran order: save `numpy.ascontiguousarray(array)`".to_string(),
        );
    }
    Ok(Header { element, shape })
}

/// What the beginning of an array says.
pub(crate) fn shape(file: &mut impl Read) -> Result<Header, String> {
    header(file)
}

impl Header {
    /// How many numbers there are; nothing for more than can be counted.
    pub(crate) fn count(&self) -> Option<u64> {
        let mut lengths = self.shape.iter();
        lengths.try_fold(1_u64, |all, length| all.checked_mul(*length as u64))
    }
}

/// The shape and the values of one array, up to its end.
pub(crate) fn read(header: Header, file: &mut impl Read) -> Result<(Vec<usize>, Vec<f32>), String> {
    let wrong = |shape: &[usize]| format!("an array of shape {shape:?} has more or fewer bytes");
    let count = header.count().and_then(|count| usize::try_from(count).ok());
    let Header { element, shape } = header;
    let count = count.ok_or_else(|| wrong(&shape))?;
    let mut values = Vec::new();
    let room = values.try_reserve_exact(count);
    room.map_err(|error| error.to_string())?;
    let mut bytes = vec![0; PIECE * element.size];
    while values.len() < count {
        let length = (count - values.len()).min(PIECE) * element.size;
        let bytes = bytes.get_mut(..length).unwrap_or(&mut []);
        file.read_exact(bytes).map_err(|_| wrong(&shape))?;
        values.extend(bytes.chunks_exact_mut(element.size).map(|bytes| {
            if element.swapped {
                bytes.reverse();
            }
            element.kind.number(bytes)
        }));
    }
    // To the end, where a checksum is compared.
    match file.read(&mut [0]).map_err(|error| error.to_string())? {
        0 => Ok((shape, values)),
        _ => Err(wrong(&shape)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A file as `numpy.save` writes it.
    fn write(path: &Path, descr: &str, shape: &str, bytes: &[u8]) {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(bytes);
        std::fs::write(path, file).unwrap();
    }

    fn all(rows: &mut NpyRows) -> Batch {
        let mut batch = Batch::new();
        rows.begin(Pass::default()).unwrap();
        while rows.read(2, &mut batch).unwrap() > 0 {}
        batch
    }

    #[test]
    fn every_element_type_becomes_f32() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.npy");
        let check = |descr: &str, bytes: &[u8], wanted: [f32; 3]| {
            write(&path, descr, "(3,)", bytes);
            let mut rows = NpyRows::open(&path).unwrap();
            for _ in 0..2 {
                let batch = all(&mut rows);
                assert_eq!(batch.input(0).unwrap().values(), wanted, "{descr}");
            }
        };
        let wanted = [1.0, -2.0, 100.0];
        check(
            "<f4",
            &[1f32, -2.0, 100.0].map(f32::to_le_bytes).concat(),
            wanted,
        );
        check(
            ">f4",
            &[1f32, -2.0, 100.0].map(f32::to_be_bytes).concat(),
            wanted,
        );
        check(
            "<f8",
            &[1f64, -2.0, 100.0].map(f64::to_le_bytes).concat(),
            wanted,
        );
        check("|i1", &[1i8, -2, 100].map(i8::to_le_bytes).concat(), wanted);
        check(
            "<i2",
            &[1i16, -2, 100].map(i16::to_le_bytes).concat(),
            wanted,
        );
        check(
            ">i4",
            &[1i32, -2, 100].map(i32::to_be_bytes).concat(),
            wanted,
        );
        check(
            "<i8",
            &[1i64, -2, 100].map(i64::to_le_bytes).concat(),
            wanted,
        );
        check("|u1", &[1, 254, 100], [1.0, 254.0, 100.0]);
        check(
            "<u2",
            &[1u16, 65_534, 100].map(u16::to_le_bytes).concat(),
            [1.0, 65_534.0, 100.0],
        );
        check(
            "<u8",
            &[1u64, 2, 100].map(u64::to_le_bytes).concat(),
            [1.0, 2.0, 100.0],
        );
        check("|b1", &[1, 0, 1], [1.0, 0.0, 1.0]);
    }

    #[test]
    fn rows_have_the_shape_of_the_array() {
        let directory = tempfile::tempdir().unwrap();
        let [x, y, w] = ["x", "y", "w"].map(|name| directory.path().join(name));
        write(&x, "|u1", "(3, 2, 1)", &[1, 2, 3, 4, 5, 6]);
        write(&y, "|u1", "(3,)", &[7, 8, 9]);
        write(&w, "|u1", "(3, 1)", &[1, 2, 3]);
        let rows = NpyRows::open(&x).unwrap().target(&y).unwrap();
        let mut rows = rows.sample_weight(&w).unwrap();
        assert_eq!(rows.length(), Length::Known(3));
        let batch = all(&mut rows);
        assert_eq!(batch.input(0).unwrap().row_shape(), [2, 1]);
        assert_eq!(batch.target(0).unwrap().values(), [7.0, 8.0, 9.0]);
        assert_eq!(batch.sample_weights().unwrap().values(), [1.0, 2.0, 3.0]);
        write(&y, "|u1", "(2,)", &[7, 8]);
        let error = rows.target(&y).unwrap_err().to_string();
        assert!(
            error.contains("expected 3 rows") && error.ends_with("found 2"),
            "{error}"
        );
    }

    #[test]
    fn files_that_are_something_else_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.npy");
        let refused = |write: &dyn Fn(&Path), wanted: &str| {
            write(&path);
            let error = NpyRows::open(&path).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains("x.npy"), "{error}");
        };
        refused(
            &|path| std::fs::write(path, "1,2,3\n4,5,6").unwrap(),
            "this is no `.npy` file",
        );
        refused(
            &|path| std::fs::write(path, b"\x93NUM").unwrap(),
            "too short",
        );
        refused(
            &|path| std::fs::write(path, b"\x93NUMPY\x09\x00").unwrap(),
            "version 9",
        );
        refused(
            &|path| write_all(path, "<f4", "(3,)", 11),
            "needs 12 bytes, the file has 11",
        );
        refused(
            &|path| write_all(path, "<f2", "(3,)", 6),
            "its elements are <f2",
        );
        refused(
            &|path| write_all(path, "<f4", "3", 12),
            "cannot be understood",
        );
        let huge = "(18446744073709551615, 18446744073709551615)";
        refused(&|path| write_all(path, "<f4", huge, 12), "too many bytes");
        let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }";
        assert!(parse(fortran).unwrap_err().contains("Fortran order"));
        let missing = directory.path().join("missing.npy");
        assert!(matches!(NpyRows::open(missing), Err(Error::Io { .. })));
    }

    fn write_all(path: &Path, descr: &str, shape: &str, bytes: usize) {
        write(path, descr, shape, &vec![0; bytes]);
    }

    proptest::proptest! {
        #[test]
        fn headers_of_any_kind_do_not_panic(text in ".{0,80}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let _ = parse(&text);
            let _ = header(&mut &bytes[..]);
        }
    }
}
