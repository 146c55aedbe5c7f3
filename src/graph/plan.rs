//! Turns a graph into a [`Plan`]: which ops run in which order, forward and backward, and where
//! in one workspace each value and gradient lives.

use std::ops::Range;

use super::fuse::fuse;
use super::trace::{Graph, Node, NodeId};
use super::variables::Variables;
use crate::kernels::aligned::Aligned;
use crate::kernels::parallel::GRAIN;
use crate::kernels::program::Program;
use crate::ops::{Needs, Op, Place, Port, Sites};
use crate::shape::Shape;

/// What a plan is made for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Goal {
    /// Values read after a run.
    pub(crate) outputs: Vec<NodeId>,
    /// Where gradients begin, in a plan that trains.
    pub(crate) loss: Option<NodeId>,
    /// What variables become after a step of training, by their numbers.
    pub(crate) updates: Vec<(usize, NodeId)>,
    /// Gradients of the inputs are wanted too (tests of layers).
    pub(crate) input_gradients: bool,
    /// Leave every op as it was traced (tests of fusion).
    pub(crate) unfused: bool,
}

impl Goal {
    /// Values that are read when a run is over.
    fn kept(&self) -> Vec<NodeId> {
        let updates = self.updates.iter().map(|(_, id)| *id);
        self.outputs.iter().copied().chain(updates).collect()
    }
}

/// A graph ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) pulls: Vec<Pull>,
    /// The forward pass: what is done with the steps.
    pub(crate) forward: Vec<Action>,
    /// The backward pass: what is done with the pulls.
    pub(crate) backward: Vec<Action>,
    pub(crate) constants: Aligned,
    /// The length of the workspace.
    pub(crate) workspace: usize,
    /// About how many multiply-adds a forward pass takes.
    pub(crate) work: usize,
    /// Whether it trains, and several of its steps are large enough for more than one thread.
    pub(crate) splits: bool,
    pub(crate) ports: Vec<PortPlace>,
    /// The ports of targets that are read, among [`ports`](Self::ports).
    pub(crate) targets: Vec<PortPlace>,
    /// Where the weights of the samples are written.
    pub(crate) sample_weight: Option<Range<usize>>,
    pub(crate) outputs: Vec<(Place, Shape)>,
    /// What of the workspace is copied into the parameters after a step of training, and where to.
    pub(crate) updates: Vec<(Range<usize>, Range<usize>)>,
    /// Where the gradient of the loss is written before the backward pass.
    pub(crate) seed: Range<usize>,
    /// Trainable variables that the graph does not read: their gradient is 0.
    pub(crate) unread: Vec<Range<usize>>,
}

/// One thing that a run does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Small ops that were lowered, one after another.
    Program(Program),
    /// The forward pass of the step with this number.
    Step(usize),
    /// What the pull with this number does before it computes gradients.
    Prepare(usize),
    /// The gradient of a target of a pull, by both numbers.
    Target(usize, usize),
}

/// Where a port is written.
#[derive(Debug, Clone)]
pub(crate) struct PortPlace {
    pub(crate) port: Port,
    pub(crate) shape: Shape,
    pub(crate) range: Range<usize>,
    /// Where its gradient is read, if it was asked for.
    pub(crate) gradient: Option<Range<usize>>,
}

/// One op of the forward pass.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<Place>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) shape: Shape,
    pub(crate) output: Range<usize>,
    pub(crate) scratch: Range<usize>,
}

/// One op of the backward pass.
#[derive(Debug)]
pub(crate) struct Pull {
    /// The number of its step.
    pub(crate) step: usize,
    /// The gradient of its output.
    pub(crate) gradient: Range<usize>,
    pub(crate) prepare: bool,
    pub(crate) scratch: Range<usize>,
    pub(crate) targets: Vec<Target>,
}

/// Where the gradient of one input goes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) input: usize,
    pub(crate) to: Place,
    /// Someone wrote there before: compute here, then add.
    pub(crate) through: Option<Range<usize>>,
}

/// A piece of the workspace to be placed: its length and when it is live.
struct Piece {
    length: usize,
    from: usize,
    until: usize,
}

