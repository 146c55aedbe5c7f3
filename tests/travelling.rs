//! What belongs to a model travels with it: through its files, and through formats of the user's own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use horn::callbacks::ModelCheckpoint;
use horn::layers::Layer;
use horn::losses::Loss;
use horn::metrics::Metric;
use horn::model::Class;
use horn::optimizers::Optimizer;
use horn::optimizers::schedules::{CosineDecay, Schedule};
use horn::prelude::*;
use horn::saving::Load;
use ndarray::Array2;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn data() -> (Array2<f32>, Vec<f32>) {
    let x = Array2::from_shape_fn((40, 3), |(i, j)| ((i * 5 + j * 3) % 11) as f32 / 11.0);
    (x, (0..40).map(|i| (i % 3) as f32).collect())
}

fn trained() -> Sequential {
    let mut model = Sequential::new()
        .seed(3)
        .add(Dense::new(8).input_dim(3).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(3).activation(Softmax::new()));
    let adam = Adam::new().learning_rate(0.02).use_ema(true);
    let compile = Compile::new(adam, SparseCategoricalCrossentropy::new()).metric(Accuracy);
    model.compile(compile).unwrap();
    let (x, y) = data();
    let fit = Fit::new()
        .epochs(4)
        .verbose(0)
        .validation_split(0.25)
        .validation_freq(2);
    model.fit(&x, &y, fit).unwrap();
    model.set_labels(["a", "b", "c"]).unwrap();
    model.set_feature_names(["one", "two", "three"]).unwrap();
    model
}

/// Predictions, and the history of two more epochs.
fn future(model: &mut Sequential) -> (Array2<f32>, History) {
    let (x, y) = data();
    let predicted = model.predict(&x).unwrap();
    (
        predicted,
        model.fit(&x, &y, Fit::new().epochs(2).verbose(0)).unwrap(),
    )
}

/// Equal where NaN is NaN.
fn same(one: &History, other: &History) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

#[test]
fn names_history_and_seed_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.keras");
    let mut model = trained();
    model.save(&path).unwrap();
    let mut read = Sequential::load(&path).unwrap();
    assert_eq!(read.labels(), ["a", "b", "c"]);
    assert_eq!(read.feature_names(), ["one", "two", "three"]);
    assert_eq!(read.current_seed(), 3);
    assert!(same(read.history().unwrap(), model.history().unwrap()));
    assert_eq!(read.history().unwrap().names().len(), 4);
    assert!(read.history().unwrap()["val_loss"][0].is_nan());
    assert_eq!(future(&mut read), future(&mut model));
    // Another training leaves the names, and has another history.
    assert_eq!((read.labels().len(), read.history().unwrap().len()), (3, 2));
}

#[test]
fn checkpoints_have_the_history_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("{epoch}.keras");
    let mut model = trained();
    let (x, y) = data();
    let fit = Fit::new()
        .epochs(3)
        .verbose(0)
        .callback(ModelCheckpoint::new(&path));
    let history = model.fit(&x, &y, fit).unwrap();
    let second = Sequential::load(folder.path().join("2.keras")).unwrap();
    assert_eq!(second.history().unwrap()["loss"], history["loss"][..2]);
    assert_eq!(second.labels(), ["a", "b", "c"]);
}

#[test]
fn classes_have_numbers_and_names() {
    let mut model = trained();
    let (x, _) = data();
    let named = model.predict_classes(&x).unwrap();
    for class in &named {
        assert_eq!(class.label(), Some(["a", "b", "c"][class.index()]));
        assert_eq!(class.to_string(), class.label().unwrap());
        assert_eq!(usize::from(class.clone()), class.index());
        assert!(*class == class.index() && *class == class.label().unwrap() && *class != "d");
    }
    model.set_labels(Vec::<String>::new()).unwrap();
    let bare: Vec<Class> = model.predict_classes(&x).unwrap();
    assert!(
        bare.iter()
            .zip(&named)
            .all(|(bare, named)| bare.index() == named.index())
    );
    assert_eq!(
        (bare[0].label(), bare[0].to_string()),
        (None, bare[0].index().to_string())
    );

    for wrong in [vec!["a"], vec!["a", "b"], vec!["a", "b", "c", "d"]] {
        let error = model.set_labels(wrong).unwrap_err().to_string();
        assert!(error.contains("3 names"), "{error}");
    }
    let mut one = Sequential::new().add(Dense::new(1).input_dim(2));
    // Before it is built nobody knows.
    one.set_labels(["a", "b", "c"]).unwrap();
    one.build().unwrap();
    assert!(one.set_labels(["yes"]).is_err());
    one.set_labels(["no", "yes"]).unwrap();
    assert!(one.set_feature_names(["a"]).is_err());
}

/// Copies an archive with one entry changed.
fn changed(from: &Path, to: &Path, entry: &str, change: impl Fn(String) -> String) {
    let mut archive = zip::ZipArchive::new(File::open(from).unwrap()).unwrap();
    let mut copy = zip::ZipWriter::new(File::create(to).unwrap());
    for number in 0..archive.len() {
        let mut read = archive.by_index(number).unwrap();
        let name = read.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes).unwrap();
        if name == entry {
            bytes = change(String::from_utf8(bytes).unwrap()).into_bytes();
        }
        let options = zip::write::SimpleFileOptions::default();
        copy.start_file(name, options).unwrap();
        copy.write_all(&bytes).unwrap();
    }
    copy.finish().unwrap();
}

