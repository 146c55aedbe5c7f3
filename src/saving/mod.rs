//! Files: whole models as Keras's `.keras` archives and weights in several formats, and
//! [`config`], Keras's configurations.
//!
//! | file | holds | written by | read by |
//! |---|---|---|---|
//! | `.keras` | everything: layers, weights, what the model is trained with and how far | [`Model::save`](crate::model::Model::save) | [`Model::load`](crate::model::Model::load) |
//! | `.weights.h5` | weights and the optimizer's state, as Keras's `save_weights` | [`Model::save_weights`](crate::model::Model::save_weights) | [`Model::load_weights`](crate::model::Model::load_weights) |
//! | `.safetensors`, `.npz` | weights by their paths | the same | the same |
//! | `.onnx` | what the model predicts, for other runtimes | [`Model::export`](crate::model::Model::export) | |
//! | `.h5` of Keras 2 | a whole model, or weights | | both |
//!
//! [`diff`] tells in what two models differ.
//!
//! Every file is written beside its place and moved there when it is on the disk, so that a crash
//! leaves the old file or the new one. [`Load`] says how much of what comes from a stranger is
//! believed: nothing.

pub(crate) mod backup;
mod compile_json;
pub mod config;
mod diff;
pub(crate) mod durable;
mod half;
mod hdf5;
mod keras_archive;
mod legacy_h5;
mod load;
pub(crate) mod model_json;
pub(crate) mod npz;
pub(crate) mod onnx;
mod part;
mod safetensors;
mod serde;
mod weights_h5;
pub(crate) mod whole;

use std::borrow::Cow;
use std::path::Path;

pub use diff::{ConfigDifference, Difference, Numbers, WeightDifference, diff};
pub use load::Load;

use self::hdf5::Reader;
use self::load::{Kind, Opened};
use self::weights_h5::Matching;
use self::whole::Whole;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::optimizers::Optimizer;

/// A format of files, by the ending of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Keras,
    WeightsH5,
    Safetensors,
    Npz,
}

impl Format {
    /// The format of a path, if it is one.
    pub(crate) fn of(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_string_lossy();
        let formats = [
            (".keras", Format::Keras),
            (".weights.h5", Format::WeightsH5),
            (".safetensors", Format::Safetensors),
            (".npz", Format::Npz),
        ];
        let found = formats.iter().find(|(ending, _)| name.ends_with(ending));
        found.map(|(_, format)| *format)
    }
}

/// Numbers as files have them: little-endian, where possible without a copy.
pub(crate) fn bytes_of(numbers: &[f32]) -> Cow<'_, [u8]> {
    match cfg!(target_endian = "little") {
        true => Cow::Borrowed(bytemuck::cast_slice(numbers)),
        false => numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect(),
    }
}

/// The numbers of a file's bytes; a rest that makes no whole one is left out.
pub(crate) fn numbers<T, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| number(*chunk)).collect()
}

/// Writes a model in the format of its path.
///
/// # Errors
///
/// [`Error::Io`], and [`Error::File`] for another ending.
pub(crate) fn save(whole: &Whole, path: &Path) -> Result<()> {
    let specs = whole.variables.specs.iter();
    let weights = specs.filter_map(|spec| {
        let values = whole.parameters.get(spec.range.clone())?;
        Some((spec.path.as_str(), spec.shape.dims(), values))
    });
    match Format::of(path) {
        Some(Format::Keras) => keras_archive::write(whole, path),
        Some(Format::WeightsH5) => {
            let tree = weights_h5::tree(whole);
            durable::write(path, |file| tree.write(file))
        }
        Some(Format::Safetensors) => safetensors::write(path, weights),
        Some(Format::Npz) => npz::write(path, weights),
        None => Err(Error::file(
            path,
            "",
            "must end in `.keras`, or for weights in `.weights.h5`, `.safetensors` or `.npz`",
        )),
    }
}

/// Reads a whole model.
///
/// # Errors
///
/// [`Error::File`] and what the configuration in it says.
pub(crate) fn load(path: &Path, load: &Load) -> Result<Model> {
    let mut opened = Opened::new(path, load)?;
    match opened.kind(path)? {
        Kind::Zip => keras_archive::read(opened, path, load),
        Kind::Hdf5 => {
            let limit = opened.limit;
            let reader = Reader::new(opened.part(path)?, path)?;
            legacy_h5::read(&reader, path, (load, limit))
        }
        Kind::Other => Err(Error::file(
            path,
            "",
            "is neither a `.keras` nor a `.h5` file",
        )),
    }
}

