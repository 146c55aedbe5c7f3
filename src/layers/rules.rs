//! What a layer may ask of a weight beside its first values: a regularizer and a constraint.

use std::sync::Arc;

use crate::constraints::Constraint;
use crate::graph::{Scope, Value};
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;

impl Scope {
    /// Adds a regularizer's penalty on a weight to the model's loss; a frozen layer pays none, as
    /// in Keras.
    pub fn regularize(&mut self, weight: &Value, regularizer: &dyn Regularizer) {
        if self.trainable() {
            let penalty = self.penalty(weight, regularizer);
            self.add_loss(&penalty);
        }
    }

    /// Adds a regularizer's penalty on what a layer gives out, its `activity_regularizer`, divided
    /// by the rows of the batch.
    pub(crate) fn regularize_activity(&mut self, outputs: &Value, regularizer: &dyn Regularizer) {
        let rows = outputs.shape().dims().first().copied().unwrap_or(1).max(1);
        let penalty = self.penalty(outputs, regularizer) / rows as f32;
        self.add_loss(&penalty);
    }

    fn penalty(&mut self, value: &Value, regularizer: &dyn Regularizer) -> Value {
        if let Err(error) = regularizer.validate() {
            let error = self.named(error);
            self.fail_with(error);
        }
        let penalty = regularizer.call(value);
        if penalty.shape().size() != 1 {
            self.fail(format!(
                "`{}` must give a single number, got {}",
                regularizer.class_name(),
                penalty.shape()
            ));
        }
        penalty.sum(..)
    }

    /// A weight with the rules that a layer holds for it.
    pub(crate) fn ruled_weight(
        &mut self,
        name: &str,
        shape: impl AsRef<[usize]>,
        initializer: &Arc<dyn Initializer>,
        regularizer: &Option<Arc<dyn Regularizer>>,
        constraint: &Option<Arc<dyn Constraint>>,
    ) -> Value {
        let weight = self.weight(name, shape, initializer);
        if let Some(regularizer) = regularizer {
            self.regularize(&weight, regularizer);
        }
        if let Some(constraint) = constraint {
            self.constrain(&weight, constraint);
        }
        weight
    }
}

/// Builder methods for what a layer asks of its weights and outputs.
///
/// `rules_builder!(kernel)` is `kernel_initializer`, `kernel_regularizer` and `kernel_constraint`;
/// `rules_builder!(activity)` is `activity_regularizer`.
macro_rules! rules_builder {
    (kernel) => {
        $crate::layers::rules_builder!(
            "kernel",
            kernel_initializer,
            kernel_regularizer,
            kernel_constraint
        );
    };
    (bias) => {
        $crate::layers::rules_builder!("bias", bias_initializer, bias_regularizer, bias_constraint);
    };
    (normalization) => {
        /// What is added to the variance, so that nothing is divided by 0. Default: 1e-3.
        pub fn epsilon(mut self, epsilon: f32) -> Self {
            self.epsilon = epsilon;
            self
        }

        /// Whether `beta` is added. Default: true.
        pub fn center(mut self, center: bool) -> Self {
            self.center = center;
            self
        }

        /// Whether `gamma` is multiplied with. Default: true.
        pub fn scale(mut self, scale: bool) -> Self {
            self.scale = scale;
            self
        }

        $crate::layers::rules_builder!(
            "`gamma`",
            gamma_initializer,
            gamma_regularizer,
            gamma_constraint
        );
        $crate::layers::rules_builder!(
            "`beta`",
            beta_initializer,
            beta_regularizer,
            beta_constraint
        );
    };
    (activity) => {
        /// What is added to the loss for the outputs. Default: nothing.
        pub fn activity_regularizer(
            mut self,
            regularizer: impl $crate::regularizers::Regularizer + 'static,
        ) -> Self {
            self.activity_regularizer = Some(std::sync::Arc::new(regularizer));
            self
        }
    };
    ($weight:literal, $initializer:ident, $regularizer:ident, $constraint:ident) => {
        #[doc = concat!("How the ", $weight, " begins. The default is in the table above.")]
        pub fn $initializer(
            mut self,
            initializer: impl $crate::initializers::Initializer + 'static,
        ) -> Self {
            self.$initializer = std::sync::Arc::new(initializer);
            self
        }

        #[doc = concat!("What is added to the loss for the ", $weight, ". Default: nothing.")]
        pub fn $regularizer(
            mut self,
            regularizer: impl $crate::regularizers::Regularizer + 'static,
        ) -> Self {
            self.$regularizer = Some(std::sync::Arc::new(regularizer));
            self
        }

        #[doc = concat!("What the ", $weight, " is put back into after each update. Default: ")]
        /// anything is allowed.
        pub fn $constraint(
            mut self,
            constraint: impl $crate::constraints::Constraint + 'static,
        ) -> Self {
            self.$constraint = Some(std::sync::Arc::new(constraint));
            self
        }
    };
}
pub(crate) use rules_builder;
