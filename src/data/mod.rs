//! Data on its way into a model: [`load_csv`] reads a file of numbers, [`AsRows`] takes any
//! array as rows of `f32`.

mod csv;
mod order;
mod rows;

pub use csv::{Csv, load_csv};
pub(crate) use order::Order;
pub use rows::{AsRows, Element, Rows};
