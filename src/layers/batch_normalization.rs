//! [`BatchNormalization`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Base};
use super::layer_normalization::check_epsilon;
use super::normalizing::{Standard, along, lengths, moments, places, signed};
use super::{Layer, rules_builder, shared_settings};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::{Initializer, Ones, Zeros};
use crate::ops;
use crate::regularizers::Regularizer;
use crate::shape::AxisSetting;

/// Brings each column of a batch to a mean of 0 and a variance of 1, then scales and shifts it:
/// `y = gamma (x - mean) / √(variance + epsilon) + beta`.
///
/// While training, mean and variance are those of the batch, and moving averages of them are kept:
/// `moving = momentum moving + (1 - momentum) of_batch`. Outside training, and where the layer is
/// frozen, the moving averages are used. Steps that a mask leaves out do not count.
///
/// | | shape |
/// |---|---|
/// | `x`, `y` | `(batch, ..., channels)` |
/// | `gamma` | `(channels,)`, `Ones` |
/// | `beta` | `(channels,)`, `Zeros` |
/// | `moving_mean` | `(channels,)`, `Zeros`, not trained |
/// | `moving_variance` | `(channels,)`, `Ones`, not trained |
///
/// With `renorm` the batch is corrected towards the moving averages (batch renormalization), which
/// then also hold `moving_stddev`, `renorm_mean` and `renorm_stddev`.
///
/// Source: Ioffe and Szegedy 2015, <https://arxiv.org/abs/1502.03167>; Ioffe 2017,
/// <https://arxiv.org/abs/1702.03275>;
/// <https://keras.io/api/layers/normalization_layers/batch_normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::BatchNormalization;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8).use_bias(false))
///     .add(BatchNormalization::new())
///     .add(ReLU::new())
///     .add(Dense::new(1));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchNormalization {
    #[serde(flatten)]
    base: Base,
    axis: isize,
    momentum: f32,
    epsilon: f32,
    center: bool,
    scale: bool,
    #[serde(with = "config::initializer")]
    beta_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    gamma_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    moving_mean_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    moving_variance_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    beta_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    gamma_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    beta_constraint: Option<Arc<dyn Constraint>>,
    #[serde(with = "config::constraint")]
    gamma_constraint: Option<Arc<dyn Constraint>>,
    synchronized: bool,
    renorm: bool,
    renorm_clipping: Option<RenormClipping>,
    renorm_momentum: f32,
}

/// How far batch renormalization may correct a batch: `r` between `rmin` and `rmax`, `d` between
/// `-dmax` and `dmax`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenormClipping {
    /// The largest factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmax: Option<f32>,
    /// The smallest factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmin: Option<f32>,
    /// The largest shift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmax: Option<f32>,
}

impl Default for BatchNormalization {
    fn default() -> Self {
        BatchNormalization {
            base: Base::default(),
            axis: -1,
            momentum: 0.99,
            epsilon: 1e-3,
            center: true,
            scale: true,
            beta_initializer: Arc::new(Zeros),
            gamma_initializer: Arc::new(Ones),
            moving_mean_initializer: Arc::new(Zeros),
            moving_variance_initializer: Arc::new(Ones),
            beta_regularizer: None,
            gamma_regularizer: None,
            beta_constraint: None,
            gamma_constraint: None,
            synchronized: false,
            renorm: false,
            renorm_clipping: None,
            renorm_momentum: 0.99,
        }
    }
}

/// Mean and variance of a batch, and what renormalization makes of the batch.
struct Moments {
    mean: Value,
    variance: Value,
    correction: Option<(Value, Value)>,
}

impl BatchNormalization {
    /// Along the last axis, with a momentum of 0.99 and an epsilon of 1e-3.
    pub fn new() -> Self {
        Self::default()
    }

