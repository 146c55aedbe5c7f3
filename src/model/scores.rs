//! [`Scores`]: what `evaluate` measured.

use std::fmt;
use std::ops::Index;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::callbacks::{Logs, missing};

/// The loss and metrics of a model on some data: the loss first, then the metrics as compiled.
///
/// Values are found by position, as in Keras's list, or by name.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let x = array![[0.0_f32], [1.0]];
/// let y = array![0.0_f32, 1.0];
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(1).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
///
/// let scores = model.evaluate(&x, &y)?;
/// assert_eq!(scores[1], scores["accuracy"]);
/// println!("{scores}"); // loss: 0.4722 - accuracy: 0.8077
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    names: Vec<String>,
    values: Vec<f32>,
}

impl Scores {
    /// These names with these values, pair by pair.
    pub(crate) fn new(names: Vec<String>, values: Vec<f32>) -> Self {
        Self { names, values }
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<f32> {
        self.logs().get(name)
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.logs().iter()
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn logs(&self) -> Logs<'_> {
        Logs::new(&self.names, &self.values)
    }
}

impl Index<usize> for Scores {
    type Output = f32;

    /// The value at that position, 0 for the loss.
    ///
    /// # Panics
    ///
    /// When there is none, as a slice does.
    fn index(&self, position: usize) -> &f32 {
        match self.values.get(position) {
            Some(value) => value,
            None => missing("scores", &position.to_string(), &self.names),
        }
    }
}

impl Index<&str> for Scores {
    type Output = f32;

    /// The value of that name.
    ///
    /// # Panics
    ///
    /// When there is none, as a `HashMap` does; [`get`](Scores::get) asks.
    fn index(&self, name: &str) -> &f32 {
        let place = self.names.iter().position(|other| other == name);
        match place.and_then(|place| self.values.get(place)) {
            Some(value) => value,
            None => missing("scores", name, &self.names),
        }
    }
}

impl fmt::Display for Scores {
    /// `loss: 0.4722 - accuracy: 0.8077`
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.logs().fmt(f)
    }
}

impl Serialize for Scores {
    /// `{"loss": 0.4722, "accuracy": 0.8077}`
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        Scores::new(vec!["loss".into(), "accuracy".into()], vec![0.5, 0.8077])
    }

    #[test]
    fn values_are_found_by_position_and_name() {
        let scores = scores();
        assert_eq!((scores[0], scores["accuracy"]), (0.5, 0.8077));
        assert_eq!((scores.get("loss"), scores.get("acc")), (Some(0.5), None));
        assert_eq!((scores.len(), scores.values()), (2, &[0.5, 0.8077][..]));
        let pairs: Vec<(&str, f32)> = scores.iter().collect();
        assert_eq!(pairs, [("loss", 0.5), ("accuracy", 0.8077)]);
    }

    #[test]
    fn they_print_and_serialise_in_order() {
        assert_eq!(scores().to_string(), "loss: 0.5000 - accuracy: 0.8077");
        assert_eq!(
            serde_json::to_string(&scores()).unwrap(),
            r#"{"loss":0.5,"accuracy":0.8077}"#
        );
    }

    #[test]
    #[should_panic(expected = "there is no `acc` in the scores, only [\"loss\", \"accuracy\"]")]
    fn a_wrong_name_panics_with_the_right_ones() {
        let _ = scores()["acc"];
    }
}
