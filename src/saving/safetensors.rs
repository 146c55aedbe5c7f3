//! Weights in safetensors files: a header of JSON, then numbers; named by their paths.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, View, serialize_to_file};

use super::durable;
use crate::error::{Error, Result};

/// A weight as the crate writes it.
struct Numbers<'w> {
    shape: &'w [usize],
    values: &'w [f32],
}

impl View for Numbers<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        super::bytes_of(self.values)
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

/// Writes path, shape and values of each weight, durably.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn write<'w>(
    path: &Path,
    weights: impl Iterator<Item = (&'w str, &'w [usize], &'w [f32])>,
) -> Result<()> {
    let views = weights.map(|(name, shape, values)| (name, Numbers { shape, values }));
    durable::replace(path, |beside| {
        serialize_to_file(views, None, beside).map_err(|error| match error {
            SafeTensorError::IoError(error) => error,
            error => io::Error::other(error),
        })
    })
}

/// The arrays of a file with their names.
///
/// # Errors
///
/// [`Error::File`] for one that is broken, or holds what are no numbers of 32 or 64 bits.
pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Vec<(String, ArrayD<f32>)>> {
    let file = SafeTensors::deserialize(bytes);
    let file = file.map_err(|error| Error::file(path, "", error))?;
    let mut arrays = Vec::new();
    for (name, view) in file.iter() {
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => super::numbers(view.data(), f32::from_le_bytes),
            Dtype::F64 => super::numbers(view.data(), |bytes| f64::from_le_bytes(bytes) as f32),
            other => {
                let reason = format!("holds {other:?}, not numbers of 32 or 64 bits");
                return Err(Error::file(path, name, reason));
            }
        };
        let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values);
        let array = array.map_err(|error| Error::file(path, name, error))?;
        arrays.push((name.to_string(), array));
    }
    Ok(arrays)
}
