//! [`MeanSquaredError`].

use super::plain_loss;

plain_loss! {
    /// The mean of squared errors.
    ///
    /// `mean((y_true - y_pred)²)` over the last axis: `(batch, ..., units)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/regression_losses/#meansquarederror-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    MeanSquaredError, "mean_squared_error",
    |y_true, y_pred| (y_true - y_pred).square().mean(-1)
}
