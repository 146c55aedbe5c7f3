//! [`Control`]: what a callback can do to the training that it looks on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Weights;
use super::weights::each;
use crate::error::{Error, Result};
use crate::graph::variables::Variables;
use crate::kernels::aligned::Aligned;
use crate::model::extras::Extras;
use crate::model::network::Network;
use crate::model::{Compile, History};
use crate::optimizers::{Optimizer, State};
use crate::saving;
use crate::saving::whole::{Trained, Whole};
use crate::shape::Shape;

/// What a callback can do to the training that it looks on: stop it, change its learning rate, read
/// its weights and put others in their place.
///
/// It borrows the model for the time of one hook. One made by [`new`](Self::new), to try a callback
/// of your own without a model, has no weights.
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
/// assert!(control.weights().is_empty());
/// ```
#[derive(Debug)]
pub struct Control<'m> {
    pub(crate) signals: Signals,
    /// The learning rate where there is no model.
    rate: f32,
    inside: Option<Inside<'m>>,
    /// Lines that a callback wants printed.
    pub(super) said: String,
    pub(crate) requests: Requests,
}

/// What callbacks ask for that is done when all of them have had their turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    /// Where the training is to be written.
    pub(crate) back_up: Option<PathBuf>,
    /// What it is to go on from.
    pub(crate) resume: Option<PathBuf>,
}

/// What the training loop remembers from hook to hook.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signals {
    /// Whether the training is about to end.
    pub(crate) stop: bool,
    /// Whether the optimizer's average lies where the weights do, and they lie in its place.
    pub(crate) swapped: bool,
    /// How many batches of the epoch are done.
    pub(crate) batches: usize,
    /// The loss of the batch that was done last.
    pub(crate) loss: f32,
}

/// What a training changes of a model, as it was.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    parameters: Aligned,
    state: State,
    optimizer: Box<dyn Optimizer>,
}

impl Saved {
    pub(crate) fn of(parameters: &Aligned, state: &State, optimizer: &dyn Optimizer) -> Self {
        Saved {
            parameters: parameters.clone(),
            state: state.clone(),
            optimizer: optimizer.clone_box(),
        }
    }

    /// Puts all of it back.
    pub(crate) fn restore(
        self,
        parameters: &mut Aligned,
        state: &mut State,
        optimizer: &mut Box<dyn Optimizer>,
    ) {
        *parameters = self.parameters;
        *state = self.state;
        *optimizer = self.optimizer;
    }
}

/// What stays as it is while a model is trained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'m> {
    pub(crate) name: &'m str,
    pub(crate) seed: u64,
    pub(crate) network: &'m Network,
    pub(crate) shapes: &'m [Shape],
    pub(crate) rows: &'m [Vec<usize>],
    pub(crate) asked: &'m Compile,
    pub(crate) extras: &'m Extras,
    pub(crate) history: &'m History,
}

/// The parts of a model in training.
#[derive(Debug)]
pub(crate) struct Inside<'m> {
    pub(crate) place: Place<'m>,
    pub(crate) variables: &'m Arc<Variables>,
    pub(crate) parameters: &'m mut Aligned,
    pub(crate) state: &'m mut State,
    pub(crate) optimizer: &'m mut Box<dyn Optimizer>,
}

impl<'m> Control<'m> {
    /// The control of a training without a model, at this learning rate: for tests of a callback.
    pub fn new(learning_rate: f32) -> Self {
        Control {
            signals: Signals::default(),
            rate: learning_rate,
            inside: None,
            said: String::new(),
            requests: Requests::default(),
        }
    }

    /// The control of a model in training.
    pub(crate) fn of(signals: Signals, inside: Inside<'m>) -> Self {
        Control {
            signals,
            rate: 0.0,
            inside: Some(inside),
            said: String::new(),
            requests: Requests::default(),
        }
    }

    /// Ends the training after this batch or epoch.
    pub fn stop(&mut self) {
        self.signals.stop = true;
    }

