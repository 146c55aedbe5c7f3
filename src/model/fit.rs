//! Step 4, [`Fit`], and the training loop: one straight line from rows to weights.

use std::sync::Arc;

use super::arrays::{Arrays, AsArrays, IntoArrays};
use super::built::Built;
use super::compile::{Compiled, Watched};
use super::diagnose::{Suspect, diagnose};
use super::evaluate::{Tally, evaluate, evaluate_feed, update_metrics};
use super::examples::{Examples, Pick};
use super::extras::Extras;
use super::feed::{Feed, Rules};
use super::functional::Model;
use super::history::History;
use super::logged::{Logged, RATE};
use super::network::Network;
use super::resume::{Kept, Moment, Point, Terms};
use super::source::{Held, Source};
use crate::backend::cpu::{Run, assign};
use crate::callbacks::{
    self, Callback, Control, Hooks, Inside, Place, Progress, Requests, Saved, Signals, StopHandle,
};
use crate::data::dataset::{Dataset, Pass};
use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};
use crate::graph::plan::Plan;
use crate::graph::variables::Variables;
use crate::kernels::reduce::all_finite;
use crate::metrics::Direction;
use crate::ops::Draw;
use crate::optimizers::{Optimizer, Variable, decimal};
use crate::random::{Purpose, stream};

/// How a model is trained: what [`Model::fit`] takes.
///
/// Source: <https://keras.io/api/models/model_training_apis/#fit-method>
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let (x, y) = (array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], array![0, 1, 1, 0]);
/// let mut model = Sequential::new()
///     .seed(1)
///     .add(Dense::new(8).input_dim(2).activation(Tanh))
///     .add(Dense::new(1).activation(Sigmoid));
/// model.compile(Compile::new(Adam::new().learning_rate(0.1), BinaryCrossentropy::new()))?;
/// let history = model.fit(&x, &y, Fit::new().epochs(100).verbose(0))?;
/// assert!(history["loss"][99] < history["loss"][0]);
/// # Ok::<(), horn::Error>(())
/// ```
pub struct Fit<'a> {
    epochs: usize,
    batch_size: usize,
    verbose: u8,
    shuffle: bool,
    initial_epoch: usize,
    steps_per_epoch: Option<usize>,
    validation_split: f64,
    validation_data: Option<(Arrays<'a>, Arrays<'a>)>,
    validation_sample_weight: Option<Rows<'a>>,
    validation_dataset: Option<Box<dyn Dataset + 'a>>,
    validation_batch_size: Option<usize>,
    validation_steps: Option<usize>,
    validation_freq: Frequency,
    sample_weight: Option<Rows<'a>>,
    class_weight: Vec<(i64, f32)>,
    allow_non_finite: bool,
    callbacks: Vec<Box<dyn Callback + 'a>>,
}

impl std::fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("verbose", &self.verbose)
            .field("shuffle", &self.shuffle)
            .field("initial_epoch", &self.initial_epoch)
            .field("steps_per_epoch", &self.steps_per_epoch)
            .field("validation_split", &self.validation_split)
            .field("validation_freq", &self.validation_freq)
            .field("class_weight", &self.class_weight)
            .field("callbacks", &self.callbacks.len())
            .finish_non_exhaustive()
    }
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Fit::new()
    }
}

impl<'a> Fit<'a> {
    /// With Keras's defaults: one epoch, batches of 32, shuffled, with a progress bar.
    pub fn new() -> Self {
        Fit {
            epochs: 1,
            batch_size: 32,
            verbose: 1,
            shuffle: true,
            initial_epoch: 0,
            steps_per_epoch: None,
            validation_split: 0.0,
            validation_data: None,
            validation_sample_weight: None,
            validation_dataset: None,
            validation_batch_size: None,
            validation_steps: None,
            validation_freq: Frequency::Every(1),
            sample_weight: None,
            class_weight: Vec::new(),
            allow_non_finite: false,
            callbacks: Vec::new(),
        }
    }

    /// The number of the last epoch: how often the data are gone through. Default: 1.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// How many rows make one step. The last batch of an epoch may be smaller. Default: 32.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// What is printed: 0 nothing, 1 a progress bar (one line an epoch where the output is not a
    /// terminal), 2 one line an epoch. Default: 1.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// Whether the rows of arrays are taken in a new random order in each epoch. Default: true.
    /// Datasets have [`Dataset::shuffle`].
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// How many epochs were trained before, in an earlier run that this one resumes. Default: 0.
    pub fn initial_epoch(mut self, initial_epoch: usize) -> Self {
        self.initial_epoch = initial_epoch;
        self
    }

    /// How many batches make an epoch. Default: as many as the data give.
    ///
    /// Of arrays, each epoch takes the first batches in its order. Of a dataset, as in Keras, an
    /// epoch goes on where the one before has stopped; where the rest of the rows is less than an
    /// epoch, that epoch is shorter. A dataset that has fewer batches than this in all is an error.
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Keeps the last fraction of the rows, before any shuffling, for validation: training gets
    /// the first `floor(rows (1 - fraction))`. Shuffle sorted data first. Default: 0.
    pub fn validation_split(mut self, fraction: impl Into<f64>) -> Self {
        let fraction: f64 = fraction.into();
        // An `f32` means the decimal that it was written as: 0.1 keeps 9 rows of 10, not 8.
        let single = fraction as f32;
        self.validation_split = match f64::from(single) == fraction {
            true => decimal(single),
            false => fraction,
        };
        self
    }

