//! Why a loss is not finite: which weight, layer or row was the first that was not.

use super::built::Built;
use super::compile::Compiled;
use super::network::Network;
use crate::backend::cpu::Run;
use crate::error::Result;
use crate::graph::plan::{Goal, Plan};
use crate::graph::{Scope, Value};
use crate::kernels::aligned::Aligned;
use crate::kernels::reduce::all_finite;
use crate::ops::{Draw, Port};

/// The batch whose loss is not finite.
pub(crate) struct Suspect<'s> {
    pub(crate) rows: usize,
    pub(crate) labels: usize,
    /// Writes it where a plan reads it.
    pub(crate) fill: &'s dyn Fn(&Plan, &mut [f32]),
    /// The numbers of its rows in the data, where they are known.
    pub(crate) numbers: Option<&'s [u32]>,
}

/// What was first not finite, as a sentence; empty where nothing is found.
///
/// The batch is computed once more, with all that its layers give kept: nothing of this is paid for
/// as long as losses are finite.
pub(crate) fn diagnose(
    parts: (&Network, &Built, &Compiled),
    seed: u64,
    suspect: &Suspect,
) -> String {
    let (_, built, _) = parts;
    for spec in &built.variables.specs {
        let values = built.parameters.get(spec.range.clone()).unwrap_or(&[]);
        if let Some(value) = first_bad(values) {
            return format!(
                "an earlier update has made the weight `{}` {value}",
                spec.path
            );
        }
    }
    // What cannot be traced has no loss to be diagnosed.
    computed(parts, seed, suspect).unwrap_or_default()
}

fn computed(
    (network, built, compiled): (&Network, &Built, &Compiled),
    seed: u64,
    suspect: &Suspect,
) -> Result<String> {
    let scope = Scope::new(Some(&built.variables), true);
    let mut sketch = built.sketch(network, scope, suspect.rows)?;
    let size = (suspect.rows, suspect.labels);
    let costs = built.sample_losses(&mut sketch, &compiled.heads, size);
    let penalties: Vec<Value> = sketch.scope.losses().to_vec();
    let mut outputs: Vec<_> = penalties.iter().chain([&costs]).map(Value::id).collect();
    let first_layer = outputs.len();
    drop((costs, penalties));
    let traced = sketch.finish()?;
    let mut layers = Vec::new();
    for (path, given) in &traced.layers {
        for output in given {
            layers.push(path);
            outputs.push(*output);
        }
    }
    let goal = Goal {
        outputs,
        ..Goal::default()
    };
    let plan = Plan::new(traced.graph, &built.variables, &goal);
    let mut workspace = Aligned::zeros(plan.workspace);
    (suspect.fill)(&plan, &mut workspace);
    if let Some(found) = in_data(&plan, &workspace, suspect) {
        return Ok(found);
    }
    let mut run = Run {
        plan: &plan,
        workspace: &mut workspace,
        parameters: &built.parameters,
        draw: Draw {
            seed,
            step: compiled.state.iterations,
        },
    };
    run.forward();
    for (number, path) in layers.iter().enumerate() {
        let values = run.output(first_layer + number);
        if let Some(value) = first_bad(values) {
            let rows = rows_text(values, suspect);
            return Ok(format!("layer `{path}` gave {value}{rows}"));
        }
    }
    let costs = run.output(first_layer - 1);
    if let Some(value) = first_bad(costs) {
        let rows = rows_text(costs, suspect);
        return Ok(format!(
            "all layers gave numbers, but the loss is {value}{rows}"
        ));
    }
    let mut penalties = (0..first_layer - 1).filter_map(|number| first_bad(run.output(number)));
    let penalty = penalties.next();
    Ok(penalty.map_or(String::new(), |value| {
        format!("the penalty of a regularizer is {value}")
    }))
}

/// What is not finite in the batch itself.
fn in_data(plan: &Plan, workspace: &[f32], suspect: &Suspect) -> Option<String> {
    for place in &plan.ports {
        let values = workspace.get(place.range.clone()).unwrap_or(&[]);
        let what = match place.port {
            Port::Features(_) => "x",
            Port::Targets(_) => "y",
            Port::SampleWeight => continue,
        };
        if let Some(value) = first_bad(values) {
            return Some(format!(
                "{what} holds {value}{}",
                rows_text(values, suspect)
            ));
        }
    }
    None
}

fn first_bad(values: &[f32]) -> Option<f32> {
    match all_finite(values) {
        true => None,
        false => values.iter().copied().find(|value| !value.is_finite()),
    }
}

/// How many rows are named.
const NAMED: usize = 5;

/// ` in rows 3, 17 and 2 more of the data`, for values of which each row has as many.
fn rows_text(values: &[f32], suspect: &Suspect) -> String {
    let width = values.len() / suspect.rows.max(1);
    if width == 0 || width * suspect.rows != values.len() {
        return String::new();
    }
    let rows = values.chunks(width).enumerate();
    let bad = rows.filter(|(_, row)| !all_finite(row)).map(|(i, _)| i);
    let bad: Vec<usize> = bad.collect();
    if bad.len() == suspect.rows && bad.len() > 1 {
        return " in every row of the batch".into();
    }
    let number = |row: &usize| match suspect.numbers {
        Some(numbers) => numbers.get(*row).map_or(*row, |number| *number as usize),
        None => *row,
    };
    let named: Vec<String> = bad
        .iter()
        .take(NAMED)
        .map(|row| number(row).to_string())
        .collect();
    let more = match bad.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let of = match suspect.numbers {
        Some(_) => "of the data",
        None => "of the batch",
    };
    let noun = if bad.len() == 1 { "row" } else { "rows" };
    format!(" in {noun} {}{more} {of}", named.join(", "))
}