/// Puts the weights of a file into a built model, which is as it was when that fails.
///
/// # Errors
///
/// [`Error::File`] for a file that is broken or of another model.
pub(crate) fn load_weights(model: &mut Model, path: &Path, load: &Load) -> Result<()> {
    let mut opened = Opened::new(path, load)?;
    let kind = opened.kind(path)?;
    let reader = match (kind, Format::of(path)) {
        (Kind::Zip, Some(Format::Npz)) => {
            return named(model, npz::read_opened(opened, path)?, (path, load));
        }
        (Kind::Zip, _) => keras_archive::weights(opened, path)?,
        (Kind::Hdf5, _) => Reader::new(opened.part(path)?, path)?,
        (Kind::Other, Some(Format::Safetensors)) => {
            let arrays = safetensors::read(&opened.bytes(path)?, path)?;
            return named(model, arrays, (path, load));
        }
        (Kind::Other, _) => {
            let kinds = "`.weights.h5`, `.keras`, `.h5`, `.safetensors` or `.npz`";
            return Err(Error::file(
                path,
                "",
                format!("is no file of weights: {kinds}"),
            ));
        }
    };
    let Some(built) = &mut model.built else {
        let method = "load_weights";
        return Err(Error::NotBuilt { method });
    };
    let lenient = load.by_name || load.skip_mismatch;
    // Only what is lenient leaves weights as they are.
    let mut parameters = match lenient {
        true => built.parameters.clone(),
        false => built.variables.zeros()?,
    };
    let matching = Matching {
        by_name: load.by_name,
        skip_mismatch: load.skip_mismatch,
    };
    if legacy_h5::is_legacy(&reader) {
        legacy_h5::weights(
            &reader,
            &model.network,
            &built.variables,
            &mut parameters,
            matching,
        )?;
        built.parameters = parameters;
        return Ok(());
    }
    let place = (&*model.name, &model.network);
    weights_h5::read(&reader, place, &built.variables, &mut parameters, matching)?;
    let before = std::mem::replace(&mut built.parameters, parameters);
    let state = match lenient {
        // Weights of another model have no state for this one.
        true => Ok(()),
        false => read_state(model, &reader),
    };
    if let (Err(_), Some(built)) = (&state, &mut model.built) {
        built.parameters = before;
    }
    state
}

/// How many numbers of weights may be read where there is room for so many bytes: what is read of one
/// is there up to three times, as wide numbers and narrow, beside the weights themselves.
fn most_weights(room: u64) -> u64 {
    room / 16
}

/// Refuses an optimizer whose state would take more than the room that there is; it is there twice while
/// it is read.
///
/// # Errors
///
/// [`Error::Argument`].
fn check_state(model: &Model, optimizer: &dyn Optimizer, room: u64) -> Result<()> {
    let weights = model
        .built
        .as_ref()
        .map_or(0, |built| built.parameters.len());
    // An average and a sum of gradients may come on top.
    let arenas = 1 + 2 * (optimizer.slots() + 2) + 3;
    match (weights as u64).saturating_mul(4 * arenas as u64) > room {
        true => Err(Error::argument(
            "load",
            "max_bytes",
            format!("enough for {arenas} times {weights} numbers of weights and their optimizer"),
            format!("room for {} in all", room / 4),
        )),
        false => Ok(()),
    }
}

/// Reads the optimizer's state into a compiled model; one that is not for it is left out.
fn read_state(model: &mut Model, reader: &Reader) -> Result<()> {
    let (Some(built), Some(compiled)) = (&model.built, &mut model.compiled) else {
        return Ok(());
    };
    let mut state = compiled.state.clone();
    let mut optimizer = compiled.optimizer.clone();
    if weights_h5::read_optimizer(reader, &built.variables, optimizer.as_mut(), &mut state)? {
        compiled.state = state;
        compiled.optimizer = optimizer;
    }
    Ok(())
}

/// Sets weights that are found by their paths.
fn named(
    model: &mut Model,
    mut arrays: Vec<(String, ndarray::ArrayD<f32>)>,
    (path, load): (&Path, &Load),
) -> Result<()> {
    let Some(built) = &mut model.built else {
        let method = "load_weights";
        return Err(Error::NotBuilt { method });
    };
    let mut parameters = built.parameters.clone();
    let lenient = load.by_name || load.skip_mismatch;
    for spec in &built.variables.specs {
        let Some(place) = arrays.iter().position(|(name, _)| *name == spec.path) else {
            if lenient {
                continue;
            }
            let names = arrays.iter().map(|(name, _)| name.as_str());
            let error = Error::unknown("array in the file", &spec.path, names);
            return Err(Error::file(path, &spec.path, error));
        };
        let (_, array) = arrays.swap_remove(place);
        if array.shape() != spec.shape.dims() {
            if load.skip_mismatch {
                continue;
            }
            let (found, own) = (array.shape(), spec.shape.dims());
            let reason = format!("has the shape {found:?}, the model expects {own:?}");
            return Err(Error::file(path, &spec.path, reason));
        }
        if let Some(to) = parameters.get_mut(spec.range.clone()) {
            to.iter_mut()
                .zip(array.iter())
                .for_each(|(to, from)| *to = *from);
        }
    }
    if let (Some((name, _)), false) = (arrays.first(), lenient) {
        return Err(Error::file(path, name, "is no weight of the model"));
    }
    built.parameters = parameters;
    Ok(())
}
