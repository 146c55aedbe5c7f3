//! Callbacks through `fit`: against histories, messages and files of Keras, and what they do when
//! something goes wrong.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use horn::callbacks::{
    CsvLogger, EarlyStopping, KeepBest, LambdaCallback, LearningRateScheduler, Mode,
    ModelCheckpoint, ReduceLROnPlateau, Run, StopHandle, SwapEmaWeights, TerminateOnNaN,
    TimeBudget, Weights,
};
use horn::metrics::{Direction, MeanAbsoluteError, R2Score};
use horn::model::Model;
use horn::prelude::*;
use ndarray::Array;
use serde_json::Value as Json;

fn golden() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/callbacks.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Json) -> f32 {
    match value {
        Json::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap() as f32,
    }
}

fn numbers(values: &Json) -> Vec<f32> {
    values.as_array().unwrap().iter().map(number).collect()
}

fn column(data: &Json, name: &str) -> Array2<f32> {
    let rows = data[name].as_array().unwrap();
    Array::from_shape_fn((rows.len(), 1), |(row, _)| number(&rows[row][0]))
}

fn count(value: &Json) -> usize {
    value.as_u64().unwrap() as usize
}

/// Whether ours is Keras's up to rounding.
fn close(ours: f32, keras: f32) -> bool {
    ours.to_bits() == keras.to_bits()
        || (ours.is_nan() && keras.is_nan())
        || (ours - keras).abs() <= 2e-5 * (1.0 + keras.abs())
}

fn all_close(what: &str, ours: &[f32], keras: &[f32]) {
    let same = ours.len() == keras.len() && ours.iter().zip(keras).all(|(a, b)| close(*a, *b));
    assert!(same, "{what}\nours  {ours:?}\nKeras {keras:?}");
}

fn flat(model: &Model) -> Vec<f32> {
    model.get_weights().iter().flatten().copied().collect()
}

/// The model of the golden cases.
fn line(data: &Json, optimizer: SGD) -> Sequential {
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    let compile = Compile::new(optimizer, MeanSquaredError::new());
    model
        .compile(
            compile
                .metric(MeanAbsoluteError::new())
                .metric(R2Score::new()),
        )
        .unwrap();
    let weights = [
        column(data, "kernel").into_dyn(),
        Array::from(numbers(&data["bias"])).into_dyn(),
    ];
    model.set_weights(&weights).unwrap();
    model
}

fn optimizer(settings: &Json) -> SGD {
    let mut sgd = SGD::new();
    for (key, value) in settings.as_object().unwrap() {
        sgd = match key.as_str() {
            "learning_rate" => sgd.learning_rate(number(value)),
            "momentum" => sgd.momentum(value.as_f64().unwrap()),
            "use_ema" => sgd.use_ema(value.as_bool().unwrap()),
            "ema_momentum" => sgd.ema_momentum(number(value)),
            other => panic!("{other}"),
        };
    }
    sgd
}

