//! Files: what Keras wrote is read, what is written is read again, and nothing that is hostile does
//! harm. That Keras reads what is written here, `tests/interop/keras.sh` shows.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use horn::layers::{Add, Concatenate, LayerNormalization};
use horn::prelude::*;
use horn::saving::Load;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn cases() -> Vec<Json> {
    let text = std::fs::read_to_string(golden("files.json")).unwrap();
    let json: Json = serde_json::from_str(&text).unwrap();
    json["cases"].as_array().unwrap().clone()
}

fn case(name: &str) -> Json {
    let mut all = cases().into_iter();
    all.find(|case| case["name"] == name).unwrap()
}

fn array(json: &Json) -> ArrayD<f32> {
    let shape: Vec<usize> = json["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    let data = json["data"].as_array().unwrap().iter();
    let data: Vec<f32> = data.map(|value| value.as_f64().unwrap() as f32).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), data).unwrap()
}

fn number(json: &Json) -> usize {
    json.as_u64().unwrap() as usize
}

fn close(found: &ArrayD<f32>, expected: &ArrayD<f32>, tolerance: f32, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}: {found} is not {expected}"
        );
    }
}

fn losses(json: &Json) -> Vec<f32> {
    let all = json.as_array().unwrap().iter();
    all.map(|loss| loss.as_f64().unwrap() as f32).collect()
}

/// `Model::predict` of one input and one output, of any rank.
fn predict(model: &Model, x: &ArrayD<f32>) -> ArrayD<f32> {
    model.predict(x).unwrap().into_dyn()
}

#[test]
fn archives_of_keras_predict_as_there() {
    for name in ["tutorial", "tabular"] {
        let case = case(name);
        let model = Sequential::load(golden(&format!("{name}.keras"))).unwrap();
        assert_eq!(model.count_params(), number(&case["parameters"]), "{name}");
        let y = predict(&model, &array(&case["x"]));
        close(&y, &array(&case["predictions"]), 1e-6, name);
    }
}

