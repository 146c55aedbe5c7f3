//! Keras's serialised objects, by their kind: `{"class_name", "config"}` or a plain name in, one
//! of ours out, and back.
//!
//! Each kind keeps its table of names beside its members, so that a new layer or loss is known
//! here as soon as it is there.
//!
//! Source: <https://keras.io/api/models/model_saving_apis/serialization_utils/>
//!
//! # Examples
//!
//! ```
//! use horn::saving::config;
//! use serde_json::json;
//!
//! let layer = config::layer(&json!({"class_name": "Dropout", "config": {"rate": 0.4}}))?;
//! assert_eq!(layer.class_name(), "Dropout");
//! let optimizer = config::optimizer(&json!("adam"))?;
//! assert_eq!(config::optimizer_to_keras(&optimizer)["class_name"], "Adam");
//! # Ok::<(), horn::Error>(())
//! ```

pub use crate::activations::{from_keras as activation, to_keras as activation_to_keras};
pub use crate::constraints::{from_keras as constraint, to_keras as constraint_to_keras};
pub use crate::initializers::{from_keras as initializer, to_keras as initializer_to_keras};
pub use crate::layers::{from_keras as layer, to_keras as layer_to_keras};
pub use crate::losses::{from_keras as loss, to_keras as loss_to_keras};
pub use crate::metrics::{from_keras as metric, to_keras as metric_to_keras};
pub use crate::optimizers::schedules::{from_keras as schedule, to_keras as schedule_to_keras};
pub use crate::optimizers::{from_keras as optimizer, to_keras as optimizer_to_keras};
pub use crate::registry::read;
pub use crate::regularizers::{from_keras as regularizer, to_keras as regularizer_to_keras};
