//! [`Class`]: what a classifier chose.

use std::fmt;
use std::sync::Arc;

/// The class that a model chose for a row: its number, and its name where the model
/// [has names](super::Model::set_labels).
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
/// model.build()?;
/// model.set_labels(["healthy", "diabetic"])?;
/// for class in model.predict_classes(&array![[1.0, 2.0], [0.3, 0.1]])? {
///     assert!(class == 0 && class == "healthy" || class == 1 && class == "diabetic");
///     println!("{class}");
/// }
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class {
    index: usize,
    labels: Option<Arc<[String]>>,
}

impl Class {
    pub(crate) fn new(index: usize, labels: Option<&Arc<[String]>>) -> Self {
        Class {
            index,
            labels: labels.map(Arc::clone),
        }
    }

    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name, where the model has names.
    pub fn label(&self) -> Option<&str> {
        let labels = self.labels.as_ref()?;
        labels.get(self.index).map(String::as_str)
    }
}

impl fmt::Display for Class {
    /// The name, or the number where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label() {
            Some(label) => f.pad(label),
            None => fmt::Display::fmt(&self.index, f),
        }
    }
}

impl PartialEq<usize> for Class {
    fn eq(&self, index: &usize) -> bool {
        self.index == *index
    }
}

impl PartialEq<str> for Class {
    fn eq(&self, label: &str) -> bool {
        self.label() == Some(label)
    }
}

impl PartialEq<&str> for Class {
    fn eq(&self, label: &&str) -> bool {
        self == *label
    }
}

impl From<Class> for usize {
    fn from(class: Class) -> usize {
        class.index
    }
}