#[test]
fn training_goes_on_with_the_numbers_of_keras() {
    let case = case("tutorial");
    let mut model = Sequential::load(golden("tutorial.keras")).unwrap();
    assert_eq!(model.metrics_names(), ["loss", "accuracy"]);
    let fit = Fit::new().epochs(2).batch_size(5).shuffle(false).verbose(0);
    let history = model
        .fit(&array(&case["x"]), &array(&case["y"]), fit)
        .unwrap();
    for (found, expected) in history["loss"].iter().zip(losses(&case["resumed_loss"])) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn a_graph_of_keras_predicts_and_trains_as_there() {
    let case = case("functional");
    let mut model = Model::load(golden("functional.keras")).unwrap();
    let [left, right] = [array(&case["inputs"][0]), array(&case["inputs"][1])];
    let [yes, amount] = [array(&case["targets"][0]), array(&case["targets"][1])];
    let outputs = model.predict_all((&left, &right)).unwrap();
    for (number, output) in outputs.iter().enumerate() {
        close(
            output,
            &array(&case["predictions"][number]),
            1e-6,
            "functional",
        );
    }
    let fit = Fit::new().epochs(2).batch_size(4).shuffle(false).verbose(0);
    let history = model.fit((&left, &right), (&yes, &amount), fit).unwrap();
    for (key, expected) in case["resumed"].as_object().unwrap() {
        for (found, expected) in history[key.as_str()].iter().zip(losses(expected)) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{key}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn weights_of_keras_are_put_into_the_same_model() {
    for name in ["tutorial", "tabular", "functional"] {
        let whole = Model::load(golden(&format!("{name}.keras"))).unwrap();
        let mut model = Model::from_json(&whole.to_json()).unwrap().seed(1);
        model.build().unwrap();
        model
            .load_weights(golden(&format!("{name}.weights.h5")))
            .unwrap();
        assert_eq!(model.get_weights(), whole.get_weights(), "{name}");
        model
            .load_weights(golden(&format!("{name}.keras")))
            .unwrap();
        assert_eq!(model.get_weights(), whole.get_weights(), "{name}");
    }
}

#[test]
fn files_of_keras_2_are_read() {
    for name in ["legacy_tutorial", "legacy_tabular"] {
        let case = case(name);
        let path = golden(&format!("{name}.h5"));
        let model = Sequential::load(&path).unwrap();
        let y = predict(&model, &array(&case["x"]));
        close(&y, &array(&case["predictions"]), 1e-6, name);
        assert!(!model.metrics_names().is_empty(), "{name} is compiled");
        let mut again = Model::from_json(&model.to_json()).unwrap();
        again.build().unwrap();
        again.load_weights(&path).unwrap();
        assert_eq!(again.get_weights(), model.get_weights());
    }
}

#[test]
fn layers_that_are_not_here_are_named() {
    for (file, class) in [
        ("convnet.keras", "Conv2D"),
        ("sequence.keras", "Bidirectional"),
        ("attention.keras", "MultiHeadAttention"),
        ("legacy_sequence.h5", "GRU"),
    ] {
        // Those that have come since then are read.
        let Err(error) = Model::load(golden(file)) else {
            continue;
        };
        let text = error.to_string();
        assert!(text.contains(class) && text.contains(file), "{text}");
    }
}

/// A graph with a shared layer, two inputs and outputs, and a model in it.
fn graph(seed: u64) -> Model {
    let (left, right) = (
        Input::new([4]).name("left").tensor(),
        Input::new([4]).tensor(),
    );
    let shared = Dense::new(5).activation(Tanh).shared();
    let (a, b) = (shared.apply(&left), shared.apply(&right));
    let inner = Sequential::new()
        .name("inner")
        .add(Dense::new(5).input_dim(5).activation(Relu))
        .add(BatchNormalization::new())
        .add(Dense::new(5));
    let sum = Add::new().apply([inner.apply(&a), b.clone()]);
    let both = LayerNormalization::new().apply(Concatenate::new().apply([&sum, &a]));
    let yes = Dense::new(1).activation(Sigmoid).name("yes").apply(&both);
    let amount = Dense::new(2).name("amount").apply(&both);
    Model::new([&left, &right], [&yes, &amount]).seed(seed)
}

fn data() -> (ArrayD<f32>, ArrayD<f32>, ArrayD<f32>, ArrayD<f32>) {
    let make = |columns: usize, step: f32| {
        let value = |i: usize| ((i as f32) * step).sin();
        ArrayD::from_shape_vec(
            IxDyn(&[12, columns]),
            (0..12 * columns).map(value).collect(),
        )
        .unwrap()
    };
    let yes = make(1, 2.1).mapv(|value| f32::from(u8::from(value > 0.0)));
    (make(4, 0.7), make(4, 1.3), yes, make(2, 0.4))
}

fn compile() -> Compile {
    Compile::per_output(Adam::new().learning_rate(0.01).amsgrad(true))
        .loss_for("yes", BinaryCrossentropy::new())
        .loss_for("amount", MeanSquaredError::new())
        .loss_weight("amount", 0.5)
        .metric_for("yes", Accuracy)
        .metric_for("amount", metrics::get("mae").unwrap())
}

#[test]
fn a_graph_goes_on_to_the_bit_after_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right, yes, amount) = data();
    let fit = || Fit::new().epochs(2).batch_size(4).verbose(0);
    let mut model = graph(3);
    model.compile(compile()).unwrap();
    model.fit((&left, &right), (&yes, &amount), fit()).unwrap();
    let path = folder.path().join("graph.keras");
    model.save(&path).unwrap();
    let mut loaded = Model::load(&path).unwrap();
    assert_eq!(loaded.get_weights(), model.get_weights());
    assert_eq!(loaded.metrics_names(), model.metrics_names());
    let a = model.fit((&left, &right), (&yes, &amount), fit()).unwrap();
    let b = loaded.fit((&left, &right), (&yes, &amount), fit()).unwrap();
    for name in model.metrics_names() {
        assert_eq!(a[name.as_str()], b[name.as_str()], "{name}");
    }
    assert_eq!(loaded.get_weights(), model.get_weights());
}

#[test]
fn every_format_of_weights_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = graph(3);
    model.build().unwrap();
    for ending in ["weights.h5", "safetensors", "npz"] {
        let path = folder.path().join(format!("graph.{ending}"));
        model.save_weights(&path).unwrap();
        let mut other = graph(4);
        other.build().unwrap();
        assert_ne!(other.get_weights(), model.get_weights());
        other.load_weights(&path).unwrap();
        assert_eq!(other.get_weights(), model.get_weights(), "{ending}");
        let mut small = Sequential::new().add(Dense::new(5).input_dim(3));
        small.build().unwrap();
        let before = small.get_weights();
        let error = small.load_weights(&path).unwrap_err().to_string();
        assert!(error.contains("graph."), "{error}");
        assert_eq!(small.get_weights(), before, "{ending}");
    }
    for path in ["a.pkl", "a"] {
        let error = model.save(folder.path().join(path)).unwrap_err();
        assert!(error.to_string().contains("`.keras`"), "{error}");
    }
    assert!(model.save_weights(folder.path().join("a.keras")).is_err());
    assert!(
        graph(1).save(folder.path().join("a.keras")).is_err(),
        "not built"
    );
}

