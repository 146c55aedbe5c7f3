//! [`Summary`]: Keras's table of a model's layers.

use std::fmt;

/// The columns' headings.
const HEADINGS: [&str; 4] = ["Layer (type)", "Output Shape", "Param #", "Connected to"];
/// Where each column ends, as a part of the line.
const ENDS: [f64; 3] = [0.45, 0.80, 1.0];
/// The same, of models that are not chains.
const CONNECTED_ENDS: [f64; 4] = [0.3, 0.56, 0.74, 1.0];
/// Keras's line for those, on a wide terminal.
const CONNECTED_LINE: usize = 108;
/// Keras's line on a terminal of 80 columns.
const LINE: usize = 76;
/// A shorter line leaves no room for the headings.
const SHORTEST: usize = 20;
/// The bytes of one parameter.
const BYTES: usize = size_of::<f32>();

/// The layers of a model with their output shapes and numbers of parameters, printed as Keras
/// prints them.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(12).input_dim(8));
/// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
/// let summary = model.summary();
/// assert_eq!(summary.trainable_params(), 108);
/// println!("{summary}");
/// # Ok::<(), horn::Error>(())
/// ```
///
/// ```text
/// Model: "sequential"
/// ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
/// ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
/// ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
/// │ dense (Dense)                   │ (None, 12)             │           108 │
/// └─────────────────────────────────┴────────────────────────┴───────────────┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    name: String,
    rows: Vec<Row>,
    trainable: usize,
    non_trainable: usize,
    optimizer: Option<usize>,
    line_length: Option<usize>,
    connections: bool,
}

/// One layer in a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The layer's name: `dense_1`.
    pub name: String,
    /// The layer's type: `Dense`.
    pub class_name: String,
    /// The shape of its outputs, `None` for the batch: `(None, 12)`.
    pub output_shape: String,
    /// The number of its parameters, trainable or not.
    pub params: usize,
    /// What it reads: the layer, which of its calls and which output, `dense[0][0]`.
    pub connected_to: Vec<String>,
}

impl Row {
    /// A line on one layer.
    pub(crate) fn new(
        name: impl Into<String>,
        class_name: impl Into<String>,
        output_shape: impl Into<String>,
        params: usize,
    ) -> Self {
        Self {
            name: name.into(),
            class_name: class_name.into(),
            output_shape: output_shape.into(),
            params,
            connected_to: Vec::new(),
        }
    }

    /// The same, with what the layer reads.
    pub(crate) fn connected_to(mut self, connected_to: Vec<String>) -> Self {
        self.connected_to = connected_to;
        self
    }
}

impl Summary {
    /// The summary of a model; `optimizer` is `None` before it is compiled.
    pub(crate) fn new(
        name: impl Into<String>,
        rows: Vec<Row>,
        trainable: usize,
        non_trainable: usize,
        optimizer: Option<usize>,
    ) -> Self {
        Self {
            name: name.into(),
            rows,
            trainable,
            non_trainable,
            optimizer,
            line_length: None,
            connections: false,
        }
    }

    /// Whether what layers are connected to is printed.
    pub(crate) fn with_connections(mut self, connections: bool) -> Self {
        self.connections = connections;
        self
    }

    /// Prints lines of this many characters, 20 or more; the default is 76, and 108 for models that
    /// are not chains.
    pub fn line_length(mut self, characters: usize) -> Self {
        self.line_length = Some(characters.max(SHORTEST));
        self
    }

    /// The name of the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layers, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The number of parameters that training changes.
    pub fn trainable_params(&self) -> usize {
        self.trainable
    }

    /// The number of parameters that training leaves alone.
    pub fn non_trainable_params(&self) -> usize {
        self.non_trainable
    }

    /// The number of values that the optimizer keeps; `None` before `compile`.
    pub fn optimizer_params(&self) -> Option<usize> {
        self.optimizer
    }

    /// The number of all values, the optimizer's included, as Keras counts.
    pub fn total_params(&self) -> usize {
        self.trainable + self.non_trainable + self.optimizer.unwrap_or(0)
    }

    /// The widths of the columns between the lines, with a space on each side.
    fn widths(&self) -> Vec<usize> {
        let (ends, usual): (&[f64], usize) = match self.connections {
            true => (&CONNECTED_ENDS, CONNECTED_LINE),
            false => (&ENDS, LINE),
        };
        let line = self.line_length.unwrap_or(usual);
        let mut begin = 0;
        let mut widths: Vec<usize> = ends
            .iter()
            .map(|part| {
                let end = (part * line as f64) as usize;
                let width = end - begin;
                begin = end;
                width
            })
            .collect();
        // The lines between them come out of the columns: of each an equal part of what is left.
        let columns = widths.len();
        let mut left = columns + 1;
        for (number, width) in widths.iter_mut().enumerate() {
            let part = left as f64 / (columns - number) as f64;
            let taken = part.round_ties_even() as usize;
            left -= taken;
            *width = width.saturating_sub(taken).max(3);
        }
        widths
    }

