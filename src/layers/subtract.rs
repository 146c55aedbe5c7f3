//! [`Subtract`].

use super::merging::{self, merging};
use crate::graph::{Scope, Value};

merging! {
    /// The difference of its two inputs: `y = x₁ - x₂`.
    ///
    /// Inputs of fewer axes get axes of length 1 after the batch, and lengths of 1 stretch.
    ///
    /// Source: <https://keras.io/api/layers/merging_layers/subtract/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::Subtract;
    /// use horn::prelude::*;
    ///
    /// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&a, &b], Subtract::new().apply([&a, &b]));
    /// model.build()?;
    /// let (x, y) = (array![[1.0, 5.0]], array![[3.0, 2.0]]);
    /// assert_eq!(model.predict((&x, &y))?, array![[-2.0, 3.0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Subtract,
    |_: &Subtract, scope: &mut Scope, inputs: &[Value]| match inputs {
        [_, _] => merging::elementwise(scope, inputs, |a, b| a - b),
        _ => scope.fail(format!("subtracts the second of two inputs, got {}", inputs.len())),
    }
}
