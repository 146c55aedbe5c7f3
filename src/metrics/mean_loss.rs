//! [`MeanLoss`], any loss as a metric, and Keras's metrics of that kind: [`MeanAbsoluteError`], ...

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::correlation::{Concordance, Cosine, Pearson};
use super::{Batch, Metric, RunningMean, mean_of_values};
use crate::backend::cpu::Run;
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::{Scope, Shape};
use crate::kernels::aligned::Aligned;
use crate::losses::{self, Loss};
use crate::ops::{Draw, Port};

/// The mean of what a loss says of each sample.
///
/// # Examples
///
/// Any loss, one of your own too:
///
/// ```
/// use horn::metrics::MeanLoss;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(1).input_dim(3));
/// let compile = Compile::new(Adam::new(), MeanSquaredError::new())
///     .metric(MeanLoss::new(Huber::new().delta(0.5)).name("huber"));
/// model.compile(compile)?;
/// assert_eq!(model.metrics_names(), ["loss", "huber"]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug)]
pub struct MeanLoss {
    name: String,
    class_name: &'static str,
    loss: Arc<dyn Loss>,
    mean: RunningMean,
    benches: Vec<Bench>,
}

impl Clone for MeanLoss {
    /// A copy makes its own plans.
    fn clone(&self) -> Self {
        MeanLoss {
            name: self.name.clone(),
            class_name: self.class_name,
            loss: Arc::clone(&self.loss),
            mean: self.mean.clone(),
            benches: Vec::new(),
        }
    }
}

/// The loss planned for batches of one shape.
#[derive(Debug)]
struct Bench {
    y_true: Shape,
    y_pred: Shape,
    plan: Plan,
    workspace: Aligned,
}

/// How many shapes of batches are kept: a whole one and the last of an epoch, with room to spare.
const KEPT: usize = 4;

impl Bench {
    fn new(loss: &dyn Loss, y_true: Shape, y_pred: Shape) -> Result<Bench> {
        let mut scope = Scope::new(None, false);
        let targets = scope.input(Port::Targets(0), y_true);
        let predictions = scope.input(Port::Features(0), y_pred);
        let costs = loss.call(&targets, &predictions);
        let mut goal = Goal {
            outputs: vec![costs.id()],
            ..Goal::default()
        };
        if let Some(mask) = loss.mask(&targets, &costs) {
            goal.outputs.push(mask.id());
        }
        drop((targets, predictions, costs));
        let traced = scope.finish()?;
        let plan = Plan::new(traced.graph, &traced.variables, &goal);
        Ok(Bench {
            workspace: Aligned::zeros(plan.workspace),
            y_true,
            y_pred,
            plan,
        })
    }

    /// Computes the costs of a batch.
    fn run(&mut self, batch: &Batch) -> Run<'_> {
        for port in &self.plan.ports {
            let from = match port.port {
                Port::Targets(0) => batch.y_true,
                _ => batch.y_pred,
            };
            if let Some(to) = self.workspace.get_mut(port.range.clone()) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
        let mut run = Run {
            plan: &self.plan,
            workspace: &mut self.workspace,
            parameters: &[],
            draw: Draw::default(),
        };
        run.forward();
        run
    }
}

impl MeanLoss {
    /// The mean of this loss, logged under its name.
    pub fn new(loss: impl Loss + 'static) -> Self {
        MeanLoss {
            name: loss.name().to_string(),
            class_name: "MeanMetricWrapper",
            loss: Arc::new(loss),
            mean: RunningMean::new(),
            benches: Vec::new(),
        }
    }

    /// The name that is logged.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where the plan for batches of these shapes is.
    fn bench(&mut self, batch: &Batch) -> Result<usize> {
        let known = |bench: &Bench| {
            bench.y_true.dims() == batch.y_true_shape && bench.y_pred.dims() == batch.y_pred_shape
        };
        if let Some(place) = self.benches.iter().position(known) {
            return Ok(place);
        }
        let (Some(y_true), Some(y_pred)) = (self.aligned(batch), Shape::new(batch.y_pred_shape))
        else {
            return Err(self.misfit(batch.y_true_shape, batch.y_pred_shape));
        };
        let mut bench = Bench::new(&self.loss, y_true, y_pred)?;
        // Found again by the shapes as they come.
        bench.y_true = Shape::new(batch.y_true_shape).unwrap_or(y_true);
        if self.benches.len() == KEPT {
            self.benches.remove(0);
        }
        self.benches.push(bench);
        Ok(self.benches.len() - 1)
    }

    fn aligned(&self, batch: &Batch) -> Option<Shape> {
        losses::aligned(self.loss.targets(), batch.y_true_shape, batch.y_pred_shape)
    }

    fn misfit(&self, y_true: &[usize], y_pred: &[usize]) -> Error {
        Error::Shape {
            place: format!("metric `{}`", self.name),
            expected: "targets that fit the outputs".into(),
            found: format!("targets {y_true:?} and outputs {y_pred:?}"),
            hint: "use a metric for this kind of target".into(),
        }
    }
}

