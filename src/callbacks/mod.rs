//! What looks on while a model trains: [`Callback`], and [`Progress`], which prints.

mod logs;
mod progress;

pub use logs::Logs;
pub(crate) use logs::{Shown, missing, print_order};
pub use progress::Progress;

use crate::error::Result;

/// Hooks that training calls; each does nothing unless it is written.
///
/// Epochs and batches count from 0, as in Keras.
///
/// # Errors
///
/// An error from a hook ends the training with that error.
///
/// # Examples
///
/// ```
/// use horn::Result;
/// use horn::callbacks::{Callback, Control, Logs};
///
/// /// Stops once the model is good enough.
/// struct Until(f32);
///
/// impl Callback for Until {
///     fn on_epoch_end(&mut self, control: &mut Control, _epoch: usize, logs: &Logs) -> Result<()> {
///         if logs["accuracy"] >= self.0 {
///             control.stop();
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Callback: Send {
    /// Before the first epoch.
    fn on_train_begin(&mut self, _control: &mut Control, _run: &Run) -> Result<()> {
        Ok(())
    }

    /// Before each epoch.
    fn on_epoch_begin(&mut self, _control: &mut Control, _epoch: usize) {}

    /// Whether [`on_batch_end`](Callback::on_batch_end) is to be called; asked after
    /// [`on_train_begin`](Callback::on_train_begin).
    fn wants_batches(&self) -> bool {
        false
    }

    /// Whether [`on_batch_end`](Callback::on_batch_end) is to be called for this batch; by default
    /// for all of them, if for any.
    fn wants_batch(&self, _batch: usize) -> bool {
        self.wants_batches()
    }

    /// After each batch that is wanted, with the means over the epoch so far.
    fn on_batch_end(&mut self, _control: &mut Control, _batch: usize, _logs: &Logs) {}

    /// After each epoch and its validation.
    fn on_epoch_end(&mut self, _control: &mut Control, _epoch: usize, _logs: &Logs) -> Result<()> {
        Ok(())
    }

    /// After the last epoch, with the logs of that epoch.
    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        Ok(())
    }
}

/// A pointer to a callback is one: `Box<dyn Callback>`, and `&mut callback` to look at it
/// afterwards.
macro_rules! forward {
    ($Pointer:ty) => {
        impl<C: Callback + ?Sized> Callback for $Pointer {
            fn on_train_begin(&mut self, control: &mut Control, run: &Run) -> Result<()> {
                (**self).on_train_begin(control, run)
            }

            fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) {
                (**self).on_epoch_begin(control, epoch);
            }

            fn wants_batches(&self) -> bool {
                (**self).wants_batches()
            }

            fn wants_batch(&self, batch: usize) -> bool {
                (**self).wants_batch(batch)
            }

            fn on_batch_end(&mut self, control: &mut Control, batch: usize, logs: &Logs) {
                (**self).on_batch_end(control, batch, logs);
            }

            fn on_epoch_end(
                &mut self,
                control: &mut Control,
                epoch: usize,
                logs: &Logs,
            ) -> Result<()> {
                (**self).on_epoch_end(control, epoch, logs)
            }

            fn on_train_end(&mut self, control: &mut Control, logs: &Logs) -> Result<()> {
                (**self).on_train_end(control, logs)
            }
        }
    };
}

forward!(Box<C>);
forward!(&mut C);

/// What a callback can do to the training that it looks on.
///
/// # Examples
///
/// ```
/// use horn::callbacks::Control;
///
/// let mut control = Control::new(0.01);
/// control.set_learning_rate(control.learning_rate() * 0.5);
/// assert_eq!(control.learning_rate(), 0.005);
/// assert!(!control.stopped());
/// ```
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) stop: bool,
    pub(crate) learning_rate: f32,
    /// What `learning_rate` was set to since the training loop last looked.
    pub(crate) new_learning_rate: Option<f32>,
    /// How many batches of the epoch are done.
    pub(crate) batches: usize,
}

impl Control {
    /// The control of a training that runs at this learning rate.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            stop: false,
            learning_rate,
            new_learning_rate: None,
            batches: 0,
        }
    }

    /// Ends the training after this batch or epoch.
    pub fn stop(&mut self) {
        self.stop = true;
    }

    /// Whether the training is about to end.
    pub fn stopped(&self) -> bool {
        self.stop
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    /// Sets the learning rate from the next step on; a schedule is replaced.
    pub fn set_learning_rate(&mut self, learning_rate: f32) {
        self.learning_rate = learning_rate;
        self.new_learning_rate = Some(learning_rate);
    }
}

/// What a training is going to do.
///
/// # Examples
///
/// ```
/// use horn::callbacks::Run;
///
/// let run = Run::new(150, 0, 77, ["accuracy", "loss"]);
/// assert_eq!(run.names, ["accuracy", "loss"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// The number of the last epoch, counted from 1.
    pub epochs: usize,
    /// The number of epochs that were trained before, in an earlier run.
    pub initial_epoch: usize,
    /// The number of batches in an epoch; 0 where only the end of a dataset will tell.
    pub steps: usize,
    /// What the logs of an epoch hold, in the order in which they are printed.
    pub names: Vec<String>,
}

impl Run {
    /// A training from epoch `initial_epoch` up to `epochs`, of `steps` batches each.
    pub fn new(
        epochs: usize,
        initial_epoch: usize,
        steps: usize,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            epochs,
            initial_epoch,
            steps,
            names: names.into_iter().map(Into::into).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Callback for Nothing {}

    #[test]
    fn hooks_do_nothing_unless_written() {
        let mut control = Control::new(0.1);
        let mut nothing: Box<dyn Callback> = Box::new(Nothing);
        let logs = Logs::new(&[], &[]);
        nothing
            .on_train_begin(&mut control, &Run::new(1, 0, 1, ["loss"]))
            .unwrap();
        nothing.on_epoch_begin(&mut control, 0);
        nothing.on_epoch_end(&mut control, 0, &logs).unwrap();
        nothing.on_train_end(&mut control, &logs).unwrap();
        assert!(!nothing.wants_batches() && !control.stopped());
        assert_eq!(control.new_learning_rate, None);
    }

    #[test]
    fn the_loop_sees_a_new_learning_rate() {
        let mut control = Control::new(0.1);
        control.set_learning_rate(0.05);
        control.stop();
        assert_eq!(control.new_learning_rate, Some(0.05));
        assert_eq!(control.learning_rate(), 0.05);
        assert!(control.stopped());
    }
}
