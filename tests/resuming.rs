//! Trainings that are killed and go on: they end with the bits of those that never were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use horn::callbacks::{
    BackupAndRestore, CsvLogger, EarlyStopping, KeepBest, LambdaCallback, Memory, ModelCheckpoint,
    ReduceLROnPlateau, SaveFreq, SwapEmaWeights,
};
use horn::data::dataset::{Dataset, from_index};
use horn::metrics::{AUC, BinaryAccuracy, F1Score};
use horn::prelude::*;
use ndarray::Array2;

const EPOCHS: usize = 12;

/// What a training reads, and how often it is written.
#[derive(Debug, Clone, Copy)]
struct Job {
    dataset: bool,
    freq: SaveFreq,
}

impl Job {
    fn all() -> Vec<Job> {
        let freqs = [
            SaveFreq::Epoch,
            SaveFreq::Epochs(3),
            SaveFreq::Batches(5),
            SaveFreq::Time(Duration::from_millis(1)),
        ];
        let both = |freq| [true, false].map(|dataset| Job { dataset, freq });
        freqs.into_iter().flat_map(both).collect()
    }

    fn model(self, seed: u64) -> Sequential {
        let mut model = Sequential::new()
            .seed(seed)
            .add(Dense::new(24).input_dim(6).activation(Relu))
            .add(BatchNormalization::new())
            .add(Dropout::new(0.3))
            .add(GaussianNoise::new(0.1))
            .add(Dense::new(1).activation(Sigmoid));
        let optimizer = Adam::new()
            .learning_rate(0.03)
            .use_ema(true)
            .ema_momentum(0.9);
        let compile = Compile::new(optimizer, BinaryCrossentropy::new())
            .metric(BinaryAccuracy::new())
            .metric(AUC::new().num_thresholds(20))
            .metric(F1Score::new().threshold(0.5));
        model.compile(compile).unwrap();
        model
    }

    /// Trains with files in a folder. What is compared: the history, every weight to the bit, and what
    /// the callbacks have come to.
    fn train(
        self,
        folder: &Path,
        seed: u64,
        other: Option<LambdaCallback>,
    ) -> horn::Result<String> {
        let mut model = self.model(seed);
        let mut stopping = EarlyStopping::new()
            .patience(7)
            .monitor("loss")
            .restore_best_weights(true);
        let mut best = KeepBest::new().monitor("val_loss");
        let plateau = ReduceLROnPlateau::new()
            .patience(1)
            .factor(0.5)
            .monitor("val_loss");
        let files = folder.join("{epoch:02d}.weights.h5");
        let fit = Fit::new()
            .epochs(EPOCHS)
            .batch_size(16)
            .verbose(0)
            .callback(CsvLogger::new(folder.join("log.csv")))
            .callback(BackupAndRestore::new(folder.join("backup")).save_freq(self.freq))
            .callback(SwapEmaWeights::new().swap_on_epoch(true))
            .callback(plateau)
            .callback(ModelCheckpoint::new(&files).keep_last(2))
            .callback(&mut stopping)
            .callback(&mut best);
        let fit = match other {
            Some(other) => fit.callback(other),
            None => fit,
        };
        let value = |i: usize, j: usize| ((i * 7 + j * 13) % 29) as f32 / 29.0 - 0.5;
        let row = move |i: usize| {
            let row: [f32; 6] = std::array::from_fn(|j| value(i, j));
            let sum: f32 = row.iter().sum();
            (row, f32::from(u8::from(sum + 0.4 * value(i, 8) > 0.0)))
        };
        let history = match self.dataset {
            true => {
                let validation = from_index(60, row);
                let fit = fit.steps_per_epoch(9).validation_dataset(validation);
                model.fit_dataset(from_index(230, row).shuffle(100), fit)?
            }
            false => {
                let x = Array2::from_shape_fn((200, 6), |(i, j)| row(i).0[j]);
                let y: Vec<f32> = (0..200).map(|i| row(i).1).collect();
                model.fit(&x, &y, fit.validation_split(0.2))?
            }
        };
        let weights = model.get_weights();
        let bits: Vec<u32> = weights
            .iter()
            .flatten()
            .map(|value| value.to_bits())
            .collect();
        let history = format!("{history:?}");
        let log = fs::read_to_string(folder.join("log.csv")).unwrap();
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".h5") || name == "backup")
            .collect();
        files.sort();
        let ends = (stopping.stopped_epoch(), stopping.best_epoch(), best.best());
        let seed = model.current_seed();
        Ok(format!(
            "{history}\n{log}\n{files:?} {ends:?} {seed}\n{bits:?}"
        ))
    }
}

