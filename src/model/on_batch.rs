//! One step at a time, for training loops of one's own.

use std::sync::Arc;

use super::arrays::AsArrays;
use super::diagnose::{Suspect, diagnose};
use super::evaluate::Tally;
use super::examples::{Examples, Pick};
use super::fit::{diverged, train, trainable};
use super::functional::Model;
use super::plans::{Key, Mode};
use super::scores::Scores;
use crate::error::Result;
use crate::graph::plan::Plan;
use crate::model::Evaluate;

impl Model {
    /// One step of training on a batch; gives the loss and metrics before the update.
    ///
    /// # Errors
    ///
    /// A model that is not compiled, data that do not fit it or its loss, or a loss that is not
    /// finite ([`Error::Diverged`](crate::Error::Diverged)); then there is no update.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(SGD::new().learning_rate(0.1), MeanSquaredError::new()))?;
    /// let (x, y) = (array![[1.0], [2.0]], array![3.0, 5.0]);
    /// let first = model.train_on_batch(&x, &y)?["loss"];
    /// for _ in 0..20 {
    ///     model.train_on_batch(&x, &y)?;
    /// }
    /// assert!(model.test_on_batch(&x, &y)?["loss"] < first);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn train_on_batch(&mut self, x: impl AsArrays, y: impl AsArrays) -> Result<Scores> {
        let seed = self.current_seed();
        let (network, built, compiled) = self.parts_mut("train_on_batch")?;
        let data = (x.as_arrays(), y.as_arrays());
        let examples = Examples::new(data, (network, built, &compiled.heads), false)?;
        let key = Key {
            mode: Mode::Train { weighted: false },
            batch: examples.len(),
            labels: examples.labels,
        };
        let prepared = built.plan(network, &compiled.heads, key)?;
        let mut workspace = prepared.workspace();
        let specs = Arc::clone(&built.variables);
        let variables = trainable(&specs);
        let mut watched = compiled.metrics.clone();
        let mut tally = Tally::new(compiled.heads.len());
        let pick = Pick::Range(0..examples.len());
        let loss = train(
            (&prepared.plan, &mut workspace),
            &|workspace| examples.fill(&pick, &prepared.plan, workspace),
            (built, compiled),
            (seed, &variables),
            (&mut watched, &mut tally),
            false,
        )?;
        prepared.give_back(workspace);
        if !loss.is_finite() {
            let fill = |plan: &Plan, workspace: &mut [f32]| examples.fill(&pick, plan, workspace);
            let suspect = Suspect {
                rows: examples.len(),
                labels: examples.labels,
                fill: &fill,
                numbers: None,
            };
            let cause = diagnose((network, built, compiled), seed, &suspect);
            return Err(diverged(0, 0, loss, cause));
        }
        let metrics = watched.iter().map(|watched| watched.metric.result());
        let values = std::iter::once(tally.mean())
            .chain(tally.parts())
            .chain(metrics)
            .collect();
        Ok(Scores::new(compiled.names(), values))
    }

    /// The loss and metrics on a batch in one pass.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    ///
    /// # Examples
    ///
    /// See [`train_on_batch`](Self::train_on_batch).
    pub fn test_on_batch(&self, x: impl AsArrays, y: impl AsArrays) -> Result<Scores> {
        let rows = x.as_arrays().rows().max(1);
        self.evaluate_with(x, y, Evaluate::new().batch_size(rows))
    }
}
