//! [`State`], what training keeps between steps, and the step itself.

use std::ops::Range;

use super::{MultiOptimizer, Optimizer, Settings};
use crate::kernels::aligned::Aligned;
use crate::kernels::{elementwise, reduce};

/// A trainable variable: its name, and where it lies in the arena.
///
/// # Examples
///
/// ```
/// use horn::optimizers::Variable;
///
/// let kernel = Variable::new("dense/kernel", 0..96, &[8, 12]);
/// assert_eq!(kernel.range.len(), 96);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable<'a> {
    /// Its path in the model, such as `dense_1/kernel`.
    pub path: &'a str,
    /// Its elements in the arena of parameters, and so in the gradients and each slot.
    pub range: Range<usize>,
    /// Its shape, row-major.
    pub shape: &'a [usize],
}

impl<'a> Variable<'a> {
    /// A variable of this path, range and shape.
    pub fn new(path: &'a str, range: Range<usize>, shape: &'a [usize]) -> Self {
        Variable { path, range, shape }
    }
}

/// What an optimizer's formula may need beside the numbers it updates.
///
/// # Examples
///
/// ```
/// use horn::optimizers::Step;
///
/// let step = Step::new(0, 0.01, &[]);
/// assert_eq!(step.learning_rate, 0.01);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Step<'a> {
    /// How many updates came before this one: 0 at the first.
    pub iteration: u64,
    /// The learning rate of this update.
    pub learning_rate: f32,
    /// The variables, for optimizers that treat each on its own. Most do not look at them.
    pub variables: &'a [Variable<'a>],
}

impl<'a> Step<'a> {
    /// A step of this iteration (counted from 0), learning rate and variables.
    pub fn new(iteration: u64, learning_rate: f32, variables: &'a [Variable<'a>]) -> Self {
        Step {
            iteration,
            learning_rate,
            variables,
        }
    }
}

/// What an optimizer that [searches](super::Optimizer::searches) works on in one step.
///
/// At the end the parameters are those that it chose, and the gradients and the loss theirs.
#[non_exhaustive]
pub struct Search<'a> {
    /// The number of the step, and its learning rate.
    pub step: Step<'a>,
    /// The parameters.
    pub parameters: &'a mut [f32],
    /// The gradients at the parameters.
    pub gradients: &'a mut [f32],
    /// The optimizer's slots.
    pub slots: &'a mut [Aligned],
    /// The loss at the parameters.
    pub loss: f32,
    /// The loss at other parameters, and its gradients, which are written.
    pub evaluate: &'a mut dyn FnMut(&[f32], &mut [f32]) -> f32,
}

impl std::fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search")
            .field("step", &self.step)
            .field("loss", &self.loss)
            .finish_non_exhaustive()
    }
}

/// What training keeps between steps: the count of steps, and the optimizer's slots.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{SGD, State, Variable};
///
/// let optimizer = SGD::new().learning_rate(0.5).clipvalue(1.0);
/// let variables = [Variable::new("dense/kernel", 0..2, &[2])];
/// let mut weights = [1.0, 2.0];
/// let mut state = State::new(&optimizer, weights.len());
/// state.apply(&optimizer, &variables, &mut weights, &mut [0.5, -8.0]);
/// assert_eq!(weights, [0.75, 2.5]);
/// assert_eq!(state.iterations, 1);
/// ```
#[derive(Debug, Clone)]
pub struct State {
    /// How many times [`apply`](State::apply) ran: steps, of which with gradient accumulation
    /// only some update the weights.
    pub iterations: u64,
    slots: Vec<Aligned>,
    average: Option<Aligned>,
    accumulator: Option<Aligned>,
}