    /// Evaluates the model on these after each epoch; logged as `val_loss` and so on.
    pub fn validation_data(mut self, x: impl IntoArrays<'a>, y: impl IntoArrays<'a>) -> Self {
        self.validation_data = Some((x.into_arrays(), y.into_arrays()));
        self
    }

    /// One weight for each row of the validation data. Default: all 1.
    pub fn validation_sample_weight(mut self, weights: &'a (impl AsRows + ?Sized)) -> Self {
        self.validation_sample_weight = Some(weights.as_rows());
        self
    }

    /// Evaluates the model on a pass over this dataset after each epoch, as `validation_data`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::{Dataset, from_index};
    /// use horn::prelude::*;
    ///
    /// let row = |i| ([(i % 10) as f32], (i % 10) as f32);
    /// let (train, validation) = (from_index(800, row), from_index(1000, row).skip(800));
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// let fit = Fit::new().validation_dataset(validation).epochs(4).validation_freq(2).verbose(0);
    /// let history = model.fit_dataset(train, fit)?;
    /// assert!(history["val_loss"][0].is_nan());
    /// assert!(history["val_loss"][1] < history["loss"][0]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn validation_dataset(mut self, dataset: impl Dataset + 'a) -> Self {
        self.validation_dataset = Some(Box::new(dataset));
        self
    }

    /// How many batches of the validation data are evaluated, the first ones each time. Default:
    /// all.
    pub fn validation_steps(mut self, steps: usize) -> Self {
        self.validation_steps = Some(steps);
        self
    }

    /// After which epochs the model is validated: a number, after each so many epochs, or a list of
    /// epochs, counted from 1. Default: 1.
    ///
    /// The logs of the other epochs have no `val_` names; in the history their values are NaN.
    pub fn validation_freq(mut self, frequency: impl Into<Frequency>) -> Self {
        self.validation_freq = frequency.into();
        self
    }

    /// How many validation rows are evaluated at a time. Default: `batch_size`.
    pub fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// One weight for each row, by which its loss is multiplied. Default: all 1.
    pub fn sample_weight(mut self, weights: &'a (impl AsRows + ?Sized)) -> Self {
        self.sample_weight = Some(weights.as_rows());
        self
    }

    /// A weight for each class, by which the loss of its rows is multiplied; classes that are not
    /// named keep 1. Multiplies with `sample_weight`. Validation is not weighted.
    pub fn class_weight(mut self, weights: impl Into<Vec<(i64, f32)>>) -> Self {
        self.class_weight = weights.into();
        self
    }

    /// Whether NaN and infinity in the data are let through. Default: false, an error says where.
    pub fn allow_non_finite(mut self, allow: bool) -> Self {
        self.allow_non_finite = allow;
        self
    }

    /// Adds a callback. Give `&mut callback` to look at it afterwards.
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Lets a handle end the training from another thread.
    ///
    /// # Examples
    ///
    /// See [`StopHandle`].
    pub fn stop_handle(self, handle: &StopHandle) -> Self {
        self.callback(handle.clone())
    }

    fn check(&self) -> Result<()> {
        let bad = |argument, expected: &str, found: &dyn std::fmt::Display| {
            Err(Error::argument("fit", argument, expected, found))
        };
        if self.epochs == 0 {
            return bad("epochs", "at least 1", &0);
        }
        if self.batch_size == 0 {
            return bad("batch_size", "at least 1", &0);
        }
        if self.validation_batch_size == Some(0) {
            return bad("validation_batch_size", "at least 1", &0);
        }
        if self.verbose > 2 {
            return bad("verbose", "0, 1 or 2", &self.verbose);
        }
        if self.initial_epoch >= self.epochs {
            return bad("initial_epoch", "below `epochs`", &self.initial_epoch);
        }
        if !(0.0..1.0).contains(&self.validation_split) {
            return bad(
                "validation_split",
                "at least 0 and below 1",
                &self.validation_split,
            );
        }
        if self.validation_data.is_some() && self.validation_dataset.is_some() {
            let expected = "left out when `validation_data` is given";
            return bad("validation_dataset", expected, &"both");
        }
        let given = match (&self.validation_data, &self.validation_dataset) {
            (Some(_), _) => Some("validation_data"),
            (_, Some(_)) => Some("validation_dataset"),
            _ => None,
        };
        if let Some(given) = given
            && self.validation_split > 0.0
        {
            let expected = format!("0 when `{given}` is given");
            return bad("validation_split", &expected, &self.validation_split);
        }
        if self.validation_sample_weight.is_some() && self.validation_data.is_none() {
            return bad(
                "validation_sample_weight",
                "given with `validation_data`",
                &"no data",
            );
        }
        if self.validation_steps == Some(0) {
            return bad("validation_steps", "at least 1", &0);
        }
        if self.validation_freq == Frequency::Every(0) {
            return bad("validation_freq", "at least 1", &0);
        }
        Ok(())
    }

    /// What makes no sense with a dataset.
    fn check_dataset(&self) -> Result<()> {
        if self.validation_split > 0.0 {
            return Err(Error::argument(
                "fit_dataset",
                "validation_split",
                "0: divide the rows with `take` and `skip`, and give `validation_dataset`",
                self.validation_split,
            ));
        }
        if self.sample_weight.is_some() {
            return Err(Error::argument(
                "fit_dataset",
                "sample_weight",
                "part of the dataset's rows, `(x, y, weight)`",
                "given",
            ));
        }
        Ok(())
    }

    /// How many batches of `rows` rows make an epoch.
    fn steps(&self, rows: usize) -> Result<usize> {
        let available = rows.div_ceil(self.batch_size);
        match self.steps_per_epoch {
            None => Ok(available),
            Some(steps) if (1..=available).contains(&steps) => Ok(steps),
            Some(steps) => Err(Error::argument(
                "fit",
                "steps_per_epoch",
                format!("from 1 to the {available} batches that {rows} rows give"),
                steps,
            )),
        }
    }

    /// The rows to validate with that were given apart; `dataset` is that of this option.
    fn validation<'d>(
        &'d self,
        dataset: Option<Box<dyn Dataset + 'd>>,
        (network, built, compiled): (&Network, &Built, &Compiled),
    ) -> Result<Option<Held<'d>>> {
        if let Some(dataset) = dataset {
            let rules = Rules {
                owner: "fit",
                batch_size: self.validation_batch_size.unwrap_or(self.batch_size),
                class_weight: &[],
                allow_non_finite: self.allow_non_finite,
            };
            let feed = Feed::new(dataset, &rules)?;
            feed.steps("validation_steps", self.validation_steps)?;
            return Ok(Some(Held::Dataset(feed, self.validation_steps)));
        }
        let Some((x, y)) = &self.validation_data else {
            return Ok(None);
        };
        let data = (x.as_arrays(), y.as_arrays());
        let parts = (network, built, compiled.heads.as_slice());
        let mut held = Examples::new(data, parts, self.allow_non_finite)?;
        held.weigh(self.validation_sample_weight.as_ref(), &[])?;
        Ok(Some(Held::Arrays(held)))
    }

    /// The rows to train on and those that `validation_split` keeps.
    fn divide<'d>(&'d self, all: Examples<'d>) -> Result<(Examples<'d>, Option<Examples<'d>>)> {
        if self.validation_split == 0.0 {
            return Ok((all, None));
        }
        let rows = all.len();
        let place = (rows as f64 * (1.0 - self.validation_split)).floor() as usize;
        if place == 0 || place == rows {
            return Err(Error::argument(
                "fit",
                "validation_split",
                format!("a fraction that leaves rows on both sides of {rows}"),
                self.validation_split,
            ));
        }
        let (train, mut held) = all.split_at(place);
        if !self.class_weight.is_empty() {
            // As in Keras, class weights are for training only.
            held.weights = None;
            let weights = self.sample_weight.as_ref().map(|w| w.slice(place..rows));
            held.weigh(weights.as_ref(), &[])?;
        }
        if self.verbose > 0 && one_class(&held) && !one_class(&train) {
            eprintln!(
                "warning: the last {} rows, which `validation_split` keeps, all have the same \
                 target: shuffle the rows first",
                held.len()
            );
        }
        Ok((train, Some(held)))
    }
}

