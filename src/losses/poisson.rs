//! [`Poisson`].

use super::plain_loss;

plain_loss! {
    /// The negative log-likelihood of counts, up to what does not depend on the predictions.
    ///
    /// `mean(p - t ln(p + 1e-7))` over the last axis, of predicted means `p` above 0:
    /// `(batch, ..., units)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/probabilistic_losses/#poisson-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// use horn::losses::Poisson;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3).activation(Exponential));
    /// model.compile(Compile::new(Adam::new(), Poisson::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    Poisson, "poisson",
    |y_true, y_pred| (y_pred - y_true * (y_pred + 1e-7).ln()).mean(-1)
}
