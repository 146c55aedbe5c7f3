//! How layers are written to and read from Keras's configurations.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::regularizers::{self, Regularizer};

/// The settings that every layer has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Base {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) trainable: bool,
    pub(crate) dtype: Json,
    #[serde(with = "regularizer", skip_serializing_if = "Option::is_none")]
    pub(crate) activity_regularizer: Option<Arc<dyn Regularizer>>,
}

impl PartialEq for Base {
    fn eq(&self, other: &Self) -> bool {
        let penalty = |base: &Base| {
            base.activity_regularizer
                .as_deref()
                .map(regularizers::to_keras)
        };
        self.name == other.name
            && self.trainable == other.trainable
            && self.dtype == other.dtype
            && penalty(self) == penalty(other)
    }
}

impl Default for Base {
    fn default() -> Self {
        Base {
            name: None,
            trainable: true,
            dtype: Json::from("float32"),
            activity_regularizer: None,
        }
    }
}

/// A setting that Keras has and this crate does not: only its absence is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Absent(Option<()>);

impl<'de> Deserialize<'de> for Absent {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Null => Ok(Absent(None)),
            other => Err(serde::de::Error::custom(format!(
                "a setting that is not supported yet has the value {other}"
            ))),
        }
    }
}

/// The configuration of a layer.
pub(crate) fn written<L: Serialize>(layer: &L) -> Json {
    serde_json::to_value(layer).unwrap_or(Json::Null)
}

/// The builder methods and trait methods that every layer of ours has, written once.
///
/// `(builder plain)` is for layers that keep their activity regularizer apart, `(layer masked)` for layers that treat each step of a sequence by itself.
macro_rules! shared_settings {
    (builder) => {
        $crate::layers::shared_settings!(builder plain);

        /// What is added to the loss for the outputs, divided by the rows of the batch. Default:
        /// nothing.
        pub fn activity_regularizer(
            mut self,
            regularizer: impl $crate::regularizers::Regularizer + 'static,
        ) -> Self {
            self.base.activity_regularizer = Some(std::sync::Arc::new(regularizer));
            self
        }
    };
    (builder plain) => {
        /// Gives the layer a name; without one the model numbers it by its class.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.base.name = Some(name.into());
            self
        }

        /// Whether training changes the layer's weights. Default: true.
        pub fn trainable(mut self, trainable: bool) -> Self {
            self.base.trainable = trainable;
            self
        }
    };
    (layer masked) => {
        fn supports_masking(&self) -> bool {
            true
        }

        $crate::layers::shared_settings!(layer);
    };
    (layer) => {
        fn name(&self) -> Option<&str> {
            self.base.name.as_deref()
        }

        fn trainable(&self) -> bool {
            self.base.trainable
        }

        fn activity_regularizer(&self) -> Option<&dyn $crate::regularizers::Regularizer> {
            self.base.activity_regularizer.as_deref()
        }

        fn config(&self) -> serde_json::Value {
            $crate::layers::written(self)
        }
    };
}
pub(crate) use shared_settings;

/// Serialises an activation as Keras does; for `#[serde(with)]`.
pub(crate) mod activation {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::activations::{self, Activation};

    pub(crate) fn serialize<S: Serializer>(
        activation: &Arc<dyn Activation>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        activations::to_keras(activation).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<dyn Activation>, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        activations::from_keras(&json).map_err(serde::de::Error::custom)
    }
}

/// Serialises a regularizer that may be absent as Keras does; for `#[serde(with)]`.
pub(crate) mod regularizer {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::regularizers::{self, Regularizer};

    pub(crate) fn serialize<S: Serializer>(
        regularizer: &Option<Arc<dyn Regularizer>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let json = regularizer.as_ref().map(|r| regularizers::to_keras(r));
        json.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<dyn Regularizer>>, D::Error> {
        let json = Option::<serde_json::Value>::deserialize(deserializer)?;
        let read = json.map(|json| regularizers::from_keras(&json));
        read.transpose().map_err(serde::de::Error::custom)
    }
}

/// Serialises a constraint that may be absent as Keras does; for `#[serde(with)]`.
pub(crate) mod constraint {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::constraints::{self, Constraint};

    pub(crate) fn serialize<S: Serializer>(
        constraint: &Option<Arc<dyn Constraint>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let json = constraint.as_ref().map(|c| constraints::to_keras(c));
        json.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<dyn Constraint>>, D::Error> {
        let json = Option::<serde_json::Value>::deserialize(deserializer)?;
        let read = json.map(|json| constraints::from_keras(&json));
        read.transpose().map_err(serde::de::Error::custom)
    }
}

/// Serialises an initializer as Keras does; for `#[serde(with)]`.
pub(crate) mod initializer {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::initializers::{self, Initializer};

    pub(crate) fn serialize<S: Serializer>(
        initializer: &Arc<dyn Initializer>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        initializers::to_keras(initializer).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<dyn Initializer>, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        initializers::from_keras(&json).map_err(serde::de::Error::custom)
    }
}
