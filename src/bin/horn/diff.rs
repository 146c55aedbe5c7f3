//! `horn diff`: in what two models differ.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use horn::saving;
use serde_json::json;

use crate::failure::{Failure, print};
use crate::model::ReadModel;

/// Tell in what two models differ: entries of their configurations, and weights
///
/// A line for each entry by its path in Keras's JSON, and for each weight by how much it differs. Of
/// models that are the same nothing is printed. The exit code is 0 where nothing differs, 1 where
/// something does, 2 where a file cannot be read.
#[derive(Debug, Args)]
pub struct Diff {
    /// The first model
    a: PathBuf,
    /// The second model
    b: PathBuf,
    /// How far apart two numbers of weights may be and count as the same
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = tolerance)]
    tolerance: f64,
    /// Print JSON; a difference that is not finite is null there
    #[arg(long)]
    json: bool,
    /// Leave out what the models are trained with
    #[arg(long)]
    no_compile: bool,
    #[command(flatten)]
    read: ReadModel,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "must be a number of 0 or more".to_string())
}

impl Diff {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let [a, b] = [&self.a, &self.b].map(|path| self.read.read(path, !self.no_compile));
        let difference = saving::diff(&a?, &b?, self.tolerance);
        let code = match difference.is_same() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(1),
        };
        let printed = match (self.json, difference.is_same()) {
            (true, _) => print(format!("{:#}", json!(difference))),
            (false, true) => Ok(()),
            (false, false) => print(difference),
        };
        match printed {
            // They differ, whether or not somebody reads how.
            Ok(()) | Err(Failure::Closed) => Ok(code),
            Err(failure) => Err(failure),
        }
    }
}
