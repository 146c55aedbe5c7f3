//! [`Shape`], the lengths of an array's axes, and [`Axes`], which of them an op works on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest number of axes a value can have.
pub const MAX_RANK: usize = 8;

/// The lengths of an array's axes, slowest first; small and copied freely.
///
/// # Examples
///
/// ```
/// use horn::graph::Shape;
///
/// let shape = Shape::from([32, 12]);
/// assert_eq!(shape.size(), 384);
/// assert_eq!(shape.to_string(), "(32, 12)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    lengths: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The shape of a single number: no axes.
    pub const SCALAR: Shape = Shape {
        lengths: [1; MAX_RANK],
        rank: 0,
    };

    /// A shape with these lengths, or `None` when there are more than [`MAX_RANK`] or their
    /// product does not fit in memory's address space.
    pub fn new(lengths: &[usize]) -> Option<Shape> {
        let mut shape = Shape::SCALAR;
        let bytes = lengths
            .iter()
            .try_fold(4usize, |size, length| size.checked_mul(*length.max(&1)));
        if lengths.len() > MAX_RANK || bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
            return None;
        }
        for (slot, length) in shape.lengths.iter_mut().zip(lengths) {
            *slot = *length;
        }
        shape.rank = lengths.len() as u8;
        Some(shape)
    }

    /// The lengths of the axes.
    pub fn dims(&self) -> &[usize] {
        self.lengths.get(..self.rank()).unwrap_or(&[])
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// The number of elements: the product of the lengths, 1 for a scalar.
    pub fn size(&self) -> usize {
        self.dims().iter().product()
    }

    /// The length of an axis; negative ones count from the end. `None` when there is no such axis.
    pub fn dim(&self, axis: isize) -> Option<usize> {
        self.axis(axis).and_then(|a| self.dims().get(a).copied())
    }

    /// The length of the last axis, 1 for a scalar.
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// The place of an axis counted from the front; negative ones count from the end.
    pub fn axis(&self, axis: isize) -> Option<usize> {
        let rank = self.rank as isize;
        let place = if axis < 0 { axis + rank } else { axis };
        (0..rank).contains(&place).then_some(place as usize)
    }

    /// This shape with one axis set to another length.
    pub(crate) fn with(mut self, axis: usize, length: usize) -> Shape {
        let rank = self.rank();
        if let Some(slot) = self.lengths.get_mut(axis).filter(|_| axis < rank) {
            *slot = length;
        }
        self
    }

    /// This shape without one axis.
    pub(crate) fn without(self, axis: usize) -> Shape {
        let kept: Vec<usize> = self
            .dims()
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != axis)
            .map(|(_, d)| *d)
            .collect();
        Shape::new(&kept).unwrap_or(Shape::SCALAR)
    }

    /// How far apart neighbours along each axis lie in row-major order.
    pub(crate) fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            if let (Some(stride), Some(length)) = (strides.get_mut(axis), self.dims().get(axis)) {
                *stride = step;
                step *= length;
            }
        }
        strides
    }

    /// The shape as an array around one axis: `(before, length, after)`.
    pub(crate) fn around(&self, axis: usize) -> (usize, usize, usize) {
        let before = self.dims().iter().take(axis).product();
        let length = self.dims().get(axis).copied().unwrap_or(1);
        let after = self.dims().iter().skip(axis + 1).product();
        (before, length, after)
    }

    /// How Keras prints it: the first axis, the batch, is `None`.
    pub(crate) fn batched(&self) -> String {
        let mut parts: Vec<String> = self.dims().iter().map(usize::to_string).collect();
        if let Some(first) = parts.first_mut() {
            *first = "None".into();
        }
        tuple(&parts)
    }
}

/// `(3,)` and `(3, 4)` as Python writes them.
pub(crate) fn tuple(parts: &[String]) -> String {
    match parts {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    /// The shape with these lengths.
    ///
    /// Lengths that [`Shape::new`] refuses become a scalar; use it where they come from outside.
    fn from(lengths: [usize; N]) -> Self {
        Shape::new(&lengths).unwrap_or(Shape::SCALAR)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.dims().iter().map(usize::to_string).collect();
        f.write_str(&tuple(&parts))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The axes that a reduction runs over: one (`-1` is the last), several, or all (`..`).
///
/// # Examples
///
/// ```
/// use horn::graph::Axes;
///
/// assert_eq!(Axes::from(-1), Axes::from([-1]));
/// let all: Axes = (..).into();
/// assert_eq!(all, Axes::All);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Axes {
    /// Every axis.
    All,
    /// These axes; negative ones count from the end.
    These(Vec<isize>),
}

impl Axes {
    /// Which axes of a shape are meant, or the one that it does not have.
    pub(crate) fn mask(&self, shape: &Shape) -> Result<[bool; MAX_RANK], isize> {
        let mut mask = [false; MAX_RANK];
        match self {
            Axes::All => mask.iter_mut().take(shape.rank()).for_each(|m| *m = true),
            Axes::These(axes) => {
                for axis in axes {
                    let place = shape.axis(*axis).ok_or(*axis)?;
                    if let Some(slot) = mask.get_mut(place) {
                        *slot = true;
                    }
                }
            }
        }
        Ok(mask)
    }
}

impl From<i32> for Axes {
    fn from(axis: i32) -> Self {
        Axes::These(vec![axis as isize])
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Self {
        Axes::These(vec![axis])
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Self {
        Axes::These(axes.to_vec())
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Self {
        Axes::These(axes.to_vec())
    }
}

impl From<Vec<isize>> for Axes {
    fn from(axes: Vec<isize>) -> Self {
        Axes::These(axes)
    }
}

impl From<std::ops::RangeFull> for Axes {
    fn from(_: std::ops::RangeFull) -> Self {
        Axes::All
    }
}

/// The setting `axis` as Keras writes it: one axis, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum AxisSetting {
    One(isize),
    Several(Vec<isize>),
}

impl AxisSetting {
    pub(crate) fn axes(&self) -> &[isize] {
        match self {
            AxisSetting::One(axis) => std::slice::from_ref(axis),
            AxisSetting::Several(axes) => axes,
        }
    }

    /// The axes of a setting, all of them where it is absent.
    pub(crate) fn or_all(setting: &Option<AxisSetting>) -> Axes {
        setting
            .as_ref()
            .map_or(Axes::All, |setting| Axes::from(setting.axes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_row_major() {
        assert_eq!(Shape::from([2, 3, 4]).strides()[..3], [12, 4, 1]);
        assert_eq!(Shape::SCALAR.strides(), [0; MAX_RANK]);
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        assert_eq!(Shape::new(&[usize::MAX, 2]), None);
        assert_eq!(Shape::new(&[1 << 40, 1 << 22]), None);
        assert_eq!(Shape::new(&[1; 9]), None);
        assert_eq!(Shape::new(&[0, 7]).map(|s| s.size()), Some(0));
    }

    #[test]
    fn prints_as_python_does() {
        assert_eq!(Shape::from([3]).to_string(), "(3,)");
        assert_eq!(Shape::SCALAR.to_string(), "()");
        assert_eq!(Shape::from([3, 12]).batched(), "(None, 12)");
    }
}