/// A callback with Keras's settings, and its files in this folder.
fn make(entry: &Json, folder: &Path) -> Box<dyn Callback> {
    let settings = entry["settings"].as_object().unwrap();
    let path = |value: &Json| folder.join(value.as_str().unwrap());
    macro_rules! build {
        ($made:expr, $value:ident, { $($key:literal => $method:ident($argument:expr),)* }) => {{
            let mut made = $made;
            for (key, $value) in settings {
                made = match key.as_str() {
                    $($key => made.$method($argument),)*
                    "filepath" | "filename" | "schedule" => made,
                    other => panic!("{other}"),
                };
            }
            Box::new(made)
        }};
    }
    let text = |value: &Json| value.as_str().unwrap().to_string();
    let mode = |value: &Json| value.as_str().unwrap().parse::<Mode>().unwrap();
    let flag = |value: &Json| value.as_bool().unwrap();
    let real = |value: &Json| value.as_f64().unwrap();
    let level = |value: &Json| count(value) as u8;
    match entry["class"].as_str().unwrap() {
        "EarlyStopping" => build!(EarlyStopping::new(), value, {
            "monitor" => monitor(text(value)),
            "mode" => mode(mode(value)),
            "min_delta" => min_delta(real(value)),
            "patience" => patience(count(value)),
            "baseline" => baseline(real(value)),
            "restore_best_weights" => restore_best_weights(flag(value)),
            "start_from_epoch" => start_from_epoch(count(value)),
            "verbose" => verbose(level(value)),
        }),
        "ReduceLROnPlateau" => build!(ReduceLROnPlateau::new(), value, {
            "monitor" => monitor(text(value)),
            "mode" => mode(mode(value)),
            "factor" => factor(real(value)),
            "patience" => patience(count(value)),
            "min_delta" => min_delta(real(value)),
            "cooldown" => cooldown(count(value)),
            "min_lr" => min_lr(real(value)),
            "verbose" => verbose(level(value)),
        }),
        "ModelCheckpoint" => build!(ModelCheckpoint::new(path(&settings["filepath"])), value, {
            "monitor" => monitor(text(value)),
            "mode" => mode(mode(value)),
            "save_best_only" => save_best_only(flag(value)),
            "save_freq" => save_freq(count(value)),
            "initial_value_threshold" => initial_value_threshold(real(value)),
            "verbose" => verbose(level(value)),
        }),
        "LearningRateScheduler" => {
            let schedule: fn(usize, f32) -> f32 = match settings["schedule"].as_str().unwrap() {
                "halve from epoch 3" => |epoch, rate| if epoch < 3 { rate } else { rate / 2.0 },
                "by the epoch" => |epoch, _| 0.25 / (1 + epoch) as f32,
                other => panic!("{other}"),
            };
            build!(LearningRateScheduler::new(schedule), value, {
                "verbose" => verbose(level(value)),
            })
        }
        "SwapEMAWeights" => build!(SwapEmaWeights::new(), value, {
            "swap_on_epoch" => swap_on_epoch(flag(value)),
        }),
        "TerminateOnNaN" => Box::new(TerminateOnNaN::new()),
        "CSVLogger" => build!(CsvLogger::new(path(&settings["filename"])), value, {
            "append" => append(flag(value)),
        }),
        other => panic!("{other}"),
    }
}

/// Trains as a case says; gives the model after each `fit`, with its history.
fn replay(data: &Json, case: &Json, folder: &Path) -> Vec<(Sequential, History)> {
    let (x, y) = (column(data, "x"), column(data, "y"));
    let (val_x, val_y) = (column(data, "val_x"), column(data, "val_y"));
    let mut model = line(data, optimizer(&case["optimizer"]));
    let entries = case["callbacks"].as_array().unwrap();
    let mut made: Vec<_> = entries.iter().map(|entry| make(entry, folder)).collect();
    let mut runs = Vec::new();
    for _ in 0..count(&case["fits"]) {
        let mut fit = Fit::new()
            .epochs(count(&case["epochs"]))
            .batch_size(count(&case["batch_size"]))
            .shuffle(false)
            .verbose(0);
        if case["validates"] == true {
            fit = fit.validation_data(&val_x, &val_y);
        }
        if let Some(freq) = case.get("validation_freq") {
            fit = fit.validation_freq(count(freq));
        }
        for callback in &mut made {
            fit = fit.callback(callback);
        }
        let history = model.fit(&x, &y, fit).unwrap();
        runs.push((model.clone(), history));
    }
    runs
}

/// Every value that Keras logged, epoch by epoch; it leaves out what was not validated.
fn same_history(name: &str, ours: &History, keras: &Json) {
    let epochs: Vec<usize> = keras["epochs"]
        .as_array()
        .unwrap()
        .iter()
        .map(count)
        .collect();
    assert_eq!(ours.epochs(), epochs, "{name}");
    let columns = keras["history"].as_object().unwrap();
    let mut names: Vec<&str> = columns.keys().map(String::as_str).collect();
    let mut own: Vec<&str> = ours.names().iter().map(String::as_str).collect();
    names.sort_unstable();
    own.sort_unstable();
    assert_eq!(own, names, "{name}");
    for (column, values) in columns {
        let values = numbers(values);
        let mut own = ours[column.as_str()].to_vec();
        if own.len() > values.len() {
            own.retain(|value| !value.is_nan());
        }
        all_close(&format!("{name}: {column}"), &own, &values);
    }
}