#[test]
fn optimizers_keep_what_they_have_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.keras");
    let (x, _, yes, _) = data();
    let all = [
        "sgd",
        "rmsprop",
        "adam",
        "adamw",
        "adamax",
        "nadam",
        "adagrad",
        "adadelta",
        "lion",
        "ftrl",
        "lamb",
        "adafactor",
        "muon",
        "lossscaleoptimizer",
    ];
    for name in all.into_iter().take(13) {
        let mut model = Sequential::new()
            .seed(5)
            .add(Dense::new(3).input_dim(4))
            .add(Dense::new(1));
        let optimizer = optimizers::get(name).unwrap();
        model
            .compile(Compile::new(optimizer, MeanSquaredError::new()))
            .unwrap();
        let fit = || Fit::new().epochs(2).batch_size(5).shuffle(false).verbose(0);
        model.fit(&x, &yes, fit()).unwrap();
        model.save(&path).unwrap();
        let mut loaded = Sequential::load(&path).unwrap();
        let (a, b) = (
            model.fit(&x, &yes, fit()).unwrap(),
            loaded.fit(&x, &yes, fit()).unwrap(),
        );
        assert_eq!(a["loss"], b["loss"], "{name}");
        assert_eq!(model.get_weights(), loaded.get_weights(), "{name}");
    }
}

#[test]
fn averages_and_sums_of_the_optimizer_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.keras");
    let (x, _, yes, _) = data();
    let optimizer = Adam::new().use_ema(true).gradient_accumulation_steps(2);
    let mut model = Sequential::new().seed(5).add(Dense::new(1).input_dim(4));
    model
        .compile(Compile::new(optimizer, MeanSquaredError::new()))
        .unwrap();
    let fit = || Fit::new().epochs(1).batch_size(4).shuffle(false).verbose(0);
    model.fit(&x, &yes, fit()).unwrap();
    model.save(&path).unwrap();
    let mut loaded = Sequential::load(&path).unwrap();
    model.fit(&x, &yes, fit()).unwrap();
    loaded.fit(&x, &yes, fit()).unwrap();
    assert_eq!(model.get_weights(), loaded.get_weights());
}

#[test]
fn weights_are_found_by_name_and_those_that_do_not_fit_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.weights.h5");
    let base = |units: usize, head: &str| {
        let mut model = Sequential::new()
            .add(Dense::new(4).input_dim(2).name("body"))
            .add(Dense::new(units).name(head));
        model.build().unwrap();
        model
    };
    let one = base(3, "head");
    one.save_weights(&path).unwrap();
    let mut other = base(5, "head");
    let before = other.get_weights();
    let error = other.load_weights(&path).unwrap_err().to_string();
    assert!(
        error.contains("layers/dense_1/vars/0") && error.contains("[4, 5]"),
        "{error}"
    );
    assert_eq!(other.get_weights(), before);
    other
        .load_weights_with(&path, Load::new().skip_mismatch(true))
        .unwrap();
    assert_eq!(other.get_weights()[0], one.get_weights()[0]);
    assert_eq!(other.get_weights()[2], before[2]);
    let mut third = base(3, "another");
    let before = third.get_weights();
    third
        .load_weights_with(&path, Load::new().by_name(true))
        .unwrap();
    assert_eq!(third.get_weights()[0], one.get_weights()[0]);
    assert_eq!(third.get_weights()[2], before[2]);
}

