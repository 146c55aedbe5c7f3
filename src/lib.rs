//! Deep learning with the feel of Keras: stack layers, then compile, fit, evaluate, predict.
//!
//! This page builds your first neural network, in the order in which you would write it: it
//! learns from measurements of 768 people who of them developed diabetes within five years. It
//! takes six steps and no knowledge beyond Rust's basics. What each choice means, and what else
//! there is to choose, [the longer telling](_tutorial) says.
//!
//! Everything that a program needs comes with one line:
//!
//! ```
//! use horn::prelude::*;
//! ```
//!
//! # 1. Load the data
//!
//! The file has a row for each person and nine columns: eight measurements, then a 1 if diabetes
//! began within five years and a 0 if it did not. [`load_csv`] makes an array of it; two views
//! of that array are the inputs `x` and what is to be learned, `y`.
//!
//! ```
//! # use horn::prelude::*;
//! let dataset = load_csv("examples/data/pima-indians-diabetes.csv")?;
//! let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
//! assert_eq!((x.shape(), y.shape()), (&[768, 8][..], &[768][..]));
//! # Ok::<(), horn::Error>(())
//! ```
//!
//! Any ndarray array or view will do, of `f32`, `f64` or integers, and none of it is copied.
//!
//! # 2. Define the model
//!
//! A [`Sequential`] model is a stack of layers, each fed by the one before. Ours are
//! [`Dense`](layers::Dense): every unit of a layer sees all outputs of the layer before it. The
//! first must be told how many columns come in. The last has one unit, whose
//! [`Sigmoid`](activations::Sigmoid) turns a sum into a probability.
//!
//! ```
//! # use horn::prelude::*;
//! let mut model = Sequential::new()
//!     .seed(7)
//!     .add(Dense::new(12).input_dim(8).activation(Relu))
//!     .add(Dense::new(8).activation(Relu))
//!     .add(Dense::new(1).activation(Sigmoid));
//! # model.build()?;
//! # assert_eq!(model.count_params(), 221);
//! # Ok::<(), horn::Error>(())
//! ```
//!
//! The initial weights are random. With a [`seed`](Sequential::seed) they, and everything after
//! them, are the same in each run.
//!
//! # 3. Compile it
//!
//! Training needs a loss, which says how wrong the predictions are, and an optimizer, which
//! changes the weights to make it smaller. Metrics, such as the share of right answers, are for
//! you to read. [`compile`](Model::compile) checks that all of it fits together and turns
//! the model into a plan for the machine that it runs on.
//!
//! ```
//! # use horn::prelude::*;
//! # let mut model = Sequential::new()
//! #     .seed(7)
//! #     .add(Dense::new(12).input_dim(8).activation(Relu))
//! #     .add(Dense::new(8).activation(Relu))
//! #     .add(Dense::new(1).activation(Sigmoid));
//! model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
//! # assert_eq!(model.metrics_names(), ["loss", "accuracy"]);
//! # Ok::<(), horn::Error>(())
//! ```
//!
//! # 4. Fit it
//!
//! An epoch goes through all rows once, in batches; after each batch the weights change a little.
//! [`fit`](Model::fit) prints how it goes and returns what it printed as a [`History`].
//!
//! ```
//! # use horn::prelude::*;
//! # let dataset = load_csv("examples/data/pima-indians-diabetes.csv")?;
//! # let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
//! # let mut model = Sequential::new()
//! #     .seed(7)
//! #     .add(Dense::new(12).input_dim(8).activation(Relu))
//! #     .add(Dense::new(8).activation(Relu))
//! #     .add(Dense::new(1).activation(Sigmoid));
//! # model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
//! let history = model.fit(&x, &y, Fit::new().epochs(150).batch_size(10))?;
//! assert!(history["loss"][149] < history["loss"][0]);
//! # Ok::<(), horn::Error>(())
//! ```
//!
//! # 5. Evaluate it
//!
//! [`evaluate`](Model::evaluate) gives the loss and the metrics on any data. Here they are
//! the very rows that the network has learned from, so that it may look better than it is;
//! [`validation_split`](Fit::validation_split) keeps rows apart for an honest answer.
//!
//! ```
//! # use horn::prelude::*;
//! # let dataset = load_csv("examples/data/pima-indians-diabetes.csv")?;
//! # let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
//! # let mut model = Sequential::new()
//! #     .seed(7)
//! #     .add(Dense::new(12).input_dim(8).activation(Relu))
//! #     .add(Dense::new(8).activation(Relu))
//! #     .add(Dense::new(1).activation(Sigmoid));
//! # model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
//! # model.fit(&x, &y, Fit::new().epochs(150).batch_size(10).verbose(0))?;
//! let scores = model.evaluate(&x, &y)?;
//! println!("\n{}: {:.2}%", model.metrics_names()[1], scores[1] * 100.0);
//! # assert!(scores["accuracy"] > 0.65);
//! # Ok::<(), horn::Error>(())
//! ```
//!
//! # 6. Predict with it
//!
//! [`predict`](Model::predict) gives a probability for each row. Rounded, it is an answer:
//! 1 or 0.
//!
//! ```
//! # use horn::prelude::*;
//! # let dataset = load_csv("examples/data/pima-indians-diabetes.csv")?;
//! # let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
//! # let mut model = Sequential::new()
//! #     .seed(7)
//! #     .add(Dense::new(12).input_dim(8).activation(Relu))
//! #     .add(Dense::new(8).activation(Relu))
//! #     .add(Dense::new(1).activation(Sigmoid));
//! # model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
//! # model.fit(&x, &y, Fit::new().epochs(150).batch_size(10).verbose(0))?;
//! let rounded = model.predict(&x)?.mapv(f32::round);
//! assert_eq!(rounded.shape(), [768, 1]);
//! assert!(rounded.iter().all(|answer| *answer == 0.0 || *answer == 1.0));
//! # Ok::<(), horn::Error>(())
//! ```
//!
//! # The whole program
//!
//! ```
//! use horn::prelude::*;
//!
//! fn main() -> horn::Result<()> {
//!     // 1. Load the data: eight input columns and one output column.
//!     let dataset = load_csv("examples/data/pima-indians-diabetes.csv")?;
//!     let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
//!
//!     // 2. Define the model.
//!     let mut model = Sequential::new()
//!         .seed(7)
//!         .add(Dense::new(12).input_dim(8).activation(Relu))
//!         .add(Dense::new(8).activation(Relu))
//!         .add(Dense::new(1).activation(Sigmoid));
//!
//!     // 3. Compile it.
//!     model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
//!
//!     // 4. Fit it.
//!     model.fit(&x, &y, Fit::new().epochs(150).batch_size(10))?;
//!
//!     // 5. Evaluate it.
//!     let scores = model.evaluate(&x, &y)?;
//!     println!("\n{}: {:.2}%", model.metrics_names()[1], scores[1] * 100.0);
//!
//!     // 6. Predict with it: five people beside what was found with them.
//!     let rounded = model.predict(&x)?.mapv(f32::round);
//!     for i in 0..5 {
//!         println!("{:?} => {} (measured {})", x.row(i).to_vec(), rounded[[i, 0]], y[i]);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! It is `examples/pima.rs` in the repository: `cargo run --release --example pima`. When
//! something does not fit, each step returns an [`Error`] that says what was expected, what came
//! and what to try; none of them panics.
//!
//! Networks are arithmetic in loops, so debug builds are slow unless dependencies are optimised.
//! These lines in your `Cargo.toml` do that, and leave your own code easy to debug:
//!
//! ```toml
//! [profile.dev.package."*"]
//! opt-level = 3
//! ```
//!
//! # Where to look next
//!
//! | you want to | look at |
//! |---|---|
//! | know what each choice above means | [`_tutorial`] |
//! | branch, share layers, have several inputs or outputs | [`_cookbook::functional`] |
//! | train on more data than fit in memory | [`_cookbook::big_data`] |
//! | look into a model, or find out why it failed | [`_cookbook::inspecting`] |
//! | write pieces of your own | [`_cookbook::own_pieces`] |
//! | see what a model looks like inside | [`Model::summary`], [`Model::weights`] |
//! | validate, weigh classes, resume, print less | [`Fit`] |
//! | choose another layer, or write one | [`layers`], [`layers::Layer`] |
//! | choose another activation, or write one | [`activations`], [`activations::activation_fn`] |
//! | choose another loss, or write one | [`losses`], [`losses::loss_fn`] |
//! | choose another optimizer or learning rate | [`optimizers`], [`optimizers::schedules`] |
//! | choose another metric | [`metrics`] |
//! | decide how weights begin | [`initializers`] |
//! | keep weights small, or within limits | [`regularizers`], [`constraints`] |
//! | look on, or stop, while a model trains | [`_cookbook::callbacks`], [`callbacks`] |
//! | read other text files | [`data::Csv`] |
//! | predict in a loop without allocating | [`Predictor`] |
//! | know how fast it is, and beside whom | [`_performance`] |
//! | compute with arrays in a layer of your own | [`graph::Value`], [`graph::Scope`] |
//! | write a kernel of your own | [`ops::Operation`] |
//!
//! # Feature flags
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `cli` | no | the command `horn`: `summary`, `predict`, `convert` and `diff` of files |
//! | `ctrlc` | no | `StopHandle::on_ctrl_c` |
//! | `plot` | no | charts and graphs of models as SVG |
//! | `progress` | yes | the bar that moves while an epoch runs, on a terminal (`indicatif`) |
//!
//! Without default features everything on this page works; the lines of the finished epochs are
//! printed all the same.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
// An error and never a panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
// Only the kernels may: see there.
#![deny(unsafe_code)]

