//! [`Cropping1D`], [`Cropping2D`] and [`Cropping3D`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::data_format::{DataFormat, or_default};
use super::margins::Margins;
use super::{Layer, shared_settings};
use crate::graph::{Scope, Value};

/// `x` without its margins.
fn crop<const N: usize>(x: &Value, Margins(all): Margins<N>, format: DataFormat) -> Value {
    if x.rank() != N + 2 {
        return x.fail(format!(
            "expects inputs of {} axes, got {}",
            N + 2,
            x.shape()
        ));
    }
    let mut y = x.clone();
    for (i, (before, behind)) in all.into_iter().enumerate() {
        let axis = (format.first() + i) as isize;
        let length = x.dim(axis);
        match before.checked_add(behind) {
            Some(cut) if cut < length => y = y.slice(axis, before..length - behind),
            _ => {
                return x.fail(format!(
                    "`cropping` must leave something of inputs of shape {}, got {before} and \
                     {behind} for a length of {length}",
                    x.shape()
                ));
            }
        }
    }
    y
}

macro_rules! cropping {
    ($(#[$doc:meta])* $Name:ident, $n:literal, $default:literal, $row:literal $(, $format:ident)?) => {
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
        #[doc = concat!("    .add(", stringify!($Name), "::new(1));")]
        /// model.build()?;
        /// assert_eq!(model.output_shape()?[0], 4);
        /// # Ok::<(), horn::Error>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $Name {
            #[serde(flatten)]
            base: Base,
            cropping: Margins<$n>,
            $(#[serde(deserialize_with = "or_default")]
            $format: DataFormat,)?
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name::new($default)
            }
        }

        impl $Name {
            /// Cuts off so much: one number, one for each axis, or a pair for each.
            pub fn new(cropping: impl Into<Margins<$n>>) -> Self {
                $Name {
                    base: Base::default(),
                    cropping: cropping.into(),
                    $($format: DataFormat::default(),)?
                }
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
            fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
                #[allow(unused_mut, unused_assignments)]
                let mut format = DataFormat::ChannelsLast;
                $(format = self.$format;)?
                crop(x, self.cropping, format)
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            shared_settings!(layer);
        }
    };
}

cropping! {
    /// Cuts steps off both ends of sequences `(batch, steps, columns)`. Default: 1 each.
    Cropping1D, 1, 1, "[6, 2]"
}

cropping! {
    /// Cuts the margins off images `(batch, height, width, channels)`. Default: nothing.
    Cropping2D, 2, 0, "[6, 6, 2]", data_format
}

cropping! {
    /// Cuts the margins off volumes `(batch, depth, height, width, channels)`. Default: 1 each.
    Cropping3D, 3, 1, "[6, 6, 6, 2]", data_format
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    /// What is left of 0, 1, 2, ... in this shape.
    fn left(layer: &dyn Layer, shape: &[usize]) -> (Vec<usize>, Vec<f32>) {
        let mut probe = Probe::layer(layer, shape, false).unwrap();
        let x = (0..shape.iter().product()).map(|i: usize| i as f32);
        probe.set_inputs(&[x.collect()]);
        (probe.output_shape(), probe.forward())
    }

    #[test]
    fn margins_are_cut_off() {
        let (shape, y) = left(&Cropping1D::new((1, 2)), &[1, 5, 2]);
        assert_eq!((shape, y), (vec![1, 2, 2], vec![2.0, 3.0, 4.0, 5.0]));
        let (shape, y) = left(&Cropping2D::new([(0, 1), (2, 0)]), &[1, 2, 4, 1]);
        assert_eq!((shape, y), (vec![1, 1, 2, 1], vec![2.0, 3.0]));
        let first = Cropping2D::new([0, 1]).data_format(DataFormat::ChannelsFirst);
        let (shape, y) = left(&first, &[1, 2, 2, 3]);
        assert_eq!((shape, y), (vec![1, 2, 2, 1], vec![1.0, 4.0, 7.0, 10.0]));
        let (shape, y) = left(&Cropping3D::new([(1, 0), (0, 1), (0, 0)]), &[1, 2, 2, 2, 1]);
        assert_eq!((shape, y), (vec![1, 1, 1, 2, 1], vec![4.0, 5.0]));
    }

    #[test]
    fn gradients_agree() {
        let layer = Cropping3D::new([(1, 0), (0, 1), (1, 1)]);
        let mut probe = Probe::layer(&layer, &[2, 2, 3, 3, 2], true).unwrap();
        probe.randomize(1);
        assert!(probe.check_gradients(1).unwrap() < 1e-2);
    }

    #[test]
    fn a_margin_that_leaves_nothing_is_an_error() {
        let cases: [(&dyn Layer, &[usize], &str); 5] = [
            (
                &Cropping1D::new((1, 2)),
                &[2, 3, 1],
                "1 and 2 for a length of 3",
            ),
            (
                &Cropping1D::new((usize::MAX, 1)),
                &[2, 3, 1],
                "must leave something",
            ),
            (
                &Cropping2D::new([0, 4]),
                &[2, 3, 8, 1],
                "4 and 4 for a length of 8",
            ),
            (&Cropping2D::new(1), &[2, 3, 8], "4 axes"),
            (&Cropping3D::new(1), &[2, 3, 3, 3], "5 axes"),
        ];
        for (layer, shape, wanted) in cases {
            let found = Probe::layer(layer, shape, false).unwrap_err().to_string();
            assert!(found.contains(wanted), "{found}");
        }
    }
}
