//! [`StopHandle`]: the end of a training from elsewhere in the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Callback, Control, Logs};
use crate::error::Result;

/// A switch that ends a training from another thread: after the step under way, as a callback's
/// [`stop`](Control::stop) does, with the history so far.
///
/// Its copies are the same switch. It is a callback, and
/// [`Fit::stop_handle`](crate::model::Fit::stop_handle) adds it as one.
///
/// # Examples
///
/// ```
/// use horn::callbacks::StopHandle;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
///
/// let handle = StopHandle::new();
/// let fit = Fit::new().epochs(usize::MAX).verbose(0).stop_handle(&handle);
/// let user = std::thread::spawn(move || handle.stop());
/// let history = model.fit(&array![[1.0]], &array![2.0], fit)?;
/// assert!(history.len() >= 1);
/// # user.join().unwrap();
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopHandle {
    stopped: Arc<AtomicBool>,
}

impl StopHandle {
    /// A switch that is not thrown.
    pub fn new() -> Self {
        StopHandle::default()
    }

    /// Ends the trainings that have this handle. One that begins later ends after its first step.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was thrown.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Takes `stop` back, for another training.
    pub fn reset(&self) {
        self.stopped.store(false, Ordering::Relaxed);
    }
}

impl Callback for StopHandle {
    fn wants_batches(&self) -> bool {
        true
    }

    fn wants_batch(&self, _batch: usize) -> bool {
        self.is_stopped()
    }

    fn on_batch_end(&mut self, control: &mut Control, _batch: usize, _logs: &Logs) -> Result<()> {
        control.stop();
        Ok(())
    }

    fn on_epoch_end(&mut self, control: &mut Control, _epoch: usize, _logs: &Logs) -> Result<()> {
        if self.is_stopped() {
            control.stop();
        }
        Ok(())
    }
}