#[test]
fn a_model_that_predicts_otherwise_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.keras"), folder.path().join("b.keras"));
    let model = trained();
    model.save(&path).unwrap();
    changed(&path, &other, "config.json", |text| {
        assert!(text.contains("relu"));
        text.replace("relu", "tanh")
    });
    let error = Sequential::load(&other).unwrap_err().to_string();
    assert!(
        error.contains("output") && error.contains("Load::check(false)"),
        "{error}"
    );
    let lenient = Sequential::load_with(&other, Load::new().check(false)).unwrap();
    assert_eq!(lenient.get_weights(), model.get_weights());
    // A check that is not one.
    for (from, to) in [
        ("\"outputs\":[", "\"outputs\":[7,"),
        ("\"rows\":[[3]]", "\"rows\":[[4]]"),
    ] {
        changed(&path, &other, "metadata.json", |text| {
            assert!(text.contains(from), "{text}");
            text.replace(from, to)
        });
        assert!(Sequential::load(&other).is_err());
    }
    for wrong in ["\"labels\":7,\"l\":[", "\"history\":[],\"labels\":["] {
        changed(&path, &other, "metadata.json", |text| {
            text.replace("\"labels\":[", wrong)
        });
        let error = Sequential::load(&other).unwrap_err().to_string();
        assert!(error.contains("b.keras"), "{error}");
    }
}

fn through<T: Serialize, R: DeserializeOwned>(value: &T) -> (R, R) {
    let json = serde_json::to_string(value).unwrap();
    let bytes = postcard::to_allocvec(value).unwrap();
    (
        serde_json::from_str(&json).unwrap(),
        postcard::from_bytes(&bytes).unwrap(),
    )
}

#[test]
fn models_go_through_any_format() {
    let mut model = trained();
    let (mut json, mut bytes): (Sequential, Sequential) = through(&model);
    let expected = future(&mut model);
    for read in [&mut json, &mut bytes] {
        assert_eq!(read.labels(), ["a", "b", "c"]);
        assert_eq!(read.current_seed(), 3);
        assert_eq!(future(read), expected);
    }

    let x = Input::new([2]).tensor();
    let mut graph = Model::new(&x, [Dense::new(2).apply(&x), Dense::new(1).apply(&x)]);
    let (unbuilt, _): (Model, Model) = through(&graph);
    assert!(unbuilt.to_json() == graph.to_json());
    graph.build().unwrap();
    let (json, bytes): (Model, Model) = through(&graph);
    assert_eq!(json.get_weights(), graph.get_weights());
    assert_eq!(bytes.get_weights(), graph.get_weights());
    // A graph is no chain.
    let text = serde_json::to_string(&graph).unwrap();
    assert!(serde_json::from_str::<Sequential>(&text).is_err());
}

#[test]
fn data_of_another_model_are_errors() {
    let text = serde_json::to_string(&trained()).unwrap();
    assert!(serde_json::from_str::<Sequential>(&text).is_ok());
    for (from, to) in [
        ("\"units\":8", "\"units\":9"),
        ("\"units\":8", "\"units\":99999999999"),
        ("\"path\":\"dense/bias\"", "\"path\":\"dense/bia\""),
        ("\"shape\":[8]", "\"shape\":[4,2]"),
        ("\"arenas\":[[", "\"arenas\":[[0.5,"),
        ("\"arenas\":[[", "\"arenas\":[[],["),
        ("\"class_name\":\"Dense\"", "\"class_name\":\"Lambda\""),
    ] {
        assert!(text.contains(from), "{from}");
        let broken = text.replacen(from, to, 1);
        assert!(serde_json::from_str::<Sequential>(&broken).is_err(), "{to}");
    }
}

#[test]
fn configurations_are_data() {
    #[derive(Serialize, Deserialize)]
    struct Experiment {
        body: Vec<Arc<dyn Layer>>,
        optimizer: Box<dyn Optimizer>,
        loss: Arc<dyn Loss>,
        metric: Box<dyn Metric>,
        schedule: Arc<dyn Schedule>,
        compile: Compile,
    }

    let compile = Compile::new(SGD::new().momentum(0.9), MeanSquaredError::new()).metric(Accuracy);
    let written = Experiment {
        body: vec![
            Arc::new(Dense::new(3).activation(Relu)),
            Arc::new(Dropout::new(0.25)),
        ],
        optimizer: Box::new(Adam::new().learning_rate(0.5)),
        loss: Arc::new(BinaryCrossentropy::new().from_logits(true)),
        metric: horn::metrics::get("auc").unwrap(),
        schedule: Arc::new(CosineDecay::new(0.1, 50)),
        compile,
    };
    let (json, bytes): (Experiment, Experiment) = through(&written);
    for read in [json, bytes] {
        for (read, written) in read.body.iter().zip(&written.body) {
            assert_eq!(read.config(), written.config());
        }
        assert_eq!(read.body.len(), 2);
        assert_eq!(read.optimizer.config(), written.optimizer.config());
        assert_eq!(read.loss.config(), written.loss.config());
        assert_eq!(read.metric.config(), written.metric.config());
        assert_eq!(read.schedule.rate(20), written.schedule.rate(20));
        let text = serde_json::to_string(&read.compile).unwrap();
        assert_eq!(text, serde_json::to_string(&written.compile).unwrap());
    }
    assert!(serde_json::from_str::<Arc<dyn Layer>>("{\"class_name\": \"Densee\"}").is_err());
    assert!(serde_json::from_str::<Box<dyn Optimizer>>("7").is_err());
}

#[test]
fn histories_are_read_back() {
    let history = trained().history().unwrap().clone();
    let text = serde_json::to_string(&history).unwrap();
    let read: History = serde_json::from_str(&text).unwrap();
    assert!(same(&read, &history), "{text}");
    assert!(serde_json::from_str::<History>("{\"epoch\": [0]}").is_err());
}
