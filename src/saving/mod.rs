//! Between this crate and Keras: today its configurations, [`config`].

pub mod config;
pub(crate) mod npz;
