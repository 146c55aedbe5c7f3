//! [`Settings`], the arguments that all optimizers share, and their builder methods.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::config::{Config, decimal, serialised, snake_case};
use super::schedules::{self, InverseTimeDecay, Schedule};
use crate::error::{Error, Result};

/// The arguments that all optimizers share, with Keras's names and defaults.
///
/// What [`State::apply`](super::State::apply) does around an optimizer's own formula comes from
/// here: accumulate gradients, clip them, decay the weights, average them.
///
/// An optimizer of your own keeps a `Settings` and hands it out by
/// [`settings`](super::Optimizer::settings). Those of this crate have a builder method for each
/// field.
///
/// Source: [Keras, optimizers](https://keras.io/api/optimizers/).
///
/// # Examples
///
/// ```
/// use horn::optimizers::{Adam, CosineDecay, Optimizer};
///
/// let adam = Adam::new()
///     .learning_rate(CosineDecay::new(0.01, 1_000))
///     .weight_decay(0.004)
///     .exclude_from_weight_decay(["bias"])
///     .clipnorm(1.0);
/// assert_eq!(adam.settings().clipnorm, Some(1.0));
/// assert_eq!(adam.settings().ema_momentum, 0.99);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The step size: a number, or a schedule of the step.
    pub learning_rate: Arc<dyn Schedule>,
    /// Decoupled weight decay: `w -= w * weight_decay * learning_rate` before each update.
    /// None by default.
    pub weight_decay: Option<f32>,
    /// The largest norm of each variable's gradient: `g *= clipnorm / max(norm(g), clipnorm)`.
    /// None by default.
    pub clipnorm: Option<f32>,
    /// The largest norm of all gradients together. None by default.
    pub global_clipnorm: Option<f32>,
    /// The largest magnitude of any one element of a gradient. None by default.
    pub clipvalue: Option<f32>,
    /// Whether to keep an exponential moving average of the weights, which replaces them at the
    /// end of the training. False by default.
    pub use_ema: bool,
    /// `average = ema_momentum * average + (1 - ema_momentum) * w`. 0.99 by default.
    pub ema_momentum: f32,
    /// Every how many steps the average replaces the weights; never before the end by default.
    pub ema_overwrite_frequency: Option<u64>,
    /// How many batches' gradients are averaged into one update. None, every batch, by default.
    pub gradient_accumulation_steps: Option<u64>,
    /// Which variables weight decay spares: those whose name (`kernel`, `bias`, ...) contains
    /// one of these words or, for an entry with a `/` in it, whose path (`dense_1/kernel`) does.
    /// None by default.
    pub exclude_from_weight_decay: Vec<String>,
    /// The optimizer's name; Keras's automatic one (`adam`, `adam_w`) by default.
    pub name: Option<String>,
}

impl Settings {
    /// Keras's defaults, with this learning rate: a number or a schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::Settings;
    ///
    /// let settings = Settings::new(0.01);
    /// assert_eq!(settings.learning_rate.rate(0), 0.01);
    /// assert!(settings.clipnorm.is_none());
    /// ```
    pub fn new(learning_rate: impl Schedule + 'static) -> Self {
        Settings {
            learning_rate: Arc::new(learning_rate),
            weight_decay: None,
            clipnorm: None,
            global_clipnorm: None,
            clipvalue: None,
            use_ema: false,
            ema_momentum: 0.99,
            ema_overwrite_frequency: None,
            gradient_accumulation_steps: None,
            exclude_from_weight_decay: Vec::new(),
            name: None,
        }
    }