impl State {
    /// The state of `optimizer` before the first step, for an arena of `parameters` elements.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::{Adam, State};
    ///
    /// let state = State::new(&Adam::new(), 221);
    /// assert_eq!(state.slots().len(), 2);
    /// assert_eq!(state.slots()[0].len(), 221);
    /// ```
    pub fn new(optimizer: &dyn Optimizer, parameters: usize) -> Self {
        let settings = optimizer.settings();
        let slots = (0..optimizer.slots()).map(|slot| {
            let mut arena = Aligned::zeros(parameters);
            arena.fill(optimizer.initial(slot));
            arena
        });
        let accumulates = settings.gradient_accumulation_steps.is_some();
        State {
            iterations: 0,
            slots: slots.collect(),
            average: settings.use_ema.then(|| Aligned::zeros(parameters)),
            accumulator: accumulates.then(|| Aligned::zeros(parameters)),
        }
    }

    /// One step of training: Keras's `apply`, on the arena of all trainable parameters.
    ///
    /// In this order: accumulate the gradients (and with
    /// [`gradient_accumulation_steps`](super::Settings::gradient_accumulation_steps) stop here
    /// until enough have come), clip, decay the weights, update them, average them, count.
    /// `gradients` is working space: it holds what came of clipping afterwards. Nothing is
    /// allocated.
    ///
    /// Source: [Keras, optimizers](https://keras.io/api/optimizers/#apply-method).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::{SGD, State};
    ///
    /// let optimizer = SGD::new().learning_rate(1.0).gradient_accumulation_steps(2);
    /// let mut weights = [1.0];
    /// let mut state = State::new(&optimizer, 1);
    /// state.apply(&optimizer, &[], &mut weights, &mut [0.5]);
    /// assert_eq!(weights, [1.0]);
    /// state.apply(&optimizer, &[], &mut weights, &mut [0.25]);
    /// assert_eq!(weights, [1.0 - 0.375]);
    /// ```
    pub fn apply(
        &mut self,
        optimizer: &dyn Optimizer,
        variables: &[Variable],
        parameters: &mut [f32],
        gradients: &mut [f32],
    ) {
        if !optimizer.accepts(gradients) {
            return;
        }
        let iterations = self.iterations;
        let average = self.average.as_deref_mut();
        let accumulator = self.accumulator.as_deref_mut();
        with_views(&mut self.slots, |slots| {
            let mut span = Span {
                variables,
                parameters,
                gradients,
                slots,
                average,
                accumulator,
            };
            match optimizer.parts() {
                None => span.step(optimizer, iterations),
                Some(parts) => span.step_parts(parts, iterations),
            }
        });
        self.iterations += 1;
    }

    /// One step of an optimizer that [searches](super::Optimizer::searches): `gradients` and `loss`
    /// are those of the parameters, and `evaluate` gives the loss of others and writes its
    /// gradients.
    pub fn search(
        &mut self,
        optimizer: &dyn Optimizer,
        variables: &[Variable],
        parameters: &mut [f32],
        gradients: &mut [f32],
        loss: f32,
        evaluate: &mut dyn FnMut(&[f32], &mut [f32]) -> f32,
    ) {
        let settings = optimizer.settings();
        let learning_rate = settings.learning_rate.rate(self.iterations);
        optimizer.search(&mut Search {
            step: Step::new(self.iterations, learning_rate, variables),
            parameters: &mut *parameters,
            gradients,
            slots: &mut self.slots,
            loss,
            evaluate,
        });
        follow(
            settings,
            self.iterations,
            self.average.as_deref_mut(),
            parameters,
        );
        self.iterations += 1;
    }

    /// Ends a training: with `use_ema`, the average becomes the weights.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::{SGD, State};
    ///
    /// let optimizer = SGD::new().learning_rate(1.0).use_ema(true).ema_momentum(0.5);
    /// let mut weights = [3.0];
    /// let mut state = State::new(&optimizer, 1);
    /// state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
    /// state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
    /// assert_eq!(weights, [1.0]);
    /// state.finalize(&optimizer, &mut weights);
    /// assert_eq!(weights, [0.5 * 2.0 + 0.5 * 1.0]);
    /// ```
    pub fn finalize(&self, optimizer: &dyn Optimizer, parameters: &mut [f32]) {
        if optimizer.settings().use_ema
            && self.iterations > 0
            && let Some(average) = &self.average
        {
            copy(average, parameters);
        }
    }

