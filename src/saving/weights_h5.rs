//! Weights in Keras's HDF5 files, `.weights.h5` and inside `.keras`.
//!
//! A layer's own weights are `<where the layer is>/vars/0`, `1`, ...; a model keeps its layers in
//! `layers`, named by their classes and counted from the first: `layers/dense_1/vars/0` is the kernel
//! of the second dense layer, whatever it is called. The optimizer's are `optimizer/vars/0`, ...

use std::collections::HashMap;

use super::hdf5::{Data, Reader, Tree};
use super::whole::{Trained, Whole};
use crate::error::Result;
use crate::graph::snake_case;
use crate::graph::variables::Variables;
use crate::kernels::aligned::Aligned;
use crate::layers::Layer;
use crate::model::Model;
use crate::model::fit_variables;
use crate::model::network::Network;
use crate::optimizers::{Optimizer, State, Variable};

/// A group of a file: a model, a layer or a part of one.
struct Part {
    /// Where it is; empty for the model itself.
    path: String,
    name: String,
    /// Its own weights, by their numbers among the variables.
    vars: Vec<usize>,
}

/// How layers are found in a file: where the model's layers are, a layer's name, and what it is called
/// by its class; nothing for one that is not there.
type Find<'f> = &'f dyn Fn(&str, &str, String) -> Option<String>;

/// By their classes, counted.
fn by_topology(_prefix: &str, _name: &str, counted: String) -> Option<String> {
    Some(counted)
}

/// All groups of a model.
fn parts(name: &str, network: &Network, variables: &Variables, find: Find) -> Vec<Part> {
    let mut parts = Vec::new();
    walk((name, network), ("", ""), variables, find, &mut parts);
    parts
}

/// Adds a model at `path` of the file, whose variables' paths begin with `own`.
fn walk(
    (name, network): (&str, &Network),
    (path, own): (&str, &str),
    variables: &Variables,
    find: Find,
    parts: &mut Vec<Part>,
) {
    parts.push(Part {
        path: path.to_string(),
        name: name.to_string(),
        vars: Vec::new(),
    });
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (node, name) in network.nodes.iter().zip(network.names()) {
        let layer = node.layer.as_ref();
        // As in Keras, the input of a chain is none of its layers.
        if !network.graph && layer.class_name() == "InputLayer" {
            continue;
        }
        let counted = counted(&mut counts, layer.class_name());
        let prefix = join(path, "layers");
        let Some(found) = find(&prefix, &name, counted) else {
            continue;
        };
        let places = (&*join(&prefix, &found), &*join(own, &name));
        match layer.as_any().and_then(|any| any.downcast_ref::<Model>()) {
            Some(model) => walk((&name, &model.network), places, variables, find, parts),
            None => add_layer((&name, Some(layer)), places, variables, parts),
        }
    }
}

/// Adds a layer, and the layers that it is made of.
fn add_layer(
    (name, layer): (&str, Option<&dyn Layer>),
    (path, own): (&str, &str),
    variables: &Variables,
    parts: &mut Vec<Part>,
) {
    let begin = format!("{own}/");
    let mut vars = Vec::new();
    let mut inner: Vec<&str> = Vec::new();
    for (number, spec) in variables.specs.iter().enumerate() {
        match spec
            .path
            .strip_prefix(&begin)
            .map(|rest| rest.split_once('/'))
        {
            Some(None) => vars.push(number),
            Some(Some((part, _))) if !inner.contains(&part) => inner.push(part),
            _ => {}
        }
    }
    // Keras keeps the kernel twice: the layer around it holds it too.
    if layer.is_some_and(|layer| layer.class_name() == "SpectralNormalization") {
        let kernel = inner.first().map(|part| join(own, part)).and_then(|inner| {
            let found =
                ["kernel", "embeddings"].map(|weight| variables.find(&join(&inner, weight)));
            found.into_iter().flatten().next()
        });
        vars.splice(0..0, kernel);
    }
    parts.push(Part {
        path: path.to_string(),
        name: name.to_string(),
        vars,
    });
    for part in inner {
        let called = layer.map_or(part, |layer| layer.part_in_files(part));
        let places = (&*join(path, called), &*join(own, part));
        add_layer((part, None), places, variables, parts);
    }
}

fn join(path: &str, part: &str) -> String {
    match path.is_empty() {
        true => part.to_string(),
        false => format!("{path}/{part}"),
    }
}

/// `dense`, `dense_1`, ...
pub(super) fn counted(counts: &mut HashMap<String, usize>, class_name: &str) -> String {
    let base = snake_case(class_name);
    let count = counts.entry(base.clone()).or_insert(0);
    *count += 1;
    match *count {
        1 => base,
        count => format!("{base}_{}", count - 1),
    }
}

