//! Numbers drawn anew at each training step.

use std::f32::consts::FRAC_PI_2;

use rand::Rng as _;

use super::{Backward, Forward, Operation};
use crate::kernels::math::ln_of_normal;
use crate::kernels::parallel::chunks1;
use crate::kernels::simd::dispatch;
use crate::random::{Purpose, Rng, stream_hashed};
use crate::shape::Shape;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Distribution {
    /// 0 with probability `rate`, else `1 / (1 - rate)`: what dropout multiplies with.
    Dropout { rate: f32 },
    /// The normal distribution.
    Normal { mean: f32, stddev: f32 },
    /// Evenly from `low` up to but not including `high`.
    Uniform { low: f32, high: f32 },
}

/// Numbers that depend on the model's seed, the op's place in the model and the step alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Random {
    pub(crate) distribution: Distribution,
    pub(crate) shape: Shape,
    /// The layer's own seed, where it has one.
    pub(crate) seed: Option<u64>,
    /// The hash of the op's path in the model.
    pub(crate) path: u64,
}

/// The numbers that are made at a time, of as many words of the stream.
const BLOCK: usize = 256;

/// Numbers `i..` made of words `i..` of the stream, a block at a time, so that a thread can begin
/// with any block.
fn blocks(
    stream: impl Fn() -> Rng + Sync,
    out: &mut [f32],
    make: impl Fn(&[[u8; 4]], &mut [f32]) + Sync,
) {
    chunks1(out, |offset, out| {
        let mut rng = stream();
        // Pieces are whole blocks but for the last: none begins inside a block.
        rng.set_word_pos(offset as u128);
        let mut words = [[0_u8; 4]; BLOCK];
        for block in out.chunks_mut(BLOCK) {
            // Normal numbers are made in pairs.
            let words = &mut words[..block.len().next_multiple_of(2)];
            rng.fill_bytes(words.as_flattened_mut());
            dispatch(
                #[inline(always)]
                || make(words, block),
            );
        }
    });
}

/// A mask of dropout: a word is dropped when it is below `rate` of all words, exactly to 2^-32.
#[inline(always)]
fn dropout(rate: f32, words: &[[u8; 4]], mask: &mut [f32]) {
    let scale = 1.0 / (1.0 - rate);
    let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
    for (value, word) in mask.iter_mut().zip(words) {
        // A mask of bits: a branch would be guessed wrongly half of the time.
        let kept = u32::from(u32::from_le_bytes(*word) >= threshold);
        *value = f32::from_bits(scale.to_bits() & kept.wrapping_neg());
    }
}

/// Numbers of a uniform distribution: of multiples of 2^-24 of its width.
#[inline(always)]
fn uniform(low: f32, high: f32, words: &[[u8; 4]], out: &mut [f32]) {
    for (value, word) in out.iter_mut().zip(words) {
        let unit = (u32::from_le_bytes(*word) >> 8) as f32 * (1.0 / (1 << 24) as f32);
        // Rounding may bring a number up to `high`.
        *value = (low + (high - low) * unit).min(high.next_down()).max(low);
    }
}

/// Numbers of a normal distribution. The first half of the words are how far out pairs of numbers
/// lie, the second half in which direction.
#[inline(always)]
fn normal(mean: f32, stddev: f32, words: &[[u8; 4]], out: &mut [f32]) {
    let (far, directions) = words.split_at(words.len() / 2);
    let (first, second) = out.split_at_mut(far.len());
    let pairs = far.iter().zip(directions).map(|(far, direction)| {
        normal_pair(u32::from_le_bytes(*far), u32::from_le_bytes(*direction))
    });
    let scaled = |z: f32| f32::mul_add(stddev, z, mean);
    // The last pair of an odd number is half used.
    let single = first.len() - second.len();
    for ((x, y), pair) in first.iter_mut().zip(second).zip(pairs.clone()) {
        (*x, *y) = (scaled(pair.0), scaled(pair.1));
    }
    if let (1, Some(x), Some(pair)) = (single, first.last_mut(), pairs.clone().next_back()) {
        *x = scaled(pair.0);
    }
}

