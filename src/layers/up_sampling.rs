//! [`UpSampling1D`], [`UpSampling2D`] and [`UpSampling3D`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::data_format::{DataFormat, or_default};
use super::sizes::Sizes;
use super::{Layer, shared_settings};
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// How new pixels are made of old ones, for [`UpSampling2D`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interpolation {
    /// The nearest is repeated. The default.
    #[default]
    Nearest,
    /// A line between two.
    Bilinear,
    /// A cubic through four (Keys 1981, `a = -0.5`).
    Bicubic,
    /// A window of sines over six.
    Lanczos3,
    /// A window of sines over ten.
    Lanczos5,
}

impl Interpolation {
    /// The weight of a pixel so far away.
    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Interpolation::Nearest => f64::from(u8::from(x < 0.5)),
            Interpolation::Bilinear => (1.0 - x).max(0.0),
            Interpolation::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Interpolation::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Interpolation::Bicubic => 0.0,
            Interpolation::Lanczos3 => lanczos(x, 3.0),
            Interpolation::Lanczos5 => lanczos(x, 5.0),
        }
    }

    /// What each of `length` pixels gives to each of `length * times`, row by row.
    fn matrix(self, length: usize, times: usize) -> Vec<f32> {
        let new = length * times;
        let mut matrix = vec![0.0; length * new];
        for column in 0..new {
            // Pixels are squares, whose centres lie at halves.
            let at = (column as f64 + 0.5) / times as f64 - 0.5;
            let weights: Vec<f64> = (0..length)
                .map(|row| self.weight(at - row as f64))
                .collect();
            let total: f64 = weights.iter().sum();
            for (row, weight) in weights.into_iter().enumerate() {
                if let Some(place) = matrix.get_mut(row * new + column) {
                    *place = (weight / total) as f32;
                }
            }
        }
        matrix
    }
}

/// `sinc(x) sinc(x / radius)` within the radius.
fn lanczos(x: f64, radius: f64) -> f64 {
    use std::f64::consts::PI;
    match x {
        0.0 => 1.0,
        x if x > radius => 0.0,
        x => radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x),
    }
}

/// The most weights of an axis, 1 GiB of them.
const MATRIX: usize = 1 << 28;

/// `x` with an axis `times` times as long.
fn stretch(x: &Value, axis: usize, times: usize, how: Interpolation) -> Value {
    if how == Interpolation::Nearest || times == 1 {
        return x.repeat(times, axis as isize);
    }
    let length = x.dim(axis as isize);
    let new = length.saturating_mul(times);
    if length.saturating_mul(new) > MATRIX {
        return x.fail(format!("{times} times a length of {length} is too large"));
    }
    let matrix = x.constant(&how.matrix(length, times), [length, new]);
    // Swapped with the last axis, where products work.
    let mut order: Vec<usize> = (0..x.rank()).collect();
    let last = order.len() - 1;
    order.swap(axis, last);
    x.transpose(&order).matmul(&matrix).transpose(&order)
}

/// Stretches the inner axes of `x`.
fn up<const N: usize>(
    x: &Value,
    sizes: [usize; N],
    format: DataFormat,
    how: Interpolation,
) -> Value {
    if x.rank() != N + 2 {
        return x.fail(format!(
            "expects inputs of {} axes, got {}",
            N + 2,
            x.shape()
        ));
    }
    let axes = format.first()..;
    let pairs = sizes.into_iter().zip(axes);
    pairs.fold(x.clone(), |x, (times, axis)| stretch(&x, axis, times, how))
}

/// Keras takes `Bilinear` for `bilinear`.
fn any_case<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Interpolation, D::Error> {
    let name = String::deserialize(deserializer)?.to_lowercase();
    Interpolation::deserialize(serde::de::value::StringDeserializer::new(name))
}

/// Sizes are at least 1.
fn check(class_name: &str, sizes: &[usize]) -> Result<()> {
    match sizes.contains(&0) {
        false => Ok(()),
        true => Err(Error::argument(class_name, "size", "at least 1", 0)),
    }
}

