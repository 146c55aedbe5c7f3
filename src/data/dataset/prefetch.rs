//! [`Prefetch`]: a dataset that is read ahead on a thread.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::{Batch, Dataset, Length, Pass};
use crate::error::{Error, Result};

/// A dataset that is read ahead on a thread; see [`Dataset::prefetch`].
///
/// The thread lives as long as a pass. Its batches are as large as the first that is asked for;
/// small ones that come fast are handed over several at a time, up to 64 KiB. Buffers go round, so
/// that nothing is allocated for each. An error of the dataset, or a panic in it, comes out where
/// its rows would have come.
///
/// # Examples
///
/// ```
/// use horn::data::dataset::{Batch, Dataset, Pass, from_index};
///
/// let mut rows = from_index(10, |i| match i {
///     7 => panic!("there is no seven"),
///     _ => (i, i),
/// })
/// .prefetch(2);
/// let mut batch = Batch::new();
/// rows.begin(Pass::default())?;
/// assert_eq!(rows.read(7, &mut batch)?, 7);
/// let error = rows.read(7, &mut batch).unwrap_err().to_string();
/// assert!(error.contains("there is no seven"), "{error}");
/// # Ok::<(), horn::Error>(())
/// ```
pub struct Prefetch<D> {
    batches: usize,
    state: State<D>,
    length: Length,
    /// The block that came last from the thread, and how many of its rows were read.
    ready: Batch,
    taken: usize,
    /// Whether the pass is over.
    over: bool,
}

enum State<D> {
    /// No thread has it. It is begun when the first row is asked for.
    Idle(D, Pass),
    Running(Worker<D>),
    /// It was lost in a panic.
    Lost,
}

/// A thread that reads.
struct Worker<D> {
    free: SyncSender<Batch>,
    ready: Receiver<Result<Batch>>,
    thread: JoinHandle<D>,
}

impl<D> fmt::Debug for Prefetch<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch")
            .field("batches", &self.batches)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl<D: Dataset + 'static> Prefetch<D> {
    pub(super) fn new(dataset: D, batches: usize) -> Self {
        Prefetch {
            batches,
            length: dataset.length(),
            state: State::Idle(dataset, Pass::default()),
            ready: Batch::new(),
            taken: 0,
            over: false,
        }
    }

    /// Takes the dataset back from its thread, if one has it.
    fn stop(&mut self) -> Result<()> {
        let worker = match std::mem::replace(&mut self.state, State::Lost) {
            State::Running(worker) => worker,
            State::Idle(dataset, pass) => {
                self.state = State::Idle(dataset, pass);
                return Ok(());
            }
            State::Lost => return Err(lost()),
        };
        let Worker {
            free,
            ready,
            thread,
        } = worker;
        // Without the other ends the thread finds nothing to do.
        drop((free, ready));
        match thread.join() {
            Ok(dataset) => {
                self.length = dataset.length();
                self.state = State::Idle(dataset, Pass::default());
                Ok(())
            }
            Err(panic) => Err(Error::dataset(format!(
                "the thread that prefetches has panicked: {}",
                message(panic.as_ref())
            ))),
        }
    }

    /// Hands the dataset to a thread that reads batches of `rows` rows.
    fn start(&mut self, dataset: D, pass: Pass, rows: usize) -> Result<()> {
        let (free, buffers) = sync_channel(self.batches + 2);
        let (send, ready) = sync_channel(self.batches);
        for _ in 0..=self.batches {
            // There is room for all of them.
            let _ = free.try_send(Batch::new());
        }
        let read = move || produce(dataset, pass, rows, &buffers, &send);
        let thread = Builder::new().name("horn-prefetch".into()).spawn(read);
        let thread = thread.map_err(|e| Error::dataset(format!("there is no thread: {e}")))?;
        self.state = State::Running(Worker {
            free,
            ready,
            thread,
        });
        Ok(())
    }

    /// Waits for the next batch of the thread. False at the end of the pass.
    fn receive(&mut self, rows: usize) -> Result<bool> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Idle(dataset, pass) => self.start(dataset, pass, rows)?,
            State::Lost => return Err(lost()),
            running => self.state = running,
        }
        let State::Running(worker) = &self.state else {
            return Ok(false);
        };
        match worker.ready.recv() {
            Ok(Ok(batch)) => {
                self.ready.check_same(&batch)?;
                let used = std::mem::replace(&mut self.ready, batch);
                let _ = worker.free.try_send(used);
                self.taken = 0;
                Ok(true)
            }
            Ok(Err(error)) => {
                self.over = true;
                Err(error)
            }
            // The thread has ended: with the pass, or in a panic.
            Err(_) => {
                self.over = true;
                self.stop()?;
                Ok(false)
            }
        }
    }
}