/// Whether all targets are the same.
fn one_class(examples: &Examples) -> bool {
    let [y] = examples.y.as_slice() else {
        return false;
    };
    let mut first = vec![0.0; y.row_size()];
    y.gather_range(0..1, &mut first);
    let first = first.first().copied().unwrap_or(0.0);
    y.row_size() == 1 && y.first_where(|target| target != first).is_none()
}

/// After which epochs, counted from 1, a model is validated; see [`Fit::validation_freq`].
///
/// # Examples
///
/// ```
/// use horn::model::Frequency;
///
/// assert_eq!(Frequency::from(2), Frequency::Every(2));
/// assert_eq!(Frequency::from([1, 10]), Frequency::After(vec![1, 10]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frequency {
    /// After each so many epochs.
    Every(usize),
    /// After these.
    After(Vec<usize>),
}

impl From<usize> for Frequency {
    fn from(epochs: usize) -> Self {
        Frequency::Every(epochs)
    }
}

impl<const N: usize> From<[usize; N]> for Frequency {
    fn from(epochs: [usize; N]) -> Self {
        Frequency::After(epochs.to_vec())
    }
}

impl From<Vec<usize>> for Frequency {
    fn from(epochs: Vec<usize>) -> Self {
        Frequency::After(epochs)
    }
}

impl Frequency {
    fn includes(&self, epoch: usize) -> bool {
        match self {
            Frequency::Every(epochs) => epoch.is_multiple_of(*epochs),
            Frequency::After(epochs) => epochs.contains(&epoch),
        }
    }
}

