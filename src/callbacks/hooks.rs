//! [`Hooks`]: the callbacks of a training, called one after the other, their panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::control::say;
use super::{Callback, Control, Memory, Progress};
use crate::error::{Error, Result};

/// All callbacks of a training, the progress first.
pub(crate) struct Hooks<'c> {
    progress: Option<Progress>,
    callbacks: Vec<Box<dyn Callback + 'c>>,
}

impl<'c> Hooks<'c> {
    pub(crate) fn new(progress: Option<Progress>, callbacks: Vec<Box<dyn Callback + 'c>>) -> Self {
        Hooks {
            progress,
            callbacks,
        }
    }

    /// Calls a hook of each.
    pub(crate) fn each(
        &mut self,
        control: &mut Control,
        mut hook: impl FnMut(&mut dyn Callback, &mut Control) -> Result<()>,
    ) -> Result<()> {
        if let Some(progress) = &mut self.progress {
            hook(progress, control)?;
        }
        for callback in &mut self.callbacks {
            let callback = callback.as_mut();
            let result = match catch_unwind(AssertUnwindSafe(|| hook(callback, control))) {
                Ok(result) => result,
                Err(panic) => Err(panicked(callback, panic.as_ref())),
            };
            if !control.said.is_empty() {
                match &mut self.progress {
                    Some(progress) => progress.say(&control.said),
                    None => say(&control.said),
                }
                control.said.clear();
            }
            result?;
        }
        Ok(())
    }

    /// What each keeps, with its name.
    pub(crate) fn save_states(&mut self) -> Result<Vec<(String, Memory)>> {
        let callbacks = self.callbacks.iter_mut();
        callbacks
            .map(|callback| {
                let callback = callback.as_mut();
                let asked = || Ok((callback.name().to_string(), callback.save_state()?));
                match catch_unwind(AssertUnwindSafe(asked)) {
                    Ok(state) => state,
                    Err(panic) => Err(panicked(callback, panic.as_ref())),
                }
            })
            .collect()
    }

    /// Gives each what it has kept; several of one name take theirs in order, and one that has kept
    /// nothing begins anew.
    pub(crate) fn restore_states(&mut self, mut states: Vec<(String, Memory)>) -> Result<()> {
        for callback in &mut self.callbacks {
            let callback = callback.as_mut();
            let mut restore = || {
                let name = callback.name();
                let Some(place) = states.iter().position(|(known, _)| known == name) else {
                    return Ok(());
                };
                let (_, memory) = states.remove(place);
                match memory.is_empty() {
                    true => Ok(()),
                    false => callback.restore_state(&memory),
                }
            };
            match catch_unwind(AssertUnwindSafe(&mut restore)) {
                Ok(result) => result?,
                Err(panic) => return Err(panicked(callback, panic.as_ref())),
            }
        }
        Ok(())
    }

    /// The answers of all to a question, up to the first yes.
    fn any(&self, question: impl Fn(&dyn Callback) -> bool) -> Result<bool> {
        if self.progress.as_ref().is_some_and(|own| question(own)) {
            return Ok(true);
        }
        for callback in &self.callbacks {
            let callback = callback.as_ref();
            match catch_unwind(AssertUnwindSafe(|| question(callback))) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(panic) => return Err(panicked(callback, panic.as_ref())),
            }
        }
        Ok(false)
    }

    /// Whether any callback looks at batches.
    pub(crate) fn want_batches(&self) -> Result<bool> {
        self.any(|callback| callback.wants_batches())
    }

    /// Whether any callback looks at this batch.
    pub(crate) fn want_batch(&self, batch: usize) -> Result<bool> {
        self.any(|callback| callback.wants_batch(batch))
    }

    /// Whether any callback has the learning rate logged.
    pub(crate) fn log_learning_rate(&self) -> Result<bool> {
        self.any(|callback| callback.logs_learning_rate())
    }
}

/// The error of a callback that has panicked.
fn panicked(callback: &dyn Callback, panic: &(dyn Any + Send)) -> Error {
    let name = catch_unwind(AssertUnwindSafe(|| callback.name().to_string()));
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Error::Callback {
        name: name.unwrap_or_else(|_| "a callback".into()),
        message: match text {
            Some(text) => format!("it panicked: {text}"),
            None => "it panicked".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Logs;
    use super::*;

    struct Broken;
    impl Callback for Broken {
        fn on_epoch_end(&mut self, _: &mut Control, epoch: usize, _: &Logs) -> Result<()> {
            let nothing: Vec<f32> = Vec::new();
            assert!(nothing.len() > epoch, "no data in epoch {epoch}");
            Ok(())
        }
        fn wants_batch(&self, _: usize) -> bool {
            panic!("no answer")
        }
    }

    #[test]
    fn a_panic_becomes_an_error_with_the_name_and_the_message() {
        let mut broken = Broken;
        let mut hooks = Hooks::new(None, vec![Box::new(&mut broken)]);
        let mut control = Control::new(0.1);
        let error = hooks
            .each(&mut control, |callback, control| {
                callback.on_epoch_end(control, 3, &Logs::new(&[], &[]))
            })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "callback `Broken`: it panicked: no data in epoch 3"
        );
        let error = hooks.want_batch(0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "callback `Broken`: it panicked: no answer"
        );
        assert!(!hooks.want_batches().unwrap());
    }
}
