//! [`EarlyStopping`]: the end of a training that no longer improves.

use super::monitor::{Monitor, monitored};
use super::{Callback, Control, Logs, Memory, Mode, Run, Weights};
use crate::error::{Error, Result};

/// Stops when a monitored value has stopped improving: after `patience` epochs in a row that were
/// not better than the best one.
///
/// Source: <https://keras.io/api/callbacks/early_stopping/>
///
/// # Examples
///
/// ```
/// use horn::callbacks::EarlyStopping;
/// use horn::prelude::*;
///
/// let x = Array2::from_shape_fn((20, 1), |(row, _)| row as f32 / 20.0);
/// let y = &x * 2.0;
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new().learning_rate(0.5), MeanSquaredError::new()))?;
///
/// let mut stopping = EarlyStopping::new()
///     .monitor("loss")
///     .patience(3)
///     .min_delta(1e-4)
///     .restore_best_weights(true);
/// let fit = Fit::new().epochs(1000).verbose(0).callback(&mut stopping);
/// let history = model.fit(&x, &y, fit)?;
/// assert!(history.len() < 100);
/// assert_eq!(stopping.stopped_epoch(), Some(history.len() - 1));
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    verbose: u8,
    baseline: Option<f32>,
    restore_best_weights: bool,
    start_from_epoch: usize,
    wait: usize,
    best: Option<f32>,
    best_epoch: usize,
    best_weights: Option<Weights>,
    stopped_epoch: Option<usize>,
}

impl EarlyStopping {
    /// Stops at the first epoch in which `val_loss` has not improved.
    pub fn new() -> Self {
        EarlyStopping {
            monitor: Monitor::new(0.0),
            patience: 0,
            verbose: 0,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            wait: 0,
            best: None,
            best_epoch: 0,
            best_weights: None,
            stopped_epoch: None,
        }
    }

    monitored!();

    /// By how much a value must be better to count as an improvement. Default: 0.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.monitor.min_delta = min_delta;
        self
    }

    /// How many epochs without improvement end the training; the second epoch is the earliest.
    /// Default: 0.
    pub fn patience(mut self, patience: usize) -> Self {
        self.patience = patience;
        self
    }

    /// Whether a line says that the training was stopped: 0 or 1. Default: 0.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// A value that must be beaten: epochs that are not better than it count as waiting, even if
    /// they improve. Default: none.
    pub fn baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline as f32);
        self
    }

    /// Whether the model ends with the weights of its best epoch, also when training was not stopped
    /// early. Default: false, it ends with those of its last.
    pub fn restore_best_weights(mut self, restore: bool) -> Self {
        self.restore_best_weights = restore;
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

    /// The epoch after which it stopped the training, counted from 0, if it did.
    pub fn stopped_epoch(&self) -> Option<usize> {
        self.stopped_epoch
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        EarlyStopping::new()
    }
}

impl Callback for EarlyStopping {
    fn on_train_begin(&mut self, _control: &mut Control, run: &Run) -> Result<()> {
        if self.baseline.is_some_and(f32::is_nan) {
            let wanted = "a number";
            return Err(Error::argument("EarlyStopping", "baseline", wanted, "NaN"));
        }
        self.wait = 0;
        self.best = None;
        self.best_epoch = 0;
        self.best_weights = None;
        self.stopped_epoch = None;
        self.monitor.begin("EarlyStopping", run)
    }

    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let Some(value) = self.monitor.value(logs) else {
            return Ok(());
        };
        if epoch < self.start_from_epoch {
            return Ok(());
        }
        self.wait += 1;
        if self.monitor.improves(value, self.best) {
            self.best = Some(value);
            self.best_epoch = epoch;
            if self.restore_best_weights {
                self.best_weights = Some(control.weights());
            }
            if self.baseline.is_none() || self.monitor.improves(value, self.baseline) {
                self.wait = 0;
            }
        } else if self.wait >= self.patience && epoch > 0 {
            self.stopped_epoch = Some(epoch);
            control.stop();
        }
        Ok(())
    }

    fn on_train_end(&mut self, control: &mut Control, _logs: &Logs) -> Result<()> {
        if let (Some(epoch), true) = (self.stopped_epoch, self.verbose > 0) {
            control.print(&format!("Epoch {}: early stopping", epoch + 1));
        }
        let Some(weights) = self.best_weights.take() else {
            return Ok(());
        };
        if self.verbose > 0 {
            control.print(&format!(
                "Restoring model weights from the end of the best epoch: {}.",
                self.best_epoch + 1
            ));
        }
        control.set_weights(&weights)
    }

    fn save_state(&mut self) -> Result<Memory> {
        let stopped = self.stopped_epoch.map(|epoch| epoch as u64);
        Ok(Memory::new()
            .count("wait", self.wait as u64)
            .number("best", self.best)
            .count("best_epoch", self.best_epoch as u64)
            .value("stopped_epoch", stopped)
            .weights("best_weights", self.best_weights.as_ref()))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        let count = |name| memory.get_count(name).map(|count| count as usize);
        self.wait = count("wait").unwrap_or(0);
        self.best = memory.get_number("best");
        self.best_epoch = count("best_epoch").unwrap_or(0);
        self.stopped_epoch = count("stopped_epoch");
        self.best_weights = memory.get_weights("best_weights").cloned();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The epoch after which it stops at these values, from 0.
    fn stops(mut stopping: EarlyStopping, values: &[f32]) -> Option<usize> {
        let names = ["val_loss".to_string()];
        let mut control = Control::new(0.1);
        let run = Run::new(values.len(), 0, 1, names.clone());
        stopping.on_train_begin(&mut control, &run).unwrap();
        for (epoch, value) in values.iter().enumerate() {
            let logs = Logs::new(&names, std::slice::from_ref(value));
            stopping.on_epoch_end(&mut control, epoch, &logs).unwrap();
            if control.stopped() {
                break;
            }
        }
        assert_eq!(stopping.stopped_epoch().is_some(), control.stopped());
        stopping.stopped_epoch()
    }

    #[test]
    fn patience_counts_epochs_without_improvement() {
        let values = [1.0, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4];
        assert_eq!(stops(EarlyStopping::new(), &values), Some(2));
        assert_eq!(stops(EarlyStopping::new().patience(2), &values), Some(3));
        assert_eq!(stops(EarlyStopping::new().patience(3), &values), Some(7));
        assert_eq!(stops(EarlyStopping::new().patience(4), &values), None);
        let late = EarlyStopping::new().start_from_epoch(4);
        assert_eq!(stops(late, &values), Some(5));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let run = Run::new(1, 0, 1, ["val_loss"]);
        let mut control = Control::new(0.1);
        for (mut stopping, argument) in [
            (EarlyStopping::new().baseline(f64::NAN), "`baseline`"),
            (EarlyStopping::new().min_delta(f64::NAN), "`min_delta`"),
        ] {
            let error = stopping.on_train_begin(&mut control, &run).unwrap_err();
            assert!(error.to_string().contains(argument), "{error}");
        }
    }
}
