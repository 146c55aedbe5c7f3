//! Files of trainings that can go on: numbers under names, and a JSON text that says what they are.
//!
//! A safetensors file, so that it can be looked at with any tool.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use serde_json::Value as Json;

use super::durable;
use crate::error::{Error, Result};

/// Where the text is in the metadata of the file.
const ABOUT: &str = "training";

/// Numbers of 32 or 64 bits.
#[derive(Debug, Clone)]
pub(crate) enum Numbers<'n> {
    Single(Cow<'n, [f32]>),
    Double(Cow<'n, [f64]>),
}

impl<'n> From<&'n [f32]> for Numbers<'n> {
    fn from(numbers: &'n [f32]) -> Self {
        Numbers::Single(Cow::Borrowed(numbers))
    }
}

impl<'n> From<&'n [f64]> for Numbers<'n> {
    fn from(numbers: &'n [f64]) -> Self {
        Numbers::Double(Cow::Borrowed(numbers))
    }
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Backup<'n> {
    pub(crate) about: Json,
    pub(crate) numbers: HashMap<String, Numbers<'n>>,
}

/// Numbers as the crate writes them.
struct Entry<'n> {
    numbers: Numbers<'n>,
    shape: [usize; 1],
}

impl View for Entry<'_> {
    fn dtype(&self) -> Dtype {
        match self.numbers {
            Numbers::Single(_) => Dtype::F32,
            Numbers::Double(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.numbers {
            Numbers::Single(numbers) => super::bytes_of(numbers),
            Numbers::Double(numbers) => {
                let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
                bytes.collect()
            }
        }
    }

    fn data_len(&self) -> usize {
        match &self.numbers {
            Numbers::Single(numbers) => size_of_val::<[f32]>(numbers),
            Numbers::Double(numbers) => size_of_val::<[f64]>(numbers),
        }
    }
}

impl<'n> Backup<'n> {
    /// Writes the file durably.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; then the file is as it was.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let about = HashMap::from([(ABOUT.to_string(), self.about.to_string())]);
        let entries = self.numbers.into_iter().map(|(name, numbers)| {
            let length = match &numbers {
                Numbers::Single(numbers) => numbers.len(),
                Numbers::Double(numbers) => numbers.len(),
            };
            let shape = [length];
            (name, Entry { numbers, shape })
        });
        let bytes = serialize(entries, Some(about));
        let bytes = bytes.map_err(|error| Error::file(path, "", error))?;
        durable::write(path, |file| file.write_all(&bytes))
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Opened {
    backup: Backup<'static>,
    path: PathBuf,
}

impl Opened {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::File`].
    pub(crate) fn read(path: &Path) -> Result<Opened> {
        let bytes = fs::read(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let broken = |error: &dyn std::fmt::Display| Error::file(path, "", error);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(&error))?;
        let about = header.metadata().as_ref().and_then(|data| data.get(ABOUT));
        let about = about.ok_or_else(|| broken(&"is not the backup of a training"))?;
        let about = serde_json::from_str(about).map_err(|error| broken(&error))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| broken(&error))?;
        let mut numbers = HashMap::new();
        for (name, view) in file.iter() {
            let read = match view.dtype() {
                Dtype::F32 => {
                    Numbers::Single(super::numbers(view.data(), f32::from_le_bytes).into())
                }
                Dtype::F64 => {
                    Numbers::Double(super::numbers(view.data(), f64::from_le_bytes).into())
                }
                other => {
                    return Err(Error::file(path, name, format!("holds {other:?}")));
                }
            };
            numbers.insert(name.to_string(), read);
        }
        Ok(Opened {
            backup: Backup { about, numbers },
            path: path.to_path_buf(),
        })
    }

    /// What the text says at these names.
    pub(crate) fn about(&self, name: &str) -> &Json {
        self.backup.about.get(name).unwrap_or(&Json::Null)
    }

    /// A count that has to be there.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub(crate) fn count(&self, name: &str) -> Result<u64> {
        let count = self.about(name).as_u64();
        count.ok_or_else(|| self.fail(name, "is no count"))
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.about(name).as_bool().unwrap_or(false)
    }

    /// Numbers of 32 bits.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when they are not there.
    pub(crate) fn single(&self, name: &str) -> Result<&[f32]> {
        match self.backup.numbers.get(name) {
            Some(Numbers::Single(numbers)) => Ok(numbers),
            _ => Err(self.fail(name, "is not there")),
        }
    }

    /// Numbers of 64 bits.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when they are not there.
    pub(crate) fn double(&self, name: &str) -> Result<&[f64]> {
        match self.backup.numbers.get(name) {
            Some(Numbers::Double(numbers)) => Ok(numbers),
            _ => Err(self.fail(name, "is not there")),
        }
    }

    /// Copies numbers of 32 bits to where they belong.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when there are fewer or more.
    pub(crate) fn copy(&self, name: &str, to: &mut [f32]) -> Result<()> {
        let from = self.single(name)?;
        if from.len() != to.len() {
            let reason = format!("has {} numbers, not {}", from.len(), to.len());
            return Err(self.fail(name, reason));
        }
        to.copy_from_slice(from);
        Ok(())
    }

    /// The error of an entry.
    pub(crate) fn fail(&self, name: &str, reason: impl std::fmt::Display) -> Error {
        Error::file(&self.path, name, reason)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_broken_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/backup");
        let backup = Backup {
            about: json!({ "epoch": 3, "stop": true }),
            numbers: HashMap::from([
                ("a".to_string(), Numbers::from(&[1.5_f32, f32::NAN][..])),
                ("b".to_string(), Numbers::from(&[0.1_f64][..])),
                ("none".to_string(), Numbers::from(&[0.0_f32; 0][..])),
            ]),
        };
        backup.write(&path).unwrap();
        let read = Opened::read(&path).unwrap();
        assert_eq!(read.count("epoch").unwrap(), 3);
        assert!(read.flag("stop") && !read.flag("swapped"));
        assert_eq!(read.single("a").unwrap()[0], 1.5);
        assert!(read.single("a").unwrap()[1].is_nan());
        assert_eq!(read.double("b").unwrap(), [0.1]);
        assert!(read.single("none").unwrap().is_empty());
        assert!(read.single("b").is_err() && read.double("c").is_err());
        assert!(read.copy("a", &mut [0.0]).is_err() && read.count("stop").is_err());

        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Opened::read(&path).unwrap_err().to_string();
            assert!(error.contains("backup"), "{error}");
        }
    }
}
