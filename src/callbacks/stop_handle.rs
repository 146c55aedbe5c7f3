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

    /// A switch that Ctrl-C throws, too: the training ends after the step under way, with the history
    /// so far. A second Ctrl-C ends the program. Needs the feature `ctrlc`.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`](crate::Error::Callback) where the program has a handler of its own for Ctrl-C.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use horn::callbacks::StopHandle;
    /// use horn::prelude::*;
    ///
    /// let handle = StopHandle::on_ctrl_c()?;
    /// let fit = Fit::new().epochs(1000).stop_handle(&handle);
    /// # Ok::<(), horn::Error>(())
    /// ```
    #[cfg(feature = "ctrlc")]
    pub fn on_ctrl_c() -> Result<Self> {
        let handle = StopHandle::new();
        keyboard::listen(&handle)?;
        Ok(handle)
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

/// Ctrl-C, of which a program has one handler, for any number of switches.
#[cfg(feature = "ctrlc")]
mod keyboard {
    use std::sync::{Mutex, MutexGuard, OnceLock, Weak};

    use super::*;
    use crate::error::Error;

    static SWITCHES: Mutex<Vec<Weak<AtomicBool>>> = Mutex::new(Vec::new());
    /// Whether the handler was set, or why it could not be.
    static HANDLER: OnceLock<std::result::Result<(), String>> = OnceLock::new();

    pub(super) fn listen(handle: &StopHandle) -> Result<()> {
        let set = || ctrlc::set_handler(pressed).map_err(|error| error.to_string());
        HANDLER
            .get_or_init(set)
            .clone()
            .map_err(|message| Error::Callback {
                name: "StopHandle".into(),
                message,
            })?;
        let mut switches = switches();
        switches.retain(|switch| switch.strong_count() > 0);
        switches.push(std::sync::Arc::downgrade(&handle.stopped));
        Ok(())
    }

    /// Throws all switches; where none is left to be thrown, ends the program as it would have ended.
    fn pressed() {
        let mut thrown = false;
        for switch in switches().iter().filter_map(Weak::upgrade) {
            thrown |= !switch.swap(true, Ordering::Relaxed);
        }
        if !thrown {
            std::process::exit(130);
        }
    }

    fn switches() -> MutexGuard<'static, Vec<Weak<AtomicBool>>> {
        SWITCHES
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
