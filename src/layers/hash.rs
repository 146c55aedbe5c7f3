//! Buckets of text, as TensorFlow hashes it.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use super::fingerprint::fingerprint;

/// The setting `salt` as Keras writes it: two numbers, or one for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo", into = "[u64; 2]")]
pub(super) struct Salt(pub(super) [u64; 2]);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrTwo {
    One(u64),
    Two([u64; 2]),
}

impl From<OneOrTwo> for Salt {
    fn from(read: OneOrTwo) -> Self {
        match read {
            OneOrTwo::One(salt) => Salt([salt, salt]),
            OneOrTwo::Two(salts) => Salt(salts),
        }
    }
}

impl From<Salt> for [u64; 2] {
    fn from(Salt(salts): Salt) -> Self {
        salts
    }
}

/// Which of `buckets` a text falls into: by FarmHash's fingerprint, or with a salt by SipHash-2-4.
pub(super) fn bucket(text: &[u8], buckets: u64, salt: Option<Salt>) -> u64 {
    let hash = match salt {
        None => fingerprint(text),
        Some(Salt([a, b])) => {
            let mut hasher = SipHasher24::new_with_keys(a, b);
            hasher.write(text);
            hasher.finish()
        }
    };
    hash % buckets.max(1)
}

/// Which of `buckets` a combination falls into: its parts are mixed in one after another, as
/// TensorFlow crosses features.
pub(super) fn crossed(parts: impl Iterator<Item = u64>, buckets: u64) -> u64 {
    const BEGIN: u64 = 0xde_cafc_affe;
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |bits: u64| bits ^ (bits >> 47);
    let hash = parts.fold(BEGIN, |hash, part| {
        let part = mix(part.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
        let both = (hash ^ FACTOR ^ part).wrapping_mul(FACTOR);
        mix(mix(both).wrapping_mul(FACTOR))
    });
    hash % buckets.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_tensorflow() {
        // tf.strings.to_hash_bucket_fast(["Hello", "TensorFlow", "2.x"], 3), from its documentation.
        let fast = ["Hello", "TensorFlow", "2.x"].map(|text| bucket(text.as_bytes(), 3, None));
        assert_eq!(fast, [0, 2, 2]);
        // Of Keras's documentation of Hashing.
        let letters = ["A", "B", "C", "D", "E"];
        let of = |salt| letters.map(|text| bucket(text.as_bytes(), 3, salt));
        assert_eq!(of(None), [1, 0, 1, 1, 2]);
        assert_eq!(of(Some(Salt([133, 137]))), [1, 2, 1, 0, 2]);
        assert_eq!(of(Some(Salt([133, 133]))), [0, 0, 2, 1, 0]);
    }
}
