//! [`STFT`], the kernel of a short-time Fourier transform.

use std::f32::consts::PI;

use serde_json::{Value, json};

use super::windows::window;
use super::{Initializer, Settings, name_of, require, require_shape};
use crate::error::{Error, Result};
use crate::random::Rng;

/// Which part of the complex numbers [`STFT`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Side {
    /// The real part, of cosines.
    #[default]
    Real,
    /// The imaginary part, of sines.
    Imag,
}

impl Side {
    /// Keras's names.
    const NAMES: [(&'static str, Self); 2] = [("real", Side::Real), ("imag", Side::Imag)];
}

/// What [`STFT`] divides its window by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scaling {
    /// The root of the sum of its squares.
    #[default]
    Density,
    /// The sum of its numbers' sizes.
    Spectrum,
}

impl Scaling {
    /// Keras's names.
    const NAMES: [(&'static str, Self); 2] = [
        ("density", Scaling::Density),
        ("spectrum", Scaling::Spectrum),
    ];
}

/// What [`STFT`] weighs the times with: a window of SciPy's names, or numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// All times count the same, and nothing is scaled.
    None,
    /// The one of a name that needs no settings: `hann`, `hamming`, `blackman`, `boxcar`, ...
    Named(String),
    /// These numbers, one for each time.
    Values(Vec<f32>),
}

impl From<&str> for Window {
    fn from(name: &str) -> Self {
        Window::Named(name.to_string())
    }
}

impl From<Vec<f32>> for Window {
    fn from(values: Vec<f32>) -> Self {
        Window::Values(values)
    }
}

/// Fills the kernel of a convolution that computes a short-time Fourier transform, its real or its
/// imaginary part: `k[t, 0, f] = w[t] cos(-2π t f / n) / scaling`, or `sin`, with
/// `n = 2 (frequencies - 1)`.
///
/// Its shape is `(times, 1, frequencies)`, with at least two frequencies: the second half of them,
/// which mirrors the first, is left out. Defaults: real, window `hann`, scaling of a density, not
/// periodic. Without a window there is no scaling either, as in Keras.
///
/// Source: <https://keras.io/api/layers/initializers/#stft-class>
///
/// # Examples
///
/// ```
/// use horn::initializers::{Initializer, STFT, Side, Window};
/// use horn::random::{self, Purpose};
///
/// let mut kernel = [0.0; 4 * 3];
/// let mut rng = random::stream(7, Purpose::Weights, "", 0);
/// STFT::new().side(Side::Imag).window(Window::None).fill(&[4, 1, 3], &mut rng, &mut kernel)?;
/// // Time 1: the sines of 0, a quarter and a half turn back.
/// assert!((kernel[4] + 1.0).abs() < 1e-6 && kernel[5].abs() < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct STFT {
    side: Side,
    window: Window,
    scaling: Option<Scaling>,
    periodic: bool,
}

impl Default for STFT {
    fn default() -> Self {
        STFT {
            side: Side::default(),
            window: "hann".into(),
            scaling: Some(Scaling::default()),
            periodic: false,
        }
    }
}

impl STFT {
    /// The real part, with a window `hann`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which part, [`Side::Real`] by default.
    pub fn side(mut self, side: Side) -> Self {
        self.side = side;
        self
    }

    /// The window, `hann` by default: a name, numbers, or [`Window::None`].
    pub fn window(mut self, window: impl Into<Window>) -> Self {
        self.window = window.into();
        self
    }

    /// What the window is divided by, [`Scaling::Density`] by default; nothing with `None`.
    pub fn scaling(mut self, scaling: impl Into<Option<Scaling>>) -> Self {
        self.scaling = scaling.into();
        self
    }

    /// Whether a window of a name is one that repeats, false by default.
    pub fn periodic(mut self, periodic: bool) -> Self {
        self.periodic = periodic;
        self
    }