    /// The learning rate of the next step.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::{Adam, State};
    ///
    /// let optimizer = Adam::new();
    /// assert_eq!(State::new(&optimizer, 1).learning_rate(&optimizer), 0.001);
    /// ```
    pub fn learning_rate(&self, optimizer: &dyn Optimizer) -> f32 {
        optimizer.settings().learning_rate.rate(self.iterations)
    }

    /// How many arenas of the size of the parameters are kept: the slots, the average of
    /// `use_ema` and the sum of `gradient_accumulation_steps`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::{Adam, State};
    ///
    /// assert_eq!(State::new(&Adam::new(), 1).slot_count(), 2);
    /// assert_eq!(State::new(&Adam::new().use_ema(true), 1).slot_count(), 3);
    /// ```
    pub fn slot_count(&self) -> usize {
        let extras = [self.average.is_some(), self.accumulator.is_some()];
        self.slots.len() + extras.into_iter().filter(|there| *there).count()
    }

    /// The optimizer's slots, each an arena like the parameters.
    pub fn slots(&self) -> &[Aligned] {
        &self.slots
    }

    /// The slots, to restore saved ones.
    pub fn slots_mut(&mut self) -> &mut [Aligned] {
        &mut self.slots
    }

    /// The moving average of the weights, with `use_ema`.
    pub fn average(&self) -> Option<&Aligned> {
        self.average.as_ref()
    }

    /// The moving average, to restore a saved one.
    pub fn average_mut(&mut self) -> Option<&mut Aligned> {
        self.average.as_mut()
    }

    /// The sum of the gradients so far, with `gradient_accumulation_steps`.
    pub fn accumulator(&self) -> Option<&Aligned> {
        self.accumulator.as_ref()
    }

    /// The slots, the average and the sum of the gradients, to restore saved ones.
    pub(crate) fn arenas_mut(
        &mut self,
    ) -> (&mut [Aligned], Option<&mut Aligned>, Option<&mut Aligned>) {
        (
            &mut self.slots,
            self.average.as_mut(),
            self.accumulator.as_mut(),
        )
    }

    /// The sum of the gradients, to restore a saved one.
    pub fn accumulator_mut(&mut self) -> Option<&mut Aligned> {
        self.accumulator.as_mut()
    }
}

/// How many slots an optimizer may have without allocating in each step.
pub(super) const FEW: usize = 4;

/// Calls `f` with the slots as slices.
#[inline(always)]
fn with_views(slots: &mut [Aligned], f: impl FnOnce(&mut [&mut [f32]])) {
    let mut few: [&mut [f32]; FEW] = Default::default();
    match few.get_mut(..slots.len()) {
        Some(views) => {
            for (view, slot) in views.iter_mut().zip(slots) {
                *view = slot;
            }
            f(views);
        }
        None => {
            let mut views: Vec<&mut [f32]> = slots.iter_mut().map(|slot| &mut slot[..]).collect();
            f(&mut views);
        }
    }
}

/// Some of the arena, all of it or one variable, with what is kept for it.
struct Span<'s, 'a> {
    variables: &'s [Variable<'s>],
    parameters: &'s mut [f32],
    gradients: &'s mut [f32],
    slots: &'s mut [&'a mut [f32]],
    average: Option<&'s mut [f32]>,
    accumulator: Option<&'s mut [f32]>,
}

impl Span<'_, '_> {
    /// A step of an optimizer for all of it.
    #[inline(always)]
    fn step(&mut self, optimizer: &dyn Optimizer, iterations: u64) {
        let ready = self.accumulate(optimizer.settings(), iterations);
        self.update(optimizer, iterations, ready, (1.0, None));
    }