/// What the thread does until the pass is over, or nobody listens any more.
fn produce<D: Dataset>(
    mut dataset: D,
    pass: Pass,
    rows: usize,
    buffers: &Receiver<Batch>,
    send: &SyncSender<Result<Batch>>,
) -> D {
    if let Err(error) = dataset.begin(pass) {
        let _ = send.send(Err(error));
        return dataset;
    }
    let mut first = 0;
    // A row that differs is refused whichever block it would come into.
    let mut like = Batch::new();
    while let Ok(mut block) = buffers.recv() {
        block.clear();
        block.expect(&like);
        block.set_first(first);
        let read = || fill_block(&mut dataset, rows, &mut block);
        let filled = catch_unwind(AssertUnwindSafe(read));
        block.settle();
        first += block.len();
        like.expect(&block);
        // The rows before one that cannot be read are good.
        let mut heard = block.is_empty() || send.send(Ok(block)).is_ok();
        let over = match filled {
            Ok(Ok(more)) => !more,
            Ok(Err(error)) => {
                heard = heard && send.send(Err(error)).is_ok();
                true
            }
            // Whoever joins the thread hears of it.
            Err(panic) => resume_unwind(panic),
        };
        if over || !heard {
            break;
        }
    }
    dataset
}

/// How many values make a block worth the hand-over to the thread that waits for it.
const BLOCK: usize = 1 << 14;

/// How long a block may take to fill.
const PATIENCE: Duration = Duration::from_millis(1);

/// Reads a batch of `rows` rows, and more such batches where they are small and come fast: to hand
/// over each alone would cost as much as a small network's step. False at the end of the pass.
fn fill_block(dataset: &mut impl Dataset, rows: usize, block: &mut Batch) -> Result<bool> {
    let began = Instant::now();
    loop {
        let wanted = block.len() + rows;
        while block.len() < wanted {
            if dataset.read(wanted - block.len(), block)? == 0 {
                return Ok(false);
            }
        }
        if block.values() + block.values() / block.len().max(1) * rows > BLOCK
            || began.elapsed() > PATIENCE
        {
            return Ok(true);
        }
    }
}

fn lost() -> Error {
    Error::dataset("the thread that prefetches has panicked before: make the dataset anew")
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message")
}

impl<D: Dataset + 'static> Dataset for Prefetch<D> {
    fn length(&self) -> Length {
        match &self.state {
            State::Idle(dataset, _) => dataset.length(),
            _ => self.length,
        }
    }

    fn begin(&mut self, pass: Pass) -> Result<()> {
        if self.batches == 0 {
            return Err(Error::argument("prefetch", "batches", "at least 1", 0));
        }
        self.stop()?;
        if let State::Idle(_, next) = &mut self.state {
            *next = pass;
        }
        self.ready.clear();
        self.taken = 0;
        self.over = false;
        Ok(())
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> Result<usize> {
        if rows == 0 || self.over {
            return Ok(0);
        }
        while self.taken == self.ready.len() {
            if !self.receive(rows)? {
                return Ok(0);
            }
        }
        let count = rows.min(self.ready.len() - self.taken);
        if batch.is_empty() && self.taken == 0 && count == self.ready.len() {
            batch.check_same(&self.ready)?;
            self.ready.set_first(batch.first());
            std::mem::swap(batch, &mut self.ready);
            self.ready.clear();
            return Ok(count);
        }
        batch.extend(&self.ready, self.taken, count)?;
        self.taken += count;
        Ok(count)
    }
}

impl<D> Drop for Prefetch<D> {
    fn drop(&mut self) {
        if let State::Running(worker) = std::mem::replace(&mut self.state, State::Lost) {
            drop((worker.free, worker.ready));
            // A panic in it is nobody's concern any more.
            let _ = worker.thread.join();
        }
    }
}
