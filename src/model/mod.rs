//! What the user holds: [`Sequential`] and [`Model`], and the five steps of their lives.

mod arrays;
pub(crate) mod built;
pub(crate) mod compile;
mod evaluate;
mod examples;
mod feed;
mod fit;
mod functional;
mod history;
mod logged;
pub(crate) mod network;
mod on_batch;
mod plans;
mod predict;
mod saving;
mod scores;
mod sequential;
mod source;
mod summary;
pub(crate) mod tensor;
mod topology;
mod weights;

pub use arrays::{Arrays, AsArrays, IntoArrays};
pub use compile::{Compile, OutputKey};
pub use evaluate::Evaluate;
pub(crate) use fit::trainable as fit_variables;
pub use fit::{Fit, Frequency};
pub use functional::Model;
pub use history::History;
pub use predict::Predictor;
pub use scores::Scores;
pub use sequential::Sequential;
pub use summary::{Row, Summary};
pub use tensor::{Apply, Shared, Tensor, Tensors};
pub use weights::{LayerRef, Weight};