    /// What stands in the columns on a layer.
    fn texts(&self, row: &Row) -> Vec<String> {
        let mut texts = vec![
            format!("{} ({})", row.name, row.class_name),
            row.output_shape.clone(),
            grouped(row.params),
        ];
        if self.connections {
            texts.push(match row.connected_to.is_empty() {
                true => "-".into(),
                false => row.connected_to.join(", "),
            });
        }
        texts
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let widths = self.widths();
        let headings = HEADINGS.iter().take(widths.len());
        writeln!(f, "Model: \"{}\"", self.name)?;
        rule(f, &widths, ["┏", "━", "┳", "┓"])?;
        cells(f, &widths, headings.map(ToString::to_string).collect(), "┃")?;
        rule(f, &widths, ["┡", "━", "╇", "┩"])?;
        for (i, row) in self.rows.iter().enumerate() {
            if i > 0 {
                rule(f, &widths, ["├", "─", "┼", "┤"])?;
            }
            cells(f, &widths, self.texts(row), "│")?;
        }
        rule(f, &widths, ["└", "─", "┴", "┘"])?;
        let mut counts = vec![
            (" Total params", self.total_params()),
            (" Trainable params", self.trainable),
            (" Non-trainable params", self.non_trainable),
        ];
        counts.extend(self.optimizer.map(|count| (" Optimizer params", count)));
        for (i, (what, count)) in counts.into_iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(
                f,
                "{end}{what}: {} ({})",
                grouped(count),
                memory(count * BYTES)
            )?;
        }
        Ok(())
    }
}

/// A horizontal line: left corner, line, crossing, right corner.
fn rule(f: &mut fmt::Formatter, widths: &[usize], drawing: [&str; 4]) -> fmt::Result {
    let [left, line, crossing, right] = drawing;
    let lines: Vec<String> = widths.iter().map(|width| line.repeat(*width)).collect();
    writeln!(f, "{left}{}{right}", lines.join(crossing))
}

