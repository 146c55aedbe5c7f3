//! [`KLDivergence`].

use super::plain_loss;

plain_loss! {
    /// The Kullback-Leibler divergence: how far predicted probabilities are from those of the targets.
    ///
    /// `sum(t ln(t / p))` over the last axis, both clipped to `[1e-7, 1]`: `(batch, ..., classes)` costs
    /// `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/probabilistic_losses/#kldivergence-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// use horn::losses::KLDivergence;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(3).activation(Softmax::new()));
    /// model.compile(Compile::new(Adam::new(), KLDivergence::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    KLDivergence, "kl_divergence",
    |y_true, y_pred| {
        let (t, p) = (y_true.clip(1e-7, 1.0), y_pred.clip(1e-7, 1.0));
        (&t * (&t / p).ln()).sum(-1)
    }
}
