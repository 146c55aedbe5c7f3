//! For tests of layers, losses and activations of one's own: run one alone, and check its
//! gradients against finite differences.

use crate::backend::cpu::{Run, assign};
use crate::error::{Error, Result};
use crate::graph::plan::{Goal, Plan};
use crate::graph::variables::Variables;
use crate::graph::{Scope, Shape, Value};
use crate::kernels::aligned::Aligned;
use crate::layers::Layer;
use crate::ops::{Draw, Port};

/// A function of arrays, written in ops, that can be run and differentiated by itself.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::testing::Probe;
///
/// let mut probe = Probe::layer(&Dense::new(3).activation(Tanh), &[2, 4], false)?;
/// probe.randomize(7);
/// assert!(probe.check_gradients(7)? < 1e-2);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug)]
pub struct Probe {
    plan: Plan,
    variables: Variables,
    parameters: Aligned,
    gradients: Aligned,
    workspace: Aligned,
    inputs: Vec<Vec<f32>>,
    draw: Draw,
}

/// The gradients of a [`Probe`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Gradients {
    /// Those of the inputs, in order.
    pub inputs: Vec<Vec<f32>>,
    /// Those of the trainable weights, in order.
    pub weights: Vec<Vec<f32>>,
}

impl Probe {
    /// A function of inputs of these shapes. Its weights are drawn from seed 0, its inputs are 0.
    ///
    /// # Errors
    ///
    /// What is wrong with the shapes or the settings.
    pub fn new(
        shapes: &[&[usize]],
        training: bool,
        function: impl Fn(&mut Scope, &[Value]) -> Value,
    ) -> Result<Probe> {
        Probe::with_fusion(shapes, training, true, function)
    }

    pub(crate) fn with_fusion(
        shapes: &[&[usize]],
        training: bool,
        fused: bool,
        function: impl Fn(&mut Scope, &[Value]) -> Value,
    ) -> Result<Probe> {
        let mut scope = Scope::new(None, training);
        let mut values = Vec::new();
        for (number, lengths) in shapes.iter().enumerate() {
            let shape = Shape::new(lengths).ok_or_else(|| {
                Error::argument("Probe", "shapes", "small enough", format!("{lengths:?}"))
            })?;
            values.push(scope.input(Port::Features(number), shape));
        }
        let output = function(&mut scope, &values);
        let goal = Goal {
            outputs: vec![output.id()],
            loss: Some(output.id()),
            input_gradients: true,
            unfused: !fused,
            updates: scope.updates().to_vec(),
        };
        drop((values, output));
        let traced = scope.finish()?;
        let parameters = traced.variables.initial(0)?;
        let plan = Plan::new(traced.graph, &traced.variables, &goal);
        Ok(Probe {
            workspace: Aligned::zeros(plan.workspace),
            gradients: Aligned::zeros(traced.variables.trainable),
            inputs: plan
                .ports
                .iter()
                .map(|port| vec![0.0; port.range.len()])
                .collect(),
            variables: traced.variables,
            parameters,
            plan,
            draw: Draw::default(),
        })
    }

    /// A layer, for inputs of this shape, the batch included.
    ///
    /// # Errors
    ///
    /// What is wrong with the shape or the settings.
    pub fn layer(layer: &dyn Layer, shape: &[usize], training: bool) -> Result<Probe> {
        Probe::new(&[shape], training, |scope, x| match x.first() {
            Some(x) => scope.layer(layer, x),
            None => scope.fail("no input".into()),
        })
    }

    /// A layer of several inputs, of these shapes.
    ///
    /// # Errors
    ///
    /// What is wrong with the shapes or the settings.
    pub fn layer_of(layer: &dyn Layer, shapes: &[&[usize]], training: bool) -> Result<Probe> {
        Probe::new(shapes, training, |scope, inputs| {
            let outputs = scope.layers(layer, inputs);
            match outputs.into_iter().next() {
                Some(output) => output,
                None => scope.fail("no output".into()),
            }
        })
    }

