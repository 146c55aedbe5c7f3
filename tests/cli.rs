//! The command `horn`, run as a program: what it prints, writes and exits with.

#![cfg(feature = "cli")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use horn::layers::Concatenate;
use horn::prelude::*;
use serde_json::Value as Json;
use tempfile::TempDir;

fn horn(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_horn"));
    command.args(arguments).output().unwrap()
}

fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_horn"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The command may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// An error with its exit code, and nothing on standard output.
fn fails(output: &Output, expected: i32, parts: &[&str]) {
    let message = err(output);
    assert_eq!(code(output), expected, "{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    assert!(output.stdout.is_empty());
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(name).to_str().unwrap().to_string()
}

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.name(name)
    }

    /// A model of two columns, `y = (a + 2 b, a - b)`, with Adam.
    fn model(&self, name: &str) -> String {
        let mut model = model();
        self.save(&mut model, name)
    }

    fn save(&self, model: &mut Model, name: &str) -> String {
        model.save(self.path(name)).unwrap();
        self.name(name)
    }
}

fn model() -> Model {
    let mut model = Sequential::new().seed(1).add(Dense::new(2).input_dim(2));
    model
        .compile(Compile::new(Adam::new(), MeanSquaredError::new()))
        .unwrap();
    let kernel = array![[1.0, 1.0], [2.0, -1.0]].into_dyn();
    model
        .set_weights(&[kernel, array![0.0, 0.0].into_dyn()])
        .unwrap();
    model.into()
}

#[test]
fn help_and_version_are_results() {
    for command in ["summary", "predict", "convert", "diff"] {
        assert!(out(&horn(&["--help"])).contains(command));
        let help = horn(&[command, "--help"]);
        assert_eq!(code(&help), 0);
        assert!(out(&help).contains("--max-bytes"));
        fails(&horn(&[command]), 2, &["Usage"]);
    }
    let version = format!("horn {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(out(&horn(&["--version"])), version);
    fails(&horn(&["sumary", "x"]), 2, &["summary"]);
}

#[test]
fn a_summary_is_that_of_the_library() {
    for name in ["tutorial.keras", "functional.keras", "legacy_tutorial.h5"] {
        let summary = horn::Model::load(golden(name)).unwrap().summary();
        let found = horn(&["summary", &golden(name)]);
        assert_eq!(out(&found), format!("{summary}\n"));
        assert_eq!(code(&found), 0);
    }
    let json = horn(&["summary", "--json", &golden("tutorial.keras")]);
    let json: Json = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["layers"][0]["output_shape"], "(None, 12)");
    assert_eq!(json["trainable_params"], 221);
    assert!(json["optimizer_params"].as_u64().unwrap() > 400);
    let plain = horn(&[
        "summary",
        "--json",
        "--no-compile",
        &golden("tutorial.keras"),
    ]);
    let plain: Json = serde_json::from_str(&out(&plain)).unwrap();
    assert_eq!(plain["optimizer_params"], Json::Null);
}

#[test]
fn predictions_of_a_file_are_those_of_the_library() {
    let files = Files::new();
    let model = files.model("m.keras");
    let data = files.write("x.csv", "1,2\n3,4\n0.1,1e-9\n");
    let expected = "5.0,-1.0\n11.0,-1.0\n0.1,0.1\n";
    assert_eq!(out(&horn(&["predict", &model, &data])), expected);
    for size in ["1", "2", "3"] {
        let found = horn(&["predict", &model, &data, "--batch-size", size]);
        assert_eq!(out(&found), expected);
    }
    let to = files.name("y.csv");
    let written = horn(&["predict", &model, &data, "--output", &to]);
    assert_eq!((out(&written).as_str(), code(&written)), ("", 0));
    assert_eq!(std::fs::read_to_string(&to).unwrap(), expected);
}