pub mod activations;
mod backend;
pub mod callbacks;
pub mod constraints;
// A user's data and a user's calls come in through `data` and `model`: whatever they hold, nothing
// may be out of bounds there.
#[cfg_attr(not(test), deny(clippy::indexing_slicing))]
pub mod data;
mod error;
pub mod graph;
pub mod initializers;
#[allow(unsafe_code)]
mod kernels;
pub mod layers;
pub mod losses;
pub mod metrics;
#[cfg_attr(not(test), deny(clippy::indexing_slicing))]
pub mod model;
pub mod ops;
pub mod optimizers;
#[cfg(feature = "plot")]
mod plot;
pub mod prelude;
pub mod random;
mod registry;
pub mod regularizers;
#[cfg_attr(not(test), deny(clippy::indexing_slicing))]
pub mod saving;
mod shape;
pub mod testing;
/// Short recipes, a page for each kind of work.
pub mod _cookbook {
    #[doc = include_str!("_cookbook/big_data.md")]
    pub mod big_data {}
    #[doc = include_str!("_cookbook/callbacks.md")]
    pub mod callbacks {}
    #[doc = include_str!("_cookbook/functional.md")]
    pub mod functional {}
    #[doc = include_str!("_cookbook/inspecting.md")]
    pub mod inspecting {}
    #[doc = include_str!("_cookbook/own_pieces.md")]
    pub mod own_pieces {}
}
#[doc = include_str!("_performance.md")]
pub mod _performance {}
#[doc = include_str!("_tutorial.md")]
pub mod _tutorial {}

pub use data::load_csv;
pub use error::{Error, Result};
pub use model::{Compile, Evaluate, Fit, History, Model, Predictor, Scores, Sequential};

/// Tests the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
