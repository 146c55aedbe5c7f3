//! [`PiecewiseConstantDecay`].

use serde_json::{Value, json};

use super::super::config::Config;
use super::super::settings::not_negative;
use super::Schedule;
use crate::error::{Error, Result};

/// The rate is constant between given steps.
///
/// `rate = values[i]` with the first `i` for which `step <= boundaries[i]`, and the last value
/// after the last boundary.
///
/// Source: [Keras, PiecewiseConstantDecay](https://keras.io/api/optimizers/learning_rate_schedules/piecewise_constant_decay/).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{PiecewiseConstantDecay, Schedule};
///
/// let schedule = PiecewiseConstantDecay::new([100, 200], [1.0, 0.5, 0.1]);
/// assert_eq!(schedule.rate(100), 1.0);
/// assert_eq!(schedule.rate(101), 0.5);
/// assert_eq!(schedule.rate(201), 0.1);
/// ```
#[derive(Debug, Clone)]
pub struct PiecewiseConstantDecay {
    boundaries: Vec<u64>,
    values: Vec<f64>,
}

impl PiecewiseConstantDecay {
    /// The last steps at which each rate but the last holds, and the rates: one more than
    /// boundaries.
    pub fn new(
        boundaries: impl IntoIterator<Item = usize>,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        PiecewiseConstantDecay {
            boundaries: boundaries.into_iter().map(|step| step as u64).collect(),
            values: values.into_iter().collect(),
        }
    }

    pub(super) fn read(config: &Config) -> Result<Self> {
        let list = |key| {
            let numbers = config.get(key).and_then(Value::as_array);
            let numbers = numbers.and_then(|list| list.iter().map(Value::as_f64).collect());
            numbers.ok_or_else(|| config.error(key, "a list of numbers"))
        };
        let boundaries: Vec<f64> = list("boundaries")?;
        Ok(PiecewiseConstantDecay {
            // Keras, too, cuts the fraction off.
            boundaries: boundaries.into_iter().map(|step| step as u64).collect(),
            values: list("values")?,
        })
    }
}

impl Schedule for PiecewiseConstantDecay {
    fn rate(&self, step: u64) -> f32 {
        let passed = self.boundaries.iter().filter(|b| step > **b).count();
        self.values.get(passed).map_or(0.0, |value| *value as f32)
    }

    fn class_name(&self) -> &str {
        "PiecewiseConstantDecay"
    }

    fn config(&self) -> Value {
        json!({
            "boundaries": self.boundaries,
            "values": self.values,
            "name": "PiecewiseConstant",
        })
    }

    fn validate(&self) -> Result<()> {
        let owner = self.class_name();
        if self.boundaries.len() + 1 != self.values.len() {
            let (boundaries, values) = (self.boundaries.len(), self.values.len());
            let expected = "one fewer than `values`";
            let found = format!("{boundaries} boundaries and {values} values");
            return Err(Error::argument(owner, "boundaries", expected, found));
        }
        if !self.boundaries.is_sorted() {
            let found = format!("{:?}", self.boundaries);
            return Err(Error::argument(
                owner,
                "boundaries",
                "in rising order",
                found,
            ));
        }
        for value in &self.values {
            not_negative(owner, "values", *value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_boundary_is_the_last_step_of_its_rate() {
        let schedule = PiecewiseConstantDecay::new([2, 4], [3.0, 2.0, 1.0]);
        let rates = [0, 2, 3, 4, 5].map(|s| schedule.rate(s));
        assert_eq!(rates, [3.0, 3.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn lengths_and_order_are_checked() {
        let error = PiecewiseConstantDecay::new([2], [1.0]).validate();
        assert_eq!(
            error.unwrap_err().to_string(),
            "`PiecewiseConstantDecay`: `boundaries` must be one fewer than `values`, got 1 boundaries and 1 values"
        );
        assert!(
            PiecewiseConstantDecay::new([4, 2], [3.0, 2.0, 1.0])
                .validate()
                .is_err()
        );
        assert!(
            PiecewiseConstantDecay::new([2], [1.0, -1.0])
                .validate()
                .is_err()
        );
    }
}
