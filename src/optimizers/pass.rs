//! [`pass`], the one loop that all elementwise optimizers share.

use std::array;

use crate::kernels::{parallel, simd};

/// Elements taken together: one vector of AVX-512, two of AVX2, four of NEON.
const LANES: usize = 16;

type Lanes = [f32; LANES];

/// Updates each parameter and its slots by `rule`, in one pass over contiguous memory.
///
/// `rule(w, g, slots)` takes one parameter, its gradient and its value in each of the `S` slots,
/// and gives the new parameter and the new values. It should be free of branches and capture by
/// value (`move`): it is inlined into a loop that the compiler vectorises for the widest
/// instructions this machine has. Large arenas are shared among rayon's threads. An element's result does not depend on its place, so
/// the bits are the same with any number of threads. Nothing is allocated.
///
/// Slices of unequal length are taken up to the shortest.
///
/// # Examples
///
/// ```
/// use horn::optimizers::pass;
///
/// let mut weights = [1.0, 2.0, 3.0];
/// let mut total = [0.0; 3];
/// pass(&mut weights, &[1.0, 0.0, -1.0], [&mut total], |w, g, [total]| {
///     let total = total + g;
///     (w - 0.5 * total, [total])
/// });
/// assert_eq!(weights, [0.5, 2.0, 3.5]);
/// assert_eq!(total, [1.0, 0.0, -1.0]);
/// ```
#[inline]
pub fn pass<const S: usize>(
    parameters: &mut [f32],
    gradients: &[f32],
    slots: [&mut [f32]; S],
    rule: impl Fn(f32, f32, [f32; S]) -> (f32, [f32; S]) + Sync,
) {
    let length = slots
        .iter()
        .map(|slot| slot.len())
        .fold(parameters.len().min(gradients.len()), usize::min);
    let parameters = &mut parameters[..length];
    let gradients = &gradients[..length];
    let slots = slots.map(|slot| &mut slot[..length]);
    if length > parallel::GRAIN && parallel::threads() > 1 {
        halves(parameters, gradients, slots, &rule);
    } else {
        simd::dispatch(
            #[inline(always)]
            move || vectors(parameters, gradients, slots, rule),
        );
    }
}

/// Halves the work until a piece is no longer than the grain, for any idle thread to take.
fn halves<const S: usize>(
    parameters: &mut [f32],
    gradients: &[f32],
    slots: [&mut [f32]; S],
    rule: &(impl Fn(f32, f32, [f32; S]) -> (f32, [f32; S]) + Sync),
) {
    if parameters.len() <= parallel::GRAIN {
        simd::dispatch(
            #[inline(always)]
            || vectors(parameters, gradients, slots, rule),
        );
        return;
    }
    let middle = (parameters.len() / 2).next_multiple_of(LANES);
    let (left, right) = parameters.split_at_mut(middle);
    let (left_gradients, right_gradients) = gradients.split_at(middle);
    let mut right_slots = array::from_fn(|_| <&mut [f32]>::default());
    let mut rest = right_slots.iter_mut();
    let left_slots = slots.map(|slot| {
        let (left, right) = slot.split_at_mut(middle);
        if let Some(place) = rest.next() {
            *place = right;
        }
        left
    });
    rayon::join(
        || halves(left, left_gradients, left_slots, rule),
        || halves(right, right_gradients, right_slots, rule),
    );
}

