//! [`Average`].

use super::merging::{self, merging};
use crate::graph::{Scope, Value};

merging! {
    /// The mean of its inputs: `y = (x₁ + x₂ + ...) / n`.
    ///
    /// Inputs of fewer axes get axes of length 1 after the batch, and lengths of 1 stretch.
    ///
    /// Source: <https://keras.io/api/layers/merging_layers/average/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::Average;
    /// use horn::prelude::*;
    ///
    /// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&a, &b], Average::new().apply([&a, &b]));
    /// model.build()?;
    /// let (x, y) = (array![[1.0, 5.0]], array![[3.0, 2.0]]);
    /// assert_eq!(model.predict((&x, &y))?, array![[2.0, 3.5]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Average,
    |_: &Average, scope: &mut Scope, inputs: &[Value]| {
        let sum = merging::elementwise(scope, inputs, |a, b| a + b);
        let mask = scope.mask(&sum);
        merging::with_mask(scope, sum / inputs.len() as f32, mask)
    }
}