fn files(folder: &Path, under: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(folder, &path, found),
            false => {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy();
                found.insert(name.into_owned(), path);
            }
        }
    }
}

fn same_files(name: &str, data: &Json, folder: &Path, keras: &Json) {
    let mut found = BTreeMap::new();
    files(folder, folder, &mut found);
    let keras = keras.as_object().unwrap();
    let mut wanted: Vec<&String> = keras.keys().collect();
    wanted.sort_unstable();
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted, "{name}");
    for (file, path) in &found {
        let what = format!("{name}: {file}");
        if file.ends_with(".npz") {
            let mut model = line(data, SGD::new());
            model.load_weights_npz(path).unwrap();
            all_close(&what, &flat(&model), &numbers(&keras[file]));
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let rows = keras[file].as_array().unwrap();
        assert_eq!(text.lines().count(), rows.len(), "{what}");
        for (ours, keras) in text.lines().zip(rows) {
            let cells = keras.as_array().unwrap();
            assert_eq!(ours.split(',').count(), cells.len(), "{what}");
            for (ours, keras) in ours.split(',').zip(cells) {
                let keras = keras.as_str().unwrap();
                match (ours.parse(), keras.parse()) {
                    (Ok(ours), Ok(keras)) => assert!(close(ours, keras), "{what}: {ours} {keras}"),
                    _ => assert_eq!(ours, keras, "{what}"),
                }
            }
        }
    }
}

/// Replays all cases of the callback.
fn replay_all(prefixes: &[&str]) -> usize {
    let golden = golden();
    let data = &golden["data"];
    let mut done = 0;
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let runs = replay(data, case, folder.path());
        for ((model, history), keras) in runs.iter().zip(case["runs"].as_array().unwrap()) {
            if name == "TerminateOnNaN" {
                // What metrics make of infinite predictions is not asked here.
                let losses = numbers(&keras["history"]["loss"]);
                all_close(name, &history["loss"], &losses);
                continue;
            }
            same_history(name, history, keras);
            // Of two that go together Keras ends with weights that are not averaged; see
            // `averages_stay_when_training_is_stopped_early`.
            if name != "SwapEMAWeights True and EarlyStopping" {
                all_close(
                    &format!("{name}: weights"),
                    &flat(model),
                    &numbers(&keras["weights"]),
                );
            }
        }
        same_files(name, data, folder.path(), &case["files"]);
        done += 1;
    }
    done
}

#[test]
fn early_stopping_is_that_of_keras() {
    assert_eq!(replay_all(&["EarlyStopping"]), 70);
}

#[test]
fn plateaus_are_those_of_keras() {
    assert_eq!(replay_all(&["ReduceLROnPlateau"]), 61);
}

#[test]
fn schedulers_are_those_of_keras() {
    assert_eq!(replay_all(&["LearningRateScheduler", "halve", "by the"]), 4);
}

#[test]
fn checkpoints_are_those_of_keras() {
    assert_eq!(replay_all(&["ModelCheckpoint"]), 12);
}

#[test]
fn averages_are_those_of_keras() {
    assert_eq!(replay_all(&["SwapEMAWeights"]), 6);
}

#[test]
fn logs_in_csv_are_those_of_keras() {
    assert_eq!(replay_all(&["CSVLogger"]), 4);
}

#[test]
fn a_loss_of_nan_ends_where_that_of_keras_does() {
    assert_eq!(replay_all(&["TerminateOnNaN"]), 1);
}

