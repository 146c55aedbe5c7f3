//! Numbers drawn anew at each training step.

use super::{Backward, Forward, Operation};
use crate::kernels::chacha::{DRAWN, LANES, blocks};
use crate::kernels::parallel::{PIECE, chunks1};
use crate::kernels::simd::dispatch;
use crate::random::{Purpose, Rng, stream_hashed};
use crate::shape::Shape;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Distribution {
    /// 0 with probability `rate`, else `1 / (1 - rate)`: what dropout multiplies with.
    Dropout { rate: f32 },
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

/// A mask of the words of a stream, eight blocks at a time: the first words of all eight, then
/// the second ones, and so on. Piece by piece the blocks are known by where the piece begins.
fn dropout(stream: &Rng, rate: f32, mask: &mut [f32]) {
    let scale = 1.0 / (1.0 - rate);
    let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
    let mut key = [0; 8];
    for (word, bytes) in key.iter_mut().zip(stream.get_seed().as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    chunks1(mask, |offset, mask| {
        dispatch(
            #[inline(always)]
            || {
                for (i, mask) in mask.chunks_mut(DRAWN).enumerate() {
                    let words = blocks(&key, ((offset / DRAWN + i) * LANES) as u64);
                    for (value, word) in mask.iter_mut().zip(words.as_flattened()) {
                        *value = if *word >= threshold { scale } else { 0.0 };
                    }
                }
            },
        );
    });
}

// Pieces begin where eight blocks do.
const _: () = assert!(PIECE.is_multiple_of(DRAWN));

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
        let stream = stream_hashed(seed, Purpose::Dropout, self.path, draw.step);
        match self.distribution {
            Distribution::Dropout { rate } => dropout(&stream, rate, output),
        }
    }

    fn backward(&self, _input: usize, _run: &Backward, _gradient: &mut [f32], _: &mut [f32]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::GRAIN;
    use rand::Rng as _;

    /// The mask as its definition says it, from the generator itself.
    fn plain(stream: &mut Rng, rate: f32, count: usize) -> Vec<f32> {
        let mut value = |i: usize| {
            let (group, word, block) = (i / 128, i % 128 / 8, i % 8);
            stream.set_word_pos(((group * 8 + block) * 16 + word) as u128);
            let draw = f64::from(stream.next_u32()) / 4_294_967_296.0;
            let kept = draw >= f64::from(rate);
            if kept { 1.0 / (1.0 - rate) } else { 0.0 }
        };
        (0..count).map(&mut value).collect()
    }

    #[test]
    fn a_mask_is_that_of_the_stream_however_it_is_split() {
        let mut stream = stream_hashed(7, Purpose::Dropout, 3, 11);
        for count in [
            0,
            1,
            7,
            127,
            128,
            129,
            1000,
            GRAIN,
            GRAIN + 1,
            GRAIN + 3 * PIECE + 5,
        ] {
            for rate in [0.0, 0.25, 0.5, 0.999_999_94] {
                let mut mask = vec![f32::NAN; count];
                dropout(&stream, rate, &mut mask);
                assert!(
                    mask == plain(&mut stream, rate, count),
                    "{count} numbers, rate {rate}"
                );
            }
        }
    }

    #[test]
    fn a_mask_keeps_its_mean() {
        let stream = stream_hashed(1, Purpose::Dropout, 2, 3);
        let mut mask = vec![0.0; 100_000];
        dropout(&stream, 0.3, &mut mask);
        let dropped = mask.iter().filter(|v| **v == 0.0).count() as f64 / 1e5;
        // Five standard deviations of a fair draw.
        assert!(
            (dropped - 0.3).abs() < 5.0 * (0.21_f64 / 1e5).sqrt(),
            "{dropped}"
        );
    }
}