/// Two independent standard normal numbers, at most 6.8 from 0.
///
/// Source: Box, Muller, A Note on the Generation of Random Normal Deviates (1958).
#[inline(always)]
fn normal_pair(far: u32, direction: u32) -> (f32, f32) {
    // From 2^-33 to 1.
    let share = (far as f32 + 0.5) * (1.0 / 4_294_967_296.0);
    let radius = (-2.0 * ln_of_normal(share)).max(0.0).sqrt();
    // Two bits choose a quarter of the turn; the others are an angle of up to pi / 4 to both sides.
    let angle = (direction << 2).cast_signed() as f32 * (FRAC_PI_2 / 4_294_967_296.0);
    let (sine, cosine) = sine_cosine(angle);
    let across = direction & (1 << 30) != 0;
    let sign = direction & (1 << 31);
    let turned = |part: f32| radius * f32::from_bits(part.to_bits() ^ sign);
    match across {
        true => (turned(sine), turned(cosine)),
        false => (turned(cosine), turned(sine)),
    }
}

/// The sine and cosine of an angle of at most pi / 4, to 3e-8 before rounding: their Taylor series.
#[inline(always)]
fn sine_cosine(x: f32) -> (f32, f32) {
    let u = x * x;
    let sine = f32::mul_add(u, 1.0 / 362_880.0, -1.0 / 5040.0);
    let sine = f32::mul_add(u, sine, 1.0 / 120.0);
    let sine = f32::mul_add(u, sine, -1.0 / 6.0);
    let cosine = f32::mul_add(u, 1.0 / 40_320.0, -1.0 / 720.0);
    let cosine = f32::mul_add(u, cosine, 1.0 / 24.0);
    let cosine = f32::mul_add(u, cosine, -0.5);
    (f32::mul_add(x * u, sine, x), f32::mul_add(u, cosine, 1.0))
}

impl Operation for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn shape(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok(self.shape)
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let draw = run.draw();
        let seed = self.seed.unwrap_or(draw.seed);
        let stream = || stream_hashed(seed, Purpose::Dropout, self.path, draw.step);
        self.draw(stream, output);
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}