    /// The axis of the channels. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// How much of the moving averages is kept at each step, from 0 to 1. Default: 0.99.
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.momentum = momentum;
        self
    }

    /// How the moving mean begins. Default: [`Zeros`].
    pub fn moving_mean_initializer(mut self, initializer: impl Initializer + 'static) -> Self {
        self.moving_mean_initializer = Arc::new(initializer);
        self
    }

    /// How the moving variance begins. Default: [`Ones`].
    pub fn moving_variance_initializer(mut self, initializer: impl Initializer + 'static) -> Self {
        self.moving_variance_initializer = Arc::new(initializer);
        self
    }

    /// Whether batches are corrected towards the moving averages. Default: false.
    pub fn renorm(mut self, renorm: bool) -> Self {
        self.renorm = renorm;
        self
    }

    /// How far they may be corrected. Default: any far.
    pub fn renorm_clipping(mut self, clipping: RenormClipping) -> Self {
        self.renorm_clipping = Some(clipping);
        self
    }

    /// The momentum of the averages that they are corrected towards. Default: 0.99.
    pub fn renorm_momentum(mut self, momentum: f32) -> Self {
        self.renorm_momentum = momentum;
        self
    }

    rules_builder!(normalization);
    shared_settings!(builder);

    /// The mean and the variance of the steps that count.
    fn of_batch(&self, scope: &Scope, x: &Value, others: &[usize]) -> (Value, Value) {
        let Some(mask) = scope.mask(x) else {
            return moments(x, others);
        };
        let mut shape = mask.shape().dims().to_vec();
        shape.resize(x.rank(), 1);
        let mask = mask.reshape(shape).broadcast_to(x.shape());
        let over = signed(others);
        let count = mask.sum_keepdims(over.clone()) + 1e-7;
        let mean = (x * &mask).sum_keepdims(over.clone()) / &count;
        let variance = ((x - &mean) * &mask).square().sum_keepdims(over) / count;
        (mean, variance)
    }

    /// The moments of the columns of a batch, `(2, columns)`, after which the moving averages follow.
    fn of_columns(&self, scope: &mut Scope, x: &Value, moving: (&Value, &Value)) -> Value {
        let moments = x.moments(ops::moments::Moments { columns: x.dim(-1) });
        self.follow(scope, moving.0, &moments.slice(0, 0..1), self.momentum);
        self.follow(scope, moving.1, &moments.slice(0, 1..2), self.momentum);
        moments
    }

    /// `moving = momentum moving + (1 - momentum) value`
    fn follow(&self, scope: &mut Scope, moving: &Value, value: &Value, momentum: f32) -> Value {
        let value = value.reshape(moving.shape().dims());
        let next = moving * momentum + value * (1.0 - momentum);
        scope.assign(moving, &next);
        next
    }

    /// The moments of the batch, after which the moving averages follow.
    fn train(
        &self,
        scope: &mut Scope,
        (x, others): (&Value, &[usize]),
        (moving_mean, moving_variance): (&Value, &Value),
        renorm: Option<[Value; 3]>,
    ) -> Moments {
        let (mean, variance) = self.of_batch(scope, x, others);
        let Some([moving_stddev, renorm_mean, renorm_stddev]) = renorm else {
            self.follow(scope, moving_mean, &mean, self.momentum);
            self.follow(scope, moving_variance, &variance, self.momentum);
            return Moments {
                mean,
                variance,
                correction: None,
            };
        };
        let stddev = (&variance + self.epsilon).sqrt();
        let known = |value: &Value| value.reshape(mean.shape().dims());
        let known_stddev = known(&renorm_stddev).maximum(self.epsilon.sqrt());
        let mut r = &stddev / &known_stddev;
        let mut d = (&mean - known(&renorm_mean)) / known_stddev;
        let clipping = self.renorm_clipping.unwrap_or_default();
        if let Some(rmin) = clipping.rmin {
            r = r.maximum(rmin);
        }
        if let Some(rmax) = clipping.rmax {
            r = r.minimum(rmax);
        }
        if let Some(dmax) = clipping.dmax {
            d = d.clip(-dmax, dmax);
        }
        self.follow(scope, &renorm_mean, &mean, self.renorm_momentum);
        self.follow(scope, &renorm_stddev, &stddev, self.renorm_momentum);
        self.follow(scope, moving_mean, &mean, self.momentum);
        let next = self.follow(scope, &moving_stddev, &stddev, self.momentum);
        scope.assign(moving_variance, &(next.square() - self.epsilon).relu());
        Moments {
            mean,
            variance,
            correction: Some((r.stop_gradient(), d.stop_gradient())),
        }
    }
}

/// An initializer whose numbers are the roots of another's.
#[derive(Debug, Clone)]
struct Root(Arc<dyn Initializer>);

