//! [`Failure`]: what ends a command early.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use horn::Error;

/// What ends a command early.
#[derive(Debug)]
pub enum Failure {
    /// An error, told in full.
    Message(String),
    /// Nobody reads the output any more.
    Closed,
}

impl Failure {
    /// An error of the library about a file; most of them name it.
    pub fn of(path: &Path, error: Error) -> Failure {
        let named = matches!(
            error,
            Error::File { .. } | Error::Io { .. } | Error::Csv { .. }
        );
        Failure::Message(match named {
            true => as_options(error.to_string()),
            false => format!("{}: {error}", path.display()),
        })
    }

    /// An error of the output.
    pub fn output(to: impl Display, error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Message(format!("{to}: {error}")),
        }
    }

    /// Says it on standard error.
    pub fn tell(&self) {
        if let Failure::Message(message) = self {
            // Where not even that can be written, the exit code tells.
            let _ = writeln!(io::stderr(), "error: {}", visible(message));
        }
    }
}

/// The library's advice names its methods: here they are options.
fn as_options(message: String) -> String {
    message
        .replace("`.header(true)`", "`--header`")
        .replace("`.delimiter(b'", "`--delimiter '")
        .replace("')`?", "'`?")
        .replace("`Load::max_bytes`", "`--max-bytes`")
        .replace("`columns` asks", "`--columns` asks")
}

/// A text of a file without what would steer a terminal.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() && letter != '\n' {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
}

/// Writes a text and a line end to standard output.
///
/// # Errors
///
/// What the output says; [`Failure::Closed`] for a pipe that nobody reads.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", visible(&text.to_string())).and_then(|()| out.flush());
    written.map_err(|error| Failure::output("standard output", error))
}
