//! Shapes for a batch of any size, found by tracing a model for two sizes and comparing.

use crate::graph::Shape;

/// The sizes of the batches that are traced. They are primes that no layer's size is likely to be:
/// an axis that happens to be as long as the batch is treated like it by layers that compare lengths.
pub(crate) const BATCHES: [usize; 2] = [211, 223];

/// The length of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Fixed(usize),
    /// This many times the batch.
    Batches(usize),
}

impl Length {
    /// The length that an axis has in both traces.
    fn of(lengths: [usize; 2]) -> Option<Length> {
        let [a, b] = lengths;
        if a == b {
            return Some(Length::Fixed(a));
        }
        let times = a / BATCHES[0];
        let fits = a == times * BATCHES[0] && b == times * BATCHES[1];
        fits.then_some(Length::Batches(times))
    }

    pub(super) fn is_fixed(self) -> bool {
        matches!(self, Length::Fixed(_))
    }
}

/// The shape that a value has in both traces; `None` where it follows the batch in another way.
pub(super) fn lengths(shapes: [Shape; 2]) -> Option<Vec<Length>> {
    let [a, b] = shapes;
    if a.rank() != b.rank() {
        return None;
    }
    let pairs = a.dims().iter().zip(b.dims());
    pairs.map(|(a, b)| Length::of([*a, *b])).collect()
}

/// The length of an array whose axes are all fixed.
pub(super) fn fixed(lengths: &[Length]) -> Option<Vec<usize>> {
    let fixed = |length: &Length| match length {
        Length::Fixed(length) => Some(*length),
        Length::Batches(_) => None,
    };
    lengths.iter().map(fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_with_the_batch_is_a_multiple_of_it() {
        let [a, b] = BATCHES;
        let shapes = [Shape::from([a, 3, 2 * a]), Shape::from([b, 3, 2 * b])];
        let expected = [Length::Batches(1), Length::Fixed(3), Length::Batches(2)];
        assert_eq!(lengths(shapes).as_deref(), Some(expected.as_slice()));
        assert_eq!(lengths([Shape::from([a + 1]), Shape::from([b + 1])]), None);
        assert_eq!(lengths([Shape::from([a]), Shape::from([b, 1])]), None);
        assert_eq!(fixed(&expected), None);
        assert_eq!(fixed(&[Length::Fixed(3)]), Some(vec![3]));
    }
}