impl Plan {
    /// Plans a traced graph.
    pub(crate) fn new(graph: Graph, variables: &Variables, goal: &Goal) -> Plan {
        let mut nodes = graph.nodes;
        if !goal.unfused {
            fuse(&mut nodes, &goal.kept(), goal.loss);
        }
        Planner::new(nodes, variables, goal).plan()
    }
}

struct Planner<'a> {
    nodes: Vec<Node>,
    variables: &'a Variables,
    goal: &'a Goal,
    /// Values that are read when a run is over.
    kept: Vec<NodeId>,
    live: Vec<bool>,
    /// Whether a gradient flows to the node.
    flows: Vec<bool>,
    pieces: Vec<Piece>,
}

/// The numbers of a node's pieces in the workspace.
#[derive(Clone, Copy, Default)]
struct Pieces {
    value: Option<usize>,
    gradient: Option<usize>,
    scratch: Option<usize>,
    pull_scratch: Option<usize>,
}

impl<'a> Planner<'a> {
    fn new(nodes: Vec<Node>, variables: &'a Variables, goal: &'a Goal) -> Self {
        let mut planner = Planner {
            live: vec![false; nodes.len()],
            flows: vec![false; nodes.len()],
            pieces: Vec::new(),
            nodes,
            variables,
            goal,
            kept: goal.kept(),
        };
        planner.find_live();
        planner.find_flows();
        planner
    }

    /// Marks what the outputs and the loss read.
    fn find_live(&mut self) {
        for id in self.kept.iter().chain(&self.goal.loss) {
            self.live[*id] = true;
        }
        for id in (0..self.nodes.len()).rev() {
            // Ports are always written, so they always have a place.
            self.live[id] |= matches!(self.nodes[id].op, Op::Input(_));
            if self.live[id] {
                for input in self.nodes[id].inputs.clone() {
                    self.live[input] = true;
                }
            }
        }
    }

    /// Marks what gradients flow to: what depends on a trainable variable and the loss depends on.
    fn find_flows(&mut self) {
        let Some(loss) = self.goal.loss else {
            return;
        };
        for id in 0..self.nodes.len() {
            self.flows[id] = match &self.nodes[id].op {
                Op::Input(Port::Features(_)) => self.goal.input_gradients,
                Op::Input(_) | Op::Constant(_) => false,
                Op::Variable(v) => self.variables.specs[*v].trainable,
                _ => (0..self.nodes[id].inputs.len()).any(|input| self.pulls_on(id, input)),
            };
        }
        let mut reached = vec![false; self.nodes.len()];
        reached[loss] = true;
        for id in (0..=loss).rev().filter(|id| self.live[*id]) {
            for input in 0..self.nodes[id].inputs.len() {
                if reached[id] && self.flows[id] && self.pulls_on(id, input) {
                    reached[self.nodes[id].inputs[input]] = true;
                }
            }
        }
        for (flows, reached) in self.flows.iter_mut().zip(reached) {
            *flows &= reached;
        }
    }

    /// Whether a gradient goes from a node to one of its inputs.
    fn pulls_on(&self, id: NodeId, input: usize) -> bool {
        let node = &self.nodes[id];
        self.flows[node.inputs[input]]
            && node
                .op
                .operation()
                .is_some_and(|op| op.differentiable(input))
    }

    fn needs(&self, id: NodeId) -> Needs {
        let op = self.nodes[id].op.operation();
        op.map(|op| op.needs()).unwrap_or_default()
    }

    /// The moment at which a node's backward op runs.
    fn backward_time(&self, id: NodeId) -> usize {
        2 * self.nodes.len() - id
    }

    /// When a node's value is read for the last time.
    fn last_read(&self, id: NodeId) -> usize {
        let mut last = id;
        for reader in id + 1..self.nodes.len() {
            if !self.live[reader] || !self.nodes[reader].inputs.contains(&id) {
                continue;
            }
            last = last.max(reader);
            if self.flows[reader] && self.needs(reader).inputs {
                last = last.max(self.backward_time(reader));
            }
        }
        let prepares = self.nodes[id]
            .op
            .operation()
            .is_some_and(|op| op.prepares());
        if self.flows[id] && (self.needs(id).output || prepares) {
            last = last.max(self.backward_time(id));
        }
        // Metrics read targets and weights after a run.
        let watched = matches!(
            self.nodes[id].op,
            Op::Input(Port::Targets(_) | Port::SampleWeight)
        );
        if watched || self.kept.contains(&id) || self.goal.loss == Some(id) {
            last = usize::MAX;
        }
        last
    }

