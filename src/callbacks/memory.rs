//! [`Memory`]: what a callback keeps over a crash.

use serde_json::{Map, Value};

use super::Weights;

/// What a callback keeps from one epoch to the next, so that a training that goes on after a crash
/// ends as if nothing had been: numbers, texts and weights by their names.
///
/// See [`Callback::save_state`](super::Callback::save_state).
///
/// # Examples
///
/// ```
/// use horn::Result;
/// use horn::callbacks::{Callback, Control, Logs, Memory};
///
/// /// Counts the epochs that were worse than the one before.
/// #[derive(Default)]
/// struct Setbacks {
///     count: u64,
///     last: Option<f32>,
/// }
///
/// impl Callback for Setbacks {
///     fn on_epoch_end(&mut self, _: &mut Control, _: usize, logs: &Logs) -> Result<()> {
///         let loss = logs["loss"];
///         self.count += u64::from(self.last.is_some_and(|last| loss > last));
///         self.last = Some(loss);
///         Ok(())
///     }
///
///     fn save_state(&mut self) -> Result<Memory> {
///         Ok(Memory::new().count("count", self.count).number("last", self.last))
///     }
///
///     fn restore_state(&mut self, memory: &Memory) -> Result<()> {
///         self.count = memory.get_count("count").unwrap_or(0);
///         self.last = memory.get_number("last");
///         Ok(())
///     }
/// }
///
/// let mut one = Setbacks { count: 3, last: Some(f32::INFINITY) };
/// let mut other = Setbacks::default();
/// other.restore_state(&one.save_state()?)?;
/// assert_eq!((other.count, other.last), (3, Some(f32::INFINITY)));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pub(crate) values: Map<String, Value>,
    pub(crate) weights: Vec<(String, Weights)>,
}

impl Memory {
    /// Nothing.
    pub fn new() -> Self {
        Memory::default()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.weights.is_empty()
    }

    /// Keeps anything that JSON can say.
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// What was kept under this name.
    pub fn get_value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Keeps a count.
    pub fn count(self, name: &str, count: u64) -> Self {
        self.value(name, count)
    }

    /// The count under this name.
    pub fn get_count(&self, name: &str) -> Option<u64> {
        self.get_value(name)?.as_u64()
    }

    /// Keeps a number to the bit, also NaN and infinity, which JSON cannot say; or that there is
    /// none.
    pub fn number(self, name: &str, number: Option<f32>) -> Self {
        self.value(name, number.map(f32::to_bits))
    }

    /// The number under this name.
    pub fn get_number(&self, name: &str) -> Option<f32> {
        let bits = u32::try_from(self.get_count(name)?).ok()?;
        Some(f32::from_bits(bits))
    }

    /// Keeps weights; or that there are none.
    pub fn weights(mut self, name: &str, weights: Option<&Weights>) -> Self {
        let weights = weights.map(|weights| (name.to_string(), weights.clone()));
        self.weights.extend(weights);
        self
    }

    /// The weights under this name.
    pub fn get_weights(&self, name: &str) -> Option<&Weights> {
        let found = self.weights.iter().find(|(known, _)| known == name);
        found.map(|(_, weights)| weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_bit() {
        let memory = Memory::new()
            .number("nan", Some(f32::NAN))
            .number("least", Some(f32::from_bits(1)))
            .number("none", None)
            .count("count", u64::MAX);
        let bits = |name: &str| memory.get_number(name).map(f32::to_bits);
        assert_eq!(bits("nan"), Some(f32::NAN.to_bits()));
        assert_eq!(bits("least"), Some(1));
        assert_eq!((bits("none"), bits("never")), (None, None));
        assert_eq!(memory.get_count("count"), Some(u64::MAX));
        assert_eq!(bits("count"), None);
        assert!(memory.get_weights("nan").is_none() && !memory.is_empty());
    }
}
