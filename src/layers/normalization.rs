//! [`Normalization`].

use serde::{Deserialize, Serialize};

use super::config::Base;
use super::mapped::seen_finite;
use super::normalizing::{along, lengths, places};
use super::{Layer, shared_settings};
use crate::data::AsRows;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::Initializer;
use crate::random::Rng;
use crate::shape::{AxisSetting, Shape};

/// Shifts and scales inputs to a mean of 0 and a variance of 1, as [`adapt`](Normalization::adapt)
/// has seen them in the data before training: `y = (x - mean) / max(√variance, 1e-7)`.
///
/// | | shape |
/// |---|---|
/// | `x`, `y` | `(batch, ...)` |
/// | `mean`, `variance` | the lengths of the axes, by default the last; not trained |
///
/// With `invert` it does the opposite, `y = mean + x max(√variance, 1e-7)`: at the end of a model,
/// with the same data, it brings predictions back to the units of the targets. The numbers are
/// part of the model, as its weights are.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/numerical/normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::Normalization;
/// use horn::prelude::*;
///
/// let x = array![[1.0, 100.0], [2.0, 200.0], [3.0, 300.0]];
/// let mut model = Sequential::new()
///     .add(Input::new([2]))
///     .add(Normalization::new().adapt(&x)?);
/// model.build()?;
/// let y = model.predict(&x)?;
/// assert!((y[[0, 0]] + 1.2247449).abs() < 1e-5 && y[[1, 1]].abs() < 1e-5);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Normalization {
    #[serde(flatten)]
    base: Base,
    #[serde(deserialize_with = "axes", serialize_with = "list")]
    axis: Option<AxisSetting>,
    invert: bool,
    mean: Option<Given>,
    variance: Option<Given>,
    #[serde(skip)]
    seen: Seen,
}

/// Numbers that are given: one, or nested lists of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Given {
    One(f32),
    Many(Vec<Given>),
}

impl Given {
    fn flat(&self) -> Vec<f32> {
        match self {
            Given::One(number) => vec![*number],
            Given::Many(all) => all.iter().flat_map(Given::flat).collect(),
        }
    }

    /// The lengths of the nested lists; nothing where they differ.
    fn shape(&self) -> Option<Vec<usize>> {
        let Given::Many(all) = self else {
            return Some(Vec::new());
        };
        let mut inner = all.iter().map(Given::shape);
        let first = inner.next().unwrap_or(Some(Vec::new()))?;
        let same = inner.all(|shape| shape.as_ref() == Some(&first));
        same.then(|| [&[all.len()], first.as_slice()].concat())
    }

    /// The numbers beside `x`, whose axes at `places` have these lengths: the last axis of the lists
    /// is the last of those. Nothing where they do not fit.
    fn beside(&self, x: &Value, places: &[usize], lengths: &[usize]) -> Option<Value> {
        let shape = self.shape()?;
        let missing = lengths.len().checked_sub(shape.len())?;
        let whole = [vec![1; missing], shape].concat();
        let fits = whole
            .iter()
            .zip(lengths)
            .all(|(own, n)| own == n || *own == 1);
        let mut beside = vec![1; x.rank()];
        for (place, length) in places.iter().zip(&whole) {
            *beside.get_mut(*place)? = *length;
        }
        fits.then(|| x.constant(&self.flat(), beside))
    }
}

/// Where mean and variance come from, if they are not given.
#[derive(Debug, Clone, Default, PartialEq)]
enum Seen {
    /// From a file: the layer was read from a configuration, and its weights follow.
    #[default]
    File,
    /// From nowhere yet.
    Nothing,
    /// From data.
    Data { mean: Vec<f32>, variance: Vec<f32> },
}

fn axes<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<AxisSetting>, D::Error> {
    Option::<AxisSetting>::deserialize(deserializer)
}

/// Keras writes a list, and an empty one for no axis.
fn list<S: serde::Serializer>(
    axis: &Option<AxisSetting>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    axis.as_ref()
        .map_or(&[][..], AxisSetting::axes)
        .serialize(serializer)
}

