//! Optimizers: how gradients change the weights.
//!
//! | optimizer | in short |
//! |---|---|
//! | [`SGD`] | down the gradient, with momentum if you like |
//! | [`RMSprop`] | the gradient over its running root mean square |
//! | [`Adam`], [`AdamW`] | RMSprop with momentum, both corrected for their start; with weight decay |
//! | [`Adamax`], [`Nadam`] | Adam with the infinity norm; with Nesterov momentum |
//! | [`Adagrad`], [`Adadelta`] | the gradient over all of its past; over its recent past, without a rate |
//! | [`Lion`] | the sign of the momentum |
//! | [`Ftrl`] | sparse weights for wide linear models |
//! | [`Lamb`], [`Adafactor`] | Adam for very large batches; for little memory |
//! | [`Muon`], [`ScheduleFreeAdamW`] | momentum made orthogonal; Adam without a falling rate |
//! | [`LBFGS`] | the curvature of the whole data, for small data |
//! | [`LossScaleOptimizer`] | another, without steps that are not finite |
//! | [`MultiOptimizer`] | several, each for some of the variables |
//!
//! Each takes Keras's arguments as builder methods, and its numbers agree with Keras 3. The
//! learning rate is a number or a [`Schedule`]. One of your own implements [`Optimizer`].
//!
//! All trainable parameters of a model lie in one flat arena, and so do the gradients and each
//! slot (Adam's moments, ...): an update is one [`pass`] over contiguous memory, whatever the
//! number of layers. [`State`] keeps the slots, and does for all optimizers alike what stands
//! around the formula: accumulating gradients, clipping, weight decay, averaging weights.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
mod config;
mod ftrl;
mod lamb;
mod lbfgs;
mod line_search;
mod lion;
mod loss_scale;
mod moments;
mod multi_optimizer;
mod muon;
mod nadam;
mod pass;
mod rmsprop;
mod schedule_free_adamw;
pub mod schedules;
mod settings;
mod sgd;
mod state;

use std::any::Any;
use std::fmt::Debug;

use serde_json::Value;

pub(crate) use self::config::decimal;

pub use self::adadelta::Adadelta;
pub use self::adafactor::Adafactor;
pub use self::adagrad::Adagrad;
pub use self::adam::Adam;
pub use self::adamax::Adamax;
pub use self::adamw::AdamW;
pub use self::ftrl::Ftrl;
pub use self::lamb::Lamb;
pub use self::lbfgs::LBFGS;
pub use self::lion::Lion;
pub use self::loss_scale::LossScaleOptimizer;
pub use self::multi_optimizer::MultiOptimizer;
pub use self::muon::Muon;
pub use self::nadam::Nadam;
pub use self::pass::pass;
pub use self::rmsprop::RMSprop;
pub use self::schedule_free_adamw::ScheduleFreeAdamW;
pub use self::schedules::{
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay,
    PolynomialDecay, Schedule,
};
pub use self::settings::Settings;
pub use self::sgd::SGD;
pub use self::state::{Search, State, Step, Variable};
pub use crate::kernels::aligned::Aligned;

use self::config::Config;
use crate::error::{Error, Result};
use crate::registry;

/// A rule that turns gradients into new weights.
///
/// Implement [`update`](Optimizer::update), and [`State`] does the rest. An optimizer holds
/// settings only; what changes from step to step lies in the [`State`].
///
/// # Examples
///
/// An optimizer of one's own, sign descent:
///
/// ```
/// use horn::optimizers::{Optimizer, Settings, State, Step, pass};
/// use serde_json::{Value, json};
///
/// #[derive(Debug, Clone)]
/// struct SignDescent(Settings);
///
/// impl Optimizer for SignDescent {
///     fn class_name(&self) -> &str {
///         "SignDescent"
///     }
///     fn settings(&self) -> &Settings {
///         &self.0
///     }
///     fn settings_mut(&mut self) -> &mut Settings {
///         &mut self.0
///     }
///     fn update(&self, step: &Step, weights: &mut [f32], gradients: &[f32], _: &mut [&mut [f32]]) {
///         let rate = step.learning_rate;
///         pass(weights, gradients, [], move |w, g, []| (w - rate * g.signum(), []));
///     }
/// }
///
/// let optimizer = SignDescent(Settings::new(0.5));
/// let mut weights = [1.0, 1.0];
/// State::new(&optimizer, 2).apply(&optimizer, &[], &mut weights, &mut [0.1, -7.0]);
/// assert_eq!(weights, [0.5, 1.5]);
/// ```
pub trait Optimizer: Any + Debug + Send + Sync + CloneOptimizer {
    /// The name of its type, `Adam`, as Keras's configurations have it.
    fn class_name(&self) -> &str;

