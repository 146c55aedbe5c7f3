//! Limits that weights are put back into after each update: [`MaxNorm`], [`NonNeg`], ...
//!
//! A layer takes them as `kernel_constraint` and `bias_constraint`. The optimizer moves the weights
//! freely; then the constraint changes those that went too far.
//!
//! # Examples
//!
//! ```
//! use horn::constraints::MaxNorm;
//! use horn::prelude::*;
//!
//! let mut model = Sequential::new()
//!     .add(Dense::new(12).input_dim(8).activation(Relu).kernel_constraint(MaxNorm::new(3.0)))
//!     .add(Dense::new(1).activation(Sigmoid));
//! model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()))?;
//! # Ok::<(), horn::Error>(())
//! ```

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::registry::{self, Entry, read};
use crate::shape::{AxisSetting, MAX_RANK, Shape};

/// What weights are changed to after each update.
///
/// # Examples
///
/// A constraint of one's own, weights of at most 1:
///
/// ```
/// use horn::constraints::Constraint;
/// use horn::prelude::*;
///
/// #[derive(Debug)]
/// struct AtMostOne;
///
/// impl Constraint for AtMostOne {
///     fn apply(&self, weights: &mut [f32], _shape: &[usize]) {
///         weights.iter_mut().for_each(|w| *w = w.min(1.0));
///     }
///     fn class_name(&self) -> &str {
///         "AtMostOne"
///     }
/// }
///
/// let layer = Dense::new(1).input_dim(3).kernel_constraint(AtMostOne);
/// ```
pub trait Constraint: Any + Debug + Send + Sync {
    /// Changes the weights, row-major and of this shape, to ones that are allowed.
    fn apply(&self, weights: &mut [f32], shape: &[usize]);

    /// Keras's class name, for example `MaxNorm`.
    fn class_name(&self) -> &str;

    /// Whether the settings are within their ranges, for weights of this shape.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for the first that is not; `compile` and `build` return it with the
    /// layer's name.
    fn validate(&self, _shape: &[usize]) -> Result<()> {
        Ok(())
    }

    /// The settings as Keras writes them, a JSON object.
    fn config(&self) -> Json {
        json!({})
    }
}

impl<C: Constraint + ?Sized> Constraint for Arc<C> {
    fn apply(&self, weights: &mut [f32], shape: &[usize]) {
        (**self).apply(weights, shape);
    }

    fn class_name(&self) -> &str {
        (**self).class_name()
    }

    fn validate(&self, shape: &[usize]) -> Result<()> {
        (**self).validate(shape)
    }

    fn config(&self) -> Json {
        (**self).config()
    }
}

/// Every constraint: Keras's class, its other names, and how it is made.
const TABLE: &[Entry<dyn Constraint>] = &[
    ("MaxNorm", &["max_norm"], |c| {
        Ok(Arc::new(read::<MaxNorm>("MaxNorm", c)?))
    }),
    ("MinMaxNorm", &["min_max_norm"], |c| {
        Ok(Arc::new(read::<MinMaxNorm>("MinMaxNorm", c)?))
    }),
    ("NonNeg", &["non_neg"], |_| Ok(Arc::new(NonNeg))),
    ("UnitNorm", &["unit_norm"], |c| {
        Ok(Arc::new(read::<UnitNorm>("UnitNorm", c)?))
    }),
];

registry::own!("constraint", Constraint, Arc, |name| registry::is_known(
    TABLE, name
));

/// The constraint of Keras's name, with its default settings: `"max_norm"`, `"NonNeg"`, ...
///
/// # Errors
///
/// [`Error::Unknown`], with the nearest names.
///
/// # Examples
///
/// ```
/// use horn::constraints::{self, Constraint};
///
/// assert_eq!(constraints::get("max_norm")?.class_name(), "MaxNorm");
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Arc<dyn Constraint>> {
    registry::named("constraint", (TABLE, &OWN), name, &json!({}))
}

/// A constraint from what Keras writes: a name, or `{"class_name", "config"}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a name that is not there, [`Error::Config`] for a setting that cannot be
/// understood.
pub fn from_keras(json: &Json) -> Result<Arc<dyn Constraint>> {
    registry::described("constraint", (TABLE, &OWN), json)
}

/// What Keras writes for a constraint: `{"class_name", "config"}`.
pub fn to_keras(constraint: &dyn Constraint) -> Json {
    json!({"class_name": constraint.class_name(), "config": constraint.config()})
}

