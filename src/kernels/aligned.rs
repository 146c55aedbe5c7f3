//! [`Aligned`], the buffer that variables, gradients and workspaces live in.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytemuck::allocation::{try_zeroed_vec, zeroed_vec};

use super::huge_pages;

/// A cache line, and the widest vector register, in bytes.
const LINE: usize = 64;

/// The numbers that are left unused before the first line, at most.
const SPARE: usize = LINE / size_of::<f32>() - 1;

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
#[derive(Default)]
pub struct Aligned {
    numbers: Vec<f32>,
    /// Where the first line begins.
    start: usize,
    len: usize,
}

impl Aligned {
    /// A buffer of `len` zeros, or `None` when there is not so much memory.
    pub(crate) fn try_zeros(len: usize) -> Option<Self> {
        let numbers = try_zeroed_vec(len.checked_add(SPARE)?).ok()?;
        Some(Aligned::of(numbers, len))
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
        Aligned::of(zeroed_vec(len.saturating_add(SPARE)), len)
    }

    /// Zeros as the system gives them: a large buffer takes memory only where it is written to.
    fn of(mut numbers: Vec<f32>, len: usize) -> Self {
        huge_pages::ask(&mut numbers);
        let past = numbers.as_ptr() as usize % LINE / size_of::<f32>();
        let start = if past == 0 { 0 } else { SPARE + 1 - past };
        Aligned {
            numbers,
            start,
            len,
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &self.numbers[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..self.start + self.len]
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        Aligned::from(&self[..])
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
