//! The one door to the HDF5 crate, for files that may be broken or hostile.
//!
//! A data set is opened by the path that the model expects, and its shape is compared with the
//! expected one before anything is read: a shape in a broken file may ask for terabytes. Walks over
//! groups count what they meet.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use hdf5_pure::{
    AttrValue, Chunk, DType, Dataset, DatasetBuilder, Datatype, DatatypeByteOrder, File,
    FileBuilder, FloatingPointLayout, GroupBuilder, Layout, make_f32_type,
};

use super::half;
use super::part::Part;
use crate::error::{Error, Result};

/// More groups and data sets than this in one file are refused.
const MOST_NODES: usize = 200_000;

/// Chunks of this many numbers are read whatever the shape is; h5py makes them of at most a megabyte.
const LARGEST_CHUNK: u64 = 1 << 20;

/// A file that is being read.
pub(crate) struct Reader {
    file: File,
    part: Part,
    /// The file in memory, once something of it is compressed or in chunks: read from elsewhere, the crate
    /// allocates what a chunk says that it takes.
    memory: OnceCell<File>,
    path: PathBuf,
    nodes: Cell<usize>,
    /// Whether models keep their layers under the name that Keras had for it before version 3.
    old: bool,
}

/// Where `tf.keras` 2.12 to 2.15 kept the layers of a model.
const OLD_LAYERS: &str = "_layer_checkpoint_dependencies";

impl Reader {
    /// A file, or a part of one; `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for bytes that are no HDF5 file.
    pub(crate) fn new(part: Part, path: &Path) -> Result<Reader> {
        let file = File::from_source(part.clone()).map_err(|error| Error::file(path, "", error))?;
        Ok(Reader {
            old: file.group(OLD_LAYERS).is_ok(),
            file,
            part,
            memory: OnceCell::new(),
            path: path.to_path_buf(),
            nodes: Cell::new(0),
        })
    }