    /// A step of each optimizer for the variables that are its own.
    fn step_parts(&mut self, parts: &MultiOptimizer, iterations: u64) {
        let factor = parts.settings().learning_rate.rate(iterations);
        for (part, optimizer) in parts.optimizers().enumerate() {
            let settings = optimizer.settings();
            let own = || parts.variables_of(part, self.variables);
            let (mut ready, mut squares) = (true, 0.0);
            for variable in own() {
                self.of(variable, |span| {
                    if iterations == 0 {
                        // The arenas of the slots are those of all parts.
                        let slots = span.slots.iter_mut().enumerate();
                        slots.for_each(|(i, slot)| slot.fill(optimizer.initial(i)));
                    }
                    ready = span.accumulate(settings, iterations);
                    if settings.global_clipnorm.is_some() {
                        squares += reduce::sum_of_squares(span.gradients);
                    }
                });
            }
            let norm = Some(squares.sqrt());
            for variable in own() {
                self.of(variable, |span| {
                    span.update(optimizer, iterations, ready, (factor, norm));
                });
            }
        }
    }

    /// Adds the gradients to what was accumulated; whether it is time to update, and the gradients
    /// are the mean.
    #[inline(always)]
    fn accumulate(&mut self, settings: &Settings, iterations: u64) -> bool {
        let every = settings.gradient_accumulation_steps.unwrap_or(1);
        let Some(accumulator) = &mut self.accumulator else {
            return true;
        };
        if every <= 1 {
            return true;
        }
        if !(iterations + 1).is_multiple_of(every) {
            elementwise::add_assign(accumulator, self.gradients);
            return false;
        }
        let steps = every as f32;
        elementwise::zip_in_place(self.gradients, accumulator, |g, sum| (g + sum) / steps);
        accumulator.fill(0.0);
        true
    }

    /// Clips, decays, updates and averages, with the learning rate times `factor`; `norm` is that of
    /// all gradients, where this is not all.
    #[inline(always)]
    fn update(
        &mut self,
        optimizer: &dyn Optimizer,
        iterations: u64,
        ready: bool,
        (factor, norm): (f32, Option<f32>),
    ) {
        let (variables, parameters) = (self.variables, &mut *self.parameters);
        // Another part may have more slots.
        let count = optimizer.slots().min(self.slots.len());
        let slots = self.slots.get_mut(..count).unwrap_or_default();
        if iterations == 0 {
            optimizer.begin(parameters, slots);
        }
        let settings = optimizer.settings();
        // A schedule counts batches, an optimizer its updates.
        let learning_rate = settings.learning_rate.rate(iterations) * factor;
        let every = settings.gradient_accumulation_steps.unwrap_or(1).max(1);
        let updates = iterations / every;
        if ready {
            clip(settings, variables, self.gradients, norm);
            if optimizer.decays_apart() {
                decay_apart(optimizer, variables, parameters, learning_rate);
            } else if let Some(decay) = settings.weight_decay {
                let shrink = decay * learning_rate;
                decay_weights(optimizer, variables, parameters, shrink);
            }
            let step = Step::new(updates, learning_rate, variables);
            optimizer.update(&step, parameters, self.gradients, slots);
        }
        follow(settings, updates, self.average.as_deref_mut(), parameters);
    }

