//! [`ReadModel`]: how models are read, the same for all commands.

use std::path::Path;

use clap::Args;
use horn::Model;
use horn::saving::Load;

use crate::failure::Failure;

/// How models are read.
#[derive(Debug, Clone, Args)]
pub struct ReadModel {
    /// The most bytes that a file, an entry of it or the weights may take
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
}

impl ReadModel {
    /// Reads a model; with `compile` also what it is trained with.
    pub fn read(&self, path: &Path, compile: bool) -> Result<Model, Failure> {
        let load = Load::new().compile(compile);
        let load = match self.max_bytes {
            Some(bytes) => load.max_bytes(bytes),
            None => load,
        };
        let error = match Model::load_with(path, load.clone()) {
            Ok(model) => return Ok(model),
            Err(error) => Failure::of(path, error),
        };
        match error {
            Failure::Message(message)
                if compile && Model::load_with(path, load.compile(false)).is_ok() =>
            {
                let hint = "without what it is trained with, `--no-compile`, it can be read";
                Err(Failure::Message(format!("{message}\nhint: {hint}")))
            }
            error => Err(error),
        }
    }
}