/// A training under way.
struct Training<'t, 'a> {
    network: &'t Network,
    built: &'t mut Built,
    compiled: &'t mut Compiled,
    seed: u64,
    variables: &'t [Variable<'t>],
    source: Source<'a>,
    held: Option<Held<'a>>,
    batch_size: usize,
    /// Whether a loss that is not finite is let through.
    lenient: bool,
    /// Whether it was the training itself that failed, not a callback.
    failed: bool,
    watched: Vec<Watched>,
    /// The same metrics, for validation.
    judges: Vec<Watched>,
    tally: Tally,
    logged: Logged,
    extras: Extras,
    history: History,
    signals: Signals,
    requests: Requests,
    /// What a file to go on from must agree with.
    terms: Terms,
    /// Whether the averages of `use_ema` have become the weights.
    finalized: bool,
}

impl Model {
    /// Trains the model on inputs `x` of shape `(rows, ...)` and targets `y`, as [`Fit`] says.
    ///
    /// Rows are read from where they are: nothing is copied but the batch of each step. The
    /// history's `loss` of an epoch is the mean over its batches of the losses before each update;
    /// metrics accumulate in the same way; `val_` values use the weights at the epoch's end.
    ///
    /// # Errors
    ///
    /// Data that do not fit the model or the loss, NaN or infinity in them, arguments out of
    /// range, a loss that turns NaN ([`Error::Diverged`]), an error or a panic of a callback. After
    /// any but the last, the model is as it was before; then it is as it was trained so far.
    ///
    /// # Examples
    ///
    /// See [`Fit`].
    pub fn fit(&mut self, x: impl AsArrays, y: impl AsArrays, mut options: Fit) -> Result<History> {
        options.check()?;
        let callbacks = std::mem::take(&mut options.callbacks);
        let data = (x.as_arrays(), y.as_arrays());
        let (mut seed, extras) = (self.current_seed(), self.extras.names());
        let (network, built, compiled) = self.parts_mut("fit")?;
        let parts = (network, &*built, compiled.heads.as_slice());
        let mut all = Examples::new(data, parts, options.allow_non_finite)?;
        all.weigh(options.sample_weight.as_ref(), &options.class_weight)?;
        let apart = options.validation_dataset.take();
        let held = options.validation(apart, (network, built, compiled))?;
        let (train, kept) = options.divide(all)?;
        let data = (Held::Arrays(train), held.or(kept.map(Held::Arrays)));
        let parts = (network, built, compiled);
        let result = run(parts, (&mut seed, extras), data, &options, callbacks);
        self.ended(seed, result)
    }

    /// Trains the model on the rows of a dataset, as [`Fit`] says: all that `fit` does, for data
    /// that do not fit in memory or have no end.
    ///
    /// The dataset is begun anew for each epoch, unless
    /// [`steps_per_epoch`](Fit::steps_per_epoch) is set. Its order is its own business:
    /// [`shuffle`](Fit::shuffle) is for arrays, [`Dataset::shuffle`] for datasets, and draws from
    /// the model's seed. Rows come in batches of [`batch_size`](Fit::batch_size).
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit); also errors of the dataset, rows that change their shape, a dataset
    /// that ends early, and one without an end where `steps_per_epoch` is not set. After any but an
    /// error of a callback, the model is as it was before.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::{Dataset, from_generator};
    /// use horn::prelude::*;
    ///
    /// let endless = from_generator(|| (0..).map(|i| ([(i % 7) as f32], 2.0 * (i % 7) as f32)));
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// let fit = Fit::new().steps_per_epoch(50).epochs(2).verbose(0);
    /// let history = model.fit_dataset(endless.shuffle(100).prefetch(2), fit)?;
    /// assert!(history["loss"][1] < 0.1);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn fit_dataset(&mut self, dataset: impl Dataset, mut options: Fit) -> Result<History> {
        options.check()?;
        options.check_dataset()?;
        let callbacks = std::mem::take(&mut options.callbacks);
        let apart = options.validation_dataset.take();
        let (mut seed, extras) = (self.current_seed(), self.extras.names());
        let (network, built, compiled) = self.parts_mut("fit_dataset")?;
        let rules = Rules {
            owner: "fit",
            batch_size: options.batch_size,
            class_weight: &options.class_weight,
            allow_non_finite: options.allow_non_finite,
        };
        let feed = Feed::new(Box::new(dataset), &rules)?;
        let held = options.validation(apart, (network, built, compiled))?;
        let data = (Held::Dataset(feed, options.steps_per_epoch), held);
        let parts = (network, built, compiled);
        let result = run(parts, (&mut seed, extras), data, &options, callbacks);
        self.ended(seed, result)
    }
}

impl Model {
    /// Takes over what a training leaves beside the weights.
    fn ended(&mut self, seed: u64, result: Result<History>) -> Result<History> {
        self.seed = seed;
        let history = result?;
        self.extras.history = Some(history.clone());
        Ok(history)
    }
}

