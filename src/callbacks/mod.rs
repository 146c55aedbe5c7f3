//! What looks on while a model trains: [`Callback`], and those that are ready-made.
//!
//! | callback | what it does |
//! |---|---|
//! | [`EarlyStopping`] | stops when a value has stopped improving |
//! | [`KeepBest`] | ends with the weights of the best epoch, without stopping |
//! | [`ModelCheckpoint`] | writes the weights to files |
//! | [`ReduceLROnPlateau`] | reduces the learning rate when a value has stopped improving |
//! | [`LearningRateScheduler`] | sets the learning rate of each epoch |
//! | [`SwapEmaWeights`] | validates with the averages of the weights |
//! | [`TerminateOnNaN`] | ends without an error when the loss turns NaN |
//! | [`TimeBudget`] | stops when the time is up |
//! | [`StopHandle`] | stops from another thread |
//! | [`BackupAndRestore`] | lets a training that was killed go on where it was |
//! | [`CsvLogger`] | writes each epoch's values to a CSV file |
//! | [`TensorBoard`] | writes curves and histograms that TensorBoard draws |
//! | [`LearningRateFinder`] | tries learning rates, and suggests one |
//! | [`LambdaCallback`] | closures |
//! | [`Progress`] | prints |
//!
//! What a callback monitors is checked when training begins: a name that is not logged is an error
//! that tells the nearest ones.

mod backup_and_restore;
mod control;
mod csv_logger;
mod early_stopping;
mod event_file;
mod hooks;
mod keep_best;
mod lambda_callback;
mod learning_rate_finder;
mod learning_rate_scheduler;
mod logs;
mod memory;
mod model_checkpoint;
mod monitor;
mod progress;
mod reduce_lr_on_plateau;
mod save_freq;
mod stop_handle;
mod swap_ema_weights;
mod tensor_board;
mod terminate_on_nan;
mod text;
mod time_budget;
mod weights;

pub use backup_and_restore::BackupAndRestore;
pub use control::Control;
pub(crate) use control::{Inside, Place, Requests, Saved, Signals};
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub(crate) use hooks::Hooks;
pub use keep_best::KeepBest;
pub use lambda_callback::{LambdaCallback, Outcome};
pub use learning_rate_finder::LearningRateFinder;
pub use learning_rate_scheduler::LearningRateScheduler;
pub use logs::Logs;
pub(crate) use logs::{Shown, missing, print_order};
pub use memory::Memory;
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Mode;
pub use progress::Progress;
pub use reduce_lr_on_plateau::ReduceLROnPlateau;
pub use save_freq::SaveFreq;
pub use stop_handle::StopHandle;
pub use swap_ema_weights::SwapEmaWeights;
pub use tensor_board::{TensorBoard, UpdateFreq};
pub use terminate_on_nan::TerminateOnNaN;
pub use time_budget::TimeBudget;
pub use weights::Weights;

use crate::error::Result;
use crate::metrics::Direction;

/// Hooks that training calls; each does nothing unless it is written.
///
/// Epochs and batches count from 0, as in Keras. Hooks of several callbacks are called in the order
/// in which the callbacks were given.
///
/// # Errors
///
/// An error from a hook ends the training with that error; so does a panic, which becomes an
/// [`Error::Callback`](crate::Error::Callback) with the callback's name and the panic's message. The
/// model stays as it was trained so far, and can be used and trained on.
///
/// Source: <https://keras.io/api/callbacks/base_callback/>
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
    /// What errors call it: the name of its type.
    fn name(&self) -> &str {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit("::").next().unwrap_or(path)
    }

    /// Before the first epoch: the place to check settings against what the training will log.
    fn on_train_begin(&mut self, _control: &mut Control, _run: &Run) -> Result<()> {
        Ok(())
    }

    /// Before each epoch.
    fn on_epoch_begin(&mut self, _control: &mut Control, _epoch: usize) -> Result<()> {
        Ok(())
    }

    /// Whether [`on_batch_begin`](Callback::on_batch_begin) and
    /// [`on_batch_end`](Callback::on_batch_end) are to be called; asked before each epoch, so that
    /// batches cost nothing where nobody looks at them.
    fn wants_batches(&self) -> bool {
        false
    }

    /// Whether they are to be called for this batch; by default for all of them, if for any. Asked
    /// before the batch and after it.
    fn wants_batch(&self, _batch: usize) -> bool {
        self.wants_batches()
    }

    /// Before each batch that is wanted. As in Keras, a dataset that does not know its length may
    /// then turn out to have no such batch.
    fn on_batch_begin(&mut self, _control: &mut Control, _batch: usize) -> Result<()> {
        Ok(())
    }

    /// After each batch that is wanted, with the means over the epoch so far.
    fn on_batch_end(&mut self, _control: &mut Control, _batch: usize, _logs: &Logs) -> Result<()> {
        Ok(())
    }

    /// After a batch whose loss is NaN or infinite. Unless a callback stops the training here, it
    /// ends with [`Error::Diverged`](crate::Error::Diverged), or goes on where
    /// [`allow_non_finite`](crate::model::Fit::allow_non_finite) is set.
    fn on_non_finite(&mut self, _control: &mut Control, _batch: usize, _loss: f32) -> Result<()> {
        Ok(())
    }

    /// Before each validation.
    fn on_test_begin(&mut self, _control: &mut Control) -> Result<()> {
        Ok(())
    }

    /// After each validation; what it gave comes with [`on_epoch_end`](Callback::on_epoch_end).
    fn on_test_end(&mut self, _control: &mut Control) -> Result<()> {
        Ok(())
    }

    /// Whether logs and history are to hold the `learning_rate` of each epoch's end.
    fn logs_learning_rate(&self) -> bool {
        false
    }

    /// After each epoch and its validation.
    fn on_epoch_end(&mut self, _control: &mut Control, _epoch: usize, _logs: &Logs) -> Result<()> {
        Ok(())
    }

    /// After the last epoch, with the logs of that epoch.
    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        Ok(())
    }

    /// What it keeps from epoch to epoch, for a training that goes on after a crash; asked when a
    /// [`BackupAndRestore`] writes. By default nothing.
    fn save_state(&mut self) -> Result<Memory> {
        Ok(Memory::new())
    }

    /// Goes on from what [`save_state`](Callback::save_state) gave, after
    /// [`on_train_begin`](Callback::on_train_begin) of the resumed training.
    fn restore_state(&mut self, _memory: &Memory) -> Result<()> {
        Ok(())
    }
}

