//! [`Maximum`].

use super::merging::{self, merging};
use crate::graph::{Scope, Value};

merging! {
    /// The largest of its inputs, number by number: `y = max(x₁, x₂, ...)`.
    ///
    /// Of sequences with masks, steps that do not count take no part.
    ///
    /// Inputs of fewer axes get axes of length 1 after the batch, and lengths of 1 stretch.
    ///
    /// Source: <https://keras.io/api/layers/merging_layers/maximum/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::Maximum;
    /// use horn::prelude::*;
    ///
    /// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&a, &b], Maximum::new().apply([&a, &b]));
    /// model.build()?;
    /// let (x, y) = (array![[1.0, 5.0]], array![[3.0, 2.0]]);
    /// assert_eq!(model.predict((&x, &y))?, array![[3.0, 5.0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Maximum,
    |_: &Maximum, scope: &mut Scope, inputs: &[Value]| {
        merging::elementwise_masked(scope, inputs, |a, b| a.maximum(b))
    }
}
