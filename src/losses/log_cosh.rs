//! [`LogCosh`].

use super::plain_loss;

plain_loss! {
    /// The logarithm of the hyperbolic cosine of the error: quadratic near zero, linear far away.
    ///
    /// `mean(ln(cosh(y_pred - y_true)))` over the last axis: `(batch, ..., units)` costs `(batch, ...)`.
    ///
    /// Source: <https://keras.io/api/losses/regression_losses/#logcosh-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
    /// model.compile(Compile::new(Adam::new(), LogCosh::new()))?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    LogCosh, "log_cosh",
    |y_true, y_pred| {
        // ln(cosh(e)) = e + ln(1 + exp(-2 e)) - ln(2) never overflows.
        let e = y_pred - y_true;
        (&e + (&e * -2.0).softplus() - std::f32::consts::LN_2).mean(-1)
    }
}