    /// The paths and shapes of the weights, in order.
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let specs = self.variables.specs.iter();
        specs
            .map(|spec| (spec.path.clone(), spec.shape.dims().to_vec()))
            .collect()
    }

    /// The variables that training does not change, in order, as a step of training has left
    /// them: moving averages, for example. Ask after [`forward`](Probe::forward).
    pub fn state(&self) -> Vec<Vec<f32>> {
        let mut parameters = self.parameters.clone();
        assign(&self.plan, &self.workspace, &mut parameters);
        let specs = self.variables.specs.iter().filter(|spec| !spec.trainable);
        specs
            .map(|spec| parameters.get(spec.range.clone()).unwrap_or(&[]).to_vec())
            .collect()
    }

    /// The shape of the output.
    pub fn output_shape(&self) -> Vec<usize> {
        let output = self.plan.outputs.first();
        output.map_or(Vec::new(), |(_, shape)| shape.dims().to_vec())
    }

    /// Sets the weights, in order; numbers that are too many are left out.
    pub fn set_weights(&mut self, weights: &[Vec<f32>]) {
        for (spec, weight) in self.variables.specs.iter().zip(weights) {
            if let Some(to) = self.parameters.get_mut(spec.range.clone()) {
                to.iter_mut().zip(weight).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Sets the inputs, in order; numbers that are too many are left out.
    pub fn set_inputs(&mut self, inputs: &[Vec<f32>]) {
        for (own, given) in self.inputs.iter_mut().zip(inputs) {
            own.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
        }
    }

    /// Draws inputs and weights between -2 and 2.
    pub fn randomize(&mut self, seed: u64) {
        let mut next = numbers(seed);
        let inputs = self.inputs.iter_mut().flatten();
        inputs
            .chain(self.parameters.iter_mut())
            .for_each(|number| *number = next());
    }

    /// The step of training whose random numbers are drawn: 0 before it is called.
    #[cfg(test)]
    pub(crate) fn at_step(&mut self, step: u64) {
        self.draw.step = step;
    }

    /// The output.
    pub fn forward(&mut self) -> Vec<f32> {
        self.load();
        self.run_forward();
        self.run().output(0).to_vec()
    }

    /// The gradients of `sum(dy * output)`.
    pub fn backward(&mut self, dy: &[f32]) -> Gradients {
        self.load();
        self.run_forward();
        self.load_gradient(dy);
        self.run_backward();
        let part = |numbers: &[f32], range: std::ops::Range<usize>| {
            numbers.get(range).unwrap_or(&[]).to_vec()
        };
        let ports = self.plan.ports.iter();
        let specs = self.variables.specs.iter().filter(|spec| spec.trainable);
        Gradients {
            inputs: ports
                .map(|port| match &port.gradient {
                    Some(range) => part(&self.workspace, range.clone()),
                    None => vec![0.0; port.range.len()],
                })
                .collect(),
            weights: specs
                .map(|spec| part(&self.gradients, spec.range.clone()))
                .collect(),
        }
    }

    fn run(&mut self) -> Run<'_> {
        Run {
            plan: &self.plan,
            workspace: &mut self.workspace,
            parameters: &self.parameters,
            draw: self.draw,
        }
    }

    /// For benchmarks, which time none of the copies: writes the inputs to where ops read them.
    #[doc(hidden)]
    pub fn load(&mut self) {
        for (port, input) in self.plan.ports.iter().zip(&self.inputs) {
            if let Some(to) = self.workspace.get_mut(port.range.clone()) {
                to.copy_from_slice(input);
            }
        }
    }

    /// The forward pass, after [`load`](Probe::load).
    #[doc(hidden)]
    pub fn run_forward(&mut self) {
        self.run().forward();
    }

    /// Writes the gradient of the output, after [`run_forward`](Probe::run_forward).
    #[doc(hidden)]
    pub fn load_gradient(&mut self, dy: &[f32]) {
        if let Some(seed) = self.workspace.get_mut(self.plan.seed.clone()) {
            seed.iter_mut().zip(dy).for_each(|(to, from)| *to = *from);
        }
    }

    /// The backward pass, after [`load_gradient`](Probe::load_gradient).
    #[doc(hidden)]
    pub fn run_backward(&mut self) {
        let mut run = Run {
            plan: &self.plan,
            workspace: &mut self.workspace,
            parameters: &self.parameters,
            draw: self.draw,
        };
        run.pull(&mut self.gradients);
    }

    /// The largest difference between the gradients and central finite differences, relative to
    /// `1 + |gradient|`, for a random weighting of the outputs.
    ///
    /// Sound code stays below 0.01, unless an input lies at a kink.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the output is not finite.
    pub fn check_gradients(&mut self, seed: u64) -> Result<f32> {
        let mut next = numbers(seed ^ 0x5eed);
        let y = self.forward();
        let dy: Vec<f32> = y.iter().map(|_| next()).collect();
        if !y.iter().all(|y| y.is_finite()) {
            return Err(Error::Shape {
                place: "`check_gradients`".into(),
                expected: "finite outputs".into(),
                found: format!("{y:?}"),
                hint: "give inputs for which they are".into(),
            });
        }
        let gradients = self.backward(&dy);
        let mut worst = 0f32;
        for (input, analytic) in gradients.inputs.iter().enumerate() {
            for (place, gradient) in analytic.iter().enumerate() {
                let numeric = self.difference(&dy, |probe| {
                    probe
                        .inputs
                        .get_mut(input)
                        .and_then(|input| input.get_mut(place))
                });
                worst = worst.max(apart(*gradient, numeric));
            }
        }
        let specs: Vec<_> = self
            .variables
            .specs
            .iter()
            .filter(|spec| spec.trainable)
            .cloned()
            .collect();
        for (spec, analytic) in specs.iter().zip(&gradients.weights) {
            for (place, gradient) in spec.range.clone().zip(analytic) {
                let numeric = self.difference(&dy, |probe| probe.parameters.get_mut(place));
                worst = worst.max(apart(*gradient, numeric));
            }
        }
        Ok(worst)
    }

    /// The slope of `sum(dy * output)` in one number, by central differences of fourth order.
    fn difference(&mut self, dy: &[f32], number: impl Fn(&mut Probe) -> Option<&mut f32>) -> f64 {
        let Some(original) = number(self).map(|n| *n) else {
            return 0.0;
        };
        let mut at = |offset: f32| {
            if let Some(number) = number(self) {
                *number = original + offset;
            }
            let y = self.forward();
            let terms = y.iter().zip(dy).map(|(y, d)| f64::from(*y) * f64::from(*d));
            terms.sum::<f64>()
        };
        const STEP: f32 = 1.0 / 64.0;
        let near = at(STEP) - at(-STEP);
        let far = at(2.0 * STEP) - at(-2.0 * STEP);
        at(0.0);
        (8.0 * near - far) / (12.0 * f64::from(STEP))
    }
}

/// How far apart two slopes are.
fn apart(analytic: f32, numeric: f64) -> f32 {
    let difference = (f64::from(analytic) - numeric).abs();
    (difference / (1.0 + f64::from(analytic).abs())) as f32
}

/// Numbers between -2 and 2 from a small generator (splitmix64).
fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 22) as f32 - 2.0
    }
}