    /// Whether the training is about to end.
    pub fn stopped(&self) -> bool {
        self.signals.stop
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f32 {
        match &self.inside {
            Some(inside) => inside.state.learning_rate(inside.optimizer.as_ref()),
            None => self.rate,
        }
    }

    /// Sets the learning rate from the next step on, for good; a schedule is replaced.
    pub fn set_learning_rate(&mut self, learning_rate: f32) {
        self.rate = learning_rate;
        if let Some(inside) = &mut self.inside {
            inside.optimizer.settings_mut().learning_rate = Arc::new(learning_rate);
        }
    }

    /// The loss of the last batch alone, before its update; the logs of a batch are means over the
    /// epoch so far.
    pub fn batch_loss(&self) -> f32 {
        self.signals.loss
    }

    /// A copy of all that training changes; none without a model.
    pub(crate) fn keep(&self) -> Option<Saved> {
        let inside = self.inside.as_ref()?;
        let optimizer = inside.optimizer.as_ref();
        Some(Saved::of(inside.parameters, inside.state, optimizer))
    }

    /// Puts all of it back.
    pub(crate) fn put_back(&mut self, saved: Saved) {
        if let Some(inside) = &mut self.inside {
            saved.restore(inside.parameters, inside.state, inside.optimizer);
        }
    }

    /// How many steps the optimizer has taken, in earlier trainings too.
    pub fn iterations(&self) -> u64 {
        self.inside
            .as_ref()
            .map_or(0, |inside| inside.state.iterations)
    }

    /// A copy of all weights.
    ///
    /// # Examples
    ///
    /// See [`Weights`].
    pub fn weights(&self) -> Weights {
        match &self.inside {
            Some(inside) => Weights {
                variables: Arc::clone(inside.variables),
                values: inside.parameters.clone(),
            },
            None => Weights::default(),
        }
    }

    /// Path, shape and values of each weight as it is now, without a copy.
    pub fn iter_weights(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        let inside = self.inside.iter();
        inside.flat_map(|inside| each(inside.variables, inside.parameters))
    }

    /// All of the model that files keep; nothing without a model.
    pub(crate) fn whole(&self) -> Option<Whole<'_>> {
        let inside = self.inside.as_ref()?;
        let place = inside.place;
        Some(Whole {
            name: place.name,
            seed: place.seed,
            network: place.network,
            variables: inside.variables,
            parameters: inside.parameters,
            shapes: place.shapes,
            rows: place.rows,
            extras: place.extras,
            history: Some(place.history),
            check: None,
            training: Some(Trained {
                asked: place.asked,
                optimizer: &*inside.optimizer,
                state: inside.state,
            }),
        })
    }

    /// Writes the model as it is now to a file, as [`Model::save`](crate::model::Model::save) does:
    /// `.keras` with everything, `.weights.h5`, `.safetensors` or `.npz` with the weights alone.
    /// Without a model nothing is written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be written, [`Error::File`] for another ending.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        match self.whole() {
            Some(whole) => saving::save(&whole, path.as_ref()),
            None => Ok(()),
        }
    }

    /// Writes all that the training needs to go on to a file, when all callbacks have had their turn
    /// at this batch or epoch; see [`BackupAndRestore`](super::BackupAndRestore). Elsewhere than in
    /// `on_batch_end` and `on_epoch_end`, and without a model, nothing is written.
    pub fn back_up(&mut self, path: impl Into<PathBuf>) {
        self.requests.back_up = Some(path.into());
    }

    /// Goes on from a file of [`back_up`](Self::back_up), when all callbacks have had their turn; in
    /// `on_train_begin` only.
    pub fn resume(&mut self, path: impl Into<PathBuf>) {
        self.requests.resume = Some(path.into());
    }

    /// Puts weights back, to the bit as they were.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for weights of a model with other weights; then none is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::callbacks::Weights;
    /// use horn::prelude::*;
    ///
    /// /// Undoes every epoch that made the loss larger.
    /// #[derive(Default)]
    /// struct Undo(Option<(f32, Weights)>);
    ///
    /// impl Callback for Undo {
    ///     fn on_epoch_end(&mut self, control: &mut Control, _: usize, logs: &Logs) -> Result<()> {
    ///         match &self.0 {
    ///             Some((best, weights)) if logs["loss"] > *best => control.set_weights(weights),
    ///             _ => {
    ///                 self.0 = Some((logs["loss"], control.weights()));
    ///                 Ok(())
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// let fit = Fit::new().epochs(3).verbose(0).callback(Undo::default());
    /// model.fit(&array![[1.0]], &array![2.0], fit)?;
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        let Some(inside) = &mut self.inside else {
            return match weights.is_empty() {
                true => Ok(()),
                false => Err(other_weights(&Variables::default(), weights)),
            };
        };
        inside.check(weights)?;
        inside.parameters.copy_from_slice(&weights.values);
        Ok(())
    }

    /// A copy of all weights in which the trainable ones are the optimizer's moving averages; none
    /// without `use_ema`, or before the first step.
    pub fn ema_weights(&self) -> Option<Weights> {
        let inside = self.inside.as_ref()?;
        let average = inside.average()?;
        // While they are swapped the averages are the weights.
        let mut weights = self.weights();
        if !self.signals.swapped {
            copy(average, &mut weights.values);
        }
        Some(weights)
    }

    /// Sets the optimizer's moving averages to the trainable ones of these weights.
    ///
    /// # Errors
    ///
    /// An optimizer without `use_ema`, and as [`set_weights`](Self::set_weights).
    pub fn set_ema_weights(&mut self, weights: &Weights) -> Result<()> {
        let swapped = self.signals.swapped;
        let Some(inside) = &mut self.inside else {
            return Err(no_average());
        };
        inside.check(weights)?;
        let trainable = inside.variables.trainable;
        let to = match swapped {
            true => inside.parameters.get_mut(..trainable),
            false => inside.state.average_mut().map(|average| &mut average[..]),
        };
        copy(&weights.values, to.ok_or_else(no_average)?);
        Ok(())
    }

    /// Swaps the trainable weights and the optimizer's moving averages of them; swap again to go on
    /// training. When a training ends while they are swapped, the averages stay in the model.
    ///
    /// Nothing is swapped before the first step, when there is no average.
    ///
    /// # Errors
    ///
    /// An optimizer without `use_ema`.
    ///
    /// # Examples
    ///
    /// See [`SwapEmaWeights`](super::SwapEmaWeights).
    pub fn swap_ema_weights(&mut self) -> Result<()> {
        let Some(inside) = &mut self.inside else {
            return Err(no_average());
        };
        let first = inside.state.iterations == 0;
        let average = inside.state.average_mut().ok_or_else(no_average)?;
        if !first {
            let pairs = average.iter_mut().zip(inside.parameters.iter_mut());
            pairs.for_each(|(average, weight)| std::mem::swap(average, weight));
            self.signals.swapped = !self.signals.swapped;
        }
        Ok(())
    }

    /// Whether the optimizer keeps moving averages of the weights, by `use_ema`.
    pub fn uses_ema(&self) -> bool {
        let inside = self.inside.as_ref();
        inside.is_some_and(|inside| inside.state.average().is_some())
    }

    /// Whether averages and weights are swapped just now.
    pub fn ema_swapped(&self) -> bool {
        self.signals.swapped
    }

    /// Prints a line on the standard output, between those of the progress.
    pub fn print(&mut self, line: &str) {
        if self.inside.is_some() {
            self.said.push_str(line);
            self.said.push('\n');
        } else {
            say(&format!("{line}\n"));
        }
    }
}