    fn piece(&mut self, length: usize, from: usize, until: usize) -> Option<usize> {
        self.pieces.push(Piece {
            length,
            from,
            until,
        });
        Some(self.pieces.len() - 1)
    }

    /// The pieces of every node.
    fn ask_for_pieces(&mut self) -> Vec<Pieces> {
        let mut asked = vec![Pieces::default(); self.nodes.len()];
        for id in (0..self.nodes.len())
            .filter(|id| self.live[*id])
            .collect::<Vec<_>>()
        {
            let size = self.nodes[id].shape.size();
            let place = matches!(self.nodes[id].op, Op::Variable(_) | Op::Constant(_));
            let port = matches!(self.nodes[id].op, Op::Input(_));
            if !place {
                let until = self.last_read(id);
                asked[id].value = self.piece(size, if port { 0 } else { id }, until);
            }
            let back = self.backward_time(id);
            if self.flows[id] && !place {
                let first = (id + 1..self.nodes.len())
                    .rev()
                    .find(|r| self.flows[*r] && self.nodes[*r].inputs.contains(&id))
                    .map_or(self.nodes.len(), |reader| self.backward_time(reader));
                let from = if self.goal.loss == Some(id) {
                    self.nodes.len()
                } else {
                    first
                };
                asked[id].gradient = self.piece(size, from, if port { usize::MAX } else { back });
            }
            let scratch = self.scratch(id);
            if scratch > 0 {
                let kept = self.flows[id] && self.needs(id).scratch;
                asked[id].scratch = self.piece(scratch, id, if kept { back } else { id });
                if self.flows[id] {
                    asked[id].pull_scratch = self.piece(scratch, back, back);
                }
            }
        }
        asked
    }

    fn scratch(&self, id: NodeId) -> usize {
        let node = &self.nodes[id];
        let shapes = self.input_shapes(id);
        let op = node.op.operation();
        op.map_or(0, |op| op.scratch(&shapes, node.shape))
    }

    fn input_shapes(&self, id: NodeId) -> Vec<Shape> {
        let inputs = self.nodes[id].inputs.iter();
        inputs.map(|input| self.nodes[*input].shape).collect()
    }

    fn plan(mut self) -> Plan {
        let asked = self.ask_for_pieces();
        let through = self.ask_for_sums(&asked);
        let (ranges, workspace) = place(&self.pieces);
        let range = |piece: Option<usize>| piece.map_or(0..0, |p| ranges[p].clone());
        let (places, constants) = self.places(&asked, &ranges);

        let mut steps = Vec::new();
        let mut pulls = Vec::new();
        let mut ports = Vec::new();
        let mut written: Vec<bool> = vec![false; self.nodes.len()];
        let mut step_of = vec![0; self.nodes.len()];
        for id in (0..self.nodes.len()).filter(|id| self.live[*id]) {
            let node = &self.nodes[id];
            match &node.op {
                Op::Input(port) => ports.push(PortPlace {
                    port: *port,
                    shape: node.shape,
                    range: range(asked[id].value),
                    gradient: asked[id].gradient.map(|p| ranges[p].clone()),
                }),
                Op::Variable(_) | Op::Constant(_) => {}
                op => {
                    step_of[id] = steps.len();
                    steps.push(Step {
                        op: op.clone(),
                        inputs: node.inputs.iter().map(|i| places[*i]).collect(),
                        shapes: self.input_shapes(id),
                        shape: node.shape,
                        output: range(asked[id].value),
                        scratch: range(asked[id].scratch),
                    });
                }
            }
        }
        for id in (0..self.nodes.len()).rev() {
            let Some(op) = self.nodes[id].op.operation().filter(|_| self.flows[id]) else {
                continue;
            };
            let mut targets = Vec::new();
            for (input, from) in self.nodes[id].inputs.iter().enumerate() {
                if !self.pulls_on(id, input) {
                    continue;
                }
                let to = match &self.nodes[*from].op {
                    Op::Variable(v) => {
                        let range = &self.variables.specs[*v].range;
                        Place::Gradients(range.start, range.len())
                    }
                    _ => in_workspace(&range(asked[*from].gradient)),
                };
                let through = through[id].get(input).copied().flatten();
                targets.push(Target {
                    input,
                    to,
                    through: through
                        .map(|p| ranges[p].clone())
                        .filter(|_| written[*from]),
                });
                written[*from] = true;
            }
            pulls.push(Pull {
                step: step_of[id],
                gradient: range(asked[id].gradient),
                prepare: op.prepares(),
                scratch: range(asked[id].pull_scratch),
                targets,
            });
        }
        let unread = self.unread(&written);
        let loss = self.goal.loss;
        let port = |wanted: Port| ports.iter().find(|port| port.port == wanted).cloned();
        Plan {
            work: steps.iter().map(Step::work).sum(),
            splits: !pulls.is_empty() && large_steps(&steps) > 1,
            forward: lower_steps(&steps),
            backward: lower_pulls(&steps, &pulls),
            steps,
            pulls,
            constants,
            workspace,
            targets: ports
                .iter()
                .filter(|port| matches!(port.port, Port::Targets(_)))
                .cloned()
                .collect(),
            sample_weight: port(Port::SampleWeight).map(|port| port.range),
            ports,
            outputs: self
                .goal
                .outputs
                .iter()
                .map(|id| (places[*id], self.nodes[*id].shape))
                .collect(),
            updates: self
                .goal
                .updates
                .iter()
                .map(|(v, id)| {
                    let to = self.variables.specs[*v].range.clone();
                    (range(asked[*id].value), to)
                })
                .collect(),
            seed: loss.map_or(0..0, |id| range(asked[id].gradient)),
            unread,
        }
    }