/// The axes that a norm is taken over are ones that the weights have.
fn check_axes(owner: &str, axes: &AxisSetting, shape: &[usize]) -> Result<()> {
    let rank = shape.len() as isize;
    let mut axes = axes.axes().iter();
    match axes.find(|axis| !(-rank..rank).contains(*axis)) {
        None => Ok(()),
        Some(axis) => Err(Error::argument(
            owner,
            "axis",
            format!("one of the {rank} axes of weights of shape {shape:?}"),
            axis,
        )),
    }
}

/// The epsilon that Keras adds to a norm before it divides by it.
const EPSILON: f32 = 1e-7;

/// How many groups are summed side by side.
const WIDE: usize = 64;

/// Multiplies each group of weights along `axes` by `factor(norm of the group)`.
fn rescale(weights: &mut [f32], shape: &[usize], over: &AxisSetting, factor: impl Fn(f32) -> f32) {
    let Some(shape) = Shape::new(shape).filter(|shape| shape.size() == weights.len()) else {
        return;
    };
    let mut reduced = [false; MAX_RANK];
    for axis in over.axes() {
        if let Some(axis) = shape.axis(*axis).and_then(|axis| reduced.get_mut(axis)) {
            *axis = true;
        }
    }
    let steps = Steps::new(&shape, reduced, true);
    let groups = Steps::new(&shape, reduced, false);
    // Groups whose first weights are neighbours are taken together.
    let run = groups.run();
    let mut first = 0;
    while first < groups.count {
        let start = groups.offset(first);
        let width = (run - first % run).min(WIDE);
        let mut sums = [0.0f32; WIDE];
        for step in 0..steps.count {
            let from = start + steps.offset(step);
            let weights = weights.get(from..from + width).unwrap_or(&[]);
            for (sum, w) in sums.iter_mut().zip(weights) {
                *sum += w * w;
            }
        }
        let factors = sums.map(|sum| factor(sum.sqrt()));
        for step in 0..steps.count {
            let from = start + steps.offset(step);
            let weights = weights.get_mut(from..from + width).unwrap_or(&mut []);
            for (w, factor) in weights.iter_mut().zip(factors) {
                *w *= factor;
            }
        }
        first += width;
    }
}

/// Some of the axes of an array, walked in row-major order.
struct Steps {
    lengths: [usize; MAX_RANK],
    strides: [usize; MAX_RANK],
    count: usize,
}

impl Steps {
    /// The axes that are marked, or those that are not.
    fn new(shape: &Shape, marks: [bool; MAX_RANK], marked: bool) -> Steps {
        let mut steps = Steps {
            lengths: [1; MAX_RANK],
            strides: shape.strides(),
            count: 1,
        };
        let axes = steps.lengths.iter_mut().zip(shape.dims()).zip(marks);
        for ((own, length), mark) in axes {
            if mark == marked {
                *own = *length;
                steps.count *= length;
            }
        }
        steps
    }

    /// Where the place with this number lies.
    fn offset(&self, mut place: usize) -> usize {
        let mut offset = 0;
        for (length, stride) in self.lengths.iter().zip(self.strides).rev() {
            offset += place % length * stride;
            place /= length;
        }
        offset
    }

    /// How many places follow each other in memory.
    fn run(&self) -> usize {
        let mut run = 1;
        for (length, stride) in self.lengths.iter().zip(self.strides).rev() {
            if *length > 1 && stride != run {
                break;
            }
            run *= length;
        }
        run
    }
}

/// Scales down what has a norm above `max_value`: `w · min(‖w‖, max_value) / (‖w‖ + 1e-7)`.
///
/// The norm is taken along `axis`; 0, the default, is the norm of the weights that lead into each
/// unit of a [`Dense`](crate::layers::Dense) kernel `(columns, units)`.
///
/// Source: <https://keras.io/api/layers/constraints/#maxnorm-class>
///
/// # Examples
///
/// ```
/// use horn::constraints::{Constraint, MaxNorm};
///
/// let mut weights = [3.0, 4.0];
/// MaxNorm::new(1.0).apply(&mut weights, &[2, 1]);
/// assert!((weights[1] - 0.8).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaxNorm {
    max_value: f32,
    axis: AxisSetting,
}

impl MaxNorm {
    /// With this largest norm; Keras's default is 2.
    pub fn new(max_value: f32) -> Self {
        MaxNorm {
            max_value,
            axis: AxisSetting::One(0),
        }
    }
}

impl Default for MaxNorm {
    fn default() -> Self {
        MaxNorm::new(2.0)
    }
}