impl Metric for MeanLoss {
    mean_of_values!();

    fn class_name(&self) -> &str {
        self.class_name
    }

    fn config(&self) -> Json {
        let mut config = self.loss.config();
        if let Some(fields) = config.as_object_mut() {
            fields.remove("reduction");
            fields.insert("name".into(), json!(self.name));
            fields.insert("dtype".into(), json!("float32"));
        }
        config
    }

    fn check(&self, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
        self.loss.validate()?;
        match losses::aligned(self.loss.targets(), y_true, y_pred) {
            Some(_) => Ok(()),
            None => Err(self.misfit(y_true, y_pred)),
        }
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        let place = self.bench(batch)?;
        let Some(bench) = self.benches.get_mut(place) else {
            return Ok(());
        };
        let run = bench.run(batch);
        let (costs, mask) = (run.output(0), run.output(1));
        let value = |i: usize| costs.get(i).copied().unwrap_or(0.0);
        if mask.is_empty() {
            return self.mean.add(batch, costs.len(), value);
        }
        let weight = |i: usize| {
            let per_row = costs.len() / batch.rows().max(1);
            let given = batch.sample_weight.map_or(Some(&1.0), |weights| {
                let each = weights.len() == costs.len();
                weights.get(if each { i } else { i / per_row.max(1) })
            });
            f64::from(mask.get(i).copied().unwrap_or(1.0))
                * f64::from(given.copied().unwrap_or(1.0))
        };
        for i in 0..costs.len() {
            self.mean.push(f64::from(value(i)), weight(i));
        }
        Ok(())
    }
}

