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
        if before > 0 || behind > 0 {
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
        /// assert_eq!(model.output_shape()?[0], 8);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    fn padded(layer: &dyn Layer, shape: &[usize]) -> (Vec<usize>, Vec<f32>) {
        let mut probe = Probe::layer(layer, shape, false).unwrap();
        let x = (1..=shape.iter().product()).map(|i: usize| i as f32);
        probe.set_inputs(&[x.collect()]);
        (probe.output_shape(), probe.forward())
    }

    #[test]
    fn margins_are_zeros() {
        let (shape, y) = padded(&ZeroPadding1D::new((0, 1)), &[1, 2, 1]);
        assert_eq!((shape, y), (vec![1, 3, 1], vec![1.0, 2.0, 0.0]));
        let first = ZeroPadding1D::new((1, 0)).data_format(DataFormat::ChannelsFirst);
        let (shape, y) = padded(&first, &[1, 2, 2]);
        assert_eq!(
            (shape, y),
            (vec![1, 2, 3], vec![0.0, 1.0, 2.0, 0.0, 3.0, 4.0])
        );
        let (shape, y) = padded(&ZeroPadding2D::new([(1, 0), (0, 2)]), &[1, 1, 1, 2]);
        let wanted = [&[0.0; 6][..], &[1.0, 2.0, 0.0, 0.0, 0.0, 0.0]].concat();
        assert_eq!((shape, y), (vec![1, 2, 3, 2], wanted));
        let (shape, y) = padded(&ZeroPadding3D::new([0, 0, 1]), &[1, 1, 1, 1, 1]);
        assert_eq!((shape, y), (vec![1, 1, 1, 3, 1], vec![0.0, 1.0, 0.0]));
    }

    #[test]
    fn gradients_agree() {
        let layer = ZeroPadding3D::new([(1, 0), (0, 1), (1, 2)]);
        let mut probe = Probe::layer(&layer, &[2, 2, 1, 3, 2], true).unwrap();
        probe.randomize(1);
        assert!(probe.check_gradients(1).unwrap() < 1e-2);
    }

    #[test]
    fn shapes_that_cannot_be_are_errors() {
        let cases: [(&dyn Layer, &[usize], &str); 4] = [
            (
                &ZeroPadding1D::new((usize::MAX, usize::MAX)),
                &[2, 3, 1],
                "too large",
            ),
            (&ZeroPadding1D::new(1), &[2, 3], "3 axes"),
            (&ZeroPadding2D::new(1), &[2, 3, 8], "4 axes"),
            (&ZeroPadding3D::new(1), &[2, 3, 3, 3], "5 axes"),
        ];
        for (layer, shape, wanted) in cases {
            let found = Probe::layer(layer, shape, false).unwrap_err().to_string();
            assert!(found.contains(wanted), "{found}");
        }
    }
}