#[test]
fn what_keras_does_not_have_is_kept_for_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.keras");
    let (x, _, yes, _) = data();
    let mut model = Sequential::new().add(Dense::new(1).input_dim(4));
    let pinball = losses::get("pinball").unwrap();
    let kappa = metrics::get("cohen_kappa").unwrap();
    model
        .compile(
            Compile::new(SGD::new(), pinball)
                .metric(kappa)
                .metric(Accuracy),
        )
        .unwrap();
    model.save(&path).unwrap();
    let loaded = Sequential::load(&path).unwrap();
    assert_eq!(loaded.metrics_names(), model.metrics_names());
    // A closure cannot be written; all else is.
    let closure = loss_fn("mine", |t, p| (t - p).abs().mean(-1));
    model.compile(Compile::new(SGD::new(), closure)).unwrap();
    model
        .fit(&x, &yes, Fit::new().epochs(1).verbose(0))
        .unwrap();
    model.save(&path).unwrap();
    let loaded = Sequential::load(&path).unwrap();
    assert_eq!(loaded.get_weights(), model.get_weights());
    assert!(loaded.metrics_names().is_empty());
}

#[test]
fn json_of_a_graph_round_trips() {
    let model = graph(1);
    let json = model.to_json();
    let again = Model::from_json(&json).unwrap();
    assert_eq!(again.to_json(), json);
    assert!(Sequential::from_json(&json).is_err());
    assert!(Model::from_json("{").is_err());
    let deep = "[".repeat(100_000);
    assert!(Model::from_json(&deep).is_err());
}

fn refused(json: &str, words: &[&str]) {
    let error = Model::from_json(json).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{error} does not say {word}");
    }
}