    /// Calls `f` with one variable, as an arena of its own.
    fn of(&mut self, variable: &Variable, f: impl FnOnce(&mut Span)) {
        let range = || variable.range.clone();
        let mut few: [&mut [f32]; FEW] = Default::default();
        let mut count = 0;
        for (view, slot) in few.iter_mut().zip(self.slots.iter_mut()) {
            *view = slot.get_mut(range()).unwrap_or_default();
            count += 1;
        }
        let own = Variable {
            range: 0..variable.range.len(),
            ..variable.clone()
        };
        f(&mut Span {
            variables: std::slice::from_ref(&own),
            parameters: self.parameters.get_mut(range()).unwrap_or_default(),
            gradients: self.gradients.get_mut(range()).unwrap_or_default(),
            slots: few.get_mut(..count).unwrap_or_default(),
            average: self.average.as_deref_mut().and_then(|a| a.get_mut(range())),
            accumulator: self
                .accumulator
                .as_deref_mut()
                .and_then(|a| a.get_mut(range())),
        });
    }
}

/// The average follows the weights, and overwrites them when it is time. Without `use_ema`, where
/// another part has it, the average is the weights.
#[inline(always)]
fn follow(settings: &Settings, updates: u64, average: Option<&mut [f32]>, parameters: &mut [f32]) {
    let Some(average) = average else { return };
    let momentum = match settings.use_ema && updates > 0 {
        true => settings.ema_momentum,
        false => 0.0,
    };
    elementwise::zip_in_place(average, parameters, |average, w| {
        momentum * average + (1.0 - momentum) * w
    });
    if settings.use_ema
        && let Some(frequency) = settings.ema_overwrite_frequency
        && (updates + 1).is_multiple_of(frequency)
    {
        copy(average, parameters);
    }
}

/// Copies as much as both hold.
fn copy(from: &[f32], to: &mut [f32]) {
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
}

/// Clips the gradients in the one way that is set; `norm` is that of all of them, where these are
/// only some.
fn clip(settings: &Settings, variables: &[Variable], gradients: &mut [f32], norm: Option<f32>) {
    if let Some(limit) = settings.clipnorm {
        for variable in variables {
            if let Some(gradient) = gradients.get_mut(variable.range.clone()) {
                let norm = reduce::sum_of_squares(gradient).sqrt();
                scale_down(gradient, norm, limit);
            }
        }
    } else if let Some(limit) = settings.global_clipnorm {
        let norm = norm.unwrap_or_else(|| reduce::sum_of_squares(gradients).sqrt());
        // As in Keras, an infinite gradient turns all of them to NaN here, to be seen.
        let norm = if norm.is_finite() { norm } else { f32::NAN };
        scale_down(gradients, norm, limit);
    } else if let Some(limit) = settings.clipvalue {
        elementwise::map_in_place(gradients, |g| {
            if g > limit {
                limit
            } else if g < -limit {
                -limit
            } else {
                g
            }
        });
    }
}

/// Scales a gradient of this norm down to `limit`, unless it is within. NaN stays NaN.
fn scale_down(gradient: &mut [f32], norm: f32, limit: f32) {
    if norm <= limit {
        return;
    }
    elementwise::map_in_place(gradient, |g| g * limit / norm);
}

/// `w -= w * shrink` in all variables that weight decay does not spare.
fn decay_weights(
    optimizer: &dyn Optimizer,
    variables: &[Variable],
    parameters: &mut [f32],
    shrink: f32,
) {
    let settings = optimizer.settings();
    if settings.exclude_from_weight_decay.is_empty() {
        elementwise::map_in_place(parameters, |w| w - w * shrink);
        return;
    }
    for variable in variables {
        if !settings.spares(variable.path)
            && let Some(weights) = parameters.get_mut(variable.range.clone())
        {
            elementwise::map_in_place(weights, |w| w - w * shrink);
        }
    }
}

