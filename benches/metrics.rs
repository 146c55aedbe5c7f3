//! Metrics on a million rows, beside Keras and scikit-learn, in turn in one run.
//!
//! `cargo bench --bench metrics`; peers run with the Python that `benches/peers.sh` set up, or the
//! one in `HORN_PEERS_ENV`, and are left out where there is none. A turn resets the metric, takes
//! in all rows and asks for the result. Keras is timed as a user calls it, and compiled as in its
//! `fit`; both hold the data already.

// What the jobs share, of which little is wanted here.
#[allow(dead_code)]
#[path = "jobs/entrants.rs"]
mod entrants;

use std::process::{Command, ExitCode};
use std::time::Instant;

use entrants::{Entrant, Ready};
use horn::metrics::{AUC, Average, Batch, F1Score, Metric, TopKCategoricalAccuracy};

type Error = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Error>;

const ROWS: usize = 1_000_000;
const CLASSES: usize = 10;
const K: usize = 3;
/// How often each is timed.
const RUNS: usize = 7;

/// A metric, its data, and what the script calls its peers.
struct Contest {
    name: &'static str,
    metric: Box<dyn Metric>,
    y_true: Vec<f32>,
    y_pred: Vec<f32>,
    shape: Vec<usize>,
    peers: [(&'static str, &'static str); 3],
}

impl Contest {
    /// One turn of ours, in milliseconds, and the result.
    fn turn(&mut self) -> Result<(f64, f32)> {
        let start = Instant::now();
        self.metric.reset();
        self.metric.update(&Batch {
            y_true: &self.y_true,
            y_true_shape: &self.shape,
            y_pred: &self.y_pred,
            y_pred_shape: &self.shape,
            sample_weight: None,
        })?;
        let result = self.metric.result();
        Ok((start.elapsed().as_secs_f64() * 1e3, result))
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let values = values();
    if let Err(why) = &values {
        println!("without peers: {why}\n");
    }
    let values = values.unwrap_or_default();
    println!("| metric of {ROWS} rows | who | median ms | times ours | result |");
    println!("|---|---|---|---|---|");
    for mut contest in contests() {
        let mut peers: Vec<(&str, &str, Ready)> = Vec::new();
        if !values.is_empty() {
            for (who, turn) in contest.peers {
                let ready = Entrant::peer(who, "metrics", turn, turn).prepare()?;
                peers.push((who, turn, ready));
            }
        }
        let (_, result) = contest.turn()?;
        let mut ours = Vec::new();
        let mut theirs = vec![Vec::new(); peers.len()];
        for _ in 0..RUNS {
            ours.push(contest.turn()?.0);
            for ((_, _, ready), times) in peers.iter_mut().zip(&mut theirs) {
                times.push(ready.turn()?.value / 1e6);
            }
        }
        let ours = median(ours);
        let name = contest.name;
        println!("| {name} | horn | {ours:.2} | 1 | {result:.6} |");
        for ((who, turn, _), times) in peers.iter().zip(theirs) {
            let theirs = median(times);
            let value = values.iter().find(|(name, _)| name == turn);
            let value = value.map_or("?", |(_, value)| value);
            println!(
                "| {name} | {who} | {theirs:.2} | {:.1} | {value} |",
                theirs / ours
            );
        }
    }
    Ok(())
}

/// What the peers compute, by the names of their turns.
fn values() -> Result<Vec<(String, String)>> {
    let output = Command::new(entrants::python()?)
        .args(["benches/peers/metrics.py", "--values"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(entrants::repository())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect())
}

/// The same data as in the script.
fn contests() -> [Contest; 3] {
    let risks = uniform(1, ROWS);
    let drawn = uniform(2, ROWS);
    let happened = drawn.iter().zip(&risks).map(|(u, p)| f32::from(u < p));
    let happened: Vec<f32> = happened.collect();

    let mut scores = uniform(3, ROWS * CLASSES);
    let mut one_hot = vec![0.0; ROWS * CLASSES];
    let (ids, right) = (uniform(4, ROWS), uniform(5, ROWS));
    for (row, (id, right)) in ids.iter().zip(right).enumerate() {
        let place = row * CLASSES + (id * CLASSES as f32) as usize;
        one_hot[place] = 1.0;
        if right < 0.5 {
            scores[place] = 1.0;
        }
    }
    let of_classes = vec![ROWS, CLASSES];
    [
        Contest {
            name: "AUC, 200 thresholds",
            metric: Box::new(AUC::new()),
            y_true: happened,
            y_pred: risks,
            shape: vec![ROWS],
            peers: [
                ("Keras", "auc_keras"),
                ("Keras, compiled", "auc_compiled"),
                ("scikit-learn, exact", "auc_sklearn"),
            ],
        },
        Contest {
            name: "F1, macro, 10 classes",
            metric: Box::new(F1Score::new().average(Average::Macro)),
            y_true: one_hot.clone(),
            y_pred: scores.clone(),
            shape: of_classes.clone(),
            peers: [
                ("Keras", "f1_keras"),
                ("Keras, compiled", "f1_compiled"),
                ("scikit-learn", "f1_sklearn"),
            ],
        },
        Contest {
            name: "top 3 of 10 classes",
            metric: Box::new(TopKCategoricalAccuracy::new().k(K)),
            y_true: one_hot,
            y_pred: scores,
            shape: of_classes,
            peers: [
                ("Keras", "top_k_keras"),
                ("Keras, compiled", "top_k_compiled"),
                ("scikit-learn", "top_k_sklearn"),
            ],
        },
    ]
}

/// Numbers from 0 to 1 that the script draws the same way.
fn uniform(stream: u64, count: usize) -> Vec<f32> {
    let number = |i: u64| {
        let mut x = (i + (stream << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (x >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count as u64).map(number).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
