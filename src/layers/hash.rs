//! Buckets of text, as TensorFlow hashes it.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

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
        None => farmhash::fingerprint64(text),
        Some(Salt([a, b])) => {
            let mut hasher = SipHasher24::new_with_keys(a, b);
            hasher.write(text);
            hasher.finish()
        }
    };
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
