//! [`AsArrays`]: one array for a model of one input or output, several or named ones for others.

use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};

/// What `fit`, `evaluate` and `predict` take: an array, or one for each input or output.
///
/// `&x` is one array; `(&a, &b)` are several, in the order of the model's inputs; and
/// `[("age", &a), ("city", &b)]` are named, in any order.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let (a, b) = (Input::new([1]).name("a").tensor(), Input::new([2]).name("b").tensor());
/// let mut model = Model::new([&a, &b], Dense::new(1).apply(&Concatenate::new().apply([&a, &b])));
/// model.build()?;
/// let (x, y) = (array![[1.0]], array![[2.0, 3.0]]);
/// assert_eq!(model.predict((&x, &y))?, model.predict([("b", &y), ("a", &x)])?);
/// # use horn::layers::Concatenate;
/// # Ok::<(), horn::Error>(())
/// ```
pub trait AsArrays {
    /// The arrays, borrowed.
    fn as_arrays(&self) -> Arrays<'_>;
}

/// One array or several; see [`AsArrays`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Arrays<'a> {
    /// For the only input or output.
    One(Rows<'a>),
    /// In order.
    Many(Vec<Rows<'a>>),
    /// By name.
    Named(Vec<(String, Rows<'a>)>),
}

impl<T: AsRows + ?Sized> AsArrays for &T {
    fn as_arrays(&self) -> Arrays<'_> {
        Arrays::One(self.as_rows())
    }
}

/// Arrays that are kept for longer than a call: what
/// [`Fit::validation_data`](super::Fit::validation_data) takes, in the forms of [`AsArrays`].
pub trait IntoArrays<'a> {
    /// The arrays, borrowed.
    fn into_arrays(self) -> Arrays<'a>;
}

impl<'a, T: AsRows + ?Sized> IntoArrays<'a> for &'a T {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays::One(self.as_rows())
    }
}

impl<'a, T: AsRows + ?Sized> IntoArrays<'a> for Vec<&'a T> {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays::Many(self.into_iter().map(AsRows::as_rows).collect())
    }
}

impl<'a, T: AsRows + ?Sized, const N: usize> IntoArrays<'a> for [(&str, &'a T); N] {
    fn into_arrays(self) -> Arrays<'a> {
        let named = self.into_iter();
        Arrays::Named(
            named
                .map(|(name, rows)| (name.to_string(), rows.as_rows()))
                .collect(),
        )
    }
}

impl AsArrays for Arrays<'_> {
    fn as_arrays(&self) -> Arrays<'_> {
        match self {
            Arrays::One(rows) => Arrays::One(rows.view()),
            Arrays::Many(all) => Arrays::Many(all.iter().map(Rows::view).collect()),
            Arrays::Named(all) => {
                let mut views = Vec::with_capacity(all.len());
                for (name, rows) in all {
                    views.push((name.clone(), rows.view()));
                }
                Arrays::Named(views)
            }
        }
    }
}

/// Arrays in order, in a tuple.
macro_rules! tuples {
    ($($($T:ident.$place:tt)+;)+) => {$(
        impl<'a, $($T: AsRows + ?Sized),+> IntoArrays<'a> for ($(&'a $T,)+) {
            fn into_arrays(self) -> Arrays<'a> {
                Arrays::Many(vec![$(self.$place.as_rows()),+])
            }
        }

        impl<$($T: AsRows + ?Sized),+> AsArrays for ($(&$T,)+) {
            fn as_arrays(&self) -> Arrays<'_> {
                Arrays::Many(vec![$(self.$place.as_rows()),+])
            }
        }
    )+};
}

tuples! {
    A.0;
    A.0 B.1;
    A.0 B.1 C.2;
    A.0 B.1 C.2 D.3;
    A.0 B.1 C.2 D.3 E.4;
    A.0 B.1 C.2 D.3 E.4 F.5;
}

impl<T: AsRows + ?Sized> AsArrays for Vec<&T> {
    fn as_arrays(&self) -> Arrays<'_> {
        Arrays::Many(self.iter().map(|rows| rows.as_rows()).collect())
    }
}

impl<T: AsRows + ?Sized, const N: usize> AsArrays for [(&str, &T); N] {
    fn as_arrays(&self) -> Arrays<'_> {
        let named = self.iter();
        Arrays::Named(
            named
                .map(|(name, rows)| (name.to_string(), rows.as_rows()))
                .collect(),
        )
    }
}

impl<'a> Arrays<'a> {
    /// The number of rows of the first array.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Arrays::One(rows) => rows.len(),
            Arrays::Many(all) => all.first().map_or(0, Rows::len),
            Arrays::Named(all) => all.first().map_or(0, |(_, rows)| rows.len()),
        }
    }

    /// One array for each of these names, in their order.
    ///
    /// # Errors
    ///
    /// Too few or too many, a name that is not there or is given twice.
    pub(crate) fn ordered(self, what: &'static str, names: &[String]) -> Result<Vec<Rows<'a>>> {
        let count = |found: usize| Error::Shape {
            place: format!("`{what}`"),
            expected: match names.len() {
                1 => "one array".into(),
                _ => format!("{} arrays, for {}", names.len(), names.join(", ")),
            },
            found: format!("{found}"),
            hint: "give one array for each, as in `(&a, &b)` or `[(\"name\", &a), ...]`".into(),
        };
        match self {
            Arrays::One(rows) if names.len() == 1 => Ok(vec![rows]),
            Arrays::One(_) => Err(count(1)),
            Arrays::Many(all) if all.len() == names.len() => Ok(all),
            Arrays::Many(all) => Err(count(all.len())),
            Arrays::Named(all) => {
                for (name, _) in &all {
                    if !names.contains(name) {
                        let known = names.iter().map(String::as_str);
                        return Err(Error::unknown(what, name, known));
                    }
                }
                let found = all.len();
                let one = |name: &String| {
                    let mut own = all.iter().filter(|(given, _)| given == name);
                    let (first, second) = (own.next(), own.next());
                    first.filter(|_| second.is_none())
                };
                let ordered: Option<Vec<Rows<'a>>> = names
                    .iter()
                    .map(|name| one(name).map(|(_, rows)| rows.clone()))
                    .collect();
                ordered.ok_or_else(|| count(found))
            }
        }
    }
}
