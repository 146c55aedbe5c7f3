//! Runs a plan on the CPU: forward, then backward, allocating nothing.

use std::ops::Range;

use crate::graph::plan::{Destination, Plan, Pull, Step, Target};
use crate::kernels::elementwise::add_assign;
use crate::ops::{Backward, Draw, Forward, Memory, Operation, Place, Rest, carve};

/// The numbers that a run works on.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) workspace: &'a mut [f32],
    pub(crate) parameters: &'a [f32],
    pub(crate) draw: Draw,
}

impl Run<'_> {
    /// Computes every value of the plan from what its ports hold.
    pub(crate) fn forward(&mut self) {
        for step in &self.plan.steps {
            let Some(op) = step.op.operation() else {
                continue;
            };
            let (output, scratch, rest) =
                carve(self.workspace, step.output.clone(), step.scratch.clone());
            let memory = Memory {
                rest,
                parameters: self.parameters,
                constants: &self.plan.constants,
            };
            op.forward(&forward(step, memory, self.draw), output, scratch);
        }
    }

    /// Computes the gradient of the loss with respect to every trainable variable.
    pub(crate) fn backward(&mut self, gradients: &mut [f32]) {
        if let Some(seed) = self.workspace.get_mut(self.plan.seed.clone()) {
            seed.fill(1.0);
        }
        self.pull(gradients);
    }

    /// The same, from a gradient that has been written where the loss's begins.
    pub(crate) fn pull(&mut self, gradients: &mut [f32]) {
        for range in &self.plan.unread {
            if let Some(unread) = gradients.get_mut(range.clone()) {
                unread.fill(0.0);
            }
        }
        for pull in &self.plan.pulls {
            let Some(step) = self.plan.steps.get(pull.step) else {
                continue;
            };
            let Some(op) = step.op.operation() else {
                continue;
            };
            if pull.prepare {
                self.prepare(op, step, pull);
            }
            for target in &pull.targets {
                self.target(op, step, pull, target, gradients);
            }
        }
    }

    fn prepare(&mut self, op: &dyn Operation, step: &Step, pull: &Pull) {
        let (gradient, _, rest) = carve(self.workspace, pull.gradient.clone(), 0..0);
        op.prepare(rest.get(step.output.start, step.output.len()), gradient);
    }

    fn target(
        &mut self,
        op: &dyn Operation,
        step: &Step,
        pull: &Pull,
        target: &Target,
        gradients: &mut [f32],
    ) {
        let (to, through) = (&target.to, &target.through);
        match (to, through) {
            (Destination::Workspace(range), None) => {
                self.compute(op, step, pull, target.input, range.clone());
            }
            (Destination::Arena(range), None) => {
                let (_, scratch, rest) = carve(self.workspace, 0..0, pull.scratch.clone());
                let memory = Memory {
                    rest,
                    parameters: self.parameters,
                    constants: &self.plan.constants,
                };
                let run = backward(step, pull, memory, self.draw);
                if let Some(gradient) = gradients.get_mut(range.clone()) {
                    op.backward(target.input, &run, gradient, scratch);
                }
            }
            (_, Some(aside)) => {
                self.compute(op, step, pull, target.input, aside.clone());
                match to {
                    Destination::Workspace(range) => {
                        let (sum, _, rest) = carve(self.workspace, range.clone(), 0..0);
                        add_assign(sum, rest.get(aside.start, aside.len()));
                    }
                    Destination::Arena(range) => {
                        let part = self.workspace.get(aside.clone());
                        if let (Some(sum), Some(part)) = (gradients.get_mut(range.clone()), part) {
                            add_assign(sum, part);
                        }
                    }
                }
            }
        }
    }

    /// Computes the gradient of an input into the workspace.
    fn compute(
        &mut self,
        op: &dyn Operation,
        step: &Step,
        pull: &Pull,
        input: usize,
        to: Range<usize>,
    ) {
        let (gradient, scratch, rest) = carve(self.workspace, to, pull.scratch.clone());
        let memory = Memory {
            rest,
            parameters: self.parameters,
            constants: &self.plan.constants,
        };
        let run = backward(step, pull, memory, self.draw);
        op.backward(input, &run, gradient, scratch);
    }

    /// The values of an output.
    pub(crate) fn output(&self, output: usize) -> &[f32] {
        let place = self.plan.outputs.get(output).map(|(place, _)| *place);
        place.map_or(&[], |place| self.read(place))
    }

    fn read(&self, place: Place) -> &[f32] {
        let memory = Memory {
            rest: Rest::whole(self.workspace),
            parameters: self.parameters,
            constants: &self.plan.constants,
        };
        memory.get(place)
    }
}

#[inline]
fn forward<'a>(step: &'a Step, memory: Memory<'a>, draw: Draw) -> Forward<'a> {
    Forward {
        memory,
        places: &step.inputs,
        shapes: &step.shapes,
        shape: step.shape,
        draw,
    }
}

#[inline]
fn backward<'a>(step: &'a Step, pull: &Pull, memory: Memory<'a>, draw: Draw) -> Backward<'a> {
    let place = |range: &Range<usize>| Place::Workspace(range.start, range.len());
    Backward {
        forward: forward(step, memory, draw),
        output: place(&step.output),
        gradient: place(&pull.gradient),
        kept: place(&step.scratch),
    }
}
