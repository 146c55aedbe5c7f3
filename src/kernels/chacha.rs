//! The key stream of ChaCha8, eight blocks at a time.
//!
//! The blocks stand side by side, one in each lane, so that every step of the cipher is a vector
//! instruction: some seven times as fast as a generator asked for one word after the other.
//!
//! Source: Bernstein, ChaCha, a variant of Salsa20 (2008), <https://cr.yp.to/chacha.html>.

use std::array::from_fn;

/// The blocks that are made at a time.
pub(crate) const LANES: usize = 8;
/// The words of a block.
const WORDS: usize = 16;
/// The words that are made at a time.
pub(crate) const DRAWN: usize = LANES * WORDS;

type Lanes = [u32; LANES];

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    let mut out = a;
    for l in 0..LANES {
        out[l] = a[l].wrapping_add(b[l]);
    }
    out
}

/// `(a ^ b)` turned left.
#[inline(always)]
fn turn<const BITS: u32>(a: Lanes, b: Lanes) -> Lanes {
    let mut out = a;
    for l in 0..LANES {
        out[l] = (a[l] ^ b[l]).rotate_left(BITS);
    }
    out
}

#[inline(always)]
fn quarter(s: &mut [Lanes; WORDS], a: usize, b: usize, c: usize, d: usize) {
    s[a] = add(s[a], s[b]);
    s[d] = turn::<16>(s[d], s[a]);
    s[c] = add(s[c], s[d]);
    s[b] = turn::<12>(s[b], s[c]);
    s[a] = add(s[a], s[b]);
    s[d] = turn::<8>(s[d], s[a]);
    s[c] = add(s[c], s[d]);
    s[b] = turn::<7>(s[b], s[c]);
}

/// The words of eight blocks from `first` on: `[w][b]` is word `w` of block `first + b`.
#[inline(always)]
pub(crate) fn blocks(key: &[u32; 8], first: u64) -> [Lanes; WORDS] {
    let mut start = [[0; LANES]; WORDS];
    let constants = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
    for (lanes, word) in start.iter_mut().zip(constants.iter().chain(key)) {
        *lanes = [*word; LANES];
    }
    let counter = |l: usize| first.wrapping_add(l as u64);
    start[12] = from_fn(|l| counter(l) as u32);
    start[13] = from_fn(|l| (counter(l) >> 32) as u32);
    let mut s = start;
    for _ in 0..4 {
        quarter(&mut s, 0, 4, 8, 12);
        quarter(&mut s, 1, 5, 9, 13);
        quarter(&mut s, 2, 6, 10, 14);
        quarter(&mut s, 3, 7, 11, 15);
        quarter(&mut s, 0, 5, 10, 15);
        quarter(&mut s, 1, 6, 11, 12);
        quarter(&mut s, 2, 7, 8, 13);
        quarter(&mut s, 3, 4, 9, 14);
    }
    for w in 0..WORDS {
        s[w] = add(s[w], start[w]);
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng};

    #[test]
    fn words_are_those_of_chacha8() {
        let mut seed = [0; 32];
        for (i, byte) in seed.iter_mut().enumerate() {
            *byte = (i * 37) as u8;
        }
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        for first in [0, 8, u64::from(u32::MAX) - 3, 1 << 40] {
            let words = super::super::simd::dispatch(
                #[inline(always)]
                || blocks(&key, first),
            );
            let mut rng = rand::rngs::ChaCha8Rng::from_seed(seed);
            rng.set_word_pos(u128::from(first) * WORDS as u128);
            for block in 0..LANES {
                for word in &words {
                    assert_eq!(word[block], rng.next_u32());
                }
            }
        }
    }
}
