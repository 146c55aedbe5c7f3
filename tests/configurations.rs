//! Configurations that nobody checked: those that Keras wrote, with settings changed at random.
//!
//! Each is read, validated and run on shapes that may not fit it. It may be refused with an error;
//! it must not panic, and what it gives must have the shape that it says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use horn::graph::{Scope, Value};
use horn::losses::Targets;
use horn::metrics::Batch;
use horn::optimizers::{Schedule, State, Variable};
use horn::prelude::*;
use horn::saving::config;
use horn::testing::Probe;
use horn::{constraints, regularizers};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// The objects of a file of golden values, read once.
fn objects(file: &'static str, field: &str) -> &'static [Json] {
    static READ: Mutex<BTreeMap<&str, &[Json]>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().expect("no thread panics while it reads");
    read.entry(file)
        .or_insert_with(|| Vec::leak(read_objects(file, field)))
}

fn read_objects(file: &str, field: &str) -> Vec<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("golden values");
    let all: Json = serde_json::from_str(&text).expect("JSON");
    let cases = all["cases"].as_array().expect("cases");
    cases.iter().map(|case| case[field].clone()).collect()
}

/// What a setting may be changed to. Sizes stay small, so that memory does.
const VALUES: &[&str] = &[
    "-3",
    "-1",
    "0",
    "1",
    "2",
    "3",
    "7",
    "0.5",
    "-0.25",
    "1.5",
    "1e-7",
    "1e30",
    "null",
    "true",
    "false",
    "\"sum\"",
    "\"\"",
    "[]",
    "[1]",
    "[-1]",
    "[0, 1]",
    "[2, -9]",
    "[[1, 2], [0, 3]]",
    "{}",
    "\"none\"",
    "\"micro\"",
    "[0.5, 0.25]",
    "\"ab,bc->ac\"",
    "40",
];

/// Changes up to three settings of an object, by the words of `changes`.
fn changed(object: &Json, changes: &[(usize, usize)]) -> Json {
    let mut object = object.clone();
    if let Some(config) = object["config"].as_object_mut() {
        let keys: Vec<String> = config.keys().cloned().collect();
        for (key, value) in changes.iter().filter(|_| !keys.is_empty()) {
            let value = VALUES[value % VALUES.len()];
            config.insert(
                keys[key % keys.len()].clone(),
                serde_json::from_str(value).expect("JSON"),
            );
        }
    }
    object
}

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0)
        .collect()
}

/// Runs a function of inputs of these shapes forward and backward.
fn run(shapes: &[&[usize]], training: bool, f: impl Fn(&mut Scope, &[Value]) -> Value) {
    let Ok(mut probe) = Probe::new(shapes, training, f) else {
        return;
    };
    let inputs: Vec<Vec<f32>> = shapes
        .iter()
        .map(|shape| numbers(shape.iter().product(), 1))
        .collect();
    probe.set_inputs(&inputs);
    let y = probe.forward();
    assert_eq!(y.len(), probe.output_shape().iter().product::<usize>());
    probe.backward(&vec![1.0; y.len()]);
    probe.state();
}

fn changes() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..100, 0_usize..100), 0..4)
}