/// Trains on what is held for it and validates with the other. A training that goes on from a file
/// has the seed that it began with.
fn run<'a>(
    (network, built, compiled): (&Network, &mut Built, &mut Compiled),
    (seed, extras): (&mut u64, Extras),
    data: (Held<'a>, Option<Held<'a>>),
    options: &Fit,
    callbacks: Vec<Box<dyn Callback + '_>>,
) -> Result<History> {
    let specs = Arc::clone(&built.variables);
    let variables = trainable(&specs);
    let optimizer = compiled.optimizer.as_ref();
    let before = Saved::of(&built.parameters, &compiled.state, optimizer);
    let progress = (options.verbose > 0).then(|| Progress::new().verbose(options.verbose));
    let mut hooks = Hooks::new(progress, callbacks);
    let parts = (network, &mut *built, &mut *compiled);
    let rate = hooks.log_learning_rate()?;
    let mut training = Training::new(parts, (*seed, &variables, extras), data, (options, rate))?;
    let result = training.run(options, &mut hooks);
    *seed = training.seed;
    if result.is_err() && !training.failed {
        training.finalize();
    }
    if training.failed {
        let (state, optimizer) = (&mut compiled.state, &mut compiled.optimizer);
        before.restore(&mut built.parameters, state, optimizer);
    }
    result
}

impl<'t, 'a> Training<'t, 'a> {
    fn new(
        (network, built, compiled): (&'t Network, &'t mut Built, &'t mut Compiled),
        (seed, variables, extras): (u64, &'t [Variable<'t>], Extras),
        (train, held): (Held<'a>, Option<Held<'a>>),
        (options, rate): (&Fit, bool),
    ) -> Result<Self> {
        let parts = (network, &*built, compiled.heads.as_slice());
        let steps = |rows| options.steps(rows);
        let source = Source::new(train, parts, options.batch_size, steps)?;
        let watched = compiled.metrics.clone();
        let logged = Logged::new(compiled, held.is_some(), rate);
        let names = logged.names();
        let parts = (&*built.variables, &*compiled, &source);
        let epochs = options.epochs - options.initial_epoch;
        Ok(Training {
            terms: Terms::new(parts, (options.batch_size, options.shuffle), names),
            // An absurd number of epochs, with a callback to stop them, is not reserved at once.
            history: History::with_capacity(names.to_vec(), epochs.min(65_536)),
            requests: Requests::default(),
            logged,
            extras,
            tally: Tally::new(compiled.heads.len()),
            network,
            built,
            compiled,
            seed,
            variables,
            source,
            held,
            batch_size: options.batch_size,
            lenient: options.allow_non_finite,
            failed: false,
            judges: watched.clone(),
            watched,
            signals: Signals::default(),
            finalized: false,
        })
    }

    fn run(&mut self, options: &Fit, hooks: &mut Hooks) -> Result<History> {
        let names = self.logged.names().to_vec();
        let steps = self.source.steps().unwrap_or(0);
        let plan = callbacks::Run::new(options.epochs, options.initial_epoch, steps, names)
            .with_directions(self.directions());
        self.hook(|control, _| {
            hooks.each(control, |callback, control| {
                callback.on_train_begin(control, &plan)
            })
        })?;
        let at = self.resume(hooks)?;
        for epoch in at.map_or(options.initial_epoch, |at| at.epoch)..options.epochs {
            let from = at.filter(|at| at.epoch == epoch).map(|at| at.batch);
            match from {
                // It had stopped already.
                Some(0) if self.signals.stop => break,
                None | Some(0) => self.epoch_begins(epoch, hooks)?,
                _ => {}
            }
            let validated = options.validation_freq.includes(epoch + 1);
            self.failed = true;
            self.epoch(epoch, from.unwrap_or(0), options, hooks)?;
            if validated {
                self.validate(options, hooks)?;
            }
            self.failed = false;
            let rate = self.compiled.learning_rate();
            let values = trained(&self.tally, &self.watched);
            self.logged.epoch(values, validated, rate);
            self.history.push(epoch, self.logged.row());
            self.hook(|control, logged| {
                let logs = logged.logs();
                hooks.each(control, |callback, control| {
                    callback.on_epoch_end(control, epoch, &logs)
                })
            })?;
            let at = Point {
                epoch: epoch + 1,
                batch: 0,
            };
            self.back_up(at, hooks)?;
            if self.signals.stop {
                break;
            }
        }
        self.finalize();
        self.hook(|control, logged| {
            let logs = logged.logs();
            hooks.each(control, |callback, control| {
                callback.on_train_end(control, &logs)
            })
        })?;
        Ok(std::mem::take(&mut self.history))
    }

    /// Whether each logged value is to become small or large, where that is known.
    fn directions(&self) -> Vec<Option<Direction>> {
        let of = |name: &String| {
            let name = name.strip_prefix("val_").unwrap_or(name);
            let metric = self.watched.iter().find(|watched| watched.name == name);
            match metric {
                Some(watched) => watched.metric.direction(),
                None => (name != RATE).then_some(Direction::Min),
            }
        };
        self.logged.names().iter().map(of).collect()
    }

