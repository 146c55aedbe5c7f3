//! [`Logs`]: the names and values of an epoch or batch, and how both are written.

use std::fmt;
use std::ops::Index;

/// The losses and metrics of the epoch or batch so far, by name, in the order in which they are
/// printed.
///
/// # Examples
///
/// ```
/// use horn::callbacks::Logs;
///
/// let names = ["accuracy".to_string(), "loss".to_string()];
/// let logs = Logs::new(&names, &[0.8, 0.5]);
/// assert_eq!(logs["loss"], 0.5);
/// assert_eq!(logs.get("val_loss"), None);
/// assert_eq!(logs.to_string(), "accuracy: 0.8000 - loss: 0.5000");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Logs<'a> {
    names: &'a [String],
    values: &'a [f32],
}

impl<'a> Logs<'a> {
    /// These names with these values, pair by pair.
    pub fn new(names: &'a [String], values: &'a [f32]) -> Self {
        Self { names, values }
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<f32> {
        let place = self.names.iter().position(|other| other == name)?;
        self.values.get(place).copied()
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, f32)> + use<'a> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.values.iter().copied())
    }

    /// The names.
    pub fn names(&self) -> &'a [String] {
        self.names
    }
}

impl Index<&str> for Logs<'_> {
    type Output = f32;

    /// The value of that name.
    ///
    /// # Panics
    ///
    /// When there is none, as a `HashMap` does; [`get`](Logs::get) asks.
    fn index(&self, name: &str) -> &f32 {
        let place = self.names.iter().position(|other| other == name);
        match place.and_then(|place| self.values.get(place)) {
            Some(value) => value,
            None => missing("logs", name, self.names),
        }
    }
}

impl fmt::Display for Logs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { " - " };
            write!(f, "{separator}{name}: {}", Shown(value))?;
        }
        Ok(())
    }
}

/// Where each name stands in the order in which Keras prints them: alphabetically, first those of
/// training, then those of validation.
pub(crate) fn print_order(names: &[String]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|i| names.get(*i).map(|name| (name.starts_with("val_"), name)));
    order
}

/// A value as Keras prints it: four decimals, or `1.0000e-04` where those would hide it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown(pub f32);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let value = f64::from(self.0);
        if value.is_nan() {
            return f.write_str("nan");
        }
        if value.abs() > 1e-3 {
            return write!(f, "{value:.4}");
        }
        // Rust writes the exponent in as few digits as it needs, C and Python in at least two.
        let mut text = Text::default();
        fmt::Write::write_fmt(&mut text, format_args!("{value:.4e}"))?;
        let (digits, exponent) = text
            .as_str()
            .split_once('e')
            .unwrap_or((text.as_str(), "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

/// A short text on the stack: printing an epoch allocates nothing.
#[derive(Default)]
struct Text {
    bytes: [u8; 24],
    length: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or(&[]);
        std::str::from_utf8(bytes).unwrap_or("")
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// What indexing by a name says that is not there: a mistake in the program, as with a `HashMap`,
/// told with the names that are there.
#[cold]
#[track_caller]
#[allow(clippy::panic)]
pub(crate) fn missing(what: &str, name: &str, names: &[String]) -> ! {
    panic!("there is no `{name}` in the {what}, only {names:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_keras_does() {
        // Printed by Keras 3.15's progress bar.
        let keras = [
            (0.5117, "0.5117"),
            (4.7623, "4.7623"),
            (0.001, "0.0010"),
            (-0.000_123_4, "-1.2340e-04"),
            (0.0, "0.0000e+00"),
            (f32::NAN, "nan"),
            (-3.25, "-3.2500"),
            (f32::INFINITY, "inf"),
            (1e-10, "1.0000e-10"),
        ];
        for (value, text) in keras {
            assert_eq!(Shown(value).to_string(), text);
        }
        assert_eq!(Shown(123_456.7).to_string(), "123456.7031");
        assert_eq!(Shown(0.000_999_9).to_string(), "9.9990e-04");
        assert_eq!(Shown(f32::NEG_INFINITY).to_string(), "-inf");
        assert_eq!(Shown(1e-45).to_string(), "1.4013e-45");
    }

    #[test]
    fn training_comes_before_validation() {
        let names = ["loss", "accuracy", "val_loss", "val_accuracy"].map(String::from);
        assert_eq!(print_order(&names), [1, 0, 3, 2]);
    }

    #[test]
    #[should_panic(expected = "there is no `los` in the logs, only [\"loss\"]")]
    fn a_wrong_name_panics_with_the_right_ones() {
        let names = ["loss".to_string()];
        let _ = Logs::new(&names, &[1.0])["los"];
    }
}