    /// Whether all settings lie in their ranges; `owner` is the optimizer that messages name.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a learning rate that is negative or not finite, a schedule that
    /// says so of itself, a negative weight decay, a clip that is not above 0, more than one
    /// clip, an EMA momentum outside of 0 to 1, or a frequency or number of steps of 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::Settings;
    ///
    /// let mut settings = Settings::new(0.01);
    /// settings.clipvalue = Some(-0.5);
    /// assert_eq!(
    ///     settings.validate("Adam").unwrap_err().to_string(),
    ///     "`Adam`: `clipvalue` must be a finite number above 0, got -0.5",
    /// );
    /// ```
    pub fn validate(&self, owner: &str) -> Result<()> {
        match self.learning_rate.constant() {
            Some(rate) => not_negative(owner, "learning_rate", decimal(rate))?,
            None => self.learning_rate.validate()?,
        }
        if let Some(decay) = self.weight_decay {
            not_negative(owner, "weight_decay", decimal(decay))?;
        }
        let clips = [
            ("clipnorm", self.clipnorm),
            ("global_clipnorm", self.global_clipnorm),
            ("clipvalue", self.clipvalue),
        ];
        let mut set: Option<(&str, f32)> = None;
        for (argument, clip) in clips {
            let Some(clip) = clip else { continue };
            above_zero(owner, argument, decimal(clip))?;
            if let Some((first, value)) = set {
                return Err(Error::argument(
                    owner,
                    argument,
                    format!("left out when `{first}` is set (here to {value})"),
                    clip,
                ));
            }
            set = Some((argument, clip));
        }
        if !(0.0..=1.0).contains(&self.ema_momentum) {
            return Err(Error::argument(
                owner,
                "ema_momentum",
                "a number from 0 to 1",
                self.ema_momentum,
            ));
        }
        for (argument, count) in [
            ("ema_overwrite_frequency", self.ema_overwrite_frequency),
            (
                "gradient_accumulation_steps",
                self.gradient_accumulation_steps,
            ),
        ] {
            if count == Some(0) {
                return Err(Error::argument(owner, argument, "at least 1", 0));
            }
        }
        Ok(())
    }

    /// Keras's configuration of `class_name`: these settings, and the optimizer's own in `own`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::optimizers::Settings;
    /// use serde_json::json;
    ///
    /// let config = Settings::new(0.5).config("Mine", json!({"strength": 2}));
    /// assert_eq!(config["name"], "mine");
    /// assert_eq!(config["learning_rate"], 0.5);
    /// assert_eq!(config["strength"], 2);
    /// ```
    pub fn config(&self, class_name: &str, own: Value) -> Value {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => snake_case(class_name),
        };
        let learning_rate = match self.learning_rate.constant() {
            Some(rate) => json!(f64::from(rate)),
            None => schedules::to_keras(&self.learning_rate),
        };
        let mut config = Map::new();
        let shared = [
            ("name", json!(name)),
            ("learning_rate", learning_rate),
            ("weight_decay", json!(self.weight_decay.map(decimal))),
            ("clipnorm", json!(self.clipnorm.map(decimal))),
            ("global_clipnorm", json!(self.global_clipnorm.map(decimal))),
            ("clipvalue", json!(self.clipvalue.map(decimal))),
            ("use_ema", json!(self.use_ema)),
            ("ema_momentum", json!(decimal(self.ema_momentum))),
            (
                "ema_overwrite_frequency",
                json!(self.ema_overwrite_frequency),
            ),
            ("loss_scale_factor", Value::Null),
            (
                "gradient_accumulation_steps",
                json!(self.gradient_accumulation_steps),
            ),
        ];
        config.extend(shared.map(|(key, value)| (key.to_string(), value)));
        if let Value::Object(own) = own {
            config.extend(own);
        }
        Value::Object(config)
    }

    /// Takes from a Keras configuration what it says, and leaves the rest as it is.
    pub(super) fn read(mut self, config: &Config) -> Result<Self> {
        // Keras 1 and 2 call it `lr`, and `decay` there makes the rate lr / (1 + decay * step).
        for key in ["lr", "learning_rate"] {
            if let Some(value) = config.get(key) {
                self.learning_rate = schedules::from_keras(value)?;
            }
        }
        let legacy_decay = config.number_or("decay", 0.0)?;
        if let Some(rate) = self.learning_rate.constant()
            && legacy_decay > 0.0
        {
            let rate = decimal(rate);
            self.learning_rate = Arc::new(InverseTimeDecay::new(rate, 1, legacy_decay));
        }
        let single = |key| Ok::<_, Error>(config.number(key)?.map(|value| value as f32));
        self.weight_decay = single("weight_decay")?.or(self.weight_decay);
        self.clipnorm = single("clipnorm")?;
        self.global_clipnorm = single("global_clipnorm")?;
        self.clipvalue = single("clipvalue")?;
        self.use_ema = config.flag_or("use_ema", false)?;
        self.ema_momentum = single("ema_momentum")?.unwrap_or(self.ema_momentum);
        self.ema_overwrite_frequency = config.count("ema_overwrite_frequency")?;
        self.gradient_accumulation_steps = config.count("gradient_accumulation_steps")?;
        self.name = config.text("name")?;
        Ok(self)
    }

    /// Whether weight decay passes over the variable at `path`.
    pub(super) fn spares(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.exclude_from_weight_decay.iter().any(|word| {
            if word.contains('/') {
                path.contains(word.as_str())
            } else {
                name.contains(word.as_str())
            }
        })
    }
}

