//! [`Minimum`].

use super::merging::{self, merging};
use crate::graph::{Scope, Value};

merging! {
    /// The smallest of its inputs, number by number: `y = min(x₁, x₂, ...)`.
    ///
    /// Of sequences with masks, steps that do not count take no part.
    ///
    /// Inputs of fewer axes get axes of length 1 after the batch, and lengths of 1 stretch.
    ///
    /// Source: <https://keras.io/api/layers/merging_layers/minimum/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::Minimum;
    /// use horn::prelude::*;
    ///
    /// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&a, &b], Minimum::new().apply([&a, &b]));
    /// model.build()?;
    /// let (x, y) = (array![[1.0, 5.0]], array![[3.0, 2.0]]);
    /// assert_eq!(model.predict((&x, &y))?, array![[1.0, 2.0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Minimum,
    |_: &Minimum, scope: &mut Scope, inputs: &[Value]| {
        merging::elementwise_masked(scope, inputs, |a, b| a.minimum(b))
    }
}