    /// An entry under the name that this file has for it.
    fn at<'e>(&self, entry: &'e str) -> Cow<'e, str> {
        if !self.old {
            return Cow::Borrowed(entry);
        }
        let parts = entry.split('/').map(|part| match part {
            "layers" => OLD_LAYERS,
            part => part,
        });
        Cow::Owned(parts.collect::<Vec<&str>>().join("/"))
    }

    /// How many bytes the file has.
    pub(crate) fn size(&self) -> u64 {
        self.part.size()
    }

    /// An error at an entry.
    pub(crate) fn fail(&self, entry: &str, reason: impl Display) -> Error {
        Error::file(&self.path, entry, reason)
    }

    /// Whether there is a data set.
    pub(crate) fn has(&self, entry: &str) -> bool {
        self.file.dataset(&self.at(entry)).is_ok()
    }

    /// Whether there is a group.
    pub(crate) fn has_group(&self, entry: &str) -> bool {
        self.file.group(&self.at(entry)).is_ok()
    }

    /// The numbers of a data set of this shape.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for one that is not there, of another shape or of no numbers.
    pub(crate) fn read(&self, entry: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let dataset = self.dataset(entry, shape)?;
        let size = shape.iter().product::<usize>();
        if size == 0 {
            return Ok(Vec::new());
        }
        let kind = dataset.dtype().map_err(|error| self.fail(entry, error))?;
        let broken = |error| self.fail(entry, error);
        let values = match kind {
            DType::F32 => dataset.read_f32().map_err(broken)?,
            DType::F64 => narrow(dataset.read_f64().map_err(broken)?, |x| x as f32),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
                narrow(dataset.read_i64().map_err(broken)?, |x| x as f32)
            }
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
                narrow(dataset.read_u64().map_err(broken)?, |x| x as f32)
            }
            other => self.half(&dataset, entry, other)?,
        };
        match values.len() == size {
            true => Ok(values),
            false => {
                let found = values.len();
                Err(self.fail(entry, format!("{found} numbers where {size} belong")))
            }
        }
    }

    /// Writes the numbers of a data set of this shape to where they belong. After an error some may be
    /// written.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn read_into(&self, entry: &str, shape: &[usize], to: &mut [f32]) -> Result<()> {
        let dataset = self.dataset(entry, shape)?;
        if let Some(at) = self.plain(&dataset, size_of_val(to)) {
            let bytes = bytemuck::cast_slice_mut(to);
            let read = self.part.read_all(at, bytes);
            return read.map_err(|error| self.fail(entry, error));
        }
        let read = self.read(entry, shape)?;
        if read.len() != to.len() {
            return Err(self.fail(entry, "has another size"));
        }
        to.copy_from_slice(&read);
        Ok(())
    }

    /// Where the numbers of a data set lie in the file as they do in memory, in so many bytes.
    fn plain(&self, dataset: &Dataset, bytes: usize) -> Option<u64> {
        let same = cfg!(target_endian = "little") && dataset.datatype().ok()? == make_f32_type();
        match dataset.layout().ok()? {
            Layout::Contiguous {
                address: Some(address),
                size,
            } if same && size == bytes as u64 => Some(address),
            _ => None,
        }
    }

    /// The numbers of a data set of 16 bits: IEEE's, or the first half of an `f32`, which Keras writes
    /// as bytes without a meaning and an attribute `dtype`.
    fn half(&self, dataset: &Dataset, entry: &str, kind: DType) -> Result<Vec<f32>> {
        let broken = |error| self.fail(entry, error);
        let datatype = dataset.datatype().map_err(broken)?;
        let (convert, swapped): (fn(u16) -> f32, bool) = match datatype {
            Datatype::FloatingPoint {
                size: 2,
                byte_order,
                layout:
                    FloatingPointLayout {
                        exponent_size: 5,
                        mantissa_size: 10,
                        ..
                    },
            } => (half::ieee, byte_order == DatatypeByteOrder::BigEndian),
            Datatype::Opaque { size: 2, .. } if self.is_bfloat(dataset) => (half::brain, false),
            _ => return Err(self.fail(entry, format!("holds {kind}, not numbers"))),
        };
        let bytes = dataset.read_raw().map_err(broken)?;
        let (pairs, _) = bytes.as_chunks::<2>();
        let number = |pair: &[u8; 2]| match swapped {
            true => convert(u16::from_be_bytes(*pair)),
            false => convert(u16::from_le_bytes(*pair)),
        };
        Ok(pairs.iter().map(number).collect())
    }

    fn is_bfloat(&self, dataset: &Dataset) -> bool {
        let kind = dataset.attrs().ok().and_then(|mut all| all.remove("dtype"));
        kind.is_some_and(|kind| kind.as_str() == Some("bfloat16"))
    }

    /// A whole number that stands alone, such as a count of steps.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn whole(&self, entry: &str) -> Result<u64> {
        let dataset = self.dataset(entry, &[])?;
        let values = dataset
            .read_i64()
            .map_err(|error| self.fail(entry, error))?;
        let value = values.first().copied().and_then(|v| u64::try_from(v).ok());
        value.ok_or_else(|| self.fail(entry, "is not a count"))
    }

    fn dataset(&self, entry: &str, shape: &[usize]) -> Result<Dataset> {
        let dataset = self.file.dataset(&self.at(entry));
        let dataset = dataset.map_err(|error| self.fail(entry, error))?;
        let found = dataset.shape().map_err(|error| self.fail(entry, error))?;
        let same = found.len() == shape.len()
            && found
                .iter()
                .zip(shape)
                .all(|(found, own)| *found == *own as u64);
        if !same {
            let reason = format!("has the shape {found:?}, the model expects {shape:?}");
            return Err(self.fail(entry, reason));
        }
        // A chunk is there whole before it is cut to the shape.
        let chunk = dataset.chunk_shape();
        let Some(chunk) = chunk.map_err(|error| self.fail(entry, error))? else {
            return Ok(dataset);
        };
        let mut lengths = chunk.iter();
        let numbers = lengths.try_fold(1_u64, |all, length| all.checked_mul(*length));
        let size = shape.iter().product::<usize>() as u64;
        if numbers.is_none_or(|numbers| numbers > size.saturating_mul(2).max(LARGEST_CHUNK)) {
            return Err(self.fail(entry, "has chunks that are larger than the model's weight"));
        }
        let dataset = self.in_memory()?.dataset(&self.at(entry));
        let dataset = dataset.map_err(|error| self.fail(entry, error))?;
        let chunks = dataset.chunks().map_err(|error| self.fail(entry, error))?;
        match chunks.iter().all(|chunk| self.holds(chunk, &found)) {
            true => Ok(dataset),
            false => Err(self.fail(entry, "has chunks that are outside of it")),
        }
    }

    /// Whether a chunk is in a data set of this shape, and in the file: the crate adds and multiplies these
    /// numbers as they are.
    fn holds(&self, chunk: &Chunk, shape: &[u64]) -> bool {
        let end = chunk.address.checked_add(chunk.storage_size);
        end.is_some_and(|end| end <= self.size())
            && chunk.offset.len() == shape.len()
            && chunk.offset.iter().zip(shape).all(|(at, all)| at < all)
    }

    /// The file in memory.
    fn in_memory(&self) -> Result<&File> {
        if let Some(file) = self.memory.get() {
            return Ok(file);
        }
        let broken = |error: &dyn Display| self.fail("", error);
        let bytes = self.part.bytes().map_err(|error| broken(&error))?;
        let file = File::from_bytes(bytes).map_err(|error| broken(&error))?;
        Ok(self.memory.get_or_init(|| file))
    }

    /// The names of the groups in a group.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for one that cannot be read, or after more than 200 000 names in all.
    pub(crate) fn groups(&self, entry: &str) -> Result<Vec<String>> {
        let group = match entry {
            "" => self.file.root(),
            _ => self
                .file
                .group(&self.at(entry))
                .map_err(|error| self.fail(entry, error))?,
        };
        let names = group.groups().map_err(|error| self.fail(entry, error))?;
        self.nodes.set(self.nodes.get().saturating_add(names.len()));
        match self.nodes.get() > MOST_NODES {
            true => Err(self.fail(entry, format!("more than {MOST_NODES} groups"))),
            false => Ok(names),
        }
    }

    /// An attribute of a group that is a text.
    pub(crate) fn text(&self, entry: &str, name: &str) -> Option<String> {
        match self.attribute(entry, name)? {
            AttrValue::StringArray(all) => all.into_iter().next(),
            value => value.as_str().map(str::to_string),
        }
    }

    /// An attribute of a group that is a list of texts.
    pub(crate) fn texts(&self, entry: &str, name: &str) -> Option<Vec<String>> {
        let value = self.attribute(entry, name)?;
        let texts = value.as_strings().map(<[String]>::to_vec);
        texts.or_else(|| value.as_str().map(|text| vec![text.to_string()]))
    }

    fn attribute(&self, entry: &str, name: &str) -> Option<AttrValue> {
        let group = match entry {
            "" => self.file.root(),
            _ => self.file.group(&self.at(entry)).ok()?,
        };
        group.attrs().ok()?.remove(name)
    }
}