/// An error unless `value` is a finite number of at least 0.
pub(super) fn not_negative(owner: &str, argument: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    let expected = "a finite number of at least 0";
    Err(Error::argument(owner, argument, expected, value))
}

/// An error unless `value` is a finite number above 0.
pub(super) fn above_zero(owner: &str, argument: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    let expected = "a finite number above 0";
    Err(Error::argument(owner, argument, expected, value))
}

/// An error unless `value` is a decay rate: from 0 up to, but not including, 1.
pub(super) fn decay_rate(owner: &str, argument: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    let expected = "a number from 0 up to, but not including, 1";
    Err(Error::argument(owner, argument, expected, value))
}

/// The builder methods of [`Settings`] for an optimizer with `new` and `settings_mut`.
macro_rules! builders {
    ($optimizer:ident) => {
        impl $optimizer {
            /// Sets the step size: a number, or a [`Schedule`](crate::optimizers::Schedule) such
            /// as [`ExponentialDecay`](crate::optimizers::ExponentialDecay).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use horn::optimizers::{ExponentialDecay, Optimizer, ", stringify!($optimizer), "};")]
            ///
            #[doc = concat!("let fixed = ", stringify!($optimizer), "::new().learning_rate(0.05);")]
            /// assert_eq!(fixed.settings().learning_rate.rate(10), 0.05);
            ///
            /// let schedule = ExponentialDecay::new(0.05, 10, 0.5);
            #[doc = concat!("let falling = ", stringify!($optimizer), "::new().learning_rate(schedule);")]
            /// assert_eq!(falling.settings().learning_rate.rate(10), 0.025);
            /// ```
            pub fn learning_rate(
                mut self,
                learning_rate: impl crate::optimizers::Schedule + 'static,
            ) -> Self {
                self.settings_mut().learning_rate = std::sync::Arc::new(learning_rate);
                self
            }

            /// Sets decoupled weight decay: `w -= w * weight_decay * learning_rate` before each
            /// update.
            pub fn weight_decay(mut self, weight_decay: impl Into<f64>) -> Self {
                self.settings_mut().weight_decay = Some(weight_decay.into() as f32);
                self
            }

            /// Sets the largest norm of each variable's gradient. Only one of the three clips
            /// can be set.
            pub fn clipnorm(mut self, clipnorm: impl Into<f64>) -> Self {
                self.settings_mut().clipnorm = Some(clipnorm.into() as f32);
                self
            }

            /// Sets the largest norm of all gradients together. Only one of the three clips can
            /// be set.
            pub fn global_clipnorm(mut self, global_clipnorm: impl Into<f64>) -> Self {
                self.settings_mut().global_clipnorm = Some(global_clipnorm.into() as f32);
                self
            }

            /// Sets the largest magnitude of an element of a gradient. Only one of the three
            /// clips can be set.
            pub fn clipvalue(mut self, clipvalue: impl Into<f64>) -> Self {
                self.settings_mut().clipvalue = Some(clipvalue.into() as f32);
                self
            }

            /// Sets whether to keep an exponential moving average of the weights, which replaces
            /// them at the end of the training.
            pub fn use_ema(mut self, use_ema: bool) -> Self {
                self.settings_mut().use_ema = use_ema;
                self
            }

            /// Sets the momentum of that average, 0.99 by default.
            pub fn ema_momentum(mut self, ema_momentum: impl Into<f64>) -> Self {
                self.settings_mut().ema_momentum = ema_momentum.into() as f32;
                self
            }

            /// Sets every how many steps the average replaces the weights.
            pub fn ema_overwrite_frequency(mut self, steps: u64) -> Self {
                self.settings_mut().ema_overwrite_frequency = Some(steps);
                self
            }

            /// Sets how many batches' gradients are averaged into one update.
            pub fn gradient_accumulation_steps(mut self, steps: u64) -> Self {
                self.settings_mut().gradient_accumulation_steps = Some(steps);
                self
            }

            /// Sets which variables weight decay spares: those whose name (`bias`) contains one
            /// of these words or, for a word with a `/` in it, whose path (`dense_1/kernel`)
            /// does.
            pub fn exclude_from_weight_decay<W: Into<String>>(
                mut self,
                words: impl IntoIterator<Item = W>,
            ) -> Self {
                self.settings_mut().exclude_from_weight_decay =
                    words.into_iter().map(Into::into).collect();
                self
            }

            /// Sets the optimizer's name.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.settings_mut().name = Some(name.into());
                self
            }
        }

        impl Default for $optimizer {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

pub(super) use builders;

/// `{"class_name": .., "config": ..}` of an optimizer, in the form that Keras reads.
pub(super) fn optimizer_value(known: bool, class_name: &str, config: Value) -> Value {
    serialised(known.then_some("keras.optimizers"), class_name, config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::{Adam, Optimizer};

    fn message(optimizer: Adam) -> String {
        optimizer.validate().unwrap_err().to_string()
    }

    #[test]
    fn settings_out_of_range_are_named() {
        assert!(Adam::new().validate().is_ok());
        assert!(Adam::new().learning_rate(0.0).validate().is_ok());
        assert_eq!(
            message(Adam::new().learning_rate(-0.1)),
            "`Adam`: `learning_rate` must be a finite number of at least 0, got -0.1"
        );
        assert!(message(Adam::new().learning_rate(f64::NAN)).contains("NaN"));
        assert!(message(Adam::new().weight_decay(-1)).contains("`weight_decay`"));
        assert!(message(Adam::new().clipnorm(0)).contains("above 0, got 0"));
        assert!(message(Adam::new().clipvalue(f32::NAN)).contains("`clipvalue`"));
        assert!(message(Adam::new().global_clipnorm(-2.0)).contains("`global_clipnorm`"));
        assert!(message(Adam::new().ema_momentum(1.5)).contains("`ema_momentum`"));
        assert!(message(Adam::new().ema_overwrite_frequency(0)).contains("at least 1, got 0"));
        assert!(message(Adam::new().gradient_accumulation_steps(0)).contains("at least 1, got 0"));
    }

    #[test]
    fn only_one_clip_can_be_set() {
        assert_eq!(
            message(Adam::new().clipnorm(1.0).clipvalue(0.5)),
            "`Adam`: `clipvalue` must be left out when `clipnorm` is set (here to 1), got 0.5"
        );
    }

    #[test]
    fn words_match_names_and_paths() {
        let mut settings = Settings::new(0.1);
        settings.exclude_from_weight_decay = vec!["bias".into(), "norm/gamma".into()];
        assert!(settings.spares("dense/bias"));
        assert!(settings.spares("bias"));
        assert!(settings.spares("block/norm/gamma"));
        assert!(!settings.spares("bias_net/kernel"));
        assert!(!settings.spares("scale/gamma"));
    }

    #[test]
    fn old_names_of_keras_are_read() {
        let value = json!({"lr": 0.1, "decay": 0.5});
        let value = json!({"class_name": "Custom>SGD", "config": value});
        let config = Config::of("optimizer", &value).unwrap();
        let settings = Settings::new(1.0).read(&config).unwrap();
        // 0.1 / (1 + 0.5 * 2)
        assert_eq!(settings.learning_rate.rate(2), 0.05);
    }
}
