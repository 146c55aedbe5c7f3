//! [`Margins`], how much is cut off or added at both ends of each inner axis.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How much is cut off or added before and behind each of `N` axes.
///
/// # Examples
///
/// ```
/// use horn::layers::ZeroPadding2D;
///
/// ZeroPadding2D::new(1); // 1 on every side
/// ZeroPadding2D::new([1, 2]); // 1 above and below, 2 left and right
/// ZeroPadding2D::new([(0, 1), (2, 3)]); // each side by itself
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Margins<const N: usize>(pub(super) [(usize, usize); N]);

impl<const N: usize> From<usize> for Margins<N> {
    fn from(margin: usize) -> Self {
        Margins([(margin, margin); N])
    }
}

impl<const N: usize> From<[usize; N]> for Margins<N> {
    fn from(margins: [usize; N]) -> Self {
        Margins(margins.map(|margin| (margin, margin)))
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Margins<N> {
    fn from(margins: [(usize, usize); N]) -> Self {
        Margins(margins)
    }
}

impl From<(usize, usize)> for Margins<1> {
    fn from(margins: (usize, usize)) -> Self {
        Margins([margins])
    }
}

impl<const N: usize> From<Margins<N>> for Json {
    fn from(Margins(all): Margins<N>) -> Self {
        let pairs = all.map(|(before, behind)| Json::from(vec![before, behind]));
        match &pairs[..] {
            [one] => one.clone(),
            all => Json::from(all.to_vec()),
        }
    }
}

/// A whole number that is not negative.
pub(super) fn whole(json: &Json) -> Option<usize> {
    json.as_u64()
        .and_then(|number| usize::try_from(number).ok())
}

/// A number for both sides, or a pair.
fn pair(json: &Json) -> Option<(usize, usize)> {
    match json.as_array().map(Vec::as_slice) {
        Some([before, behind]) => Some((whole(before)?, whole(behind)?)),
        Some(_) => None,
        None => whole(json).map(|margin| (margin, margin)),
    }
}

impl<const N: usize> TryFrom<Json> for Margins<N> {
    type Error = String;

    fn try_from(json: Json) -> Result<Self, String> {
        let mut all = [(0, 0); N];
        let read = match (&mut all[..], json.as_array()) {
            // Of one axis, a list of two is its two sides.
            ([one], _) => pair(&json).map(|read| *one = read),
            (all, None) => whole(&json).map(|margin| all.fill((margin, margin))),
            (all, Some(entries)) if entries.len() == N => {
                let mut places = all.iter_mut().zip(entries);
                places.try_for_each(|(place, entry)| pair(entry).map(|read| *place = read))
            }
            _ => None,
        };
        let message =
            || format!("expected a whole number, or {N} of them or pairs of them, got {json}");
        read.map(|()| Margins(all)).ok_or_else(message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_keras_is_read_and_its_own_written() {
        let two = |json: Json| serde_json::from_value::<Margins<2>>(json);
        for (given, wanted) in [
            (json!(2), json!([[2, 2], [2, 2]])),
            (json!([1, 2]), json!([[1, 1], [2, 2]])),
            (json!([[0, 1], [2, 3]]), json!([[0, 1], [2, 3]])),
            (json!([1, [0, 2]]), json!([[1, 1], [0, 2]])),
        ] {
            assert_eq!(Json::from(two(given).unwrap()), wanted);
        }
        let one = |json: Json| serde_json::from_value::<Margins<1>>(json);
        assert_eq!(Json::from(one(json!(3)).unwrap()), json!([3, 3]));
        assert_eq!(Json::from(one(json!([0, 3])).unwrap()), json!([0, 3]));
        for wrong in [
            json!(-1),
            json!([1]),
            json!([[1, 2, 3], 1]),
            json!(0.5),
            json!("1"),
        ] {
            let found = two(wrong).unwrap_err().to_string();
            assert!(found.contains("2 of them or pairs of them"), "{found}");
        }
        assert!(one(json!([[1, 1]])).is_err());
    }
}