    /// Lends the model to callbacks for one hook. Their error is none of the training.
    fn hook(&mut self, call: impl FnOnce(&mut Control, &Logged) -> Result<()>) -> Result<()> {
        let mut control = Control::of(
            self.signals,
            Inside {
                place: Place {
                    name: &self.compiled.model_name,
                    seed: self.seed,
                    network: self.network,
                    shapes: &self.built.layers,
                    rows: &self.built.rows,
                    asked: &self.compiled.asked,
                    extras: &self.extras,
                    history: &self.history,
                },
                variables: &self.built.variables,
                parameters: &mut self.built.parameters,
                state: &mut self.compiled.state,
                optimizer: &mut self.compiled.optimizer,
            },
        );
        let result = call(&mut control, &self.logged);
        self.signals = control.signals;
        self.requests = control.requests;
        if result.is_err() {
            self.failed = false;
        }
        result
    }

    /// With `use_ema`, the averages become the weights; once, and also when a callback has failed.
    fn finalize(&mut self) {
        let trainable = self.built.variables.trainable;
        let own = self.built.parameters.get_mut(..trainable);
        if let Some(parameters) = own.filter(|_| !self.finalized) {
            let (state, optimizer) = (&mut self.compiled.state, self.compiled.optimizer.as_ref());
            match state.average_mut().filter(|_| self.signals.swapped) {
                // They lie there already.
                Some(average) => average.copy_from_slice(parameters),
                None => state.finalize(optimizer, parameters),
            }
        }
        self.signals.swapped = false;
        self.finalized = true;
    }

    /// Tells the callbacks that an epoch begins.
    fn epoch_begins(&mut self, epoch: usize, hooks: &mut Hooks) -> Result<()> {
        self.hook(|control, _| {
            hooks.each(control, |callback, control| {
                callback.on_epoch_begin(control, epoch)
            })
        })
    }

    /// Writes the training as it is, if a callback has asked for it.
    fn back_up(&mut self, at: Point, hooks: &mut Hooks) -> Result<()> {
        let Some(path) = self.requests.back_up.take() else {
            return Ok(());
        };
        // That it cannot be written is no failure of the training.
        self.failed = false;
        let memories = hooks.save_states()?;
        let moment = Moment {
            at,
            terms: &self.terms,
            seed: self.seed,
            signals: self.signals,
            built: self.built,
            compiled: self.compiled,
            stream: match &self.source {
                Source::Arrays(_) => None,
                Source::Dataset(stream) => stream.place(),
            },
            tally: &self.tally,
            watched: &self.watched,
            logged: &self.logged,
            history: &self.history,
        };
        moment.write(&path, &memories)
    }

    /// Goes on from a file, if a callback has asked for it. Gives the point where that is.
    fn resume(&mut self, hooks: &mut Hooks) -> Result<Option<Point>> {
        let Some(path) = self.requests.resume.take() else {
            return Ok(None);
        };
        let kept = Kept::read(&path, &self.terms)?;
        let at = kept.at;
        if at.batch > 0 {
            // What it does to the model has been done before, and is put back.
            self.epoch_begins(at.epoch, hooks)?;
        }
        self.failed = true;
        self.seed = kept.seed;
        kept.restore_model(self.built, self.compiled)?;
        kept.restore_sums(&mut self.tally, &mut self.watched, &mut self.logged)?;
        let parts = (self.network, &*self.built, &*self.compiled);
        kept.restore_source(&mut self.source, parts)?;
        self.history = kept.history(self.logged.names())?;
        self.signals = kept.signals;
        kept.restore_callbacks(hooks, self.built)?;
        self.failed = false;
        Ok(Some(at))
    }

    /// One pass over the rows, or what is left of it after so many batches.
    fn epoch(&mut self, epoch: usize, from: usize, options: &Fit, hooks: &mut Hooks) -> Result<()> {
        let pass = Pass::new(epoch, self.seed);
        match &mut self.source {
            Source::Arrays(resident) if options.shuffle => {
                // From the sorted order each time, so that a resumed run draws the same.
                let mut rng = stream(self.seed, Purpose::Shuffle, "", epoch as u64);
                resident.order.shuffle(&mut rng);
            }
            Source::Arrays(_) => {}
            Source::Dataset(stream) if from == 0 => stream.begin(pass)?,
            Source::Dataset(_) => {}
        }
        if from == 0 {
            self.tally.reset();
            self.watched
                .iter_mut()
                .for_each(|watched| watched.metric.reset());
        } else if self.signals.stop {
            // It had stopped already.
            return Ok(());
        }
        let hooked = self.ask(|| hooks.want_batches())?;
        let steps = self.source.steps().unwrap_or(usize::MAX);
        let mut batch = from;
        loop {
            if hooked && batch < steps && self.ask(|| hooks.want_batch(batch))? {
                self.batch_begins(batch, hooks)?;
            }
            let Some(loss) = self.step(batch, pass)? else {
                break;
            };
            self.signals.batches = batch + 1;
            self.signals.loss = loss;
            if !loss.is_finite() {
                self.report((epoch, batch, loss), hooks)?;
            }
            if hooked && self.ask(|| hooks.want_batch(batch))? {
                self.batch_ends((epoch, batch), hooks)?;
            }
            if self.signals.stop {
                break;
            }
            batch += 1;
        }
        // The last step's update is not judged by a loss any more.
        let trainable = self.built.parameters.get(..self.built.variables.trainable);
        if self.lenient || self.signals.stop || trainable.is_none_or(all_finite) {
            return Ok(());
        }
        let last = self.signals.batches.saturating_sub(1);
        self.report((epoch, last, f32::NAN), hooks)
    }

