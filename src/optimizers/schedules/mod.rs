//! Learning rates that change from step to step.
//!
//! Each is a [`Schedule`], which an optimizer takes in place of a number:
//!
//! ```
//! use horn::optimizers::{Adam, CosineDecay};
//!
//! let optimizer = Adam::new().learning_rate(CosineDecay::new(0.01, 1_000));
//! ```

mod cosine_decay;
mod cosine_decay_restarts;
mod exponential_decay;
mod inverse_time_decay;
mod piecewise_constant_decay;
mod polynomial_decay;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Value, json};

pub use self::cosine_decay::CosineDecay;
pub use self::cosine_decay_restarts::CosineDecayRestarts;
pub use self::exponential_decay::ExponentialDecay;
pub use self::inverse_time_decay::InverseTimeDecay;
pub use self::piecewise_constant_decay::PiecewiseConstantDecay;
pub use self::polynomial_decay::PolynomialDecay;

use super::config::{Config, serialised};
use super::settings::not_negative;
use crate::error::{Error, Result};
use crate::registry;

/// A learning rate as a function of the step. Numbers are schedules that stay as they are.
///
/// # Examples
///
/// A schedule of one's own:
///
/// ```
/// use horn::optimizers::{SGD, Schedule, State};
/// use serde_json::{Value, json};
///
/// #[derive(Debug)]
/// struct Halving(f32);
///
/// impl Schedule for Halving {
///     fn rate(&self, step: u64) -> f32 {
///         self.0 / (1 << step.min(20)) as f32
///     }
///     fn class_name(&self) -> &str {
///         "Halving"
///     }
///     fn config(&self) -> Value {
///         json!({"start": self.0})
///     }
/// }
///
/// let optimizer = SGD::new().learning_rate(Halving(1.0));
/// let mut state = State::new(&optimizer, 1);
/// let mut weights = [2.0];
/// state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
/// assert_eq!(weights, [1.0]);
/// state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
/// assert_eq!(weights, [0.5]);
/// ```
pub trait Schedule: Any + Debug + Send + Sync {
    /// The learning rate at `step`, counted in batches from 0. Called at every step: it should
    /// allocate nothing.
    fn rate(&self, step: u64) -> f32;

    /// The name of its type, as Keras's configurations have it.
    fn class_name(&self) -> &str;

    /// Its settings under Keras's names.
    fn config(&self) -> Value;

    /// The rate, if it is the same at all steps.
    fn constant(&self) -> Option<f32> {
        None
    }

    /// Whether its settings lie in their ranges. `compile` asks.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`], which names the schedule, the argument and its value.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

impl Schedule for f32 {
    fn rate(&self, _: u64) -> f32 {
        *self
    }

    fn class_name(&self) -> &str {
        "float"
    }

    fn config(&self) -> Value {
        json!(f64::from(*self))
    }

    fn constant(&self) -> Option<f32> {
        Some(*self)
    }

    fn validate(&self) -> Result<()> {
        not_negative("optimizer", "learning_rate", f64::from(*self))
    }
}

impl Schedule for f64 {
    fn rate(&self, _: u64) -> f32 {
        *self as f32
    }

    fn class_name(&self) -> &str {
        "float"
    }

    fn config(&self) -> Value {
        json!(self)
    }

    fn constant(&self) -> Option<f32> {
        Some(*self as f32)
    }

    fn validate(&self) -> Result<()> {
        not_negative("optimizer", "learning_rate", *self)
    }
}

impl Schedule for Arc<dyn Schedule> {
    fn rate(&self, step: u64) -> f32 {
        (**self).rate(step)
    }

    fn class_name(&self) -> &str {
        (**self).class_name()
    }

    fn config(&self) -> Value {
        (**self).config()
    }

    fn constant(&self) -> Option<f32> {
        (**self).constant()
    }

