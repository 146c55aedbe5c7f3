//! The small compiler that every model goes through: layers and losses are traced into a
//! `Graph` of ops for one concrete shape of inputs, fused, and planned once.
//!
//! ```text
//! layers, losses   describe themselves on `Value`s inside a `Scope`
//!   trace          -> Graph: ops in the order in which they were asked for
//!   fuse           matmul + bias + activation, sigmoid + cross-entropy, softmax + cross-entropy
//!   plan           what is live when, what backward needs, one workspace -> Plan
//!   run            backend::cpu
//! ```

pub(crate) mod fuse;
pub(crate) mod plan;
mod scope;
pub(crate) mod trace;
mod value;
pub(crate) mod variables;

pub use crate::shape::{Axes, MAX_RANK, Shape};
pub use scope::Scope;
pub(crate) use scope::{Traced, numbered, snake_case};
pub use value::{Operand, Value};
