//! Looking into a model: what its layers give, what its outputs depend on, how sure it is.
//!
//! All of it reads the model and changes nothing, so it takes a shared reference.

mod activations;
mod gradients;
mod importance;
mod monte_carlo;
mod sample_losses;

pub use gradients::Unit;
pub use importance::{Importance, PermutationImportance};
pub use monte_carlo::Draws;

use std::ops::Range;

use super::built::Built;
use super::predict::BATCH;
use crate::backend::cpu::Run;
use crate::error::Result;
use crate::graph::plan::Plan;
use crate::kernels::aligned::Aligned;
use crate::ops::Draw;

/// Goes through rows in batches: `make` gives the plan for a batch of a size, `fill` writes a batch
/// where its plan reads it, and `read` takes what a run has left.
fn walk(
    rows: usize,
    built: &Built,
    make: impl Fn(usize) -> Result<Plan>,
    fill: impl Fn(&Plan, &mut [f32], Range<usize>),
    mut read: impl FnMut(&mut Run, Range<usize>),
) -> Result<()> {
    let mut last: Option<(usize, Plan, Aligned)> = None;
    for start in (0..rows).step_by(BATCH) {
        let range = start..rows.min(start + BATCH);
        let (_, plan, workspace) = match last.take_if(|(size, ..)| *size == range.len()) {
            Some(same) => last.insert(same),
            None => {
                let plan = make(range.len())?;
                let workspace = Aligned::zeros(plan.workspace);
                last.insert((range.len(), plan, workspace))
            }
        };
        fill(plan, workspace, range.clone());
        let mut run = Run {
            plan,
            workspace,
            parameters: &built.parameters,
            draw: Draw::default(),
        };
        read(&mut run, range);
    }
    Ok(())
}