/// Repeats each step of sequences: `(batch, steps, columns)` gives `(batch, size steps, columns)`.
///
/// Source: <https://keras.io/api/layers/reshaping_layers/up_sampling1d/>
///
/// # Examples
///
/// ```
/// use horn::layers::UpSampling1D;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Input::new([4, 2])).add(UpSampling1D::new(3));
/// model.build()?;
/// assert_eq!(model.output_shape()?, [12, 2]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpSampling1D {
    #[serde(flatten)]
    base: Base,
    size: usize,
}

impl Default for UpSampling1D {
    fn default() -> Self {
        UpSampling1D::new(2)
    }
}

impl UpSampling1D {
    /// Each step so many times; Keras's default is 2.
    pub fn new(size: usize) -> Self {
        UpSampling1D {
            base: Base::default(),
            size,
        }
    }

    shared_settings!(builder);
}

impl Layer for UpSampling1D {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        up(
            x,
            [self.size],
            DataFormat::ChannelsLast,
            Interpolation::Nearest,
        )
    }

    fn class_name(&self) -> &str {
        "UpSampling1D"
    }

    fn validate(&self) -> Result<()> {
        check("UpSampling1D", &[self.size])
    }

    shared_settings!(layer);
}

macro_rules! up_sampling {
    ($(#[$doc:meta])* $Name:ident, $n:literal, $row:literal $(, $interpolation:ident)?) => {
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
        #[doc = concat!("    .add(", stringify!($Name), "::new(3));")]
        /// model.build()?;
        /// assert_eq!(model.output_shape()?[0], 12);
        /// # Ok::<(), horn::Error>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $Name {
            #[serde(flatten)]
            base: Base,
            size: Sizes<$n>,
            #[serde(deserialize_with = "or_default")]
            data_format: DataFormat,
            $(#[serde(deserialize_with = "any_case")]
            $interpolation: Interpolation,)?
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name::new(2)
            }
        }

        impl $Name {
            /// So many times along each axis, one number for all or one each; Keras's default is 2.
            pub fn new(size: impl Into<Sizes<$n>>) -> Self {
                $Name {
                    base: Base::default(),
                    size: size.into(),
                    data_format: DataFormat::default(),
                    $($interpolation: Interpolation::default(),)?
                }
            }

            /// Where the channels stand. Default: behind.
            pub fn data_format(mut self, format: DataFormat) -> Self {
                self.data_format = format;
                self
            }

            $(
                /// How new pixels are made of old ones. Default: the nearest is repeated.
                pub fn $interpolation(mut self, interpolation: Interpolation) -> Self {
                    self.$interpolation = interpolation;
                    self
                }
            )?

            shared_settings!(builder);
        }

        impl Layer for $Name {
            fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
                #[allow(unused_mut, unused_assignments)]
                let mut how = Interpolation::Nearest;
                $(how = self.$interpolation;)?
                up(x, self.size.0, self.data_format, how)
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            fn validate(&self) -> Result<()> {
                check(stringify!($Name), &self.size.0)
            }

            shared_settings!(layer);
        }
    };
}

up_sampling! {
    /// Makes images larger: `(batch, height, width, channels)` gives
    /// `(batch, size[0] height, size[1] width, channels)`.
    UpSampling2D, 2, "[4, 4, 2]", interpolation
}

