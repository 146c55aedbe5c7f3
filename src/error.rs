//! [`Error`], the one error type of the crate, and [`Result`].

use std::path::PathBuf;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
///
/// Every message names the layer or the argument, what was expected and what came.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3));
/// let error = model
///     .compile(Compile::new(Adam::new(), MeanSquaredError::new()))
///     .unwrap_err();
/// assert!(error.to_string().contains("input_dim"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A layer, loss or op met shapes or settings that it cannot work with.
    #[error("layer `{layer}`: {message}")]
    Layer {
        /// The path of the layer in its model, for example `dense_1`.
        layer: String,
        /// What was expected and what came.
        message: String,
    },
    /// A shape differs from the one that is needed.
    #[error("{place} expects {expected}, got {found}: {hint}")]
    Shape {
        /// Who met the shape: ``layer `dense_2` ``, `fit`, ...
        place: String,
        /// The shape that was expected.
        expected: String,
        /// The shape that came.
        found: String,
        /// What to try.
        hint: String,
    },
    /// An argument lies outside the values that it may take.
    #[error("`{owner}`: `{argument}` must be {expected}, got {found}")]
    Argument {
        /// The type or method whose argument it is.
        owner: String,
        /// The name of the argument.
        argument: String,
        /// What it may be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// The model's first layer does not say what its inputs look like.
    #[error(
        "layer `{layer}` is the first and does not know the shape of its inputs: give it `.input_dim(columns)`, or start the model with `Input::new([columns])`"
    )]
    NoInputShape {
        /// The first layer.
        layer: String,
    },
    /// The model has no layers.
    #[error("the model has no layers: add one with `.add(Dense::new(units))`")]
    NoLayers,
    /// The tensors that a model was made of do not make one.
    #[error("the model's inputs and outputs do not fit together: {message}")]
    Graph {
        /// What is wrong.
        message: String,
    },
    /// The method needs variables, and the model has none yet.
    #[error("`{method}` needs a built model: call `compile` or `build` first")]
    NotBuilt {
        /// The method that was called.
        method: &'static str,
    },
    /// The method needs a loss and an optimizer, and the model has none yet.
    #[error("`{method}` needs a compiled model: call `compile` first")]
    NotCompiled {
        /// The method that was called.
        method: &'static str,
    },
    /// A number in the data is NaN or infinite.
    #[error(
        "{what} holds {value} at row {row}, column {column}: clean or fill it, or call `allow_non_finite(true)` to train on it all the same"
    )]
    NonFinite {
        /// `x`, `y` or `sample_weight`.
        what: &'static str,
        /// The row, counted from 0.
        row: usize,
        /// The column of the flattened row, counted from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// A target is not one that the loss can take.
    #[error("{loss}: target at row {row}, column {column} is {value}, {expected}")]
    Target {
        /// The loss.
        loss: String,
        /// The row, counted from 0.
        row: usize,
        /// The column of the flattened row, counted from 0.
        column: usize,
        /// The value.
        value: f64,
        /// What the loss expects, and what to do.
        expected: String,
    },
    /// The loss turned NaN or infinite while training.
    #[error(
        "the loss turned {value} in epoch {epoch}, batch {batch}{}: try a smaller learning rate, scaled inputs, or `clipnorm`", because(.cause)
    )]
    Diverged {
        /// The epoch, counted from 1 as it is printed.
        epoch: usize,
        /// The batch in the epoch, counted from 1.
        batch: usize,
        /// The loss.
        value: f32,
        /// What was first not finite: a weight, or what a layer gave and for which rows. Empty where
        /// that is not known.
        cause: String,
    },
    /// A text file could not be read as numbers.
    #[error("{path}, line {line}, column {column}: {message}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1; 0 when the whole line is meant.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of a model or of weights is broken, refused, or of another model.
    #[error("{path}{}: {reason}", entry_text(.entry))]
    File {
        /// The file.
        path: PathBuf,
        /// The entry in it; empty for the file as a whole.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No layer, loss, metric, ... has that name.
    #[error("there is no {kind} named `{name}`{}", nearest(.suggestions))]
    Unknown {
        /// `layer`, `loss`, `metric`, ...
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The nearest names that exist.
        suggestions: Vec<String>,
    },
    /// A Keras configuration could not be understood.
    #[error("the configuration of `{class_name}`: {message}")]
    Config {
        /// The class whose configuration it is.
        class_name: String,
        /// What is wrong.
        message: String,
    },
    /// A dataset could not give its rows.
    #[error("dataset: {message}")]
    Dataset {
        /// What went wrong, and what to do.
        message: String,
    },
    /// A callback failed.
    #[error("callback `{name}`: {message}")]
    Callback {
        /// The callback.
        name: String,
        /// What it said.
        message: String,
    },
}

/// `, because ...`
fn because(cause: &str) -> String {
    match cause {
        "" => String::new(),
        cause => format!(", because {cause}"),
    }
}

impl Error {
    /// An argument outside the values that it may take.
    pub fn argument(
        owner: impl Into<String>,
        argument: impl Into<String>,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Error::Argument {
            owner: owner.into(),
            argument: argument.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// A file of a model or of weights that is broken, refused, or of another model.
    pub(crate) fn file(
        path: impl Into<PathBuf>,
        entry: impl Into<String>,
        reason: impl std::fmt::Display,
    ) -> Self {
        Error::File {
            path: path.into(),
            entry: entry.into(),
            reason: reason.to_string(),
        }
    }

    /// A dataset that cannot give its rows; for datasets of one's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::Error;
    ///
    /// let error = Error::dataset("the camera was unplugged");
    /// assert_eq!(error.to_string(), "dataset: the camera was unplugged");
    /// ```
    pub fn dataset(message: impl Into<String>) -> Self {
        Error::Dataset {
            message: message.into(),
        }
    }

    /// A name that is not in the table `known`, with the nearest ones that are.
    pub fn unknown<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut scored: Vec<(usize, &str)> = known
            .into_iter()
            .map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other))
            .filter(|(score, other)| *score <= 1 + other.len() / 3)
            .collect();
        scored.sort();
        Error::Unknown {
            kind,
            name: name.to_string(),
            suggestions: scored.iter().take(3).map(|(_, o)| o.to_string()).collect(),
        }
    }
}

/// The entry in [`Error::File`]'s message.
fn entry_text(entry: &str) -> String {
    match entry.is_empty() {
        true => String::new(),
        false => format!(", `{entry}`"),
    }
}

/// The tail of [`Error::Unknown`]'s message.
fn nearest(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = suggestions.iter().map(|s| format!("`{s}`")).collect();
    format!(": did you mean {}?", quoted.join(" or "))
}

/// The Levenshtein distance of two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (right, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = *cell;
            previous = replaced.min(diagonal + 1).min(previous + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_offer_the_nearest() {
        let error = Error::unknown("optimizer", "adm", ["adam", "sgd", "rmsprop"]);
        assert_eq!(
            error.to_string(),
            "there is no optimizer named `adm`: did you mean `adam`?"
        );
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
