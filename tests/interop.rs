//! The half of `tests/interop/keras.sh` that is not Python: reads the models that Keras wrote in the
//! folder `HORN_INTEROP`, and writes them again for Keras.

use std::path::Path;

use horn::prelude::*;
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value as Json, json};

fn array(json: &Json) -> ArrayD<f32> {
    let numbers = |key: &str| json[key].as_array().unwrap().iter();
    let shape: Vec<usize> = numbers("shape")
        .map(|n| n.as_u64().unwrap() as usize)
        .collect();
    let data: Vec<f32> = numbers("data")
        .map(|n| n.as_f64().unwrap() as f32)
        .collect();
    ArrayD::from_shape_vec(IxDyn(&shape), data).unwrap()
}

fn as_json(array: &ArrayD<f32>) -> Json {
    json!({"shape": array.shape(), "data": array.iter().collect::<Vec<_>>()})
}

fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) -> Option<String> {
    let scale = expected
        .iter()
        .fold(1.0, |scale: f32, value| scale.max(value.abs()));
    let near = |a: &f32, b: &f32| (a - b).abs() <= tolerance * scale;
    let wrong = found.iter().zip(expected).find(|(a, b)| !near(a, b));
    match (wrong, found.len() == expected.len()) {
        (Some((found, expected)), _) => Some(format!("{what}: {found} is not {expected}")),
        (None, false) => Some(format!("{what}: {} numbers", found.len())),
        (None, true) => None,
    }
}

/// What differs, of one model.
fn compare(folder: &Path, name: &str) -> Result<Vec<String>> {
    let file = |of: &str, ending: &str| folder.join(of).join(format!("{name}.{ending}"));
    let text = std::fs::read_to_string(file("keras", "json")).unwrap();
    let case: Json = serde_json::from_str(&text).unwrap();
    let x: Vec<ArrayD<f32>> = case["x"].as_array().unwrap().iter().map(array).collect();
    let y = array(&case["y"]);
    let predictions = array(&case["predictions"]);
    let mut model = Model::load(file("keras", "keras"))?;
    let found = model.predict(x.iter().collect::<Vec<_>>())?;
    let flat = |array: &ArrayD<f32>| array.iter().copied().collect::<Vec<f32>>();
    let found = found.into_dyn();
    let mut wrong = Vec::new();
    wrong.extend(close(
        "prediction",
        &flat(&found),
        &flat(&predictions),
        1e-6,
    ));
    let mut by_weights = Model::from_json(&model.to_json())?;
    by_weights.build()?;
    by_weights.load_weights(file("keras", "weights.h5"))?;
    if by_weights.get_weights() != model.get_weights() {
        wrong.push("weights differ from those of the archive".into());
    }
    model.save(file("horn", "keras"))?;
    model.save_weights(file("horn", "weights.h5"))?;
    let fit = || Fit::new().epochs(2).batch_size(4).shuffle(false).verbose(0);
    let mut again = Model::load(file("horn", "keras"))?;
    let losses = model.fit(x.iter().collect::<Vec<_>>(), &y, fit())?["loss"].to_vec();
    let repeated = again.fit(x.iter().collect::<Vec<_>>(), &y, fit())?["loss"].to_vec();
    wrong.extend(close("loss after a file of ours", &repeated, &losses, 0.0));
    if case["draws"] != json!(true) {
        let expected = case["loss"].as_array().unwrap().iter();
        let expected: Vec<f32> = expected.map(|loss| loss.as_f64().unwrap() as f32).collect();
        wrong.extend(close("loss", &losses, &expected, 1e-5));
    }
    let ours = json!({
        "x": case["x"],
        "y": case["y"],
        "predictions": as_json(&found),
        "draws": case["draws"],
        "loss": losses,
    });
    std::fs::write(file("horn", "json"), ours.to_string()).unwrap();
    Ok(wrong)
}

#[test]
#[ignore = "run by tests/interop/keras.sh"]
fn models_of_keras_are_read_and_written_for_it() {
    let folder = std::env::var("HORN_INTEROP").expect("the folder that keras.sh makes");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("horn")).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder.join("keras"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(".json")?.to_string())
        })
        .collect();
    names.sort();
    let mut wrong = 0;
    for name in &names {
        let found = match compare(folder, name) {
            Ok(found) => found,
            Err(error) => vec![error.to_string()],
        };
        found.iter().for_each(|what| println!("{name}: {what}"));
        wrong += found.len();
    }
    println!(
        "horn read {} models of Keras, {wrong} disagreements",
        names.len()
    );
    assert!(wrong == 0 && !names.is_empty());
}
