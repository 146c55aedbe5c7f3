//! Numbers drawn anew at each training step.

use rand::Rng as _;

use super::{Backward, Forward, Operation};
use crate::kernels::parallel::chunks1;
use crate::kernels::simd::dispatch;
use crate::random::{self, Purpose, Rng, stream_hashed};
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

/// The numbers that are drawn at a time.
const DRAWN: usize = 256;

/// Number `i` of the mask is made of word `i` of the stream, which a thread can begin anywhere.
fn dropout(stream: impl Fn() -> Rng + Sync, rate: f32, mask: &mut [f32]) {
    let scale = 1.0 / (1.0 - rate);
    let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
    chunks1(mask, |offset, mask| {
        let mut rng = stream();
        rng.set_word_pos(offset as u128);
        let mut words = [[0_u8; 4]; DRAWN];
        for mask in mask.chunks_mut(DRAWN) {
            let words = &mut words[..mask.len()];
            rng.fill_bytes(words.as_flattened_mut());
            dispatch(
                #[inline(always)]
                || {
                    for (value, word) in mask.iter_mut().zip(&*words) {
                        // A mask of bits: a branch would be guessed wrongly half of the time.
                        let kept = u32::from(u32::from_le_bytes(*word) >= threshold);
                        *value = f32::from_bits(scale.to_bits() & kept.wrapping_neg());
                    }
                },
            );
        }
    });
}

/// The words of the stream that are set aside for a block of [`DRAWN`] numbers. A normal number
/// takes two and rarely more; where blocks overlap, nothing but their independence suffers.
const WORDS: u128 = 8 * DRAWN as u128;

/// Numbers of a distribution: each block of them begins at a word of its own, so that a thread can
/// begin with any.
fn blocks(stream: impl Fn() -> Rng + Sync, out: &mut [f32], draw: impl Fn(&mut Rng) -> f32 + Sync) {
    chunks1(out, |offset, out| {
        let mut rng = stream();
        let mut place = offset;
        let mut rest = out;
        while !rest.is_empty() {
            // Pieces are whole blocks but for the last, so a block is never begun in its middle.
            let (block, after) = rest.split_at_mut(DRAWN.min(rest.len()));
            rng.set_word_pos((place / DRAWN) as u128 * WORDS);
            block.iter_mut().for_each(|value| *value = draw(&mut rng));
            place += block.len();
            rest = after;
        }
    });
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
            Distribution::Dropout { rate } => dropout(stream, rate, output),
            Distribution::Normal { mean, stddev } => blocks(stream, output, |rng| {
                mean + stddev * random::normal(rng) as f32
            }),
            Distribution::Uniform { low, high } => blocks(stream, output, |rng| {
                // Rounding may bring a number up to `high`.
                let number = low + (high - low) * random::uniform(rng);
                number.min(high.next_down()).max(low)
            }),
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
                let mut mask = vec![f32::NAN; count];
                dropout(stream, rate, &mut mask);
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
        let count = GRAIN + 3 * PIECE + 5;
        let mut all = vec![0.0; count];
        blocks(stream, &mut all, |rng| random::normal(rng) as f32);
        for (number, block) in all.chunks(DRAWN).enumerate() {
            let mut rng = stream();
            rng.set_word_pos(number as u128 * WORDS);
            assert!(block.iter().all(|v| *v == random::normal(&mut rng) as f32));
        }
    }

    #[test]
    fn a_mask_keeps_its_mean() {
        let stream = || stream_hashed(1, Purpose::Dropout, 2, 3);
        let mut mask = vec![0.0; 100_000];
        dropout(stream, 0.3, &mut mask);
        let dropped = mask.iter().filter(|v| **v == 0.0).count() as f64 / 1e5;
        // Five standard deviations of a fair draw.
        assert!(
            (dropped - 0.3).abs() < 5.0 * (0.21_f64 / 1e5).sqrt(),
            "{dropped}"
        );
    }
}