#[test]
fn a_model_of_keras_predicts_as_there() {
    let text = std::fs::read_to_string(golden("files.json")).unwrap();
    let cases: Json = serde_json::from_str(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == "tutorial");
    let (x, y) = (&case.unwrap()["x"], &case.unwrap()["predictions"]);
    let numbers = |json: &Json| -> Vec<f64> {
        let all = json["data"].as_array().unwrap().iter();
        all.map(|value| value.as_f64().unwrap()).collect()
    };
    let mut csv = String::new();
    for row in numbers(x).chunks(8) {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        csv += &format!("{}\n", cells.join(","));
    }
    let found = with_input(&["predict", &golden("tutorial.keras"), "-"], csv.as_bytes());
    let found: Vec<f64> = out(&found)
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(found.len(), numbers(y).len());
    for (found, expected) in found.iter().zip(numbers(y)) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn columns_headers_and_delimiters_are_chosen() {
    let files = Files::new();
    let model = files.model("m.keras");
    let text = b"name;b;a\nada;2;1\ngrace;4;3\n";
    let arguments = ["predict", &model, "-", "--delimiter", ";", "--columns"];
    let run = |more: &[&str]| with_input(&[&arguments[..], more].concat(), text);
    assert_eq!(out(&run(&["2,1", "--header"])), "5.0;-1.0\n11.0;-1.0\n");
    assert_eq!(out(&run(&["1..3", "--header"])), "4.0;1.0\n10.0;1.0\n");
    fails(&run(&["1,2"]), 1, &["<input>, line 1", "`--header`"]);
    fails(&run(&["0..3", "--header"]), 1, &["line 2, column 1", "ada"]);
    fails(&run(&["b,a", "--header"]), 2, &["--columns", "position"]);
    fails(&run(&["3..1", "--header"]), 2, &["range"]);
    fails(&run(&["9,1", "--header"]), 1, &["column 9"]);
    let tabs = with_input(&["predict", &model, "-", "--delimiter", "tab"], b"1\t2\n");
    assert_eq!(out(&tabs), "5.0\t-1.0\n");
}

#[test]
fn columns_are_shared_among_inputs_and_outputs_stand_side_by_side() {
    let files = Files::new();
    let (left, right) = (Input::new([2]).tensor(), Input::new([2, 1]).tensor());
    let flat = Flatten::new().apply(&right);
    let both = Concatenate::new().apply([&left, &flat]);
    let mut model = Model::new([&left, &right], [both, flat]);
    model.build().unwrap();
    let model = files.save(&mut model, "m.keras");
    let found = with_input(&["predict", &model, "-"], b"1,2,3,4\n5,6,7,8\n");
    assert_eq!(
        out(&found),
        "1.0,2.0,3.0,4.0,3.0,4.0\n5.0,6.0,7.0,8.0,7.0,8.0\n"
    );
    let few = with_input(&["predict", &model, "-"], b"1,2,3\n");
    fails(&few, 1, &["<input>", "3 columns", "`--columns`"]);
}

#[test]
fn mistakes_in_data_name_the_file_and_leave_the_old_output() {
    let files = Files::new();
    let model = files.model("m.keras");
    let output = files.write("y.csv", "old");
    for (text, part) in [
        ("1,2\n3\n", "line 2"),
        ("1,x\n", "\"x\""),
        ("", "without a row"),
    ] {
        let data = files.write("x.csv", text);
        let found = horn(&["predict", &model, &data, "-o", &output]);
        fails(&found, 1, &["x.csv", part]);
    }
    let data = files.write("x.csv", "1,2,3\n");
    fails(
        &horn(&["predict", &model, &data, "-o", &output]),
        1,
        &["x.csv", "3 columns"],
    );
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "old");
    fails(
        &horn(&["predict", &model, &files.name("none.csv")]),
        1,
        &["none.csv"],
    );
    fails(
        &horn(&["predict", &model, &data, "--batch-size", "0"]),
        2,
        &["--batch-size"],
    );
}

#[test]
fn a_row_that_cannot_be_is_told_by_its_batch() {
    let files = Files::new();
    let mut model = Sequential::new()
        .add(Input::new([1]))
        .add(Embedding::new(3, 1));
    model.build().unwrap();
    let model = files.save(&mut model.into(), "m.keras");
    let found = with_input(
        &["predict", &model, "-", "--batch-size", "2"],
        b"0\n1\n2\n7\n",
    );
    let message = err(&found);
    assert_eq!(code(&found), 1);
    assert!(message.contains("got 7 in row 1"), "{message}");
    assert!(message.contains("rows 2 to 3"), "{message}");
}

#[test]
fn a_model_is_converted_to_every_format_and_back() {
    let files = Files::new();
    for name in ["tutorial.keras", "functional.keras", "legacy_tutorial.h5"] {
        let model = horn::Model::load(golden(name)).unwrap();
        let again = files.name("again.keras");
        let done = horn(&["convert", &golden(name), &again]);
        assert_eq!((out(&done).as_str(), code(&done)), ("", 0));
        let same = horn(&["diff", &golden(name), &again]);
        assert_eq!((out(&same).as_str(), code(&same)), ("", 0), "{name}");
        for ending in ["weights.h5", "safetensors", "npz"] {
            let path = files.name(&format!("w.{ending}"));
            assert_eq!(out(&horn(&["convert", &golden(name), &path])), "");
            let mut other = horn::Model::from_json(&model.to_json()).unwrap();
            other.build().unwrap();
            other.load_weights(&path).unwrap();
            assert_eq!(other.get_weights(), model.get_weights(), "{name}, {ending}");
        }
        let json = files.name("m.json");
        assert_eq!(out(&horn(&["convert", &golden(name), &json])), "");
        let json = std::fs::read_to_string(json).unwrap();
        assert_eq!(json.trim_end(), model.to_json());
    }
    let bad = horn(&["convert", &golden("tutorial.keras"), &files.name("m.pt")]);
    fails(&bad, 2, &["m.pt", ".safetensors"]);
    let inside = format!("{}/m.json", files.write("file", ""));
    fails(
        &horn(&["convert", &golden("tutorial.keras"), &inside]),
        1,
        &["m.json"],
    );
}

