//! What the normalization layers share: their axes, and weights along them.

use crate::graph::Value;
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