    /// The arguments that all optimizers share.
    fn settings(&self) -> &Settings;

    /// The same, to change them: a callback sets the learning rate here.
    fn settings_mut(&mut self) -> &mut Settings;

    /// How many slots it needs: arenas the size of the parameters that last from step to step.
    fn slots(&self) -> usize {
        0
    }

    /// What the elements of a slot are before the first step.
    fn initial(&self, _slot: usize) -> f32 {
        0.0
    }

    /// Fills slots that begin with something of the weights, before the first step.
    fn begin(&self, _parameters: &[f32], _slots: &mut [&mut [f32]]) {}

    /// Whether a step is made with these gradients; one that is not does not count. Default: always.
    fn accepts(&self, _gradients: &[f32]) -> bool {
        true
    }

    /// The weight decay of a variable; asked where [`decays_apart`](Optimizer::decays_apart).
    fn weight_decay(&self, _variable: &Variable) -> Option<f32> {
        self.settings().weight_decay
    }

    /// Whether variables have weight decays of their own. Default: all have the same.
    fn decays_apart(&self) -> bool {
        false
    }

    /// Whether it evaluates the loss more often than once in a step: [`search`](Optimizer::search)
    /// is then called in place of [`update`](Optimizer::update).
    fn searches(&self) -> bool {
        false
    }

    /// One step of an optimizer that [searches](Optimizer::searches).
    fn search(&self, _search: &mut Search) {}

    /// Gets to know the variables it will update, and the paths of those that are frozen. `compile`
    /// calls it.
    ///
    /// # Errors
    ///
    /// Settings that do not fit these variables.
    fn prepare(&mut self, _variables: &[Variable], _frozen: &[&str]) -> Result<()> {
        Ok(())
    }

    /// The optimizers that it leaves the variables to; none by default. What [`State`] does around
    /// the formula is then done for each of them by its own settings.
    fn parts(&self) -> Option<&MultiOptimizer> {
        None
    }

    /// How Keras's files group the slots, in order: `[2, 1]` says that the first two alternate
    /// variable by variable, and that the third follows for all variables. All alternate by
    /// default.
    fn slot_groups(&self) -> Vec<usize> {
        vec![self.slots()]
    }

    /// Whether Keras's files have this slot of a variable. Default: all of them.
    fn saves_slot(&self, _slot: usize, _variable: &Variable) -> bool {
        true
    }

    /// A number that Keras's files have behind the slots after so many steps. Default: none.
    fn number_behind(&self, _iterations: u64) -> Option<f32> {
        None
    }

    /// Whether all settings lie in their ranges. `compile` asks.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`], which names the optimizer, the argument and its value.
    fn validate(&self) -> Result<()> {
        self.settings().validate(self.class_name())
    }

    /// One update: new `parameters` from `gradients`, and new `slots`. All are arenas of the
    /// same layout. Clipping and weight decay are done by then.
    fn update(
        &self,
        step: &Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    );

    /// Its settings under Keras's names.
    fn config(&self) -> Value {
        let nothing = Value::Null;
        self.settings().config(self.class_name(), nothing)
    }
}

/// Lets a `Box<dyn Optimizer>` be cloned. Every optimizer that is `Clone` has it.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adam, Optimizer};
///
/// let boxed: Box<dyn Optimizer> = Box::new(Adam::new());
/// assert_eq!(boxed.clone().class_name(), "Adam");
/// ```
pub trait CloneOptimizer {
    /// A clone on the heap.
    fn clone_box(&self) -> Box<dyn Optimizer>;
}

impl<T: Optimizer + Clone + 'static> CloneOptimizer for T {
    fn clone_box(&self) -> Box<dyn Optimizer> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Optimizer> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

