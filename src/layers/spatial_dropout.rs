//! [`SpatialDropout1D`], [`SpatialDropout2D`] and [`SpatialDropout3D`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::config::Base;
use super::data_format::{DataFormat, or_default};
use super::{Layer, noise, shared_settings, written};
use crate::error::Result;
use crate::graph::{Scope, Value};

/// Drops whole channels of `x`, whose inner axes begin at `first`.
fn drop_channels(
    scope: &mut Scope,
    x: &Value,
    (rate, seed): (f32, Option<u64>),
    (inner, format): (usize, DataFormat),
) -> Value {
    if x.rank() != inner + 2 {
        let wanted = inner + 2;
        return x.fail(format!(
            "expects inputs of {wanted} axes, got {}",
            x.shape()
        ));
    }
    if !scope.noisy() || rate == 0.0 {
        return x.clone();
    }
    if rate == 1.0 {
        return x * 0.0;
    }
    let mut noise = x.shape().dims().to_vec();
    let inner = noise.iter_mut().skip(format.first()).take(inner);
    inner.for_each(|length| *length = 1);
    x * scope.dropout_mask(noise, rate, seed)
}

macro_rules! spatial_dropout {
    ($(#[$doc:meta])* $Name:ident, $inner:literal, $row:literal $(, $format:ident)?) => {
        $(#[$doc])*
        ///
        /// Source: Tompson et al. 2014, <https://arxiv.org/abs/1411.4280>;
        /// <https://keras.io/api/layers/regularization_layers/>
        ///
        /// # Examples
        ///
        /// ```
        #[doc = concat!("use horn::layers::", stringify!($Name), ";")]
        /// use horn::prelude::*;
        ///
        #[doc = concat!("let model = Sequential::new().add(Input::new(", $row, "))")]
        #[doc = concat!("    .add(", stringify!($Name), "::new(0.2));")]
        /// ```
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $Name {
            #[serde(flatten)]
            base: Base,
            rate: f32,
            seed: Option<u64>,
            $(#[serde(deserialize_with = "or_default")]
            $format: DataFormat,)?
        }

        impl $Name {
            /// Drops this fraction of the channels, from 0 to 1.
            pub fn new(rate: f32) -> Self {
                $Name {
                    rate,
                    ..Self::default()
                }
            }

            /// Draws from a seed of the layer's own. Default: from the model's.
            pub fn seed(mut self, seed: u64) -> Self {
                self.seed = Some(seed);
                self
            }

            $(
                /// Where the channels stand. Default: behind.
                pub fn $format(mut self, format: DataFormat) -> Self {
                    self.$format = format;
                    self
                }
            )?

            shared_settings!(builder);
        }

        impl Layer for $Name {
            fn call(&self, scope: &mut Scope, x: &Value) -> Value {
                #[allow(unused_mut, unused_assignments)]
                let mut format = DataFormat::ChannelsLast;
                $(format = self.$format;)?
                drop_channels(scope, x, (self.rate, self.seed), ($inner, format))
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            fn validate(&self) -> Result<()> {
                noise::check(stringify!($Name), "rate", self.rate)
            }

            fn name(&self) -> Option<&str> {
                self.base.name.as_deref()
            }

            fn supports_masking(&self) -> bool {
                true
            }

            fn config(&self) -> Json {
                // Keras neither writes nor takes `trainable` here.
                let mut config = written(self);
                if let Some(fields) = config.as_object_mut() {
                    fields.remove("trainable");
                }
                config
            }
        }
    };
}

spatial_dropout! {
    /// Drops whole columns of sequences: [`Dropout`](super::Dropout) with one draw for all steps.
    ///
    /// `x`, `y`: `(batch, steps, columns)`.
    SpatialDropout1D, 1, "[10, 3]"
}

spatial_dropout! {
    /// Drops whole channels of images: [`Dropout`](super::Dropout) with one draw for each channel.
    ///
    /// `x`, `y`: `(batch, height, width, channels)`.
    SpatialDropout2D, 2, "[8, 8, 3]", data_format
}

spatial_dropout! {
    /// Drops whole channels of volumes: [`Dropout`](super::Dropout) with one draw for each channel.
    ///
    /// `x`, `y`: `(batch, depth, height, width, channels)`.
    SpatialDropout3D, 3, "[4, 8, 8, 3]", data_format
}
