//! Deep learning with the feel of Keras.

pub mod activations;
mod backend;
pub mod callbacks;
pub mod data;
mod error;
pub mod graph;
pub mod initializers;
mod kernels;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod optimizers;
pub mod prelude;
pub mod random;
mod shape;
pub mod testing;

pub use data::load_csv;
pub use error::{Error, Result};
pub use model::{Compile, Evaluate, Fit, History, Predictor, Scores, Sequential};