impl Optimizer for Box<dyn Optimizer> {
    fn class_name(&self) -> &str {
        (**self).class_name()
    }

    fn settings(&self) -> &Settings {
        (**self).settings()
    }

    fn settings_mut(&mut self) -> &mut Settings {
        (**self).settings_mut()
    }

    fn slots(&self) -> usize {
        (**self).slots()
    }

    fn initial(&self, slot: usize) -> f32 {
        (**self).initial(slot)
    }

    fn begin(&self, parameters: &[f32], slots: &mut [&mut [f32]]) {
        (**self).begin(parameters, slots);
    }

    fn accepts(&self, gradients: &[f32]) -> bool {
        (**self).accepts(gradients)
    }

    fn weight_decay(&self, variable: &Variable) -> Option<f32> {
        (**self).weight_decay(variable)
    }

    fn decays_apart(&self) -> bool {
        (**self).decays_apart()
    }

    fn searches(&self) -> bool {
        (**self).searches()
    }

    fn search(&self, search: &mut Search) {
        (**self).search(search);
    }

    fn prepare(&mut self, variables: &[Variable], frozen: &[&str]) -> Result<()> {
        (**self).prepare(variables, frozen)
    }

    fn parts(&self) -> Option<&MultiOptimizer> {
        (**self).parts()
    }

    fn slot_groups(&self) -> Vec<usize> {
        (**self).slot_groups()
    }

    fn number_behind(&self, iterations: u64) -> Option<f32> {
        (**self).number_behind(iterations)
    }

    fn saves_slot(&self, slot: usize, variable: &Variable) -> bool {
        (**self).saves_slot(slot, variable)
    }

    fn validate(&self) -> Result<()> {
        (**self).validate()
    }

    fn update(
        &self,
        step: &Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        (**self).update(step, parameters, gradients, slots);
    }

    fn config(&self) -> Value {
        (**self).config()
    }
}

type Reader = fn(&Config) -> Result<Box<dyn Optimizer>>;

/// Every optimizer by the name of its class. To add one, add a line.
const TABLE: &[(&str, Reader)] = &[
    ("SGD", |config| Ok(Box::new(SGD::read(config)?))),
    ("RMSprop", |config| Ok(Box::new(RMSprop::read(config)?))),
    ("Adam", |config| Ok(Box::new(Adam::read(config)?))),
    ("AdamW", |config| Ok(Box::new(AdamW::read(config)?))),
    ("Adamax", |config| Ok(Box::new(Adamax::read(config)?))),
    ("Nadam", |config| Ok(Box::new(Nadam::read(config)?))),
    ("Adagrad", |config| Ok(Box::new(Adagrad::read(config)?))),
    ("Adadelta", |config| Ok(Box::new(Adadelta::read(config)?))),
    ("Lion", |config| Ok(Box::new(Lion::read(config)?))),
    ("Ftrl", |config| Ok(Box::new(Ftrl::read(config)?))),
    ("Lamb", |config| Ok(Box::new(Lamb::read(config)?))),
    ("Adafactor", |config| Ok(Box::new(Adafactor::read(config)?))),
    ("Muon", |config| Ok(Box::new(Muon::read(config)?))),
    ("ScheduleFreeAdamW", |config| {
        Ok(Box::new(ScheduleFreeAdamW::read(config)?))
    }),
    ("LossScaleOptimizer", |config| {
        Ok(Box::new(LossScaleOptimizer::read(config)?))
    }),
    ("MultiOptimizer", |config| {
        Ok(Box::new(MultiOptimizer::read(config)?))
    }),
    (OURS, |config| Ok(Box::new(LBFGS::read(config)?))),
];

/// The one that Keras has not.
const OURS: &str = "LBFGS";

/// The optimizer of that name, in any case, with its defaults: Keras's `optimizers.get`.
///
/// # Errors
///
/// [`Error::Unknown`] with the nearest names.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{self, Optimizer};
///
/// assert_eq!(optimizers::get("adam")?.class_name(), "Adam");
/// let error = optimizers::get("adm").unwrap_err();
/// assert!(error.to_string().contains("did you mean `adam`"));
/// # Ok::<(), horn::Error>(())
/// ```
pub fn get(name: &str) -> Result<Box<dyn Optimizer>> {
    read(&Config::empty(name))
}

