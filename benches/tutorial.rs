//! The tutorial, timed as a user calls it: fit, evaluate, predict, one row; and the count of
//! allocations a step.
//!
//! `cargo bench --bench tutorial`. With `HORN_PEER` set to the command of another program that
//! prints `fit <milliseconds> ms` (a hand-written network, say), the two run in turn and the ratio
//! is printed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use horn::prelude::*;

/// How often each job is timed; the median is printed.
const RUNS: usize = 15;
const STEPS: f64 = 11_550.0;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: passes every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> horn::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/data/pima-indians-diabetes.csv"
    );
    let dataset = load_csv(path)?;
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));

    let (mut fits, mut shown, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let fit = || Fit::new().epochs(150).batch_size(10).verbose(0);
        let mut model = network()?;
        fits.push(milliseconds(|| model.fit(&x, &y, fit()).map(drop))?);
        let progress = callbacks::Progress::new().output(std::io::sink());
        let mut model = network()?;
        shown.push(milliseconds(|| {
            model.fit(&x, &y, fit().callback(progress)).map(drop)
        })?);
        peers.extend(peer());
    }
    let (fit, printing) = (median(&mut fits), median(&mut shown));
    println!("| job | time |\n|---|---|");
    println!(
        "| fit, 150 epochs of batches of 10 | {fit:.2} ms, {:.3} us a step |",
        fit * 1e3 / STEPS
    );
    println!(
        "| the same, printing each epoch | {printing:.2} ms, {:+.1} % |",
        (printing / fit - 1.0) * 100.0
    );
    if !peers.is_empty() {
        let other = median(&mut peers);
        println!(
            "| the peer's fit | {other:.2} ms: ours takes {:.2} times as long |",
            fit / other
        );
    }

    let model = network()?;
    let row = dataset.slice(s![0..1, 0..8]);
    report("evaluate, 768 rows", 200, || {
        model.evaluate(&x, &y).map(|_| ())
    })?;
    report("predict, 768 rows", 200, || {
        model.predict(&x).map(|p| drop(black_box(p)))
    })?;
    report("predict, one row", 20_000, || {
        model.predict(&row).map(|p| drop(black_box(p)))
    })?;
    let mut predictor = model.predictor(1)?;
    let (inputs, mut output) = (row.iter().copied().collect::<Vec<f32>>(), [0.0]);
    report("predict_into, one row", 20_000, || {
        predictor.predict_into(black_box(&inputs), &mut output)
    })?;

    println!("| allocations a step | {} |", allocations(&x, &y)?);
    Ok(())
}

/// The tutorial's network, compiled.
fn network() -> horn::Result<Sequential> {
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    Ok(model)
}

/// What the peer says of its fit, in milliseconds.
fn peer() -> Option<f64> {
    let command = std::env::var("HORN_PEER").ok()?;
    let mut words = command.split_whitespace();
    let output = Command::new(words.next()?).args(words).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = text.split("fit ").nth(1)?;
    after.split_whitespace().next()?.parse().ok()
}

/// Prints the median time of one call among `calls` in a row.
fn report(job: &str, calls: usize, mut call: impl FnMut() -> horn::Result<()>) -> horn::Result<()> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(milliseconds(|| (0..calls).try_for_each(|_| call()))? / calls as f64);
    }
    println!("| {job} | {:.3} us |", median(&mut times) * 1e3);
    Ok(())
}

/// Allocations of a long fit beyond those of a short one, for each step more.
fn allocations<'a>(
    x: &'a impl horn::data::AsRows,
    y: &'a impl horn::data::AsRows,
) -> horn::Result<f64> {
    let count = |epochs: usize| -> horn::Result<u64> {
        let mut model = network()?;
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        model.fit(x, y, Fit::new().epochs(epochs).batch_size(10).verbose(0))?;
        Ok(ALLOCATIONS.load(Ordering::Relaxed) - before)
    };
    let (short, long) = (count(2)?, count(102)?);
    Ok((long as f64 - short as f64) / 7700.0)
}

fn milliseconds(job: impl FnOnce() -> horn::Result<()>) -> horn::Result<f64> {
    let start = Instant::now();
    job()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
