//! [`Multiply`].

use super::merging::{self, merging};
use crate::graph::{Scope, Value};

merging! {
    /// The product of its inputs: `y = x₁ x₂ ...`.
    ///
    /// Of sequences with masks, steps that do not count take no part, and are 0 where none counts.
    ///
    /// Inputs of fewer axes get axes of length 1 after the batch, and lengths of 1 stretch.
    ///
    /// Source: <https://keras.io/api/layers/merging_layers/multiply/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::layers::Multiply;
    /// use horn::prelude::*;
    ///
    /// let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    /// let mut model = Model::new([&a, &b], Multiply::new().apply([&a, &b]));
    /// model.build()?;
    /// let (x, y) = (array![[1.0, 5.0]], array![[3.0, 2.0]]);
    /// assert_eq!(model.predict((&x, &y))?, array![[3.0, 10.0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    Multiply,
    multiply
}

fn multiply(_: &Multiply, scope: &mut Scope, inputs: &[Value]) -> Value {
    let aligned = merging::aligned(inputs);
    let own: Vec<Option<Value>> = inputs.iter().map(|x| scope.mask(x)).collect();
    let counted: Vec<Value> = aligned
        .iter()
        .zip(&own)
        .map(|(x, mask)| match mask {
            Some(mask) => merging::stretched(mask, x).select(x, 1.0),
            None => x.clone(),
        })
        .collect();
    let Some((first, rest)) = counted.split_first() else {
        return scope.fail("multiplies at least one input, got none".into());
    };
    let product = merging::fold(first, rest, |a, b| a * b);
    let all: Option<Vec<Value>> = own.into_iter().collect();
    match all.and_then(|masks| merging::any(&masks)) {
        None => product,
        Some(mask) => {
            let product = merging::stretched(&mask, &product).select(&product, 0.0);
            merging::with_mask(scope, product, Some(mask))
        }
    }
}
