//! [`ZeroPadding1D`], [`ZeroPadding2D`] and [`ZeroPadding3D`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::data_format::{DataFormat, or_default};
use super::margins::Margins;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// `x` with margins of zeros.
fn pad<const N: usize>(x: &Value, Margins(all): Margins<N>, format: DataFormat) -> Value {
    if x.rank() != N + 2 {
        return x.fail(format!(
            "expects inputs of {} axes, got {}",
            N + 2,
            x.shape()
        ));
    }
    let mut y = x.clone();
    for (i, (before, behind)) in all.into_iter().enumerate() {
        if before + behind > 0 {
            y = y.pad((format.first() + i) as isize, before, behind);
        }
    }
    y
}

macro_rules! zero_padding {
    ($(#[$doc:meta])* $Name:ident, $n:literal, $row:literal) => {
        $(#[$doc])*
        ///
        /// Source: <https://keras.io/api/layers/reshaping_layers/>
        ///
        /// # Examples
        ///
        /// ```
        #[doc = concat!("use horn::layers::", stringify!($Name), ";")]
        /// use horn::prelude::*;
        ///
        #[doc = concat!("let mut model = Sequential::new().add(Input::new(", $row, "))")]
        #[doc = concat!("    .add(", stringify!($Name), "::new(2));")]
        /// model.build()?;
        /// assert_eq!(model.layers()[1].output_shape()[0], 8);
        /// # Ok::<(), horn::Error>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $Name {
            #[serde(flatten)]
            base: Base,
            padding: Margins<$n>,
            #[serde(deserialize_with = "or_default")]
            data_format: DataFormat,
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name::new(1)
            }
        }

        impl $Name {
            /// Adds so many zeros: one number, one for each axis, or a pair for each.
            pub fn new(padding: impl Into<Margins<$n>>) -> Self {
                $Name {
                    base: Base::default(),
                    padding: padding.into(),
                    data_format: DataFormat::default(),
                }
            }

            /// Where the channels stand. Default: behind.
            pub fn data_format(mut self, format: DataFormat) -> Self {
                self.data_format = format;
                self
            }

            shared_settings!(builder);
        }

        impl Layer for $Name {
            fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
                pad(x, self.padding, self.data_format)
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            shared_settings!(layer);
        }
    };
}

zero_padding! {
    /// Adds steps of zeros to both ends of sequences `(batch, steps, columns)`. Default: 1 each.
    ZeroPadding1D, 1, "[4, 2]"
}

zero_padding! {
    /// Adds margins of zeros to images `(batch, height, width, channels)`. Default: 1 each.
    ZeroPadding2D, 2, "[4, 4, 2]"
}

zero_padding! {
    /// Adds margins of zeros to volumes `(batch, depth, height, width, channels)`. Default: 1 each.
    ZeroPadding3D, 3, "[4, 4, 4, 2]"
}