impl Initializer for Root {
    fn class_name(&self) -> &str {
        self.0.class_name()
    }

    fn fill(&self, shape: &[usize], rng: &mut crate::random::Rng, out: &mut [f32]) -> Result<()> {
        self.0.fill(shape, rng, out)?;
        out.iter_mut().for_each(|value| *value = value.sqrt());
        Ok(())
    }
}

impl Layer for BatchNormalization {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let Some(places) = places(x, &AxisSetting::One(self.axis)) else {
            return x.clone();
        };
        let shape = lengths(x, &places);
        let gamma = self.scale.then(|| {
            let gamma = scope.ruled_weight(
                "gamma",
                &shape,
                &self.gamma_initializer,
                &self.gamma_regularizer,
                &self.gamma_constraint,
            );
            along(x, &gamma, &places)
        });
        let beta = self.center.then(|| {
            let beta = scope.ruled_weight(
                "beta",
                &shape,
                &self.beta_initializer,
                &self.beta_regularizer,
                &self.beta_constraint,
            );
            along(x, &beta, &places)
        });
        let moving_mean = scope.fixed("moving_mean", &shape, &self.moving_mean_initializer);
        let moving_variance =
            scope.fixed("moving_variance", &shape, &self.moving_variance_initializer);
        let renorm = self.renorm.then(|| {
            let root = Root(Arc::clone(&self.moving_variance_initializer));
            [
                scope.fixed("moving_stddev", &shape, &root),
                scope.fixed("renorm_mean", &shape, &self.moving_mean_initializer),
                scope.fixed("renorm_stddev", &shape, &root),
            ]
        });

        let others: Vec<usize> = (0..x.rank())
            .filter(|axis| !places.contains(axis))
            .collect();
        let standard = Standard {
            over: &others,
            epsilon: self.epsilon,
            centered: true,
            gamma,
            beta,
        };
        let trains = scope.training() && scope.trainable();
        let last = places.first() == Some(&(x.rank() - 1)) && !self.renorm;
        if last && scope.mask(x).is_none() {
            let moments = match trains {
                true => self.of_columns(scope, x, (&moving_mean, &moving_variance)),
                false => moving_mean
                    .expand_dims(0)
                    .concat(&[&moving_variance.expand_dims(0)], 0),
            };
            return standard.with_moments(x, &moments, trains);
        }
        let moments = match trains {
            true => self.train(
                scope,
                (x, &others),
                (&moving_mean, &moving_variance),
                renorm,
            ),
            false => Moments {
                mean: along(x, &moving_mean, &places),
                variance: along(x, &moving_variance, &places),
                correction: None,
            },
        };
        let mut y = (x - moments.mean) * (moments.variance + self.epsilon).rsqrt();
        if let Some((r, d)) = moments.correction {
            y = y * r + d;
        }
        standard.scaled(y)
    }

    fn class_name(&self) -> &str {
        "BatchNormalization"
    }

    fn validate(&self) -> Result<()> {
        let class_name = "BatchNormalization";
        for (argument, momentum) in [
            ("momentum", self.momentum),
            ("renorm_momentum", self.renorm_momentum),
        ] {
            if !(0.0..=1.0).contains(&momentum) {
                return Err(Error::argument(
                    class_name,
                    argument,
                    "between 0 and 1",
                    momentum,
                ));
            }
        }
        if self.synchronized {
            let wanted = "false: there is one machine";
            return Err(Error::argument(class_name, "synchronized", wanted, true));
        }
        let clipping = self.renorm_clipping.unwrap_or_default();
        if let (Some(rmin), Some(rmax)) = (clipping.rmin, clipping.rmax)
            && rmax < rmin
        {
            let wanted = "`rmin` at most `rmax`";
            let found = format!("{rmin} and {rmax}");
            return Err(Error::argument(
                class_name,
                "renorm_clipping",
                wanted,
                found,
            ));
        }
        if let Some(dmax) = clipping.dmax.filter(|dmax| dmax.is_nan() || *dmax < 0.0) {
            let wanted = "`dmax` of at least 0";
            return Err(Error::argument(class_name, "renorm_clipping", wanted, dmax));
        }
        check_epsilon(class_name, self.epsilon)
    }

    shared_settings!(layer masked);
}
