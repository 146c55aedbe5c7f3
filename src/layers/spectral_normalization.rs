//! [`SpectralNormalization`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::config::Base;
use super::{Layer, from_keras, shared_settings, to_keras};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::TruncatedNormal;

/// Divides the kernel of a layer by its largest singular value before each step of training, so
/// that the layer does not stretch its inputs.
///
/// The singular value is estimated by `power_iterations` rounds of `v = W u / ‖W u‖`,
/// `u = Wᵀ v / ‖Wᵀ v‖`, where `u`, `(1, units)`, is kept from step to step (`vector_u`). As in Keras
/// the kernel itself is replaced; outside training it is used as it is.
///
/// Source: Miyato et al. 2018, <https://arxiv.org/abs/1802.05957>;
/// <https://keras.io/api/layers/normalization_layers/spectral_normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::SpectralNormalization;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Input::new([8]))
///     .add(SpectralNormalization::new(Dense::new(64)))
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpectralNormalization {
    #[serde(flatten)]
    base: Base,
    #[serde(with = "wrapped")]
    layer: Arc<dyn Layer>,
    #[serde(default = "one")]
    power_iterations: usize,
}

fn one() -> usize {
    1
}

/// A layer inside another's configuration.
mod wrapped {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        layer: &Arc<dyn Layer>,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        to_keras(layer).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Arc<dyn Layer>, D::Error> {
        let json = Json::deserialize(deserializer)?;
        from_keras(&json).map_err(serde::de::Error::custom)
    }
}

impl SpectralNormalization {
    /// Of a layer that has a `kernel` or `embeddings`, with one round a step.
    pub fn new(layer: impl Layer + 'static) -> Self {
        SpectralNormalization {
            base: Base::default(),
            layer: Arc::new(layer),
            power_iterations: 1,
        }
    }

    /// How many rounds the estimate takes at each step, at least 1. Default: 1.
    pub fn power_iterations(mut self, rounds: usize) -> Self {
        self.power_iterations = rounds;
        self
    }

    shared_settings!(builder);
}

impl Layer for SpectralNormalization {
    fn part_in_files<'n>(&self, _name: &'n str) -> &'n str {
        "layer"
    }

    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let name = scope.name_for(self.layer.name(), self.layer.class_name());
        let inner = |scope: &mut Scope| {
            let layer = self.layer.as_ref();
            let inputs = std::slice::from_ref(x);
            let outputs = scope.named_layer(Some(&name), layer.trainable(), layer, inputs);
            outputs.into_iter().next().unwrap_or_else(|| x.clone())
        };
        // The first call declares the weights; what else it did is taken back.
        let mark = scope.mark();
        inner(scope);
        scope.take_back(mark);
        let found = ["kernel", "embeddings"].map(|weight| scope.find(&format!("{name}/{weight}")));
        let Some(kernel) = found.into_iter().flatten().next() else {
            return x.fail(format!(
                "`{}` has neither `kernel` nor `embeddings`",
                self.layer.class_name()
            ));
        };
        let units = kernel.dim(-1);
        let begin = TruncatedNormal::new().stddev(0.02);
        let vector_u = scope.fixed("vector_u", [1, units], &begin);
        if !scope.training() {
            return inner(scope);
        }
        let rows = kernel.shape().size() / units.max(1);
        let weights = kernel.reshape([rows, units]).stop_gradient();
        let transposed = weights.transpose([1, 0]);
        let (mut u, mut v) = (vector_u.clone(), weights.clone());
        for _ in 0..self.power_iterations {
            v = u.matmul(&transposed).l2_normalize(..);
            u = v.matmul(&weights).l2_normalize(..);
        }
        let sigma = v.matmul(&weights).matmul(&u.transpose([1, 0])).sum(..);
        // A kernel of zeros stays as it is.
        let any = weights.abs().max(..).greater(0.0);
        let divided = any
            .broadcast_to(kernel.shape())
            .select(&kernel / sigma, &kernel);
        let u = any.broadcast_to(u.shape()).select(u, &vector_u);
        scope.assign(&vector_u, &u);
        // Its value is the divided kernel's, its gradient goes to the kernel as if it were that.
        let divided = divided.stop_gradient();
        let replaced = &kernel + (&divided - &kernel).stop_gradient();
        scope.replace(&kernel, &replaced, &divided);
        inner(scope)
    }

    fn class_name(&self) -> &str {
        "SpectralNormalization"
    }

    fn input_shape(&self) -> Option<&[usize]> {
        self.layer.input_shape()
    }

    fn validate(&self) -> Result<()> {
        match self.power_iterations {
            0 => Err(Error::argument(
                "SpectralNormalization",
                "power_iterations",
                "at least 1",
                0,
            )),
            _ => Ok(()),
        }
    }

    fn supports_masking(&self) -> bool {
        self.layer.supports_masking()
    }

    shared_settings!(layer);
}
