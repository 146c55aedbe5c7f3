//! [`Discretization`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::config::Base;
use super::encoding::{OutputMode, encode};
use super::mapped::{map, seen_finite};
use super::{Layer, shared_settings, written};
use crate::data::AsRows;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// Numbers as the bins in which they lie: `y` is how many boundaries are at most `x`; with boundaries
/// that fall, how many are above it. NaN lies in the last bin.
///
/// The boundaries are given, or learnt from data by [`adapt`](Discretization::adapt) so that each
/// bin holds as many numbers. With an `output_mode` the bins are given out as ones and zeros.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/numerical/discretization/>
///
/// # Examples
///
/// ```
/// use horn::layers::Discretization;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new()
///     .add(Input::new([2]))
///     .add(Discretization::new([0.0, 1.0, 2.0]));
/// model.build()?;
/// assert_eq!(model.predict(&array![[-1.5, 1.0], [3.4, 0.5]])?, array![[0.0, 2.0], [3.0, 1.0]]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discretization {
    #[serde(flatten)]
    base: Base,
    bin_boundaries: Option<Vec<f32>>,
    num_bins: Option<usize>,
    epsilon: f64,
    output_mode: OutputMode,
    sparse: bool,
}

impl Default for Discretization {
    fn default() -> Self {
        Discretization {
            base: Base::default(),
            bin_boundaries: None,
            num_bins: None,
            epsilon: 0.01,
            output_mode: OutputMode::Int,
            sparse: false,
        }
    }
}

impl Discretization {
    /// With these boundaries, sorted: one bin more than they are.
    pub fn new(bin_boundaries: impl Into<Vec<f32>>) -> Self {
        Discretization {
            bin_boundaries: Some(bin_boundaries.into()),
            ..Self::default()
        }
    }

    /// With so many bins, whose boundaries [`adapt`](Discretization::adapt) learns.
    pub fn with_bins(num_bins: usize) -> Self {
        Discretization {
            num_bins: Some(num_bins),
            ..Self::default()
        }
    }

    /// How far the learnt boundaries may be off, as a fraction of the numbers. Default: 0.01.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// How the bins are given out. Default: [`OutputMode::Int`].
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        self.output_mode = mode;
        self
    }

    shared_settings!(builder);

    /// Learns the boundaries from all numbers of the data, which it copies to sort them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for data without numbers or with NaN or infinity, and where boundaries are
    /// given.
    pub fn adapt(mut self, data: &(impl AsRows + ?Sized)) -> Result<Self> {
        let rows = data.as_rows();
        let Some(bins) = self.num_bins else {
            let wanted = "left out where `bin_boundaries` are given";
            return Err(Error::argument("Discretization", "adapt", wanted, "data"));
        };
        self.validate()?;
        let mut values = vec![0.0; rows.len() * rows.row_size()];
        if values.is_empty() {
            let found = format!("{:?}", rows.shape());
            return Err(Error::argument(
                "Discretization",
                "adapt",
                "data with numbers",
                found,
            ));
        }
        seen_finite("Discretization", &rows)?;
        rows.gather_range(0..rows.len(), &mut values);
        values.sort_unstable_by(f32::total_cmp);
        let summary = compress(summarize(&values, self.epsilon), self.epsilon);
        let mut boundaries = compress(summary, 1.0 / bins as f64);
        boundaries.pop();
        self.bin_boundaries = Some(boundaries.into_iter().map(|(value, _)| value).collect());
        Ok(self)
    }

    /// The boundaries, given or learnt.
    pub fn bin_boundaries(&self) -> Option<&[f32]> {
        self.bin_boundaries.as_deref()
    }
}

/// Some of the sorted values, each with how many it stands for.
fn summarize(values: &[f32], epsilon: f64) -> Vec<(f32, f32)> {
    let step = (values.len() as f64 / (1.0 / epsilon)).max(1.0);
    let kept = values
        .iter()
        .skip((step - 1.0) as usize)
        .step_by(step as usize);
    kept.map(|value| (*value, step as f32)).collect()
}

/// Fewer values that stand for as many each, by lines between those that there are; as Keras does.
fn compress(summary: Vec<(f32, f32)>, epsilon: f64) -> Vec<(f32, f32)> {
    if (summary.len() as f64) * epsilon < 1.0 {
        return summary;
    }
    let mut total = 0.0_f32;
    let running: Vec<f32> = summary
        .iter()
        .map(|(_, weight)| {
            total += weight;
            total
        })
        .collect();
    // Keras divides in single precision: the last digits of the boundaries depend on it.
    let parts: Vec<f64> = running.iter().map(|r| f64::from(r / total)).collect();
    let at = |share: f64, of: &dyn Fn(usize) -> f64| {
        let after = parts.partition_point(|part| *part <= share);
        match (after.checked_sub(1), parts.get(after)) {
            (None, _) => of(0),
            (Some(last), None) => of(last),
            (Some(before), Some(end)) => {
                let start = parts.get(before).copied().unwrap_or(0.0);
                let (low, high) = (of(before), of(after));
                low + (high - low) * (share - start) / (end - start)
            }
        }
    };
    let value = |i: usize| summary.get(i).map_or(0.0, |(value, _)| f64::from(*value));
    let weight = |i: usize| running.get(i).map_or(0.0, |sum| f64::from(*sum));
    let mut before = 0.0;
    let count = (1.0 / epsilon).ceil() as usize;
    (0..count)
        .map(|i| {
            let share = epsilon + i as f64 * epsilon;
            let sum = at(share, &weight);
            let own = sum - before;
            before = sum;
            (at(share, &value) as f32, own as f32)
        })
        .collect()
}