    /// One with the settings of a Keras configuration, where null is no window and no scaling.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self> {
        let absent = |key: &str| settings.config.get(key).is_some_and(Value::is_null);
        let scaling = settings.choice("scaling", Scaling::default(), &Scaling::NAMES)?;
        let expected = "the name of a window, numbers, or null";
        let window = settings.read("window", "hann".into(), expected, read_window)?;
        Ok(STFT {
            side: settings.choice("side", Side::default(), &Side::NAMES)?,
            window: match absent("window") {
                true => Window::None,
                false => window,
            },
            scaling: (!absent("scaling")).then_some(scaling),
            periodic: settings.read("periodic", false, "true or false", Value::as_bool)?,
        })
    }

    /// The window's numbers, divided by what they are scaled by.
    fn weights(&self, times: usize) -> Result<Option<Vec<f32>>> {
        let weights: Vec<f32> = match &self.window {
            Window::None => return Ok(None),
            Window::Named(name) => window(name, times, self.periodic)
                .ok_or_else(|| {
                    let known = "the name of a window without settings of its own";
                    Error::argument("STFT", "window", known, format!("`{name}`"))
                })?
                .into_iter()
                .map(|weight| weight as f32)
                .collect(),
            Window::Values(values) => values.clone(),
        };
        let fits = weights.len() == times;
        let expected = format!("{times} numbers, one for each time");
        require(fits, "STFT", "window", &expected, weights.len())?;
        let over = |part: fn(f64) -> f64| weights.iter().map(|w| part(f64::from(*w))).sum::<f64>();
        let scale = match self.scaling {
            None => 1.0,
            Some(Scaling::Density) => over(|w| w * w).sqrt(),
            Some(Scaling::Spectrum) => over(f64::abs),
        };
        require(scale > 0.0, "STFT", "window", "not 0 everywhere", scale)?;
        let scaled = weights.iter().map(|w| (f64::from(*w) / scale) as f32);
        Ok(Some(scaled.collect()))
    }
}

/// A name, or numbers, which Keras also writes as an object around them.
fn read_window(value: &Value) -> Option<Window> {
    match value.pointer("/config/value").unwrap_or(value) {
        Value::String(name) => window(name, 1, false).map(|_| Window::Named(name.clone())),
        Value::Array(all) => {
            let numbers = all.iter().map(|v| v.as_f64().map(|v| v as f32));
            numbers.collect::<Option<_>>().map(Window::Values)
        }
        _ => None,
    }
}

impl Initializer for STFT {
    fn class_name(&self) -> &str {
        "STFT"
    }

    fn fill(&self, shape: &[usize], _: &mut Rng, out: &mut [f32]) -> Result<()> {
        let (times, frequencies) = match *shape {
            [times, 1, frequencies] if frequencies > 1 => (times, frequencies),
            _ => {
                let expected = "(times, 1, frequencies) with at least two frequencies";
                return Err(Error::argument(
                    "STFT",
                    "shape",
                    expected,
                    format!("{shape:?}"),
                ));
            }
        };
        require_shape("STFT", shape, out)?;
        let weights = self.weights(times)?;
        let turn = (2 * (frequencies - 1)) as f32;
        for (time, row) in out.chunks_exact_mut(frequencies).enumerate() {
            let weight = weights
                .as_ref()
                .and_then(|all| all.get(time))
                .unwrap_or(&1.0);
            for (frequency, value) in row.iter_mut().enumerate() {
                // Rounded as Keras rounds it, whose kernels are those of rounded angles.
                let angle = f64::from(-2.0 * time as f32 * (frequency as f32 / turn) * PI);
                *value = weight
                    * match self.side {
                        Side::Real => angle.cos() as f32,
                        Side::Imag => angle.sin() as f32,
                    };
            }
        }
        Ok(())
    }

