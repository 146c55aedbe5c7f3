//! Runs a plan on the CPU: forward, then backward, allocating nothing.

use std::ops::Range;

use crate::graph::plan::{Action, Plan, Pull, Step, in_workspace};
use crate::kernels::elementwise::add_assign;
use crate::kernels::parallel;
use crate::kernels::program::Buffers;
use crate::ops::{Backward, Draw, Forward, Memory, Operation, Place, carve};

/// The numbers that a run works on.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) workspace: &'a mut [f32],
    pub(crate) parameters: &'a [f32],
    pub(crate) draw: Draw,
}

impl<'a> Run<'a> {
    /// Computes every value of the plan from what its ports hold.
    pub(crate) fn forward(&mut self) {
        let plan = self.plan;
        self.act_all(&plan.forward, &mut []);
    }

    fn act_all(&mut self, actions: &[Action], gradients: &mut [f32]) {
        let plan = self.plan;
        let mut all = || {
            for action in actions {
                self.act(action, gradients);
            }
        };
        match plan.splits {
            true => parallel::inside(all),
            false => all(),
        }
    }

    #[inline]
    fn act(&mut self, action: &Action, gradients: &mut [f32]) {
        match action {
            Action::Program(program) => program.run(Buffers {
                workspace: self.workspace,
                parameters: self.parameters,
                constants: &self.plan.constants,
                gradients,
            }),
            Action::Step(step) => self.step(*step),
            Action::Prepare(pull) => self.prepare(*pull),
            Action::Target(pull, target) => self.target(*pull, *target, gradients),
        }
    }

    fn step(&mut self, step: usize) {
        let Some(step) = self.plan.steps.get(step) else {
            return;
        };
        let Some(op) = step.op.operation() else {
            return;
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
        let plan = self.plan;
        self.act_all(&plan.backward, gradients);
    }

    fn prepare(&mut self, pull: usize) {
        let Some((op, step, pull)) = self.pulled(pull) else {
            return;
        };
        let (gradient, _, rest) = carve(self.workspace, pull.gradient.clone(), 0..0);
        op.prepare(rest.get(step.output.start, step.output.len()), gradient);
    }

    fn target(&mut self, pull: usize, target: usize, gradients: &mut [f32]) {
        let Some((op, step, pull)) = self.pulled(pull) else {
            return;
        };
        let Some(target) = pull.targets.get(target) else {
            return;
        };
        match (target.to, &target.through) {
            (Place::Workspace(start, length), None) => {
                self.compute(op, step, pull, target.input, start..start + length);
            }
            (to, None) => {
                let (_, scratch, rest) = carve(self.workspace, 0..0, pull.scratch.clone());
                let memory = Memory {
                    rest,
                    parameters: self.parameters,
                    constants: &self.plan.constants,
                };
                let run = backward(step, pull, memory, self.draw, target.input);
                let (start, end) = to.bounds();
                if let Some(gradient) = gradients.get_mut(start..end) {
                    op.backward(target.input, &run, gradient, scratch);
                }
            }
            (to, Some(aside)) => {
                self.compute(op, step, pull, target.input, aside.clone());
                self.add(to, aside, gradients);
            }
        }
    }

    /// Adds what was computed aside to a gradient.
    fn add(&mut self, to: Place, aside: &Range<usize>, gradients: &mut [f32]) {
        let (start, end) = to.bounds();
        if let Place::Workspace(..) = to {
            let (sum, _, rest) = carve(self.workspace, start..end, 0..0);
            add_assign(sum, rest.get(aside.start, aside.len()));
        } else {
            let part = self.workspace.get(aside.clone());
            if let (Some(sum), Some(part)) = (gradients.get_mut(start..end), part) {
                add_assign(sum, part);
            }
        }
    }

    /// A pull with its step and what that does.
    fn pulled(&self, pull: usize) -> Option<(&'a dyn Operation, &'a Step, &'a Pull)> {
        let pull = self.plan.pulls.get(pull)?;
        let step = self.plan.steps.get(pull.step)?;
        Some((step.op.operation()?, step, pull))
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
        let run = backward(step, pull, memory, self.draw, input);
        op.backward(input, &run, gradient, scratch);
    }

    /// The values of an output.
    pub(crate) fn output(&self, output: usize) -> &[f32] {
        let place = self.plan.outputs.get(output).map(|(place, _)| *place);
        place.map_or(&[], |place| self.read(place))
    }

    #[inline]
    fn read(&self, place: Place) -> &[f32] {
        let (start, end) = place.bounds();
        let buffer = match place {
            Place::Workspace(..) => &*self.workspace,
            Place::Parameters(..) => self.parameters,
            Place::Constants(..) => &self.plan.constants,
            Place::Gradients(..) => &[],
        };
        buffer.get(start..end).unwrap_or(&[])
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
fn backward<'a>(
    step: &'a Step,
    pull: &Pull,
    memory: Memory<'a>,
    draw: Draw,
    input: usize,
) -> Backward<'a> {
    let first = pull.targets.first();
    Backward {
        first: first.is_some_and(|first| first.input == input),
        forward: forward(step, memory, draw),
        output: in_workspace(&step.output),
        gradient: in_workspace(&pull.gradient),
        kept: in_workspace(&step.scratch),
    }
}

/// Gives variables that layers keep, such as moving averages, what a step has made of them.
pub(crate) fn assign(plan: &Plan, workspace: &[f32], parameters: &mut [f32]) {
    for (from, to) in &plan.updates {
        let value = workspace.get(from.clone());
        if let (Some(value), Some(to)) = (value, parameters.get_mut(to.clone())) {
            to.copy_from_slice(value);
        }
    }
}