/// `w -= w * decay * learning_rate` with the decay of each variable.
fn decay_apart(
    optimizer: &dyn Optimizer,
    variables: &[Variable],
    parameters: &mut [f32],
    learning_rate: f32,
) {
    for variable in variables {
        if let Some(decay) = optimizer.weight_decay(variable)
            && !optimizer.settings().spares(variable.path)
            && let Some(weights) = parameters.get_mut(variable.range.clone())
        {
            let shrink = decay * learning_rate;
            elementwise::map_in_place(weights, |w| w - w * shrink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::SGD;

    fn two() -> [Variable<'static>; 2] {
        [
            Variable::new("dense/kernel", 0..2, &[2]),
            Variable::new("dense/bias", 2..3, &[1]),
        ]
    }

    fn one_step(optimizer: SGD, gradients: [f32; 3]) -> [f32; 3] {
        let optimizer = optimizer.learning_rate(1.0);
        let mut weights = [0.0; 3];
        let mut state = State::new(&optimizer, 3);
        state.apply(&optimizer, &two(), &mut weights, &mut gradients.clone());
        weights.map(|w| -w)
    }

    #[test]
    fn clipnorm_scales_each_variable() {
        // norm(3, 4) = 5, scaled to 1; the bias' 0.5 is within.
        let clipped = one_step(SGD::new().clipnorm(1.0), [3.0, 4.0, 0.5]);
        assert_eq!(clipped, [0.6, 0.8, 0.5]);
    }

    #[test]
    fn global_clipnorm_scales_all() {
        // norm(2, 4, 4) = 6, scaled to 3.
        let clipped = one_step(SGD::new().global_clipnorm(3.0), [2.0, 4.0, 4.0]);
        assert_eq!(clipped, [1.0, 2.0, 2.0]);
    }

    #[test]
    fn clipvalue_clamps_each_element() {
        let clipped = one_step(SGD::new().clipvalue(1.0), [3.0, -4.0, 0.5]);
        assert_eq!(clipped, [1.0, -1.0, 0.5]);
    }

    #[test]
    fn clipping_hides_no_nan() {
        for optimizer in [
            SGD::new().clipnorm(1.0),
            SGD::new().global_clipnorm(1.0),
            SGD::new().clipvalue(1.0),
        ] {
            assert!(one_step(optimizer, [f32::NAN, 0.0, 0.0])[0].is_nan());
        }
        let infinite = one_step(SGD::new().global_clipnorm(1.0), [f32::INFINITY, 1.0, 1.0]);
        assert!(infinite[2].is_nan());
    }

    #[test]
    fn weight_decay_spares_the_excluded() {
        let optimizer = SGD::new().learning_rate(0.5).weight_decay(0.5);
        let sparing = optimizer.clone().exclude_from_weight_decay(["bias"]);
        for (optimizer, expected) in [(optimizer, [3.0, 6.0, 3.0]), (sparing, [3.0, 6.0, 4.0])] {
            let mut weights = [4.0, 8.0, 4.0];
            let mut state = State::new(&optimizer, 3);
            state.apply(&optimizer, &two(), &mut weights, &mut [0.0; 3]);
            // 4 - 4 * 0.5 * 0.5 = 3
            assert_eq!(weights, expected);
        }
    }

    #[test]
    fn the_average_overwrites_at_its_frequency() {
        let optimizer = SGD::new()
            .learning_rate(1.0)
            .use_ema(true)
            .ema_momentum(0.5)
            .ema_overwrite_frequency(2);
        let mut weights = [4.0];
        let mut state = State::new(&optimizer, 1);
        state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
        assert_eq!(weights, [3.0]);
        state.apply(&optimizer, &[], &mut weights, &mut [1.0]);
        // 0.5 * 3 + 0.5 * 2
        assert_eq!(weights, [2.5]);
    }

    #[test]
    fn accumulation_averages_and_starts_anew() {
        let optimizer = SGD::new().learning_rate(1.0).gradient_accumulation_steps(2);
        let mut weights = [0.0];
        let mut state = State::new(&optimizer, 1);
        let mut seen = Vec::new();
        for gradient in [1.0, 3.0, 5.0, 7.0] {
            state.apply(&optimizer, &[], &mut weights, &mut [gradient]);
            seen.push(weights[0]);
        }
        assert_eq!(seen, [0.0, -2.0, -2.0, -8.0]);
    }
}