#[test]
fn directions_of_metrics_are_those_of_keras() {
    let golden = golden();
    let mut known = 0;
    for (name, keras) in golden["directions"].as_object().unwrap() {
        let Ok(metric) = metrics::get(name) else {
            continue;
        };
        let wanted = match keras.as_str() {
            Some("up") => Some(Direction::Max),
            Some("down") => Some(Direction::Min),
            _ => None,
        };
        assert_eq!(metric.direction(), wanted, "{name}");
        known += 1;
    }
    assert!(known >= 30, "{known}");
}

/// Prints all that the cases print; run by the test below in a process of its own.
#[test]
#[ignore = "run by the test below"]
fn print_all() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap() {
        let folder = tempfile::tempdir().unwrap();
        println!("\n# {}", case["name"].as_str().unwrap());
        println!("{}/", folder.path().display());
        replay(&golden["data"], case, folder.path());
    }
}

#[test]
fn messages_are_those_of_keras() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "print_all", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let golden = golden();
    let mut lines = 0;
    let cases = golden["cases"].as_array().unwrap();
    let mut parts = text.split("\n# ").skip(1);
    for case in cases {
        let mut ours = parts.next().unwrap().lines();
        let name = case["name"].as_str().unwrap();
        assert_eq!(ours.next().unwrap(), name);
        let folder = ours.next().unwrap();
        for keras in case["printed"].as_array().unwrap() {
            let ours = ours.next().unwrap_or("").replace(folder, "");
            same_line(name, &ours, keras.as_str().unwrap());
            lines += 1;
        }
        let rest: Vec<&str> = ours
            .filter(|l| !l.is_empty() && !l.starts_with("test "))
            .collect();
        assert!(
            rest.is_empty() || name == cases.last().unwrap()["name"],
            "{name}: {rest:?}"
        );
    }
    assert!(lines > 300, "{lines}");
}

/// Word for word; numbers up to rounding.
fn same_line(name: &str, ours: &str, keras: &str) {
    let words = |line: &str| -> Vec<String> {
        line.split(' ')
            .map(|w| w.trim_end_matches([',', '.']).to_string())
            .collect()
    };
    let (own, wanted) = (words(ours), words(keras));
    let same = own.len() == wanted.len()
        && own.iter().zip(&wanted).all(|(own, wanted)| {
            own == wanted
                || match (own.parse(), wanted.parse()) {
                    (Ok(own), Ok(wanted)) => close(own, wanted),
                    _ => false,
                }
        });
    assert!(same, "{name}\nours  {ours}\nKeras {keras}");
}

// --- What Keras does not say.

fn xy() -> (Array2<f32>, Array2<f32>) {
    let data = golden()["data"].clone();
    (column(&data, "x"), column(&data, "y"))
}

fn model(optimizer: SGD) -> Sequential {
    line(&golden()["data"], optimizer)
}

fn quiet<'a>() -> Fit<'a> {
    Fit::new().epochs(5).batch_size(2).shuffle(false).verbose(0)
}

fn bits(model: &Model) -> Vec<u32> {
    flat(model).iter().map(|weight| weight.to_bits()).collect()
}

#[test]
fn averages_stay_when_training_is_stopped_early() {
    let ema = || {
        SGD::new()
            .learning_rate(0.1)
            .use_ema(true)
            .ema_momentum(0.75)
    };
    let (x, y) = xy();
    let stop = || {
        LambdaCallback::new().on_epoch_end(|control, epoch, _| {
            if epoch == 2 {
                control.stop();
            }
        })
    };
    let mut plain = model(ema());
    plain.fit(&x, &y, quiet().epochs(3)).unwrap();
    for on_epoch in [false, true] {
        let mut swapping = model(ema());
        let swap = SwapEmaWeights::new().swap_on_epoch(on_epoch);
        let fit = quiet().callback(swap).callback(stop());
        swapping.fit(&x, &y, fit).unwrap();
        assert_eq!(bits(&swapping), bits(&plain), "{on_epoch}");
    }
}

#[test]
fn swapping_needs_averages() {
    let (x, y) = xy();
    let mut model = model(SGD::new());
    let before = bits(&model);
    let error = model
        .fit(&x, &y, quiet().callback(SwapEmaWeights::new()))
        .unwrap_err();
    assert!(error.to_string().contains("`.use_ema(true)`"), "{error}");
    assert_eq!(bits(&model), before);
}

