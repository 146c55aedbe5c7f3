//! Weights in numpy's `.npz` files: a zip archive with a `.npy` array for each, named by its path.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::durable;
use super::load::{Load, Opened, too_large};
use crate::data::dataset::npy;
use crate::error::{Error, Result};

/// From this many bytes on an entry needs the long form of zip.
const LARGE: usize = u32::MAX as usize / 2;

/// Writes path, shape and values of each weight, durably.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn write<'w>(
    path: &Path,
    weights: impl Iterator<Item = (&'w str, &'w [usize], &'w [f32])>,
) -> Result<()> {
    durable::write(path, |file| archive(file, weights))
}

fn archive<'w>(
    file: &mut BufWriter<File>,
    weights: impl Iterator<Item = (&'w str, &'w [usize], &'w [f32])>,
) -> std::io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, shape, values) in weights {
        let options = options.large_file(values.len() > LARGE / 4);
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(&header(shape))?;
        zip.write_all(&super::bytes_of(values))?;
    }
    zip.finish()?;
    Ok(())
}

/// The header of a `.npy` array of `f32`, filled up to a multiple of 64 bytes.
fn header(shape: &[usize]) -> Vec<u8> {
    let lengths: String = shape.iter().map(|length| format!("{length}, ")).collect();
    // A tuple of one has a comma, others may.
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({lengths}), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = length - 1).as_bytes());
    bytes
}

/// The arrays of a file with their names, in its order.
///
/// # Errors
///
/// [`Error::Io`] when it cannot be read, or is no such file.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, ArrayD<f32>)>> {
    read_opened(Opened::new(path, &Load::new())?, path)
}

/// The same of a file that is open; all arrays together take no more than its limit.
///
/// # Errors
///
/// As [`read`], and [`Error::File`] for what takes more.
pub(crate) fn read_opened(opened: Opened, path: &Path) -> Result<Vec<(String, ArrayD<f32>)>> {
    let broken = |message: String| io(path, std::io::Error::other(message));
    let Opened { file, limit, .. } = opened;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| broken(e.to_string()))?;
    let mut left = limit / 4;
    let mut arrays = Vec::new();
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).map_err(|e| broken(e.to_string()))?;
        let name = entry.name().map_err(|e| broken(e.to_string()))?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        let found =
            npy::shape(&mut entry).map_err(|message| broken(format!("{name}: {message}")))?;
        left = match found.count().and_then(|count| left.checked_sub(count)) {
            Some(left) => left,
            None => return Err(too_large(path, &name, limit)),
        };
        let array = npy::read(found, &mut entry);
        let (shape, values) = array.map_err(|message| broken(format!("{name}: {message}")))?;
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values);
        arrays.push((name, array.map_err(|e| broken(e.to_string()))?));
    }
    Ok(arrays)
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: PathBuf::from(path),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/weights.npz");
        let all: [(&str, &[usize], &[f32]); 4] = [
            (
                "dense/kernel",
                &[2, 3],
                &[1.0, -2.0, 3.5, 0.0, f32::MIN_POSITIVE, 1e30],
            ),
            ("dense/bias", &[3], &[0.1, 0.2, 0.3]),
            ("scale", &[], &[7.0]),
            ("nothing", &[0, 2], &[]),
        ];
        write(&path, all.iter().copied()).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read.len(), 4);
        for ((name, shape, values), (path, array)) in all.iter().zip(&read) {
            assert_eq!((*name, *shape), (path.as_str(), array.shape()));
            assert!(array.iter().eq(values.iter()));
        }
        let left = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(left.count(), 1);
    }

    #[test]
    fn broken_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.npz");
        assert!(matches!(read(&path), Err(Error::Io { .. })));
        write(&path, [("a", &[2][..], &[1.0, 2.0][..])].into_iter()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, whole.get(..length).unwrap_or(&[])).unwrap();
            assert!(read(&path).is_err(), "{length} of {}", whole.len());
        }
        // A directory in the place of the file, and none where the file is to be.
        assert!(write(folder.path(), std::iter::empty()).is_err());
        let inside = path.join("weights.npz");
        assert!(write(&inside, std::iter::empty()).is_err());
    }
}
