//! [`Aligned`], the buffer that variables, gradients and workspaces live in.

use std::fmt;
use std::ops::{Deref, DerefMut};

use pulp::bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};

/// The numbers in a cache line.
const LINE: usize = 16;

/// One cache line, and the widest vector register, of numbers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

// SAFETY: all bits zero are sixteen times 0.0.
unsafe impl Zeroable for Line {}
// SAFETY: sixteen `f32` take 64 bytes, the alignment, so there is no padding; `f32` is `Pod`.
unsafe impl Pod for Line {}

/// A buffer of numbers of a fixed length that starts on a 64-byte boundary.
///
/// It behaves as a slice. The alignment lets a vector register be filled from one cache line.
///
/// # Examples
///
/// ```
/// use horn::optimizers::Aligned;
///
/// let mut buffer = Aligned::zeros(3);
/// buffer[1] = 2.0;
/// assert_eq!(&buffer[..], [0.0, 2.0, 0.0]);
/// ```
#[derive(Clone, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// A buffer of `len` zeros, or `None` when there is not so much memory.
    pub(crate) fn try_zeros(len: usize) -> Option<Self> {
        let count = len.div_ceil(LINE);
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).ok()?;
        lines.resize(count, Line([0.0; LINE]));
        Some(Aligned { lines, len })
    }

    /// A buffer of `len` zeros.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::Aligned;
    ///
    /// assert_eq!(Aligned::zeros(5).len(), 5);
    /// ```
    pub fn zeros(len: usize) -> Self {
        Aligned {
            lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)],
            len,
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Aligned {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl From<&[f32]> for Aligned {
    fn from(values: &[f32]) -> Self {
        let mut buffer = Aligned::zeros(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl PartialEq for Aligned {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl fmt::Debug for Aligned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self[..], formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_cache_line_and_is_zero() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let buffer = Aligned::zeros(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            assert!(buffer.iter().all(|v| *v == 0.0));
        }
    }

    #[test]
    fn copies_compares_and_prints_as_a_slice() {
        let mut buffer = Aligned::from(&[1.0, 2.0, 3.0][..]);
        let copy = buffer.clone();
        assert_eq!(buffer, copy);
        buffer[2] = 4.0;
        assert_ne!(buffer, copy);
        assert_eq!(format!("{buffer:?}"), "[1.0, 2.0, 4.0]");
        assert!(Aligned::default().is_empty());
    }
}
