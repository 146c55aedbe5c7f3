//! The command `horn`: look into models, predict with them, convert and compare them.

mod convert;
mod diff;
mod failure;
mod model;
mod predict;
mod summary;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Models of Keras and horn: look into them, predict with them, convert and compare them.
///
/// Files are Keras's: `.keras`, and whole models in `.h5` files of Keras 2. Results go to standard
/// output, messages to standard error. The exit code is 0, or 1 for what went wrong, or 2 for
/// arguments that cannot be; `horn diff` has those of `diff`.
#[derive(Debug, Parser)]
#[command(name = "horn", bin_name = "horn", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Summary(summary::Summary),
    Predict(predict::Predict),
    Convert(convert::Convert),
    Diff(diff::Diff),
}

fn main() -> ExitCode {
    let (done, trouble) = match Cli::parse().command {
        Command::Summary(command) => (command.run(), 1),
        Command::Predict(command) => (command.run(), 1),
        Command::Convert(command) => (command.run(), 1),
        Command::Diff(command) => (command.run(), 2),
    };
    match done {
        Ok(code) => code,
        // Whoever read the output has seen enough, as `head` does.
        Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(trouble)
        }
    }
}
