//! [`LambdaCallback`]: a callback of closures.

use std::fmt;

use super::{Callback, Control, Logs, Run};
use crate::error::Result;

/// What a closure of a [`LambdaCallback`] may give: nothing, or a [`Result`](crate::Result).
pub trait Outcome {
    /// The same as a result.
    ///
    /// # Errors
    ///
    /// That of the closure.
    fn into_result(self) -> Result<()>;
}

impl Outcome for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl Outcome for Result<()> {
    fn into_result(self) -> Result<()> {
        self
    }
}

type OnRun<'a> = Box<dyn FnMut(&mut Control, &Run) -> Result<()> + Send + 'a>;
type OnBegin<'a> = Box<dyn FnMut(&mut Control, usize) -> Result<()> + Send + 'a>;
type OnEnd<'a> = Box<dyn FnMut(&mut Control, usize, &Logs) -> Result<()> + Send + 'a>;
type OnLast<'a> = Box<dyn FnMut(&mut Control, &Logs) -> Result<()> + Send + 'a>;

/// A callback made of closures, one for each hook that matters.
///
/// A closure gives nothing, or a `Result<()>` whose error ends the training.
///
/// Source: <https://keras.io/api/callbacks/lambda_callback/>
///
/// # Examples
///
/// ```
/// use horn::callbacks::LambdaCallback;
/// use horn::prelude::*;
///
/// let mut losses = Vec::new();
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let watch = LambdaCallback::new()
///     .on_epoch_end(|_, _, logs| losses.push(logs["loss"]))
///     .on_train_end(|control, _| println!("{} steps", control.iterations()));
/// let fit = Fit::new().epochs(3).verbose(0).callback(watch);
/// let history = model.fit(&array![[1.0]], &array![2.0], fit)?;
/// assert_eq!(losses, history["loss"]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Default)]
pub struct LambdaCallback<'a> {
    train_begin: Option<OnRun<'a>>,
    epoch_begin: Option<OnBegin<'a>>,
    epoch_end: Option<OnEnd<'a>>,
    batch_begin: Option<OnBegin<'a>>,
    batch_end: Option<OnEnd<'a>>,
    train_end: Option<OnLast<'a>>,
}

impl<'a> LambdaCallback<'a> {
    /// A callback that does nothing.
    pub fn new() -> Self {
        LambdaCallback::default()
    }

    /// Called before the first epoch.
    pub fn on_train_begin<O: Outcome>(
        mut self,
        mut hook: impl FnMut(&mut Control, &Run) -> O + Send + 'a,
    ) -> Self {
        self.train_begin = Some(Box::new(move |control, run| {
            hook(control, run).into_result()
        }));
        self
    }

    /// Called before each epoch with its number.
    pub fn on_epoch_begin<O: Outcome>(
        mut self,
        mut hook: impl FnMut(&mut Control, usize) -> O + Send + 'a,
    ) -> Self {
        self.epoch_begin = Some(Box::new(move |control, n| hook(control, n).into_result()));
        self
    }

    /// Called after each epoch with its number and logs.
    pub fn on_epoch_end<O: Outcome>(
        mut self,
        mut hook: impl FnMut(&mut Control, usize, &Logs) -> O + Send + 'a,
    ) -> Self {
        self.epoch_end = Some(Box::new(move |control, n, logs| {
            hook(control, n, logs).into_result()
        }));
        self
    }

    /// Called before each batch with its number.
    pub fn on_batch_begin<O: Outcome>(
        mut self,
        mut hook: impl FnMut(&mut Control, usize) -> O + Send + 'a,
    ) -> Self {
        self.batch_begin = Some(Box::new(move |control, n| hook(control, n).into_result()));
        self
    }

    /// Called after each batch with its number and the means over the epoch so far.
    pub fn on_batch_end<O: Outcome>(
        mut self,
        mut hook: impl FnMut(&mut Control, usize, &Logs) -> O + Send + 'a,
    ) -> Self {
        self.batch_end = Some(Box::new(move |control, n, logs| {
            hook(control, n, logs).into_result()
        }));
        self
    }

    /// Called after the last epoch with its logs.
    pub fn on_train_end<O: Outcome>(
        mut self,
        mut hook: impl FnMut(&mut Control, &Logs) -> O + Send + 'a,
    ) -> Self {
        self.train_end = Some(Box::new(move |control, logs| {
            hook(control, logs).into_result()
        }));
        self
    }
}

impl fmt::Debug for LambdaCallback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let set = [
            ("on_train_begin", self.train_begin.is_some()),
            ("on_epoch_begin", self.epoch_begin.is_some()),
            ("on_epoch_end", self.epoch_end.is_some()),
            ("on_batch_begin", self.batch_begin.is_some()),
            ("on_batch_end", self.batch_end.is_some()),
            ("on_train_end", self.train_end.is_some()),
        ];
        let names = set.into_iter().filter(|(_, set)| *set);
        f.write_str("LambdaCallback ")?;
        f.debug_set().entries(names.map(|(name, _)| name)).finish()
    }
}

/// Calls the closure of a hook, if there is one.
macro_rules! call {
    ($hook:expr $(, $argument:expr)*) => {
        match &mut $hook {
            Some(hook) => hook($($argument),*),
            None => Ok(()),
        }
    };
}

impl Callback for LambdaCallback<'_> {
    fn on_train_begin(&mut self, control: &mut Control, run: &Run) -> Result<()> {
        call!(self.train_begin, control, run)
    }

    fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) -> Result<()> {
        call!(self.epoch_begin, control, epoch)
    }

    fn wants_batches(&self) -> bool {
        self.batch_begin.is_some() || self.batch_end.is_some()
    }

    fn on_batch_begin(&mut self, control: &mut Control, batch: usize) -> Result<()> {
        call!(self.batch_begin, control, batch)
    }

    fn on_batch_end(&mut self, control: &mut Control, batch: usize, logs: &Logs) -> Result<()> {
        call!(self.batch_end, control, batch, logs)
    }

    fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, logs: &Logs) -> Result<()> {
        call!(self.epoch_end, control, epoch, logs)
    }

    fn on_train_end(&mut self, control: &mut Control, logs: &Logs) -> Result<()> {
        call!(self.train_end, control, logs)
    }
}