    fn validate(&self) -> Result<()> {
        (**self).validate()
    }
}

type Reader = fn(&Config) -> Result<Arc<dyn Schedule>>;

/// Every schedule by the name of its class. To add one, add a line.
const TABLE: &[(&str, Reader)] = &[
    ("ExponentialDecay", |c| {
        Ok(Arc::new(ExponentialDecay::read(c)?))
    }),
    ("InverseTimeDecay", |c| {
        Ok(Arc::new(InverseTimeDecay::read(c)?))
    }),
    ("PiecewiseConstantDecay", |c| {
        Ok(Arc::new(PiecewiseConstantDecay::read(c)?))
    }),
    ("PolynomialDecay", |c| {
        Ok(Arc::new(PolynomialDecay::read(c)?))
    }),
    ("CosineDecay", |c| Ok(Arc::new(CosineDecay::read(c)?))),
    ("CosineDecayRestarts", |c| {
        Ok(Arc::new(CosineDecayRestarts::read(c)?))
    }),
];

/// The schedule that a Keras configuration describes: a number, or
/// `{"class_name": .., "config": {..}}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a class that there is not, [`Error::Config`] for a value that is
/// missing or of the wrong type. Ranges are for [`Schedule::validate`].
///
/// # Examples
///
/// ```
/// use horn::optimizers::schedules;
/// use serde_json::json;
///
/// let schedule = schedules::from_keras(&json!({
///     "class_name": "InverseTimeDecay",
///     "config": {"initial_learning_rate": 0.5, "decay_steps": 10, "decay_rate": 1.0},
/// }))?;
/// assert_eq!(schedule.rate(10), 0.25);
/// assert_eq!(schedules::from_keras(&json!(0.1))?.rate(10), 0.1);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_keras(value: &Value) -> Result<Arc<dyn Schedule>> {
    if let Some(rate) = value.as_f64() {
        return Ok(Arc::new(rate));
    }
    let config = Config::of("learning_rate", value)?;
    for (name, reader) in TABLE {
        if name.eq_ignore_ascii_case(config.class_name()) {
            return reader(&config);
        }
    }
    let made = OWN.make(config.class_name(), &config.json());
    made.unwrap_or_else(|| {
        let own = OWN.names();
        let names = TABLE.iter().map(|(name, _)| *name);
        let names = names.chain(own.iter().map(String::as_str));
        Err(Error::unknown("schedule", config.class_name(), names))
    })
}

registry::own!("schedule", Schedule, Arc, |name| {
    TABLE
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(name))
});

/// The schedule as Keras serialises it, for [`from_keras`] and for Keras itself; a number for one
/// that is constant.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{ExponentialDecay, schedules};
///
/// let keras = schedules::to_keras(&ExponentialDecay::new(0.1, 1_000, 0.96));
/// assert_eq!(keras["class_name"], "ExponentialDecay");
/// assert_eq!(keras["config"]["decay_steps"], 1_000);
/// ```
pub fn to_keras(schedule: &dyn Schedule) -> Value {
    if let Some(rate) = schedule.constant() {
        return json!(f64::from(rate));
    }
    let class_name = schedule.class_name();
    let known = TABLE.iter().any(|(name, _)| *name == class_name);
    let module = known.then_some("keras.optimizers.schedules");
    serialised(module, class_name, schedule.config())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_are() {
        assert_eq!(0.1f32.rate(7), 0.1);
        assert_eq!(0.1f64.rate(7), 0.1);
        let shared: Arc<dyn Schedule> = Arc::new(0.5);
        assert_eq!(shared.constant(), Some(0.5));
        assert!((-1.0f64).validate().is_err());
        assert!(f32::INFINITY.validate().is_err());
    }

    #[test]
    fn configs_come_back() {
        let schedules: [&dyn Schedule; 6] = [
            &ExponentialDecay::new(0.1, 10, 0.9).staircase(true),
            &InverseTimeDecay::new(0.1, 10, 0.9),
            &PiecewiseConstantDecay::new([1, 2], [0.3, 0.2, 0.1]),
            &PolynomialDecay::new(0.1, 10).power(2.0).cycle(true),
            &CosineDecay::new(0.1, 10).warmup_target(0.2).warmup_steps(3),
            &CosineDecayRestarts::new(0.1, 10).m_mul(0.5),
        ];
        assert_eq!(schedules.len(), TABLE.len());
        for schedule in schedules {
            let keras = to_keras(schedule);
            schedule.validate().unwrap();
            assert_eq!(keras["module"], "keras.optimizers.schedules");
            assert_eq!(to_keras(&from_keras(&keras).unwrap()), keras);
        }
    }

    #[test]
    fn unknown_names_offer_the_nearest() {
        let error = from_keras(&json!({"class_name": "CosinDecay", "config": {}})).unwrap_err();
        assert!(error.to_string().contains("did you mean `CosineDecay`"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let keras = json!({"class_name": "CosineDecay", "config": {"decay_steps": 3}});
        assert_eq!(
            from_keras(&keras).unwrap_err().to_string(),
            "the configuration of `CosineDecay`: `initial_learning_rate` must be a number, got null"
        );
    }
}