#[test]
fn differences_are_told_with_their_exit_code() {
    let files = Files::new();
    let a = files.model("a.keras");
    let mut changed = model();
    let mut weights = changed.get_weights();
    weights[0][[1, 0]] += 0.5;
    changed.set_weights(&weights).unwrap();
    let b = files.save(&mut changed, "b.keras");
    assert_eq!(code(&horn(&["diff", &a, &a])), 0);
    let found = horn(&["diff", &a, &b]);
    assert_eq!(code(&found), 1);
    let line = "dense/kernel: 1 of 4 numbers differ, by 5.000e-1 at most, relative 2.000e-1\n";
    assert_eq!(out(&found), line);
    let close = horn(&["diff", &a, &b, "--tolerance", "0.5"]);
    assert_eq!((out(&close).as_str(), code(&close)), ("", 0));
    let json = horn(&["diff", "--json", &a, &b]);
    assert_eq!(code(&json), 1);
    let json: Json = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["config"].as_array().unwrap().len(), 0);
    assert_eq!(json["weights"][0]["numbers"]["count"], 1);
    assert_eq!(json["weights"][0]["numbers"]["max_absolute"], 0.5);

    for wrong in ["-1", "nan", "x"] {
        let tolerance = format!("--tolerance={wrong}");
        fails(&horn(&["diff", &a, &b, &tolerance]), 2, &["0 or more"]);
    }
    fails(&horn(&["diff", &a, &files.name("none")]), 2, &["none"]);
    let broken = files.write("broken.keras", b"PK\x03\x04 no archive");
    fails(&horn(&["diff", &broken, &a]), 2, &["broken.keras"]);
}

#[test]
fn layers_settings_and_trainings_differ_by_their_paths() {
    let files = Files::new();
    let a = files.model("a.keras");
    let mut other = Sequential::new()
        .add(Dense::new(2).input_dim(2).activation(Relu))
        .add(Dropout::new(0.5));
    other
        .compile(Compile::new(
            Adam::new().learning_rate(0.5),
            MeanSquaredError::new(),
        ))
        .unwrap();
    let b = files.save(&mut other.into(), "b.keras");
    let found = horn(&["diff", "--tolerance", "10", &a, &b]);
    assert_eq!(code(&found), 1);
    let text = out(&found);
    for line in [
        "config.layers[1].config.activation (`dense`): \"linear\" | \"relu\"",
        "config.layers[2] (`dropout`): only in b: Dropout",
        "compile_config.optimizer.config.learning_rate: 0.001 | 0.5",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "`{line}` is not in:\n{text}"
        );
    }
    let untrained = out(&horn(&["diff", "--no-compile", &a, &b]));
    assert!(!untrained.contains("compile_config"));
    // Steps and moments of an optimizer are part of a model.
    let mut trained = model();
    let (x, y) = (array![[1.0, 1.0]], array![[0.0, 0.0]]);
    trained.fit(&x, &y, Fit::new().verbose(0)).unwrap();
    let trained = files.save(&mut trained, "trained.keras");
    let text = out(&horn(&["diff", &a, &trained]));
    assert!(text.contains("compile_config.iterations: 0 | 1"), "{text}");
    assert!(text.contains("optimizer/slots/0/dense/kernel: "), "{text}");
}

#[test]
fn broken_files_are_errors_of_every_command() {
    let files = Files::new();
    let whole = std::fs::read(golden("tutorial.keras")).unwrap();
    let data = files.write("x.csv", "1,2\n");
    let to = files.name("to.npz");
    let broken = [
        &whole[..whole.len() / 2],
        &whole[..20],
        b"",
        b"PK\x05\x06",
        b"\x89HDF\r\n\x1a\n",
    ];
    for bytes in broken {
        let path = files.write("broken.keras", bytes);
        fails(&horn(&["summary", &path]), 1, &["broken.keras"]);
        fails(&horn(&["predict", &path, &data]), 1, &["broken.keras"]);
        fails(&horn(&["convert", &path, &to]), 1, &["broken.keras"]);
        fails(&horn(&["diff", &path, &path]), 2, &["broken.keras"]);
    }
    let small = horn(&["summary", &golden("tutorial.keras"), "--max-bytes", "100"]);
    fails(&small, 1, &["tutorial.keras", "`--max-bytes`"]);
    fails(
        &horn(&["summary", files.0.path().to_str().unwrap()]),
        1,
        &["is not a file"],
    );
}

#[test]
fn a_pipe_that_closes_is_no_error() {
    let files = Files::new();
    let model = files.model("m.keras");
    let data = files.write("x.csv", "1,2\n".repeat(100_000));
    let mut command = Command::new(env!("CARGO_BIN_EXE_horn"));
    command
        .args(["predict", &model, &data, "--batch-size", "100"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 9];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"5.0,-1.0\n");
    assert_eq!((err(&output).as_str(), code(&output)), ("", 0));
}
