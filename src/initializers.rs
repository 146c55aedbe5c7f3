//! How variables start: constants, random distributions, orthogonal matrices.
//!
//! An [`Initializer`] fills the values of one variable. Those with a `seed` of their own give
//! the same numbers at every call, as in Keras; the others draw from the model's stream for
//! the variable.
//!
//! # Examples
//!
//! ```
//! use horn::initializers::{self, Initializer, RandomUniform};
//! use horn::random::{self, Purpose};
//!
//! let mut kernel = [0.0; 8 * 12];
//! let mut rng = random::stream(7, Purpose::Weights, "dense/kernel", 0);
//! RandomUniform::new().fill(&[8, 12], &mut rng, &mut kernel)?;
//! assert!(kernel.iter().all(|w| (-0.05..0.05).contains(w)));
//!
//! // The same by Keras's name.
//! let uniform = initializers::get("random_uniform")?;
//! assert_eq!(uniform.class_name(), "RandomUniform");
//! # Ok::<(), horn::Error>(())
//! ```

mod fans;
mod stft;
mod windows;

pub use fans::fans;
pub use stft::{STFT, Scaling, Side, Window};

use fans::FanAxes;

use crate::error::{Error, Result};
use crate::random::{self, Purpose, Rng};
use crate::registry;
use serde_json::{Map, Value, json};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// Gives a variable its first values.
///
/// # Examples
///
/// An initializer of one's own:
///
/// ```
/// use horn::initializers::Initializer;
/// use horn::random::{self, Purpose, Rng};
///
/// /// Zeros, but for one value in ten.
/// #[derive(Debug)]
/// struct Sparse;
///
/// impl Initializer for Sparse {
///     fn class_name(&self) -> &str {
///         "Sparse"
///     }
///     fn fill(&self, _: &[usize], rng: &mut Rng, out: &mut [f32]) -> horn::Result<()> {
///         for value in out {
///             let kept = random::below(10, rng) == 0;
///             *value = if kept { random::normal(rng) as f32 } else { 0.0 };
///         }
///         Ok(())
///     }
/// }
///
/// let mut kernel = [0.0; 100];
/// let mut rng = random::stream(7, Purpose::Weights, "dense/kernel", 0);
/// Sparse.fill(&[10, 10], &mut rng, &mut kernel)?;
/// assert!(kernel.iter().filter(|w| **w != 0.0).count() < 50);
/// # Ok::<(), horn::Error>(())
/// ```
pub trait Initializer: Any + Debug + Send + Sync {
    /// Keras's class name, for example `GlorotUniform`.
    fn class_name(&self) -> &str;

    /// Fills `out`, the values of a variable of the given shape in row-major order.
    ///
    /// # Errors
    ///
    /// When a setting lies outside the values it may take, or the shape is one that the
    /// initializer cannot fill.
    fn fill(&self, shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()>;

    /// The settings as Keras's `get_config` gives them; none by default.
    fn config(&self) -> Value {
        json!({})
    }
}

impl<I: Initializer + ?Sized> Initializer for Arc<I> {
    fn class_name(&self) -> &str {
        (**self).class_name()
    }

    fn fill(&self, shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        (**self).fill(shape, rng, out)
    }

    fn config(&self) -> Value {
        (**self).config()
    }
}

/// The initializer of a name: Keras's class name (`GlorotUniform`), the same in snake case
/// (`glorot_uniform`), or one of its short forms (`zero`, `one`, `uniform`, `normal`).
///
/// # Errors
///
/// When there is no initializer of that name; the message offers the nearest ones.
///
/// # Examples
///
/// ```
/// use horn::initializers;
///
/// assert_eq!(initializers::get("he_normal")?.class_name(), "HeNormal");
/// let error = initializers::get("glorot_unifrom").unwrap_err();
/// assert!(error.to_string().contains("did you mean `glorot_uniform`"));
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Arc<dyn Initializer>> {
    build(name, &Map::new())
}

/// The initializer that a Keras configuration describes: a name, or an object with
/// `class_name` and `config`.
///
/// # Errors
///
/// When there is no initializer of that name, or a setting is not of its type.
///
/// # Examples
///
/// ```
/// use horn::initializers;
/// use serde_json::json;
///
/// let he = initializers::from_keras(&json!({
///     "class_name": "HeNormal",
///     "config": {"seed": 3},
/// }))?;
/// assert_eq!(initializers::to_keras(&he)["config"]["seed"], 3);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_keras(value: &Value) -> Result<Arc<dyn Initializer>> {
    let empty = Map::new();
    match (value, value.get("class_name")) {
        (Value::String(name), _) => build(name, &empty),
        (_, Some(Value::String(name))) => {
            let config = value.get("config").and_then(Value::as_object);
            build(name, config.unwrap_or(&empty))
        }
        _ => Err(Error::Config {
            class_name: "Initializer".to_string(),
            message: format!("expected a name, or an object with `class_name`, got {value}"),
        }),
    }
}

/// The Keras configuration of an initializer: an object with `class_name` and `config`.
///
/// # Examples
///
/// ```
/// use horn::initializers::{self, RandomNormal};
/// use serde_json::json;
///
/// assert_eq!(
///     initializers::to_keras(&RandomNormal::new()),
///     json!({"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.05, "seed": null}}),
/// );
/// ```
pub fn to_keras(initializer: &dyn Initializer) -> Value {
    json!({"class_name": initializer.class_name(), "config": initializer.config()})
}

/// Makes an initializer with the settings of a Keras configuration.
type Build = fn(&Settings) -> Result<Arc<dyn Initializer>>;

