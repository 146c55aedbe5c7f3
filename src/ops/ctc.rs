//! Connectionist temporal classification.

use std::f32::consts::LN_2;

use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::math::{exp, ln, ln_1p};
use crate::shape::Shape;

/// `-ln` of the probability of the labels, over all ways to spread them over the steps.
///
/// Inputs are labels `(batch, longest)` and logits `(batch, steps, classes)`. Class 0 is the blank,
/// and the labels of a sample are as many as it has numbers other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ctc;

/// The logarithm of a probability of 0, as Keras has it.
const NEVER: f32 = -1e5;

/// The sizes of a batch.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    classes: usize,
    labels: usize,
}

impl Sizes {
    fn of(labels: Shape, logits: Shape) -> Sizes {
        let dim = |shape: Shape, axis| shape.dim(axis).unwrap_or(1);
        Sizes {
            steps: dim(logits, 1),
            classes: dim(logits, 2),
            labels: dim(labels, 1),
        }
    }

    /// The numbers of one moment: after each label a blank, then each label itself.
    fn moment(self) -> usize {
        2 * self.labels + 1
    }

    /// The numbers that a sample keeps: the log-probabilities, and every moment from before the
    /// first step on.
    fn kept(self) -> usize {
        self.steps * self.classes + (self.steps + 1) * self.moment()
    }
}

/// `ln(eᵃ + eᵇ)`
fn log_add(a: f32, b: f32) -> f32 {
    match a == b {
        // Two minus infinities have no difference.
        true => a + LN_2,
        false => a.max(b) + ln_1p(exp(-(a - b).abs())),
    }
}

/// Which part `eᵃ` is of a sum `eᵇ`; of what cannot be, nothing.
fn share(a: f32, b: f32) -> f32 {
    match a == f32::NEG_INFINITY {
        true => 0.0,
        false => exp(a - b),
    }
}

/// The logarithm of the softmax of each row.
fn log_softmax(x: &[f32], classes: usize, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(classes).zip(y.chunks_exact_mut(classes)) {
        let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = x.iter().map(|x| exp(x - largest)).sum();
        let total = largest + ln(total);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x - total);
    }
}

/// One sample: its labels as classes, its log-probabilities and its moments.
struct Sample<'a> {
    sizes: Sizes,
    labels: &'a [f32],
    log_p: &'a [f32],
}

impl Sample<'_> {
    /// The class of a label; nothing for a number that names none.
    fn class(&self, label: usize) -> Option<usize> {
        let id = self.labels[label];
        let names_one = id >= 0.0 && id.fract() == 0.0 && (id as usize) < self.sizes.classes;
        names_one.then_some(id as usize)
    }

    /// How many labels there are.
    fn count(&self) -> usize {
        self.labels.iter().filter(|label| **label != 0.0).count()
    }

    /// Whether the label after this one is the same, so that a blank must stand between them.
    fn repeats(&self, label: usize) -> bool {
        self.labels.get(label + 1) == Some(&self.labels[label])
    }

    /// The log-probability of a label at a step.
    fn emits(&self, step: usize, label: usize) -> f32 {
        let row = step * self.sizes.classes;
        // As a one-hot row of zeros would: Keras's cost of a label that names no class.
        self.class(label)
            .map_or(0.0, |class| self.log_p[row + class])
    }

    fn blank(&self, step: usize) -> f32 {
        self.log_p[step * self.sizes.classes]
    }

    /// What being at a label, and going on to the blank after it without a step, adds.
    fn slip(&self, label: usize) -> f32 {
        if self.repeats(label) { NEVER } else { 0.0 }
    }

    /// What going on to the blank after a label by a step adds.
    fn stride(&self, label: usize) -> f32 {
        NEVER - self.slip(label)
    }

    /// The moment after a step from the moment before it. Of a moment, the first `labels + 1`
    /// numbers are those at blanks, the others those at labels.
    fn advance(&self, step: usize, before: &[f32], after: &mut [f32]) {
        let (phi, emit) = before.split_at(self.sizes.labels + 1);
        let (new_phi, new_emit) = after.split_at_mut(self.sizes.labels + 1);
        let blank = self.blank(step);
        let mut slipped = phi[0];
        new_phi[0] = slipped + blank;
        for n in 0..self.sizes.labels {
            let p = self.emits(step, n);
            new_emit[n] = log_add(slipped + p, emit[n] + p);
            slipped = log_add(phi[n + 1], emit[n] + self.slip(n));
            new_phi[n + 1] = log_add(slipped + blank, emit[n] + blank + self.stride(n));
        }
    }

    /// The gradients of the moment before a step and of the log-probabilities at it, from those of
    /// the moment after it, in place.
    fn retreat(
        &self,
        step: usize,
        (before, after): (&[f32], &[f32]),
        gradient: &mut [f32],
        of_log_p: &mut [f32],
    ) {
        let (phi, emit) = before.split_at(self.sizes.labels + 1);
        let (new_phi, new_emit) = after.split_at(self.sizes.labels + 1);
        let (d_phi, d_emit) = gradient.split_at_mut(self.sizes.labels + 1);
        let blank = self.blank(step);
        // The gradient of `slipped` behind label n comes from the blank there and from label n + 1.
        let mut of_next = 0.0;
        for n in (0..self.sizes.labels).rev() {
            let slipped = log_add(phi[n + 1], emit[n] + self.slip(n));
            let d_blank = d_phi[n + 1];
            of_log_p[0] += d_blank;
            let of_slipped = of_next + d_blank * share(slipped + blank, new_phi[n + 1]);
            let by_stride = d_blank * share(emit[n] + blank + self.stride(n), new_phi[n + 1]);
            let by_slip = of_slipped * share(emit[n] + self.slip(n), slipped);

            let p = self.emits(step, n);
            let d = d_emit[n];
            if let Some(class) = self.class(n) {
                of_log_p[class] += d;
            }
            let before_label = match n {
                0 => phi[0],
                _ => log_add(phi[n], emit[n - 1] + self.slip(n - 1)),
            };
            d_phi[n + 1] = of_slipped * share(phi[n + 1], slipped);
            d_emit[n] = d * share(emit[n] + p, new_emit[n]) + by_stride + by_slip;
            of_next = d * share(before_label + p, new_emit[n]);
        }
        of_log_p[0] += d_phi[0];
        d_phi[0] += of_next;
    }

    /// The two ways to end: at the last label, and at the blank behind it.
    fn ends(&self, last: &[f32]) -> (usize, f32, Option<(usize, f32)>) {
        let count = self.count();
        let emit = count.checked_sub(1).map(|n| {
            let place = self.sizes.labels + 1 + n;
            (place, last[place])
        });
        (count, last[count], emit)
    }
}