fn narrow<T: Copy>(values: Vec<T>, number: impl Fn(T) -> f32) -> Vec<f32> {
    values.iter().map(|value| number(*value)).collect()
}

/// What a data set holds.
#[derive(Debug, Clone)]
pub(crate) enum Data<'d> {
    /// Numbers of a shape, row-major.
    Numbers(&'d [usize], &'d [f32]),
    /// The same where the shape was made for it.
    Owned(Vec<usize>, &'d [f32]),
    /// Zeros of a shape.
    Zeros(Vec<usize>),
    /// One number.
    Number(f32),
    /// One whole number.
    Whole(u64),
}

/// A group that is being made, with what is in it.
#[derive(Debug, Default)]
pub(crate) struct Tree<'d> {
    name: Option<String>,
    data: Vec<(String, Data<'d>)>,
    groups: Vec<(String, Tree<'d>)>,
}

impl<'d> Tree<'d> {
    /// The group at a path from here, made where it is not there.
    pub(crate) fn group(&mut self, path: &str) -> &mut Tree<'d> {
        let mut tree = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let found = tree.groups.iter().position(|(name, _)| name == part);
            let place = found.unwrap_or_else(|| {
                tree.groups.push((part.to_string(), Tree::default()));
                tree.groups.len() - 1
            });
            // The place was found or made just now.
            #[allow(clippy::indexing_slicing)]
            {
                tree = &mut tree.groups[place].1;
            }
        }
        tree
    }

    /// Sets the attribute `name`, as Keras does.
    pub(crate) fn named(&mut self, name: &str) -> &mut Self {
        self.name = Some(name.to_string());
        self
    }

    /// Adds a data set.
    pub(crate) fn add(&mut self, name: impl Into<String>, data: Data<'d>) {
        self.data.push((name.into(), data));
    }

    /// Writes the tree as a file.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub(crate) fn write(&self, to: impl Write) -> std::io::Result<()> {
        let mut builder = FileBuilder::new();
        let mut stands = Vec::new();
        for (name, group) in &self.groups {
            let mut made = builder.create_group(name);
            group.fill(&mut made, &mut stands);
            builder.add_group(made.finish());
        }
        let mut direct = Direct { to, stands };
        let written = builder.finish_to(&mut direct);
        written.map_err(std::io::Error::other)?;
        match direct.stands.is_empty() {
            true => Ok(()),
            false => Err(std::io::Error::other("a data set was not written")),
        }
    }

    fn fill(&self, builder: &mut GroupBuilder, stands: &mut Vec<Stand<'d>>) {
        if let Some(name) = &self.name {
            builder.set_attr("name", AttrValue::String(name.clone()));
        }
        for (name, data) in &self.data {
            let dataset = builder.create_dataset(name);
            match data {
                Data::Numbers(shape, values) => stands.extend(put(dataset, values, shape)),
                Data::Owned(shape, values) => stands.extend(put(dataset, values, shape)),
                Data::Zeros(shape) => {
                    let zeros = vec![0.0; shape.iter().product()];
                    dataset.with_f32_data(&zeros).with_shape(&lengths(shape));
                }
                Data::Number(value) => {
                    dataset.with_f32_data(&[*value]).with_shape(&[]);
                }
                Data::Whole(value) => {
                    let value = i64::try_from(*value).unwrap_or(i64::MAX);
                    // Keras counts in 32 bits; beyond that only a longer number is right.
                    match i32::try_from(value) {
                        Ok(value) => dataset.with_i32_data(&[value]).with_shape(&[]),
                        Err(_) => dataset.with_i64_data(&[value]).with_shape(&[]),
                    };
                }
            }
        }
        for (name, group) in &self.groups {
            let mut made = builder.create_group(name);
            group.fill(&mut made, stands);
            builder.add_group(made.finish());
        }
    }
}

