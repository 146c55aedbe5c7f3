//! `horn convert`: a model or its weights in another format.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use horn::Model;

use crate::failure::Failure;
use crate::model::ReadModel;

/// Write a model, or its weights alone, in the format that the ending of the new file says
///
/// `.keras` holds everything; `.weights.h5` the weights and the optimizer's state, `.safetensors` and
/// `.npz` the weights by their paths, `.json` the layers without weights, `.onnx` what predicts. A
/// file that is there is replaced.
#[derive(Debug, Args)]
pub struct Convert {
    /// The model: a `.keras` file, or an `.h5` file of Keras 2
    from: PathBuf,
    /// The new file: `.keras`, `.weights.h5`, `.safetensors`, `.npz`, `.json` or `.onnx`
    #[arg(value_parser = Target::of)]
    to: Target,
    /// Leave out what the model is trained with
    #[arg(long)]
    no_compile: bool,
    #[command(flatten)]
    read: ReadModel,
}

/// A file to be written, and what it holds.
#[derive(Debug, Clone)]
struct Target {
    path: PathBuf,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Model,
    Weights,
    /// Weights with the optimizer's state.
    Training,
    Json,
    Onnx,
}

impl Target {
    fn of(path: &str) -> Result<Target, String> {
        let formats = [
            (".keras", Format::Model),
            (".weights.h5", Format::Training),
            (".safetensors", Format::Weights),
            (".npz", Format::Weights),
            (".json", Format::Json),
            (".onnx", Format::Onnx),
        ];
        let found = formats.iter().find(|(ending, _)| path.ends_with(ending));
        let (_, format) = found.ok_or_else(|| {
            let endings = formats.map(|(ending, _)| format!("`{ending}`"));
            format!("must end in one of {}", endings.join(", "))
        })?;
        Ok(Target {
            path: path.into(),
            format: *format,
        })
    }
}

impl Convert {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let Target { path, format } = self.to;
        let trains = matches!(format, Format::Model | Format::Training);
        let model = self.read.read(&self.from, trains && !self.no_compile)?;
        let written = match format {
            Format::Model => model.save(&path),
            Format::Weights | Format::Training => model.save_weights(&path),
            Format::Json => write_json(&model, &path),
            Format::Onnx => model.export(&path),
        };
        written.map_err(|error| Failure::of(&path, error))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write_json(model: &Model, path: &Path) -> horn::Result<()> {
    let written = std::fs::write(path, model.to_json() + "\n");
    written.map_err(|source| horn::Error::Io {
        path: path.to_path_buf(),
        source,
    })
}