#[test]
fn averages_are_read_and_set() {
    let (x, y) = xy();
    let mut model = model(SGD::new().use_ema(true).ema_momentum(0.5));
    let look = LambdaCallback::new().on_epoch_end(|control, epoch, _| {
        let own = control.weights();
        let average = control.ema_weights().unwrap();
        assert_ne!(average.get("dense/kernel"), own.get("dense/kernel"));
        control.swap_ema_weights()?;
        assert_eq!(
            control.weights().get("dense/kernel"),
            average.get("dense/kernel")
        );
        assert_eq!(
            control.ema_weights().unwrap().get("dense/bias"),
            average.get("dense/bias")
        );
        control.swap_ema_weights()?;
        assert_eq!(
            control.weights().get("dense/kernel"),
            own.get("dense/kernel")
        );
        if epoch == 4 {
            let mut named = control.iter_weights();
            assert_eq!(named.next().map(|(path, ..)| path), Some("dense/kernel"));
            drop(named);
            control.set_ema_weights(&own)?;
        }
        Ok::<(), Error>(())
    });
    model.fit(&x, &y, quiet().callback(look)).unwrap();
}

#[test]
fn weights_come_back_to_the_bit() {
    let (x, y) = xy();
    let mut kept = Vec::new();
    let mut model = model(SGD::new().learning_rate(0.3).momentum(0.9));
    let keep = LambdaCallback::new().on_epoch_end(|control, _, _| kept.push(control.weights()));
    model.fit(&x, &y, quiet().callback(keep)).unwrap();
    let second = kept.swap_remove(1);
    let back = LambdaCallback::new().on_train_end(|control, _| control.set_weights(&second));
    model.fit(&x, &y, quiet().callback(back)).unwrap();
    let wanted: Vec<u32> = second
        .iter()
        .flat_map(|(_, _, values)| values.iter().map(|v| v.to_bits()))
        .collect();
    assert_eq!(bits(&model), wanted);
    let arrays = second.to_arrays();
    assert_eq!(arrays, model.get_weights());

    // Those of another model are refused, and nothing is changed.
    let mut other = Sequential::new()
        .seed(1)
        .add(Dense::new(2).input_dim(1))
        .add(Dense::new(1));
    other
        .compile(Compile::new(SGD::new(), MeanSquaredError::new()))
        .unwrap();
    let before = bits(&other);
    let back = LambdaCallback::new().on_train_begin(|control, _| control.set_weights(&second));
    let error = other.fit(&x, &y, quiet().callback(back)).unwrap_err();
    assert!(error.to_string().contains("dense/kernel [1, 2]"), "{error}");
    assert_eq!(bits(&other), before);
    let nothing = Weights::default();
    let back = LambdaCallback::new().on_train_begin(|control, _| control.set_weights(&nothing));
    assert!(other.fit(&x, &y, quiet().callback(back)).is_err());
}

#[test]
fn keep_best_trains_on_and_ends_with_the_best() {
    let golden = golden();
    let data = &golden["data"];
    let (x, y) = xy();
    let (val_x, val_y) = (column(data, "val_x"), column(data, "val_y"));
    let mut model = model(SGD::new().learning_rate(0.1).momentum(0.9));
    let mut best = KeepBest::new();
    let fit = quiet().epochs(25).validation_data(&val_x, &val_y);
    let history = model.fit(&x, &y, fit.callback(&mut best)).unwrap();
    assert_eq!(history.len(), 25);
    let losses = &history["val_loss"];
    let least = losses.iter().copied().fold(f32::INFINITY, f32::min);
    let epoch = losses.iter().position(|loss| *loss == least).unwrap();
    assert!(epoch < 24 && best.best_epoch() == Some(epoch));
    assert_eq!(model.evaluate(&val_x, &val_y).unwrap()["loss"], least);
    assert_eq!(best.weights().unwrap().to_arrays(), model.get_weights());
}

