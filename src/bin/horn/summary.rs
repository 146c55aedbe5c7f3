//! `horn summary`: the layers of a model as a table.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value as Json, json};

use crate::failure::{Failure, print};
use crate::model::ReadModel;

/// Print a model's layers, the shapes of their outputs and their parameters
#[derive(Debug, Args)]
pub struct Summary {
    /// The model: a `.keras` file, or an `.h5` file of Keras 2
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The characters of a line, 20 or more
    #[arg(long, value_name = "CHARACTERS", conflicts_with = "json")]
    line_length: Option<u16>,
    /// Leave out what the model is trained with
    #[arg(long)]
    no_compile: bool,
    #[command(flatten)]
    read: ReadModel,
}

impl Summary {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let model = self.read.read(&self.model, !self.no_compile)?;
        let summary = model.summary();
        match (self.json, self.line_length) {
            (true, _) => print(format!("{:#}", written(&summary)))?,
            (false, Some(length)) => print(summary.line_length(length.into()))?,
            (false, None) => print(summary)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn written(summary: &horn::model::Summary) -> Json {
    let layers = summary.rows().iter().map(|row| {
        json!({
            "name": row.name,
            "class_name": row.class_name,
            "output_shape": row.output_shape,
            "params": row.params,
            "connected_to": row.connected_to,
        })
    });
    json!({
        "name": summary.name(),
        "layers": layers.collect::<Vec<_>>(),
        "total_params": summary.total_params(),
        "trainable_params": summary.trainable_params(),
        "non_trainable_params": summary.non_trainable_params(),
        "optimizer_params": summary.optimizer_params(),
    })
}