up_sampling! {
    /// Makes volumes larger, each element repeated along the three inner axes of
    /// `(batch, depth, height, width, channels)`.
    UpSampling3D, 3, "[4, 4, 4, 2]"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Probe;

    fn larger(layer: &dyn Layer, shape: &[usize], x: &[f32]) -> Vec<f32> {
        let mut probe = Probe::layer(layer, shape, false).unwrap();
        probe.set_inputs(&[x.to_vec()]);
        probe.forward()
    }

    fn assert_close(got: &[f32], want: &[f32]) {
        let close = got
            .iter()
            .zip(want)
            .all(|(got, want)| (got - want).abs() < 2e-6);
        assert!(got.len() == want.len() && close, "{got:?}, not {want:?}");
    }

    #[test]
    fn interpolations_are_those_of_keras() {
        // UpSampling2D((2, 1), interpolation=...) of [1, 2, 4, -1] in Keras 3.15.
        let cases: [(Interpolation, [f32; 8]); 5] = [
            (
                Interpolation::Nearest,
                [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, -1.0, -1.0],
            ),
            (
                Interpolation::Bilinear,
                [1.0, 1.25, 1.75, 2.5, 3.5, 2.75, 0.25, -1.0],
            ),
            (
                Interpolation::Bicubic,
                [
                    0.911_764_8,
                    1.145_985,
                    1.641_221,
                    2.593_75,
                    3.968_75,
                    3.030_534,
                    -0.007_299_3,
                    -1.441_177,
                ],
            ),
            (
                Interpolation::Lanczos3,
                [
                    0.945_621_3,
                    1.047_375,
                    1.407_99,
                    2.913_537,
                    4.341_134,
                    2.888_535,
                    0.056_796,
                    -1.729_522,
                ],
            ),
            (
                Interpolation::Lanczos5,
                [
                    1.139_491,
                    0.896_201_4,
                    1.247_366,
                    3.145_332,
                    4.592_77,
                    2.782_784,
                    0.087_038_8,
                    -1.854_249,
                ],
            ),
        ];
        for (how, want) in cases {
            let layer = UpSampling2D::new([2, 1]).interpolation(how);
            assert_close(
                &larger(&layer, &[1, 4, 1, 1], &[1.0, 2.0, 4.0, -1.0]),
                &want,
            );
            // The same with the channels before, and along the other axis.
            let first = UpSampling2D::new([1, 2])
                .interpolation(how)
                .data_format(DataFormat::ChannelsFirst);
            assert_close(
                &larger(&first, &[1, 1, 1, 4], &[1.0, 2.0, 4.0, -1.0]),
                &want,
            );
        }
    }

    #[test]
    fn elements_are_repeated() {
        let y = larger(&UpSampling1D::new(2), &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(y, [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
        let y = larger(&UpSampling3D::new([1, 2, 1]), &[1, 1, 1, 2, 1], &[1.0, 2.0]);
        assert_eq!(y, [1.0, 2.0, 1.0, 2.0]);
        let first = UpSampling3D::new([1, 1, 2]).data_format(DataFormat::ChannelsFirst);
        assert_eq!(
            larger(&first, &[1, 2, 1, 1, 1], &[1.0, 2.0]),
            [1.0, 1.0, 2.0, 2.0]
        );
    }

    #[test]
    fn gradients_agree() {
        for how in ["nearest", "bilinear", "bicubic", "lanczos3", "Lanczos5"] {
            let config = json!({"size": [2, 3], "interpolation": how});
            let layer: UpSampling2D = serde_json::from_value(config).unwrap();
            let mut probe = Probe::layer(&layer, &[2, 3, 2, 2], true).unwrap();
            probe.randomize(1);
            assert!(probe.check_gradients(1).unwrap() < 1e-2, "{how}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_errors() {
        let bilinear = |size: usize| UpSampling2D::new(size).interpolation(Interpolation::Bilinear);
        let cases: [(&dyn Layer, &[usize], &str); 7] = [
            (
                &UpSampling1D::new(0),
                &[2, 3, 1],
                "`UpSampling1D`: `size` must be at least 1",
            ),
            (
                &UpSampling2D::new([2, 0]),
                &[2, 3, 3, 1],
                "`UpSampling2D`: `size`",
            ),
            (
                &UpSampling3D::new(0),
                &[2, 3, 3, 3, 1],
                "`UpSampling3D`: `size`",
            ),
            (&UpSampling1D::new(usize::MAX), &[2, 3, 1], "too large"),
            (&bilinear(usize::MAX), &[2, 3, 3, 1], "too large"),
            (&bilinear(1 << 40), &[2, 3, 3, 1], "too large"),
            (&UpSampling2D::new(2), &[2, 3, 3], "4 axes"),
        ];
        for (layer, shape, wanted) in cases {
            let found = Probe::layer(layer, shape, false).unwrap_err().to_string();
            assert!(found.contains(wanted), "{found}");
        }
        assert!(serde_json::from_value::<UpSampling2D>(json!({"interpolation": "area"})).is_err());
    }
}