impl Constraint for MaxNorm {
    fn apply(&self, weights: &mut [f32], shape: &[usize]) {
        rescale(weights, shape, &self.axis, |norm| {
            held(norm, 0.0, self.max_value) / (EPSILON + norm)
        });
    }

    fn class_name(&self) -> &str {
        "MaxNorm"
    }

    fn validate(&self, shape: &[usize]) -> Result<()> {
        check("MaxNorm", "max_value", self.max_value)?;
        check_axes("MaxNorm", &self.axis, shape)
    }

    fn config(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Moves norms between `min_value` and `max_value`, by the part `rate` of the way:
/// `w (rate · clip(‖w‖) + (1 - rate) ‖w‖) / (‖w‖ + 1e-7)`.
///
/// Source: <https://keras.io/api/layers/constraints/#minmaxnorm-class>
///
/// # Examples
///
/// ```
/// use horn::constraints::{Constraint, MinMaxNorm};
///
/// let mut weights = [3.0, 4.0];
/// MinMaxNorm::new(0.0, 1.0).rate(0.5).apply(&mut weights, &[2, 1]);
/// // A norm of 0.5 * 1 + 0.5 * 5.
/// assert!((weights[0] - 1.8).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MinMaxNorm {
    min_value: f32,
    max_value: f32,
    rate: f32,
    axis: AxisSetting,
}

impl MinMaxNorm {
    /// Between these norms, all the way at once; Keras's defaults are 0 and 1.
    pub fn new(min_value: f32, max_value: f32) -> Self {
        MinMaxNorm {
            min_value,
            max_value,
            rate: 1.0,
            axis: AxisSetting::One(0),
        }
    }

    /// How much of the way is gone after each update, from 0 to 1. Default: 1.
    pub fn rate(mut self, rate: f32) -> Self {
        self.rate = rate;
        self
    }
}

impl Default for MinMaxNorm {
    fn default() -> Self {
        MinMaxNorm::new(0.0, 1.0)
    }
}

impl Constraint for MinMaxNorm {
    fn apply(&self, weights: &mut [f32], shape: &[usize]) {
        rescale(weights, shape, &self.axis, |norm| {
            let wanted = self.rate * held(norm, self.min_value, self.max_value);
            (wanted + (1.0 - self.rate) * norm) / (EPSILON + norm)
        });
    }

    fn class_name(&self) -> &str {
        "MinMaxNorm"
    }

    fn validate(&self, shape: &[usize]) -> Result<()> {
        check("MinMaxNorm", "min_value", self.min_value)?;
        check("MinMaxNorm", "max_value", self.max_value)?;
        if self.min_value > self.max_value {
            return Err(Error::argument(
                "MinMaxNorm",
                "min_value",
                format!("at most `max_value`, {}", self.max_value),
                self.min_value,
            ));
        }
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Error::argument(
                "MinMaxNorm",
                "rate",
                "between 0 and 1",
                self.rate,
            ));
        }
        check_axes("MinMaxNorm", &self.axis, shape)
    }

    fn config(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Sets negative weights to 0.
///
/// Source: <https://keras.io/api/layers/constraints/#nonneg-class>
///
/// # Examples
///
/// ```
/// use horn::constraints::{Constraint, NonNeg};
///
/// let mut weights = [3.0, -4.0];
/// NonNeg.apply(&mut weights, &[2]);
/// assert_eq!(weights, [3.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NonNeg;

impl Constraint for NonNeg {
    fn apply(&self, weights: &mut [f32], _shape: &[usize]) {
        // NaN stays, to be seen.
        for w in weights {
            *w = if *w < 0.0 { 0.0 } else { *w };
        }
    }

    fn class_name(&self) -> &str {
        "NonNeg"
    }
}

/// Divides by the norm: `w / (‖w‖ + 1e-7)`.
///
/// Source: <https://keras.io/api/layers/constraints/#unitnorm-class>
///
/// # Examples
///
/// ```
/// use horn::constraints::{Constraint, UnitNorm};
///
/// let mut weights = [3.0, 4.0];
/// UnitNorm::new().apply(&mut weights, &[2, 1]);
/// assert!((weights[0] - 0.6).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitNorm {
    axis: AxisSetting,
}

impl UnitNorm {
    /// The norm along axis 0.
    pub fn new() -> Self {
        UnitNorm {
            axis: AxisSetting::One(0),
        }
    }
}

impl Default for UnitNorm {
    fn default() -> Self {
        UnitNorm::new()
    }
}

