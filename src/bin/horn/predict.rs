//! `horn predict`: the outputs of a model for the rows of a text file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use horn::data::Csv;
use horn::{Error, Model};
use ndarray::{Array2, ArrayD, ArrayView2, IxDyn, s};

use crate::failure::Failure;
use crate::model::ReadModel;

/// Predict for the rows of a file of comma-separated numbers
///
/// A row holds the numbers of the model's input, flattened; of several inputs one after the other, in
/// the model's order. A line of predictions is written for each row.
#[derive(Debug, Args)]
pub struct Predict {
    /// The model: a `.keras` file, or an `.h5` file of Keras 2
    model: PathBuf,
    /// The rows, or `-` for standard input
    data: PathBuf,
    /// Write to this file and not to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many rows are predicted and written at a time
    #[arg(long, value_name = "ROWS", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Skip the first line: it names the columns
    #[arg(long)]
    header: bool,
    /// The columns that the model takes, counted from 0, in this order: `0,2,5` or `0..8`
    #[arg(long, value_name = "COLUMNS", value_parser = Columns::of)]
    columns: Option<Columns>,
    /// The character between two cells, here and in what is written; `tab` or `space` for those
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    #[command(flatten)]
    read: ReadModel,
}

#[derive(Debug, Clone)]
struct Columns(Vec<usize>);

impl Columns {
    /// Positions, and ranges without their ends.
    fn of(text: &str) -> Result<Columns, String> {
        const MOST: usize = 1 << 24;
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|n| *n <= MOST);
        let mut columns = Vec::new();
        for part in text.split(',') {
            let range = match part.split_once("..") {
                Some((begin, end)) => number(begin).zip(number(end)),
                None => number(part).map(|column| (column, column + 1)),
            };
            let range = range.filter(|(begin, end)| begin < end);
            let (begin, end) = range.ok_or_else(|| {
                format!("`{part}` is neither a position, as in `3`, nor a range, as in `0..8`")
            })?;
            columns.extend(begin..end);
            if columns.len() > MOST {
                return Err("are too many".to_string());
            }
        }
        Ok(Columns(columns))
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        ("space", _) => Ok(b' '),
        (_, [byte]) if byte.is_ascii() => Ok(*byte),
        _ => Err("must be one character, `tab` or `space`".to_string()),
    }
}

impl Predict {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let model = self.read.read(&self.model, false)?;
        let (name, rows) = self.rows()?;
        let batch = self.batch_size as usize;
        let mut writer: Option<Box<dyn Write>> = None;
        let to = match &self.output {
            Some(path) => path.display().to_string(),
            None => "standard output".to_string(),
        };
        for (number, rows) in rows.axis_chunks_iter(ndarray::Axis(0), batch).enumerate() {
            let outputs = outputs(&model, rows).map_err(|error| {
                let first = number * batch;
                let last = first + rows.nrows() - 1;
                let failure = Failure::of(&name, error);
                match (failure, number) {
                    (Failure::Message(message), 1..) => Failure::Message(format!(
                        "{message} (of rows {first} to {last}, counted from 0)"
                    )),
                    (failure, _) => failure,
                }
            })?;
            // Opened when there is something to write: a mistake leaves an older file as it was.
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(self.writer()?),
            };
            let written = write(writer, &outputs, self.delimiter);
            written.map_err(|error| Failure::output(&to, error))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The rows, and what they are called in messages.
    fn rows(&self) -> Result<(PathBuf, Array2<f32>), Failure> {
        let csv = Csv::new().header(self.header).delimiter(self.delimiter);
        let csv = match &self.columns {
            Some(Columns(columns)) => csv.columns(columns.iter().copied()),
            None => csv,
        };
        let (name, read) = match self.data.as_os_str() == "-" {
            true => (PathBuf::from("<input>"), csv.read(io::stdin().lock())),
            false => (self.data.clone(), csv.load(&self.data)),
        };
        let read = read.map_err(|error| Failure::of(&name, error))?;
        Ok((name, read))
    }

    fn writer(&self) -> Result<Box<dyn Write>, Failure> {
        let Some(path) = &self.output else {
            return Ok(Box::new(BufWriter::new(io::stdout().lock())));
        };
        let file = File::create(path);
        let file = file.map_err(|error| Failure::output(path.display(), error))?;
        Ok(Box::new(BufWriter::new(file)))
    }
}

/// The outputs for some rows, each flattened to columns.
fn outputs(model: &Model, rows: ArrayView2<f32>) -> horn::Result<Vec<Array2<f32>>> {
    let shapes = model.input_shapes()?;
    let sizes: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
    if sizes.iter().sum::<usize>() != rows.ncols() {
        return Err(columns_do_not_fit(model, &shapes, rows.ncols()));
    }
    let mut inputs: Vec<ArrayD<f32>> = Vec::new();
    let mut begin = 0;
    for (shape, size) in shapes.iter().zip(sizes) {
        let columns = rows.slice(s![.., begin..begin + size]);
        let shape = [&[rows.nrows()], shape.as_slice()].concat();
        let columns = columns.iter().copied().collect();
        inputs.push(shaped(&shape, columns)?);
        begin += size;
    }
    let outputs = match inputs.as_slice() {
        [input] if model.output_names().len() == 1 => vec![model.predict_nd(input)?],
        [input] => model.predict_all(input)?,
        _ => model.predict_all(inputs.iter().collect::<Vec<_>>())?,
    };
    let flat = outputs.into_iter().map(|output| {
        let columns = output.len() / rows.nrows().max(1);
        let shape = (rows.nrows(), columns);
        Array2::from_shape_vec(shape, output.into_iter().collect()).map_err(unfit)
    });
    flat.collect()
}

fn shaped(shape: &[usize], values: Vec<f32>) -> horn::Result<ArrayD<f32>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(unfit)
}

/// Sizes are compared before: this cannot happen.
fn unfit(error: ndarray::ShapeError) -> Error {
    Error::dataset(error.to_string())
}

fn columns_do_not_fit(model: &Model, shapes: &[Vec<usize>], found: usize) -> Error {
    let names = model.input_names();
    let inputs = names.iter().zip(shapes);
    let inputs = inputs.map(|(name, shape)| match shape.as_slice() {
        [columns] => format!("{columns} columns for `{name}`"),
        _ => format!(
            "{} columns for `{name}`, flattened from {shape:?}",
            shape.iter().product::<usize>()
        ),
    });
    Error::Shape {
        place: "the model".into(),
        expected: inputs.collect::<Vec<_>>().join(" and "),
        found: format!("{found} columns"),
        hint: "choose those that it takes with `--columns`".into(),
    }
}

/// Writes a line for each row, with the fewest digits that give the number again.
fn write(to: &mut dyn Write, outputs: &[Array2<f32>], delimiter: u8) -> io::Result<()> {
    let rows = outputs.first().map_or(0, Array2::nrows);
    for row in 0..rows {
        let mut first = true;
        for value in outputs.iter().flat_map(|output| output.row(row)) {
            if !first {
                to.write_all(&[delimiter])?;
            }
            first = false;
            write!(to, "{value:?}")?;
        }
        to.write_all(b"\n")?;
    }
    to.flush()
}