#[test]
fn a_wrong_monitor_is_told_before_the_first_epoch() {
    let (x, y) = xy();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("{epoch}.npz");
    let refused = |callback: Box<dyn Callback>, name: &str| {
        let mut model = model(SGD::new());
        let before = bits(&model);
        let fit = quiet().validation_split(0.5);
        let error = model.fit(&x, &y, fit.callback(callback)).unwrap_err();
        let text = error.to_string();
        let wanted = format!("callback `{name}`: `val_mean_absolut_error` is not logged");
        assert!(text.starts_with(&wanted), "{text}");
        assert!(
            text.contains("did you mean `val_mean_absolute_error`"),
            "{text}"
        );
        assert_eq!(bits(&model), before);
    };
    let monitor = "val_mean_absolut_error";
    refused(
        Box::new(EarlyStopping::new().monitor(monitor)),
        "EarlyStopping",
    );
    refused(
        Box::new(ReduceLROnPlateau::new().monitor(monitor)),
        "ReduceLROnPlateau",
    );
    refused(Box::new(KeepBest::new().monitor(monitor)), "KeepBest");
    let checkpoint = ModelCheckpoint::new(&path).save_best_only(true);
    refused(Box::new(checkpoint.monitor(monitor)), "ModelCheckpoint");

    // `val_loss` without validation says what is missing.
    let mut model = model(SGD::new());
    let error = model
        .fit(&x, &y, quiet().callback(EarlyStopping::new()))
        .unwrap_err();
    assert!(error.to_string().contains("validation_split"), "{error}");
}

#[test]
fn errors_and_panics_leave_a_model_that_can_be_used() {
    let (x, y) = xy();
    type Broken = fn(usize);
    let panics: [(Broken, &str); 3] = [
        (|_| panic!("out of paper"), "it panicked: out of paper"),
        (|n| panic!("page {n} is missing"), "is missing"),
        (|_| std::panic::panic_any(7), "it panicked"),
    ];
    for (broken, message) in panics {
        for hook in 0..5 {
            let mut model = model(SGD::new().use_ema(true));
            let plain = LambdaCallback::new();
            let callback = match hook {
                0 => plain.on_train_begin(move |_, _: &Run| broken(0)),
                1 => plain.on_epoch_begin(move |_, epoch| broken(epoch)),
                2 => plain.on_batch_begin(move |_, batch| broken(batch)),
                3 => plain.on_batch_end(move |_, batch, _| broken(batch)),
                _ => plain.on_train_end(move |_, _| broken(0)),
            };
            let error = model.fit(&x, &y, quiet().callback(callback)).unwrap_err();
            let Error::Callback {
                name,
                message: text,
            } = &error
            else {
                panic!("{error}");
            };
            assert_eq!(name, "LambdaCallback");
            assert!(text.contains(message), "{text}");
            model.fit(&x, &y, quiet()).unwrap();
            assert!(flat(&model).iter().all(|weight| weight.is_finite()));
        }
    }
}

#[test]
fn what_was_trained_before_a_callback_failed_is_kept() {
    let (x, y) = xy();
    let fails = LambdaCallback::new().on_batch_end(|_, batch, _| match batch {
        1 => Err(Error::Callback {
            name: "mine".into(),
            message: "enough".into(),
        }),
        _ => Ok(()),
    });
    let (mut failed, mut short) = (model(SGD::new()), model(SGD::new()));
    let error = failed.fit(&x, &y, quiet().callback(fails)).unwrap_err();
    assert_eq!(error.to_string(), "callback `mine`: enough");
    short
        .fit(&x, &y, quiet().epochs(1).steps_per_epoch(2))
        .unwrap();
    assert_eq!(bits(&failed), bits(&short));
}