    /// Asks the callbacks; their panic is no error of the training.
    fn ask(&mut self, question: impl FnOnce() -> Result<bool>) -> Result<bool> {
        question().inspect_err(|_| self.failed = false)
    }

    /// Tells callbacks of a loss that is not finite; an error, unless that is allowed or one of
    /// them stops the training.
    fn report(
        &mut self,
        (epoch, batch, loss): (usize, usize, f32),
        hooks: &mut Hooks,
    ) -> Result<()> {
        let told = self.hook(|control, _| {
            hooks.each(control, |callback, control| {
                callback.on_non_finite(control, batch, loss)
            })
        });
        match told {
            // A callback that says the same means the same: the model as it was.
            Err(Error::Diverged { .. }) => self.failed = true,
            told => {
                told?;
                if self.lenient || self.signals.stop {
                    return Ok(());
                }
            }
        }
        Err(diverged(epoch, batch, loss, self.cause(batch)))
    }

    /// Why the loss of this batch is not finite.
    fn cause(&mut self, batch: usize) -> String {
        let parts = (self.network, &*self.built, &*self.compiled);
        match &mut self.source {
            Source::Arrays(resident) => {
                let size = self.batch_size;
                let rows = resident.order.rows(batch * size..(batch + 1) * size);
                let (pick, examples) = (Pick::Rows(rows), &resident.rows);
                let fill = |plan: &Plan, workspace: &mut [f32]| {
                    examples.fill(&pick, plan, workspace);
                };
                let suspect = Suspect {
                    rows: rows.len(),
                    labels: examples.labels,
                    fill: &fill,
                    numbers: Some(rows),
                };
                diagnose(parts, self.seed, &suspect)
            }
            Source::Dataset(stream) => {
                let feed = stream.feed();
                let fill = |plan: &Plan, workspace: &mut [f32]| feed.fill(plan, workspace);
                let suspect = Suspect {
                    rows: feed.rows(),
                    labels: feed.key(true).labels,
                    fill: &fill,
                    numbers: None,
                };
                diagnose(parts, self.seed, &suspect)
            }
        }
    }

    /// Tells the callbacks that want to know that a batch begins.
    fn batch_begins(&mut self, batch: usize, hooks: &mut Hooks) -> Result<()> {
        self.hook(|control, _| {
            hooks.each(control, |callback, control| {
                match callback.wants_batch(batch) {
                    true => callback.on_batch_begin(control, batch),
                    false => Ok(()),
                }
            })
        })
    }

    /// Tells the callbacks that want to know that a batch is done.
    fn batch_ends(&mut self, (epoch, batch): (usize, usize), hooks: &mut Hooks) -> Result<()> {
        let values = trained(&self.tally, &self.watched);
        self.logged.batch(values);
        self.hook(|control, logged| {
            let logs = logged.batch_logs();
            hooks.each(control, |callback, control| {
                match callback.wants_batch(batch) {
                    true => callback.on_batch_end(control, batch, &logs),
                    false => Ok(()),
                }
            })
        })?;
        let at = Point {
            epoch,
            batch: batch + 1,
        };
        let failed = self.failed;
        self.back_up(at, hooks)?;
        self.failed = failed;
        Ok(())
    }

    /// One batch: gather, forward, metrics, backward, update. Gives its loss before the update, or
    /// nothing when the epoch has no such batch.
    fn step(&mut self, batch: usize, pass: Pass) -> Result<Option<f32>> {
        let batch_size = self.batch_size;
        match &mut self.source {
            Source::Arrays(resident) if batch < resident.steps => {
                let start = batch * batch_size;
                let rows = resident.order.rows(start..start + batch_size);
                let bench = match &mut resident.last {
                    Some(last) if rows.len() < batch_size && batch > 0 => last,
                    _ => &mut resident.full,
                };
                let plan = &bench.prepared.plan;
                let (pick, examples) = (Pick::Rows(rows), &resident.rows);
                let loss = train(
                    (plan, &mut bench.workspace),
                    &|workspace| examples.fill(&pick, plan, workspace),
                    (self.built, self.compiled),
                    (self.seed, self.variables),
                    (&mut self.watched, &mut self.tally),
                    self.lenient,
                )?;
                Ok(Some(loss))
            }
            Source::Arrays(_) => Ok(None),
            Source::Dataset(_) => self.streamed_step(batch, pass),
        }
    }

    /// The same with the next batch of a dataset.
    fn streamed_step(&mut self, batch: usize, pass: Pass) -> Result<Option<f32>> {
        let Source::Dataset(stream) = &mut self.source else {
            return Ok(None);
        };
        let parts = (self.network, &*self.built, self.compiled.heads.as_slice());
        if !stream.next(batch, pass, parts)? {
            return Ok(None);
        }
        let Some((bench, feed)) = stream.bench() else {
            return Ok(None);
        };
        let plan = &bench.prepared.plan;
        let loss = train(
            (plan, &mut bench.workspace),
            &|workspace| feed.fill(plan, workspace),
            (self.built, self.compiled),
            (self.seed, self.variables),
            (&mut self.watched, &mut self.tally),
            self.lenient,
        )?;
        Ok(Some(loss))
    }