/// The names that [`get`] knows (Keras's: class, snake case, short forms) and what they make.
const TABLE: [(&[&str], Build); 16] = [
    (&["Zeros", "zeros", "zero"], |_| Ok(Arc::new(Zeros))),
    (&["Ones", "ones", "one"], |_| Ok(Arc::new(Ones))),
    (&["Constant", "constant"], |s| {
        Ok(Arc::new(Constant {
            value: s.number("value", 0.0)?,
        }))
    }),
    (&["Identity", "identity", "IdentityInitializer"], |s| {
        Ok(Arc::new(Identity {
            gain: s.number("gain", 1.0)?,
        }))
    }),
    (&["RandomUniform", "random_uniform", "uniform"], |s| {
        Ok(Arc::new(RandomUniform {
            minval: s.number("minval", -0.05)?,
            maxval: s.number("maxval", 0.05)?,
            seed: s.seed()?,
        }))
    }),
    (&["RandomNormal", "random_normal", "normal"], |s| {
        Ok(Arc::new(RandomNormal {
            mean: s.number("mean", 0.0)?,
            stddev: s.number("stddev", 0.05)?,
            seed: s.seed()?,
        }))
    }),
    (&["TruncatedNormal", "truncated_normal"], |s| {
        Ok(Arc::new(TruncatedNormal {
            mean: s.number("mean", 0.0)?,
            stddev: s.number("stddev", 0.05)?,
            seed: s.seed()?,
        }))
    }),
    (&["VarianceScaling", "variance_scaling"], |s| {
        Ok(Arc::new(VarianceScaling {
            scale: s.number("scale", 1.0)?,
            mode: s.choice("mode", Mode::FanIn, &Mode::NAMES)?,
            distribution: s.choice(
                "distribution",
                Distribution::TruncatedNormal,
                &Distribution::NAMES,
            )?,
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (&["GlorotUniform", "glorot_uniform"], |s| {
        Ok(Arc::new(GlorotUniform {
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (&["GlorotNormal", "glorot_normal"], |s| {
        Ok(Arc::new(GlorotNormal {
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (&["HeUniform", "he_uniform"], |s| {
        Ok(Arc::new(HeUniform {
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (&["HeNormal", "he_normal"], |s| {
        Ok(Arc::new(HeNormal {
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (&["LecunUniform", "lecun_uniform"], |s| {
        Ok(Arc::new(LecunUniform {
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (&["LecunNormal", "lecun_normal"], |s| {
        Ok(Arc::new(LecunNormal {
            axes: s.axes()?,
            seed: s.seed()?,
        }))
    }),
    (
        &["Orthogonal", "orthogonal", "OrthogonalInitializer"],
        |s| {
            Ok(Arc::new(Orthogonal {
                gain: s.number("gain", 1.0)?,
                seed: s.seed()?,
            }))
        },
    ),
    (&["STFT", "stft", "STFTInitializer"], |s| {
        Ok(Arc::new(STFT::from_settings(s)?))
    }),
];

/// The initializer of a name with the settings of a Keras configuration.
fn build(name: &str, config: &Map<String, Value>) -> Result<Arc<dyn Initializer>> {
    if let Some((_, make)) = TABLE.iter().find(|(names, _)| names.contains(&name)) {
        return make(&Settings { name, config });
    }
    let made = OWN.make(name, &Value::Object(config.clone()));
    made.unwrap_or_else(|| {
        let own = OWN.names();
        let known = TABLE.iter().flat_map(|(names, _)| names.iter().copied());
        let known = known.chain(own.iter().map(String::as_str));
        Err(Error::unknown("initializer", name, known))
    })
}

registry::own!("initializer", Initializer, Arc, |name| {
    TABLE.iter().any(|(names, _)| names.contains(&name))
});

/// The settings in a Keras configuration, each with its default.
struct Settings<'a> {
    name: &'a str,
    config: &'a Map<String, Value>,
}

impl Settings<'_> {
    /// The setting `key` as `read` understands it; `default` when it is absent or null.
    fn read<T>(
        &self,
        key: &str,
        default: T,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T> {
        match self.config.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => read(value).ok_or_else(|| Error::Config {
                class_name: self.name.to_string(),
                message: format!("`{key}` must be {expected}, got {value}"),
            }),
        }
    }

    fn axes(&self) -> Result<FanAxes> {
        FanAxes::read(self.config).map_err(|key| {
            let found = self.config.get(key).unwrap_or(&Value::Null);
            Error::Config {
                class_name: self.name.to_string(),
                message: format!("`{key}` must be a list of axes, got {found}"),
            }
        })
    }

    fn number(&self, key: &str, default: f64) -> Result<f64> {
        self.read(key, default, "a number", Value::as_f64)
    }

    fn seed(&self) -> Result<Option<u64>> {
        // Keras writes a seed that is itself a generator as an object around the number.
        let number = |value: &Value| value.pointer("/config/seed").unwrap_or(value).as_u64();
        self.read("seed", None, "a whole number from 0", |v| {
            number(v).map(Some)
        })
    }

    fn choice<T: Copy>(&self, key: &str, default: T, names: &[(&str, T)]) -> Result<T> {
        let expected: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
        self.read(key, default, &expected.join(" or "), |value| {
            let value = value.as_str()?.to_lowercase();
            let found = names.iter().find(|(name, _)| *name == value)?;
            Some(found.1)
        })
    }
}

/// Draws from the stream of an initializer's own seed, or from the model's when it has none.
fn draw<R>(seed: Option<u64>, rng: &mut Rng, draw: impl FnOnce(&mut Rng) -> R) -> R {
    match seed {
        Some(seed) => draw(&mut random::stream(seed, Purpose::Weights, "", 0)),
        None => draw(rng),
    }
}

/// An error unless `valid`, which must also be false for NaN.
fn require(
    valid: bool,
    owner: &str,
    argument: &str,
    expected: &str,
    found: impl std::fmt::Display,
) -> Result<()> {
    if valid {
        Ok(())
    } else {
        Err(Error::argument(owner, argument, expected, found))
    }
}

/// An error unless `out` holds the values of `shape`.
fn require_shape(owner: &str, shape: &[usize], out: &[f32]) -> Result<()> {
    let size: usize = shape.iter().product();
    require(
        size == out.len(),
        owner,
        "out",
        &format!("{size} values for the shape {shape:?}"),
        out.len(),
    )
}

/// Fills with the uniform distribution over `[minval, maxval)`.
fn fill_uniform(minval: f64, maxval: f64, rng: &mut Rng, out: &mut [f32]) {
    let scale = (maxval - minval) / (1u64 << 32) as f64;
    let below = (maxval as f32).next_down().max(minval as f32);
    for value in out {
        let drawn = minval + f64::from(random::bits(rng)) * scale;
        // Rounding to f32 may reach the open end.
        *value = (drawn as f32).min(below);
    }
}

/// Fills with `mean + stddev * z`, where `z` is what `standard` draws.
fn fill_normal(
    mean: f64,
    stddev: f64,
    rng: &mut Rng,
    out: &mut [f32],
    standard: impl Fn(&mut Rng) -> f64,
) {
    for value in out {
        *value = (mean + stddev * standard(rng)) as f32;
    }
}

/// Fills a variable with zeros.
///
/// # Examples
///
/// ```
/// use horn::initializers::{Initializer, Zeros};
/// use horn::random::{self, Purpose};
///
/// let mut bias = [1.0; 3];
/// Zeros.fill(&[3], &mut random::stream(7, Purpose::Weights, "", 0), &mut bias)?;
/// assert_eq!(bias, [0.0; 3]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zeros;

impl Initializer for Zeros {
    fn class_name(&self) -> &str {
        "Zeros"
    }

    fn fill(&self, _: &[usize], _: &mut Rng, out: &mut [f32]) -> Result<()> {
        out.fill(0.0);
        Ok(())
    }
}

/// Fills a variable with ones.
///
/// # Examples
///
/// ```
/// use horn::initializers::{Initializer, Ones};
/// use horn::random::{self, Purpose};
///
/// let mut gamma = [0.0; 3];
/// Ones.fill(&[3], &mut random::stream(7, Purpose::Weights, "", 0), &mut gamma)?;
/// assert_eq!(gamma, [1.0; 3]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ones;

impl Initializer for Ones {
    fn class_name(&self) -> &str {
        "Ones"
    }

    fn fill(&self, _: &[usize], _: &mut Rng, out: &mut [f32]) -> Result<()> {
        out.fill(1.0);
        Ok(())
    }
}

/// Fills a variable with one value, 0 by default.
///
/// # Examples
///
/// ```
/// use horn::initializers::{Constant, Initializer};
/// use horn::random::{self, Purpose};
///
/// let mut bias = [0.0; 3];
/// Constant::new(0.1).fill(&[3], &mut random::stream(7, Purpose::Weights, "", 0), &mut bias)?;
/// assert_eq!(bias, [0.1; 3]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Constant {
    /// The value.
    pub value: f64,
}

impl Constant {
    /// An initializer that fills with `value`.
    pub fn new(value: impl Into<f64>) -> Self {
        Constant {
            value: value.into(),
        }
    }
}

impl Initializer for Constant {
    fn class_name(&self) -> &str {
        "Constant"
    }

    fn fill(&self, _: &[usize], _: &mut Rng, out: &mut [f32]) -> Result<()> {
        let finite = self.value.is_finite();
        require(finite, "Constant", "value", "a finite number", self.value)?;
        out.fill(self.value as f32);
        Ok(())
    }

    fn config(&self) -> Value {
        json!({"value": self.value})
    }
}

/// Fills a matrix with `gain` (1 by default) on its diagonal and zeros elsewhere.
///
/// Its shape is `(rows, columns)`, square or not.
///
/// Keras reads a `gain` and never writes it, so that its files lose it; here one that is not 1 is
/// written.
///
/// # Examples
///
/// ```
/// use horn::initializers::{Identity, Initializer};
/// use horn::random::{self, Purpose};
///
/// let mut kernel = [0.0; 6];
/// let mut rng = random::stream(7, Purpose::Weights, "", 0);
/// Identity::new().gain(2.0).fill(&[2, 3], &mut rng, &mut kernel)?;
/// assert_eq!(kernel, [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Identity {
    /// The value on the diagonal.
    pub gain: f64,
}

impl Default for Identity {
    fn default() -> Self {
        Identity { gain: 1.0 }
    }
}

impl Identity {
    /// The identity matrix.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value on the diagonal, 1 by default.
    pub fn gain(mut self, gain: impl Into<f64>) -> Self {
        self.gain = gain.into();
        self
    }
}

impl Initializer for Identity {
    fn class_name(&self) -> &str {
        "Identity"
    }

    fn fill(&self, shape: &[usize], _: &mut Rng, out: &mut [f32]) -> Result<()> {
        let finite = self.gain.is_finite();
        require(finite, "Identity", "gain", "a finite number", self.gain)?;
        let [rows, columns] = *shape else {
            return Err(Error::argument(
                "Identity",
                "shape",
                "that of a matrix, (rows, columns)",
                format!("{shape:?}"),
            ));
        };
        require_shape("Identity", shape, out)?;
        out.fill(0.0);
        for diagonal in out.iter_mut().step_by(columns + 1).take(rows.min(columns)) {
            *diagonal = self.gain as f32;
        }
        Ok(())
    }

    fn config(&self) -> Value {
        match self.gain == 1.0 {
            true => json!({}),
            false => json!({"gain": self.gain}),
        }
    }
}

/// Fills a variable from the uniform distribution over `[minval, maxval)`, -0.05 and 0.05 by
/// default.
///
/// # Examples
///
/// ```
/// use horn::initializers::{Initializer, RandomUniform};
/// use horn::random::{self, Purpose};
///
/// let mut kernel = [0.0; 6];
/// let mut rng = random::stream(7, Purpose::Weights, "", 0);
/// RandomUniform::new().minval(1.0).maxval(2.0).fill(&[2, 3], &mut rng, &mut kernel)?;
/// assert!(kernel.iter().all(|w| (1.0..2.0).contains(w)));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomUniform {
    minval: f64,
    maxval: f64,
    seed: Option<u64>,
}

impl Default for RandomUniform {
    fn default() -> Self {
        RandomUniform {
            minval: -0.05,
            maxval: 0.05,
            seed: None,
        }
    }
}

impl RandomUniform {
    /// The uniform distribution over `[-0.05, 0.05)`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lower end, -0.05 by default.
    pub fn minval(mut self, minval: impl Into<f64>) -> Self {
        self.minval = minval.into();
        self
    }

    /// The upper end, 0.05 by default.
    pub fn maxval(mut self, maxval: impl Into<f64>) -> Self {
        self.maxval = maxval.into();
        self
    }

    /// A seed of its own: the same numbers at every call. None by default: the model's stream.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl Initializer for RandomUniform {
    fn class_name(&self) -> &str {
        "RandomUniform"
    }

    fn fill(&self, _: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        let (minval, maxval) = (self.minval, self.maxval);
        let finite = minval.is_finite() && maxval.is_finite();
        require(
            finite && minval <= maxval,
            "RandomUniform",
            "minval",
            "at most `maxval`, both finite",
            format_args!("minval {minval} and maxval {maxval}"),
        )?;
        draw(self.seed, rng, |rng| fill_uniform(minval, maxval, rng, out));
        Ok(())
    }

    fn config(&self) -> Value {
        json!({"minval": self.minval, "maxval": self.maxval, "seed": self.seed})
    }
}

/// Defines a normal distribution with Keras's settings; the two differ in how the standard
/// normal number is drawn.
macro_rules! normal {
    ($(#[$docs:meta])* $name:ident, $standard:path) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name {
            mean: f64,
            stddev: f64,
            seed: Option<u64>,
        }

        impl Default for $name {
            fn default() -> Self {
                $name {
                    mean: 0.0,
                    stddev: 0.05,
                    seed: None,
                }
            }
        }

        impl $name {
            /// Mean 0, standard deviation 0.05.
            pub fn new() -> Self {
                Self::default()
            }

            /// The mean, 0 by default.
            pub fn mean(mut self, mean: impl Into<f64>) -> Self {
                self.mean = mean.into();
                self
            }

            /// The standard deviation (of the normal distribution, before any cut), 0.05 by
            /// default.
            pub fn stddev(mut self, stddev: impl Into<f64>) -> Self {
                self.stddev = stddev.into();
                self
            }

            /// A seed of its own: the same numbers at every call. None by default: the
            /// model's stream.
            pub fn seed(mut self, seed: u64) -> Self {
                self.seed = Some(seed);
                self
            }
        }

        impl Initializer for $name {
            fn class_name(&self) -> &str {
                stringify!($name)
            }

            fn fill(&self, _: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
                let (owner, mean, stddev) = (self.class_name(), self.mean, self.stddev);
                require(mean.is_finite(), owner, "mean", "a finite number", mean)?;
                let valid = stddev.is_finite() && stddev >= 0.0;
                require(valid, owner, "stddev", "a finite number from 0", stddev)?;
                draw(self.seed, rng, |rng| {
                    fill_normal(mean, stddev, rng, out, $standard)
                });
                Ok(())
            }

            fn config(&self) -> Value {
                json!({"mean": self.mean, "stddev": self.stddev, "seed": self.seed})
            }
        }
    };
}

normal! {
    /// Fills a variable from the normal distribution, mean 0 and standard deviation 0.05 by
    /// default.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::initializers::{Initializer, RandomNormal};
    /// use horn::random::{self, Purpose};
    ///
    /// let mut kernel = [0.0; 6];
    /// let mut rng = random::stream(7, Purpose::Weights, "", 0);
    /// RandomNormal::new().stddev(0.01).fill(&[2, 3], &mut rng, &mut kernel)?;
    /// assert!(kernel.iter().all(|w| w.abs() < 0.07));
    /// # Ok::<(), horn::Error>(())
    /// ```
    RandomNormal, random::normal
}

normal! {
    /// Fills a variable from the normal distribution cut off at two standard deviations, mean
    /// 0 and standard deviation 0.05 by default: what lies further out is drawn anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::initializers::{Initializer, TruncatedNormal};
    /// use horn::random::{self, Purpose};
    ///
    /// let mut kernel = [0.0; 6];
    /// let mut rng = random::stream(7, Purpose::Weights, "", 0);
    /// TruncatedNormal::new().stddev(0.01).fill(&[2, 3], &mut rng, &mut kernel)?;
    /// assert!(kernel.iter().all(|w| w.abs() <= 0.02));
    /// # Ok::<(), horn::Error>(())
    /// ```
    TruncatedNormal, random::truncated_normal
}

/// Which fan of a kernel divides the `scale` of [`VarianceScaling`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// The number of inputs.
    #[default]
    FanIn,
    /// The number of outputs.
    FanOut,
    /// The mean of the two.
    FanAvg,
}

impl Mode {
    /// Keras's names.
    const NAMES: [(&'static str, Self); 3] = [
        ("fan_in", Mode::FanIn),
        ("fan_out", Mode::FanOut),
        ("fan_avg", Mode::FanAvg),
    ];
}

/// The distribution that [`VarianceScaling`] draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Distribution {
    /// The normal distribution cut off at two standard deviations, widened so that its
    /// variance is the wanted one after the cut.
    #[default]
    TruncatedNormal,
    /// The normal distribution.
    UntruncatedNormal,
    /// The uniform distribution.
    Uniform,
}

impl Distribution {
    /// Keras's names; `normal` is what Keras 1 and 2 called the truncated one.
    const NAMES: [(&'static str, Self); 4] = [
        ("truncated_normal", Distribution::TruncatedNormal),
        ("untruncated_normal", Distribution::UntruncatedNormal),
        ("uniform", Distribution::Uniform),
        ("normal", Distribution::TruncatedNormal),
    ];
}

/// The first name of a choice.
fn name_of<T: PartialEq>(choice: T, names: &[(&'static str, T)]) -> &'static str {
    let found = names.iter().find(|(_, other)| *other == choice);
    found.map_or("", |(name, _)| name)
}

/// Fills a variable with numbers whose variance is `scale / n`, where `n` is a fan of its
/// shape (see [`fans`]).
///
/// | distribution | numbers |
/// |---|---|
/// | [`Distribution::TruncatedNormal`] | normal with standard deviation `sqrt(scale / n) / 0.87962566` cut off at two of them |
/// | [`Distribution::UntruncatedNormal`] | normal with standard deviation `sqrt(scale / n)` |
/// | [`Distribution::Uniform`] | uniform over `[-limit, limit)` with `limit = sqrt(3 * scale / n)` |
///
/// Defaults: scale 1, [`Mode::FanIn`], [`Distribution::TruncatedNormal`].
///
/// # Examples
///
/// ```
/// use horn::initializers::{Distribution, Initializer, Mode, VarianceScaling};
/// use horn::random::{self, Purpose};
///
/// // limit = sqrt(3 * 2 / 6) = 1
/// let uniform = VarianceScaling::new()
///     .scale(2.0)
///     .mode(Mode::FanOut)
///     .distribution(Distribution::Uniform);
/// let mut kernel = [0.0; 12];
/// let mut rng = random::stream(7, Purpose::Weights, "", 0);
/// uniform.fill(&[2, 6], &mut rng, &mut kernel)?;
/// assert!(kernel.iter().all(|w| (-1.0..1.0).contains(w)));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceScaling {
    scale: f64,
    mode: Mode,
    distribution: Distribution,
    axes: FanAxes,
    seed: Option<u64>,
}

impl Default for VarianceScaling {
    fn default() -> Self {
        VarianceScaling {
            scale: 1.0,
            mode: Mode::FanIn,
            distribution: Distribution::TruncatedNormal,
            axes: FanAxes::default(),
            seed: None,
        }
    }
}

impl VarianceScaling {
    /// Variance `1 / fan_in`, truncated normal.
    pub fn new() -> Self {
        Self::default()
    }

    /// The variance before the division by the fan, 1 by default; above 0.
    pub fn scale(mut self, scale: impl Into<f64>) -> Self {
        self.scale = scale.into();
        self
    }

    /// The fan that divides it, [`Mode::FanIn`] by default.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The distribution, [`Distribution::TruncatedNormal`] by default.
    pub fn distribution(mut self, distribution: Distribution) -> Self {
        self.distribution = distribution;
        self
    }

    /// The axes that count as inputs, where they and those of the outputs are not the last two;
    /// both are to be given. Default: see [`fans`].
    pub fn input_axes(mut self, axes: impl AsRef<[isize]>) -> Self {
        self.axes = self.axes.inputs(axes.as_ref());
        self
    }

    /// The axes that count as outputs. Default: see [`fans`].
    pub fn output_axes(mut self, axes: impl AsRef<[isize]>) -> Self {
        self.axes = self.axes.outputs(axes.as_ref());
        self
    }

    /// A seed of its own: the same numbers at every call. None by default: the model's stream.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

/// The standard deviation of the standard normal distribution cut off at -2 and 2.
const TRUNCATED_STDDEV: f64 = 0.879_625_661_034_239_8;

impl Initializer for VarianceScaling {
    fn class_name(&self) -> &str {
        "VarianceScaling"
    }

    fn fill(&self, shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        let valid = self.scale.is_finite() && self.scale > 0.0;
        let owner = "VarianceScaling";
        require(valid, owner, "scale", "a finite number above 0", self.scale)?;
        let (inputs, outputs) = self.axes.fans(owner, shape)?;
        let fan = match self.mode {
            Mode::FanIn => inputs as f64,
            Mode::FanOut => outputs as f64,
            Mode::FanAvg => (inputs as f64 + outputs as f64) / 2.0,
        };
        let variance = self.scale / fan.max(1.0);
        draw(self.seed, rng, |rng| match self.distribution {
            Distribution::TruncatedNormal => {
                let stddev = variance.sqrt() / TRUNCATED_STDDEV;
                fill_normal(0.0, stddev, rng, out, random::truncated_normal);
            }
            Distribution::UntruncatedNormal => {
                fill_normal(0.0, variance.sqrt(), rng, out, random::normal);
            }
            Distribution::Uniform => {
                let limit = (3.0 * variance).sqrt();
                fill_uniform(-limit, limit, rng, out);
            }
        });
        Ok(())
    }

    fn config(&self) -> Value {
        self.axes.write(json!({
            "scale": self.scale,
            "mode": name_of(self.mode, &Mode::NAMES),
            "distribution": name_of(self.distribution, &Distribution::NAMES),
            "seed": self.seed,
        }))
    }
}

/// Defines a named case of [`VarianceScaling`].
macro_rules! variance_scaling {
    ($(#[$docs:meta])* $name:ident, $scale:literal, $mode:ident, $distribution:ident) => {
        $(#[$docs])*
        ///
        /// # Examples
        ///
        /// ```
        #[doc = concat!("use horn::initializers::{Initializer, ", stringify!($name), "};")]
        /// use horn::random::{self, Purpose};
        ///
        /// let mut kernel = [0.0; 96];
        /// let mut rng = random::stream(7, Purpose::Weights, "dense/kernel", 0);
        #[doc = concat!(stringify!($name), "::new().fill(&[8, 12], &mut rng, &mut kernel)?;")]
        /// assert!(kernel.iter().all(|w| w.abs() < 1.2));
        /// # Ok::<(), horn::Error>(())
        /// ```
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name {
            axes: FanAxes,
            seed: Option<u64>,
        }

        impl $name {
            /// One that draws from the model's stream.
            pub fn new() -> Self {
                Self::default()
            }

            /// The axes that count as inputs, where they and those of the outputs are not the
            /// last two; both are to be given. Default: see [`fans`].
            pub fn input_axes(mut self, axes: impl AsRef<[isize]>) -> Self {
                self.axes = self.axes.inputs(axes.as_ref());
                self
            }

            /// The axes that count as outputs. Default: see [`fans`].
            pub fn output_axes(mut self, axes: impl AsRef<[isize]>) -> Self {
                self.axes = self.axes.outputs(axes.as_ref());
                self
            }

            /// A seed of its own: the same numbers at every call. None by default: the
            /// model's stream.
            pub fn seed(mut self, seed: u64) -> Self {
                self.seed = Some(seed);
                self
            }
        }

        impl Initializer for $name {
            fn class_name(&self) -> &str {
                stringify!($name)
            }

            fn fill(&self, shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
                let general = VarianceScaling {
                    scale: $scale,
                    mode: Mode::$mode,
                    distribution: Distribution::$distribution,
                    axes: self.axes,
                    seed: self.seed,
                };
                general.fill(shape, rng, out)
            }

            fn config(&self) -> Value {
                self.axes.write(json!({"seed": self.seed}))
            }
        }
    };
}

variance_scaling! {
    /// Fills a kernel from the uniform distribution over `[-limit, limit)` with
    /// `limit = sqrt(6 / (fan_in + fan_out))`: Keras's default for kernels, also named after
    /// Xavier.
    ///
    /// # Source
    ///
    /// Glorot, Bengio, Understanding the difficulty of training deep feedforward neural
    /// networks (2010), <https://proceedings.mlr.press/v9/glorot10a.html>.
    GlorotUniform, 1.0, FanAvg, Uniform
}

variance_scaling! {
    /// Fills a kernel from the truncated normal distribution with variance
    /// `2 / (fan_in + fan_out)`.
    ///
    /// # Source
    ///
    /// Glorot, Bengio, Understanding the difficulty of training deep feedforward neural
    /// networks (2010), <https://proceedings.mlr.press/v9/glorot10a.html>.
    GlorotNormal, 1.0, FanAvg, TruncatedNormal
}

variance_scaling! {
    /// Fills a kernel from the uniform distribution over `[-limit, limit)` with
    /// `limit = sqrt(6 / fan_in)`, made for layers with ReLU.
    ///
    /// # Source
    ///
    /// He et al., Delving Deep into Rectifiers (2015), <https://arxiv.org/abs/1502.01852>.
    HeUniform, 2.0, FanIn, Uniform
}

variance_scaling! {
    /// Fills a kernel from the truncated normal distribution with variance `2 / fan_in`, made
    /// for layers with ReLU.
    ///
    /// # Source
    ///
    /// He et al., Delving Deep into Rectifiers (2015), <https://arxiv.org/abs/1502.01852>.
    HeNormal, 2.0, FanIn, TruncatedNormal
}

variance_scaling! {
    /// Fills a kernel from the uniform distribution over `[-limit, limit)` with
    /// `limit = sqrt(3 / fan_in)`.
    ///
    /// # Source
    ///
    /// Klambauer et al., Self-Normalizing Neural Networks (2017),
    /// <https://arxiv.org/abs/1706.02515>; LeCun et al., Efficient BackProp (1998).
    LecunUniform, 1.0, FanIn, Uniform
}

variance_scaling! {
    /// Fills a kernel from the truncated normal distribution with variance `1 / fan_in`, made
    /// for layers with SELU.
    ///
    /// # Source
    ///
    /// Klambauer et al., Self-Normalizing Neural Networks (2017),
    /// <https://arxiv.org/abs/1706.02515>; LeCun et al., Efficient BackProp (1998).
    LecunNormal, 1.0, FanIn, TruncatedNormal
}

/// Fills a matrix with `gain` times a random orthogonal matrix, so that it keeps the length of
/// what it multiplies; gain 1 by default.
///
/// A variable of shape `(..., columns)` is taken as a matrix `(rows, columns)`. Its columns are
/// orthonormal when there are at least as many rows as columns, its rows otherwise. Keras
/// starts recurrent kernels with it.
///
/// # Examples
///
/// ```
/// use horn::initializers::{Initializer, Orthogonal};
/// use horn::random::{self, Purpose};
///
/// let mut q = [0.0; 4];
/// let mut rng = random::stream(7, Purpose::Weights, "", 0);
/// Orthogonal::new().fill(&[2, 2], &mut rng, &mut q)?;
/// assert!((q[0] * q[1] + q[2] * q[3]).abs() < 1e-6);
/// assert!((q[0] * q[0] + q[2] * q[2] - 1.0).abs() < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
///
/// # Source
///
/// Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural
/// networks (2014), <https://arxiv.org/abs/1312.6120>.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orthogonal {
    gain: f64,
    seed: Option<u64>,
}

impl Default for Orthogonal {
    fn default() -> Self {
        Orthogonal {
            gain: 1.0,
            seed: None,
        }
    }
}

impl Orthogonal {
    /// An orthogonal matrix.
    pub fn new() -> Self {
        Self::default()
    }

    /// The factor of the orthogonal matrix, 1 by default.
    pub fn gain(mut self, gain: impl Into<f64>) -> Self {
        self.gain = gain.into();
        self
    }

    /// A seed of its own: the same numbers at every call. None by default: the model's stream.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl Initializer for Orthogonal {
    fn class_name(&self) -> &str {
        "Orthogonal"
    }

    fn fill(&self, shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        let finite = self.gain.is_finite();
        require(finite, "Orthogonal", "gain", "a finite number", self.gain)?;
        let [leading @ .., columns] = shape else {
            return Err(Error::argument(
                "Orthogonal",
                "shape",
                "of rank 2 or more",
                "()",
            ));
        };
        require(
            !leading.is_empty(),
            "Orthogonal",
            "shape",
            "of rank 2 or more",
            format_args!("({columns},)"),
        )?;
        require_shape("Orthogonal", shape, out)?;
        if out.is_empty() {
            return Ok(());
        }
        let (rows, columns) = (leading.iter().product::<usize>(), *columns);
        let (count, length) = (rows.min(columns), rows.max(columns));
        let vectors = draw(self.seed, rng, |rng| orthonormal(count, length, rng));
        for (i, vector) in vectors.chunks_exact(length).enumerate() {
            for (j, value) in vector.iter().enumerate() {
                // The vectors are the columns of a tall matrix, the rows of a wide one.
                let place = if rows >= columns {
                    j * columns + i
                } else {
                    i * columns + j
                };
                if let Some(cell) = out.get_mut(place) {
                    *cell = (self.gain * value) as f32;
                }
            }
        }
        Ok(())
    }

    fn config(&self) -> Value {
        json!({"gain": self.gain, "seed": self.seed})
    }
}

/// `count` random orthonormal vectors of the given length, one after the other: Q of the QR
/// decomposition of a normal matrix, with the signs that make R's diagonal positive.
///
/// Gram and Schmidt's method gives those signs by itself. In f64 its loss of orthogonality on
/// random matrices lies far below what an f32 can show.
fn orthonormal(count: usize, length: usize, rng: &mut Rng) -> Vec<f64> {
    /// Vectors projected out together, so that they stay in the cache.
    const BLOCK: usize = 16;
    let mut vectors: Vec<f64> = (0..count * length).map(|_| random::normal(rng)).collect();
    for start in (0..count).step_by(BLOCK) {
        let rest = vectors.get_mut(start * length..).unwrap_or_default();
        let (block, later) = rest.split_at_mut(rest.len().min(BLOCK * length));
        for i in 0..block.len() / length {
            let (done, rest) = block.split_at_mut(i * length);
            let (vector, _) = rest.split_at_mut(length);
            normalize(vector, done);
        }
        for vector in later.chunks_exact_mut(length) {
            project_out(vector, block);
        }
    }
    vectors
}

/// Makes `vector` of length 1 and orthogonal to the orthonormal vectors `others`.
fn normalize(vector: &mut [f64], others: &[f64]) {
    project_out(vector, others);
    let norm = dot(vector, vector).sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v /= norm);
    }
}

/// Takes from `vector` its components along the orthonormal vectors `others`.
fn project_out(vector: &mut [f64], others: &[f64]) {
    for other in others.chunks_exact(vector.len().max(1)) {
        let along = dot(vector, other);
        for (v, o) in vector.iter_mut().zip(other) {
            *v -= along * o;
        }
    }
}

/// The inner product, in eight sums side by side so that it vectorises with a fixed order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::{critical, distance, normal_cdf, truncated_cdf};

    fn rng() -> Rng {
        random::stream(3, Purpose::Weights, "test", 0)
    }

    fn filled(initializer: &dyn Initializer, shape: &[usize]) -> Vec<f32> {
        let mut out = vec![f32::NAN; shape.iter().product()];
        initializer.fill(shape, &mut rng(), &mut out).unwrap();
        out
    }

    fn failure(initializer: &dyn Initializer, shape: &[usize]) -> String {
        let mut out = vec![f32::NAN; shape.iter().product()];
        let error = initializer.fill(shape, &mut rng(), &mut out).unwrap_err();
        error.to_string()
    }

    fn mean(values: &[f32]) -> f64 {
        values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64
    }

    fn stddev(values: &[f32]) -> f64 {
        let mean = mean(values);
        let squares = values.iter().map(|v| (f64::from(*v) - mean).powi(2));
        (squares.sum::<f64>() / values.len() as f64).sqrt()
    }

    const N: usize = 300 * 400;

    #[test]
    fn uniform_is_even_over_its_range() {
        let values = filled(&RandomUniform::new().minval(-1).maxval(3.0), &[300, 400]);
        assert!(values.iter().all(|v| (-1.0..3.0).contains(v)));
        assert!(distance(&values, |x| (x + 1.0) / 4.0) < critical(N));
        // The mean of N numbers of standard deviation 4 / sqrt(12) = 1.155 is 1 within 0.0033.
        assert!((mean(&values) - 1.0).abs() < 0.013);
        // A range that f32 rounds to its open end more often than not keeps below it.
        let narrow = RandomUniform::new()
            .minval(1.0)
            .maxval(1.0 + f64::from(f32::EPSILON));
        assert_eq!(filled(&narrow, &[1000]), [1.0; 1000]);
        assert_eq!(
            filled(&RandomUniform::new().minval(2).maxval(2), &[3]),
            [2.0; 3]
        );
    }

    #[test]
    fn normals_follow_their_distributions() {
        let values = filled(&RandomNormal::new().mean(2.0).stddev(0.5), &[300, 400]);
        assert!(distance(&values, |x| normal_cdf((x - 2.0) / 0.5)) < critical(N));
        let values = filled(&TruncatedNormal::new().mean(2.0).stddev(0.5), &[300, 400]);
        assert!(values.iter().all(|v| (1.0..=3.0).contains(v)));
        assert!(distance(&values, |x| truncated_cdf((x - 2.0) / 0.5)) < critical(N));
        assert_eq!(
            filled(&RandomNormal::new().mean(1).stddev(0), &[3]),
            [1.0; 3]
        );
    }

    #[test]
    fn variance_scaling_has_the_variance_of_its_formula() {
        // (initializer, variance) for a kernel (300, 400).
        let cases: [(&dyn Initializer, f64); 9] = [
            (&GlorotUniform::new(), 2.0 / 700.0),
            (&GlorotNormal::new(), 2.0 / 700.0),
            (&HeUniform::new(), 2.0 / 300.0),
            (&HeNormal::new(), 2.0 / 300.0),
            (&LecunUniform::new(), 1.0 / 300.0),
            (&LecunNormal::new(), 1.0 / 300.0),
            (&VarianceScaling::new().scale(3), 3.0 / 300.0),
            (&VarianceScaling::new().mode(Mode::FanOut), 1.0 / 400.0),
            (
                &VarianceScaling::new()
                    .mode(Mode::FanAvg)
                    .distribution(Distribution::UntruncatedNormal),
                1.0 / 350.0,
            ),
        ];
        for (initializer, variance) in cases {
            let values = filled(initializer, &[300, 400]);
            let found = stddev(&values) / variance.sqrt();
            assert!((found - 1.0).abs() < 0.01, "{initializer:?}: {found}");
            assert!(mean(&values).abs() < 0.01 * variance.sqrt().max(0.1));
        }
    }

    #[test]
    fn variance_scaling_has_the_distribution_of_its_formula() {
        // sqrt(6 / (300 + 400)) = 0.092582
        let values = filled(&GlorotUniform::new(), &[300, 400]);
        let limit = 0.092_582_01;
        assert!(values.iter().all(|v| f64::from(v.abs()) <= limit));
        assert!(distance(&values, |x| (x / limit + 1.0) / 2.0) < critical(N));
        let sigma = (2.0f64 / 300.0).sqrt() / 0.879_625_661_034_239_8;
        let values = filled(&HeNormal::new(), &[300, 400]);
        assert!(distance(&values, |x| truncated_cdf(x / sigma)) < critical(N));
        // With the axes of one head (300), (4, 100): sqrt(3 * 2 / 300) = 0.141421
        let axes = VarianceScaling::new()
            .scale(2)
            .distribution(Distribution::Uniform)
            .input_axes([0])
            .output_axes([1, 2]);
        let values = filled(&axes, &[300, 4, 100]);
        assert!(distance(&values, |x| (x / 0.141_421_36 + 1.0) / 2.0) < critical(N));
        let untruncated = VarianceScaling::new().distribution(Distribution::UntruncatedNormal);
        let values = filled(&untruncated, &[300, 400]);
        assert!(distance(&values, |x| normal_cdf(x * 300f64.sqrt())) < critical(N));
    }

    #[test]
    fn constants_fill() {
        assert_eq!(filled(&Zeros, &[2, 2]), [0.0; 4]);
        assert_eq!(filled(&Ones, &[3]), [1.0; 3]);
        assert_eq!(filled(&Constant::new(0.5), &[3]), [0.5; 3]);
        assert_eq!(filled(&Constant { value: -1.0 }, &[]), [-1.0]);
        assert_eq!(filled(&Identity::new(), &[2, 2]), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(
            filled(&Identity::new().gain(3), &[3, 2]),
            [3.0, 0.0, 0.0, 3.0, 0.0, 0.0]
        );
        assert!(filled(&Identity::new(), &[0, 3]).is_empty());
        assert!(filled(&Identity::new(), &[3, 0]).is_empty());
    }

    /// The inner product of columns (or rows) `i` and `j` of a matrix.
    fn inner(q: &[f32], columns: usize, by_column: bool, i: usize, j: usize) -> f64 {
        let rows = q.len() / columns;
        let length = if by_column { rows } else { columns };
        (0..length)
            .map(|k| {
                let place = |v: usize| {
                    if by_column {
                        k * columns + v
                    } else {
                        v * columns + k
                    }
                };
                f64::from(q[place(i)]) * f64::from(q[place(j)])
            })
            .sum()
    }

    #[test]
    fn orthogonal_is_orthonormal_whatever_its_shape() {
        for shape in [
            &[1, 1][..],
            &[40, 40],
            &[60, 20],
            &[20, 60],
            &[3, 3, 4, 50],
            &[5, 1],
        ] {
            let q = filled(&Orthogonal::new(), shape);
            let columns = shape[shape.len() - 1];
            let rows = q.len() / columns;
            for i in 0..rows.min(columns) {
                for j in 0..rows.min(columns) {
                    let wanted = f64::from(u8::from(i == j));
                    let found = inner(&q, columns, rows >= columns, i, j);
                    assert!((found - wanted).abs() < 1e-6, "{shape:?} {i} {j} {found}");
                }
            }
        }
        let doubled = filled(&Orthogonal::new().gain(2.0), &[10, 10]);
        assert!((inner(&doubled, 10, true, 3, 3) - 4.0).abs() < 1e-5);
        assert!(filled(&Orthogonal::new(), &[0, 3]).is_empty());
    }

    #[test]
    fn orthogonal_is_the_signed_q_of_its_normal_matrix() {
        // Q^T A must be R: zeros below the diagonal, a positive diagonal.
        let mut stream = rng();
        let (rows, columns) = (20, 18);
        let a: Vec<f64> = (0..rows * columns)
            .map(|_| random::normal(&mut stream))
            .collect();
        let q = orthonormal(columns, rows, &mut rng());
        for i in 0..columns {
            for j in 0..columns {
                let r = dot(&q[i * rows..(i + 1) * rows], &a[j * rows..(j + 1) * rows]);
                assert!(
                    if i == j {
                        r > 0.0
                    } else {
                        i < j || r.abs() < 1e-12
                    },
                    "{i} {j} {r}"
                );
            }
        }
    }

    #[test]
    fn orthogonal_has_no_preferred_direction() {
        // The mean of 2000 first entries of 4 by 4 rotations is 0 with deviation 0.5 / sqrt(2000).
        let mut rng = rng();
        let mut q = [0.0; 16];
        let sum: f32 = (0..2000)
            .map(|_| {
                Orthogonal::new().fill(&[4, 4], &mut rng, &mut q).unwrap();
                q[0]
            })
            .sum();
        assert!((sum / 2000.0).abs() < 0.045, "{sum}");
    }

    #[test]
    fn a_seed_gives_the_same_numbers_and_no_seed_those_of_the_stream() {
        let shape = [4, 5];
        let mut model = rng();
        let mut draws = |initializer: &dyn Initializer| {
            let mut out = [0.0; 20];
            initializer.fill(&shape, &mut model, &mut out).unwrap();
            out
        };
        let seeded = HeNormal::new().seed(1);
        assert_eq!(draws(&seeded), draws(&seeded));
        assert_ne!(draws(&seeded), draws(&HeNormal::new().seed(2)));
        assert_ne!(draws(&HeNormal::new()), draws(&HeNormal::new()));
        assert_eq!(
            filled(&Orthogonal::new(), &shape),
            filled(&Orthogonal::new(), &shape)
        );
        let mut other = random::stream(3, Purpose::Weights, "other", 0);
        let mut out = vec![0.0; 20];
        HeNormal::new().fill(&shape, &mut other, &mut out).unwrap();
        assert_ne!(out, filled(&HeNormal::new(), &shape));
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        for (initializer, wanted) in [
            (
                &RandomNormal::new().stddev(-1.0) as &dyn Initializer,
                "`RandomNormal`: `stddev` must be a finite number from 0, got -1",
            ),
            (&RandomNormal::new().mean(f64::NAN), "`mean`"),
            (&TruncatedNormal::new().stddev(f64::INFINITY), "`stddev`"),
            (
                &RandomUniform::new().minval(1.0).maxval(0.5),
                "`RandomUniform`: `minval` must be at most `maxval`, both finite, got minval 1 and maxval 0.5",
            ),
            (&RandomUniform::new().maxval(f64::NAN), "`minval`"),
            (&RandomUniform::new().maxval(f64::INFINITY), "`minval`"),
            (&VarianceScaling::new().scale(0.0), "`scale`"),
            (&VarianceScaling::new().scale(-2.0), "`scale`"),
            (&VarianceScaling::new().scale(f64::NAN), "`scale`"),
            (&Constant::new(f64::NAN), "`value`"),
            (&Identity::new().gain(f64::NAN), "`gain`"),
            (&Orthogonal::new().gain(f64::NAN), "`gain`"),
            (
                &GlorotNormal::new().input_axes([0]).output_axes([2]),
                "`output_axes`",
            ),
        ] {
            let found = failure(initializer, &[2, 2]);
            assert!(found.contains(wanted), "{found}");
        }
    }

    #[test]
    fn shapes_that_cannot_be_filled_are_errors() {
        assert!(failure(&Identity::new(), &[3]).contains("(rows, columns), got [3]"));
        assert!(failure(&Identity::new(), &[2, 2, 2]).contains("(rows, columns)"));
        assert!(failure(&Orthogonal::new(), &[3]).contains("of rank 2 or more, got (3,)"));
        assert!(failure(&Orthogonal::new(), &[]).contains("of rank 2 or more, got ()"));
        for initializer in [&Identity::new() as &dyn Initializer, &Orthogonal::new()] {
            assert!(
                initializer
                    .fill(&[2, 2], &mut rng(), &mut [0.0; 3])
                    .is_err()
            );
        }
    }

    #[test]
    fn every_name_of_keras_is_known() {
        for (names, _) in &TABLE {
            for name in *names {
                assert_eq!(get(name).unwrap().class_name(), names[0]);
            }
        }
        assert_eq!(
            get("glorot_uniforn").unwrap_err().to_string(),
            "there is no initializer named `glorot_uniforn`: did you mean `glorot_uniform` or `GlorotUniform`?"
        );
    }

    #[test]
    fn configurations_round_trip() {
        let all: [Arc<dyn Initializer>; 16] = [
            Arc::new(Zeros),
            Arc::new(Ones),
            Arc::new(Constant::new(0.1)),
            Arc::new(Identity::new().gain(2)),
            Arc::new(RandomUniform::new().minval(-0.1).maxval(0.3).seed(4)),
            Arc::new(RandomNormal::new().mean(1).stddev(0.3).seed(4)),
            Arc::new(TruncatedNormal::new().mean(1).stddev(0.3)),
            Arc::new(
                VarianceScaling::new()
                    .scale(2)
                    .mode(Mode::FanOut)
                    .distribution(Distribution::UntruncatedNormal)
                    .seed(5),
            ),
            Arc::new(GlorotUniform::new().seed(1)),
            Arc::new(HeNormal::new().input_axes([0]).output_axes([-1])),
            Arc::new(GlorotNormal::new()),
            Arc::new(HeUniform::new().seed(1)),
            Arc::new(HeNormal::new()),
            Arc::new(LecunUniform::new().seed(1)),
            Arc::new(LecunNormal::new()),
            Arc::new(Orthogonal::new().gain(2.0).seed(9)),
        ];
        for initializer in all {
            let written = to_keras(&initializer);
            let read = from_keras(&written).unwrap();
            assert_eq!(to_keras(&read), written);
            assert_eq!(filled(&read, &[3, 3]), filled(&initializer, &[3, 3]));
            // A bare class name takes Keras's defaults.
            assert!(from_keras(&json!(initializer.class_name())).is_ok());
        }
    }

    #[test]
    fn configurations_are_those_that_keras_writes() {
        // Keras 3 as of before 3.15
        let written = json!({
            "module": "keras.initializers", "class_name": "VarianceScaling",
            "config": {"seed": null, "scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal"},
            "registered_name": null
        });
        let read = from_keras(&written).unwrap();
        assert_eq!(read.config(), written["config"]);
        // Keras 2 said `normal` for the truncated one, and wrote a `dtype`.
        let old = json!({"class_name": "VarianceScaling",
            "config": {"distribution": "normal", "dtype": "float32"}});
        assert_eq!(from_keras(&old).unwrap().config(), written["config"]);
        // Keras 3.15 added two axes, which older ones refuse to read; null is not written.
        let newer = json!({"class_name": "GlorotUniform",
            "config": {"seed": null, "input_axes": null, "output_axes": null}});
        assert_eq!(from_keras(&newer).unwrap().config(), json!({"seed": null}));
        let axes = json!({"class_name": "GlorotUniform",
            "config": {"seed": 3, "input_axes": [0], "output_axes": [1, -1]}});
        assert_eq!(from_keras(&axes).unwrap().config(), axes["config"]);
        let generator = json!({"class_name": "HeNormal", "config": {"seed":
            {"class_name": "SeedGenerator", "config": {"name": "seed_generator", "seed": 12}}}});
        assert_eq!(
            from_keras(&generator).unwrap().config(),
            json!({"seed": 12})
        );
    }

    #[test]
    fn configurations_that_make_no_sense_are_errors() {
        for (value, wanted) in [
            (json!(3), "expected a name"),
            (json!(null), "expected a name"),
            (json!({"config": {}}), "expected a name"),
            (json!("relu"), "there is no initializer named `relu`"),
            (
                json!({"class_name": "RandomNormal", "config": {"stddev": "big"}}),
                "the configuration of `RandomNormal`: `stddev` must be a number, got \"big\"",
            ),
            (
                json!({"class_name": "HeNormal", "config": {"input_axes": 0}}),
                "`input_axes` must be a list of axes, got 0",
            ),
            (
                json!({"class_name": "HeNormal", "config": {"seed": -1}}),
                "`seed` must be a whole number from 0, got -1",
            ),
            (
                json!({"class_name": "VarianceScaling", "config": {"mode": "fan"}}),
                "`mode` must be `fan_in` or `fan_out` or `fan_avg`, got \"fan\"",
            ),
        ] {
            let found = from_keras(&value).unwrap_err().to_string();
            assert!(found.contains(wanted), "{found}");
        }
    }
}