#[test]
fn a_handle_stops_from_another_thread() {
    let (x, y) = xy();
    let handle = StopHandle::new();
    let user = handle.clone();
    let begin = Instant::now();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        user.stop();
    });
    let fit = quiet().epochs(usize::MAX).stop_handle(&handle);
    let history = model(SGD::new()).fit(&x, &y, fit).unwrap();
    thread.join().unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(20) && !history.is_empty());

    // One that is thrown already lets a single step through.
    let (mut stopped, mut short) = (model(SGD::new()), model(SGD::new()));
    let history = stopped.fit(&x, &y, quiet().stop_handle(&handle)).unwrap();
    assert_eq!((history.len(), handle.is_stopped()), (1, true));
    short
        .fit(&x, &y, quiet().epochs(1).steps_per_epoch(1))
        .unwrap();
    assert_eq!(bits(&stopped), bits(&short));
    handle.reset();
    let history = stopped.fit(&x, &y, quiet().stop_handle(&handle)).unwrap();
    assert_eq!(history.len(), 5);
}

#[test]
fn a_budget_of_time_ends_the_training() {
    let (x, y) = xy();
    let begin = Instant::now();
    let budget = Duration::from_millis(30);
    let fit = quiet().epochs(usize::MAX).callback(TimeBudget::new(budget));
    let history = model(SGD::new()).fit(&x, &y, fit).unwrap();
    assert!(begin.elapsed() >= budget && !history.is_empty());
    // None at all is one step.
    let fit = quiet().callback(TimeBudget::new(Duration::ZERO));
    assert_eq!(model(SGD::new()).fit(&x, &y, fit).unwrap().len(), 1);
}

#[test]
fn a_loss_of_nan_is_an_error_unless_a_callback_ends_it() {
    let (x, y) = xy();
    let wild = || model(SGD::new().learning_rate(1e12));
    let diverged = |result: horn::Result<History>| match result {
        Err(Error::Diverged { epoch, batch, .. }) => (epoch, batch),
        other => panic!("{other:?}"),
    };
    let mut plain = wild();
    let before = bits(&plain);
    let place = diverged(plain.fit(&x, &y, quiet()));
    assert_eq!(bits(&plain), before);
    for allow in [false, true] {
        let mut raising = wild();
        let fit = quiet().allow_non_finite(allow);
        let raises = TerminateOnNaN::new().raise_error(true);
        assert_eq!(diverged(raising.fit(&x, &y, fit.callback(raises))), place);
        assert_eq!(bits(&raising), before);

        let mut ending = wild();
        let fit = quiet()
            .allow_non_finite(allow)
            .callback(TerminateOnNaN::new());
        let history = ending.fit(&x, &y, fit).unwrap();
        assert_eq!(history.len(), place.0);
        assert!(!history.last("loss").unwrap().is_finite());
        if !allow {
            assert!(flat(&ending).iter().all(|weight| weight.is_finite()));
        }
    }
    // The good weights of an earlier epoch, with those that keep them.
    let mut kept = model(SGD::new());
    let fit = quiet()
        .callback(KeepBest::new().monitor("loss"))
        .callback(LearningRateScheduler::new(|epoch, _| {
            if epoch < 2 { 0.1 } else { 1e20 }
        }))
        .callback(TerminateOnNaN::new());
    let history = kept.fit(&x, &y, fit).unwrap();
    assert_eq!(history.epochs(), [0, 1, 2]);
    assert!(kept.evaluate(&x, &y).unwrap()["loss"] < history["loss"][0]);
}

#[test]
fn a_callback_of_ones_own_sees_every_step_begin_and_end() {
    let (x, y) = xy();
    let seen = std::sync::Mutex::new(Vec::new());
    let note = |what: &'static str| seen.lock().unwrap().push(what);
    let mut steps = Vec::new();
    let watch = LambdaCallback::new()
        .on_batch_begin(|control, _| {
            note("begin");
            steps.push(control.iterations());
        })
        .on_batch_end(|_, _, logs| {
            assert_eq!(logs.names().len(), 3);
            note("end");
        });
    let fit = quiet().epochs(1).callback(watch);
    model(SGD::new()).fit(&x, &y, fit).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["begin", "end"].repeat(3));
    assert_eq!(steps, [0, 1, 2]);
}

