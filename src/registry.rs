//! How a family of objects is found by Keras's names and configurations, once for all families.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// Makes an object from Keras's `config`.
pub(crate) type Make<T> = fn(&Json) -> Result<Arc<T>>;

/// One object of a family: Keras's class, its other names, and how it is made.
pub(crate) type Entry<T> = (&'static str, &'static [&'static str], Make<T>);

/// The object of this name.
///
/// # Errors
///
/// [`Error::Unknown`], with the nearest names, and what making it says.
pub(crate) fn named<T: ?Sized>(
    kind: &'static str,
    table: &[Entry<T>],
    name: &str,
    config: &Json,
) -> Result<Arc<T>> {
    let found = table
        .iter()
        .find(|(class, names, _)| *class == name || names.contains(&name));
    match found {
        Some((_, _, make)) => make(config),
        None => {
            let classes = table.iter().map(|(class, ..)| *class);
            let names = table.iter().flat_map(|(_, names, _)| names.iter().copied());
            Err(Error::unknown(kind, name, names.chain(classes)))
        }
    }
}

/// The object that Keras describes by a name or by `{"class_name", "config"}`.
///
/// # Errors
///
/// As [`named`].
pub(crate) fn described<T: ?Sized>(
    kind: &'static str,
    table: &[Entry<T>],
    json: &Json,
) -> Result<Arc<T>> {
    let nothing = json!({});
    if let Json::String(name) = json {
        return named(kind, table, name, &nothing);
    }
    let class_name = json.get("class_name").and_then(Json::as_str).unwrap_or("");
    match json.get("config").unwrap_or(&nothing) {
        // Keras writes a plain function as the class "function".
        Json::String(name) if class_name == "function" => named(kind, table, name, &nothing),
        config => named(kind, table, class_name, config),
    }
}

/// An object read from its fields; keys that it does not have are ignored.
///
/// # Errors
///
/// [`Error::Config`] for a setting of another type.
pub(crate) fn read<T: serde::de::DeserializeOwned>(class_name: &str, config: &Json) -> Result<T> {
    T::deserialize(config).map_err(|error| Error::Config {
        class_name: class_name.into(),
        message: error.to_string(),
    })
}
