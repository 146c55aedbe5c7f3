//! [`Mode`] and [`Monitor`]: which logged value a callback follows, and when it has improved.

use std::str::FromStr;

use super::{Logs, Run};
use crate::error::{Error, Result};
use crate::metrics::Direction;

/// Whether the value that a callback monitors is to become small or large.
///
/// # Examples
///
/// ```
/// use horn::callbacks::Mode;
///
/// assert_eq!("max".parse::<Mode>()?, Mode::Max);
/// assert_eq!(Mode::default(), Mode::Auto);
/// assert!("maximum".parse::<Mode>().is_err());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the value says: small for a loss, for a metric as its
    /// [`direction`](crate::metrics::Metric::direction) is. A value that does not say it is an error.
    #[default]
    Auto,
    /// Small.
    Min,
    /// Large.
    Max,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Mode::Auto),
            "min" => Ok(Mode::Min),
            "max" => Ok(Mode::Max),
            other => Err(Error::argument("Mode", "mode", "auto, min or max", other)),
        }
    }
}

/// What a callback monitors.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) mode: Mode,
    /// By how much a value must be better to count as an improvement.
    pub(super) min_delta: f64,
    /// What the mode means for the value, once the training has begun.
    direction: Direction,
}

impl Monitor {
    pub(super) fn new(min_delta: f64) -> Self {
        Monitor {
            name: "val_loss".into(),
            mode: Mode::Auto,
            min_delta,
            direction: Direction::Min,
        }
    }

    /// Checks the name against what the training logs, and settles the direction.
    pub(super) fn begin(&mut self, owner: &str, run: &Run) -> Result<()> {
        let fail = |message: String| {
            Err(Error::Callback {
                name: owner.into(),
                message,
            })
        };
        if !run.names.contains(&self.name) {
            return fail(self.unknown(run));
        }
        if !self.min_delta.is_finite() {
            let (argument, wanted) = ("min_delta", "a finite number");
            return Err(Error::argument(owner, argument, wanted, self.min_delta));
        }
        self.direction = match self.mode {
            Mode::Min => Direction::Min,
            Mode::Max => Direction::Max,
            Mode::Auto => match run.direction(&self.name) {
                Some(direction) => direction,
                None => {
                    return fail(format!(
                        "nothing says whether `{}` is to become small or large: set `.mode(Mode::Min)` \
                         or `.mode(Mode::Max)`",
                        self.name
                    ));
                }
            },
        };
        Ok(())
    }

    /// What is wrong with a name that is not logged.
    fn unknown(&self, run: &Run) -> String {
        let name = &self.name;
        let known = || run.names.iter().map(String::as_str);
        if name.starts_with("val_") && !known().any(|name| name.starts_with("val_")) {
            return format!(
                "`{name}` is not logged without validation: give `fit` `validation_data` or \
                 `validation_split`, or monitor one of {}",
                quoted(known())
            );
        }
        match Error::unknown("logged value", name, known()) {
            Error::Unknown { suggestions, .. } if !suggestions.is_empty() => {
                let nearest = quoted(suggestions.iter().map(String::as_str));
                format!("`{name}` is not logged: did you mean {nearest}?")
            }
            _ => format!("`{name}` is not logged: monitor one of {}", quoted(known())),
        }
    }

    /// The value in these logs; none after an epoch without validation.
    pub(super) fn value(&self, logs: &Logs) -> Option<f32> {
        logs.get(&self.name)
    }

    /// Whether a value is better than another; any is better than none.
    pub(super) fn improves(&self, value: f32, best: Option<f32>) -> bool {
        let Some(best) = best else {
            return true;
        };
        // As Keras: the sum in double, the comparison in single precision.
        let (value, delta) = (f64::from(value), self.min_delta.abs());
        match self.direction {
            Direction::Min => ((value + delta) as f32) < best,
            Direction::Max => ((value - delta) as f32) > best,
        }
    }
}

/// `a`, `b`, `c`.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The builder methods of a callback with a field `monitor`.
macro_rules! monitored {
    () => {
        /// The name of the logged value that is followed, as in the history. Default: `val_loss`.
        pub fn monitor(mut self, name: impl Into<String>) -> Self {
            self.monitor.name = name.into();
            self
        }

        /// Whether the value is to become small or large. Default: [`Mode::Auto`].
        pub fn mode(mut self, mode: Mode) -> Self {
            self.monitor.mode = mode;
            self
        }
    };
}
pub(super) use monitored;

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run::new(1, 0, 1, ["accuracy", "loss", "val_accuracy", "val_loss"])
    }

    fn begin(name: &str, mode: Mode, run: &Run) -> Result<Monitor> {
        let mut monitor = Monitor::new(0.0);
        monitor.name = name.into();
        monitor.mode = mode;
        monitor.begin("EarlyStopping", run)?;
        Ok(monitor)
    }

    #[test]
    fn a_wrong_name_is_told_with_the_nearest() {
        let says = |name: &str, run: &Run| begin(name, Mode::Auto, run).unwrap_err().to_string();
        assert_eq!(
            says("val_los", &run()),
            "callback `EarlyStopping`: `val_los` is not logged: did you mean `val_loss`?"
        );
        assert_eq!(
            says("zebra", &run()),
            "callback `EarlyStopping`: `zebra` is not logged: monitor one of `accuracy`, `loss`, \
             `val_accuracy`, `val_loss`"
        );
        let blind = Run::new(1, 0, 1, ["loss"]);
        let text = says("val_loss", &blind);
        assert!(
            text.contains("validation_split") && text.ends_with("`loss`"),
            "{text}"
        );
    }

    #[test]
    fn auto_needs_a_direction() {
        let error = begin("val_accuracy", Mode::Auto, &run()).unwrap_err();
        assert!(error.to_string().contains("`.mode(Mode::Max)`"), "{error}");
        let monitor = begin("val_accuracy", Mode::Max, &run()).unwrap();
        assert!(monitor.improves(0.6, Some(0.5)) && !monitor.improves(0.5, Some(0.5)));
    }

    #[test]
    fn an_improvement_is_larger_than_the_delta() {
        let mut monitor = begin("val_loss", Mode::Auto, &run()).unwrap();
        monitor.min_delta = -0.25;
        assert!(monitor.improves(f32::NAN, None));
        assert!(!monitor.improves(0.75, Some(1.0)) && monitor.improves(0.7, Some(1.0)));
        assert!(!monitor.improves(f32::NAN, Some(1.0)) && !monitor.improves(0.1, Some(f32::NAN)));
    }
}
