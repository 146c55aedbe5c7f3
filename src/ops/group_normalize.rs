//! Group normalization, where the channels come last.

use super::groups::zip;
use super::{Backward, Forward, Needs, Operation};
use crate::kernels::parallel::{self, GRAIN, PIECE};
use crate::kernels::simd::dispatch;
use crate::shape::Shape;

/// `y = gamma x̂ + beta`, `x̂ = (x - mean) / √(variance + epsilon)`, of `x` as samples of shape
/// `(steps, channels)`, with `gamma` and `beta` where there are such, one number a channel.
///
/// Channels that stand side by side form a group; its mean and variance in a sample are those of
/// its numbers at all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GroupNormalize {
    pub(crate) steps: usize,
    pub(crate) channels: usize,
    pub(crate) groups: usize,
    pub(crate) epsilon: f32,
    pub(crate) scale: bool,
    pub(crate) center: bool,
}

/// The pieces whose sums are kept apart, at most.
const PIECES: usize = 64;
/// The rows of numbers, one a channel, that a piece works with.
const SPACE: usize = 6;

/// What both passes read.
#[derive(Clone, Copy)]
struct Given<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
}

/// What is kept, two rows in place of absent weights, the totals, and the space of the pieces.
type Parts<'a> = (
    &'a mut [f32],
    [&'a mut [f32]; 2],
    &'a mut [f32],
    &'a mut [f32],
);

impl GroupNormalize {
    fn sample(&self) -> usize {
        self.steps * self.channels
    }

    /// The samples of a piece: that depends on the shape alone.
    fn samples_a_piece(&self, samples: usize) -> usize {
        let work = PIECE.div_ceil(self.sample().max(1));
        let few = 16_usize.div_ceil(self.steps.max(1));
        work.max(few).max(samples.div_ceil(PIECES)).max(1)
    }

    /// How many numbers of scratch are kept, a mean and a factor for each group of each sample.
    fn kept(&self, samples: usize) -> usize {
        2 * samples * self.groups
    }

    fn pieces(&self, samples: usize) -> usize {
        samples.div_ceil(self.samples_a_piece(samples))
    }

