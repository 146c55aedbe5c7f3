//! [`fans`], the numbers of inputs and outputs of a variable, and the axes that say otherwise.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::shape::MAX_RANK;

/// The numbers of inputs and outputs of one unit of a variable of the given shape.
///
/// Of a kernel of a dense layer `(inputs, units)` they are the two sizes; of a convolution's
/// `(..., channels, filters)` the two last ones times the receptive field, which is the product
/// of the others; of a vector its length twice; of a scalar 1.
///
/// # Examples
///
/// ```
/// use horn::initializers::fans;
///
/// assert_eq!(fans(&[8, 12]), (8, 12));
/// assert_eq!(fans(&[3, 3, 16, 32]), (144, 288));
/// ```
pub fn fans(shape: &[usize]) -> (usize, usize) {
    match *shape {
        [] => (1, 1),
        [n] => (n, n),
        [ref field @ .., inputs, outputs] => {
            let field: usize = field.iter().product();
            (inputs * field, outputs * field)
        }
    }
}

/// Axes in a list that is copied freely. One that is longer than any shape keeps its length only,
/// and fits none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct List {
    axes: [isize; MAX_RANK],
    count: usize,
}

impl List {
    fn new(given: &[isize]) -> Self {
        let mut axes = [0; MAX_RANK];
        axes.iter_mut()
            .zip(given)
            .for_each(|(to, from)| *to = *from);
        List {
            axes,
            count: given.len(),
        }
    }

    fn axes(&self) -> &[isize] {
        self.axes.get(..self.count).unwrap_or(&self.axes)
    }

    /// The product of the lengths of these axes, if the shape has them.
    fn fan(&self, shape: &[usize]) -> Option<usize> {
        let place = |axis: isize| match axis {
            0.. => Some(axis as usize),
            _ => shape.len().checked_sub(axis.unsigned_abs()),
        };
        let length = |axis: &isize| shape.get(place(*axis)?).copied();
        let axes = self.axes.get(..self.count)?.iter();
        axes.map(length)
            .try_fold(1_usize, |fan, length| fan.checked_mul(length?))
    }
}

/// The axes that count as inputs and as outputs, where they are not the last two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FanAxes {
    inputs: Option<List>,
    outputs: Option<List>,
}

impl FanAxes {
    pub(super) fn inputs(mut self, axes: &[isize]) -> Self {
        self.inputs = Some(List::new(axes));
        self
    }

    pub(super) fn outputs(mut self, axes: &[isize]) -> Self {
        self.outputs = Some(List::new(axes));
        self
    }

    /// The numbers of inputs and outputs. As in Keras, axes count where both are given.
    pub(super) fn fans(&self, owner: &str, shape: &[usize]) -> Result<(usize, usize)> {
        let (Some(inputs), Some(outputs)) = (self.inputs, self.outputs) else {
            return Ok(fans(shape));
        };
        let fan = |list: List, argument| {
            let found = || format!("{:?} for the shape {shape:?}", list.axes());
            list.fan(shape)
                .ok_or_else(|| Error::argument(owner, argument, "axes of the variable", found()))
        };
        Ok((fan(inputs, "input_axes")?, fan(outputs, "output_axes")?))
    }

    /// Writes the axes that are given. Keras writes null for those that are not, which its versions
    /// before 3.15 refuse to read.
    pub(super) fn write(&self, mut config: Value) -> Value {
        let lists = [("input_axes", self.inputs), ("output_axes", self.outputs)];
        if let Some(fields) = config.as_object_mut() {
            for (key, list) in lists {
                list.map(|list| fields.insert(key.to_string(), json!(list.axes())));
            }
        }
        config
    }

    /// The axes in a configuration; what is wrong with them is the name of the setting.
    pub(super) fn read(config: &Map<String, Value>) -> std::result::Result<Self, &'static str> {
        let list = |key| match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value::<Vec<isize>>(value.clone())
                .map(|axes| Some(List::new(&axes)))
                .map_err(|_| key),
        };
        Ok(FanAxes {
            inputs: list("input_axes")?,
            outputs: list("output_axes")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_are_those_of_keras() {
        assert_eq!(fans(&[]), (1, 1));
        assert_eq!(fans(&[5]), (5, 5));
        assert_eq!(fans(&[5, 7]), (5, 7));
        assert_eq!(fans(&[3, 5, 7]), (15, 21));
        assert_eq!(fans(&[2, 3, 5, 7]), (30, 42));
    }

    #[test]
    fn axes_count_where_both_are_given() {
        let both = FanAxes::default().inputs(&[0]).outputs(&[1, -1]);
        assert_eq!(both.fans("A", &[2, 3, 5]).unwrap(), (2, 15));
        let none = FanAxes::default().inputs(&[]).outputs(&[0]);
        assert_eq!(none.fans("A", &[2, 3, 5]).unwrap(), (1, 2));
        let one = FanAxes::default().inputs(&[7]);
        assert_eq!(one.fans("A", &[2, 3, 5]).unwrap(), (6, 10));
    }

    #[test]
    fn axes_that_are_not_there_are_errors() {
        let outside = |axes: &[isize]| {
            let axes = FanAxes::default().inputs(&[0]).outputs(axes);
            axes.fans("A", &[2, 3]).unwrap_err().to_string()
        };
        let found = outside(&[2]);
        assert!(
            found.contains(
                "`output_axes` must be axes of the variable, got [2] for the shape [2, 3]"
            ),
            "{found}"
        );
        assert!(outside(&[-3]).contains("output_axes"));
        assert!(outside(&[isize::MIN]).contains("output_axes"));
        assert!(outside(&[0; 9]).contains("output_axes"));
    }
}
