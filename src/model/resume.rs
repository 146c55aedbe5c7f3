//! What a training writes so that it can go on after a crash, and how it goes on.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::built::Built;
use super::compile::{Compiled, Watched};
use super::evaluate::Tally;
use super::history::History;
use super::logged::Logged;
use super::network::Network;
use super::source::Source;
use crate::callbacks::{Hooks, Memory, Signals, Weights};
use crate::error::{Error, Result};
use crate::graph::variables::Variables;
use crate::metrics::{Batch, Metric};
use crate::saving::backup::{Backup, Numbers, Opened};

/// A point between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) epoch: usize,
    /// How many batches of the epoch are done.
    pub(crate) batch: usize,
}

/// What is the same in the training that was killed and the one that goes on.
#[derive(Debug)]
pub(crate) struct Terms(Json);

impl Terms {
    pub(crate) fn new(
        (variables, compiled, source): (&Variables, &Compiled, &Source),
        (batch_size, shuffle): (usize, bool),
        names: &[String],
    ) -> Self {
        let weights = variables.specs.iter();
        let weights: Vec<Json> = weights
            .map(|spec| json!([spec.path, spec.shape.dims(), spec.trainable]))
            .collect();
        let rows = match source {
            Source::Arrays(resident) => Some(resident.rows.len()),
            Source::Dataset(_) => None,
        };
        Terms(json!({
            "weights": weights,
            "optimizer": compiled.optimizer.class_name(),
            "logged values": names,
            "rows": rows,
            "batch_size": batch_size,
            "batches of an epoch": source.steps(),
            "shuffle": shuffle,
        }))
    }

