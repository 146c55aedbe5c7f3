//! Every name of Keras: read from what Keras writes, and written back the same.

use std::path::PathBuf;

use horn::prelude::*;
use horn::saving::config;
use horn::{constraints, optimizers, regularizers};
use serde_json::{Value as Json, json};

fn cases(file: &str) -> Vec<Json> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(folder.join(file)).expect("golden values");
    let all: Json = serde_json::from_str(&text).expect("JSON");
    all["cases"].as_array().expect("cases").clone()
}

/// What we write for an object that Keras describes.
fn written(family: &str, object: &Json) -> Result<Json> {
    Ok(match family {
        "losses" => losses::to_keras(&losses::from_keras(object)?),
        "metrics" => metrics::to_keras(&*metrics::from_keras(object)?),
        "optimizers" => optimizers::to_keras(&*optimizers::from_keras(object)?),
        "schedules" => horn::optimizers::schedules::to_keras(&config::schedule(object)?),
        "initializers" => initializers::to_keras(&initializers::from_keras(object)?),
        "regularizers" => regularizers::to_keras(&regularizers::from_keras(object)?),
        "constraints" => constraints::to_keras(&constraints::from_keras(object)?),
        "layers" => config::layer_to_keras(&config::layer(object)?),
        other => panic!("no family {other}"),
    })
}

/// The class behind one of Keras's strings.
fn class_of(family: &str, name: &str) -> Result<String> {
    Ok(match family {
        "losses" => losses::get(name)?.class_name().into(),
        "metrics" => metrics::get(name)?.class_name().into(),
        "optimizers" => optimizers::get(name)?.class_name().into(),
        "initializers" => initializers::get(name)?.class_name().into(),
        "regularizers" => regularizers::get(name)?.class_name().into(),
        "constraints" => constraints::get(name)?.class_name().into(),
        other => panic!("no names in {other}"),
    })
}

/// The first difference between two configurations: numbers to rounding, and null where a key is
/// missing.
fn difference(path: &str, got: &Json, want: &Json) -> Option<String> {
    match (got, want) {
        (Json::Object(got), Json::Object(want)) => {
            // A key that Keras does not know is one that it refuses. It gives names by itself.
            let unknown = |key: &&String| !want.contains_key(*key) && *key != "name";
            if let Some(key) = got.keys().find(unknown) {
                return Some(format!("{path}.{key} is not Keras's"));
            }
            want.iter().find_map(|(key, want)| {
                let got = got.get(key).unwrap_or(&Json::Null);
                difference(&format!("{path}.{key}"), got, want)
            })
        }
        (Json::Array(got), Json::Array(want)) if got.len() == want.len() => {
            let mut pairs = got.iter().zip(want);
            pairs.find_map(|(got, want)| difference(path, got, want))
        }
        _ => {
            let same = match (got.as_f64(), want.as_f64()) {
                (Some(got), Some(want)) => (got - want).abs() < 1e-6,
                _ => got == want,
            };
            (!same).then(|| format!("{path}: {got}, not {want}"))
        }
    }
}

#[test]
fn what_keras_writes_is_read_and_written_back() {
    let mut wrong = Vec::new();
    for case in cases("configs.json") {
        let family = case["family"].as_str().expect("a family");
        let object = &case["object"];
        let class = object["class_name"].as_str().expect("a class");
        match written(family, object) {
            Ok(got) => {
                let config = difference("config", &got["config"], &object["config"]);
                wrong.extend(config.map(|what| format!("{family} {class}: {what}")));
                if got["class_name"] != object["class_name"] {
                    wrong.push(format!("{family} {class}: became {}", got["class_name"]));
                }
            }
            Err(error) => wrong.push(format!("{family} {class}: {error}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn defaults_are_those_of_keras() {
    let mut wrong = Vec::new();
    for case in cases("configs.json") {
        let family = case["family"].as_str().expect("a family");
        let class = case["object"]["class_name"].as_str().expect("a class");
        let Ok(got) = written(family, &json!({"class_name": class, "config": {}})) else {
            continue; // It has arguments that must be given.
        };
        let whole = difference("config", &got["config"], &case["object"]["config"]);
        // What the case gives is not a default.
        let given = case["given"].as_array().into_iter().flatten();
        let is_given = |what: &str| {
            let mut given = given.clone().filter_map(Json::as_str);
            given.any(|key| what.starts_with(&format!("config.{key}")))
        };
        wrong.extend(
            whole
                .filter(|what| !is_given(what))
                .map(|what| format!("{family} {class}: {what}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_string_of_keras_is_understood() {
    let mut wrong = Vec::new();
    for case in cases("configs.json") {
        let family = case["family"].as_str().expect("a family");
        let class = case["object"]["class_name"].as_str().expect("a class");
        for name in case["names"].as_array().expect("names") {
            let name = name.as_str().expect("a string");
            match class_of(family, name) {
                Ok(got) if got == class => {}
                // As a string it looks at the shapes, as in Keras's `compile`.
                Ok(_) if family == "metrics" && name.to_lowercase() == "accuracy" => {}
                Ok(got) => wrong.push(format!("{family} {name}: {got}, not {class}")),
                Err(error) => wrong.push(format!("{family} {name}: {error}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn layers_with_settings_are_written_back() {
    let mut wrong = Vec::new();
    for case in cases("layers.json") {
        let object = &case["layer"];
        // Which classes there must be is said elsewhere.
        if let Ok(got) = written("layers", object) {
            let config = difference("config", &got["config"], &object["config"]);
            wrong.extend(config.map(|what| format!("{}: {what}", case["name"])));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