    /// Parts of the scratch: what is kept, `gamma` where there is none, `beta` likewise, sums over
    /// all samples (two rows), and the space of the pieces.
    fn split<'a>(&self, samples: usize, scratch: &'a mut [f32]) -> Parts<'a> {
        let (kept, rest) = scratch.split_at_mut(self.kept(samples));
        let (ones, rest) = rest.split_at_mut(self.channels);
        let (zeros, rest) = rest.split_at_mut(self.channels);
        let (totals, rest) = rest.split_at_mut(2 * self.channels);
        let space = &mut rest[..self.pieces(samples) * SPACE * self.channels];
        (kept, [ones, zeros], totals, space)
    }

    fn given<'a>(&self, run: &Forward<'a>, [ones, zeros]: [&'a mut [f32]; 2]) -> Given<'a> {
        ones.fill(1.0);
        zeros.fill(0.0);
        Given {
            x: run.input(0),
            gamma: if self.scale { run.input(1) } else { ones },
            beta: match self.center {
                true => run.input(1 + usize::from(self.scale)),
                false => zeros,
            },
        }
    }

    /// What each group makes of the sums of its channels, written to all of them.
    #[inline(always)]
    fn each_group(&self, row: &mut [f32], mut f: impl FnMut(usize, f32) -> f32) {
        let width = self.channels / self.groups.max(1);
        for (group, channels) in row.chunks_exact_mut(width.max(1)).enumerate() {
            let value = f(group, channels.iter().sum());
            channels.fill(value);
        }
    }

    /// One sample forward: its output, and what is kept of it.
    #[inline(always)]
    fn sample_forward(
        &self,
        given: Given,
        x: &[f32],
        y: &mut [f32],
        kept: &mut [f32],
        space: &mut [f32],
    ) {
        let channels = self.channels;
        let n = (self.sample() / self.groups.max(1)) as f32;
        let (means, rest) = space.split_at_mut(channels);
        let (factors, _) = rest.split_at_mut(channels);
        means.fill(0.0);
        for x in x.chunks_exact(channels) {
            zip([x], [&mut *means], |[x], [sum]| [sum + x]);
        }
        self.each_group(means, |_, sum| sum / n);
        factors.fill(0.0);
        for x in x.chunks_exact(channels) {
            zip([x, &*means], [&mut *factors], |[x, mean], [sum]| {
                [(x - mean).mul_add(x - mean, sum)]
            });
        }
        let epsilon = self.epsilon;
        self.each_group(factors, |group, sum| {
            let factor = 1.0 / (sum / n + epsilon).sqrt();
            kept[2 * group + 1] = factor;
            factor
        });
        let width = channels / self.groups.max(1);
        for (pair, mean) in kept
            .chunks_exact_mut(2)
            .zip(means.iter().step_by(width.max(1)))
        {
            pair[0] = *mean;
        }
        zip([given.gamma], [&mut *factors], |[gamma], [factor]| {
            [factor * gamma]
        });
        for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
            let inputs = [x, &*means, &*factors, given.beta];
            zip(inputs, [y], |[x, mean, factor, beta], _| {
                [(x - mean).mul_add(factor, beta)]
            });
        }
    }

    /// One sample backward: the gradient of `x`, unless `dx` is empty, and what it adds to those of
    /// `gamma` and `beta`, the first two rows of `space`.
    #[inline(always)]
    fn sample_backward(
        &self,
        gamma: &[f32],
        (x, dy): (&[f32], &[f32]),
        kept: &[f32],
        dx: &mut [f32],
        space: &mut [f32],
    ) {
        let channels = self.channels;
        let n = (self.sample() / self.groups.max(1)) as f32;
        let (of_gamma, rest) = space.split_at_mut(channels);
        let (of_beta, rest) = rest.split_at_mut(channels);
        let (means, rest) = rest.split_at_mut(channels);
        let (straight, rest) = rest.split_at_mut(channels);
        let (along, factors) = rest.split_at_mut(channels);
        self.each_group(means, |group, _| kept[2 * group]);
        self.each_group(factors, |group, _| kept[2 * group + 1]);
        straight.fill(0.0);
        along.fill(0.0);
        for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
            let sums = [&mut *straight, &mut *along];
            zip(
                [x, dy, &*means],
                sums,
                |[x, dy, mean], [straight, along]| [straight + dy, dy.mul_add(x - mean, along)],
            );
        }
        let sums = [&*straight, &*along, &*factors];
        zip(
            sums,
            [of_gamma, of_beta],
            |[straight, along, factor], [of_gamma, of_beta]| {
                [along.mul_add(factor, of_gamma), of_beta + straight]
            },
        );
        if dx.is_empty() {
            return;
        }
        // dx = factor gamma dy - (x - mean) along - straight
        zip(
            [gamma],
            [&mut *straight, &mut *along],
            |[gamma], [straight, along]| [straight * gamma, along * gamma],
        );
        self.each_group(straight, |group, sum| kept[2 * group + 1] * (sum / n));
        self.each_group(along, |group, sum| {
            let factor = kept[2 * group + 1];
            factor * factor * factor * (sum / n)
        });
        zip([gamma], [&mut *factors], |[gamma], [factor]| {
            [factor * gamma]
        });
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(channels)) {
            let inputs = [x, dy, &*means, &*factors, &*along, &*straight];
            zip(inputs, [dx], |[x, dy, mean, factor, along, straight], _| {
                [dy.mul_add(factor, -straight) - (x - mean) * along]
            });
        }
    }

    /// The gradient of `x` in `dx`, unless it is empty, and in `totals` those of the weights.
    fn gradients(
        &self,
        gamma: &[f32],
        (x, dy): (&[f32], &[f32]),
        kept: &[f32],
        dx: &mut [f32],
        (totals, space): (&mut [f32], &mut [f32]),
    ) {
        let sample = self.sample();
        let samples = x.len() / sample.max(1);
        let count = self.samples_a_piece(samples);
        let length = count * sample;
        let width = SPACE * self.channels;
        let piece = |i: usize, dx: &mut [f32], space: &mut [f32]| {
            let part = |x, length| piece_of(x, i * length, length);
            let xs = part(x, length).chunks_exact(sample);
            let kept = part(kept, 2 * count * self.groups).chunks_exact(2 * self.groups);
            let all = xs.zip(part(dy, length).chunks_exact(sample)).zip(kept);
            let mut dx = dx.chunks_exact_mut(sample);
            dispatch(
                #[inline(always)]
                || {
                    space[..2 * self.channels].fill(0.0);
                    for (both, kept) in all {
                        let dx = dx.next().unwrap_or(&mut []);
                        self.sample_backward(gamma, both, kept, dx, space);
                    }
                },
            );
        };
        let split = x.len() > GRAIN / 2;
        if dx.is_empty() {
            let grain = if split { 0 } else { usize::MAX };
            parallel::chunks(&mut *space, grain, width, |offset, space| {
                for (i, space) in space.chunks_mut(width).enumerate() {
                    piece(offset / width + i, &mut [], space);
                }
            });
        } else {
            parallel::pairs((dx, length), (&mut *space, width), split, &piece);
        }
        totals.fill(0.0);
        for sums in space.chunks_exact(width) {
            let sums = &sums[..2 * self.channels];
            zip([sums], [&mut *totals], |[sum], [total]| [total + sum]);
        }
    }
}

