//! Data on its way into a model: [`load_csv`] reads a file of numbers, [`AsRows`] takes any
//! array as rows of `f32`.

mod csv;
mod rows;

pub use csv::{Csv, load_csv};
pub use rows::{AsRows, Element, Rows};