impl Inside<'_> {
    /// The moving average of the trainable weights, once there is one.
    fn average(&self) -> Option<&Aligned> {
        let average = self.state.average();
        average.filter(|_| self.state.iterations > 0)
    }

    /// Whether the weights are those of this model.
    fn check(&self, weights: &Weights) -> Result<()> {
        let same = Arc::ptr_eq(self.variables, &weights.variables)
            || self.variables.same_places(&weights.variables);
        match same && self.parameters.len() == weights.values.len() {
            true => Ok(()),
            false => Err(other_weights(self.variables, weights)),
        }
    }
}

/// Prints text; output that cannot be written never ends a training.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Copies as much as both hold.
fn copy(from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

fn no_average() -> Error {
    Error::argument(
        "optimizer",
        "use_ema",
        "true, so that there are averages of the weights",
        false,
    )
}

fn other_weights(own: &Variables, weights: &Weights) -> Error {
    let paths = |variables: &Variables| {
        let specs = variables.specs.iter().take(4);
        let mut all: Vec<String> = specs
            .map(|spec| format!("{} {:?}", spec.path, spec.shape.dims()))
            .collect();
        if variables.specs.len() > all.len() {
            all.push(format!("... {} in all", variables.specs.len()));
        }
        format!("[{}]", all.join(", "))
    };
    Error::Shape {
        place: "`set_weights`".into(),
        expected: format!("the weights {}", paths(own)),
        found: paths(&weights.variables),
        hint: "give weights that a control of the same model made".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_model_rates_are_kept_and_weights_are_none() {
        let mut control = Control::new(0.1);
        control.set_learning_rate(0.05);
        control.stop();
        assert_eq!(control.learning_rate(), 0.05);
        assert!(control.stopped());
        assert_eq!(control.iterations(), 0);
        let nothing = control.weights();
        assert!(nothing.is_empty() && nothing.to_arrays().is_empty());
        assert_eq!(control.iter_weights().count(), 0);
        control.set_weights(&nothing).unwrap();
        assert!(control.ema_weights().is_none() && !control.uses_ema());
        let error = control.swap_ema_weights().unwrap_err().to_string();
        assert!(error.contains("`use_ema`"), "{error}");
    }
}
