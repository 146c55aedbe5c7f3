//! [`Model::sample_losses`]: what each row costs.

use ndarray::Array1;

use super::walk;
use crate::error::Result;
use crate::graph::Scope;
use crate::graph::plan::{Goal, Plan};
use crate::model::arrays::AsArrays;
use crate::model::examples::{Examples, Pick};
use crate::model::functional::Model;

impl Model {
    /// The loss of each row, to find those that the model gets most wrong, or that are mislabelled.
    ///
    /// Of sequences it is the mean over the steps that count; of a model with several outputs, the
    /// sum of their losses by their weights. Penalties of regularizers are not in it.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate); a loss that is one number for a whole batch, such as `Dice`
    /// without an axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// let (x, y) = (array![[1.0, 2.0], [3.0, 4.0]], array![1.0, 100.0]);
    /// let losses = model.sample_losses(&x, &y)?;
    /// assert!((losses.mean().unwrap() - model.evaluate(&x, &y)?["loss"]).abs() < 1e-3);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn sample_losses(&self, x: impl AsArrays, y: impl AsArrays) -> Result<Array1<f32>> {
        let (network, built, compiled) = self.parts("sample_losses")?;
        let heads = compiled.heads.as_slice();
        let data = (x.as_arrays(), y.as_arrays());
        let examples = Examples::new(data, (network, built, heads), true)?;
        let make = |batch| {
            let scope = Scope::new(Some(&built.variables), false);
            let mut sketch = built.sketch(network, scope, batch)?;
            let costs = built.sample_losses(&mut sketch, heads, (batch, examples.labels));
            let goal = Goal {
                outputs: vec![costs.id()],
                ..Goal::default()
            };
            drop(costs);
            let traced = sketch.finish()?;
            Ok(Plan::new(traced.graph, &built.variables, &goal))
        };
        let fill = |plan: &Plan, workspace: &mut [f32], range| {
            examples.fill(&Pick::Range(range), plan, workspace);
        };
        let mut losses = Vec::with_capacity(examples.len());
        walk(examples.len(), built, make, fill, |run, _| {
            run.forward();
            losses.extend_from_slice(run.output(0));
        })?;
        Ok(Array1::from_vec(losses))
    }
}
