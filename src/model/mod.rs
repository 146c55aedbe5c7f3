//! What the user holds: [`Sequential`] and the five steps of its life.

mod built;
mod compile;
mod evaluate;
mod examples;
mod fit;
mod history;
mod network;
mod on_batch;
mod plans;
mod predict;
mod scores;
mod sequential;
mod summary;
mod weights;

pub use compile::Compile;
pub use evaluate::Evaluate;
pub use fit::Fit;
pub use history::History;
pub use predict::Predictor;
pub use scores::Scores;
pub use sequential::Sequential;
pub use summary::{Row, Summary};
pub use weights::{LayerRef, Weight};