/// A pointer to a callback is one: `Box<dyn Callback>`, and `&mut callback` to look at it
/// afterwards.
macro_rules! forward {
    ($Pointer:ty) => {
        impl<C: Callback + ?Sized> Callback for $Pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn on_train_begin(&mut self, control: &mut Control, run: &Run) -> Result<()> {
                (**self).on_train_begin(control, run)
            }

            fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) -> Result<()> {
                (**self).on_epoch_begin(control, epoch)
            }

            fn wants_batches(&self) -> bool {
                (**self).wants_batches()
            }

            fn wants_batch(&self, batch: usize) -> bool {
                (**self).wants_batch(batch)
            }

            fn on_batch_begin(&mut self, control: &mut Control, batch: usize) -> Result<()> {
                (**self).on_batch_begin(control, batch)
            }

            fn on_batch_end(
                &mut self,
                control: &mut Control,
                batch: usize,
                logs: &Logs,
            ) -> Result<()> {
                (**self).on_batch_end(control, batch, logs)
            }

            fn on_non_finite(
                &mut self,
                control: &mut Control,
                batch: usize,
                loss: f32,
            ) -> Result<()> {
                (**self).on_non_finite(control, batch, loss)
            }

            fn on_test_begin(&mut self, control: &mut Control) -> Result<()> {
                (**self).on_test_begin(control)
            }

            fn on_test_end(&mut self, control: &mut Control) -> Result<()> {
                (**self).on_test_end(control)
            }

            fn logs_learning_rate(&self) -> bool {
                (**self).logs_learning_rate()
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

            fn save_state(&mut self) -> Result<Memory> {
                (**self).save_state()
            }

            fn restore_state(&mut self, memory: &Memory) -> Result<()> {
                (**self).restore_state(memory)
            }
        }
    };
}

forward!(Box<C>);
forward!(&mut C);

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
    /// Whether each of them is to become small or large, where that is known.
    directions: Vec<Option<Direction>>,
}

impl Run {
    /// A training from epoch `initial_epoch` up to `epochs`, of `steps` batches each.
    pub fn new(
        epochs: usize,
        initial_epoch: usize,
        steps: usize,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let loss = |name: &String| name == "loss" || name == "val_loss";
        let direction = |name| loss(name).then_some(Direction::Min);
        Self {
            epochs,
            initial_epoch,
            steps,
            directions: names.iter().map(direction).collect(),
            names,
        }
    }

    /// The same, with whether each name is to become small or large.
    pub(crate) fn with_directions(mut self, directions: Vec<Option<Direction>>) -> Self {
        self.directions = directions;
        self
    }

    /// Whether what is logged under this name is to become small, as a loss, or large, as an
    /// accuracy; none where that is not known, or nothing is logged so.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::callbacks::Run;
    /// use horn::metrics::Direction;
    ///
    /// let run = Run::new(150, 0, 77, ["loss", "mine"]);
    /// assert_eq!(run.direction("loss"), Some(Direction::Min));
    /// assert_eq!(run.direction("mine"), None);
    /// ```
    pub fn direction(&self, name: &str) -> Option<Direction> {
        let place = self.names.iter().position(|other| other == name)?;
        self.directions.get(place).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing<T>(#[allow(dead_code)] T);
    impl<T: Send> Callback for Nothing<T> {}

    #[test]
    fn hooks_do_nothing_unless_written() {
        let mut control = Control::new(0.1);
        let mut nothing: Box<dyn Callback> = Box::new(Nothing(1));
        let logs = Logs::new(&[], &[]);
        nothing
            .on_train_begin(&mut control, &Run::new(1, 0, 1, ["loss"]))
            .unwrap();
        nothing.on_epoch_begin(&mut control, 0).unwrap();
        nothing.on_epoch_end(&mut control, 0, &logs).unwrap();
        nothing.on_train_end(&mut control, &logs).unwrap();
        assert!(!nothing.wants_batches() && !control.stopped());
        assert_eq!(control.learning_rate(), 0.1);
    }

    #[test]
    fn a_callback_is_named_for_its_type() {
        assert_eq!(Nothing(1).name(), "Nothing");
        let boxed: Box<dyn Callback> = Box::new(Nothing(vec!["a"]));
        assert_eq!(Callback::name(&boxed), "Nothing");
    }
}