impl Constraint for UnitNorm {
    fn apply(&self, weights: &mut [f32], shape: &[usize]) {
        rescale(weights, shape, &self.axis, |norm| 1.0 / (EPSILON + norm));
    }

    fn class_name(&self) -> &str {
        "UnitNorm"
    }

    fn validate(&self, shape: &[usize]) -> Result<()> {
        check_axes("UnitNorm", &self.axis, shape)
    }

    fn config(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The builder for the axes of a norm.
macro_rules! axis_builder {
    ($($constraint:ty),*) => {$(
        impl $constraint {
            /// The axis that the norm is taken along; negative ones count from the end.
            /// Default: 0.
            pub fn axis(mut self, axis: isize) -> Self {
                self.axis = AxisSetting::One(axis);
                self
            }

            /// Several axes that the norm is taken along: `[0, 1, 2]` for each filter of a
            /// convolution.
            pub fn axes(mut self, axes: impl Into<Vec<isize>>) -> Self {
                self.axis = AxisSetting::Several(axes.into());
                self
            }
        }
    )*};
}
axis_builder!(MaxNorm, MinMaxNorm, UnitNorm);

/// A norm held between two; NaN stays NaN.
fn held(norm: f32, low: f32, high: f32) -> f32 {
    if norm < low {
        low
    } else if norm > high {
        high
    } else {
        norm
    }
}

/// A norm to hold to is a finite number that is not negative.
fn check(owner: &str, argument: &'static str, norm: f32) -> Result<()> {
    match norm.is_finite() && norm >= 0.0 {
        true => Ok(()),
        false => Err(Error::argument(
            owner,
            argument,
            "a finite number of at least 0",
            norm,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_resolves_and_round_trips() {
        for (class, names, _) in TABLE {
            for name in names.iter().chain([class]) {
                let constraint = get(name).expect(name);
                assert_eq!(constraint.class_name(), *class);
                let again = from_keras(&to_keras(&constraint)).expect(name);
                assert_eq!(to_keras(&again), to_keras(&constraint));
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |constraint: &dyn Constraint| {
            let error = constraint.validate(&[2, 3]).unwrap_err();
            error.to_string()
        };
        assert!(message(&MaxNorm::new(-1.0)).contains("`max_value`"));
        assert!(message(&MaxNorm::new(1.0).axis(2)).contains("`axis`"));
        assert!(message(&UnitNorm::new().axis(-3)).contains("got -3"));
        assert!(message(&MinMaxNorm::new(2.0, 1.0)).contains("`min_value`"));
        assert!(message(&MinMaxNorm::default().rate(1.5)).contains("`rate`"));
        assert!(UnitNorm::new().axes([0, -1]).validate(&[2, 3]).is_ok());
    }

    #[test]
    fn nan_stays_to_be_seen() {
        for constraint in [get("max_norm"), get("non_neg"), get("unit_norm")] {
            let mut weights = [f32::NAN, 1.0];
            constraint.expect("a name").apply(&mut weights, &[2]);
            assert!(weights[0].is_nan());
        }
    }

    proptest! {
        /// Any axes of any shape agree with the definition, group by group.
        #[test]
        fn norms_are_those_of_the_definition(
            shape in prop::collection::vec(1_usize..5, 1..5),
            marks in prop::collection::vec(any::<bool>(), 4),
            wide in 1_usize..150,
        ) {
            let mut shape = shape;
            *shape.last_mut().unwrap() *= wide;
            let axes: Vec<isize> =
                (0..shape.len()).filter(|a| marks[*a]).map(|a| a as isize).collect();
            let size: usize = shape.iter().product();
            let weights: Vec<f32> = (0..size).map(|i| (i as f32 * 0.37).sin()).collect();

            let strides = Shape::new(&shape).unwrap().strides();
            let group = |i: usize| -> Vec<usize> {
                let kept = (0..shape.len()).filter(|a| !marks[*a]);
                kept.map(|a| i / strides[a] % shape[a]).collect()
            };
            let mut sums = std::collections::HashMap::new();
            for (i, w) in weights.iter().enumerate() {
                *sums.entry(group(i)).or_insert(0.0_f64) += f64::from(w * w);
            }

            let mut got = weights.clone();
            UnitNorm::new().axes(axes).apply(&mut got, &shape);
            for (i, w) in weights.iter().enumerate() {
                let want = f64::from(*w) / (1e-7 + sums[&group(i)].sqrt());
                prop_assert!((f64::from(got[i]) - want).abs() < 1e-5, "{i}: {} {want}", got[i]);
            }
        }
    }
}
