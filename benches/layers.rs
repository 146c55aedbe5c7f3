//! Layers that are more than a product, forward and with the gradients of inputs and weights,
//! beside PyTorch, in turn in one run.
//!
//! `cargo bench --bench layers`; names after `--` choose some. PyTorch runs with the Python that
//! `benches/peers.sh` set up, or the one in `HORN_PEERS_ENV`, and is left out where there is none.
//! Both have two threads and the inputs where they want them, and ours runs on one of those threads,
//! as a training does that has several large steps; PyTorch takes each shape in the order of axes
//! that it is made for. Noise that PyTorch has no layer for is written there in its ops.

// What the jobs share, of which little is wanted here.
#[allow(dead_code)]
#[path = "jobs/entrants.rs"]
mod entrants;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use entrants::{Entrant, Ready, Talking};
use horn::layers::{
    AlphaDropout, BatchNormalization, Dropout, Embedding, GaussianDropout, GaussianNoise,
    GroupNormalization, Layer, LayerNormalization, RMSNormalization, SpatialDropout1D,
};
use horn::testing::Probe;

type Error = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Error>;

const RUNS: usize = 7;
/// How long a turn of ours goes on; the script's are as long.
const TURN: Duration = Duration::from_millis(15);

const SHAPES: [&[usize]; 3] = [&[128, 512], &[1024, 256], &[32, 64, 128]];
/// Rows and columns of a table, samples, and ids in each.
const TABLES: [[usize; 4]; 3] = [
    [1000, 16, 32, 10],
    [10_000, 64, 128, 32],
    [50_000, 128, 256, 64],
];

/// What the gradient of the output is made with, and whether a backward pass is timed, too.
#[derive(Clone, Copy, PartialEq)]
enum Passes {
    Forward,
    Both,
}

fn main() -> ExitCode {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let done = match threads {
        Ok(threads) => threads.install(|| run().map_err(|error| error.to_string())),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let mut torch = match Entrant::peer("PyTorch", "layers", "", "").prepare() {
        Ok(Ready::Talking(torch)) => Some(torch),
        Ok(_) => None,
        Err(why) => {
            println!("without PyTorch: {why}\n");
            None
        }
    };
    println!("| layer | shape | passes | horn us | PyTorch us | times ours |");
    println!("|---|---|---|---|---|---|");
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    for (name, layer, three_axes) in layers() {
        for shape in SHAPES
            .iter()
            .filter(|shape| shape.len() == 3 || !three_axes)
        {
            if is_wanted(name) {
                let mut probe = Probe::layer(layer.as_ref(), shape, true)?;
                probe.randomize(1);
                let shape = text(shape);
                rows(name, &shape, &mut probe, torch.as_mut())?;
            }
        }
    }
    for (name, repeated) in [("embedding", false), ("embedding_repeated", true)] {
        for table in TABLES.iter().filter(|_| is_wanted(name)) {
            let [rows_, columns, samples, ids] = *table;
            let layer = Embedding::new(rows_, columns);
            let mut probe = Probe::layer(&layer, &[samples, ids], true)?;
            probe.set_inputs(&[numbers(samples * ids, rows_, repeated)]);
            rows(name, &text(table), &mut probe, torch.as_mut())?;
        }
    }
    Ok(())
}

/// The layers, by the script's names, and whether they are for three axes only.
fn layers() -> Vec<(&'static str, Box<dyn Layer>, bool)> {
    vec![
        ("batch_norm", Box::new(BatchNormalization::new()), false),
        ("layer_norm", Box::new(LayerNormalization::new()), false),
        ("rms_norm", Box::new(RMSNormalization::new()), false),
        ("group_norm", Box::new(GroupNormalization::new()), false),
        ("dropout", Box::new(Dropout::new(0.5)), false),
        ("alpha_dropout", Box::new(AlphaDropout::new(0.5)), false),
        (
            "gaussian_dropout",
            Box::new(GaussianDropout::new(0.5)),
            false,
        ),
        ("gaussian_noise", Box::new(GaussianNoise::new(0.5)), false),
        (
            "spatial_dropout",
            Box::new(SpatialDropout1D::new(0.5)),
            true,
        ),
    ]
}

/// Ids below `rows`, spread over the table as far as they go, or over a hundredth of it.
fn numbers(count: usize, rows: usize, repeated: bool) -> Vec<f32> {
    let among = if repeated { rows / 100 } else { rows };
    (0..count).map(|i| (i * 7919 % among) as f32).collect()
}

fn text(lengths: &[usize]) -> String {
    let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
    lengths.join("x")
}

/// Prints what both take, forward and in both passes.
fn rows(name: &str, shape: &str, probe: &mut Probe, mut torch: Option<&mut Talking>) -> Result<()> {
    for (passes, word) in [(Passes::Forward, "forward"), (Passes::Both, "both")] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(turn(probe, passes));
            if let Some(torch) = torch.as_deref_mut() {
                theirs.push(torch.ask(&format!("{name}:{shape}:{word}"))? / 1e3);
            }
        }
        let ours = median(ours);
        let (theirs, ratio) = match theirs.is_empty() {
            true => ("".into(), "".into()),
            false => {
                let theirs = median(theirs);
                (format!("{theirs:.0}"), format!("{:.2}", theirs / ours))
            }
        };
        println!("| {name} | {shape} | {word} | {ours:.0} | {theirs} | {ratio} |");
    }
    Ok(())
}

/// The microseconds of one call, of those that fill a turn.
///
/// Inputs and the gradient of the output are written once, as PyTorch has them once: a pass may
/// overwrite some of the latter, which are then other numbers, and as much work.
fn turn(probe: &mut Probe, passes: Passes) -> f64 {
    let dy = vec![1.0; probe.output_shape().iter().product()];
    probe.load();
    probe.run_forward();
    probe.load_gradient(&dy);
    let both = passes == Passes::Both;
    let mut call = || {
        probe.run_forward();
        if both {
            probe.run_backward();
        }
    };
    // The first calls wake threads and fill caches.
    call();
    call();
    let mut calls = 0;
    let start = Instant::now();
    while start.elapsed() < TURN {
        call();
        calls += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
