//! Runs the entrants of a job in turn, so that whatever else the machine does meets them all.

use std::time::Duration;

use crate::Result;
use crate::entrants::{Entrant, Ready};
use crate::report::{Kind, Measured};

/// A job that is done by us and by others.
pub struct Contest {
    pub name: &'static str,
    /// What is done, in words.
    pub title: &'static str,
    pub kind: Kind,
    /// The first is what the others are compared with.
    pub entrants: &'static [Entrant],
    pub runs: Runs,
}

/// How often each entrant has its turn.
#[derive(Clone, Copy)]
pub enum Runs {
    /// Times are noisy.
    Many,
    /// Memory is the same each time, and takes long to fill.
    Once,
}

impl Runs {
    pub fn count(self) -> usize {
        let told = std::env::var("HORN_RUNS").ok().and_then(|n| n.parse().ok());
        match self {
            Runs::Many => told.unwrap_or(7).max(1),
            Runs::Once => 1,
        }
    }
}

/// What became of the entrants, and why some are missing.
#[derive(Default)]
pub struct Outcome {
    pub measured: Vec<Measured>,
    pub notes: Vec<String>,
}

impl Contest {
    pub fn run(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut ready: Vec<(Ready, Measured)> = Vec::new();
        for (place, entrant) in self.entrants.iter().enumerate() {
            match entrant.prepare() {
                Ok(it) => ready.push((it, Measured::new(entrant, place == 0))),
                Err(why) if entrant.is_ours() => return Err(why),
                Err(why) => outcome.notes.push(format!("{}: {why}", entrant.who)),
            }
        }
        for _ in 0..self.runs.count() {
            let mut failed = Vec::new();
            for (place, (entrant, measured)) in ready.iter_mut().enumerate() {
                match entrant.turn() {
                    Ok(turn) => measured.add(turn),
                    Err(why) => failed.push((place, why)),
                }
                // Threads that spin for a while after their work must not meet the next one's.
                std::thread::sleep(Duration::from_millis(200));
            }
            for (place, why) in failed.into_iter().rev() {
                let (_, measured) = ready.remove(place);
                outcome.notes.push(format!("{}: {why}", measured.who));
            }
        }
        outcome.measured = ready.into_iter().map(|(_, measured)| measured).collect();
        Ok(outcome)
    }
}