/// The file of a model's weights, with the optimizer's where it is trained.
pub(crate) fn tree<'m>(whole: &Whole<'m>) -> Tree<'m> {
    let mut tree = Tree::default();
    for part in parts(whole.name, whole.network, whole.variables, &by_topology) {
        let group = tree.group(&part.path).group("vars").named(&part.name);
        for (place, number) in part.vars.iter().enumerate() {
            if let Some(spec) = whole.variables.specs.get(*number)
                && let Some(values) = whole.parameters.get(spec.range.clone())
            {
                group.add(place.to_string(), Data::Numbers(spec.shape.dims(), values));
            }
        }
    }
    if let Some(trained) = &whole.training {
        add_optimizer(&mut tree, trained, whole.variables);
    }
    tree
}

/// How weights are put into a model.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Matching {
    pub(crate) by_name: bool,
    pub(crate) skip_mismatch: bool,
}

/// Reads the weights of a model into an arena. What does not fit is an error, or with `skip_mismatch`
/// left as it is.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) for a weight that is not there or has another shape.
pub(crate) fn read(
    reader: &Reader,
    (name, network): (&str, &Network),
    variables: &Variables,
    parameters: &mut [f32],
    matching: Matching,
) -> Result<()> {
    let names = std::cell::RefCell::new(HashMap::new());
    let by_name = |prefix: &str, name: &str, _: String| {
        let mut names = names.borrow_mut();
        let inside: &HashMap<String, String> = names
            .entry(prefix.to_string())
            .or_insert_with(|| layer_names(reader, prefix));
        inside.get(name).cloned()
    };
    let find: Find = match matching.by_name {
        true => &by_name,
        false => &by_topology,
    };
    for part in parts(name, network, variables, find) {
        let group = join(&part.path, "vars");
        for (place, number) in part.vars.iter().enumerate() {
            let Some(spec) = variables.specs.get(*number) else {
                continue;
            };
            let Some(to) = parameters.get_mut(spec.range.clone()) else {
                continue;
            };
            let (entry, shape) = (format!("{group}/{place}"), spec.shape.dims());
            if !matching.skip_mismatch {
                reader.read_into(&entry, shape, to)?;
            } else if let Ok(values) = reader.read(&entry, shape) {
                // As a whole or not at all.
                to.iter_mut()
                    .zip(&values)
                    .for_each(|(to, from)| *to = *from);
            }
        }
        let more = format!("{group}/{}", part.vars.len());
        if !matching.skip_mismatch && reader.has(&more) {
            let reason = format!("layer `{}` has only {} weights", part.name, part.vars.len());
            return Err(reader.fail(&more, reason));
        }
    }
    Ok(())
}

/// Where the layers of a model are in a file, by their own names.
fn layer_names(reader: &Reader, prefix: &str) -> HashMap<String, String> {
    let groups = reader.groups(prefix).unwrap_or_default();
    let named = groups.into_iter().filter_map(|group| {
        let name = reader.text(&format!("{prefix}/{group}/vars"), "name")?;
        Some((name, group))
    });
    named.collect()
}

/// A number or some numbers of an optimizer, as Keras's files have them in order.
enum Var {
    /// The count of steps.
    Steps,
    LearningRate,
    /// Numbers of an arena from a place on, of a shape.
    Arena(Arena, usize, Vec<usize>),
    /// A number that follows from the count of steps.
    Behind,
    /// Zeros that Keras keeps and never looks at.
    Zeros(Vec<usize>),
}

#[derive(Clone, Copy)]
enum Arena {
    Average,
    Accumulator,
    Slot(usize),
}

/// What Keras's files hold of an optimizer, in order.
fn optimizer_vars(optimizer: &dyn Optimizer, state: &State, variables: &[Variable]) -> Vec<Var> {
    let mut vars = vec![Var::Steps];
    if optimizer.settings().learning_rate.constant().is_some() {
        vars.push(Var::LearningRate);
    }
    let whole = |arena: Arena, variable: &Variable| {
        Var::Arena(arena, variable.range.start, variable.shape.to_vec())
    };
    if state.average().is_some() {
        vars.extend(
            variables
                .iter()
                .map(|variable| whole(Arena::Average, variable)),
        );
    }
    if state.accumulator().is_some() {
        vars.extend(
            variables
                .iter()
                .map(|variable| whole(Arena::Accumulator, variable)),
        );
    }
    if optimizer.class_name() == "Adafactor" {
        variables
            .iter()
            .for_each(|variable| factored(variable, &mut vars));
        return vars;
    }
    let mut first = 0;
    for group in optimizer.slot_groups() {
        for variable in variables {
            let slots = (first..first + group).filter(|slot| optimizer.saves_slot(*slot, variable));
            vars.extend(slots.map(|slot| whole(Arena::Slot(slot), variable)));
        }
        first += group;
    }
    if optimizer.number_behind(state.iterations).is_some() {
        vars.push(Var::Behind);
    }
    vars
}