#[test]
fn a_rate_set_after_a_batch_holds_for_the_next() {
    let (x, y) = xy();
    let mut rates = Vec::new();
    let halves = LambdaCallback::new().on_batch_end(|control, _, _| {
        rates.push(control.learning_rate());
        control.set_learning_rate(control.learning_rate() / 2.0);
    });
    let mut model = model(SGD::new().learning_rate(0.5));
    model
        .fit(&x, &y, quiet().epochs(2).callback(halves))
        .unwrap();
    assert_eq!(rates, [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]);
}

#[test]
fn the_learning_rate_is_logged_last_where_it_is_asked_for() {
    let (x, y) = xy();
    let mut seen = Vec::new();
    let look = LambdaCallback::new().on_epoch_end(|_, _, logs| {
        seen.push(logs.names().last().cloned());
    });
    let fit = quiet()
        .validation_split(0.5)
        .validation_freq(2)
        .callback(look);
    let fit = fit.callback(LearningRateScheduler::new(|_, rate| rate));
    let history = model(SGD::new()).fit(&x, &y, fit).unwrap();
    assert_eq!(history.names().last().unwrap(), "learning_rate");
    assert_eq!(history["learning_rate"], [0.01; 5]);
    assert!(history["val_loss"][0].is_nan() && !history["val_loss"][1].is_nan());
    assert_eq!(seen, vec![Some("learning_rate".to_string()); 5]);
}

// --- Files.

#[test]
fn files_that_cannot_be_written_end_the_training() {
    let (x, y) = xy();
    let folder = tempfile::tempdir().unwrap();
    let refused = |callback: Box<dyn Callback>, path: &str| {
        let mut model = model(SGD::new());
        match model.fit(&x, &y, quiet().callback(callback)) {
            Err(error @ Error::Io { .. }) => assert!(error.to_string().contains(path), "{error}"),
            other => panic!("{other:?}"),
        }
        model.fit(&x, &y, quiet()).unwrap();
    };
    let nowhere = folder.path().join("no/such/folder.csv");
    refused(Box::new(CsvLogger::new(&nowhere)), "folder.csv");
    // A file in the place of a folder.
    std::fs::write(folder.path().join("file"), "").unwrap();
    let blocked = folder.path().join("file/weights.npz");
    refused(Box::new(ModelCheckpoint::new(&blocked)), "file");
    if Path::new("/dev/full").exists() {
        refused(Box::new(CsvLogger::new("/dev/full")), "/dev/full");
    }
}

#[test]
fn a_log_goes_on_with_another_separator() {
    let (x, y) = xy();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    let mut model = model(SGD::new());
    for initial in [0, 2] {
        let logger = CsvLogger::new(&path).separator(';').append(true);
        let fit = quiet().initial_epoch(initial).epochs(initial + 2);
        model.fit(&x, &y, fit.callback(logger)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let first: Vec<&str> = text
        .lines()
        .map(|line| line.split(';').next().unwrap())
        .collect();
    assert_eq!(first, ["epoch", "0", "1", "2", "3"]);
}

#[test]
fn weights_of_files_are_checked_against_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.npz");
    let chain = |units: usize, name: &str| {
        let mut model = Sequential::new()
            .seed(3)
            .add(Dense::new(units).input_dim(2).name(name));
        model.build().unwrap();
        model
    };
    chain(3, "dense").save_weights_npz(&path).unwrap();
    let says = |mut model: Sequential, part: &str| {
        let before = bits(&model);
        let error = model.load_weights_npz(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(bits(&model), before);
    };
    says(chain(4, "dense"), "weight `dense/kernel` expects (2, 4)");
    says(
        chain(3, "dens"),
        "`dens/kernel`: did you mean `dense/kernel`",
    );
    let mut longer = Sequential::new()
        .add(Dense::new(3).input_dim(2))
        .add(Dense::new(1));
    assert!(longer.save_weights_npz(&path).is_err());
    longer.build().unwrap();
    says(longer, "dense_1/kernel");
}
