//! Reading and writing Keras's configurations of optimizers and schedules.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::registry::bare;

/// The values of a Keras configuration, each with its default.
///
/// A key that is missing or `null` has its default; a value of another type is an error that
/// names the class and the key. Keys that nobody asks for are passed over, as files of older
/// versions of Keras hold some (`jit_compile`, `is_legacy_optimizer`, ...).
#[derive(Debug, Clone, Copy)]
pub(super) struct Config<'a> {
    class_name: &'a str,
    values: Option<&'a Map<String, Value>>,
}

impl<'a> Config<'a> {
    /// A configuration that holds nothing: all defaults.
    pub(super) fn empty(class_name: &'a str) -> Self {
        Config {
            class_name,
            values: None,
        }
    }

    /// The parts of `{"class_name": .., "config": {..}}`, or of the name alone.
    pub(super) fn of(kind: &str, value: &'a Value) -> Result<Self> {
        if let Some(name) = value.as_str() {
            return Ok(Config::empty(bare(name)));
        }
        let class_name = value.get("class_name").and_then(Value::as_str);
        let Some(class_name) = class_name.map(bare) else {
            return Err(Error::Config {
                class_name: kind.to_string(),
                message: format!(
                    "expected a name or an object with `class_name` and `config`, got {value}"
                ),
            });
        };
        let values = match value.get("config") {
            None | Some(Value::Null) => None,
            Some(Value::Object(values)) => Some(values),
            Some(other) => {
                return Err(Error::Config {
                    class_name: class_name.to_string(),
                    message: format!("`config` must be an object, got {other}"),
                });
            }
        };
        Ok(Config { class_name, values })
    }

    /// The class whose configuration it is, without a package (`Custom>Adam` is `Adam`).
    pub(super) fn class_name(&self) -> &'a str {
        self.class_name
    }

    /// All values.
    pub(super) fn json(&self) -> Value {
        Value::Object(self.values.cloned().unwrap_or_default())
    }

    /// The value at `key`, unless it is missing or `null`.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.values?.get(key).filter(|value| !value.is_null())
    }

    /// An error about the value at `key`.
    pub(super) fn error(&self, key: &str, expected: &str) -> Error {
        let found = self.get(key).cloned().unwrap_or(Value::Null);
        Error::Config {
            class_name: self.class_name.to_string(),
            message: format!("`{key}` must be {expected}, got {found}"),
        }
    }

    /// A number, if there is one.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| self.error(key, "a number")),
        }
    }

    /// A number.
    pub(super) fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.number(key)?.unwrap_or(default))
    }

    /// A number that has no default.
    pub(super) fn required(&self, key: &str) -> Result<f64> {
        self.number(key)?.ok_or_else(|| self.error(key, "a number"))
    }

    /// A whole number, if there is one.
    pub(super) fn count(&self, key: &str) -> Result<Option<u64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| self.error(key, "a whole number")),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.error(key, "true or false")),
        }
    }

    /// A text, if there is one.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) => Ok(Some(text.to_string())),
                None => Err(self.error(key, "a text")),
            },
        }
    }
}

/// The number as JSON, whole ones without a decimal point, as Python keeps integers.
pub(super) fn count_value(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && (0.0..EXACT).contains(&number) {
        json!(number as u64)
    } else {
        json!(number)
    }
}

/// The shortest decimal that reads back as this `f32`, as an `f64`: `0.1f32` is `0.1`.
pub(crate) fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// `{"module": .., "class_name": .., "config": .., "registered_name": ..}`, as Keras writes it.
///
/// `module` is where Keras keeps the class, or `None` for one of the user's own.
pub(super) fn serialised(module: Option<&str>, class_name: &str, config: Value) -> Value {
    let registered_name = match module {
        Some(_) => Value::Null,
        None => json!(class_name),
    };
    json!({
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered_name,
    })
}

/// Keras's automatic name of a class: `AdamW` is `adam_w`, `RMSprop` is `rm_sprop`.
pub(super) fn snake_case(class_name: &str) -> String {
    let letters: Vec<char> = class_name.chars().collect();
    let mut name = String::with_capacity(class_name.len() + 4);
    for (i, letter) in letters.iter().enumerate() {
        let after_small = i > 0 && letters.get(i - 1).is_some_and(|l| l.is_lowercase());
        let before_small = i > 0 && letters.get(i + 1).is_some_and(|l| l.is_lowercase());
        if letter.is_uppercase() && (after_small || before_small) {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keras_automatic_ones() {
        for (class_name, name) in [
            ("SGD", "sgd"),
            ("RMSprop", "rm_sprop"),
            ("AdamW", "adam_w"),
            ("Adadelta", "adadelta"),
            ("ScheduleFreeAdamW", "schedule_free_adam_w"),
        ] {
            assert_eq!(snake_case(class_name), name);
        }
    }

    #[test]
    fn decimals_are_the_shortest() {
        assert_eq!(decimal(0.1), 0.1);
        assert_eq!(decimal(0.004), 0.004);
        assert_eq!(decimal(1.0), 1.0);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        assert_eq!(count_value(10.0), json!(10));
        assert_eq!(count_value(10.5), json!(10.5));
    }

    #[test]
    fn a_value_of_another_type_is_named() {
        let value = json!({"class_name": "Adam", "config": {"beta_1": "much", "epsilon": null}});
        let config = Config::of("optimizer", &value).unwrap();
        assert_eq!(config.number_or("epsilon", 1e-7).unwrap(), 1e-7);
        assert_eq!(
            config.number_or("beta_1", 0.9).unwrap_err().to_string(),
            "the configuration of `Adam`: `beta_1` must be a number, got \"much\""
        );
    }

    #[test]
    fn packages_of_class_names_are_dropped() {
        let value = json!({"class_name": "Custom>Adam", "config": {}});
        let config = Config::of("optimizer", &value).unwrap();
        assert_eq!(config.class_name(), "Adam");
    }
}