#[test]
fn code_and_strangers_are_refused_by_name() {
    let chain = |layer: &str| {
        format!(r#"{{"class_name": "Sequential", "config": {{"name": "s", "layers": [{layer}]}}}}"#)
    };
    let lambda = r#"{"class_name": "Lambda", "config": {"function": "4wEAAA=="}}"#;
    refused(&chain(lambda), &["Lambda", "never run"]);
    let module = r#"{"module": "os", "class_name": "Dense", "config": {"units": 3}}"#;
    refused(&chain(module), &["Dense", "`os`"]);
    refused(&chain(r#"{"class_name": "Evil", "config": {}}"#), &["Evil"]);
    refused(
        r#"{"class_name": "Subclassed", "config": {}}"#,
        &["Subclassed"],
    );
    let functional = |layers: &str, outputs: &str| {
        format!(
            r#"{{"class_name": "Functional", "config": {{"name": "f", "layers": [{layers}],
            "input_layers": [["a", 0, 0]], "output_layers": {outputs}}}}}"#
        )
    };
    let input = r#"{"class_name": "InputLayer", "name": "a", "inbound_nodes": [],
        "config": {"name": "a", "batch_shape": [null, 2]}}"#;
    // A layer that reads itself.
    let own = r#"{"class_name": "Dense", "name": "d", "config": {"name": "d", "units": 2},
        "inbound_nodes": [[["d", 0, 0, {}]]]}"#;
    refused(
        &functional(&format!("{input}, {own}"), r#"[["d", 0, 0]]"#),
        &["`d`"],
    );
    refused(&functional(input, r#"[["b", 0, 0]]"#), &["`b`"]);
    refused(
        &functional(&format!("{input}, {input}"), r#"[["a", 0, 0]]"#),
        &["`a`"],
    );
}

#[test]
fn a_checkpoint_is_a_whole_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("{epoch}.keras").display().to_string();
    let (x, _, yes, _) = data();
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(4));
    model
        .compile(Compile::new(Adam::new(), MeanSquaredError::new()))
        .unwrap();
    let fit = || Fit::new().epochs(4).shuffle(false).verbose(0);
    let kept = model
        .fit(&x, &yes, fit().callback(ModelCheckpoint::new(&path)))
        .unwrap();
    let mut loaded = Sequential::load(folder.path().join("2.keras")).unwrap();
    let more = loaded
        .fit(&x, &yes, Fit::new().epochs(2).shuffle(false).verbose(0))
        .unwrap();
    assert_eq!(kept["loss"][2..], more["loss"][..]);
    assert_eq!(loaded.get_weights(), model.get_weights());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

/// Changes a file as damage or malice would: bytes flipped, cut, doubled, or set to extremes.
fn mutate(bytes: &mut Vec<u8>, state: &mut u64) {
    // A xorshift generator: what is tried depends on the seed alone.
    let mut next = |below: usize| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state % below.max(1) as u64) as usize
    };
    for _ in 0..1 + next(4) {
        let (place, length) = (next(bytes.len()), bytes.len());
        match next(6) {
            0 => bytes[place] ^= 1 << next(8),
            1 => bytes[place] = [0, 0xff, 0x7f, 0x80][next(4)],
            2 => bytes.truncate(1 + place),
            3 => {
                let end = (place + 1 + next(8)).min(length);
                bytes[place..end].fill([0, 0xff][next(2)]);
            }
            4 => {
                let end = (place + 1 + next(64)).min(length);
                let piece = bytes[place..end].to_vec();
                let to = next(length);
                bytes.splice(to..to, piece);
            }
            _ => {
                let from = next(length);
                bytes[place] = bytes[from];
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// The entries of an archive.
fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = Vec::new();
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        all.push((entry.name().unwrap().into_owned(), data));
    }
    all
}

fn zipped(entries: &[(String, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, data) in entries {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn compressed_archives_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deflated.keras");
    let stored = std::fs::read(golden("tutorial.keras")).unwrap();
    let deflated = zipped(&entries(&stored), zip::CompressionMethod::Deflated);
    assert!(deflated.len() < stored.len());
    std::fs::write(&path, deflated).unwrap();
    let model = Sequential::load(&path).unwrap();
    let own = Sequential::load(golden("tutorial.keras")).unwrap();
    assert_eq!(model.get_weights(), own.get_weights());
}

#[test]
fn hostile_archives_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.keras");
    let whole = entries(&std::fs::read(golden("tutorial.keras")).unwrap());
    let refused = |bytes: Vec<u8>, load: Load, words: &[&str]| {
        std::fs::write(&path, bytes).unwrap();
        let error = Model::load_with(&path, load).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error} does not say {word}");
        }
    };
    let stored = |entries: &[(String, Vec<u8>)]| zipped(entries, zip::CompressionMethod::Stored);
    for name in [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "C:evil",
        "a\\..\\evil",
    ] {
        let mut with = whole.clone();
        with.push((name.into(), b"evil".to_vec()));
        refused(stored(&with), Load::new(), &["outside", "evil"]);
    }
    let mut twice = whole.clone();
    twice.push(("config.jsom".into(), b"{}".to_vec()));
    let mut bytes = stored(&twice);
    let places: Vec<usize> = bytes
        .windows(11)
        .enumerate()
        .filter(|(_, w)| *w == b"config.jsom")
        .map(|(i, _)| i)
        .collect();
    places.iter().for_each(|place| bytes[place + 10] = b'n');
    refused(bytes, Load::new(), &["twice"]);
    for missing in 0..whole.len() {
        let mut without = whole.clone();
        let (name, _) = without.remove(missing);
        if name != "metadata.json" {
            refused(stored(&without), Load::new(), &[&name, "not there"]);
        }
    }
    // What grows a thousandfold.
    let mut bomb = whole.clone();
    bomb.iter_mut().for_each(|(name, data)| {
        if name == "config.json" {
            data.resize(8 << 20, b' ');
        }
    });
    let bomb = zipped(&bomb, zip::CompressionMethod::Deflated);
    assert!(bomb.len() < 1 << 17);
    refused(
        bomb.clone(),
        Load::new().max_bytes(1 << 20),
        &["config.json", "max_bytes"],
    );
    refused(bomb, Load::new().max_bytes(100), &["max_bytes"]);
    // A model that asks for more than there is, and one that is nested without end.
    let with_config = |config: &str| {
        let mut with = whole.clone();
        with.iter_mut()
            .filter(|(name, _)| name == "config.json")
            .for_each(|(_, data)| {
                *data = config.as_bytes().to_vec();
            });
        stored(&with)
    };
    let config = String::from_utf8(
        whole
            .iter()
            .find(|(name, _)| name == "config.json")
            .unwrap()
            .1
            .clone(),
    )
    .unwrap();
    let huge = config.replace("\"units\": 12", "\"units\": 120000000000");
    assert_ne!(huge, config);
    refused(with_config(&huge), Load::new(), &["hostile.keras"]);
    let large = config.replace("\"units\": 12", "\"units\": 12000000");
    refused(with_config(&large), Load::new(), &["max_bytes"]);
    refused(
        with_config(&"[".repeat(1_000_000)),
        Load::new(),
        &["config.json"],
    );
    let deep = (0..100).fold(config, |inner, _| {
        format!(r#"{{"class_name": "Sequential", "config": {{"name": "s", "layers": [{inner}]}}}}"#)
    });
    refused(with_config(&deep), Load::new(), &["config.json"]);
}

/// `HORN_MUTATIONS` copies of each file, 300 by default.
#[test]
fn broken_files_are_errors_and_nothing_worse() {
    let copies = std::env::var("HORN_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(300);
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "keras" || kind == "h5")
        })
        .collect();
    let mut model = graph(1);
    model.build().unwrap();
    for ending in ["safetensors", "npz", "keras"] {
        files.push(folder.path().join(format!("own.{ending}")));
        model.save(files.last().unwrap()).unwrap();
    }
    files.sort();
    let mut read = 0;
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let path = folder.path().join(format!("broken-{name}"));
        // The model that the weights are of, where it is here.
        let own = name.split('.').next().unwrap();
        let archive = golden(&format!("{own}.keras"));
        let mut fitting = match own {
            "own" => Some(model.clone()),
            _ if archive.exists() => Model::load(&archive).ok(),
            _ => Model::load(file).ok(),
        };
        for copy in 0..copies {
            let mut state = 0x9e37_79b9_7f4a_7c15 ^ ((copy as u64 + 1) * 0x1_0000_0001);
            let mut bytes = whole.clone();
            // Half of the archives are damaged inside, where no checksum tells.
            if name.ends_with(".keras") && copy % 2 == 0 {
                let mut inside = entries(&whole);
                let place = 1 + copy / 2 % (inside.len() - 1);
                mutate(&mut inside[place].1, &mut state);
                bytes = zipped(&inside, zip::CompressionMethod::Stored);
            } else {
                mutate(&mut bytes, &mut state);
            }
            std::fs::write(&path, &bytes).unwrap();
            read += usize::from(Model::load(&path).is_ok());
            if let Some(model) = &mut fitting {
                read += usize::from(model.load_weights(&path).is_ok());
            }
        }
    }
    // Much of a file is numbers, which may be any.
    assert!(read > 0);
}

