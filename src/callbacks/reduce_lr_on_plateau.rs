//! [`ReduceLROnPlateau`]: a smaller learning rate when progress ends.

use super::monitor::{Monitor, monitored};
use super::text::python;
use super::{Callback, Control, Logs, Memory, Mode, Run};
use crate::error::{Error, Result};

/// Multiplies the learning rate by `factor` when a monitored value has not improved for `patience`
/// epochs.
///
/// The rate is logged as `learning_rate`. Where the optimizer has a schedule, the first reduction
/// replaces it by a number; Keras refuses that.
///
/// Source: <https://keras.io/api/callbacks/reduce_lr_on_plateau/>
///
/// # Examples
///
/// ```
/// use horn::callbacks::ReduceLROnPlateau;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new().learning_rate(1.0), MeanSquaredError::new()))?;
/// let slower = ReduceLROnPlateau::new().monitor("loss").factor(0.5).patience(1);
/// let fit = Fit::new().epochs(5).verbose(0).callback(slower);
/// // A rate of 1 jumps across the valley and back: the loss stays until the rate is halved.
/// let history = model.fit(&array![[1.0]], &array![3.0], fit)?;
/// assert_eq!(history["learning_rate"][..2], [1.0, 1.0]);
/// assert_eq!(history["learning_rate"][2], 0.5);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    verbose: u8,
    cooldown: usize,
    min_lr: f64,
    best: Option<f32>,
    wait: usize,
    cooling: usize,
}

impl ReduceLROnPlateau {
    /// A tenth of the rate after ten epochs in which `val_loss` has not improved.
    pub fn new() -> Self {
        ReduceLROnPlateau {
            monitor: Monitor::new(1e-4),
            factor: 0.1,
            patience: 10,
            verbose: 0,
            cooldown: 0,
            min_lr: 0.0,
            best: None,
            wait: 0,
            cooling: 0,
        }
    }

    monitored!();

    /// By what the learning rate is multiplied, at least 0 and below 1. Default: 0.1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How many epochs without improvement reduce the rate. Default: 10.
    pub fn patience(mut self, patience: usize) -> Self {
        self.patience = patience;
        self
    }

    /// Whether a line says that the rate is reduced: 0 or 1. Default: 0.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// By how much a value must be better to count as an improvement. Default: 0.0001.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.monitor.min_delta = min_delta;
        self
    }

    /// How many epochs after a reduction are not counted. Default: 0.
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// The smallest rate. Default: 0.
    pub fn min_lr(mut self, min_lr: f64) -> Self {
        self.min_lr = min_lr;
        self
    }

    /// Reduces the rate; whether it was above the smallest.
    fn reduce(&self, control: &mut Control, epoch: usize) -> bool {
        let rate = control.learning_rate();
        if rate <= self.min_lr as f32 {
            return false;
        }
        let reduced = (f64::from(rate) * self.factor).max(self.min_lr);
        control.set_learning_rate(reduced as f32);
        if self.verbose > 0 {
            control.print(&format!(
                "Epoch {}: ReduceLROnPlateau reducing learning rate to {}.",
                epoch + 1,
                python(reduced)
            ));
        }
        true
    }
}

impl Default for ReduceLROnPlateau {
    fn default() -> Self {
        ReduceLROnPlateau::new()
    }
}

impl Callback for ReduceLROnPlateau {
    fn on_train_begin(&mut self, _control: &mut Control, run: &Run) -> Result<()> {
        let bad = |argument, wanted, found: f64| {
            Err(Error::argument(
                "ReduceLROnPlateau",
                argument,
                wanted,
                found,
            ))
        };
        if !(0.0..1.0).contains(&self.factor) {
            return bad("factor", "at least 0 and below 1", self.factor);
        }
        if !(self.min_lr >= 0.0 && self.min_lr.is_finite()) {
            return bad("min_lr", "a finite number of at least 0", self.min_lr);
        }
        self.best = None;
        self.wait = 0;
        self.cooling = 0;
        self.monitor.begin("ReduceLROnPlateau", run)
    }

    fn logs_learning_rate(&self) -> bool {
        true
    }

    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        let Some(value) = self.monitor.value(logs) else {
            return Ok(());
        };
        if self.cooling > 0 {
            self.cooling -= 1;
            self.wait = 0;
        }
        if self.monitor.improves(value, self.best) {
            self.best = Some(value);
            self.wait = 0;
        } else if self.cooling == 0 {
            self.wait += 1;
            if self.wait >= self.patience && self.reduce(control, epoch) {
                self.cooling = self.cooldown;
                self.wait = 0;
            }
        }
        Ok(())
    }

    fn save_state(&mut self) -> Result<Memory> {
        Ok(Memory::new()
            .number("best", self.best)
            .count("wait", self.wait as u64)
            .count("cooling", self.cooling as u64))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        self.best = memory.get_number("best");
        self.wait = memory.get_count("wait").unwrap_or(0) as usize;
        self.cooling = memory.get_count("cooling").unwrap_or(0) as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_and_limits_out_of_range_are_refused() {
        let run = Run::new(1, 0, 1, ["val_loss"]);
        for (mut callback, argument) in [
            (ReduceLROnPlateau::new().factor(1.0), "`factor`"),
            (ReduceLROnPlateau::new().factor(-0.1), "`factor`"),
            (ReduceLROnPlateau::new().factor(f64::NAN), "`factor`"),
            (ReduceLROnPlateau::new().min_lr(-1.0), "`min_lr`"),
            (ReduceLROnPlateau::new().min_lr(f64::NAN), "`min_lr`"),
        ] {
            let error = callback
                .on_train_begin(&mut Control::new(0.1), &run)
                .unwrap_err();
            assert!(error.to_string().contains(argument), "{error}");
        }
    }
}
