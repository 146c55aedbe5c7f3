//! Files of a model of 100 MB, written and read, and the cold start of a service, beside Keras.
//!
//! `cargo bench --bench files`; Keras runs with the Python that `benches/peers.sh` set up, or the one
//! in `HORN_PEERS_ENV`, and is left out where there is none. Both take turns in one run, each with a
//! file of its own in the folder for temporary files; `HORN_FOLDER` names another one, such as one in
//! memory. horn syncs what it writes to the disk, which Keras does not: both are told, with a write and
//! a read of the same bytes by the system.

// What the jobs share, of which little is wanted here.
#[allow(dead_code)]
#[path = "jobs/entrants.rs"]
mod entrants;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use entrants::Entrant;
use horn::prelude::*;

type Error = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Error>;

/// 25 million weights.
const WIDE: [usize; 3] = [2500, 5000, 2500];
/// How often each is timed.
const RUNS: usize = 7;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match arguments.iter().position(|argument| argument == "--cold") {
        Some(place) => cold(Path::new(&arguments[place + 1])),
        None => run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What a service does first: reads its model and answers.
fn cold(path: &Path) -> Result<()> {
    let model = Model::load(path)?;
    let row = array![[6.0, 148.0, 72.0, 35.0, 0.0, 33.6, 0.627, 50.0]];
    println!("{:.4}", model.predict(&row)?[[0, 0]]);
    Ok(())
}

/// A job of ours, and the name of the same turn of Keras.
type Job<'j> = (
    &'static str,
    &'static str,
    Box<dyn FnMut() -> Result<()> + 'j>,
);

fn run() -> Result<()> {
    let folder = match std::env::var_os("HORN_FOLDER") {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let at = |name: &str| folder.path().join(name);
    let (archive, weights, small) = (at("a.keras"), at("a.weights.h5"), at("small.keras"));
    let tensors = at("a.safetensors");
    let model = wide()?;
    model.save(&archive)?;
    model.save_weights(&weights)?;
    model.save_weights(&tensors)?;
    tutorial(&small)?;
    let megabytes = fs::metadata(&archive)?.len() as f64 / 1e6;
    println!(
        "{megabytes:.1} MB in `.keras`; the model of the tutorial, trained: {} bytes\n",
        fs::metadata(&small)?.len()
    );
    let mut into = wide()?;
    let bytes = fs::read(&archive)?;
    let ourselves = std::env::current_exe()?;
    let jobs: Vec<Job> = vec![
        (
            "write and sync, no format",
            "",
            Box::new(|| plain(&at("plain"), &bytes)),
        ),
        (
            "read, no format",
            "",
            Box::new(|| {
                std::hint::black_box(fs::read(&archive)?);
                Ok(())
            }),
        ),
        (
            "save `.keras`",
            "save_keras",
            Box::new(|| Ok(model.save(&archive)?)),
        ),
        (
            "load `.keras`",
            "load_keras",
            Box::new(|| {
                Model::load(&archive)?;
                Ok(())
            }),
        ),
        (
            "save `.weights.h5`",
            "save_weights",
            Box::new(|| Ok(model.save_weights(&weights)?)),
        ),
        (
            "load `.weights.h5`",
            "load_weights",
            Box::new(|| Ok(into.load_weights(&weights)?)),
        ),
        (
            "save `.safetensors`",
            "",
            Box::new(|| Ok(model.save_weights(&tensors)?)),
        ),
        (
            "load a `.keras` to predict, cold",
            "cold",
            Box::new(|| start(&ourselves, &small)),
        ),
    ];
    let python = entrants::python();
    if let Err(why) = &python {
        println!("without Keras: {why}\n");
    }
    let mut keras = match python {
        Ok(_) => Some(Entrant::peer("Keras", "files", "files", "save_keras").prepare()?),
        Err(_) => None,
    };
    println!("| job | horn ms | MB/s | Keras ms | times ours |\n|---|---|---|---|---|");
    for (name, turn, mut job) in jobs {
        job()?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let began = Instant::now();
            job()?;
            ours.push(began.elapsed().as_secs_f64() * 1e3);
            if let (Some(entrants::Ready::Talking(keras)), false) = (&mut keras, turn.is_empty()) {
                theirs.push(keras.ask(turn)? / 1e6);
            }
        }
        let ours = median(ours);
        let rate = match turn {
            "cold" => "".into(),
            _ => format!("{:.0}", megabytes / ours * 1e3),
        };
        let (theirs, times) = match theirs.is_empty() {
            true => (String::new(), String::new()),
            false => {
                let theirs = median(theirs);
                (format!("{theirs:.1}"), format!("{:.1}", theirs / ours))
            }
        };
        println!("| {name} | {ours:.1} | {rate} | {theirs} | {times} |");
    }
    Ok(())
}

/// A model of 100 MB.
fn wide() -> Result<Sequential> {
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(WIDE[1]).input_dim(WIDE[0]))
        .add(Dense::new(WIDE[2]));
    model.build()?;
    Ok(model)
}

/// The model of the tutorial, trained a little, with its optimizer.
fn tutorial(path: &Path) -> Result<()> {
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    let (x, y) = (Array2::<f32>::ones((20, 8)), Array1::<f32>::zeros(20));
    model.fit(&x, &y, Fit::new().verbose(0))?;
    Ok(model.save(path)?)
}

/// The same bytes as they are, to the disk.
fn plain(path: &PathBuf, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}

/// A process of ours, from its start to its end.
fn start(ourselves: &Path, model: &Path) -> Result<()> {
    let output = Command::new(ourselves).arg("--cold").arg(model).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
