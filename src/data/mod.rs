//! Data on its way into a model: [`load_csv`] reads a file of numbers, [`AsRows`] takes any
//! array as rows of `f32`, and a [`Dataset`] streams rows that are made or read on the way.

mod class_weight;
mod csv;
mod csv_rows;
pub mod dataset;
mod order;
mod rows;

pub use class_weight::balanced_class_weight;
pub use csv::{Csv, load_csv};
pub use csv_rows::{Column, CsvRows};
pub use dataset::{Batch, Dataset};
pub(crate) use order::Order;
pub use rows::{AsRows, Element, Rows};
