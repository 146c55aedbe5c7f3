//! NaN and infinities pass through every activation and every loss as Keras's do.
//!
//! `tests/golden/non_finite.json` holds what Keras made of them; `non_finite.py` beside it wrote it.

use std::collections::BTreeSet;
use std::path::Path;

use horn::graph::Value;
use horn::prelude::*;
use horn::saving::config;
use horn::testing::Probe;
use serde_json::Value as Json;

fn golden() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/non_finite.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn cases<'a>(all: &'a Json, field: &str) -> &'a [Json] {
    all[field].as_array().expect("cases")
}

fn numbers(tensor: &Json) -> Vec<f32> {
    let number = |v: &Json| match v {
        Json::String(text) => text.parse().expect("a number"),
        v => v.as_f64().expect("a number") as f32,
    };
    let data = tensor["data"].as_array().expect("data");
    data.iter().map(number).collect()
}

fn shape(tensor: &Json) -> Vec<usize> {
    let lengths = tensor["shape"].as_array().expect("shape").iter();
    lengths
        .map(|n| n.as_u64().expect("a length") as usize)
        .collect()
}

/// Whether two numbers are both NaN, the same, or as near as rounding leaves them.
fn same(got: f32, want: f32) -> bool {
    let (g, w) = (f64::from(got), f64::from(want));
    (got.is_nan() && want.is_nan()) || got == want || (g - w).abs() <= 1e-6 + 1e-5 * w.abs()
}

/// The places where what we got is not what Keras has.
fn differences(what: &str, from: &[&[f32]], got: &[f32], want: &[f32]) -> Vec<String> {
    assert_eq!(got.len(), want.len(), "{what}");
    let wrong = |i: &usize| !same(got[*i], want[*i]);
    let told = |i: usize| {
        let each = from
            .iter()
            .map(|x| &x[i * x.len() / got.len()..(i + 1) * x.len() / got.len()]);
        let of: Vec<_> = each.collect();
        format!("{what} [{i}] of {of:?}: {}, not {}", got[i], want[i])
    };
    (0..got.len()).filter(wrong).map(told).collect()
}

/// The members of a family, by their files.
fn members(family: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(family);
    let files = std::fs::read_dir(folder).expect("the family's folder");
    let names = files.map(|file| file.expect("a file").path());
    let names = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()));
    names.filter(|name| name != "mod").collect()
}

#[test]
fn activations_treat_them_as_keras_does() {
    let golden = golden();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for case in cases(&golden, "activations") {
        let name = case["activation"].as_str().expect("a name");
        seen.insert(name.to_string());
        let activation = activations::with_settings(name, &case["params"]).expect(name);
        let x = numbers(&case["x"]);
        let mut probe = Probe::new(&[&shape(&case["x"])], false, |_, v| {
            activations::Activation::call(&activation, &v[0])
        })
        .expect(name);
        probe.set_inputs(std::slice::from_ref(&x));
        wrong.extend(differences(
            name,
            &[&x],
            &probe.forward(),
            &numbers(&case["y"]),
        ));
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(seen, members("activations"));
}

/// Where we differ from Keras on JAX, and should.
///
/// Its sparse cross-entropy of logits multiplies all of a row's logarithms with a one-hot row, so
/// that a logit of minus infinity of *another* class costs 0 times infinity, NaN; TensorFlow's, as
/// ours, looks at the one class. So it is with its CTC. That of the binary one is an infinite target,
/// where its formula subtracts infinities and ours does not.
fn excused(case: &Json, target: f32, row: &[f32]) -> bool {
    let logits = case["loss"]["config"]["from_logits"] == true;
    let low = |z: &f32| *z < -1e38;
    match case["loss"]["class_name"].as_str() {
        Some("SparseCategoricalCrossentropy") => {
            logits && row.iter().any(low) && !low(&row[target as usize])
        }
        Some("BinaryCrossentropy") => logits && target.is_infinite(),
        Some("CTC") => row.iter().any(low),
        _ => false,
    }
}

#[test]
fn losses_treat_them_as_keras_does() {
    let golden = golden();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut excuses = 0;
    for case in cases(&golden, "losses") {
        let loss = config::loss(&case["loss"]).expect("a loss");
        let name = losses::Loss::name(&loss).trim_end_matches("_loss");
        seen.insert(name.to_string());
        let tensors = ["y_true", "y_pred"].map(|field| &case[field]);
        let shapes = tensors.map(shape);
        let inputs = tensors.map(numbers);
        let mut probe = Probe::new(&[&shapes[0], &shapes[1]], false, |_, v: &[Value]| {
            losses::compute(&loss, &v[0], &v[1], None, None)
        })
        .expect("a loss");
        probe.set_inputs(&inputs);
        let what = format!(
            "{} {}",
            case["loss"]["class_name"], case["loss"]["config"]["from_logits"]
        );
        let from = [&*inputs[0], &*inputs[1]];
        let (got, mut want) = (probe.forward(), numbers(&case["costs"]));
        for (i, want) in want.iter_mut().enumerate() {
            let [target, row] = from.map(|x| &x[i * x.len() / got.len()..][..x.len() / got.len()]);
            if excused(case, target[0], row) && !same(got[i], *want) {
                excuses += 1;
                *want = got[i];
            }
        }
        wrong.extend(differences(&what, &from, &got, &want));
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let mut all = members("losses");
    // Keras has no such loss.
    all.remove("quantile_loss");
    assert_eq!(seen, all);
    assert_eq!(excuses, 9, "of all the cases");
}
