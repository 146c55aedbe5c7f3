//! What the normalization layers share: their axes, and weights along them.

use crate::graph::Value;
use crate::ops::groups::Groups;
use crate::ops::normalize::Normalize;
use crate::shape::AxisSetting;

/// The places of the axes of a setting, sorted; nothing, and a mistake recorded, where one is not
/// there or is the batch.
pub(super) fn places(x: &Value, axis: &AxisSetting) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for axis in axis.axes() {
        match x.shape().axis(*axis) {
            Some(place) if place > 0 && !places.contains(&place) => places.push(place),
            _ => {
                x.fail(format!(
                    "`axis` must be one of the axes of inputs of shape {}, not the batch, got {axis}",
                    x.shape()
                ));
                return None;
            }
        }
    }
    places.sort_unstable();
    Some(places)
}

/// The lengths of axes.
pub(super) fn lengths(x: &Value, places: &[usize]) -> Vec<usize> {
    let dims = x.shape();
    let length = |place: &usize| dims.dims().get(*place).copied();
    places.iter().filter_map(length).collect()
}

/// Numbers for each place along axes of `x`, with axes of length 1 for the others.
pub(super) fn along(x: &Value, weight: &Value, places: &[usize]) -> Value {
    let mut lengths = x.shape().dims().to_vec();
    for (axis, length) in lengths.iter_mut().enumerate() {
        if !places.contains(&axis) {
            *length = 1;
        }
    }
    weight.reshape(lengths)
}

/// Those axes as reductions take them.
pub(super) fn signed(places: &[usize]) -> Vec<isize> {
    places.iter().map(|place| *place as isize).collect()
}

/// The mean and the variance over axes, which are kept with length 1.
pub(super) fn moments(x: &Value, places: &[usize]) -> (Value, Value) {
    let mean = x.mean_keepdims(signed(places));
    let variance = (x - &mean).square().mean_keepdims(signed(places));
    (mean, variance)
}

/// How an array is normalized: along which axes, by what, and what follows.
pub(super) struct Standard<'a> {
    /// The axes whose numbers belong together.
    pub(super) over: &'a [usize],
    pub(super) epsilon: f32,
    /// Whether the mean is subtracted.
    pub(super) centered: bool,
    /// With axes of length 1 beside those that they have.
    pub(super) gamma: Option<Value>,
    pub(super) beta: Option<Value>,
}

/// The array as a matrix whose rows are the groups, where the axes are the last ones: its columns.
pub(super) fn columns_of_rows(x: &Value, over: &[usize]) -> Option<usize> {
    let first = x.rank().checked_sub(over.len())?;
    let last = over.iter().copied().eq(first..x.rank()) && !over.is_empty();
    last.then(|| lengths(x, over).iter().product())
}

impl Standard<'_> {
    /// `x` with a mean of 0 and a variance of 1, times `gamma` and plus `beta`.
    pub(super) fn apply(self, x: &Value) -> Value {
        match columns_of_rows(x, self.over).filter(|columns| *columns > 0) {
            Some(columns) => self.by_op(x, (Groups::Rows, columns), None, true),
            None => self.by_ops(x),
        }
    }

    /// With the moments of columns, which are known; `through` says whether they are those of `x`.
    pub(super) fn with_moments(&self, x: &Value, moments: &Value, through: bool) -> Value {
        self.by_op(x, (Groups::Columns, x.dim(-1)), Some(moments), through)
    }

    fn by_op(
        &self,
        x: &Value,
        (groups, columns): (Groups, usize),
        moments: Option<&Value>,
        through: bool,
    ) -> Value {
        let weights = self.gamma.iter().chain(&self.beta);
        let others: Vec<&Value> = moments.into_iter().chain(weights).collect();
        let op = Normalize {
            groups,
            columns,
            epsilon: self.epsilon,
            centered: self.centered,
            scale: self.gamma.is_some(),
            center: self.beta.is_some(),
            through,
        };
        x.normalize(&others, op)
    }

    fn by_ops(self, x: &Value) -> Value {
        let (x, variance) = match self.centered {
            true => {
                let (mean, variance) = moments(x, self.over);
                (x - mean, variance)
            }
            false => (x.clone(), x.square().mean_keepdims(signed(self.over))),
        };
        let y = x * (variance + self.epsilon).rsqrt();
        self.scaled(y)
    }

    /// Times `gamma` and plus `beta`.
    pub(super) fn scaled(self, y: Value) -> Value {
        let y = match self.gamma {
            Some(gamma) => y * gamma,
            None => y,
        };
        match self.beta {
            Some(beta) => y + beta,
            None => y,
        }
    }
}
