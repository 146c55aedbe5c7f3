//! Models as ONNX files, of every layer.
//!
//! That a runtime predicts the same needs a Python with `onnx` and `onnxruntime`, named by
//! `HORN_ONNX_PYTHON`, as `tests/onnx/check.sh` makes one; what else is said here needs none.

#[path = "onnx/models.rs"]
mod models;
#[path = "onnx/reader.rs"]
mod reader;

use std::path::Path;
use std::process::Command;

use horn::graph::Shape;
use horn::layers::{Hashing, IntegerLookup};
use horn::ops::{Backward, Forward, Operation};
use horn::prelude::*;
use serde_json::{Value as Json, json};

use models::{Case, cases};
use reader::read;

/// Numbers of rows to predict: none is that of the traces.
const ROWS: [usize; 3] = [1, 3, 7];

#[test]
fn every_model_is_written_with_all_its_weights() -> Result<()> {
    let mut seen = 0;
    for case in cases() {
        let graph = read(&case.model.to_onnx()?);
        for (name, shape) in graph.inputs.iter().chain(&graph.outputs) {
            assert_eq!(shape[0], "batch", "{}: {name}", case.name);
        }
        let values = graph.inputs.iter().chain(&graph.outputs);
        let mut names: Vec<&String> = values.map(|(name, _)| name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "{names:?}");
        let weights = case.model.weights();
        for (weight, value) in weights.iter().zip(case.model.get_weights()) {
            let array = graph.arrays.iter().find(|(name, ..)| name == weight.path());
            if let Some((_, shape, numbers)) = array {
                assert_eq!(
                    (&shape[..], numbers),
                    (value.shape(), &value.iter().copied().collect())
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen}");
    Ok(())
}

#[test]
fn names_are_those_of_layers_and_weights() -> Result<()> {
    let (words, price) = (
        Input::new([4]).name("words").tensor(),
        Input::new([2]).name("price").tensor(),
    );
    let class = Dense::new(3).name("class").apply(&words);
    let size = Dense::new(1).name("size").apply(&price);
    let mut model = Model::new([&words, &price], [&class, &size]);
    model.build()?;
    let graph = read(&model.to_onnx()?);
    let value = |name: &str, length: &str| (name.into(), vec!["batch".into(), length.into()]);
    assert_eq!(graph.inputs, [value("words", "4"), value("price", "2")]);
    assert_eq!(graph.outputs, [value("class", "3"), value("size", "1")]);
    let mut names: Vec<&str> = graph
        .arrays
        .iter()
        .map(|(name, ..)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["class/bias", "class/kernel", "size/bias", "size/kernel"]
    );
    let kernel = graph
        .arrays
        .iter()
        .find(|(name, ..)| name == "class/kernel");
    let (_, shape, values) = kernel.expect("it is there");
    assert_eq!(shape, &[4, 3]);
    assert_eq!(
        values,
        &model.get_weights()[0].iter().copied().collect::<Vec<_>>()
    );
    Ok(())
}

#[test]
fn what_only_trains_is_left_out() -> Result<()> {
    let mut model = Sequential::new()
        .add(Dense::new(3).input_dim(2))
        .add(Dropout::new(0.5))
        .add(GaussianNoise::new(0.1))
        .add(Dense::new(1));
    model.build()?;
    let graph = read(&model.to_onnx()?);
    assert_eq!(graph.ops, ["MatMul", "Add", "MatMul", "Add", "Identity"]);
    Ok(())
}

#[test]
fn export_writes_the_same_bytes_to_a_file() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
    model.build()?;
    let path = folder.path().join("new/model.onnx");
    model.export(&path)?;
    assert_eq!(std::fs::read(path).expect("a file"), model.to_onnx()?);
    Ok(())
}

#[test]
fn other_endings_are_refused() -> Result<()> {
    let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
    model.build()?;
    for path in ["model", "model.keras", "model.onnx.txt", ""] {
        let message = model.export(path).expect_err("refused").to_string();
        assert!(message.contains(&format!("`{path}`")), "{message}");
        assert!(!Path::new(path).is_file());
    }
    Ok(())
}

#[test]
fn models_that_are_not_built_are_refused() {
    let model = Sequential::new().add(Dense::new(3));
    let error = model.to_onnx().expect_err("refused");
    assert!(
        matches!(error, Error::NotBuilt { method: "to_onnx" }),
        "{error}"
    );
}

/// A kernel of one's own.
#[derive(Debug)]
struct Double;

impl Operation for Double {
    fn name(&self) -> &str {
        "double"
    }
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        inputs.first().copied().ok_or("takes one input".into())
    }
    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        for (y, x) in output.iter_mut().zip(run.input(0)) {
            *y = 2.0 * x;
        }
    }
    fn backward(&self, _: usize, _: &Backward, _: &mut [f32], _: &mut [f32]) {}
}

#[derive(Debug)]
struct Doubling;

impl Layer for Doubling {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x.custom(Double, &[])
    }
}

#[test]
fn what_onnx_cannot_say_is_an_error_that_names_the_layer() -> Result<()> {
    let refused = |layer: &str, op: &str, chain: Sequential| {
        let mut model = chain;
        model.build()?;
        let error = model.to_onnx().expect_err("refused");
        let message = error.to_string();
        assert!(matches!(error, Error::Layer { .. }), "{message}");
        assert!(message.contains(layer) && message.contains(op), "{message}");
        Ok::<(), Error>(())
    };
    let begin = || Sequential::new().add(Input::new([1]));
    refused(
        "doubling",
        "`double`",
        begin().add(Doubling).add(Dense::new(1)),
    )?;
    refused(
        "bins",
        "`hashing`",
        begin().add(Hashing::new(3).name("bins")),
    )?;
    let lookup = IntegerLookup::new().vocabulary([3_i64, 5]).name("lookup");
    refused("lookup", "`integer_lookup`", begin().add(lookup))
}

/// What a runtime is to find.
fn expected(case: &Case) -> Result<Json> {
    let arrays = |arrays: Vec<ArrayD<f32>>| -> Vec<Json> {
        let json = |array: &ArrayD<f32>| json!({"shape": array.shape(), "data": array.iter().collect::<Vec<_>>()});
        arrays.iter().map(json).collect()
    };
    let mut batches = Vec::new();
    for rows in ROWS {
        let outputs = arrays(case.outputs(rows)?);
        batches.push(json!({"inputs": arrays(case.inputs(rows)), "outputs": outputs}));
    }
    Ok(json!({"batches": batches}))
}

#[test]
fn onnxruntime_predicts_the_same() -> Result<()> {
    let Ok(python) = std::env::var("HORN_ONNX_PYTHON") else {
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("a folder");
    let cases = cases();
    for case in &cases {
        let path = folder.path().join(format!("{}.onnx", case.name));
        case.model.export(&path)?;
        let text = expected(case)?.to_string();
        std::fs::write(path.with_extension("json"), text).expect("written");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/check.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output();
    let output = output.expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    assert!(said.contains(&format!("agree: {}", cases.len())), "{said}");
    Ok(())
}