    /// Refuses a file of another training, and says what is other.
    fn compare(&self, file: &Opened) -> Result<()> {
        let theirs = file.about("terms");
        for (name, mine) in self.0.as_object().into_iter().flatten() {
            let other = theirs.get(name).unwrap_or(&Json::Null);
            if mine != other {
                let (mine, other) = first_difference(mine, other);
                return Err(file.fail(
                    "",
                    format!(
                        "is the backup of another training: {name}: {other} there, {mine} here; remove \
                         it to begin anew"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Of two lists the first elements that differ.
fn first_difference<'j>(mine: &'j Json, other: &'j Json) -> (&'j Json, &'j Json) {
    let (Json::Array(one), Json::Array(two)) = (mine, other) else {
        return (mine, other);
    };
    let place = (0..one.len().max(two.len())).find(|place| one.get(*place) != two.get(*place));
    let at = |list: &'j Vec<Json>| place.and_then(|place| list.get(place));
    (
        at(one).unwrap_or(&Json::Null),
        at(two).unwrap_or(&Json::Null),
    )
}

/// The numbers and the text of a training that is at a point.
pub(crate) struct Moment<'m> {
    pub(crate) at: Point,
    pub(crate) terms: &'m Terms,
    pub(crate) seed: u64,
    pub(crate) signals: Signals,
    pub(crate) built: &'m Built,
    pub(crate) compiled: &'m Compiled,
    pub(crate) stream: Option<(usize, usize)>,
    pub(crate) tally: &'m Tally,
    pub(crate) watched: &'m [Watched],
    pub(crate) logged: &'m Logged,
    pub(crate) history: &'m History,
}

impl Moment<'_> {
    /// Writes all of it, with what the callbacks keep.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(crate) fn write(&self, path: &Path, memories: &[(String, Memory)]) -> Result<()> {
        let state = &self.compiled.state;
        let rate = self.compiled.optimizer.settings().learning_rate.constant();
        let callbacks: Vec<Json> = memories
            .iter()
            .map(|(name, memory)| {
                let weights = memory.weights.iter().map(|(name, _)| name.as_str());
                let weights: Vec<&str> = weights.collect();
                json!({ "name": name, "values": memory.values, "weights": weights })
            })
            .collect();
        let about = json!({
            "terms": self.terms.0,
            "seed": self.seed,
            "epoch": self.at.epoch,
            "batch": self.at.batch,
            "stop": self.signals.stop,
            "swapped": self.signals.swapped,
            "loss": self.signals.loss.to_bits(),
            "iterations": state.iterations,
            "learning_rate": rate.map(f32::to_bits),
            "pass": self.stream,
            "validated": self.logged.is_validated(),
            "epochs": self.history.epochs(),
            "callbacks": callbacks,
        });
        let mut numbers = HashMap::from([
            (
                "parameters".to_string(),
                Numbers::from(&self.built.parameters[..]),
            ),
            (
                "tally".to_string(),
                Numbers::Double(self.tally.state().into()),
            ),
        ]);
        let arenas = [
            ("average", state.average()),
            ("accumulator", state.accumulator()),
        ];
        for (name, arena) in arenas {
            let arena = arena.map(|arena| (name.to_string(), Numbers::from(&arena[..])));
            numbers.extend(arena);
        }
        for (number, slot) in state.slots().iter().enumerate() {
            numbers.insert(format!("slots/{number}"), Numbers::from(&slot[..]));
        }
        for (number, watched) in self.watched.iter().enumerate() {
            let sums = Numbers::from(watched.metric.state());
            numbers.insert(format!("metrics/{number}"), sums);
        }
        for (name, values) in self.logged.state() {
            numbers.insert(format!("logged/{name}"), Numbers::from(values));
        }
        for name in self.history.names() {
            let column = self.history.get(name).unwrap_or(&[]);
            numbers.insert(format!("history/{name}"), Numbers::from(column));
        }
        for (number, (_, memory)) in memories.iter().enumerate() {
            for (name, weights) in &memory.weights {
                let values = Numbers::from(weights.values());
                numbers.insert(format!("callbacks/{number}/{name}"), values);
            }
        }
        Backup { about, numbers }.write(path)
    }
}

/// What a training that goes on takes from a file, checked.
#[derive(Debug)]
pub(crate) struct Kept {
    file: Opened,
    pub(crate) at: Point,
    pub(crate) seed: u64,
    pub(crate) signals: Signals,
}

impl Kept {
    /// Reads the file of a training on the same terms.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::File`] for a file that is broken or of another training.
    pub(crate) fn read(path: &Path, terms: &Terms) -> Result<Kept> {
        let file = Opened::read(path)?;
        terms.compare(&file)?;
        let count = |name| Ok::<usize, Error>(file.count(name)? as usize);
        let at = Point {
            epoch: count("epoch")?,
            batch: count("batch")?,
        };
        let signals = Signals {
            stop: file.flag("stop"),
            swapped: file.flag("swapped"),
            batches: at.batch,
            loss: f32::from_bits(file.count("loss")? as u32),
        };
        Ok(Kept {
            seed: file.count("seed")?,
            at,
            signals,
            file,
        })
    }

    /// Puts weights, statistics and the optimizer's state where they were.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for numbers that are missing.
    pub(crate) fn restore_model(&self, built: &mut Built, compiled: &mut Compiled) -> Result<()> {
        let file = &self.file;
        file.copy("parameters", &mut built.parameters)?;
        let state = &mut compiled.state;
        state.iterations = file.count("iterations")?;
        for (number, slot) in state.slots_mut().iter_mut().enumerate() {
            file.copy(&format!("slots/{number}"), slot)?;
        }
        if let Some(average) = state.average_mut() {
            file.copy("average", average)?;
        }
        if let Some(accumulator) = state.accumulator_mut() {
            file.copy("accumulator", accumulator)?;
        }
        if let Some(rate) = file.about("learning_rate").as_u64() {
            let rate = f32::from_bits(rate as u32);
            compiled.optimizer.settings_mut().learning_rate = std::sync::Arc::new(rate);
        }
        Ok(())
    }

    /// Puts the sums of the epoch under way and what was logged where they were.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for numbers that are missing.
    pub(crate) fn restore_sums(
        &self,
        tally: &mut Tally,
        watched: &mut [Watched],
        logged: &mut Logged,
    ) -> Result<()> {
        let file = &self.file;
        tally.restore(file.double("tally")?);
        for (number, watched) in watched.iter_mut().enumerate() {
            let sums = Sums(file.double(&format!("metrics/{number}"))?.to_vec());
            // Some make room for their sums when they see the first batch.
            watched.metric.reset();
            watched.metric.merge(&sums);
        }
        for (name, values) in logged.state_mut() {
            file.copy(&format!("logged/{name}"), values)?;
        }
        logged.set_validated(file.flag("validated"));
        Ok(())
    }

    /// The history so far.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for columns that are missing or too short.
    pub(crate) fn history(&self, names: &[String]) -> Result<History> {
        let epochs = self.file.about("epochs").as_array();
        let epochs: Vec<usize> = epochs
            .into_iter()
            .flatten()
            .filter_map(|epoch| Some(epoch.as_u64()? as usize))
            .collect();
        let mut history = History::with_capacity(names.to_vec(), epochs.len());
        let columns = names.iter().map(|name| {
            let entry = format!("history/{name}");
            let column = self.file.single(&entry)?;
            match column.len() == epochs.len() {
                true => Ok(column),
                false => Err(self.file.fail(&entry, "has another length")),
            }
        });
        let columns: Vec<&[f32]> = columns.collect::<Result<_>>()?;
        let mut row = Vec::with_capacity(names.len());
        for (place, epoch) in epochs.into_iter().enumerate() {
            row.clear();
            row.extend(
                columns
                    .iter()
                    .filter_map(|column| column.get(place).copied()),
            );
            history.push(epoch, &row);
        }
        Ok(history)
    }

    /// Goes to the place of a dataset: the batches before it are read and not looked at.
    ///
    /// # Errors
    ///
    /// What the dataset says, and [`Error::File`] when it ends before.
    pub(crate) fn restore_source(
        &self,
        source: &mut Source,
        parts: (&Network, &Built, &Compiled),
    ) -> Result<()> {
        let (Source::Dataset(stream), Some([epoch, read])) = (source, self.pass()) else {
            return Ok(());
        };
        let (network, built, compiled) = parts;
        let parts = (network, built, compiled.heads.as_slice());
        match stream.seek((epoch, read), self.seed, parts)? {
            true => Ok(()),
            false => Err(self.file.fail("pass", "the dataset has fewer batches now")),
        }
    }

    /// The epoch in which the pass over a dataset began, and how many batches of it were read.
    fn pass(&self) -> Option<[usize; 2]> {
        let pair = self.file.about("pass").as_array()?;
        let count = |place: usize| Some(pair.get(place)?.as_u64()? as usize);
        Some([count(0)?, count(1)?])
    }

    /// Gives the callbacks what they keep.
    ///
    /// # Errors
    ///
    /// What a callback says, and [`Error::File`] for weights that are missing.
    pub(crate) fn restore_callbacks(&self, hooks: &mut Hooks, built: &Built) -> Result<()> {
        let callbacks = self.file.about("callbacks").as_array();
        let mut memories = Vec::new();
        for (number, callback) in callbacks.into_iter().flatten().enumerate() {
            let name = callback.get("name").and_then(Json::as_str).unwrap_or("");
            let mut memory = Memory::new();
            if let Some(Json::Object(values)) = callback.get("values") {
                memory.values = values.clone();
            }
            let weights = callback.get("weights").and_then(Json::as_array);
            for weight in weights.into_iter().flatten().filter_map(Json::as_str) {
                let mut values = built.parameters.clone();
                let entry = format!("callbacks/{number}/{weight}");
                self.file.copy(&entry, &mut values)?;
                let weights = Weights::new(&built.variables, values);
                memory.weights.push((weight.to_string(), weights));
            }
            memories.push((name.to_string(), memory));
        }
        hooks.restore_states(memories)
    }
}

/// Sums that a metric takes in as those of another of its kind.
#[derive(Debug, Clone)]
struct Sums(Vec<f64>);

impl Metric for Sums {
    fn name(&self) -> &str {
        "sums"
    }

    fn class_name(&self) -> &str {
        "Sums"
    }

    fn update(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    fn result(&self) -> f32 {
        0.0
    }

    fn state(&self) -> &[f64] {
        &self.0
    }

    fn state_mut(&mut self) -> &mut [f64] {
        &mut self.0
    }
}