#[test]
fn vocabularies_in_assets_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.keras");
    let mut model = Sequential::new()
        .add(Input::new([1]))
        .add(horn::layers::IntegerLookup::new().vocabulary([30, 50, 70]))
        .add(Dense::new(1));
    model.build().unwrap();
    model.save(&path).unwrap();
    let x = array![[50.0], [70.0], [1.0]];
    assert_eq!(
        Model::load(&path).unwrap().predict(&x).unwrap(),
        model.predict(&x).unwrap()
    );
    // As Keras does: the vocabulary as a text, mask and unknown before it.
    let mut inside = entries(&std::fs::read(&path).unwrap());
    for (name, data) in &mut inside {
        if name == "config.json" {
            let mut json: Json = serde_json::from_slice(data).unwrap();
            json["config"]["layers"][1]["config"]["vocabulary"] = Json::Null;
            *data = json.to_string().into_bytes();
        }
    }
    let text = b"-1\n30\n50\n70".to_vec();
    inside.push(("assets/layers/integer_lookup/vocabulary.txt".into(), text));
    std::fs::write(&path, zipped(&inside, zip::CompressionMethod::Stored)).unwrap();
    assert_eq!(
        Model::load(&path).unwrap().predict(&x).unwrap(),
        model.predict(&x).unwrap()
    );
}

#[test]
fn chunked_and_compressed_weights_are_read() {
    let whole = Sequential::load(golden("tutorial.keras")).unwrap();
    let mut model = Sequential::from_json(&whole.to_json()).unwrap().seed(1);
    model.build().unwrap();
    model
        .load_weights(golden("tutorial.chunked.weights.h5"))
        .unwrap();
    assert_eq!(model.get_weights(), whole.get_weights());
}

/// The versions of Keras whose archives are in `tests/golden/keras_versions`.
fn versions() -> Vec<String> {
    let files = std::fs::read_dir(golden("keras_versions")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(".graph.keras")?.to_string()))
        .collect();
    all.sort();
    all
}

