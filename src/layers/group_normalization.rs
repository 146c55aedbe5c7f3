//! [`GroupNormalization`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Base};
use super::layer_normalization::check_epsilon;
use super::normalizing::{Standard, places};
use super::{Layer, rules_builder, shared_settings};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::{Initializer, Ones, Zeros};
use crate::ops::group_normalize::GroupNormalize;
use crate::regularizers::Regularizer;
use crate::shape::AxisSetting;

/// Brings each group of channels of each row to a mean of 0 and a variance of 1, then scales and
/// shifts each channel.
///
/// | | shape |
/// |---|---|
/// | `x`, `y` | `(batch, ..., channels)` |
/// | `gamma` | `(channels,)`, `Ones` |
/// | `beta` | `(channels,)`, `Zeros` |
///
/// With one group it is layer normalization over everything but the batch, with as many as there
/// are channels (`groups(-1)`) instance normalization.
///
/// Source: Wu and He 2018, <https://arxiv.org/abs/1803.08494>;
/// <https://keras.io/api/layers/normalization_layers/group_normalization/>
///
/// # Examples
///
/// ```
/// use horn::layers::GroupNormalization;
/// use horn::prelude::*;
///
/// let model = Sequential::new()
///     .add(Dense::new(64).input_dim(8))
///     .add(GroupNormalization::new().groups(8));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupNormalization {
    #[serde(flatten)]
    base: Base,
    groups: i64,
    axis: isize,
    epsilon: f32,
    center: bool,
    scale: bool,
    #[serde(with = "config::initializer")]
    beta_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    gamma_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    beta_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    gamma_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    beta_constraint: Option<Arc<dyn Constraint>>,
    #[serde(with = "config::constraint")]
    gamma_constraint: Option<Arc<dyn Constraint>>,
}

impl Default for GroupNormalization {
    fn default() -> Self {
        GroupNormalization {
            base: Base::default(),
            groups: 32,
            axis: -1,
            epsilon: 1e-3,
            center: true,
            scale: true,
            beta_initializer: Arc::new(Zeros),
            gamma_initializer: Arc::new(Ones),
            beta_regularizer: None,
            gamma_regularizer: None,
            beta_constraint: None,
            gamma_constraint: None,
        }
    }
}

impl GroupNormalization {
    /// 32 groups along the last axis, with an epsilon of 1e-3.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many groups the channels form; -1 for one each. Default: 32.
    pub fn groups(mut self, groups: i64) -> Self {
        self.groups = groups;
        self
    }

    /// The axis of the channels. Default: -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    rules_builder!(normalization);
    shared_settings!(builder);
}

impl Layer for GroupNormalization {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let Some(places) = places(x, &AxisSetting::One(self.axis)) else {
            return x.clone();
        };
        let (place, channels) = (places.first().copied().unwrap_or(0), x.dim(self.axis));
        let groups = match self.groups {
            -1 => channels,
            groups => usize::try_from(groups).unwrap_or(0),
        };
        if groups == 0 || channels % groups != 0 {
            return x.fail(format!(
                "`groups` must divide the {channels} channels of inputs of shape {}, got {}",
                x.shape(),
                self.groups
            ));
        }
        let gamma = self.scale.then(|| {
            scope.ruled_weight(
                "gamma",
                [channels],
                &self.gamma_initializer,
                &self.gamma_regularizer,
                &self.gamma_constraint,
            )
        });
        let beta = self.center.then(|| {
            scope.ruled_weight(
                "beta",
                [channels],
                &self.beta_initializer,
                &self.beta_regularizer,
                &self.beta_constraint,
            )
        });
        if place + 1 == x.rank() {
            let op = GroupNormalize {
                steps: x.shape().dims().iter().take(place).skip(1).product(),
                channels,
                groups,
                epsilon: self.epsilon,
                scale: self.scale,
                center: self.center,
            };
            let weights: Vec<&Value> = gamma.iter().chain(&beta).collect();
            return x.group_normalize(&weights, op);
        }
        // The axis of the channels becomes two: the groups, and what is in each.
        let mut split = x.shape().dims().to_vec();
        let mut one = vec![1; split.len() + 1];
        split.splice(place..place + 1, [groups, channels / groups]);
        for (to, from) in one.iter_mut().zip(&split).skip(place).take(2) {
            *to = *from;
        }
        let grouped = x.reshape(&split);
        let others: Vec<usize> = (1..split.len()).filter(|axis| *axis != place).collect();
        // Each channel has weights of its own, so they come after the groups are normalized.
        let standard = Standard {
            over: &others,
            epsilon: self.epsilon,
            centered: true,
            gamma: None,
            beta: None,
        };
        let scaled = Standard {
            over: &others,
            epsilon: self.epsilon,
            centered: true,
            gamma: gamma.map(|gamma| gamma.reshape(&one)),
            beta: beta.map(|beta| beta.reshape(&one)),
        };
        scaled
            .scaled(standard.apply(&grouped))
            .reshape(x.shape().dims())
    }

    fn class_name(&self) -> &str {
        "GroupNormalization"
    }

    fn validate(&self) -> Result<()> {
        if self.groups <= 0 && self.groups != -1 {
            let wanted = "at least 1, or -1 for as many as there are channels";
            return Err(Error::argument(
                "GroupNormalization",
                "groups",
                wanted,
                self.groups,
            ));
        }
        check_epsilon("GroupNormalization", self.epsilon)
    }

    shared_settings!(layer masked);
}
