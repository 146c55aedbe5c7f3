//! One seed, many independent streams of random numbers.
//!
//! Every random number of a model comes from a [`stream`] named by the model's seed, a
//! [`Purpose`], a path (of a variable, of a layer) and an index (an epoch, a step). So a run
//! that resumes at epoch 40 draws what an unbroken run draws there, and adding a layer does
//! not reshuffle the data. The numbers are the same on every machine.
//!
//! # Examples
//!
//! ```
//! use horn::random::{self, Purpose};
//!
//! let mut epoch_3 = random::stream(7, Purpose::Shuffle, "", 3);
//! let mut order: Vec<u32> = (0..5).collect();
//! random::shuffle(&mut order, &mut epoch_3);
//!
//! let mut again: Vec<u32> = (0..5).collect();
//! random::shuffle(&mut again, &mut random::stream(7, Purpose::Shuffle, "", 3));
//! assert_eq!(order, again);
//! ```

use rand::rngs::SysRng;
use rand::{Rng as _, SeedableRng, TryRng};
use rand_distr::{Distribution, StandardNormal};
use std::hash::{BuildHasher, RandomState};

/// The generator behind every random number here: ChaCha with 8 rounds, a counter-based
/// generator whose streams are independent for different keys.
pub type Rng = rand::rngs::ChaCha8Rng;

/// What a [`stream`] of random numbers is for; streams of different purposes never meet.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let weights = random::uniform(&mut random::stream(7, Purpose::Weights, "dense", 0));
/// let dropout = random::uniform(&mut random::stream(7, Purpose::Dropout, "dense", 0));
/// assert_ne!(weights, dropout);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The initial values of variables; the path is the variable's.
    Weights,
    /// The order of the rows in an epoch; the index is the epoch.
    Shuffle,
    /// What a layer draws while training (dropout, noise); the index is the step.
    Dropout,
    /// Everything that happens to data before training: splits, augmentation.
    Data,
}

impl Purpose {
    /// The number that stands for the purpose in a stream's key; saved runs depend on it.
    fn tag(self) -> u64 {
        match self {
            Purpose::Weights => 1,
            Purpose::Shuffle => 2,
            Purpose::Dropout => 3,
            Purpose::Data => 4,
        }
    }
}

/// The stream of random numbers for a seed, a purpose, a path and an index.
///
/// Equal arguments give equal numbers, on any machine; a change in any of the four gives an
/// unrelated stream.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut a = random::stream(7, Purpose::Weights, "dense/kernel", 0);
/// let mut b = random::stream(7, Purpose::Weights, "dense/bias", 0);
/// assert_ne!(random::uniform(&mut a), random::uniform(&mut b));
/// ```
pub fn stream(seed: u64, purpose: Purpose, path: &str, index: u64) -> Rng {
    stream_hashed(seed, purpose, path_hash(path), index)
}

/// The same as [`stream`] for a path whose [`path_hash`] is known.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let hash = random::path_hash("dropout");
/// assert_eq!(
///     random::stream(7, Purpose::Dropout, "dropout", 5),
///     random::stream_hashed(7, Purpose::Dropout, hash, 5),
/// );
/// ```
pub fn stream_hashed(seed: u64, purpose: Purpose, hash: u64, index: u64) -> Rng {
    // ChaCha's key is 256 bits and a change of any bit gives an unrelated stream, so the four
    // numbers are the key and need no mixing of ours.
    let mut key = [0u8; 32];
    let words = [seed, purpose.tag(), hash, index];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Rng::from_seed(key)
}