/// A row of the table, of as many lines as its longest cell needs; the third column, of numbers, is
/// set right.
fn cells(f: &mut fmt::Formatter, widths: &[usize], texts: Vec<String>, bar: &str) -> fmt::Result {
    let columns: Vec<(usize, Vec<String>)> = widths
        .iter()
        .zip(&texts)
        .map(|(width, text)| (width - 2, wrap(text, width - 2)))
        .collect();
    let height = columns
        .iter()
        .map(|(_, lines)| lines.len())
        .max()
        .unwrap_or(0);
    for i in 0..height {
        f.write_str(bar)?;
        for (column, (width, lines)) in columns.iter().enumerate() {
            let line = lines.get(i).map_or("", String::as_str);
            match column {
                2 => write!(f, " {line:>width$} {bar}")?,
                _ => write!(f, " {line:<width$} {bar}")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

/// Breaks a text at its spaces into lines of at most `width` characters; a word that is longer is
/// cut and ends in `…`.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    for line in lines.iter_mut().filter(|line| length(line) > width) {
        *line = line
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect();
    }
    lines
}

/// The number of characters.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// A count with a comma between thousands: `5,760,100`.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in powers of 1024: `884.00 B`, `2.60 KB`.
fn memory(bytes: usize) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KB", "MB", "GB", "TB"] {
        if size < 1024.0 {
            return format!("{size:.2} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.2} PB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorial_prints_as_in_keras() {
        let rows = vec![
            Row::new("dense", "Dense", "(None, 12)", 108),
            Row::new("dense_1", "Dense", "(None, 8)", 104),
            Row::new("dense_2", "Dense", "(None, 1)", 9),
        ];
        let keras = "\
Model: \"sequential\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ dense (Dense)                   │ (None, 12)             │           108 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ (None, 8)              │           104 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_2 (Dense)                 │ (None, 1)              │             9 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 665 (2.60 KB)
 Trainable params: 221 (884.00 B)
 Non-trainable params: 0 (0.00 B)
 Optimizer params: 444 (1.73 KB)";
        let summary = Summary::new("sequential", rows, 221, 0, Some(444));
        assert_eq!(summary.to_string(), keras);
        assert_eq!(summary.total_params(), 665);
    }

    fn rows() -> Vec<Row> {
        vec![
            Row::new(
                "a_very_long_layer_name_which_does_not_fit",
                "Conv2D",
                "(None, 26, 26, 32)",
                320,
            ),
            Row::new(
                "medium_length_nm",
                "Conv2DTranspose",
                "(None, 28, 28, 64)",
                18_496,
            ),
            Row::new(
                "medium_len",
                "Conv2DTranspose",
                "(None, 30, 30, 64)",
                36_928,
            ),
            Row::new("flatten", "Flatten", "(None, 57600)", 0),
            Row::new(
                "batch_normalization",
                "BatchNormalization",
                "(None, 57600)",
                230_400,
            ),
            Row::new(
                "reshape",
                "Reshape",
                "(None, 2, 3, 2, 2, 2, 2, 5, 5, 4, 2, 3)",
                0,
            ),
            Row::new(
                "with several words in a name that is long",
                "Flatten",
                "(None, 57600)",
                0,
            ),
            Row::new(
                "abcdefghijklmnopqrstuvwxyzabcde",
                "Dense",
                "(None, 100)",
                5_760_100,
            ),
        ]
    }

    #[test]
    fn long_names_wrap_or_are_cut_as_in_keras() {
        let summary = Summary::new("net", rows(), 5_931_044, 115_200, None);
        let keras = "\
Model: \"net\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ a_very_long_layer_name_which_d… │ (None, 26, 26, 32)     │           320 │
│ (Conv2D)                        │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ medium_length_nm                │ (None, 28, 28, 64)     │        18,496 │
│ (Conv2DTranspose)               │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ medium_len (Conv2DTranspose)    │ (None, 30, 30, 64)     │        36,928 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ flatten (Flatten)               │ (None, 57600)          │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ batch_normalization             │ (None, 57600)          │       230,400 │
│ (BatchNormalization)            │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ reshape (Reshape)               │ (None, 2, 3, 2, 2, 2,  │             0 │
│                                 │ 2, 5, 5, 4, 2, 3)      │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ with several words in a name    │ (None, 57600)          │             0 │
│ that is long (Flatten)          │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ abcdefghijklmnopqrstuvwxyzabcde │ (None, 100)            │     5,760,100 │
│ (Dense)                         │                        │               │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 6,046,244 (23.06 MB)
 Trainable params: 5,931,044 (22.63 MB)
 Non-trainable params: 115,200 (450.00 KB)";
        assert_eq!(summary.to_string(), keras);
    }

    #[test]
    fn a_short_line_wraps_as_in_keras() {
        let summary = Summary::new("net", rows(), 5_931_044, 115_200, None).line_length(33);
        let keras = "\
Model: \"net\"
┏━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━┓
┃ Layer       ┃ Output   ┃ Par… ┃
┃ (type)      ┃ Shape    ┃    # ┃
┡━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━┩
│ a_very_lon… │ (None,   │  320 │
│ (Conv2D)    │ 26, 26,  │      │
│             │ 32)      │      │
├─────────────┼──────────┼──────┤
│ medium_len… │ (None,   │ 18,… │
│ (Conv2DTra… │ 28, 28,  │      │
│             │ 64)      │      │
├─────────────┼──────────┼──────┤
│ medium_len  │ (None,   │ 36,… │
│ (Conv2DTra… │ 30, 30,  │      │
│             │ 64)      │      │
├─────────────┼──────────┼──────┤
│ flatten     │ (None,   │    0 │
│ (Flatten)   │ 57600)   │      │
├─────────────┼──────────┼──────┤
│ batch_norm… │ (None,   │ 230… │
│ (BatchNorm… │ 57600)   │      │
├─────────────┼──────────┼──────┤
│ reshape     │ (None,   │    0 │
│ (Reshape)   │ 2, 3, 2, │      │
│             │ 2, 2, 2, │      │
│             │ 5, 5, 4, │      │
│             │ 2, 3)    │      │
├─────────────┼──────────┼──────┤
│ with        │ (None,   │    0 │
│ several     │ 57600)   │      │
│ words in a  │          │      │
│ name that   │          │      │
│ is long     │          │      │
│ (Flatten)   │          │      │
├─────────────┼──────────┼──────┤
│ abcdefghij… │ (None,   │ 5,7… │
│ (Dense)     │ 100)     │      │
└─────────────┴──────────┴──────┘
 Total params: 6,046,244 (23.06 MB)
 Trainable params: 5,931,044 (22.63 MB)
 Non-trainable params: 115,200 (450.00 KB)";
        assert_eq!(summary.to_string(), keras);
    }

    #[test]
    fn any_line_length_prints() {
        for characters in 0..200 {
            let summary = Summary::new("net", rows(), 1, 0, None).line_length(characters);
            let text = summary.to_string();
            let table = text
                .lines()
                .skip(1)
                .take_while(|line| !line.starts_with(' '));
            for line in table {
                assert_eq!(length(line), characters.max(SHORTEST));
            }
        }
    }

    #[test]
    fn numbers_are_grouped_and_sizes_scaled() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(memory(1023), "1023.00 B");
        assert_eq!(memory(6_046_244 * 4), "23.06 MB");
    }
}
