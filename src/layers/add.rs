//! [`Add`].

use super::merging::{self, merging};
use crate::graph::{Scope, Value};

merging! {
    /// The sum of its inputs: `y = x₁ + x₂ + ...`.
    ///
    /// Inputs of fewer axes get axes of length 1 after the batch, and lengths of 1 stretch.
    ///
    /// Source: <https://keras.io/api/layers/merging_layers/add/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::Add;
    /// use horn::prelude::*;
    ///
    /// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&a, &b], Add::new().apply([&a, &b]));
    /// model.build()?;
    /// let (x, y) = (array![[1.0, 5.0]], array![[3.0, 2.0]]);
    /// assert_eq!(model.predict((&x, &y))?, array![[4.0, 7.0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Add,
    |_: &Add, scope: &mut Scope, inputs: &[Value]| {
        merging::elementwise(scope, inputs, |a, b| a + b)
    }
}
