//! [`TerminateOnNaN`]: a quiet end when the loss turns NaN.

use super::{Callback, Control};
use crate::error::{Error, Result};

/// Ends the training without an error when the loss of a batch turns NaN or infinite.
///
/// Without it `fit` gives [`Error::Diverged`] and puts the model back to what it was before. With it
/// `fit` gives the history so far, in which the last epoch has that loss, and the model keeps its
/// weights: those before the step whose loss is not finite, which is not taken. Keras takes it, and
/// ends with weights of NaN. [`KeepBest`](super::KeepBest) ends with good ones.
///
/// Source: <https://keras.io/api/callbacks/terminate_on_nan/>
///
/// # Examples
///
/// ```
/// use horn::callbacks::TerminateOnNaN;
/// use horn::prelude::*;
///
/// let (x, y) = (array![[1.0], [2.0]], array![1.0, 2.0]);
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new().learning_rate(1e10), MeanSquaredError::new()))?;
///
/// let fit = || Fit::new().epochs(100).verbose(0);
/// assert!(matches!(model.fit(&x, &y, fit()), Err(Error::Diverged { .. })));
/// let history = model.fit(&x, &y, fit().callback(TerminateOnNaN::new()))?;
/// assert!(history.len() < 10 && !history["loss"][history.len() - 1].is_finite());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminateOnNaN {
    raise_error: bool,
    epoch: usize,
}

impl TerminateOnNaN {
    /// Ends the training without an error.
    pub fn new() -> Self {
        TerminateOnNaN::default()
    }

    /// Whether the training ends with [`Error::Diverged`] and the model as it was before: what
    /// `fit` does by itself unless
    /// [`allow_non_finite`](crate::model::Fit::allow_non_finite) is set. Default: false.
    pub fn raise_error(mut self, raise: bool) -> Self {
        self.raise_error = raise;
        self
    }
}

impl Callback for TerminateOnNaN {
    fn on_epoch_begin(&mut self, _control: &mut Control, epoch: usize) -> Result<()> {
        self.epoch = epoch;
        Ok(())
    }

    fn on_non_finite(&mut self, control: &mut Control, batch: usize, loss: f32) -> Result<()> {
        if self.raise_error {
            return Err(Error::Diverged {
                epoch: self.epoch + 1,
                batch: batch + 1,
                value: loss,
                cause: String::new(),
            });
        }
        control.print(&format!(
            "Batch {batch}: Invalid loss, terminating training"
        ));
        control.stop();
        Ok(())
    }
}
