//! [`Model::activations`]: what a layer inside a model gives.

use ndarray::{ArrayD, IxDyn};

use super::walk;
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::{Scope, Shape, Value};
use crate::model::arrays::AsArrays;
use crate::model::examples::check_inputs;
use crate::model::functional::Model;
use crate::model::predict::gather;

impl Model {
    /// What a layer gives for inputs `x`, in prediction: `(rows, ...)`.
    ///
    /// A layer inside another is named by its path, such as `encoder/dense_1`; of a layer that is
    /// applied several times or gives several outputs, it is the first.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] with the nearest paths; a model that is not built, inputs that do not fit
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new()
    ///     .add(Dense::new(4).input_dim(2).activation(Relu).name("hidden"))
    ///     .add(Dense::new(1));
    /// model.build()?;
    /// let hidden = model.activations(&array![[1.0, 2.0], [3.0, 4.0]], "hidden")?;
    /// assert_eq!(hidden.shape(), [2, 4]);
    /// assert!(hidden.iter().all(|value| *value >= 0.0));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn activations(&self, x: impl AsArrays, layer: &str) -> Result<ArrayD<f32>> {
        let (network, built) = self.built_parts("activations")?;
        let given = x.as_arrays();
        let x = given.ordered("x", &network.input_names())?;
        check_inputs(&x, (network, built), true)?;
        let make = |batch| {
            let scope = Scope::new(Some(&built.variables), false);
            let sketch = built.sketch(network, scope, batch)?;
            let mut outputs: Vec<_> = sketch.outputs.iter().map(Value::id).collect();
            let traced = sketch.finish()?;
            let found = traced.layers.iter().find(|(path, _)| path == layer);
            let Some(output) = found.and_then(|(_, outputs)| outputs.first()) else {
                let known = traced.layers.iter().map(|(path, _)| path.as_str());
                return Err(Error::unknown("layer", layer, known));
            };
            outputs.insert(0, *output);
            let goal = Goal {
                outputs,
                ..Goal::default()
            };
            Ok(Plan::new(traced.graph, &built.variables, &goal))
        };
        let rows = x.first().map_or(0, Rows::len);
        let (mut values, mut shape) = (Vec::new(), vec![rows]);
        let fill = |plan: &Plan, workspace: &mut [f32], range| {
            gather(&x, plan, workspace, range);
        };
        walk(rows, built, make, fill, |run, range| {
            run.forward();
            values.extend_from_slice(run.output(0));
            let own = run.plan.outputs.first().map(|(_, shape)| *shape);
            let own = own.unwrap_or(Shape::SCALAR);
            // What a layer gives has the batch in front, unless it is one inside another.
            let rest = match own.dims().split_first() {
                Some((first, rest)) if *first == range.len() => rest,
                _ => own.dims(),
            };
            shape.truncate(1);
            shape.extend_from_slice(rest);
        })?;
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|_| Error::Layer {
            layer: layer.into(),
            message: "does not give a row for each row of the inputs".into(),
        })
    }
}