/// The optimizer that a Keras configuration describes: a name, or
/// `{"class_name": .., "config": {..}}`.
///
/// # Errors
///
/// [`Error::Unknown`] for a class that there is not, [`Error::Config`] for a value of the wrong
/// type. Ranges are for [`Optimizer::validate`].
///
/// # Examples
///
/// ```
/// use horn::optimizers::{self, Optimizer};
/// use serde_json::json;
///
/// let keras = json!({"class_name": "SGD", "config": {"learning_rate": 0.1, "momentum": 0.9}});
/// let optimizer = optimizers::from_keras(&keras)?;
/// assert_eq!(optimizer.config()["momentum"], 0.9);
/// # Ok::<(), horn::Error>(())
/// ```
pub fn from_keras(value: &Value) -> Result<Box<dyn Optimizer>> {
    read(&Config::of("optimizer", value)?)
}

/// The optimizer as Keras serialises it, for [`from_keras`] and for Keras itself.
///
/// # Examples
///
/// ```
/// use horn::optimizers::{self, Adam};
///
/// let keras = optimizers::to_keras(&Adam::new().beta_1(0.8));
/// assert_eq!(keras["class_name"], "Adam");
/// assert_eq!(keras["config"]["beta_1"], 0.8);
/// ```
pub fn to_keras(optimizer: &dyn Optimizer) -> Value {
    let class_name = optimizer.class_name();
    let known = in_keras(class_name);
    settings::optimizer_value(known, class_name, optimizer.config())
}

/// Whether a class is one of Keras's that is here too.
pub(crate) fn in_keras(class_name: &str) -> bool {
    TABLE.iter().any(|(name, _)| *name == class_name) && class_name != OURS
}

fn read(config: &Config) -> Result<Box<dyn Optimizer>> {
    let asked = config.class_name();
    for (name, reader) in TABLE {
        if name.eq_ignore_ascii_case(asked) {
            return reader(config);
        }
    }
    OWN.make(asked, &config.json()).unwrap_or_else(|| {
        let ours = TABLE.iter().map(|(name, _)| name.to_lowercase());
        let names: Vec<String> = ours.chain(OWN.names()).collect();
        let names = names.iter().map(String::as_str);
        Err(Error::unknown("optimizer", asked, names))
    })
}

registry::own!("optimizer", Optimizer, Box, |name| {
    TABLE
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(name))
});

#[cfg(test)]
mod tests {
    use super::*;

    /// Some wrap others, and have no defaults.
    fn alone((name, _): &&(&str, Reader)) -> bool {
        !["LossScaleOptimizer", "MultiOptimizer"].contains(name)
    }

    #[test]
    fn every_name_gives_its_class_and_its_config_back() {
        for (name, _) in TABLE.iter().filter(alone) {
            let optimizer = get(&name.to_lowercase()).unwrap();
            assert_eq!(optimizer.class_name(), *name);
            optimizer.validate().unwrap();
            let keras = to_keras(&optimizer);
            if *name != OURS {
                assert_eq!(keras["module"], "keras.optimizers");
            }
            let again = from_keras(&keras).unwrap();
            assert_eq!(again.config(), optimizer.config());
            assert_eq!(optimizer.clone().config(), optimizer.config());
            let groups: usize = optimizer.slot_groups().iter().sum();
            assert_eq!(groups, optimizer.slots());
        }
    }

    #[test]
    fn the_first_step_of_each_goes_down_the_gradient() {
        for (name, _) in TABLE.iter().filter(alone) {
            let optimizer = get(name).unwrap();
            let variables = [Variable::new("w", 0..20, &[4, 5])];
            let mut weights = [0.5; 20];
            let mut gradients = [0.0; 20];
            gradients[..10].fill(1.0);
            gradients[10..].fill(-1.0);
            let mut state = State::new(&optimizer, 20);
            state.apply(&optimizer, &variables, &mut weights, &mut gradients);
            assert!(weights[..10].iter().all(|w| *w < 0.5), "{name}");
            // Ftrl starts from the linear term, not from the weights.
            if *name != "Ftrl" && *name != "AdamW" {
                assert!(weights[10..].iter().all(|w| *w > 0.5), "{name}");
            }
        }
    }
}