    /// Pieces for gradients that are computed aside and added, because their value has several
    /// readers.
    fn ask_for_sums(&mut self, asked: &[Pieces]) -> Vec<Vec<Option<usize>>> {
        let mut written = vec![false; asked.len()];
        let mut through = vec![Vec::new(); asked.len()];
        for id in (0..self.nodes.len())
            .rev()
            .filter(|id| self.flows[*id])
            .collect::<Vec<_>>()
        {
            for (input, from) in self.nodes[id].inputs.clone().into_iter().enumerate() {
                let mut piece = None;
                if self.pulls_on(id, input) {
                    if written[from] {
                        let size = self.nodes[from].shape.size();
                        let time = self.backward_time(id);
                        piece = self.piece(size, time, time);
                    }
                    written[from] = true;
                }
                through[id].push(piece);
            }
        }
        through
    }

    /// Where each node's value lies, and the constants in a row.
    fn places(&self, asked: &[Pieces], ranges: &[Range<usize>]) -> (Vec<Place>, Aligned) {
        let mut constants: Vec<f32> = Vec::new();
        let mut places = Vec::new();
        for (node, asked) in self.nodes.iter().zip(asked) {
            places.push(match (&node.op, asked.value) {
                (Op::Variable(v), _) => {
                    let range = &self.variables.specs[*v].range;
                    Place::Parameters(range.start, range.len())
                }
                (Op::Constant(values), _) => {
                    constants.extend(values.iter());
                    Place::Constants(constants.len() - values.len(), values.len())
                }
                (_, Some(piece)) => Place::Workspace(ranges[piece].start, ranges[piece].len()),
                (_, None) => Place::Workspace(0, 0),
            });
        }
        (places, Aligned::from(constants.as_slice()))
    }

    /// The trainable variables that no gradient reaches.
    fn unread(&self, written: &[bool]) -> Vec<Range<usize>> {
        let mut reached = vec![false; self.variables.specs.len()];
        for (node, written) in self.nodes.iter().zip(written) {
            if let Op::Variable(v) = node.op {
                reached[v] |= written;
            }
        }
        let specs = self.variables.specs.iter().zip(reached);
        specs
            .filter(|(spec, reached)| spec.trainable && !reached)
            .map(|(spec, _)| spec.range.clone())
            .collect()
    }
}

/// How many steps write so much that several threads take part.
fn large_steps(steps: &[Step]) -> usize {
    let large = steps.iter().filter(|step| step.shape.size() > GRAIN);
    large.count()
}