impl Default for Normalization {
    fn default() -> Self {
        Normalization {
            base: Base::default(),
            axis: Some(AxisSetting::One(-1)),
            invert: false,
            mean: None,
            variance: None,
            seen: Seen::File,
        }
    }
}

/// Numbers that a variable begins with.
#[derive(Debug, Clone)]
struct Begin(Vec<f32>);

impl Initializer for Begin {
    fn class_name(&self) -> &str {
        "Begin"
    }

    fn fill(&self, _shape: &[usize], _rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        out.iter_mut()
            .zip(&self.0)
            .for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl Normalization {
    /// Of each column of the last axis by itself; [`adapt`](Normalization::adapt) it, or give it
    /// [`mean_and_variance`](Normalization::mean_and_variance).
    pub fn new() -> Self {
        Normalization {
            seen: Seen::Nothing,
            ..Self::default()
        }
    }

    /// The axis whose places have a mean and a variance each. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = Some(AxisSetting::One(axis));
        self
    }

    /// Several such axes; none gives one mean and variance for all numbers.
    pub fn axes(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axis = Some(AxisSetting::Several(axes.into()));
        self
    }

    /// Whether it brings numbers back to their units. Default: false.
    pub fn invert(mut self, invert: bool) -> Self {
        self.invert = invert;
        self
    }

    /// The mean and the variance, in place of adapting: one number, or one for each place of the
    /// last of the axes.
    pub fn mean_and_variance(
        mut self,
        mean: impl Into<Vec<f32>>,
        variance: impl Into<Vec<f32>>,
    ) -> Self {
        let given = |numbers: Vec<f32>| match numbers[..] {
            [one] => Given::One(one),
            _ => Given::Many(numbers.into_iter().map(Given::One).collect()),
        };
        self.mean = Some(given(mean.into()));
        self.variance = Some(given(variance.into()));
        self
    }

    shared_settings!(builder);

    fn setting(&self) -> AxisSetting {
        self.axis
            .clone()
            .unwrap_or(AxisSetting::Several(Vec::new()))
    }

    /// Learns the mean and the variance of data, inputs of the layer: `(rows, ...)`. What was
    /// learnt before is forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for data without rows or with NaN or infinity, for an axis that they do not
    /// have, and where mean and variance are given.
    pub fn adapt(mut self, data: &(impl AsRows + ?Sized)) -> Result<Self> {
        let rows = data.as_rows();
        let bad = |argument: &'static str, expected: String, found: String| {
            Err(Error::argument("Normalization", argument, expected, found))
        };
        if self.mean.is_some() {
            return bad(
                "adapt",
                "left out where `mean` is given".into(),
                "data".into(),
            );
        }
        seen_finite("Normalization", &rows)?;
        if rows.is_empty() || rows.row_size() == 0 {
            return bad(
                "adapt",
                "data of at least one row".into(),
                format!("{:?}", rows.shape()),
            );
        }
        let Some(shape) = Shape::new(rows.shape()) else {
            return bad(
                "adapt",
                "data of fewer axes".into(),
                format!("{:?}", rows.shape()),
            );
        };
        let mut kept = Vec::new();
        for axis in self.setting().axes() {
            match shape.axis(*axis) {
                Some(place) if place > 0 && !kept.contains(&place) => kept.push(place),
                _ => {
                    let wanted = format!("an axis of data of shape {shape}, not the rows");
                    return bad("axis", wanted, axis.to_string());
                }
            }
        }
        kept.sort_unstable();
        let strides = shape.strides();
        let of = |column: usize| {
            kept.iter().fold(0, |place, axis| {
                let length = shape.dims().get(*axis).copied().unwrap_or(1);
                let stride = strides.get(*axis).copied().unwrap_or(1);
                place * length + column / stride.max(1) % length.max(1)
            })
        };
        let places: Vec<usize> = (0..rows.row_size()).map(of).collect();
        let count = kept
            .iter()
            .map(|axis| shape.dims().get(*axis).copied().unwrap_or(1))
            .product();
        let (mean, variance) = moments(&rows, &places, count);
        self.seen = Seen::Data { mean, variance };
        Ok(self)
    }

