//! Work in pieces over rayon's threads, with the same result at any number of them.

use std::sync::OnceLock;

use rayon::prelude::*;

/// The number of elements up to which an elementwise loop stays on one thread.
///
/// Waking a thread costs some 5 to 10 us, as much as a cheap loop over this many numbers.
pub(crate) const GRAIN: usize = 64 * 1024;

/// The elements of one piece of a loop that is split.
pub(crate) const PIECE: usize = 16 * 1024;

/// The number of rayon's threads, asked once: asking reads the environment and the cgroups.
#[inline]
pub(crate) fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(rayon::current_num_threads)
}

/// Calls `f(offset, piece)` for pieces of `out`, in parallel where that pays.
///
/// Up to [`GRAIN`] elements are one piece; more are pieces of a fixed size, whatever the number
/// of threads, so that what `f` does with `offset` does not depend on it either.
#[inline]
pub(crate) fn chunks1(out: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    chunks(out, GRAIN, PIECE, f);
}

/// The same with a grain and a piece of the caller's: for loops whose pieces must be whole rows,
/// or whose work is more than a little for each number that they write.
#[inline]
pub(crate) fn chunks(
    out: &mut [f32],
    grain: usize,
    piece: usize,
    f: impl Fn(usize, &mut [f32]) + Sync,
) {
    if out.len() <= grain {
        f(0, out);
    } else {
        in_pieces(out, piece.max(1), &f);
    }
}

/// The long way of [`chunks`]. One function for all of them: rayon's machinery once for each
/// closure would double the time that the crate takes to compile.
#[inline(never)]
fn in_pieces(out: &mut [f32], length: usize, f: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    if threads() == 1 {
        for (i, piece) in out.chunks_mut(length).enumerate() {
            f(i * length, piece);
        }
    } else {
        out.par_chunks_mut(length)
            .enumerate()
            .for_each(|(i, piece)| f(i * length, piece));
    }
}

/// A buffer, and the length of its pieces.
type Pieces<'a> = (&'a mut [f32], usize);

/// What [`pairs`] calls.
type OfPair<'a> = dyn Fn(usize, &mut [f32], &mut [f32]) + Sync + 'a;
/// What [`triples`] calls.
type OfTriple<'a> = dyn Fn(usize, &mut [f32], &mut [f32], &mut [f32]) + Sync + 'a;

/// Calls `f(number, piece_of_a, piece_of_b)` for pieces of two buffers that belong together, in
/// parallel where `parallel` says so. Both have as many pieces; what one has more is left out.
#[inline(never)]
pub(crate) fn pairs((a, a_piece): Pieces, (b, b_piece): Pieces, parallel: bool, f: &OfPair) {
    let (a_piece, b_piece) = (a_piece.max(1), b_piece.max(1));
    if !parallel || threads() == 1 {
        let both = a.chunks_mut(a_piece).zip(b.chunks_mut(b_piece));
        both.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        let both = a.par_chunks_mut(a_piece).zip(b.par_chunks_mut(b_piece));
        both.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// [`pairs`] of three buffers.
#[inline(never)]
pub(crate) fn triples(
    (a, a_piece): Pieces,
    (b, b_piece): Pieces,
    (c, c_piece): Pieces,
    parallel: bool,
    f: &OfTriple,
) {
    let (a_piece, b_piece, c_piece) = (a_piece.max(1), b_piece.max(1), c_piece.max(1));
    if !parallel || threads() == 1 {
        let both = a.chunks_mut(a_piece).zip(b.chunks_mut(b_piece));
        let all = both.zip(c.chunks_mut(c_piece)).enumerate();
        all.for_each(|(i, ((a, b), c))| f(i, a, b, c));
    } else {
        let both = a.par_chunks_mut(a_piece).zip(b.par_chunks_mut(b_piece));
        let all = both.zip(c.par_chunks_mut(c_piece)).enumerate();
        all.for_each(|(i, ((a, b), c))| f(i, a, b, c));
    }
}

/// Runs both closures, in parallel when there is more than one thread.
#[inline]
pub(crate) fn join<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if threads() == 1 {
        (a(), b())
    } else {
        rayon::join(a, b)
    }
}

/// Runs `f` on one of rayon's threads, where it is not on one already.
///
/// A loop that is split from outside wakes one thread to be told and another to help, and waits
/// for both: some 40 us. For a row of such loops that is paid once here.
pub(crate) fn inside(f: impl FnOnce() + Send) {
    if threads() == 1 || rayon::current_thread_index().is_some() {
        f();
    } else {
        rayon::join(f, || ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_element_once_with_its_offset() {
        let count = |offset: usize, piece: &mut [f32]| {
            for (i, value) in piece.iter_mut().enumerate() {
                *value += (offset + i) as f32;
            }
        };
        for len in [0, 1, GRAIN, GRAIN + 1, GRAIN + 3 * PIECE + 7] {
            let mut out = vec![0.0; len];
            chunks1(&mut out, count);
            assert!(out.iter().enumerate().all(|(i, v)| *v == i as f32));
        }
        for (len, grain, piece) in [
            (0, 0, 0),
            (1, 0, 0),
            (100, 99, 7),
            (100, 100, 7),
            (21, 3, 7),
        ] {
            let mut out = vec![0.0; len];
            chunks(&mut out, grain, piece, |offset, out| {
                assert!(out.len() == len || out.len() <= piece.max(1));
                count(offset, out);
            });
            assert!(out.iter().enumerate().all(|(i, v)| *v == i as f32));
        }
    }

    #[test]
    fn pairs_of_pieces_belong_together() {
        for parallel in [false, true] {
            let (mut a, mut b) = (vec![0.0; 10], vec![0.0; 7]);
            pairs((&mut a, 3), (&mut b, 2), parallel, &|i, a, b| {
                a.fill(i as f32);
                b.fill(i as f32);
            });
            assert_eq!(a, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0]);
            assert_eq!(b, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
        }
    }

    #[test]
    fn inside_is_on_a_thread_of_rayons() {
        let mut there = false;
        inside(|| there = threads() == 1 || rayon::current_thread_index().is_some());
        assert!(there);
    }

    #[test]
    fn join_runs_both() {
        assert_eq!(join(|| 1, || 2), (1, 2));
        assert!(threads() >= 1);
    }
}
