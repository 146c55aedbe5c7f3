//! [`Order`]: which rows the batches of an epoch take.

use std::ops::Range;

use crate::random::{Rng, bits, shuffle};

/// The rows up to which an order is a list, 16 MiB of it. A longer one is worked out batch by
/// batch, so that training takes no memory for each row.
const LISTED: usize = 1 << 22;

/// The order of the rows in an epoch.
#[derive(Debug)]
pub(crate) struct Order {
    rows: usize,
    /// All of it, where it is a list.
    list: Vec<u32>,
    /// How it is worked out, where it is not and is shuffled.
    permutation: Option<Permutation>,
    /// The rows of a batch that was worked out.
    batch: Vec<u32>,
}

impl Order {
    /// The rows as they stand.
    pub(crate) fn new(rows: usize) -> Self {
        Order::with_list(rows, LISTED)
    }

    fn with_list(rows: usize, listed: usize) -> Self {
        let list = if rows <= listed { rows } else { 0 };
        Order {
            rows,
            list: (0..list as u32).collect(),
            permutation: None,
            batch: Vec::new(),
        }
    }

    /// Puts the rows into a random order, whatever the order was before.
    pub(crate) fn shuffle(&mut self, rng: &mut Rng) {
        if self.list.is_empty() {
            self.permutation = Some(Permutation::new(self.rows, rng));
        } else {
            self.list.iter_mut().zip(0..).for_each(|(row, i)| *row = i);
            shuffle(&mut self.list, rng);
        }
    }

    /// The rows at these places of the order, as far as there are any.
    pub(crate) fn rows(&mut self, places: Range<usize>) -> &[u32] {
        let places = places.start..places.end.min(self.rows);
        if !self.list.is_empty() {
            return self.list.get(places).unwrap_or(&[]);
        }
        self.batch.clear();
        let places = places.start as u32..places.end as u32;
        match &self.permutation {
            Some(permutation) => self.batch.extend(places.map(|place| permutation.at(place))),
            None => self.batch.extend(places),
        }
        &self.batch
    }
}

/// The rounds of a [`Permutation`]; four already look random to anyone who cannot choose what is
/// permuted.
const ROUNDS: usize = 6;

/// A random permutation of `0..rows` that is computed, not stored: a Feistel network over the
/// next even number of bits, applied again to what it takes out of the range.
///
/// Source: Black, Rogaway, Ciphers with Arbitrary Finite Domains (2002),
/// <https://doi.org/10.1007/3-540-45760-7_9>.
#[derive(Debug)]
struct Permutation {
    rows: usize,
    /// The bits of one half.
    half: u32,
    keys: [u32; ROUNDS],
}

impl Permutation {
    fn new(rows: usize, rng: &mut Rng) -> Self {
        let all = usize::BITS - rows.saturating_sub(1).leading_zeros();
        Permutation {
            rows,
            half: all.div_ceil(2).max(1),
            keys: std::array::from_fn(|_| bits(rng)),
        }
    }

    /// Where a number below `rows` goes.
    fn at(&self, mut number: u32) -> u32 {
        // It began inside, and a permutation comes back to where it began: the loop ends.
        loop {
            number = self.once(number);
            if (number as usize) < self.rows {
                return number;
            }
        }
    }

    fn once(&self, number: u32) -> u32 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mixed(right ^ key) & mask));
        }
        left << self.half | right
    }
}

/// A number that changes with every bit of `x` (the last steps of MurmurHash3).
fn mixed(x: u32) -> u32 {
    let x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
    x ^ x >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn rng(epoch: u64) -> Rng {
        stream(7, Purpose::Shuffle, "", epoch)
    }

    /// All rows of an epoch, in batches of seven.
    fn epoch(order: &mut Order) -> Vec<u32> {
        let starts = (0..order.rows).step_by(7);
        starts
            .flat_map(|start| order.rows(start..start + 7).to_vec())
            .collect()
    }

    #[test]
    fn every_row_comes_once_an_epoch_listed_or_not() {
        for rows in [1, 2, 3, 5, 16, 17, 100, 1000, 65_537] {
            for listed in [0, usize::MAX] {
                let mut order = Order::with_list(rows, listed);
                let sorted: Vec<u32> = (0..rows as u32).collect();
                assert_eq!(epoch(&mut order), sorted, "{rows} rows, not shuffled");
                let mut before = sorted.clone();
                for number in 0..3 {
                    order.shuffle(&mut rng(number));
                    let mut rows_now = epoch(&mut order);
                    assert!(rows <= 5 || rows_now != before, "{rows} rows");
                    before.clone_from(&rows_now);
                    rows_now.sort_unstable();
                    assert_eq!(rows_now, sorted, "{rows} rows, shuffled");
                }
            }
        }
    }

    #[test]
    fn an_epoch_has_the_same_order_whatever_came_before() {
        for listed in [0, usize::MAX] {
            let mut resumed = Order::with_list(1000, listed);
            resumed.shuffle(&mut rng(3));
            let mut unbroken = Order::with_list(1000, listed);
            (0..4).for_each(|number| unbroken.shuffle(&mut rng(number)));
            assert_eq!(epoch(&mut resumed), epoch(&mut unbroken));
        }
    }

    /// Each of 13 rows comes first, and last, about equally often.
    #[test]
    fn no_place_is_preferred() {
        let (rows, epochs) = (13, 26_000);
        for place in [0, 12] {
            let mut counts = vec![0.0; rows];
            for number in 0..epochs {
                let permutation = Permutation::new(rows, &mut rng(number));
                counts[permutation.at(place) as usize] += 1.0;
            }
            let expected = epochs as f64 / rows as f64;
            let chi: f64 = counts
                .iter()
                .map(|c| (c - expected).powi(2) / expected)
                .sum();
            // 12 degrees of freedom: above 32.9 once in a thousand fair draws.
            assert!(chi < 32.9, "{chi}: {counts:?}");
        }
    }

    #[test]
    fn as_many_rows_as_can_be_are_permuted() {
        let permutation = Permutation::new(u32::MAX as usize, &mut rng(0));
        let there: std::collections::HashSet<u32> = (0..1000).map(|i| permutation.at(i)).collect();
        assert_eq!(there.len(), 1000);
    }
}