fn lengths(ranks: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..6, ranks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn layers_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(1..6),
        training: bool,
    ) {
        let all = objects("layers.json", "layer");
        if let Ok(layer) = config::layer(&changed(&all[pick % all.len()], &changes)) {
            run(&[&shape], training, |scope, x| scope.layer(&layer, &x[0]));
            let _ = config::layer_to_keras(&layer).to_string();
        }
    }

    #[test]
    fn layers_of_tables_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(1..5),
    ) {
        let object = |class: &str, config: Json| json!({"class_name": class, "config": config});
        let lookup = |vocabulary: Json| json!({
            "invert": false, "max_tokens": null, "num_oov_indices": 1, "mask_token": null,
            "output_mode": "count", "sparse": false, "pad_to_max_tokens": false,
            "idf_weights": null, "vocabulary": vocabulary, "vocabulary_size": 3,
            "oov_method": "farmhash", "salt": [1, 2],
        });
        let all = [
            object("Embedding", json!({
                "input_dim": 5, "output_dim": 2, "mask_zero": true,
            })),
            object("ReversibleEmbedding", json!({
                "input_dim": 5, "output_dim": 2, "tie_weights": false, "logit_soft_cap": 3.0,
            })),
            object("EinsumDense", json!({
                "equation": "abc,cde->abde", "output_shape": [null, 2, 3], "bias_axes": "de",
            })),
            object("EinsumDense", json!({
                "equation": "...b,bc->...c", "output_shape": [3], "bias_axes": "c",
            })),
            object("Normalization", json!({
                "axis": [-1], "mean": 0.5, "variance": 2.0, "invert": true,
            })),
            object("Normalization", json!({"axis": [1], "mean": null, "variance": null})),
            object("Discretization", json!({
                "bin_boundaries": [0.0, 0.5], "num_bins": null, "epsilon": 0.01,
                "output_mode": "count", "sparse": false,
            })),
            object("CategoryEncoding", json!({"num_tokens": 4, "output_mode": "multi_hot"})),
            object("Hashing", json!({
                "num_bins": 7, "salt": null, "mask_value": 0, "output_mode": "one_hot",
            })),
            object("HashedCrossing", json!({"num_bins": 7, "output_mode": "one_hot"})),
            object("IntegerLookup", lookup(json!([0, 5]))),
            object("StringLookup", lookup(json!(["a", "b"]))),
        ];
        if let Ok(layer) = config::layer(&changed(&all[pick % all.len()], &changes)) {
            run(&[&shape], true, |scope, x| scope.layer(&layer, &x[0]));
            let _ = config::layer_to_keras(&layer).to_string();
        }
    }

    #[test]
    fn losses_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(1..4),
    ) {
        let all = objects("losses.json", "loss");
        if let Ok(loss) = config::loss(&changed(&all[pick % all.len()], &changes)) {
            let targets = match loss.targets() {
                Targets::ClassIds { .. } => &shape[..shape.len() - 1],
                _ => &shape[..],
            };
            let valid = loss.validate().is_ok();
            run(&[targets, &shape], true, |scope, v| match valid {
                true => horn::losses::compute(&loss, &v[0], &v[1], None, None),
                false => scope.fail("refused".into()),
            });
        }
    }

    #[test]
    fn metrics_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(1..4),
        same: bool,
        other in lengths(1..4),
        weighted: bool,
    ) {
        let all = objects("metrics.json", "metric");
        if let Ok(metric) = config::metric(&changed(&all[pick % all.len()], &changes)) {
            let targets = if same { shape.clone() } else { other };
            let mut metric = metric.resolve(&targets, &shape).unwrap_or(metric);
            if metric.check(&targets, &shape).is_err() {
                return Ok(());
            }
            let (y_true, y_pred) = (
                numbers(targets.iter().product(), 2),
                numbers(shape.iter().product(), 3),
            );
            let weights = numbers(shape[0], 4);
            for scale in [1.0, 0.5, -2.0] {
                let ids: Vec<f32> = y_true.iter().map(|t| (t * 4.0 * scale).round()).collect();
                let _ = metric.update(&Batch {
                    y_true: &ids,
                    y_true_shape: &targets,
                    y_pred: &y_pred.iter().map(|p| p.abs() * scale).collect::<Vec<_>>(),
                    y_pred_shape: &shape,
                    sample_weight: weighted.then_some(&weights[..]),
                });
                metric.result();
            }
            metric.reset();
            metric.result();
        }
    }

    #[test]
    fn optimizers_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(0..4),
    ) {
        let all = objects("optimizers.json", "optimizer");
        if let Ok(optimizer) = config::optimizer(&changed(&all[pick % all.len()], &changes)) {
            if optimizer.validate().is_err() {
                return Ok(());
            }
            let size: usize = shape.iter().product();
            let variables = [
                Variable::new("layer/kernel", 0..size, &shape),
                Variable::new("layer/bias", size..size + 3, &[3]),
            ];
            let mut parameters = numbers(size + 3, 5);
            let mut state = State::new(&optimizer, parameters.len());
            for step in 0..4 {
                let mut gradients = numbers(size + 3, step);
                state.apply(&optimizer, &variables, &mut parameters, &mut gradients);
            }
            state.finalize(&optimizer, &mut parameters);
        }
    }

    #[test]
    fn rules_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(0..5),
    ) {
        let all = objects("regularizers.json", "regularizer");
        if let Ok(rule) = regularizers::from_keras(&changed(&all[pick % all.len()], &changes))
            && rule.validate().is_ok()
        {
            run(&[&shape], true, |_, x| rule.call(&x[0]));
        }
        let all = objects("constraints.json", "constraint");
        if let Ok(rule) = constraints::from_keras(&changed(&all[pick % all.len()], &changes))
            && rule.validate(&shape).is_ok()
        {
            rule.apply(&mut numbers(shape.iter().product(), 6), &shape);
        }
    }

    #[test]
    fn schedules_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        step in prop::sample::select(vec![0, 1, 7, 1000, u64::MAX]),
    ) {
        let all = objects("schedules.json", "schedule");
        if let Ok(schedule) = config::schedule(&changed(&all[pick % all.len()], &changes)) {
            Schedule::rate(&schedule, step);
        }
    }

    #[test]
    fn initializers_do_not_panic(
        pick in 0_usize..10_000,
        changes in changes(),
        shape in lengths(0..5),
    ) {
        let object = |class: &str| json!({
            "class_name": class,
            "config": {
                "seed": null, "scale": 1.0, "mode": "fan_in", "distribution": "normal",
                "mean": 0.0, "stddev": 0.1, "minval": -1.0, "maxval": 1.0, "gain": 1.0,
                "value": 0.5,
            },
        });
        const CLASSES: [&str; 14] = [
            "Zeros", "Ones", "Constant", "Identity", "RandomNormal", "RandomUniform",
            "TruncatedNormal", "VarianceScaling", "GlorotNormal", "GlorotUniform", "HeNormal",
            "HeUniform", "LecunNormal", "Orthogonal",
        ];
        let object = changed(&object(CLASSES[pick % CLASSES.len()]), &changes);
        if let Ok(initializer) = horn::initializers::from_keras(&object) {
            let mut out = vec![0.0; shape.iter().product()];
            let mut rng = horn::random::stream(1, horn::random::Purpose::Weights, "w", 0);
            let _ = initializer.fill(&shape, &mut rng, &mut out);
        }
    }
}