/// Adafactor's rows, columns and whole squares of a variable, of which two or one are in use.
fn factored(variable: &Variable, vars: &mut Vec<Var>) {
    let (start, shape) = (variable.range.start, variable.shape);
    match shape {
        [outer @ .., rows, columns] => {
            let of = |last: &usize| [outer, &[*last]].concat();
            vars.push(Var::Arena(Arena::Slot(0), start, of(rows)));
            vars.push(Var::Arena(Arena::Slot(1), start, of(columns)));
            vars.push(Var::Zeros(shape.to_vec()));
        }
        // Keras has two numbers in place of rows and columns.
        _ => {
            vars.extend([Var::Zeros(Vec::new()), Var::Zeros(Vec::new())]);
            vars.push(Var::Arena(Arena::Slot(0), start, shape.to_vec()));
        }
    }
}

fn add_optimizer<'m>(tree: &mut Tree<'m>, trained: &Trained<'m>, variables: &'m Variables) {
    let (optimizer, state) = (trained.optimizer, trained.state);
    let name = optimizer.settings().name.clone();
    let name = name.unwrap_or_else(|| snake_case(optimizer.class_name()));
    let group = tree.group("optimizer/vars").named(&name);
    let trainable = fit_variables(variables);
    for (place, var) in optimizer_vars(optimizer, state, &trainable)
        .into_iter()
        .enumerate()
    {
        let data = match var {
            Var::Steps => Data::Whole(state.iterations),
            Var::LearningRate => Data::Number(state.learning_rate(optimizer)),
            Var::Zeros(shape) => Data::Zeros(shape),
            Var::Behind => Data::Number(
                optimizer
                    .number_behind(state.iterations)
                    .unwrap_or_default(),
            ),
            Var::Arena(arena, start, shape) => {
                let arena = match arena {
                    Arena::Average => state.average(),
                    Arena::Accumulator => state.accumulator(),
                    Arena::Slot(slot) => state.slots().get(slot),
                };
                let size = shape.iter().product::<usize>();
                match arena.and_then(|arena| arena.get(start..start.checked_add(size)?)) {
                    Some(values) => Data::Owned(shape, values),
                    None => Data::Zeros(shape),
                }
            }
        };
        group.add(place.to_string(), data);
    }
}

/// Reads an optimizer's state, if the file has one that is this optimizer's; else it begins anew, as
/// in Keras. Whether it was there.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) for a state of this optimizer that is broken.
pub(crate) fn read_optimizer(
    reader: &Reader,
    variables: &Variables,
    optimizer: &mut dyn Optimizer,
    state: &mut State,
) -> Result<bool> {
    let trainable = fit_variables(variables);
    let vars = optimizer_vars(optimizer, state, &trainable);
    let entry = |place: usize| format!("optimizer/vars/{place}");
    if vars.is_empty() || !reader.has(&entry(vars.len() - 1)) || reader.has(&entry(vars.len())) {
        return Ok(false);
    }
    for (place, var) in vars.into_iter().enumerate() {
        let entry = entry(place);
        match var {
            Var::Steps => state.iterations = reader.whole(&entry)?,
            Var::LearningRate => {
                let rate = reader.read(&entry, &[])?.first().copied().unwrap_or(0.0);
                if !(rate.is_finite() && rate >= 0.0) {
                    return Err(reader.fail(&entry, format!("{rate} is no learning rate")));
                }
                optimizer.settings_mut().learning_rate = std::sync::Arc::new(rate);
            }
            Var::Zeros(_) | Var::Behind => {}
            Var::Arena(arena, start, shape) => {
                let size = shape.iter().product::<usize>();
                let to: Option<&mut Aligned> = match arena {
                    Arena::Average => state.average_mut(),
                    Arena::Accumulator => state.accumulator_mut(),
                    Arena::Slot(slot) => state.slots_mut().get_mut(slot),
                };
                let to = to.and_then(|to| to.get_mut(start..start.checked_add(size)?));
                if let Some(to) = to {
                    reader.read_into(&entry, &shape, to)?;
                }
            }
        }
    }
    Ok(true)
}