/// The 64-bit FNV-1a hash of a path.
///
/// It is our own rather than the standard library's, whose hashes may change between versions.
///
/// # Examples
///
/// ```
/// // The published test vector of FNV-1a for "a".
/// assert_eq!(horn::random::path_hash("a"), 0xaf63_dc4c_8601_ec8c);
/// ```
///
/// # Source
///
/// Fowler, Noll, Vo: The FNV Non-Cryptographic Hash Algorithm (RFC 9923).
pub fn path_hash(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A seed from the operating system, for models that were given none.
///
/// # Examples
///
/// ```
/// assert_ne!(horn::random::entropy(), horn::random::entropy());
/// ```
pub fn entropy() -> u64 {
    // Where the system has no source (some sandboxes), the standard library's hash keys and the
    // clock still differ from run to run.
    SysRng
        .try_next_u64()
        .unwrap_or_else(|_| RandomState::new().hash_one(std::time::SystemTime::now()))
}

/// 32 random bits.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut rng = random::stream(7, Purpose::Data, "", 0);
/// assert_ne!(random::bits(&mut rng), random::bits(&mut rng));
/// ```
#[inline]
pub fn bits(rng: &mut Rng) -> u32 {
    rng.next_u32()
}

/// A number from the uniform distribution over `[0, 1)`: a multiple of `2^-24`.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut rng = random::stream(7, Purpose::Data, "", 0);
/// assert!((0.0..1.0).contains(&random::uniform(&mut rng)));
/// ```
#[inline]
pub fn uniform(rng: &mut Rng) -> f32 {
    // 24 bits are what an f32 below 1 can hold without rounding up to 1.
    (bits(rng) >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// A number from the standard normal distribution.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut rng = random::stream(7, Purpose::Data, "", 0);
/// let mean = (0..1000).map(|_| random::normal(&mut rng)).sum::<f64>() / 1000.0;
/// assert!(mean.abs() < 0.2);
/// ```
#[inline]
pub fn normal(rng: &mut Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// A number from the standard normal distribution cut off at two standard deviations: what
/// lies outside `[-2, 2]` is drawn anew.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut rng = random::stream(7, Purpose::Data, "", 0);
/// assert!((0..1000).all(|_| random::truncated_normal(&mut rng).abs() <= 2.0));
/// ```
#[inline]
pub fn truncated_normal(rng: &mut Rng) -> f64 {
    loop {
        let z = normal(rng);
        if z.abs() <= 2.0 {
            return z;
        }
    }
}

/// A whole number from `0..bound`, each equally likely; 0 for a bound of 0.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut rng = random::stream(7, Purpose::Data, "", 0);
/// assert!(random::below(6, &mut rng) < 6);
/// ```
///
/// # Source
///
/// Lemire, Fast Random Integer Generation in an Interval (2019), <https://arxiv.org/abs/1805.10941>.
#[inline]
pub fn below(bound: u32, rng: &mut Rng) -> u32 {
    let mut product = u64::from(bits(rng)) * u64::from(bound);
    // The low half says how far the draw lies into its cell of 2^32 / bound draws; the few that
    // would make some numbers likelier than others are drawn anew.
    if (product as u32) < bound {
        let surplus = bound.wrapping_neg() % bound;
        while (product as u32) < surplus {
            product = u64::from(bits(rng)) * u64::from(bound);
        }
    }
    (product >> 32) as u32
}

/// Puts `indices` into a random order, each order equally likely (Fisher and Yates).
///
/// One draw of 64 bits gives the places of several swaps: of six, from 1024 elements down. How
/// much of the stream that takes depends on the length and, rarely, on the numbers drawn.
///
/// # Examples
///
/// ```
/// use horn::random::{self, Purpose};
///
/// let mut order: Vec<u32> = (0..100).collect();
/// random::shuffle(&mut order, &mut random::stream(7, Purpose::Shuffle, "", 0));
/// assert_ne!(order, (0..100).collect::<Vec<_>>());
/// order.sort();
/// assert_eq!(order, (0..100).collect::<Vec<_>>());
/// ```
///
/// # Source
///
/// Brackett-Rozinsky, Lemire, Batched Ranged Random Integer Generation (2024),
/// <https://arxiv.org/abs/2408.06213>.
pub fn shuffle(indices: &mut [u32], rng: &mut Rng) {
    // The product of the bounds of one draw stays below 2^60, so that few are looked at twice.
    let rest = swap_down::<1>(indices, 1 << 30, rng);
    let rest = swap_down::<2>(rest, 1 << 20, rng);
    let rest = swap_down::<3>(rest, 1 << 15, rng);
    let rest = swap_down::<4>(rest, 1 << 12, rng);
    let rest = swap_down::<5>(rest, 1 << 10, rng);
    let rest = swap_down::<6>(rest, 6, rng);
    swap_down::<1>(rest, 1, rng);
}

/// Swaps the last of `indices` with any of them, then the last of the rest, and so on, `K` for
/// each draw, until `few` or up to `K - 1` fewer are left: those.
fn swap_down<'a, const K: usize>(
    indices: &'a mut [u32],
    few: usize,
    rng: &mut Rng,
) -> &'a mut [u32] {
    let mut rest = indices;
    while rest.len() > few {
        let len = rest.len();
        let places = below_each::<K>(len as u64, rng);
        for (swapped, place) in places.into_iter().enumerate() {
            rest.swap(len - 1 - swapped, place as usize);
        }
        rest = &mut rest[..len - K];
    }
    rest
}

/// Whole numbers from `0..bound`, `0..bound - 1`, ..., independent and each equally likely.
/// `bound` is at least `K`, and the product of the bounds less than 2^64.
#[inline(always)]
fn below_each<const K: usize>(bound: u64, rng: &mut Rng) -> [u64; K] {
    // Read as a number in base `bound`, `bound - 1`, ... the draw has the numbers as its first
    // digits; what comes after them tells how far it lies into its cell, as in [`below`].
    let draw = |rng: &mut Rng| {
        let mut rest = rng.next_u64();
        let digits = std::array::from_fn(|k| {
            let product = u128::from(rest) * u128::from(bound - k as u64);
            rest = product as u64;
            (product >> 64) as u64
        });
        (digits, rest)
    };
    let (mut digits, mut rest) = draw(rng);
    let cells: u64 = (0..K as u64).map(|k| bound - k).product();
    if rest < cells {
        let surplus = cells.wrapping_neg() % cells;
        while rest < surplus {
            (digits, rest) = draw(rng);
        }
    }
    digits
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The Kolmogorov-Smirnov distance of a sample from the distribution function `cdf`.
    pub(crate) fn distance(sample: &[f32], cdf: impl Fn(f64) -> f64) -> f64 {
        let mut sorted: Vec<f64> = sample.iter().map(|x| f64::from(*x)).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        sorted.iter().enumerate().fold(0.0, |worst, (i, x)| {
            let p = cdf(*x);
            f64::max(worst, f64::max(p - i as f64 / n, (i as f64 + 1.0) / n - p))
        })
    }

    /// The distance that one sample in a thousand exceeds.
    pub(crate) fn critical(n: usize) -> f64 {
        1.95 / (n as f64).sqrt()
    }

    pub(crate) fn normal_cdf(x: f64) -> f64 {
        0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
    }

    pub(crate) fn truncated_cdf(x: f64) -> f64 {
        let low = normal_cdf(-2.0);
        (normal_cdf(x) - low) / (1.0 - 2.0 * low)
    }

    fn rng() -> Rng {
        stream(11, Purpose::Data, "test", 0)
    }

    #[test]
    fn a_stream_depends_on_all_four_of_its_names() {
        let first = |mut rng: Rng| rng.next_u64();
        let base = first(stream(7, Purpose::Weights, "dense/kernel", 0));
        assert_eq!(base, first(stream(7, Purpose::Weights, "dense/kernel", 0)));
        assert_ne!(base, first(stream(8, Purpose::Weights, "dense/kernel", 0)));
        assert_ne!(base, first(stream(7, Purpose::Dropout, "dense/kernel", 0)));
        assert_ne!(base, first(stream(7, Purpose::Weights, "dense/bias", 0)));
        assert_ne!(base, first(stream(7, Purpose::Weights, "dense/kernel", 1)));
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(path_hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(path_hash("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_generator_is_chacha8() {
        // The key stream of ChaCha8 for a key and nonce of zeros (draft-strombergson-chacha-test-vectors-01, TC1)
        // starts with 3e 00 ef 2f 89 5f 40 d6: the generator is named, so that its numbers may not change.
        let mut rng = Rng::from_seed([0; 32]);
        assert_eq!(
            rng.next_u64(),
            u64::from_le_bytes([0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6])
        );
    }

    #[test]
    fn uniform_normal_and_truncated_follow_their_distributions() {
        const N: usize = 100_000;
        let mut rng = rng();
        let sample: Vec<f32> = (0..N).map(|_| uniform(&mut rng)).collect();
        assert!(sample.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(distance(&sample, |x| x) < critical(N));
        let sample: Vec<f32> = (0..N).map(|_| normal(&mut rng) as f32).collect();
        assert!(distance(&sample, normal_cdf) < critical(N));
        let sample: Vec<f32> = (0..N).map(|_| truncated_normal(&mut rng) as f32).collect();
        assert!(distance(&sample, truncated_cdf) < critical(N));
    }

    #[test]
    fn below_is_even_and_within_its_bound() {
        let mut rng = rng();
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[below(7, &mut rng) as usize] += 1;
        }
        // Chi squared with 6 degrees of freedom exceeds 22.5 once in a thousand.
        let chi: f64 = counts
            .iter()
            .map(|c| (f64::from(*c) - 1e4).powi(2) / 1e4)
            .sum();
        assert!(chi < 22.5, "{counts:?}");
        assert_eq!(below(0, &mut rng), 0);
        assert_eq!(below(1, &mut rng), 0);
        // Just above half the range, where half of all draws must be drawn anew.
        let high = (0..20_000)
            .filter(|_| below(3 << 30, &mut rng) >= 1 << 31)
            .count();
        assert!((high as f64 / 20_000.0 - 1.0 / 3.0).abs() < 0.015, "{high}");
    }

    #[test]
    fn all_orders_of_a_shuffle_are_equally_likely() {
        let mut rng = rng();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let mut order = [0, 1, 2, 3];
            shuffle(&mut order, &mut rng);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Chi squared with 23 degrees of freedom exceeds 49.7 once in a thousand.
        let chi: f64 = counts
            .values()
            .map(|c| f64::from(*c - 1000i32).powi(2) / 1e3)
            .sum();
        assert!(chi < 49.7, "{counts:?}");
        shuffle(&mut [], &mut rng);
        shuffle(&mut [1], &mut rng);
    }

    #[test]
    fn every_element_of_a_long_shuffle_goes_everywhere() {
        // 1500 elements take five, then six places from a draw.
        const N: usize = 1500;
        const ROUNDS: usize = 3000;
        let mut rng = rng();
        let mut counts = vec![[0u32; 10]; 10];
        for _ in 0..ROUNDS {
            let mut order: Vec<u32> = (0..N as u32).collect();
            shuffle(&mut order, &mut rng);
            for (place, from) in order.iter().enumerate() {
                counts[*from as usize * 10 / N][place * 10 / N] += 1;
            }
        }
        // In each tenth of the places stands a tenth of each tenth of the elements: a
        // hypergeometric number, whose standard deviation here is 3.49.
        let mean = (N / 100) as f64;
        let deviation = 3.49 / (ROUNDS as f64).sqrt();
        for count in counts.iter().flatten() {
            let z = (f64::from(*count) / ROUNDS as f64 - mean) / deviation;
            assert!(z.abs() < 4.5, "{z}: {counts:?}");
        }
    }

    #[test]
    fn digits_of_a_draw_are_even_where_many_are_rejected() {
        // 2^32 * (2^32 - 1) cells: nearly each value of a draw has a cell of its own.
        let mut rng = rng();
        let draws = 20_000;
        let high = (0..draws)
            .map(|_| below_each::<2>(1 << 32, &mut rng))
            .filter(|[a, b]| *a >= 1 << 31 && *b >= 1 << 31)
            .count();
        assert!(
            (high as f64 / f64::from(draws) - 0.25).abs() < 0.015,
            "{high}"
        );
        // 3 * 2^62 cells in one digit: a quarter of the draws is rejected.
        let high = (0..draws)
            .filter(|_| below_each::<1>(3 << 62, &mut rng) >= [1 << 63])
            .count();
        assert!(
            (high as f64 / f64::from(draws) - 1.0 / 3.0).abs() < 0.015,
            "{high}"
        );
    }
}