    fn config(&self) -> Value {
        let window = match &self.window {
            Window::None => Value::Null,
            Window::Named(name) => json!(name),
            Window::Values(values) => json!(values),
        };
        json!({
            "side": name_of(self.side, &Side::NAMES),
            "window": window,
            "scaling": self.scaling.map(|scaling| name_of(scaling, &Scaling::NAMES)),
            "periodic": self.periodic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initializers::{from_keras, get, to_keras};
    use crate::random::{self, Purpose};

    fn fill(stft: &STFT, shape: &[usize]) -> Result<Vec<f32>> {
        let mut out = vec![f32::NAN; shape.iter().product()];
        stft.fill(
            shape,
            &mut random::stream(1, Purpose::Weights, "", 0),
            &mut out,
        )?;
        Ok(out)
    }

    fn assert_close(got: &[f32], want: &[f32]) {
        let close = got
            .iter()
            .zip(want)
            .all(|(got, want)| (got - want).abs() < 1e-7);
        assert!(got.len() == want.len() && close, "{got:?}, not {want:?}");
    }

    #[test]
    fn kernels_are_those_of_keras() {
        // Of shape (4, 1, 3) in Keras 3.15.
        let root = std::f32::consts::FRAC_1_SQRT_2;
        assert_close(
            &fill(&STFT::new(), &[4, 1, 3]).unwrap(),
            &[
                0.0, 0.0, 0.0, root, 0.0, -root, root, -root, root, 0.0, 0.0, 0.0,
            ],
        );
        let imag = STFT::new()
            .side(Side::Imag)
            .window("hamming")
            .scaling(Scaling::Spectrum)
            .periodic(true);
        let want = [
            0.0, 0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0,
        ];
        assert_close(&fill(&imag, &[4, 1, 3]).unwrap(), &want);
        let bare = fill(&STFT::new().window(Window::None), &[4, 1, 3]).unwrap();
        assert_close(
            &bare,
            &[
                1.0, 1.0, 1.0, 1.0, 0.0, -1.0, 1.0, -1.0, 1.0, 1.0, 0.0, -1.0,
            ],
        );
        let own = STFT::new().window(vec![0.5, 1.0, 2.0, -1.0]).scaling(None);
        assert_close(
            &fill(&own, &[4, 1, 3]).unwrap(),
            &[
                0.5, 0.5, 0.5, 1.0, 0.0, -1.0, 2.0, -2.0, 2.0, -1.0, 0.0, 1.0,
            ],
        );
        // Far out, where angles are rounded.
        let large = fill(&STFT::new(), &[128, 1, 65]).unwrap();
        let some = [5 * 65 + 7, 100 * 65 + 33, 64 * 65 + 64, 77 * 65 + 53].map(|i| large[i]);
        assert_close(
            &some,
            &[-0.000_323_608_34, 0.010_843_648, 0.144_882_56, 0.095_832_38],
        );
    }

    #[test]
    fn configurations_are_those_of_keras() {
        let written = json!({"side": "real", "window": "hann", "periodic": false,
            "scaling": "density"});
        assert_eq!(to_keras(&get("stft").unwrap())["config"], written);
        let bare = json!({"class_name": "STFTInitializer", "config": {"side": "imag",
            "window": null, "periodic": true, "scaling": null}});
        assert_eq!(from_keras(&bare).unwrap().config(), bare["config"]);
        let array = json!({"class_name": "__numpy__", "config": {"value": [0.5, 1.0]}});
        let given = json!({"class_name": "STFT", "config": {"window": array}});
        assert_eq!(
            from_keras(&given).unwrap().config()["window"],
            json!([0.5, 1.0])
        );
        for (key, value) in [
            ("side", json!("left")),
            ("window", json!("kaiser")),
            ("window", json!(["hann"])),
            ("scaling", json!("power")),
            ("periodic", json!(1)),
        ] {
            let wrong = json!({"class_name": "STFT", "config": {key: value}});
            let found = from_keras(&wrong).unwrap_err().to_string();
            assert!(found.contains(&format!("`{key}` must be")), "{found}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_an_error() {
        let cases: [(STFT, &[usize], &str); 6] = [
            (STFT::new(), &[4, 2, 3], "(times, 1, frequencies)"),
            (STFT::new(), &[4, 1, 1], "at least two frequencies"),
            (STFT::new(), &[4, 3], "got [4, 3]"),
            (STFT::new().window("kaiser"), &[4, 1, 3], "got `kaiser`"),
            (STFT::new().window(vec![1.0]), &[4, 1, 3], "4 numbers"),
            (
                STFT::new().window(vec![0.0; 4]),
                &[4, 1, 3],
                "not 0 everywhere",
            ),
        ];
        for (stft, shape, wanted) in cases {
            let found = fill(&stft, shape).unwrap_err().to_string();
            assert!(found.contains(wanted), "{found}");
        }
        assert!(fill(&STFT::new(), &[0, 1, 3]).is_err());
    }
}