/// The pass over one piece, one vector at a time.
///
/// The last vector reaches back over elements of the one before it, so that no scalar loop
/// remains: it is computed first, from the old values, and stored last, where it repeats what
/// those elements hold by then.
#[inline(always)]
fn vectors<const S: usize>(
    parameters: &mut [f32],
    gradients: &[f32],
    mut slots: [&mut [f32]; S],
    rule: impl Fn(f32, f32, [f32; S]) -> (f32, [f32; S]),
) {
    // By value, so that what it captures by value stays in registers: a store could change what
    // lies behind a reference.
    let rule = &rule;
    let length = parameters.len();
    if length < LANES {
        few(parameters, gradients, slots, rule);
        return;
    }
    let last = (
        parameters.last_chunk::<LANES>().copied(),
        gradients.last_chunk::<LANES>().copied(),
        array::from_fn(|k| slots[k].last_chunk::<LANES>().copied()),
    );
    let last = vector(
        last.0.unwrap_or_default(),
        last.1.unwrap_or_default(),
        last.2.map(Option::unwrap_or_default),
        rule,
    );

    let blocks = length / LANES;
    let all = &mut parameters.as_chunks_mut::<LANES>().0[..blocks];
    let all_gradients = &gradients.as_chunks::<LANES>().0[..blocks];
    let all_slots = slots
        .each_mut()
        .map(|slot| &mut slot.as_chunks_mut::<LANES>().0[..blocks]);
    for i in 0..blocks {
        let old = array::from_fn(|k| all_slots[k][i]);
        let (w, new) = vector(all[i], all_gradients[i], old, rule);
        all[i] = w;
        for k in 0..S {
            all_slots[k][i] = new[k];
        }
    }

    if let Some(place) = parameters.last_chunk_mut::<LANES>() {
        *place = last.0;
    }
    for (slot, new) in slots.iter_mut().zip(last.1) {
        if let Some(place) = slot.last_chunk_mut::<LANES>() {
            *place = new;
        }
    }
}

/// Fewer elements than a vector has lanes, one after the other: to pad them costs more.
#[inline(always)]
fn few<const S: usize>(
    parameters: &mut [f32],
    gradients: &[f32],
    slots: [&mut [f32]; S],
    rule: &impl Fn(f32, f32, [f32; S]) -> (f32, [f32; S]),
) {
    for (i, (w, g)) in parameters.iter_mut().zip(gradients).enumerate() {
        let (updated, new) = rule(*w, *g, array::from_fn(|k| slots[k][i]));
        *w = updated;
        for k in 0..S {
            slots[k][i] = new[k];
        }
    }
}

/// The rule on each lane.
#[inline(always)]
fn vector<const S: usize>(
    parameters: Lanes,
    gradients: Lanes,
    slots: [Lanes; S],
    rule: &impl Fn(f32, f32, [f32; S]) -> (f32, [f32; S]),
) -> (Lanes, [Lanes; S]) {
    let mut w = Lanes::default();
    let mut new = [Lanes::default(); S];
    for i in 0..LANES {
        let old = array::from_fn(|k| slots[k][i]);
        let (updated, values) = rule(parameters[i], gradients[i], old);
        w[i] = updated;
        for k in 0..S {
            new[k][i] = values[k];
        }
    }
    (w, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::aligned::Aligned;

    fn rule(w: f32, g: f32, [a, b]: [f32; 2]) -> (f32, [f32; 2]) {
        let a = a.mul_add(0.9, g);
        let b = g.mul_add(g, b);
        (w - 0.1 * a / (b.sqrt() + 1e-3), [a, b])
    }

    fn numbers(length: usize, factor: f32) -> Aligned {
        let mut numbers = Aligned::zeros(length);
        for (i, number) in numbers.iter_mut().enumerate() {
            *number = (i as f32 * factor).sin();
        }
        numbers
    }

    /// The pass over `length` elements has the bits of the rule on one element after the other.
    fn check(length: usize) {
        let gradients = numbers(length, 0.7);
        let (mut w, mut a, mut b) = (
            numbers(length, 0.3),
            numbers(length, 0.5),
            numbers(length, 0.0),
        );
        let mut expected = Vec::new();
        for i in 0..length {
            let (w, [a, b]) = rule(w[i], gradients[i], [a[i], b[i]]);
            expected.push([w, a, b].map(f32::to_bits));
        }
        pass(&mut w, &gradients, [&mut a, &mut b], rule);
        for (i, expected) in expected.into_iter().enumerate() {
            assert_eq!(
                [w[i], a[i], b[i]].map(f32::to_bits),
                expected,
                "{i} of {length}"
            );
        }
    }

    #[test]
    fn every_length_has_the_bits_of_a_plain_loop() {
        (0..70).for_each(check);
    }

    #[test]
    fn pieces_have_the_bits_of_the_whole() {
        check(2 * parallel::GRAIN + 5);
    }

    #[test]
    fn unequal_lengths_stop_at_the_shortest() {
        let mut w = [1.0; 20];
        let mut slot = Aligned::zeros(18);
        pass(&mut w, &[1.0; 19], [&mut slot], |w, g, [s]| {
            (w + g, [s + g])
        });
        assert_eq!(w[17..], [2.0, 1.0, 1.0]);
    }
}
