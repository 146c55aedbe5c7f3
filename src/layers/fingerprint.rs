//! [`fingerprint`], the 64 bits that TensorFlow hashes a text to.

use std::num::Wrapping;

type Bits = Wrapping<u64>;

const K0: Bits = Wrapping(0xc3a5_c85c_97cb_3127);
const K1: Bits = Wrapping(0xb492_b66f_be98_f273);
const K2: Bits = Wrapping(0x9ae1_6a3b_2f90_404f);

/// The 64 bits that stand for a text: FarmHash's `Fingerprint64`.
///
/// Written here since the crate of that name is wrong for texts of 128 bytes, 192, and so on.
///
/// Source: <https://github.com/google/farmhash>
pub(super) fn fingerprint(text: &[u8]) -> u64 {
    let hash = match text.len() {
        0..=16 => short(text),
        17..=32 => medium(text).0,
        33..=64 => two_halves(text),
        _ => long(text),
    };
    hash.0
}

/// Eight bytes at a place.
fn word(text: &[u8], at: usize) -> Bits {
    let bytes = text.get(at..).and_then(<[u8]>::first_chunk);
    Wrapping(bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes)))
}

/// Four bytes at a place.
fn half(text: &[u8], at: usize) -> Bits {
    let bytes = text.get(at..).and_then(<[u8]>::first_chunk);
    Wrapping(bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes))))
}

fn turn(bits: Bits, by: u32) -> Bits {
    Wrapping(bits.0.rotate_right(by))
}

fn mix(bits: Bits) -> Bits {
    bits ^ (bits >> 47)
}

fn pair(u: Bits, v: Bits, factor: Bits) -> Bits {
    let a = mix((u ^ v) * factor);
    mix((v ^ a) * factor) * factor
}

fn length(text: &[u8]) -> Bits {
    Wrapping(text.len() as u64)
}

fn short(text: &[u8]) -> Bits {
    let (n, factor) = (text.len(), K2 + length(text) * Wrapping(2));
    match text {
        [] => K2,
        [_, _, _, _, _, _, _, _, ..] => {
            let (a, b) = (word(text, 0) + K2, word(text, n - 8));
            let c = turn(b, 37) * factor + a;
            pair(c, (turn(a, 25) + b) * factor, factor)
        }
        [_, _, _, _, ..] => {
            let first = length(text) + (half(text, 0) << 3);
            pair(first, half(text, n - 4), factor)
        }
        [first, ..] => {
            let byte = |at: usize| Wrapping(u64::from(*text.get(at).unwrap_or(first)));
            let (y, z) = (
                byte(0) + (byte(n / 2) << 8),
                length(text) + (byte(n - 1) << 2),
            );
            mix((y * K2) ^ (z * K0)) * K2
        }
    }
}

/// The hash of 17 to 32 bytes, and what longer ones are built on.
fn medium(text: &[u8]) -> (Bits, Bits) {
    let (n, factor) = (text.len(), K2 + length(text) * Wrapping(2));
    let long = n > 32;
    let (a, b) = (word(text, 0) * if long { K2 } else { K1 }, word(text, 8));
    let (c, d) = (word(text, n - 8) * factor, word(text, n - 16) * K2);
    let y = turn(a + b, 43) + turn(c, 30) + d;
    (pair(y, a + turn(b + K2, 18) + c, factor), y)
}

fn two_halves(text: &[u8]) -> Bits {
    let (n, factor) = (text.len(), K2 + length(text) * Wrapping(2));
    let (z, y) = medium(text);
    let a = word(text, 0) * K2;
    let (e, f) = (word(text, 16) * factor, word(text, 24));
    let g = (y + word(text, n - 32)) * factor;
    let h = (z + word(text, n - 24)) * factor;
    let last = e + turn(f + a, 18) + g;
    pair(turn(e + f, 43) + turn(g, 30) + h, last, factor)
}

/// What the 64 bytes before have left.
struct State {
    x: Bits,
    y: Bits,
    z: Bits,
    v: (Bits, Bits),
    w: (Bits, Bits),
}

