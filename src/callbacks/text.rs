//! Numbers as Python writes them, and [`Template`], a path with `{epoch:02d}` in it.

use std::fmt::{LowerExp, Write};

use crate::error::{Error, Result};

/// A number as Python prints it: `0.001`, `1e-05`.
pub(super) fn python<F: Into<f64> + Copy + ToString + LowerExp>(value: F) -> String {
    let size: f64 = value.into().abs();
    if size.is_nan() {
        return "nan".into();
    }
    if size != 0.0 && size.is_finite() && !(1e-4..1e16).contains(&size) {
        return exponent(&format!("{value:e}"));
    }
    let text = value.to_string();
    match text.contains(['.', 'i']) {
        true => text,
        false => text + ".0",
    }
}

/// With so many decimals.
pub(super) fn fixed(value: f32, decimals: usize) -> String {
    match value.is_nan() {
        true => "nan".into(),
        false => format!("{:.decimals$}", f64::from(value)),
    }
}

/// Writes the exponent in at least two digits and with its sign, as C and Python do.
fn exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.into();
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(usize),
    Real(f32),
}

/// A text with fields in Python's notation: `{epoch:02d}-{val_loss:.2f}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(String, Spec),
}

/// How a field is written: `[0][width][.precision][d, f, e or %]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Spec {
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn parse(text: &str) -> Option<Spec> {
        let mut spec = Spec::default();
        let (mut rest, zeros) = match text.strip_prefix('0') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        spec.zeros = zeros;
        if let Some(kind) = rest.chars().last().filter(|c| "dfe%".contains(*c)) {
            spec.kind = Some(kind);
            rest = rest.strip_suffix(kind)?;
        }
        let (width, precision) = match rest.split_once('.') {
            Some((width, precision)) => (width, Some(precision)),
            None => (rest, None),
        };
        // File names are short: what is longer is a slip.
        let number = |text: &str| text.parse().ok().filter(|count| *count <= 64);
        if !width.is_empty() {
            spec.width = number(width)?;
        }
        if let Some(precision) = precision {
            spec.precision = Some(number(precision)?);
        }
        Some(spec)
    }

    /// Whether Python would take it for such a number.
    fn takes(&self, number: Number) -> bool {
        match number {
            Number::Whole(_) => {
                self.precision.is_none() || matches!(self.kind, Some('f' | 'e' | '%'))
            }
            Number::Real(_) => {
                self.kind != Some('d') && (self.kind.is_some() || self.precision.is_none())
            }
        }
    }

    fn write(&self, number: Number) -> String {
        let decimals = self.precision.unwrap_or(6);
        let real = match number {
            Number::Whole(number) => number as f64,
            Number::Real(number) => f64::from(number),
        };
        let text = match (self.kind, number) {
            _ if real.is_nan() => "nan".to_string(),
            (Some('f'), _) => format!("{real:.decimals$}"),
            (Some('e'), _) => exponent(&format!("{real:.decimals$e}")),
            (Some('%'), _) => format!("{:.decimals$}%", real * 100.0),
            (_, Number::Whole(number)) => number.to_string(),
            (_, Number::Real(number)) => python(number),
        };
        let missing = self.width.saturating_sub(text.chars().count());
        if !self.zeros {
            return " ".repeat(missing) + &text;
        }
        // Zeros stand behind the sign.
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text.as_str()),
        };
        format!("{sign}{}{digits}", "0".repeat(missing))
    }
}

impl Template {
    /// Reads a text in which `{{` and `}}` mean braces.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(place);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or(from.strip_prefix("}}")) {
                plain.extend(from.chars().next());
                rest = after;
                continue;
            }
            let field = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let (field, after) =
                field.ok_or("a brace has no partner; write `{{` for a plain one")?;
            let (name, spec) = field.split_once(':').unwrap_or((field, ""));
            let spec = Spec::parse(spec).ok_or_else(|| {
                format!("`{spec}` in `{{{field}}}` is no format such as `02d` or `.2f`")
            })?;
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Field(name.to_string(), spec));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Ok(Template { pieces })
    }

    /// The fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(name, _) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The field that cannot be written with such a number.
    pub(super) fn unfit(&self, number: impl Fn(&str) -> Number) -> Option<&str> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Field(name, spec) if !spec.takes(number(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text with its fields filled in.
    ///
    /// # Errors
    ///
    /// The name of a field that has no value.
    pub(super) fn fill(&self, value: impl Fn(&str) -> Option<Number>) -> Result<String, &str> {
        let mut text = String::new();
        for piece in &self.pieces {
            let piece = match piece {
                Piece::Text(plain) => plain.clone(),
                Piece::Field(name, spec) => spec.write(value(name).ok_or(name.as_str())?),
            };
            // Writing to a `String` cannot fail.
            let _ = text.write_str(&piece);
        }
        Ok(text)
    }
}

/// The error of a setting of a callback.
pub(super) fn fail(name: &str, message: String) -> Error {
    Error::Callback {
        name: name.into(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let template = Template::parse(text).unwrap();
        let value = |name: &str| match name {
            "epoch" => Some(Number::Whole(7)),
            "val_loss" => Some(Number::Real(0.125)),
            "gain" => Some(Number::Real(-1234.5)),
            "nan" => Some(Number::Real(f32::NAN)),
            _ => None,
        };
        template.fill(value).unwrap()
    }

    #[test]
    fn fields_are_written_as_python_does() {
        // Each right side is that of Python's `format`.
        for (text, wanted) in [
            ("{epoch:02d}-{val_loss:.2f}.npz", "07-0.12.npz"),
            ("{epoch}", "7"),
            ("{epoch:4d}|{epoch:04}", "   7|0007"),
            ("{epoch:.1f}", "7.0"),
            ("{val_loss}", "0.125"),
            ("{val_loss:8.3f}|{val_loss:08.3f}", "   0.125|0000.125"),
            ("{gain:.3e}", "-1.234e+03"),
            ("{gain:012.2f}", "-00001234.50"),
            ("{val_loss:.1%}", "12.5%"),
            ("{val_loss:f}", "0.125000"),
            ("{{{epoch}}}", "{7}"),
            ("{nan:.2f}", "nan"),
            ("plain", "plain"),
        ] {
            assert_eq!(filled(text), wanted, "{text}");
        }
    }

    #[test]
    fn broken_templates_are_refused() {
        for text in [
            "{epoch",
            "epoch}",
            "{epoch:02x}",
            "{epoch:>4}",
            "{a:.}",
            "{a:999d}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        let template = Template::parse("{epoch:d}{loss:d}").unwrap();
        let number = |name: &str| match name {
            "epoch" => Number::Whole(0),
            _ => Number::Real(0.0),
        };
        assert_eq!(template.unfit(number), Some("loss"));
        assert_eq!(template.fields().collect::<Vec<_>>(), ["epoch", "loss"]);
        assert_eq!(template.fill(|_| None), Err("epoch"));
    }

    #[test]
    fn numbers_are_printed_as_python_does() {
        for (value, wanted) in [
            (0.001, "0.001"),
            (1e-5, "1e-05"),
            (0.000_123, "0.000123"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (1e16, "1e+16"),
            (1.5e-12, "1.5e-12"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(python(value), wanted);
        }
        // The double of a single, as Keras reports a rate.
        assert_eq!(python(f64::from(0.01f32) * 0.1), "0.0009999999776482583");
        assert_eq!(
            (fixed(0.5, 5), fixed(f32::NAN, 5)),
            ("0.50000".into(), "nan".into())
        );
    }
}
