//! [`Model::input_gradient`] and [`Model::loss_gradient`]: how outputs and losses depend on inputs.

use ndarray::{ArrayD, IxDyn};

use super::walk;
use crate::backend::cpu::Run;
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::variables::Variables;
use crate::graph::{Scope, Value};
use crate::model::arrays::AsArrays;
use crate::model::built::{Built, Sketch};
use crate::model::compile::OutputKey;
use crate::model::examples::{Examples, Pick, check_inputs};
use crate::model::functional::Model;
use crate::model::predict::gather;
use crate::ops::Port;

/// One number of a model's outputs: the output, and the place in its flattened row.
///
/// # Examples
///
/// ```
/// use horn::model::Unit;
///
/// assert_eq!(Unit::from(3), Unit::from((0, 3)));
/// assert_ne!(Unit::from(("age", 0)), Unit::from(0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    output: OutputKey,
    unit: usize,
}

impl From<usize> for Unit {
    /// A place in the first output.
    fn from(unit: usize) -> Self {
        Unit::from((0, unit))
    }
}

impl<K: Into<OutputKey>> From<(K, usize)> for Unit {
    fn from((output, unit): (K, usize)) -> Self {
        Unit {
            output: output.into(),
            unit,
        }
    }
}

impl Model {
    /// How much one output changes with each input, row by row, in prediction: `(rows, ...)` like
    /// `x`. `unit` is the class or the column of the output, or `(output, unit)`.
    ///
    /// Its size is the saliency of an input (Simonyan 2013, <https://arxiv.org/abs/1312.6034>). Inputs
    /// that are ids have gradients of 0.
    ///
    /// # Errors
    ///
    /// A unit that is not there, a model of several inputs
    /// ([`input_gradients`](Self::input_gradients)); a model that is not built, inputs that do not
    /// fit it.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// // For a linear model it is the kernel.
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
    /// model.build()?;
    /// let kernel = model.get_weights()[0].clone();
    /// let gradient = model.input_gradient(&array![[1.0, 2.0], [3.0, 4.0]], 2)?;
    /// assert_eq!(gradient[[0, 1]], kernel[[1, 2]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn input_gradient(&self, x: impl AsArrays, unit: impl Into<Unit>) -> Result<ArrayD<f32>> {
        only("input_gradient", self.input_gradients(x, unit)?)
    }

    /// [`input_gradient`](Self::input_gradient) of a model that has several inputs, one array for each.
    ///
    /// # Errors
    ///
    /// As [`input_gradient`](Self::input_gradient).
    pub fn input_gradients(
        &self,
        x: impl AsArrays,
        unit: impl Into<Unit>,
    ) -> Result<Vec<ArrayD<f32>>> {
        let (network, built) = self.built_parts("input_gradient")?;
        let Unit { output, unit } = unit.into();
        let output = output.find("input_gradient", &network.output_names())?;
        let units = built.output(output, 1).size();
        if unit >= units {
            let expected = format!("below {units}, the units of the output");
            return Err(Error::argument("input_gradient", "unit", expected, unit));
        }
        let given = x.as_arrays();
        let x = given.ordered("x", &network.input_names())?;
        check_inputs(&x, (network, built), true)?;
        let make = |batch: usize| {
            let scope = Scope::new(Some(&built.variables), false);
            let sketch = built.sketch(network, scope, batch)?;
            let Some(own) = sketch.outputs.get(output) else {
                return Err(Error::NotBuilt {
                    method: "input_gradient",
                });
            };
            let total = own.reshape([batch, units]);
            let total = total.slice(1, unit..unit + 1).sum(..);
            plan(sketch, total, built)
        };
        let fill = |plan: &Plan, workspace: &mut [f32], range| {
            gather(&x, plan, workspace, range);
        };
        gradients(&x, built, make, fill)
    }

    /// How much the loss of each row changes with each of its inputs, in prediction: `(rows, ...)`
    /// like `x`. A small step along its sign makes an adversarial example (Goodfellow 2014,
    /// <https://arxiv.org/abs/1412.6572>).
    ///
    /// # Errors
    ///
    /// As [`sample_losses`](Self::sample_losses), and a model of several inputs.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// let (x, y) = (array![[1.0_f32, 2.0]], array![5.0]);
    /// let step = model.loss_gradient(&x, &y)?.mapv(|g| 0.01 * g.signum());
    /// let worse = &x + &step.into_dimensionality::<ndarray::Ix2>().unwrap();
    /// assert!(model.evaluate(&worse, &y)?["loss"] > model.evaluate(&x, &y)?["loss"]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn loss_gradient(&self, x: impl AsArrays, y: impl AsArrays) -> Result<ArrayD<f32>> {
        let (network, built, compiled) = self.parts("loss_gradient")?;
        let heads = compiled.heads.as_slice();
        let data = (x.as_arrays(), y.as_arrays());
        let examples = Examples::new(data, (network, built, heads), true)?;
        let make = |batch| {
            let scope = Scope::new(Some(&built.variables), false);
            let mut sketch = built.sketch(network, scope, batch)?;
            let costs = built.sample_losses(&mut sketch, heads, (batch, examples.labels));
            plan(sketch, costs.sum(..), built)
        };
        let fill = |plan: &Plan, workspace: &mut [f32], range| {
            examples.fill(&Pick::Range(range), plan, workspace);
        };
        only("loss_gradient", gradients(&examples.x, built, make, fill)?)
    }
}