/// A metric of Keras that is the mean of a loss: its type, and how it is made.
macro_rules! mean_of {
    ($(#[$doc:meta])* $Name:ident, $loss:ty, $name:literal) => {
        mean_of! { @ (pub) $(#[$doc])* $Name, $loss, $name }
    };
    ($(#[$doc:meta])* $Name:ident, along $loss:ty, $name:literal) => {
        mean_of! { @ (pub(super)) $(#[$doc])* $Name, $loss, $name }

        impl $Name {
            /// The axis of the vectors that are compared. Default: -1.
            pub fn axis(self, axis: isize) -> Self {
                let name = Metric::name(&self).to_string();
                Self::of(<$loss>::along(axis)).name(name)
            }
        }
    };
    (@ ($of:vis) $(#[$doc:meta])* $Name:ident, $loss:ty, $name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $Name(MeanLoss);

        impl Default for $Name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $Name {
            /// With Keras's defaults.
            pub fn new() -> Self {
                Self::of(<$loss>::new())
            }

            /// The mean of this loss, with its settings.
            $of fn of(loss: $loss) -> Self {
                let mut metric = MeanLoss::new(loss).name($name);
                metric.class_name = stringify!($Name);
                Self(metric)
            }

            /// The name that is logged.
            pub fn name(self, name: impl Into<String>) -> Self {
                Self(self.0.name(name))
            }

            pub(super) fn from_config(config: &Json) -> Result<Box<dyn Metric>> {
                let loss: $loss = serde_json::from_value(config.clone()).map_err(|error| {
                    Error::Config {
                        class_name: stringify!($Name).into(),
                        message: error.to_string(),
                    }
                })?;
                let metric = Self::of(loss);
                Ok(Box::new(match config.get("name").and_then(Json::as_str) {
                    Some(name) => metric.name(name),
                    None => metric,
                }))
            }
        }

        impl Metric for $Name {
            fn name(&self) -> &str {
                Metric::name(&self.0)
            }

            fn class_name(&self) -> &str {
                self.0.class_name()
            }

            fn config(&self) -> Json {
                as_keras(self.class_name(), self.0.config())
            }

            fn check(&self, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
                self.0.check(y_true, y_pred)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                self.0.update(batch)
            }

            fn result(&self) -> f32 {
                self.0.result()
            }

            fn state(&self) -> &[f64] {
                self.0.state()
            }

            fn state_mut(&mut self) -> &mut [f64] {
                self.0.state_mut()
            }
        }
    };
}

/// The settings as Keras writes them, where they are not those of the loss.
fn as_keras(class_name: &str, mut config: Json) -> Json {
    if let Some(fields) = config.as_object_mut() {
        match class_name {
            "BinaryCrossentropy" => {
                fields.remove("axis");
            }
            "SparseCategoricalCrossentropy" => {
                fields.insert("axis".into(), json!(-1));
            }
            "CosineSimilarity" if fields.get("axis") == Some(&json!(-1)) => {
                fields.remove("axis");
            }
            _ => {}
        }
    }
    config
}

mean_of! {
    /// The mean squared error, as a metric; see [`losses::MeanSquaredError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let compile = Compile::new(Adam::new(), MeanAbsoluteError::new())
    ///     .metric(metrics::MeanSquaredError::new());
    /// ```
    MeanSquaredError, losses::MeanSquaredError, "mean_squared_error"
}

mean_of! {
    /// The mean absolute error, as a metric; see [`losses::MeanAbsoluteError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let compile = Compile::new(Adam::new(), MeanSquaredError::new())
    ///     .metric(metrics::MeanAbsoluteError::new().name("mae"));
    /// ```
    MeanAbsoluteError, losses::MeanAbsoluteError, "mean_absolute_error"
}

mean_of! {
    /// The mean absolute percentage error, as a metric; see [`losses::MeanAbsolutePercentageError`].
    MeanAbsolutePercentageError, losses::MeanAbsolutePercentageError, "mean_absolute_percentage_error"
}

mean_of! {
    /// The mean squared logarithmic error, as a metric; see [`losses::MeanSquaredLogarithmicError`].
    MeanSquaredLogarithmicError, losses::MeanSquaredLogarithmicError, "mean_squared_logarithmic_error"
}

mean_of! {
    /// The mean of ln(cosh(error)), as a metric; see [`losses::LogCosh`].
    LogCoshError, losses::LogCosh, "logcosh"
}

mean_of! {
    /// The mean Huber loss, as a metric; see [`losses::Huber`].
    Huber, losses::Huber, "huber"
}

mean_of! {
    /// The mean binary cross-entropy, as a metric; see [`losses::BinaryCrossentropy`].
    BinaryCrossentropy, losses::BinaryCrossentropy, "binary_crossentropy"
}

mean_of! {
    /// The mean categorical cross-entropy, as a metric; see [`losses::CategoricalCrossentropy`].
    CategoricalCrossentropy, losses::CategoricalCrossentropy, "categorical_crossentropy"
}

mean_of! {
    /// The mean categorical cross-entropy of class ids, as a metric; see
    /// [`losses::SparseCategoricalCrossentropy`].
    SparseCategoricalCrossentropy, losses::SparseCategoricalCrossentropy, "sparse_categorical_crossentropy"
}

mean_of! {
    /// The mean of the rows' correlations: 1 where predictions rise and fall with the targets, -1
    /// where they do the opposite, NaN where either does not change.
    ///
    /// `mean((t - mean(t)) / std(t) · (p - mean(p)) / std(p))` along an axis: `(batch, steps)`.
    ///
    /// Source: <https://keras.io/api/metrics/>, Keras's `PearsonCorrelation`.
    PearsonCorrelation, along Pearson, "pearson_correlation"
}

mean_of! {
    /// The mean of the rows' concordance correlations: 1 where predictions are the targets, less
    /// where they are shifted or scaled.
    ///
    /// As Keras 3.15 has it, where the covariance is about the mean of the predictions alone.
    ///
    /// Source: <https://keras.io/api/metrics/>, Keras's `ConcordanceCorrelation`.
    ConcordanceCorrelation, along Concordance, "concordance_correlation"
}

mean_of! {
    /// The mean cosine of the angle between targets and predictions: 1 for the same direction.
    ///
    /// `sum(t / ‖t‖ · p / ‖p‖)` along an axis. Its sign is the opposite of
    /// [`losses::CosineSimilarity`]'s, as in Keras, which writes no `axis`.
    ///
    /// Source: <https://keras.io/api/metrics/regression_metrics/#cosinesimilarity-class>
    CosineSimilarity, along Cosine, "cosine_similarity"
}

mean_of! {
    /// The mean hinge cost, as a metric; see [`losses::Hinge`].
    Hinge, losses::Hinge, "hinge"
}

mean_of! {
    /// The mean squared hinge cost, as a metric; see [`losses::SquaredHinge`].
    SquaredHinge, losses::SquaredHinge, "squared_hinge"
}

mean_of! {
    /// The mean categorical hinge cost, as a metric; see [`losses::CategoricalHinge`].
    CategoricalHinge, losses::CategoricalHinge, "categorical_hinge"
}

mean_of! {
    /// The mean Kullback-Leibler divergence, as a metric; see [`losses::KLDivergence`].
    KLDivergence, losses::KLDivergence, "kl_divergence"
}

mean_of! {
    /// The mean Poisson cost, as a metric; see [`losses::Poisson`].
    Poisson, losses::Poisson, "poisson"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_classes_do_not_count() {
        let loss = losses::SparseCategoricalCrossentropy::new().ignore_class(1);
        let mut metric = SparseCategoricalCrossentropy::of(loss);
        let batch = Batch {
            y_true: &[0.0, 1.0],
            y_true_shape: &[2],
            y_pred: &[0.5, 0.5, 0.1, 0.9],
            y_pred_shape: &[2, 2],
            sample_weight: None,
        };
        metric.update(&batch).expect("fits");
        assert!((metric.result() - 2f32.ln()).abs() < 1e-6);
    }
}
