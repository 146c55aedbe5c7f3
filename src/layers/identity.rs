//! [`Identity`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// Gives its inputs out as they are: `y = x`.
///
/// Source: <https://keras.io/api/layers/core_layers/identity/>
///
/// # Examples
///
/// ```
/// use horn::layers::Identity;
/// use horn::prelude::*;
///
/// let model = Sequential::new().add(Input::new([2])).add(Identity::new());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    #[serde(flatten)]
    base: Base,
}

impl Identity {
    /// A layer that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    shared_settings!(builder);
}

impl Layer for Identity {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x.clone()
    }

    fn class_name(&self) -> &str {
        "Identity"
    }

    shared_settings!(layer masked);
}