/// A place in the workspace.
pub(crate) fn in_workspace(range: &Range<usize>) -> Place {
    Place::Workspace(range.start, range.len())
}

/// Actions under way: small ops gather in a program until one comes that is not small.
#[derive(Default)]
struct Actions {
    done: Vec<Action>,
    program: Program,
}

impl Actions {
    fn push(&mut self, action: Action) {
        self.close();
        self.done.push(action);
    }

    fn close(&mut self) {
        if !self.program.is_empty() {
            self.done
                .push(Action::Program(std::mem::take(&mut self.program)));
        }
    }

    fn finish(mut self) -> Vec<Action> {
        self.close();
        self.done
    }
}

fn lower_steps(steps: &[Step]) -> Vec<Action> {
    let mut actions = Actions::default();
    for (number, step) in steps.iter().enumerate() {
        if !step.op.lower(&step.sites(), &mut actions.program) {
            actions.push(Action::Step(number));
        }
    }
    actions.finish()
}

fn lower_pulls(steps: &[Step], pulls: &[Pull]) -> Vec<Action> {
    let mut actions = Actions::default();
    for (number, pull) in pulls.iter().enumerate() {
        let step = &steps[pull.step];
        let (dy, output) = (in_workspace(&pull.gradient), in_workspace(&step.output));
        let program = &mut actions.program;
        if pull.prepare && !step.op.lower_prepare(output, dy, program) {
            actions.push(Action::Prepare(number));
        }
        for (index, target) in pull.targets.iter().enumerate() {
            let program = &mut actions.program;
            let lowered = target.through.is_none()
                && step
                    .op
                    .lower_backward(target.input, &step.sites(), dy, target.to, program);
            if !lowered {
                actions.push(Action::Target(number, index));
            }
        }
    }
    actions.finish()
}

impl Step {
    /// About how many multiply-adds the forward pass takes.
    fn work(&self) -> usize {
        let depth = match (&self.op, self.shapes.first()) {
            (Op::MatMul(_), Some(x)) => x.last(),
            _ => 1,
        };
        self.shape.size().saturating_mul(depth)
    }

    fn sites(&self) -> Sites<'_> {
        Sites {
            inputs: &self.inputs,
            shapes: &self.shapes,
            output: in_workspace(&self.output),
        }
    }
}

/// Places pieces so that those live at one time never overlap: each, the largest first, in the
/// lowest gap that is free while it lives. Also gives the length of the whole.
fn place(pieces: &[Piece]) -> (Vec<Range<usize>>, usize) {
    const LANES: usize = 16;
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|p| (std::cmp::Reverse(pieces[*p].length), *p));
    let mut ranges: Vec<Range<usize>> = vec![0..0; pieces.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut end = 0;
    for p in order {
        let piece = &pieces[p];
        if piece.length == 0 {
            continue;
        }
        let mut taken: Vec<Range<usize>> = placed
            .iter()
            .filter(|q| pieces[**q].from <= piece.until && piece.from <= pieces[**q].until)
            .map(|q| ranges[*q].clone())
            .collect();
        taken.sort_by_key(|range| range.start);
        let mut start = 0;
        for range in taken {
            if start + piece.length <= range.start {
                break;
            }
            start = start.max(range.end.next_multiple_of(LANES));
        }
        ranges[p] = start..start + piece.length;
        end = end.max((start + piece.length).next_multiple_of(LANES));
        placed.push(p);
    }
    (ranges, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(length: usize, from: usize, until: usize) -> Piece {
        Piece {
            length,
            from,
            until,
        }
    }

    #[test]
    fn pieces_that_never_meet_share() {
        let (ranges, end) = place(&[piece(16, 0, 1), piece(16, 2, 3), piece(16, 1, 2)]);
        assert_eq!(ranges[0], ranges[1]);
        assert_ne!(ranges[0], ranges[2]);
        assert_eq!(end, 32);
    }

    #[test]
    fn pieces_begin_on_a_cache_line() {
        let (ranges, _) = place(&[piece(5, 0, 9), piece(3, 0, 9)]);
        assert!(ranges.iter().all(|range| range.start % 16 == 0));
    }
}