impl Operation for Ctc {
    fn name(&self) -> &str {
        "ctc"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (labels, logits) = pair("ctc", inputs)?;
        match (labels.dims(), logits.dims()) {
            ([rows, _], [batch, steps, classes]) if rows == batch && steps.min(classes) > &0 => {
                Ok(Shape::from([*batch]))
            }
            _ => Err(format!(
                "CTC expects labels of shape (batch, longest) and logits of shape (batch, steps, \
                 classes), got {labels} and {logits}"
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

    fn scratch(&self, inputs: &[Shape], output: Shape) -> usize {
        match inputs {
            [labels, logits] => Sizes::of(*labels, *logits).kept() * output.size(),
            _ => 0,
        }
    }

    fn differentiable(&self, input: usize) -> bool {
        input == 1
    }

    fn forward(&self, run: &Forward, output: &mut [f32], scratch: &mut [f32]) {
        let sizes = Sizes::of(run.input_shape(0), run.input_shape(1));
        let row = sizes.steps * sizes.classes;
        let moment = sizes.moment();
        let mut labels = run.input(0).chunks_exact(sizes.labels.max(1));
        let logits = run.input(1).chunks(row.max(1));
        let samples = scratch.chunks_exact_mut(sizes.kept()).zip(logits);
        for (cost, (kept, logits)) in output.iter_mut().zip(samples) {
            let (log_p, moments) = kept.split_at_mut(row);
            log_softmax(logits, sizes.classes, log_p);
            let sample = Sample {
                sizes,
                labels: labels.next().unwrap_or(&[]),
                log_p,
            };
            moments[..moment].fill(NEVER);
            moments[0] = 0.0;
            for step in 0..sizes.steps {
                let (before, after) = moments[step * moment..].split_at_mut(moment);
                sample.advance(step, before, &mut after[..moment]);
            }
            *cost = match sample.ends(&moments[sizes.steps * moment..]) {
                (_, phi, None) => -phi,
                (_, phi, Some((_, emit))) => -log_add(phi, emit),
            };
        }
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], scratch: &mut [f32]) {
        let sizes = Sizes::of(run.input_shape(0), run.input_shape(1));
        let row = sizes.steps * sizes.classes;
        let moment = sizes.moment();
        let mut labels = run.input(0).chunks_exact(sizes.labels.max(1));
        let samples = run.kept().chunks_exact(sizes.kept()).zip(run.gradient());
        gradient.fill(0.0);
        for (out, (kept, dy)) in gradient.chunks_mut(row.max(1)).zip(samples) {
            let (log_p, moments) = kept.split_at(row);
            let sample = Sample {
                sizes,
                labels: labels.next().unwrap_or(&[]),
                log_p,
            };
            let adjoint = &mut scratch[..moment];
            adjoint.fill(0.0);
            match sample.ends(&moments[sizes.steps * moment..]) {
                (count, _, None) => adjoint[count] = -dy,
                (count, phi, Some((place, emit))) => {
                    let both = log_add(phi, emit);
                    adjoint[count] = -dy * share(phi, both);
                    adjoint[place] = -dy * share(emit, both);
                }
            }
            for step in (0..sizes.steps).rev() {
                let (before, after) = moments[step * moment..].split_at(moment);
                let classes = step * sizes.classes..(step + 1) * sizes.classes;
                let of_log_p = &mut out[classes.clone()];
                sample.retreat(step, (before, &after[..moment]), adjoint, of_log_p);
                // Back through the log-softmax.
                let total: f32 = of_log_p.iter().sum();
                for (d, log_p) in of_log_p.iter_mut().zip(&log_p[classes]) {
                    *d -= total * exp(*log_p);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::losses::{self, CTC, Reduction};
    use crate::testing::Probe;

    /// The probability of the labels, summed over every path of classes.
    fn by_paths(log_p: &[f64], steps: usize, classes: usize, labels: &[usize]) -> f64 {
        let mut total = 0.0;
        for path in 0..classes.pow(steps as u32) {
            let class = |step: u32| path / classes.pow(step) % classes;
            let mut found = Vec::new();
            let mut log_path = 0.0;
            for step in 0..steps {
                let now = class(step as u32);
                let before = step.checked_sub(1).map(|step| class(step as u32));
                if now != 0 && before != Some(now) {
                    found.push(now);
                }
                log_path += log_p[step * classes + now];
            }
            if found == labels {
                total += log_path.exp();
            }
        }
        total
    }

    #[test]
    fn the_cost_is_that_of_all_paths() {
        let (steps, classes) = (5, 3);
        for labels in [vec![], vec![1], vec![2, 1], vec![1, 1], vec![2, 2, 1]] {
            let mut row: Vec<f32> = labels.iter().map(|label| *label as f32).collect();
            row.resize(4, 0.0);
            let loss = CTC::new().reduction(Reduction::None);
            let mut probe = Probe::new(&[&[1, steps, classes]], false, |scope, v| {
                let labels = scope.constant(&row, [1, 4]);
                losses::compute(&loss, &labels, &v[0], None, None)
            })
            .expect("shapes that fit");
            let logits: Vec<f32> = (0..steps * classes)
                .map(|i| (i as f32 * 1.7).sin())
                .collect();
            let log_p: Vec<f64> = logits
                .chunks(classes)
                .flat_map(|row| {
                    let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
                    row.iter().map(move |x| f64::from(*x) - total.ln())
                })
                .collect();
            probe.set_inputs(&[logits]);
            let (got, want) = (
                probe.forward()[0],
                -by_paths(&log_p, steps, classes, &labels).ln(),
            );
            assert!(
                (f64::from(got) - want).abs() < 1e-5,
                "{labels:?}: {got} {want}"
            );
        }
    }

    #[test]
    fn a_class_that_cannot_be_leaves_the_others_alone() {
        let logits = [0.0, 0.0, f32::NEG_INFINITY, 0.0].repeat(4);
        let mut probe = Probe::new(&[&[2, 2, 4]], false, |scope, v| {
            let labels = scope.constant(&[1.0, 2.0], [2, 1]);
            losses::compute(
                &CTC::new().reduction(Reduction::None),
                &labels,
                &v[0],
                None,
                None,
            )
        })
        .expect("shapes that fit");
        probe.set_inputs(&[logits]);
        let costs = probe.forward();
        // Label 1 over two steps of three classes: 11, 10 and 01, each 1/9.
        assert!((costs[0] - 3f32.ln()).abs() < 1e-6, "{costs:?}");
        assert!(costs[1] > 9e4 && costs[1].is_finite(), "{costs:?}");
        let gradient = probe.backward(&[1.0, 1.0]).inputs.swap_remove(0);
        // The probability less how many of the ways pass: 1/3 - 1/3 of the blank, 1/3 - 2/3 of the
        // label, nothing of what cannot be, and 1/3 of the last class.
        let want = [0.0, -1.0 / 3.0, 0.0, 1.0 / 3.0];
        for got in gradient[..8].chunks(4) {
            let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6);
            assert!(near, "{got:?}, not {want:?}");
        }
        assert!(gradient.iter().all(|d| d.is_finite()), "{gradient:?}");
    }

    #[test]
    fn labels_that_do_not_fit_cost_much() {
        let mut probe = Probe::new(&[&[1, 2, 3]], false, |scope, v| {
            let labels = scope.constant(&[1.0, 1.0], [1, 2]);
            losses::compute(&CTC::new(), &labels, &v[0], None, None)
        })
        .expect("shapes that fit");
        // The same label twice wants a blank between: three steps.
        assert!(probe.forward()[0] > 9e4);
    }
}