impl State {
    /// Mixes 64 bytes in; the last ones weigh `nine` times.
    fn take(&mut self, s: &[u8], factor: Bits, nine: Bits) {
        let State { x, y, z, v, w } = self;
        *x = turn(*x + *y + v.0 + word(s, 8), 37) * factor;
        *y = turn(*y + v.1 + word(s, 48), 42) * factor;
        *x ^= w.1 * nine;
        *y += v.0 * nine + word(s, 40);
        *z = turn(*z + w.0, 33) * factor;
        *v = weak(s, 0, v.1 * factor, *x + w.0);
        *w = weak(s, 32, *z + w.1, *y + word(s, 16));
        std::mem::swap(x, z);
    }
}

/// 32 bytes from a place on, into two words.
fn weak(s: &[u8], at: usize, a: Bits, b: Bits) -> (Bits, Bits) {
    let [first, second, third, last] = [0, 8, 16, 24].map(|offset| word(s, at + offset));
    let a = a + first;
    let sum = a + second + third;
    let b = turn(b + a + last, 21) + turn(sum, 44);
    (sum + last, b + a)
}

fn long(text: &[u8]) -> Bits {
    const SEED: Bits = Wrapping(81);
    const MORE: Bits = Wrapping(113);
    let nothing = (Wrapping(0), Wrapping(0));
    let y = SEED * K1 + MORE;
    let mut state = State {
        x: SEED * K2 + word(text, 0),
        y,
        z: mix(y * K2 + MORE) * K2,
        v: nothing,
        w: nothing,
    };
    // The last 64 bytes, whole or not, are taken from the end.
    let whole = (text.len() - 1) / 64 * 64;
    for chunk in text.get(..whole).unwrap_or(&[]).chunks_exact(64) {
        state.take(chunk, K1, Wrapping(1));
    }
    let factor = K1 + ((state.z & Wrapping(0xff)) << 1);
    state.w.0 += (length(text) - Wrapping(1)) & Wrapping(63);
    state.v.0 += state.w.0;
    state.w.0 += state.v.0;
    state.take(
        text.get(text.len() - 64..).unwrap_or(&[]),
        factor,
        Wrapping(9),
    );
    let State { x, y, z, v, w } = state;
    let first = pair(v.0, w.0, factor) + mix(y) * K0 + z;
    pair(first, pair(v.1, w.1, factor) + x, factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Google's library gives for texts as long as its branches begin and end at.
    #[test]
    fn fingerprints_are_those_of_farmhash() {
        for (length, want) in KNOWN {
            let letter = |i: usize| b'a' + ((i * 7 + length) % 26) as u8;
            let text: Vec<u8> = (0..*length).map(letter).collect();
            assert_eq!(fingerprint(&text), *want, "{length}");
        }
    }

    const KNOWN: &[(usize, u64)] = &[
        (0, 11160318154034397263),
        (1, 11795596070477164822),
        (2, 11284520203374661052),
        (3, 17840201734489328107),
        (4, 5229200165339728586),
        (5, 9610178654621323361),
        (7, 2326968938742419854),
        (8, 16943539220291562265),
        (9, 290310807937581120),
        (12, 15332096224018918624),
        (15, 12855784031615380112),
        (16, 3820547438670371201),
        (17, 16324845785421546951),
        (24, 15943798240064956672),
        (31, 550745500815267002),
        (32, 127699506250089056),
        (33, 13415271314500398898),
        (47, 9684622028242149283),
        (48, 8194523017879154944),
        (63, 12748839156727923234),
        (64, 2544848233693181161),
        (65, 8179483852271218337),
        (66, 7727692283840218710),
        (100, 9733396316176590530),
        (127, 558306264808904778),
        (128, 7808010523399645295),
        (129, 11397533613750170066),
        (191, 1146849840086610461),
        (192, 8958948681808076809),
        (193, 3462567876194724318),
        (256, 10974619601406860487),
        (257, 5310377430998764438),
        (500, 14394201393070087706),
    ];
}