impl Random {
    fn draw(&self, stream: impl Fn() -> Rng + Sync, output: &mut [f32]) {
        match self.distribution {
            Distribution::Dropout { rate } => blocks(
                stream,
                output,
                #[inline(always)]
                |words, out| dropout(rate, words, out),
            ),
            Distribution::Normal { mean, stddev } => blocks(
                stream,
                output,
                #[inline(always)]
                |words, out| normal(mean, stddev, words, out),
            ),
            Distribution::Uniform { low, high } => blocks(
                stream,
                output,
                #[inline(always)]
                |words, out| uniform(low, high, words, out),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::{GRAIN, PIECE};

    /// The mask as its definition says it.
    fn plain(mut rng: Rng, rate: f32, count: usize) -> Vec<f32> {
        let kept = |word: u32| f64::from(word) >= (f64::from(rate) * 4_294_967_296.0).floor();
        let mut value = || {
            if kept(rng.next_u32()) {
                1.0 / (1.0 - rate)
            } else {
                0.0
            }
        };
        (0..count).map(|_| value()).collect()
    }

    #[test]
    fn a_mask_is_that_of_the_stream_however_it_is_split() {
        let stream = || stream_hashed(7, Purpose::Dropout, 3, 11);
        for count in [
            0,
            1,
            7,
            255,
            256,
            257,
            1000,
            GRAIN,
            GRAIN + 1,
            GRAIN + 3 * PIECE + 5,
        ] {
            for rate in [0.0, 0.25, 0.5, 0.999_999_94] {
                let mask = drawn(Distribution::Dropout { rate }, count);
                assert!(
                    mask == plain(stream(), rate, count),
                    "{count} numbers, rate {rate}"
                );
            }
        }
    }

    #[test]
    fn numbers_do_not_depend_on_how_they_are_split() {
        let stream = || stream_hashed(7, Purpose::Dropout, 3, 11);
        for distribution in [
            Distribution::Normal {
                mean: 1.0,
                stddev: 2.0,
            },
            Distribution::Uniform {
                low: -1.0,
                high: 3.0,
            },
        ] {
            let count = GRAIN + 3 * PIECE + 5;
            let all = drawn(distribution, count);
            for (number, block) in all.chunks(BLOCK).enumerate() {
                let mut alone = vec![f32::NAN; block.len()];
                let at = || {
                    let mut rng = stream();
                    rng.set_word_pos((number * BLOCK) as u128);
                    rng
                };
                let mut words = vec![[0; 4]; block.len().next_multiple_of(2)];
                at().fill_bytes(words.as_flattened_mut());
                match distribution {
                    Distribution::Normal { mean, stddev } => {
                        normal(mean, stddev, &words, &mut alone);
                    }
                    _ => uniform(-1.0, 3.0, &words, &mut alone),
                }
                assert!(alone == block, "{distribution:?}, block {number}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_words_make_finite_numbers() {
        for far in [0, 1, u32::MAX - 1, u32::MAX] {
            for direction in (0..=16_u32).map(|i| i.wrapping_mul(1 << 28).wrapping_sub(i & 1)) {
                let (x, y) = normal_pair(far, direction);
                // The root of -2 ln((far + 1/2) / 2^32).
                let share = (f64::from(far) + 0.5) / 4_294_967_296.0;
                let radius = (-2.0 * share.ln()).sqrt();
                let found = f64::from(x).hypot(f64::from(y));
                // Shares near 1 are rounded to 2^-24.
                assert!((found - radius).abs() < 4e-4, "{far} {direction}: {found}");
            }
        }
        let mut out = [f32::NAN; 2];
        uniform(-1.0, 3.0, &[[0; 4], [255; 4]], &mut out);
        assert!(out[0] == -1.0 && out[1] < 3.0 && out[1] > 2.999_999);
    }

    #[test]
    fn normal_numbers_of_a_pair_are_independent_and_reach_far() {
        let standard = Distribution::Normal {
            mean: 0.0,
            stddev: 1.0,
        };
        let all = drawn(standard, 1 << 20);
        let n = all.len() as f64;
        // 0.27 % lie more than three deviations out, 1 in 15 787 more than four.
        for (limit, share) in [(3.0, 2.699_796e-3), (4.0, 6.334_25e-5)] {
            let beyond = all.iter().filter(|x| x.abs() > limit).count() as f64 / n;
            assert!(
                (beyond - share).abs() < 5.0 * (share / n).sqrt(),
                "{limit}: {beyond}"
            );
        }
        // The products of a pair, and of their squares, are as those of independent numbers.
        let (mut product, mut squares) = (0.0, 0.0);
        for block in all.chunks(BLOCK) {
            let (first, second) = block.split_at(BLOCK / 2);
            for (x, y) in first.iter().zip(second) {
                product += f64::from(x * y);
                squares += f64::from((x * x - 1.0) * (y * y - 1.0));
            }
        }
        // Sums of n / 2 numbers with variances 1 and 4.
        assert!(product.abs() < 5.0 * (n / 2.0).sqrt(), "{product}");
        assert!(squares.abs() < 5.0 * (4.0 * n / 2.0).sqrt(), "{squares}");
    }

    fn drawn(distribution: Distribution, count: usize) -> Vec<f32> {
        let op = Random {
            distribution,
            shape: Shape::from([count]),
            seed: None,
            path: 3,
        };
        let mut out = vec![f32::NAN; count];
        op.draw(|| stream_hashed(7, Purpose::Dropout, 3, 11), &mut out);
        out
    }

    #[test]
    fn a_mask_keeps_its_mean() {
        let mask = drawn(Distribution::Dropout { rate: 0.3 }, 100_000);
        let dropped = mask.iter().filter(|v| **v == 0.0).count() as f64 / 1e5;
        // Five standard deviations of a fair draw.
        assert!(
            (dropped - 0.3).abs() < 5.0 * (0.21_f64 / 1e5).sqrt(),
            "{dropped}"
        );
    }
}