/// A plan for the gradients of `total` with respect to the inputs, and nothing else.
fn plan(sketch: Sketch, total: Value, built: &Built) -> Result<Plan> {
    let goal = Goal {
        outputs: vec![total.id()],
        loss: Some(total.id()),
        input_gradients: true,
        ..Goal::default()
    };
    drop(total);
    let traced = sketch.finish()?;
    Ok(Plan::new(traced.graph, &frozen(&built.variables), &goal))
}

/// The same variables, none of which a gradient is wanted of.
fn frozen(variables: &Variables) -> Variables {
    let mut frozen = variables.clone();
    frozen
        .specs
        .iter_mut()
        .for_each(|spec| spec.trainable = false);
    frozen
}

fn gradients(
    x: &[Rows],
    built: &Built,
    make: impl Fn(usize) -> Result<Plan>,
    fill: impl Fn(&Plan, &mut [f32], std::ops::Range<usize>),
) -> Result<Vec<ArrayD<f32>>> {
    let rows = x.first().map_or(0, Rows::len);
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); x.len()];
    walk(rows, built, make, fill, |run, range| {
        run.forward();
        run.backward(&mut []);
        for (number, (values, x)) in values.iter_mut().zip(x).enumerate() {
            let length = range.len() * x.row_size();
            match gradient(run, number) {
                Some(gradient) => values.extend_from_slice(gradient),
                None => values.resize(values.len() + length, 0.0),
            }
        }
    })?;
    let shaped = values.into_iter().zip(x).map(|(values, x)| {
        ArrayD::from_shape_vec(IxDyn(x.shape()), values).map_err(|error| Error::Shape {
            place: "`input_gradient`".into(),
            expected: crate::shape::tuple(&[rows.to_string()]),
            found: error.to_string(),
            hint: "report this".into(),
        })
    });
    shaped.collect()
}

/// The gradient that a run has left of an input; none where the outputs do not depend on it, or it
/// is made of ids.
fn gradient<'r>(run: &'r Run, number: usize) -> Option<&'r [f32]> {
    let ports = &run.plan.ports;
    let place = ports
        .iter()
        .find(|place| place.port == Port::Features(number))?;
    run.workspace.get(place.gradient.clone()?)
}

fn only(method: &'static str, mut gradients: Vec<ArrayD<f32>>) -> Result<ArrayD<f32>> {
    match (gradients.pop(), gradients.is_empty()) {
        (Some(gradient), true) => Ok(gradient),
        _ => Err(Error::argument(
            method,
            "model",
            "one of one input: call `input_gradients`",
            "several",
        )),
    }
}
