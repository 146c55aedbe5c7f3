//! [`Model::predict_mc`]: how sure a model with dropout is.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::walk;
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::{Scope, Value};
use crate::model::arrays::AsArrays;
use crate::model::examples::check_inputs;
use crate::model::functional::Model;
use crate::model::predict::gather;
use crate::ops::Draw;

/// Several predictions for the same inputs, as [`Model::predict_mc`] draws them.
///
/// # Examples
///
/// See [`Model::predict_mc`].
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    values: ArrayD<f32>,
}

impl Draws {
    /// All predictions: `(draws, rows, ...)`.
    pub fn values(&self) -> ArrayViewD<'_, f32> {
        self.values.view()
    }

    /// The mean of the draws: `(rows, ...)`.
    pub fn mean(&self) -> ArrayD<f32> {
        self.over_draws(mean)
    }

    /// The standard deviation of the draws, `sqrt(Σ (p - mean)² / draws)`: `(rows, ...)`.
    pub fn std(&self) -> ArrayD<f32> {
        self.over_draws(|draws| {
            let mean = mean(draws);
            let squares = draws.iter().map(|value| (value - mean) * (value - mean));
            (squares.sum::<f64>() / draws.len() as f64).sqrt()
        })
    }

    fn over_draws(&self, number: impl Fn(&[f64]) -> f64) -> ArrayD<f32> {
        self.values.map_axis(Axis(0), |draws| {
            let draws: Vec<f64> = draws.iter().map(|value| f64::from(*value)).collect();
            number(&draws) as f32
        })
    }
}

fn mean(draws: &[f64]) -> f64 {
    draws.iter().sum::<f64>() / draws.len() as f64
}

impl Model {
    /// Predictions with dropout and noise, drawn several times: their spread says how sure the model
    /// is (Gal and Ghahramani 2016, <https://arxiv.org/abs/1506.02142>). All else is as in
    /// [`predict`](Self::predict): batch normalization uses its moving averages.
    ///
    /// The draws follow from the model's seed and their number: the same call gives the same bits.
    ///
    /// # Errors
    ///
    /// No draws, a model without anything random, a model of several outputs; as
    /// [`predict`](Self::predict).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new()
    ///     .add(Dense::new(16).input_dim(2).activation(Relu))
    ///     .add(Dropout::new(0.5))
    ///     .add(Dense::new(1));
    /// model.build()?;
    /// let draws = model.predict_mc(&array![[1.0, 2.0], [3.0, 4.0]], 50)?;
    /// assert_eq!(draws.mean().shape(), [2, 1]);
    /// assert!(draws.std()[[0, 0]] > 0.0);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_mc(&self, x: impl AsArrays, draws: usize) -> Result<Draws> {
        let (network, built) = self.built_parts("predict_mc")?;
        if draws == 0 {
            return Err(Error::argument("predict_mc", "draws", "at least 1", 0));
        }
        if built.outputs.len() != 1 {
            let expected = "one of one output";
            let found = built.outputs.len();
            return Err(Error::argument("predict_mc", "model", expected, found));
        }
        let given = x.as_arrays();
        let x = given.ordered("x", &network.input_names())?;
        check_inputs(&x, (network, built), true)?;
        let make = |batch| {
            let scope = Scope::new(Some(&built.variables), false).with_noise();
            let sketch = built.sketch(network, scope, batch)?;
            if sketch.scope.draws() == 0 {
                let expected = "one with a layer that draws at random, such as `Dropout`";
                return Err(Error::argument("predict_mc", "model", expected, "none"));
            }
            let goal = Goal {
                outputs: sketch.outputs.iter().map(Value::id).collect(),
                ..Goal::default()
            };
            let traced = sketch.finish()?;
            Ok(Plan::new(traced.graph, &built.variables, &goal))
        };
        let rows = x.first().map_or(0, Rows::len);
        let own = built.output(0, rows);
        let size = own.size() / rows.max(1);
        let mut values = vec![0.0; draws * own.size()];
        let fill = |plan: &Plan, workspace: &mut [f32], range| {
            gather(&x, plan, workspace, range);
        };
        walk(rows, built, make, fill, |run, range| {
            for (number, all) in values.chunks_mut(own.size().max(1)).enumerate() {
                if number > 0 {
                    // The run before may have written over what it had read.
                    fill(run.plan, run.workspace, range.clone());
                }
                run.draw = Draw {
                    seed: self.seed,
                    step: (number * rows + range.start) as u64,
                };
                run.forward();
                if let Some(to) = all.get_mut(range.start * size..range.end * size) {
                    to.copy_from_slice(run.output(0));
                }
            }
        })?;
        let shape: Vec<usize> = [draws].iter().chain(own.dims()).copied().collect();
        let values = ArrayD::from_shape_vec(IxDyn(&shape), values);
        let values = values.map_err(|error| Error::argument("predict_mc", "x", "rows", error))?;
        Ok(Draws { values })
    }
}
