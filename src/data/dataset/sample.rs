//! What can be a row of a dataset: [`Sample`].

use super::batch::Row;
use crate::data::AsRows;
use crate::error::Result;

/// What can be appended to a [`Batch`](super::Batch) as a row.
///
/// | | |
/// |---|---|
/// | `(x, y)` | inputs and targets |
/// | `(x, y, weight)` | the same with a sample weight |
/// | `(x,)` | inputs alone, for predictions |
/// | `Result<sample>` | an error ends the pass with it |
///
/// `x` and `y` are [`Parts`].
///
/// # Examples
///
/// A type of one's own writes its parts itself:
///
/// ```
/// use horn::data::dataset::{Batch, Row, Sample};
///
/// struct Photo { pixels: Vec<u8>, hour: f32, cat: bool }
///
/// impl Sample for Photo {
///     fn write(self, row: &mut Row) -> horn::Result<()> {
///         row.input(&self.pixels)?;
///         row.input(&[self.hour])?;
///         row.target(&[self.cat])
///     }
/// }
///
/// let mut batch = Batch::new();
/// batch.push(Photo { pixels: vec![0; 16], hour: 12.5, cat: true })?;
/// assert_eq!(batch.inputs().len(), 2);
/// # Ok::<(), horn::Error>(())
/// ```
pub trait Sample {
    /// Writes the inputs, the targets and the weight of one row.
    ///
    /// # Errors
    ///
    /// Shapes that are not those of the rows before.
    fn write(self, row: &mut Row) -> Result<()>;
}

impl<X: Parts> Sample for (X,) {
    fn write(self, row: &mut Row) -> Result<()> {
        self.0.write_inputs(row)
    }
}

impl<X: Parts, Y: Parts> Sample for (X, Y) {
    fn write(self, row: &mut Row) -> Result<()> {
        self.0.write_inputs(row)?;
        self.1.write_targets(row)
    }
}

impl<X: Parts, Y: Parts, W: Into<f64>> Sample for (X, Y, W) {
    fn write(self, row: &mut Row) -> Result<()> {
        self.0.write_inputs(row)?;
        self.1.write_targets(row)?;
        row.sample_weight(self.2.into() as f32)
    }
}

impl<S: Sample> Sample for Result<S> {
    fn write(self, row: &mut Row) -> Result<()> {
        self?.write(row)
    }
}

/// The inputs or the targets of one row: one [`Values`], or a tuple of up to four.
pub trait Parts {
    /// Writes them as inputs.
    ///
    /// # Errors
    ///
    /// Shapes that are not those of the rows before.
    fn write_inputs(&self, row: &mut Row) -> Result<()>;

    /// Writes them as targets.
    ///
    /// # Errors
    ///
    /// Shapes that are not those of the rows before.
    fn write_targets(&self, row: &mut Row) -> Result<()>;
}

impl<V: Values> Parts for V {
    fn write_inputs(&self, row: &mut Row) -> Result<()> {
        self.write_input(row)
    }

    fn write_targets(&self, row: &mut Row) -> Result<()> {
        self.write_target(row)
    }
}

macro_rules! tuples {
    ($(($($V:ident $place:tt),+);)+) => {$(
        impl<$($V: Values),+> Parts for ($($V,)+) {
            fn write_inputs(&self, row: &mut Row) -> Result<()> {
                $(self.$place.write_input(row)?;)+
                Ok(())
            }

            fn write_targets(&self, row: &mut Row) -> Result<()> {
                $(self.$place.write_target(row)?;)+
                Ok(())
            }
        }
    )+};
}

tuples! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
}

/// One input or target of one row: an array, a vector or a slice, whose shape is the row's, or a
/// number.
pub trait Values {
    /// Writes it as the next input.
    ///
    /// # Errors
    ///
    /// A shape that is not that of the rows before.
    fn write_input(&self, row: &mut Row) -> Result<()>;

    /// Writes it as the next target.
    ///
    /// # Errors
    ///
    /// A shape that is not that of the rows before.
    fn write_target(&self, row: &mut Row) -> Result<()>;
}

impl<A: AsRows + ?Sized> Values for A {
    fn write_input(&self, row: &mut Row) -> Result<()> {
        row.input(self)
    }

    fn write_target(&self, row: &mut Row) -> Result<()> {
        row.target(self)
    }
}

/// Numbers, and what an iterator over them gives.
macro_rules! numbers {
    ($($Number:ty: $value:ident => $f32:expr;)*) => {$(
        impl Values for $Number {
            fn write_input(&self, row: &mut Row) -> Result<()> {
                let $value = *self;
                row.input_number($f32)
            }

            fn write_target(&self, row: &mut Row) -> Result<()> {
                let $value = *self;
                row.target_number($f32)
            }
        }

        impl Values for &$Number {
            fn write_input(&self, row: &mut Row) -> Result<()> {
                (**self).write_input(row)
            }

            fn write_target(&self, row: &mut Row) -> Result<()> {
                (**self).write_target(row)
            }
        }
    )*};
}

numbers! {
    f32: x => x;
    f64: x => x as f32;
    i8: x => f32::from(x);
    i16: x => f32::from(x);
    i32: x => x as f32;
    i64: x => x as f32;
    isize: x => x as f32;
    u8: x => f32::from(x);
    u16: x => f32::from(x);
    u32: x => x as f32;
    u64: x => x as f32;
    usize: x => x as f32;
    bool: x => f32::from(x);
}