    /// Mean and variance as values beside `x`.
    fn moments(&self, scope: &mut Scope, x: &Value, places: &[usize]) -> Option<(Value, Value)> {
        let shape = lengths(x, places);
        let size: usize = shape.iter().product();
        if let (Some(mean), Some(variance)) = (&self.mean, &self.variance) {
            let beside = |given: &Given| given.beside(x, places, &shape);
            let values = beside(mean).zip(beside(variance));
            if values.is_none() {
                x.fail(format!(
                    "`mean` and `variance` must fit lengths {shape:?} of inputs of shape {}, got \
                     {:?}",
                    x.shape(),
                    mean.shape().unwrap_or_default()
                ));
            }
            return values;
        }
        let (mean, variance) = match &self.seen {
            Seen::Nothing => {
                x.fail("has not seen data: call `adapt` before the model is built".into());
                return None;
            }
            Seen::Data { mean, .. } if mean.len() != size => {
                x.fail(format!(
                    "was adapted to {} columns, and meets {size} in inputs of shape {}",
                    mean.len(),
                    x.shape()
                ));
                return None;
            }
            Seen::Data { mean, variance } => (mean.clone(), variance.clone()),
            Seen::File => (vec![0.0; size], vec![1.0; size]),
        };
        let mean = scope.fixed("mean", &shape, &Begin(mean));
        let variance = scope.fixed("variance", &shape, &Begin(variance));
        // Keras has it, and leaves it at 0.
        scope.fixed("count", [], &crate::initializers::Zeros);
        Some((along(x, &mean, places), along(x, &variance, places)))
    }
}

/// The mean and the variance of the values of each place, in one pass over the rows.
fn moments(rows: &crate::data::Rows, places: &[usize], count: usize) -> (Vec<f32>, Vec<f32>) {
    const ROWS: usize = 256;
    let size = rows.row_size();
    let mut buffer = vec![0.0; ROWS.min(rows.len()) * size];
    // Sums about the first value of each place, so that nothing cancels.
    let mut about: Vec<Option<f64>> = vec![None; count];
    let mut sums = vec![[0.0_f64; 3]; count];
    for start in (0..rows.len()).step_by(ROWS) {
        let end = (start + ROWS).min(rows.len());
        let part = buffer.get_mut(..(end - start) * size).unwrap_or(&mut []);
        rows.gather_range(start..end, part);
        for row in part.chunks_exact(size) {
            for (value, place) in row.iter().zip(places) {
                if let (Some(about), Some(sums)) = (about.get_mut(*place), sums.get_mut(*place)) {
                    let value = f64::from(*value);
                    let apart = value - *about.get_or_insert(value);
                    sums[0] += 1.0;
                    sums[1] += apart;
                    sums[2] += apart * apart;
                }
            }
        }
    }
    let of = |(about, [n, sum, squares]): (&Option<f64>, &[f64; 3])| {
        let mean = sum / n;
        let variance = (squares / n - mean * mean).max(0.0);
        ((about.unwrap_or(0.0) + mean) as f32, variance as f32)
    };
    about.iter().zip(&sums).map(of).unzip()
}