/// The training that a child process runs, as its environment says.
#[test]
#[ignore = "a process of its own, for the other tests"]
fn child() {
    let Ok(folder) = std::env::var("HORN_CHILD") else {
        return;
    };
    let folder = PathBuf::from(folder);
    let number: usize = std::env::var("HORN_JOB").unwrap().parse().unwrap();
    let result = Job::all()[number].train(&folder, 1, None);
    match result {
        Ok(text) => fs::write(folder.join("result"), text).unwrap(),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(3);
        }
    }
}

/// A command that runs the child, after shell commands.
fn command(job: usize, folder: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    let program = std::env::current_exe().unwrap();
    let script = format!("{before} exec \"$0\" --exact child --ignored --nocapture");
    command.args(["-c", &script]).arg(program);
    command.env("HORN_CHILD", folder);
    command.env("HORN_JOB", job.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// How a training ends that nobody disturbs, and how long it takes.
fn undisturbed(job: usize) -> (String, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let output = command(job, folder.path(), "").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(folder.path().join("result")).unwrap();
    (text, began.elapsed())
}

/// Random fractions.
fn fractions(mut seed: u64) -> impl FnMut() -> f64 {
    move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(unix)]
#[test]
fn trainings_that_are_killed_end_with_the_same_bits() {
    // How often one is killed in all.
    let kills = std::env::var("HORN_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    let kills = kills.unwrap_or(200_usize);
    let jobs = Job::all();
    for (job, what) in jobs.iter().enumerate() {
        let (expected, time) = undisturbed(job);
        let mut fraction = fractions(job as u64);
        let (mut killed, mut ended) = (0, 0);
        let mut folder = tempfile::tempdir().unwrap();
        while killed < kills.div_ceil(jobs.len()) || ended == 0 {
            let mut child = command(job, folder.path(), "").spawn().unwrap();
            std::thread::sleep(time.mul_f64(fraction()));
            // One that has ended in the meantime cannot be killed.
            let _ = child.kill();
            let status = child.wait().unwrap();
            killed += usize::from(!status.success());
            if status.success() {
                let result = fs::read_to_string(folder.path().join("result")).unwrap();
                assert_eq!(result, expected, "{what:?} after {killed} kills");
                folder = tempfile::tempdir().unwrap();
                ended += 1;
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_costs_nothing_but_time() {
    for job in [0, 4, 5] {
        let (expected, _) = undisturbed(job);
        let folder = tempfile::tempdir().unwrap();
        // Files cannot grow beyond so many blocks: a write fails, or the process dies in the midst of it.
        let (mut failed, mut died) = (0, 0);
        for blocks in [0, 1, 2, 5, 9, 14, 17, 19, 21, 23, 25, 30] {
            for before in ["trap '' XFSZ;", ""] {
                let before = format!("{before} ulimit -f {blocks};");
                let output = command(job, folder.path(), &before).output().unwrap();
                match output.status.code() {
                    Some(3) => {
                        let text = String::from_utf8_lossy(&output.stderr);
                        assert!(text.contains("File too large"), "{text}");
                        failed += 1;
                    }
                    None => died += 1,
                    Some(code) => {
                        let result = folder.path().join("result");
                        assert!(code == 0 || !result.exists(), "{output:?}");
                        let _ = fs::remove_file(result);
                    }
                }
            }
        }
        assert!(failed > 3 && died > 3, "{failed} failed, {died} died");
        let output = command(job, folder.path(), "").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let result = fs::read_to_string(folder.path().join("result")).unwrap();
        assert_eq!(result, expected);
    }
}

fn crash_at(epoch: usize) -> LambdaCallback<'static> {
    LambdaCallback::new().on_epoch_begin(move |_, now| assert!(now < epoch, "lightning"))
}

#[test]
fn the_seed_of_the_first_run_is_kept() {
    let job = Job::all()[0];
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = job.train(one.path(), 5, None).unwrap();
    assert!(job.train(other.path(), 5, Some(crash_at(7))).is_err());
    assert!(other.path().join("backup/training.backup").exists());
    // A model without a seed of its own has another at each start.
    assert_eq!(job.train(other.path(), 99, None).unwrap(), expected);
}

#[test]
fn a_backup_of_another_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (x, y) = (Array2::<f32>::ones((20, 3)), vec![1.0_f32; 20]);
    let fit = |model: &mut Sequential, batch_size: usize, crash: usize| {
        let fit = Fit::new().epochs(6).batch_size(batch_size).verbose(0);
        let fit = fit.callback(BackupAndRestore::new(folder));
        model.fit(&x, &y, fit.callback(crash_at(crash)))
    };
    let model = |units: usize, adam: bool| {
        let mut model = Sequential::new().seed(1);
        model = model.add(Dense::new(units).input_dim(3)).add(Dense::new(1));
        let compile = match adam {
            true => Compile::new(Adam::new(), MeanSquaredError::new()),
            false => Compile::new(SGD::new(), MeanSquaredError::new()),
        };
        model.compile(compile).unwrap();
        model
    };
    fit(&mut model(4, true), 5, 3).unwrap_err();
    for (mut model, batch_size, part) in [
        (model(5, true), 5, "dense/kernel"),
        (
            model(4, false),
            5,
            "optimizer: \"Adam\" there, \"SGD\" here",
        ),
        (model(4, true), 4, "batch_size: 5 there, 4 here"),
    ] {
        let before = model.get_weights();
        let error = fit(&mut model, batch_size, 9).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("training.backup"),
            "{error}"
        );
        assert_eq!(model.get_weights(), before);
    }
    let path = folder.join("training.backup");
    let whole = fs::read(&path).unwrap();
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let mut model = model(4, true);
        let before = model.get_weights();
        let error = fit(&mut model, 5, 9).unwrap_err().to_string();
        assert!(error.contains("training.backup"), "{error}");
        assert_eq!(model.get_weights(), before);
    }
    fs::write(&path, &whole).unwrap();
    // More epochs than at first are fine.
    let history = fit(&mut model(4, true), 5, 9).unwrap();
    assert_eq!(history.epochs(), [0, 1, 2, 3, 4, 5]);
    assert!(!path.exists());
}

#[test]
fn callbacks_of_ones_own_go_on() {
    /// Keeps the sum of all losses.
    #[derive(Default)]
    struct Total(f32);

    impl Callback for Total {
        fn on_epoch_end(
            &mut self,
            _: &mut horn::callbacks::Control,
            _: usize,
            logs: &Logs,
        ) -> horn::Result<()> {
            self.0 += logs["loss"];
            Ok(())
        }
        fn save_state(&mut self) -> horn::Result<Memory> {
            Ok(Memory::new().number("total", Some(self.0)))
        }
        fn restore_state(&mut self, memory: &Memory) -> horn::Result<()> {
            self.0 = memory.get_number("total").unwrap_or(0.0);
            Ok(())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (array![[1.0_f32], [2.0]], array![1.0_f32, 2.0]);
    let run = |crash: usize, backup: bool| {
        let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
        model
            .compile(Compile::new(Adam::new(), MeanSquaredError::new()))
            .unwrap();
        let mut totals = [Total::default(), Total(100.0)];
        let [one, other] = &mut totals;
        let mut fit = Fit::new()
            .epochs(8)
            .verbose(0)
            .callback(one)
            .callback(other);
        if backup {
            fit = fit.callback(BackupAndRestore::new(folder.path()));
        }
        let result = model.fit(&x, &y, fit.callback(crash_at(crash)));
        (result.is_ok(), totals.map(|total| total.0))
    };
    let (_, expected) = run(9, false);
    assert!(!run(5, true).0);
    assert_eq!(run(9, true), (true, expected));
}

#[test]
fn the_last_files_stay_and_frequencies_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (array![[1.0_f32], [2.0]], array![1.0_f32, 2.0]);
    let run = |checkpoint: ModelCheckpoint| {
        let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
        model
            .compile(Compile::new(Adam::new(), MeanSquaredError::new()))
            .unwrap();
        let fit = Fit::new()
            .epochs(7)
            .batch_size(1)
            .verbose(0)
            .callback(checkpoint);
        model.fit(&x, &y, fit).map(|_| ())
    };
    let files = || {
        let files = fs::read_dir(folder.path()).unwrap();
        let mut files: Vec<String> = files
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        files
    };
    let path = |name: &str| folder.path().join(name);
    run(ModelCheckpoint::new(path("{epoch}.keras")).keep_last(2)).unwrap();
    assert_eq!(files(), ["6.keras", "7.keras"]);
    run(ModelCheckpoint::new(path("e{epoch}.keras")).save_freq(SaveFreq::Epochs(3))).unwrap();
    assert_eq!(files(), ["6.keras", "7.keras", "e3.keras", "e6.keras"]);
    let often = ModelCheckpoint::new(path("t{epoch}-{batch}.npz")).save_freq(Duration::ZERO);
    run(often.keep_last(3)).unwrap();
    assert_eq!(files()[4..], ["t6-2.npz", "t7-1.npz", "t7-2.npz"]);
    run(ModelCheckpoint::new(path("never{epoch}.npz")).save_freq(Duration::MAX)).unwrap();
    assert_eq!(files().len(), 7);

    let refused = |checkpoint: ModelCheckpoint, part: &str| {
        let error = run(checkpoint).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(
        ModelCheckpoint::new(path("a{epoch}.npz")).keep_last(0),
        "`keep_last`",
    );
    refused(
        ModelCheckpoint::new(path("a.npz")).keep_last(2),
        "`{epoch}`",
    );
    let never = ModelCheckpoint::new(path("a.npz")).save_freq(SaveFreq::Epochs(0));
    refused(never, "`save_freq`");
}