fn parsed(name: &str) -> Json {
    let text = std::fs::read_to_string(golden(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn archives_of_every_version_of_keras_3_predict_and_train_as_there() {
    assert!(versions().len() >= 6);
    for version in versions() {
        let file = |kind: &str| golden(&format!("keras_versions/{version}.{kind}.keras"));
        let case = parsed(&format!("keras_versions/{version}.json"));
        let (x, y) = (array(&case["x"]), array(&case["y"]));
        let mut model = Sequential::load(file("tutorial")).unwrap();
        close(
            &predict(&model, &x),
            &array(&case["predictions"]),
            1e-6,
            &version,
        );
        assert_eq!(model.metrics_names(), ["loss", "accuracy"], "{version}");
        let fit = Fit::new().epochs(2).batch_size(8).shuffle(false).verbose(0);
        let history = model.fit(&x, &y, fit).unwrap();
        for (found, expected) in history["loss"].iter().zip(losses(&case["more_loss"])) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{version}: {found} is not {expected}"
            );
        }
        let graph = match Model::load(file("graph")) {
            Ok(graph) => graph,
            // Of the layers in it those that have come are read; then it must predict.
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("there is no layer named"), "{text}");
                continue;
            }
        };
        let (image, words) = (array(&case["image"]), array(&case["words"]));
        let found = graph.predict_all((&image, &words)).unwrap();
        close(&found[0], &array(&case["graph"]), 1e-6, &version);
    }
}

#[test]
fn weights_of_16_bits_are_read_into_32() {
    // Keras computes in the lower precision; here it is the weights alone that have it.
    let all = [
        ("float16", 2e-3),
        ("mixed_float16", 2e-3),
        ("bfloat16", 2e-2),
        ("mixed_bfloat16", 2e-2),
    ];
    for (policy, tolerance) in all {
        let name = format!("keras_versions/3.15.1.{policy}");
        let case = parsed(&format!("{name}.json"));
        let mut model = Sequential::load(golden(&format!("{name}.keras"))).unwrap();
        let own = model.get_weights();
        let theirs = case["weights"].as_array().unwrap();
        assert_eq!(own.len(), theirs.len());
        for (own, theirs) in own.iter().zip(theirs) {
            close(own, &array(theirs), 0.0, policy);
        }
        let (x, y) = (array(&case["x"]), array(&case["y"]));
        close(
            &predict(&model, &x),
            &array(&case["predictions"]),
            tolerance,
            policy,
        );
        let history = model.fit(&x, &y, Fit::new().epochs(2).verbose(0)).unwrap();
        assert!(
            history["loss"].iter().all(|loss| loss.is_finite()),
            "{policy}"
        );
    }
}

#[test]
fn arrays_of_numpy_keep_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.npz");
    let mut model = Sequential::new().add(Dense::new(3).input_dim(2).name("dense"));
    model.build().unwrap();
    model.save_weights(&path).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let load = |bytes| Load::new().max_bytes(bytes);
    model.load_weights_with(&path, load(size)).unwrap();
    assert!(model.load_weights_with(&path, load(size - 1)).is_err());
    // A small file of a large array: all zeros, or there in its header alone.
    let array = |shape: &str, bytes: usize| {
        let head = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut array = b"\x93NUMPY\x01\x00".to_vec();
        array.extend((head.len() as u16).to_le_bytes());
        array.extend(head.as_bytes());
        array.resize(array.len() + bytes, 0);
        zipped(
            &[("dense/kernel.npy".into(), array)],
            zip::CompressionMethod::Deflated,
        )
    };
    let hostile = [
        (array("(40000000,)", 40_000_000), "max_bytes"),
        (array("(4000000000,)", 10), "max_bytes"),
        (array("(18446744073709551615, 2)", 10), "max_bytes"),
        (array("(1000,)", 999), "more or fewer"),
        (array("(1000,)", 1001), "more or fewer"),
    ];
    for (bytes, words) in hostile {
        std::fs::write(&path, bytes).unwrap();
        let error = model.load_weights(&path).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn json_that_grows_in_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.keras");
    let whole = entries(&std::fs::read(golden("tutorial.keras")).unwrap());
    // A list of empty maps takes a hundred times its text.
    for text in ["{\"\":0},", "[],", "0,"] {
        let text = format!("[{}0]", text.repeat(4_000_000 / text.len()));
        let mut with = whole.clone();
        for (name, data) in &mut with {
            if name == "config.json" {
                *data = text.clone().into_bytes();
            }
        }
        std::fs::write(&path, zipped(&with, zip::CompressionMethod::Deflated)).unwrap();
        let error = Model::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("config.json") && error.contains("max_bytes"),
            "{error}"
        );
    }
}
