//! [`Sizes`], a whole number for each inner axis.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::margins::whole;

/// A number for each of `N` axes, or one for all.
///
/// # Examples
///
/// ```
/// use horn::layers::UpSampling2D;
///
/// assert_eq!(UpSampling2D::new(2), UpSampling2D::new([2, 2]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Sizes<const N: usize>(pub(super) [usize; N]);

impl<const N: usize> From<usize> for Sizes<N> {
    fn from(size: usize) -> Self {
        Sizes([size; N])
    }
}

impl<const N: usize> From<[usize; N]> for Sizes<N> {
    fn from(sizes: [usize; N]) -> Self {
        Sizes(sizes)
    }
}

impl<const N: usize> From<Sizes<N>> for Json {
    fn from(Sizes(sizes): Sizes<N>) -> Self {
        Json::from(sizes.to_vec())
    }
}

impl<const N: usize> TryFrom<Json> for Sizes<N> {
    type Error = String;

    fn try_from(json: Json) -> Result<Self, String> {
        let read: Option<Vec<usize>> = match &json {
            Json::Array(all) => all.iter().map(whole).collect(),
            one => whole(one).map(|size| vec![size; N]),
        };
        read.and_then(|all| <[usize; N]>::try_from(all).ok())
            .map(Sizes)
            .ok_or_else(|| format!("expected a whole number, or {N} of them, got {json}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_keras_is_read_and_its_own_written() {
        let read = |json: Json| serde_json::from_value::<Sizes<2>>(json);
        assert_eq!(Json::from(read(json!(3)).unwrap()), json!([3, 3]));
        assert_eq!(Json::from(read(json!([1, 2])).unwrap()), json!([1, 2]));
        for wrong in [
            json!(-1),
            json!([1]),
            json!([1, 2, 3]),
            json!(1.5),
            json!(null),
        ] {
            let found = read(wrong).unwrap_err().to_string();
            assert!(found.contains("a whole number, or 2 of them"), "{found}");
        }
    }
}
