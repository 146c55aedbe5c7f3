//! [`Load`]: how a file is read, and how much it may ask for.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use serde_json::Value as Json;

use super::part::Part;
use crate::error::{Error, Result};

/// How a model or its weights are read from a file.
///
/// # Limits
///
/// A file is not trusted. Sizes in it are compared with what the model expects before anything is
/// read; entries of an archive that leave it, come twice or grow beyond the limit are refused, and so
/// are classes that are not in this crate, `Lambda` layers and code of any kind. What is read may not
/// take more than [`max_bytes`](Self::max_bytes).
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::saving::Load;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.keras");
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
/// model.build()?;
/// model.save(&path)?;
///
/// let small = Load::new().max_bytes(1_000_000);
/// assert_eq!(Model::load_with(&path, small)?.get_weights(), model.get_weights());
/// assert!(Model::load_with(&path, Load::new().max_bytes(10)).is_err());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Load {
    pub(crate) compile: bool,
    pub(crate) by_name: bool,
    pub(crate) skip_mismatch: bool,
    pub(crate) check: bool,
    max_bytes: Option<u64>,
}

impl Default for Load {
    fn default() -> Self {
        Load::new()
    }
}

impl Load {
    /// With Keras's defaults: compiled, by the order of the layers, and every weight must fit.
    pub fn new() -> Self {
        Load {
            compile: true,
            by_name: false,
            skip_mismatch: false,
            check: true,
            max_bytes: None,
        }
    }

    /// Whether a model is compiled as it was, with the state of its optimizer. Default: true.
    pub fn compile(mut self, compile: bool) -> Self {
        self.compile = compile;
        self
    }

    /// Whether weights are found by the names of their layers: layers that the file or the model does
    /// not have are left as they are. By default they are found by the classes and the order of the
    /// layers.
    pub fn by_name(mut self, by_name: bool) -> Self {
        self.by_name = by_name;
        self
    }

    /// Whether weights that are not in the file, or have another shape there, are left as they are.
    /// Default: false, they are an error.
    pub fn skip_mismatch(mut self, skip_mismatch: bool) -> Self {
        self.skip_mismatch = skip_mismatch;
        self
    }

    /// Whether a `.keras` file that holds a prediction is checked by it: [`Model::save`] keeps an input
    /// of zeros and ones with the model's output, and a model that gives another one (beyond 1e-5 of
    /// the largest) is an error. Default: true.
    ///
    /// [`Model::save`]: crate::model::Model::save
    pub fn check(mut self, check: bool) -> Self {
        self.check = check;
        self
    }

    /// The most bytes that reading may take in memory at a time: what is read of the file, the model's
    /// weights and the state of its optimizer, all together. Default: 20 times the size of the file,
    /// and 64 MB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The limit for a file of this size.
    pub(crate) fn limit(&self, size: u64) -> u64 {
        let usual = size.saturating_mul(20).saturating_add(64_000_000);
        self.max_bytes.unwrap_or(usual)
    }
}

/// A file that is open, with its size and how much may be read from it.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) limit: u64,
}

/// What kind of file it is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Zip,
    Hdf5,
    Other,
}

impl Opened {
    /// Opens a file, if it is not larger than the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::File`].
    pub(crate) fn new(path: &Path, load: &Load) -> Result<Opened> {
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let data = file.metadata().map_err(io)?;
        if !data.is_file() {
            return Err(Error::file(path, "", "is not a file"));
        }
        let (size, limit) = (data.len(), load.limit(data.len()));
        match size > limit {
            true => Err(too_large(path, "", limit)),
            false => Ok(Opened { file, size, limit }),
        }
    }

    /// What kind of file it is.
    pub(crate) fn kind(&mut self, path: &Path) -> Result<Kind> {
        let mut first = [0; 8];
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let read = (&self.file).take(8).read(&mut first).map_err(io)?;
        self.file.rewind().map_err(io)?;
        Ok(match first.get(..read) {
            Some([b'P', b'K', ..]) => Kind::Zip,
            Some(b"\x89HDF\r\n\x1a\n") => Kind::Hdf5,
            _ => Kind::Other,
        })
    }

    /// The file, to be read where it is needed.
    pub(crate) fn part(&self, path: &Path) -> Result<Part> {
        Part::of(&self.file, 0, self.size).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// All bytes of it.
    pub(crate) fn bytes(self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        let read = self.file.take(self.limit).read_to_end(&mut bytes);
        read.map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(bytes)
    }
}

/// The bytes that JSON of this text may take once it is read; many times the text, where it is made of
/// nothing but brackets.
pub(crate) fn json_bytes(text: &[u8]) -> u64 {
    let (mut bytes, mut quoted, mut escaped) = (text.len() as u64, false, false);
    for byte in text {
        if quoted {
            (quoted, escaped) = (escaped || *byte != b'"', !escaped && *byte == b'\\');
            continue;
        }
        // A map has room for eleven at once; lists double.
        bytes = bytes.saturating_add(match byte {
            b'{' => 700,
            b'[' => 160,
            b':' => 120,
            b',' => 64,
            _ => 0,
        });
        quoted = *byte == b'"';
    }
    bytes
}

/// JSON that does not take more than a limit.
///
/// # Errors
///
/// [`Error::File`] for one that does, and for what is no JSON.
pub(crate) fn json(text: &[u8], (path, entry): (&Path, &str), limit: u64) -> Result<Json> {
    if json_bytes(text) > limit {
        return Err(too_large(path, entry, limit));
    }
    // The depth is bounded there.
    serde_json::from_slice(text).map_err(|error| Error::file(path, entry, error))
}

/// What is larger than the limit.
pub(crate) fn too_large(path: &Path, entry: &str, limit: u64) -> Error {
    let reason = format!("takes more than {limit} bytes: allow more with `Load::max_bytes`");
    Error::file(path, entry, reason)
}