/// Numbers that are not copied for the writer of HDF5, which gets as many zeros to lay out: memory that
/// is never touched.
struct Stand<'d> {
    /// Where the zeros are.
    zeros: *const u8,
    values: &'d [f32],
}

/// Data sets from this many bytes on are not copied; the writer buffers less.
const LARGE: usize = 1 << 16;

/// The numbers of a data set as they lie, and what stands for them where there are many.
fn put<'d>(dataset: &mut DatasetBuilder, values: &'d [f32], shape: &[usize]) -> Option<Stand<'d>> {
    let (bytes, stand) = match size_of_val(values) {
        size if size >= LARGE => {
            let bytes = vec![0; size];
            let zeros = bytes.as_ptr();
            (bytes, Some(Stand { zeros, values }))
        }
        _ => (super::bytes_of(values).into_owned(), None),
    };
    dataset
        .with_raw_data(make_f32_type(), bytes, values.len() as u64)
        .with_shape(&lengths(shape));
    stand
}

/// Writes numbers when the zeros come that stand for them.
struct Direct<'d, W> {
    to: W,
    stands: Vec<Stand<'d>>,
}

impl<W: Write> Write for Direct<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let found = self.stands.iter().position(|stand| {
            stand.zeros == bytes.as_ptr() && size_of_val(stand.values) == bytes.len()
        });
        let Some(found) = found else {
            return self.to.write(bytes);
        };
        let stand = self.stands.swap_remove(found);
        self.to.write_all(&super::bytes_of(stand.values))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

fn lengths(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|length| *length as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut tree = Tree::default();
        let vars = tree.group("layers/dense/vars").named("out");
        vars.add("0", Data::Numbers(&[2, 2], &[1.0, 2.0, 3.0, 4.0]));
        vars.add("1", Data::Whole(7));
        vars.add("2", Data::Number(0.5));
        vars.add("3", Data::Numbers(&[0, 3], &[]));
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let reader = Reader::new(Part::memory(written()), Path::new("a.h5")).unwrap();
        let read = reader.read("layers/dense/vars/0", &[2, 2]).unwrap();
        assert_eq!(read, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(reader.whole("layers/dense/vars/1").unwrap(), 7);
        assert_eq!(reader.read("layers/dense/vars/2", &[]).unwrap(), [0.5]);
        assert!(
            reader
                .read("layers/dense/vars/3", &[0, 3])
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            reader.text("layers/dense/vars", "name").as_deref(),
            Some("out")
        );
        assert_eq!(reader.groups("layers").unwrap(), ["dense"]);
    }

    #[test]
    fn layers_under_their_old_name_are_found() {
        let mut tree = Tree::default();
        let inner = "_layer_checkpoint_dependencies/dense/vars";
        tree.group(inner).named("out").add("0", Data::Number(3.0));
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        let reader = Reader::new(Part::memory(bytes), Path::new("a.h5")).unwrap();
        assert_eq!(reader.read("layers/dense/vars/0", &[]).unwrap(), [3.0]);
        assert_eq!(reader.groups("layers").unwrap(), ["dense"]);
    }

    #[test]
    fn another_shape_is_refused_by_name() {
        let reader = Reader::new(Part::memory(written()), Path::new("a.h5")).unwrap();
        let error = reader.read("layers/dense/vars/0", &[4]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("a.h5") && text.contains("layers/dense/vars/0"),
            "{text}"
        );
        assert!(text.contains("[2, 2]") && text.contains("[4]"), "{text}");
        assert!(reader.read("layers/dense/vars/9", &[]).is_err());
        assert!(Reader::new(Part::memory(b"no such file".to_vec()), Path::new("b.h5")).is_err());
    }
}
