//! [`LearningRateScheduler`]: the learning rate of each epoch from a function.

use std::fmt;

use super::text::python;
use super::{Callback, Control};
use crate::error::{Error, Result};

/// Sets the learning rate before each epoch to `schedule(epoch, learning_rate)`; epochs count from 0.
///
/// The rate is logged as `learning_rate`. For a rate that changes with each step give the optimizer
/// one of the [`schedules`](crate::optimizers::Schedule).
///
/// Source: <https://keras.io/api/callbacks/learning_rate_scheduler/>
///
/// # Examples
///
/// ```
/// use horn::callbacks::LearningRateScheduler;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new().learning_rate(0.5), MeanSquaredError::new()))?;
/// let halves = LearningRateScheduler::new(|epoch, rate| if epoch < 2 { rate } else { rate / 2.0 });
/// let fit = Fit::new().epochs(4).verbose(0).callback(halves);
/// let history = model.fit(&array![[1.0]], &array![3.0], fit)?;
/// assert_eq!(history["learning_rate"], [0.5, 0.5, 0.25, 0.125]);
/// # Ok::<(), horn::Error>(())
/// ```
pub struct LearningRateScheduler<'a> {
    schedule: Box<dyn FnMut(usize, f32) -> f32 + Send + 'a>,
    verbose: u8,
}

impl<'a> LearningRateScheduler<'a> {
    /// Rates from a function of the epoch and the rate so far.
    pub fn new(schedule: impl FnMut(usize, f32) -> f32 + Send + 'a) -> Self {
        LearningRateScheduler {
            schedule: Box::new(schedule),
            verbose: 0,
        }
    }

    /// Whether a line tells each rate: 0 or 1. Default: 0.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }
}

impl fmt::Debug for LearningRateScheduler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("LearningRateScheduler")
            .field("verbose", &self.verbose)
            .finish_non_exhaustive()
    }
}

impl Callback for LearningRateScheduler<'_> {
    fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) -> Result<()> {
        let rate = (self.schedule)(epoch, control.learning_rate());
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(Error::argument(
                "LearningRateScheduler",
                "schedule",
                format!("a function that gives a finite rate of at least 0 for epoch {epoch}"),
                rate,
            ));
        }
        control.set_learning_rate(rate);
        if self.verbose > 0 {
            control.print(&format!(
                "Epoch {}: LearningRateScheduler setting learning rate to {}.",
                epoch + 1,
                python(rate)
            ));
        }
        Ok(())
    }

    fn logs_learning_rate(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for rate in [f32::NAN, -0.1, f32::INFINITY] {
            let mut control = Control::new(0.1);
            let mut scheduler = LearningRateScheduler::new(|_, _| rate);
            let error = scheduler.on_epoch_begin(&mut control, 2).unwrap_err();
            assert!(error.to_string().contains("for epoch 2"), "{error}");
            assert_eq!(control.learning_rate(), 0.1);
        }
    }
}
