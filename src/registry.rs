//! How a family of objects is found by Keras's names and configurations, once for all families: ours
//! in a table, the user's own where they were registered.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// Makes an object from Keras's `config`.
pub(crate) type Make<T> = fn(&Json) -> Result<Arc<T>>;

/// One object of a family: Keras's class, its other names, and how it is made.
pub(crate) type Entry<T> = (&'static str, &'static [&'static str], Make<T>);

/// Makes an object of the user's own from its `config`.
type MakeOwn<P> = Arc<dyn Fn(&Json) -> Result<P> + Send + Sync>;

/// The objects of the user's own of one family, by name.
pub(crate) struct Own<P> {
    kind: &'static str,
    makes: RwLock<BTreeMap<String, MakeOwn<P>>>,
}

impl<P> Own<P> {
    pub(crate) const fn new(kind: &'static str) -> Self {
        Own {
            kind,
            makes: RwLock::new(BTreeMap::new()),
        }
    }

    /// Remembers how an object is made, unless the name is taken.
    pub(crate) fn register(
        &self,
        name: &str,
        taken: bool,
        make: impl Fn(&Json) -> Result<P> + Send + Sync + 'static,
    ) -> Result<()> {
        let wrong = |expected| {
            Err(Error::argument(
                self.kind,
                "name",
                expected,
                format!("`{name}`"),
            ))
        };
        let name = bare(name);
        if name.is_empty() {
            return wrong("not empty");
        }
        let mut makes = self.makes.write().unwrap_or_else(PoisonError::into_inner);
        if taken || makes.contains_key(name) {
            return wrong("one that is not there yet");
        }
        makes.insert(name.to_string(), Arc::new(make));
        Ok(())
    }

    /// The object of this name, if it was registered.
    pub(crate) fn make(&self, name: &str, config: &Json) -> Option<Result<P>> {
        let makes = self.makes.read().unwrap_or_else(PoisonError::into_inner);
        let make = Arc::clone(makes.get(bare(name))?);
        // It may make others.
        drop(makes);
        Some(make(config))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let makes = self.makes.read().unwrap_or_else(PoisonError::into_inner);
        makes.keys().cloned().collect()
    }
}

/// The name without the package that it was registered under: `mine>Residual` is `Residual`.
pub(crate) fn bare(name: &str) -> &str {
    name.rsplit('>').next().unwrap_or(name)
}

/// The function `register` of a family, of which `$known` says whether a name is one of ours.
macro_rules! own {
    ($kind:literal, $Trait:ident, $Pointer:ident, $known:expr) => {
        static OWN: $crate::registry::Own<$Pointer<dyn $Trait>> = $crate::registry::Own::new($kind);

        #[doc = concat!("Makes known how the ", $kind, " of your own of this name is made, so that configurations")]
        /// and files find it again. Call it once, when the program starts.
        ///
        /// `make` is given the `config` that the object has written. A name may come with a package, as
        /// Keras's `registered_name` does: `mine>Name` is found as `Name`.
        ///
        /// # Errors
        ///
        /// [`Error::Argument`](crate::Error::Argument) for a name that is taken.
        ///
        /// # Examples
        ///
        /// See [`layers::register`](crate::layers::register).
        pub fn register<T: $Trait + 'static>(
            name: &str,
            make: impl Fn(&serde_json::Value) -> $crate::Result<T> + Send + Sync + 'static,
        ) -> $crate::Result<()> {
            let known: fn(&str) -> bool = $known;
            OWN.register(name, known(name), move |config| {
                Ok($Pointer::new(make(config)?) as $Pointer<dyn $Trait>)
            })
        }
    };
}
pub(crate) use own;

/// Whether a name is one of a table.
pub(crate) fn is_known<T: ?Sized>(table: &[Entry<T>], name: &str) -> bool {
    let mut entries = table.iter();
    entries.any(|(class, names, _)| *class == name || names.contains(&name))
}

/// The object of this name.
///
/// # Errors
///
/// [`Error::Unknown`], with the nearest names, and what making it says.
pub(crate) fn named<T: ?Sized>(
    kind: &'static str,
    (table, own): (&[Entry<T>], &Own<Arc<T>>),
    name: &str,
    config: &Json,
) -> Result<Arc<T>> {
    let found = table
        .iter()
        .find(|(class, names, _)| *class == name || names.contains(&name));
    match found {
        Some((_, _, make)) => make(config),
        None => own.make(name, config).unwrap_or_else(|| {
            let classes = table.iter().map(|(class, ..)| *class);
            let names = table.iter().flat_map(|(_, names, _)| names.iter().copied());
            let own = own.names();
            let own = own.iter().map(String::as_str);
            Err(Error::unknown(kind, name, names.chain(classes).chain(own)))
        }),
    }
}

/// The object that Keras describes by a name or by `{"class_name", "config"}`.
///
/// # Errors
///
/// As [`named`].
pub(crate) fn described<T: ?Sized>(
    kind: &'static str,
    known: (&[Entry<T>], &Own<Arc<T>>),
    json: &Json,
) -> Result<Arc<T>> {
    let nothing = json!({});
    if let Json::String(name) = json {
        return named(kind, known, name, &nothing);
    }
    let class_name = json.get("class_name").and_then(Json::as_str).unwrap_or("");
    match json.get("config").unwrap_or(&nothing) {
        // Keras writes a plain function as the class "function".
        Json::String(name) if class_name == "function" => named(kind, known, name, &nothing),
        config => named(kind, known, class_name, config),
    }
}

/// An object read from the fields of its `config`; keys that it does not have are ignored.
///
/// # Errors
///
/// [`Error::Config`] for a setting of another type.
///
/// # Examples
///
/// See [`layers::register`](crate::layers::register).
pub fn read<T: serde::de::DeserializeOwned>(class_name: &str, config: &Json) -> Result<T> {
    T::deserialize(config).map_err(|error| Error::Config {
        class_name: class_name.into(),
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: Own<Box<i64>> = Own::new("number");

    #[test]
    fn what_was_registered_is_found_once() {
        let make = |config: &Json| Ok(Box::new(config.as_i64().unwrap_or(7)));
        NUMBERS.register("mine>Seven", false, make).unwrap();
        assert_eq!(*NUMBERS.make("Seven", &Json::Null).unwrap().unwrap(), 7);
        assert_eq!(*NUMBERS.make("other>Seven", &json!(3)).unwrap().unwrap(), 3);
        assert!(NUMBERS.make("Eight", &Json::Null).is_none());
        assert_eq!(NUMBERS.names(), ["Seven"]);
        for (name, taken) in [("Seven", false), ("Relu", true), ("mine>", false)] {
            let error = NUMBERS.register(name, taken, make).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