impl Layer for Normalization {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let Some(places) = places(x, &self.setting()) else {
            return x.clone();
        };
        let Some((mean, variance)) = self.moments(scope, x, &places) else {
            return x.clone();
        };
        let deviation = variance.sqrt().maximum(1e-7);
        match self.invert {
            true => mean + x * deviation,
            false => (x - mean) / deviation,
        }
    }

    fn class_name(&self) -> &str {
        "Normalization"
    }

    fn validate(&self) -> Result<()> {
        let bad = |expected: String, found: &str| {
            let found = found.to_string();
            Err(Error::argument("Normalization", "mean", expected, found))
        };
        let (mean, variance) = match (&self.mean, &self.variance) {
            (None, None) => return Ok(()),
            (Some(mean), Some(variance)) => (mean, variance),
            _ => return bad("given together with `variance`".into(), "one of them"),
        };
        let axes = self.setting().axes().len();
        match mean.shape() {
            None => bad("lists of one length".into(), "others"),
            shape if shape != variance.shape() => {
                bad("as many as `variance`".into(), &format!("{shape:?}"))
            }
            Some(shape) if shape.len() > axes => {
                let wanted = format!("lists no deeper than {axes}, the number of axes");
                bad(wanted, &format!("{shape:?}"))
            }
            _ => Ok(()),
        }
    }

    shared_settings!(layer masked);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;
    use serde_json::json;

    fn outputs(config: serde_json::Value) -> Result<Vec<f32>> {
        let json = json!({"class_name": "Normalization", "config": config});
        let layer = crate::layers::from_keras(&json)?;
        let mut probe = Probe::layer(&layer, &[2, 2, 3], false)?;
        probe.set_inputs(&[(0..12).map(|i| i as f32).collect()]);
        Ok(probe.forward())
    }

    /// Keras 3.15 on JAX: the same layers on 0 to 11 in the shape (2, 2, 3).
    #[test]
    fn given_numbers_stretch_along_the_axes_as_in_keras() -> Result<()> {
        let cases = [
            (
                json!({"axis": [1, 2], "mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 9.0]}),
                [
                    -1.0,
                    -0.5,
                    -0.33333334,
                    2.0,
                    1.0,
                    0.6666667,
                    5.0,
                    2.5,
                    1.6666667,
                    8.0,
                    4.0,
                    2.6666667,
                ],
            ),
            (
                json!({"axis": [1, 2], "mean": [[1.0], [2.0]], "variance": [[1.0], [4.0]]}),
                [-1.0, 0.0, 1.0, 0.5, 1.0, 1.5, 5.0, 6.0, 7.0, 3.5, 4.0, 4.5],
            ),
            (
                json!({"axis": [2, 1], "mean": [[1, 2, 3], [4, 5, 6]], "variance": [[1, 1, 1], [4, 4, 4]]}),
                [
                    -1.0, -1.0, -1.0, -0.5, -0.5, -0.5, 5.0, 5.0, 5.0, 2.5, 2.5, 2.5,
                ],
            ),
            (
                json!({"axis": [1], "mean": [1.0], "variance": [4.0]}),
                [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0],
            ),
            (
                json!({"axis": null, "mean": 1.0, "variance": 4.0, "invert": true}),
                [
                    1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0, 21.0, 23.0,
                ],
            ),
        ];
        for (config, want) in cases {
            let got = outputs(config.clone())?;
            let close = |(got, want): (&f32, &f32)| (got - want).abs() < 1e-6;
            assert!(got.iter().zip(&want).all(close), "{config}: {got:?}");
        }
        Ok(())
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for config in [
            json!({"mean": [1.0, 2.0], "variance": [4.0, 4.0]}),
            json!({"mean": [[1.0, 2.0, 3.0]], "variance": [[1.0, 2.0, 3.0]]}),
            json!({"mean": [1.0, 2.0, 3.0], "variance": 1.0}),
            json!({"mean": 1.0}),
            json!({"axis": [1, 2], "mean": [[1.0], [2.0, 3.0]], "variance": [[1.0], [2.0, 3.0]]}),
            json!({"mean": [], "variance": []}),
        ] {
            assert!(outputs(config.clone()).is_err(), "{config}");
        }
        assert!(
            Normalization::new()
                .adapt(&[[1.0, f32::NAN]].concat())
                .is_err()
        );
    }

    /// One pass about a first value far from the mean, against two passes in `f64`.
    #[test]
    fn moments_do_not_cancel() -> Result<()> {
        let data: Vec<f32> = (0..5000)
            .map(|i| 20_000.0 + (i as f32 * 0.1).sin())
            .collect();
        let layer = Normalization::new().axes([]).adapt(&data)?;
        let n = data.len() as f64;
        let mean = data.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let squares = data.iter().map(|v| (f64::from(*v) - mean).powi(2));
        let variance = squares.sum::<f64>() / n;
        let Seen::Data {
            mean: m,
            variance: v,
        } = &layer.seen
        else {
            panic!("adapted");
        };
        assert!(
            (f64::from(m[0]) - mean).abs() < 2e-3
                && (f64::from(v[0]) / variance - 1.0).abs() < 1e-6
        );
        Ok(())
    }
}