/// The numbers from `start` on, as many as there are up to `length`.
fn piece_of(x: &[f32], start: usize, length: usize) -> &[f32] {
    let end = x.len().min(start + length);
    x.get(start..end).unwrap_or(&[])
}

impl Operation for GroupNormalize {
    fn name(&self) -> &str {
        "group_normalize"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let wanted = 1 + usize::from(self.scale) + usize::from(self.center);
        match inputs {
            [x, weights @ ..]
                if inputs.len() == wanted
                    && self.sample() > 0
                    && self.groups > 0
                    && self.channels.is_multiple_of(self.groups)
                    && x.size().is_multiple_of(self.sample())
                    && weights.iter().all(|shape| shape.size() == self.channels) =>
            {
                Ok(*x)
            }
            _ => Err(format!(
                "cannot normalize {inputs:?} in {} groups of {} channels",
                self.groups, self.channels
            )),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            scratch: true,
            ..Needs::default()
        }
    }

    fn scratch(&self, _inputs: &[Shape], output: Shape) -> usize {
        let samples = output.size() / self.sample().max(1);
        self.kept(samples) + (4 + SPACE * self.pieces(samples)) * self.channels
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        let sample = self.sample();
        let samples = output.len() / sample.max(1);
        let (kept, spare, _, space) = self.split(samples, scratch);
        let given = self.given(run, spare);
        let count = self.samples_a_piece(samples);
        let width = SPACE * self.channels;
        let of_groups = 2 * self.groups;
        let split = output.len() > GRAIN / 2;
        let piece = |i: usize, y: &mut [f32], kept: &mut [f32], space: &mut [f32]| {
            let x = piece_of(given.x, i * count * sample, count * sample);
            let both = x.chunks_exact(sample).zip(y.chunks_exact_mut(sample));
            dispatch(
                #[inline(always)]
                || {
                    for ((x, y), kept) in both.zip(kept.chunks_exact_mut(of_groups)) {
                        self.sample_forward(given, x, y, kept, space);
                    }
                },
            );
        };
        parallel::triples(
            (output, count * sample),
            (kept, count * of_groups),
            (space, width),
            split,
            &piece,
        );
    }

    fn backward(&self, input: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]) {
        let samples = run.shape().size() / self.sample().max(1);
        let (_, spare, totals, space) = self.split(samples, scratch);
        let given = self.given(&run.forward, spare);
        if run.first {
            let dx = if input == 0 { &mut *gradient } else { &mut [] };
            let both = (given.x, run.gradient());
            let kept = &run.kept()[..self.kept(samples)];
            self.gradients(given.gamma, both, kept, dx, (&mut *totals, space));
        }
        // Those of the weights are sums that come along.
        let (of_gamma, of_beta) = totals.split_at(self.channels);
        match input {
            0 => {}
            1 if self.scale => gradient.copy_from_slice(of_gamma),
            _ => gradient.copy_from_slice(of_beta),
        }
    }
}