    /// The losses and metrics of the rows held back.
    fn validate(&mut self, options: &Fit, hooks: &mut Hooks) -> Result<()> {
        if self.held.is_none() {
            return Ok(());
        }
        self.hook(|control, _| hooks.each(control, |c, control| c.on_test_begin(control)))?;
        let parts = (self.network, &*self.built, &*self.compiled);
        let out = self.logged.validation();
        match &mut self.held {
            None => {}
            Some(Held::Arrays(held)) => {
                let size = options.validation_batch_size.unwrap_or(options.batch_size);
                let size = (size, options.validation_steps);
                evaluate(parts, held, size, &mut self.judges, out)?;
            }
            Some(Held::Dataset(feed, steps)) => {
                let steps = ("validation_steps", *steps);
                evaluate_feed(parts, feed, steps, &mut self.judges, out)?;
            }
        }
        self.hook(|control, _| hooks.each(control, |c, control| c.on_test_end(control)))
    }
}

/// The losses and metrics of the epoch so far, in the order of [`Compiled::names`].
fn trained<'w>(tally: &'w Tally, watched: &'w [Watched]) -> impl Iterator<Item = f32> + 'w {
    let metrics = watched.iter().map(|watched| watched.metric.result());
    std::iter::once(tally.mean())
        .chain(tally.parts())
        .chain(metrics)
}

/// The variables that an optimizer may change, as it sees them.
pub(crate) fn trainable(variables: &Variables) -> Vec<Variable<'_>> {
    let specs = variables.specs.iter().filter(|spec| spec.trainable);
    specs
        .map(|spec| Variable::new(&spec.path, spec.range.clone(), spec.shape.dims()))
        .collect()
}

/// The error of a loss that is not finite; epochs and batches are told counted from 1.
pub(crate) fn diverged(epoch: usize, batch: usize, value: f32, cause: String) -> Error {
    Error::Diverged {
        epoch: epoch + 1,
        batch: batch + 1,
        value,
        cause,
    }
}

/// One step of training on a batch, which `fill` writes into the workspace. Gives the loss before
/// the update; with a loss that is not finite there is no update, unless `lenient`.
pub(crate) fn train(
    (plan, workspace): (&Plan, &mut [f32]),
    fill: &dyn Fn(&mut [f32]),
    (built, compiled): (&mut Built, &mut Compiled),
    (seed, variables): (u64, &[Variable]),
    (watched, tally): (&mut [Watched], &mut Tally),
    lenient: bool,
) -> Result<f32> {
    fill(workspace);
    let mut run = Run {
        plan,
        workspace,
        parameters: &built.parameters,
        draw: Draw {
            seed,
            step: compiled.state.iterations,
        },
    };
    run.forward();
    update_metrics(watched, (&run, compiled))?;
    let loss = tally.add(&run, built.outputs.len());
    if !loss.is_finite() && !lenient {
        return Ok(loss);
    }
    run.backward(&mut compiled.gradients);
    assign(plan, workspace, &mut built.parameters);
    if compiled.optimizer.searches() {
        let parts = (built, compiled);
        return Ok(search(
            (plan, workspace),
            fill,
            parts,
            (seed, variables),
            loss,
        ));
    }
    if let Some(parameters) = built.parameters.get_mut(..built.variables.trainable) {
        let optimizer = compiled.optimizer.as_ref();
        compiled
            .state
            .apply(optimizer, variables, parameters, &mut compiled.gradients);
        built.variables.constrain(parameters);
    }
    Ok(loss)
}

/// The update of an optimizer that evaluates the loss of the batch at other weights, too. Gives the
/// loss before it.
fn search(
    (plan, workspace): (&Plan, &mut [f32]),
    fill: &dyn Fn(&mut [f32]),
    (built, compiled): (&mut Built, &mut Compiled),
    (seed, variables): (u64, &[Variable]),
    loss: f32,
) -> f32 {
    let trainable = built.variables.trainable;
    let total = built.outputs.len();
    let draw = Draw {
        seed,
        step: compiled.state.iterations,
    };
    let mut chosen = built.parameters.get(..trainable).unwrap_or(&[]).to_vec();
    let arena = &mut built.parameters;
    let mut evaluate = |weights: &[f32], gradients: &mut [f32]| {
        if let Some(own) = arena.get_mut(..trainable) {
            own.copy_from_slice(weights);
        }
        // What a run has written may lie over the batch.
        fill(workspace);
        let mut run = Run {
            plan,
            workspace,
            parameters: arena,
            draw,
        };
        run.forward();
        let loss = run.output(total).first().copied().unwrap_or(0.0);
        run.backward(gradients);
        loss
    };
    compiled.state.search(
        compiled.optimizer.as_ref(),
        variables,
        &mut chosen,
        &mut compiled.gradients,
        loss,
        &mut evaluate,
    );
    built.variables.constrain(&mut chosen);
    if let Some(own) = built.parameters.get_mut(..trainable) {
        own.copy_from_slice(&chosen);
    }
    loss
}
