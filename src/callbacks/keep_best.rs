//! [`KeepBest`]: the weights of the best epoch, without stopping.

use super::monitor::{Monitor, monitored};
use super::{Callback, Control, Logs, Memory, Mode, Run, Weights};
use crate::error::Result;

/// Trains to the end, and ends with the weights of the best epoch.
///
/// Keras has it only as a side of [`EarlyStopping`](super::EarlyStopping). The copy of the weights
/// is kept in memory; [`ModelCheckpoint`](super::ModelCheckpoint) writes files.
///
/// # Examples
///
/// ```
/// use horn::callbacks::KeepBest;
/// use horn::prelude::*;
///
/// let x = Array2::from_shape_fn((20, 1), |(row, _)| row as f32 / 20.0);
/// let y = &x * 2.0;
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
///
/// let mut best = KeepBest::new();
/// let fit = Fit::new().epochs(20).validation_split(0.2).verbose(0).callback(&mut best);
/// let history = model.fit(&x, &y, fit)?;
/// let least = history["val_loss"].iter().copied().fold(f32::INFINITY, f32::min);
/// assert_eq!(best.best(), Some(least));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeepBest {
    monitor: Monitor,
    verbose: u8,
    start_from_epoch: usize,
    best: Option<f32>,
    best_epoch: usize,
    weights: Option<Weights>,
}

impl KeepBest {
    /// Keeps the weights of the epoch with the best `val_loss`.
    pub fn new() -> Self {
        KeepBest {
            monitor: Monitor::new(0.0),
            verbose: 0,
            start_from_epoch: 0,
            best: None,
            best_epoch: 0,
            weights: None,
        }
    }

    monitored!();

    /// Whether a line says which epoch was the best: 0 or 1. Default: 0.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// How many epochs pass before values are looked at. Default: 0.
    pub fn start_from_epoch(mut self, epochs: usize) -> Self {
        self.start_from_epoch = epochs;
        self
    }

    /// The best value so far.
    pub fn best(&self) -> Option<f32> {
        self.best
    }

    /// The epoch of the best value, counted from 0.
    pub fn best_epoch(&self) -> Option<usize> {
        self.best.map(|_| self.best_epoch)
    }

    /// The weights of that epoch.
    pub fn weights(&self) -> Option<&Weights> {
        self.weights.as_ref()
    }
}

impl Default for KeepBest {
    fn default() -> Self {
        KeepBest::new()
    }
}

impl Callback for KeepBest {
    fn on_train_begin(&mut self, _control: &mut Control, run: &Run) -> Result<()> {
        self.best = None;
        self.weights = None;
        self.monitor.begin("KeepBest", run)
    }

    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let value = self.monitor.value(logs);
        let Some(value) = value.filter(|value| !value.is_nan()) else {
            return Ok(());
        };
        if epoch >= self.start_from_epoch && self.monitor.improves(value, self.best) {
            self.best = Some(value);
            self.best_epoch = epoch;
            self.weights = Some(control.weights());
        }
        Ok(())
    }

    fn on_train_end(&mut self, control: &mut Control, _logs: &Logs) -> Result<()> {
        let Some(weights) = &self.weights else {
            return Ok(());
        };
        if self.verbose > 0 {
            control.print(&format!(
                "Restoring model weights from the end of the best epoch: {}.",
                self.best_epoch + 1
            ));
        }
        control.set_weights(weights)
    }

    fn save_state(&mut self) -> Result<Memory> {
        Ok(Memory::new()
            .number("best", self.best)
            .count("best_epoch", self.best_epoch as u64)
            .weights("weights", self.weights.as_ref()))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        self.best = memory.get_number("best");
        self.best_epoch = memory.get_count("best_epoch").unwrap_or(0) as usize;
        self.weights = memory.get_weights("weights").cloned();
        Ok(())
    }
}
