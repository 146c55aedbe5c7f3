//! [`TimeBudget`]: the end of a training when its time is up.

use std::time::{Duration, Instant};

use super::{Callback, Control, Logs, Memory, Run};
use crate::error::Result;

/// Stops after the batch in which the time since the begin of the training is up.
///
/// Keras has no such callback. The epoch that is cut short is validated and logged as any other.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use horn::callbacks::TimeBudget;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let budget = TimeBudget::new(Duration::from_millis(5));
/// let fit = Fit::new().epochs(usize::MAX).verbose(0).callback(budget);
/// let history = model.fit(&array![[1.0]], &array![2.0], fit)?;
/// assert!(history.len() >= 1);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TimeBudget {
    budget: Duration,
    began: Instant,
}

impl TimeBudget {
    /// Stops after so much time.
    pub fn new(budget: Duration) -> Self {
        TimeBudget {
            budget,
            began: Instant::now(),
        }
    }

    fn is_up(&self) -> bool {
        self.began.elapsed() >= self.budget
    }
}

impl Callback for TimeBudget {
    fn on_train_begin(&mut self, _control: &mut Control, _run: &Run) -> Result<()> {
        self.began = Instant::now();
        Ok(())
    }

    fn wants_batches(&self) -> bool {
        true
    }

    fn wants_batch(&self, _batch: usize) -> bool {
        // Only the last batch: means are not made up for the others.
        self.is_up()
    }

    fn on_batch_end(&mut self, control: &mut Control, _batch: usize, _logs: &Logs) -> Result<()> {
        control.stop();
        Ok(())
    }

    fn on_epoch_end(&mut self, control: &mut Control, _epoch: usize, _logs: &Logs) -> Result<()> {
        if self.is_up() {
            control.stop();
        }
        Ok(())
    }

    fn save_state(&mut self) -> Result<Memory> {
        let spent = u64::try_from(self.began.elapsed().as_millis());
        Ok(Memory::new().count("milliseconds", spent.unwrap_or(u64::MAX)))
    }

    fn restore_state(&mut self, memory: &Memory) -> Result<()> {
        let spent = memory.get_count("milliseconds").unwrap_or(0);
        let spent = Duration::from_millis(spent);
        // A clock that began later than that has no such time: then what was spent is forgotten.
        self.began = Instant::now().checked_sub(spent).unwrap_or(self.began);
        Ok(())
    }
}
