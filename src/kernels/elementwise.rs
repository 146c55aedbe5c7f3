//! Loops that treat each element alone.
//!
//! Each runs vectorised, and above [`GRAIN`](super::parallel::GRAIN) elements on several threads.
//! The function must be inlined into the loop: pass a function such as `math::tanh` by name, or
//! mark a closure that does more than a few operations: `map(x, out, #[inline(always)] |x| ...)`.

use super::parallel::chunks1;
use super::simd::dispatch;

/// The numbers that are computed together at the end of a slice.
const END: usize = 8;

/// `out = f(x)`, element by element.
#[inline]
pub(crate) fn map(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    debug_assert_eq!(x.len(), out.len());
    let length = x.len().min(out.len());
    chunks1(&mut out[..length], |offset, out| {
        let x = &x[offset..][..out.len()];
        dispatch(
            #[inline(always)]
            || {
                let whole = whole(out.len());
                for (out, x) in out[..whole].iter_mut().zip(x) {
                    *out = f(*x);
                }
                if let (false, Some(x), Some(out)) = (
                    whole == x.len(),
                    x.last_chunk::<END>(),
                    out.last_chunk_mut(),
                ) {
                    *out = x.map(&f);
                }
            },
        );
    });
}

/// Up to where a loop goes by whole vectors. The rest is done by one more vector that ends with
/// the slice and meets some elements again, unless the slice is too short for that.
///
/// Left to the compiler, the last elements would be computed one by one, and three exponentials
/// in a row take longer than the eight before them.
#[inline(always)]
fn whole(length: usize) -> usize {
    match length < END {
        true => length,
        false => length / END * END,
    }
}

/// `x = f(x)`, element by element.
#[inline]
pub(crate) fn map_in_place(x: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    chunks1(x, |_, x| {
        dispatch(
            #[inline(always)]
            || {
                let whole = whole(x.len());
                // Read before it is overwritten.
                let end = x.last_chunk::<END>().filter(|_| whole < x.len()).copied();
                for x in &mut x[..whole] {
                    *x = f(*x);
                }
                if let (Some(end), Some(x)) = (end, x.last_chunk_mut()) {
                    *x = end.map(&f);
                }
            },
        );
    });
}

/// `out = f(a, b)`, element by element.
#[inline]
pub(crate) fn zip(a: &[f32], b: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    debug_assert_eq!(a.len(), out.len());
    debug_assert_eq!(b.len(), out.len());
    let length = a.len().min(b.len()).min(out.len());
    chunks1(&mut out[..length], |offset, out| {
        let (a, b) = (&a[offset..][..out.len()], &b[offset..][..out.len()]);
        dispatch(
            #[inline(always)]
            || {
                let whole = whole(out.len());
                for ((out, a), b) in out[..whole].iter_mut().zip(a).zip(b) {
                    *out = f(*a, *b);
                }
                if let (false, Some(a), Some(b), Some(out)) = (
                    whole == a.len(),
                    a.last_chunk::<END>(),
                    b.last_chunk::<END>(),
                    out.last_chunk_mut::<END>(),
                ) {
                    for l in 0..END {
                        out[l] = f(a[l], b[l]);
                    }
                }
            },
        );
    });
}

/// `a = f(a, b)`, element by element.
#[inline]
pub(crate) fn zip_in_place(a: &mut [f32], b: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    debug_assert_eq!(a.len(), b.len());
    let length = a.len().min(b.len());
    chunks1(&mut a[..length], |offset, a| {
        let b = &b[offset..][..a.len()];
        dispatch(
            #[inline(always)]
            || {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = f(*a, *b);
                }
            },
        );
    });
}

/// `out = f(a, b, c)`, element by element.
#[inline]
pub(crate) fn zip3(
    a: &[f32],
    b: &[f32],
    c: &[f32],
    out: &mut [f32],
    f: impl Fn(f32, f32, f32) -> f32 + Sync,
) {
    debug_assert_eq!(a.len(), out.len());
    debug_assert_eq!(b.len(), out.len());
    debug_assert_eq!(c.len(), out.len());
    let length = a.len().min(b.len()).min(c.len()).min(out.len());
    chunks1(&mut out[..length], |offset, out| {
        let (a, b) = (&a[offset..][..out.len()], &b[offset..][..out.len()]);
        let c = &c[offset..][..out.len()];
        dispatch(
            #[inline(always)]
            || {
                for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
                    *out = f(*a, *b, *c);
                }
            },
        );
    });
}

/// `a += b`, element by element.
#[inline]
pub(crate) fn add_assign(a: &mut [f32], b: &[f32]) {
    zip_in_place(a, b, |a, b| a + b);
}

#[cfg(test)]
mod tests {
    use super::super::parallel::{GRAIN, PIECE};
    use super::*;

    /// Lengths around a vector, and on both sides of where pieces begin.
    const LENGTHS: [usize; 9] = [0, 1, 7, 8, 9, 17, 1000, GRAIN, GRAIN + PIECE + 5];

    fn numbers(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16) as f32 - 3e4)
            .collect()
    }

    #[test]
    fn every_loop_meets_every_element_once() {
        for (len, shift) in LENGTHS
            .into_iter()
            .flat_map(|len| [(len, 0), (len, 1), (len, 3)])
        {
            // Slices that start on a vector's boundary, and between.
            let all = [1, 2, 3].map(|seed| numbers(len + shift, seed));
            let [a, b, c] = all.each_ref().map(|all| &all[shift..]);
            let mut out = vec![0.0; len + shift];
            let out = &mut out[shift..];
            map(a, out, |a| a + 1.0);
            assert!(out.iter().zip(a).all(|(o, a)| *o == a + 1.0));
            zip(a, b, out, |a, b| a - b);
            assert!((0..len).all(|i| out[i] == a[i] - b[i]));
            zip3(a, b, c, out, |a, b, c| a * b - c);
            assert!((0..len).all(|i| out[i] == a[i] * b[i] - c[i]));
            out.copy_from_slice(a);
            map_in_place(out, |a| 2.0 * a);
            assert!((0..len).all(|i| out[i] == 2.0 * a[i]));
            out.copy_from_slice(a);
            zip_in_place(out, b, |a, b| a.max(b));
            assert!((0..len).all(|i| out[i] == a[i].max(b[i])));
            out.copy_from_slice(a);
            add_assign(out, b);
            assert!((0..len).all(|i| out[i] == a[i] + b[i]));
        }
    }
}