impl Layer for Discretization {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        let Some(boundaries) = self.bin_boundaries.clone() else {
            return x.fail("has not seen data: call `adapt` before the model is built".into());
        };
        let depth = boundaries.len() + 1;
        let falls = !boundaries.is_sorted();
        let bins = map(x, "discretization", move |x| {
            let below = |boundary: &f32| if falls { *boundary > x } else { *boundary <= x };
            match x.is_nan() {
                true => (depth - 1) as f32,
                false => boundaries.partition_point(below) as f32,
            }
        });
        encode(&bins, self.output_mode, depth, &[])
    }

    fn class_name(&self) -> &str {
        "Discretization"
    }

    fn validate(&self) -> Result<()> {
        let class_name = "Discretization";
        let bad = |argument: &'static str, expected: &str, found: String| {
            Err(Error::argument(class_name, argument, expected, found))
        };
        if self.num_bins.is_none() && self.bin_boundaries.is_none() {
            return bad("num_bins", "given, or `bin_boundaries`", "neither".into());
        }
        if let Some(bins) = self.num_bins.filter(|bins| !(1..=1 << 20).contains(bins)) {
            return bad("num_bins", "from 1 to 1 048 576", bins.to_string());
        }
        if !(self.epsilon >= 1e-6 && self.epsilon <= 1.0) {
            return bad("epsilon", "from 1e-6 to 1", self.epsilon.to_string());
        }
        if let Some(boundaries) = &self.bin_boundaries
            && (boundaries.iter().any(|b| b.is_nan())
                || !(boundaries.is_sorted() || boundaries.iter().rev().is_sorted()))
        {
            let wanted = "sorted, and without NaN";
            return bad("bin_boundaries", wanted, format!("{boundaries:?}"));
        }
        if self.sparse || self.output_mode == OutputMode::TfIdf {
            return bad(
                "output_mode",
                "dense, and not `TfIdf`",
                format!("{:?}", self.output_mode),
            );
        }
        Ok(())
    }

    fn name(&self) -> Option<&str> {
        self.base.name.as_deref()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What Keras 3.15 learns of these numbers with `num_bins` and `epsilon`.
    #[test]
    fn boundaries_are_those_of_keras() -> Result<()> {
        for (n, epsilon, bins, seed, want) in KERAS {
            let data: Vec<f32> = (0..*n)
                .map(|i| ((i * 37 + seed) % 101) as f32 / 10.0 * (1 + i % 3) as f32)
                .collect();
            let layer = Discretization::with_bins(*bins)
                .epsilon(*epsilon)
                .adapt(&data)?;
            let got = layer.bin_boundaries().unwrap_or(&[]);
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(*want) {
                assert!(
                    (got - want).abs() <= 1e-6 * want,
                    "{n} {bins}: {got} {want}"
                );
            }
        }
        Ok(())
    }

    type Case = (usize, f64, usize, usize, &'static [f32]);

    const KERAS: &[Case] = &[
        (200, 0.01, 4, 0, &[3.8999965, 8.399993, 14.999996]),
        (
            1000,
            0.01,
            7,
            1,
            &[
                2.257_141, 4.614_281, 6.9857125, 9.328569, 13.62857, 18.885714,
            ],
        ),
        (333, 0.03, 5, 2, &[3.2113338, 6.538, 9.919997, 16.804663]),
        (29, 0.01, 4, 3, &[3.925, 7.9, 13.95]),
        (5, 0.01, 10, 4, &[0.4, 1.4, 8.2, 10.2]),
        (
            1700,
            0.013,
            6,
            5,
            &[2.648932, 5.334995, 8.0999975, 11.865196, 17.883999],
        ),
        (64, 0.5, 3, 6, &[8.4]),
        (
            1000,
            0.001,
            10,
            7,
            &[1.5999037, 3.2, 4.8, 6.5, 8.2, 9.8, 13.2, 16.8, 21.0],
        ),
        (
            777,
            0.1,
            12,
            8,
            &[
                1.6000003, 3.2000005, 4.800001, 6.400001, 8.1, 9.700001, 12.9, 16.6, 20.400002,
            ],
        ),
    ];

    #[test]
    fn bins_are_those_of_keras() -> Result<()> {
        // Keras 3.15 on JAX.
        let cases: [(&[f32], &[f32], &[f32]); 3] = [
            (
                &[0.0, 1.0],
                &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0],
                &[2., 2., 0., 2.],
            ),
            (
                &[1.0, 0.0],
                &[2.0, 0.5, 0.0, -1.0, 1.0],
                &[0., 1., 1., 2., 0.],
            ),
            (&[], &[2.0], &[0.]),
        ];
        for (boundaries, x, want) in cases {
            let layer = Discretization::new(boundaries);
            let mut probe = crate::testing::Probe::layer(&layer, &[1, x.len()], false)?;
            probe.set_inputs(&[x.to_vec()]);
            assert_eq!(probe.forward(), want);
        }
        Ok(())
    }

    #[test]
    fn data_that_teach_nothing_are_refused() {
        let bins = || Discretization::with_bins(3);
        let nothing: [f32; 0] = [];
        let errors = [
            bins().adapt(&nothing),
            bins().adapt(&[1.0, f32::NAN]),
            Discretization::new([0.0]).adapt(&[1.0]),
            Discretization::with_bins(0).adapt(&[1.0]),
        ];
        assert!(errors.iter().all(Result::is_err));
        let message = errors
            .into_iter()
            .nth(1)
            .and_then(Result::err)
            .expect("NaN");
        assert!(
            message.to_string().contains("NaN in row 1, column 0"),
            "{message}"
        );
    }
}
