//! The plans of a model, one for each size of batch and purpose, kept for the next time.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::graph::plan::Plan;
use crate::kernels::aligned::Aligned;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Predict,
    Evaluate { weighted: bool },
    Train { weighted: bool },
}

/// What tells plans apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) mode: Mode,
    pub(crate) batch: usize,
    /// How many labels a row of targets has, where the loss leaves that open.
    pub(crate) labels: usize,
}

/// A plan, and workspaces that no run is using.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    spare: Mutex<Vec<Aligned>>,
}

/// How many plans are kept: a server that sees every size of batch does not grow without end.
const KEPT: usize = 16;

/// How many idle workspaces a plan keeps.
const SPARE: usize = 64;

/// The plans that were used last, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    kept: Mutex<Vec<(Key, Arc<Prepared>)>>,
}

impl Clone for Plans {
    /// A copy of a model makes its own plans.
    fn clone(&self) -> Self {
        Plans::default()
    }
}

impl Plans {
    /// The plan of this key, made now if there is none. No lock is held while one is made.
    pub(crate) fn get(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Plan>,
    ) -> Result<Arc<Prepared>> {
        {
            let mut kept = lock(&self.kept);
            if let Some(found) = kept.iter().position(|(known, _)| *known == key) {
                kept.get_mut(..=found).unwrap_or(&mut []).rotate_right(1);
                if let Some((_, prepared)) = kept.first() {
                    return Ok(Arc::clone(prepared));
                }
            }
        }
        let plan = make()?;
        let Some(workspace) = Aligned::try_zeros(plan.workspace) else {
            return Err(Error::argument(
                "Sequential",
                "batch size",
                "small enough that a batch fits in memory",
                key.batch,
            ));
        };
        let prepared = Arc::new(Prepared {
            plan,
            spare: Mutex::new(vec![workspace]),
        });
        let mut kept = lock(&self.kept);
        kept.insert(0, (key, Arc::clone(&prepared)));
        kept.truncate(KEPT);
        Ok(prepared)
    }
}

impl Prepared {
    /// A workspace to run in: one that was given back, or a new one.
    pub(crate) fn workspace(&self) -> Aligned {
        let spare = lock(&self.spare).pop();
        spare.unwrap_or_else(|| Aligned::zeros(self.plan.workspace))
    }

    /// Gives a workspace back.
    pub(crate) fn give_back(&self, workspace: Aligned) {
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE {
            spare.push(workspace);
        }
    }
}

/// A lock is held for a few pushes only; a panic elsewhere cannot leave its data half made.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
