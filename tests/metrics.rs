//! Metrics with many settings, shapes and ranks of weights, against values of Keras; and what holds
//! for each of them: parts merge, configurations are read and written, updates do not allocate.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;

use horn::metrics::{self, Batch, Metric};
use horn::prelude::*;
use serde_json::{Value as Json, json};

struct Counting;

thread_local! {
    /// How often this thread has allocated: tests run beside each other.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all that is asked is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn cases() -> Vec<Json> {
    let path = std::env::var_os("HORN_METRIC_SETTINGS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metric_settings.json"),
        PathBuf::from,
    );
    let all: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all["cases"].as_array().unwrap().clone()
}

fn numbers(tensor: &Json) -> Vec<f32> {
    let number = |value: &Json| match value {
        Json::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap() as f32,
    };
    tensor["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect()
}

fn shape(tensor: &Json) -> Vec<usize> {
    let lengths = tensor["shape"].as_array().unwrap().iter();
    lengths
        .map(|length| length.as_u64().unwrap() as usize)
        .collect()
}

/// Targets and predictions with their shapes, and weights.
struct Data {
    y_true: (Vec<f32>, Vec<usize>),
    y_pred: (Vec<f32>, Vec<usize>),
    weights: Option<Vec<f32>>,
}

impl Data {
    fn all(case: &Json) -> Vec<Data> {
        let read = |batch: &Json| Data {
            y_true: (numbers(&batch["y_true"]), shape(&batch["y_true"])),
            y_pred: (numbers(&batch["y_pred"]), shape(&batch["y_pred"])),
            weights: batch.get("sample_weight").map(numbers),
        };
        case["batches"]
            .as_array()
            .unwrap()
            .iter()
            .map(read)
            .collect()
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            y_true: &self.y_true.0,
            y_true_shape: &self.y_true.1,
            y_pred: &self.y_pred.0,
            y_pred_shape: &self.y_pred.1,
            sample_weight: self.weights.as_deref(),
        }
    }
}

/// The metric of a case, made for the shapes of its data.
fn metric(case: &Json, data: &Data) -> Result<Box<dyn Metric>> {
    let metric = metrics::from_keras(&case["metric"])?;
    let metric = metric
        .resolve(&data.y_true.1, &data.y_pred.1)
        .unwrap_or(metric);
    metric.check(&data.y_true.1, &data.y_pred.1)?;
    Ok(metric)
}

/// What differs by more than a relative 1e-5 or an absolute 1e-6 of the largest.
fn difference(got: &[f32], want: &[f32]) -> Option<String> {
    let finite = want.iter().filter(|w| w.is_finite());
    let largest = finite.fold(1.0, |largest: f32, w| largest.max(w.abs()));
    let near = |(g, w): (&f32, &f32)| {
        g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= 1e-6 * largest + 1e-5 * w.abs()
    };
    let same = got.len() == want.len() && got.iter().zip(want).all(near);
    (!same).then(|| format!("{got:?}, not {want:?}"))
}

/// Runs every case, and names those that fail.
fn each(check: impl Fn(&Json, &[Data]) -> Result<Option<String>>) {
    let cases = cases();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let failure = check(case, &Data::all(case)).unwrap_or_else(|e| Some(e.to_string()));
            failure.map(|what| format!("{} {}: {what}", case["name"], case["metric"]))
        })
        .collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(
        failures.is_empty(),
        "{failed} of {all}:\n{}",
        failures.join("\n")
    );
    assert!(all > 0);
}

#[test]
fn results_are_those_of_keras_after_every_batch() {
    each(|case, data| {
        let mut metric = metric(case, &data[0])?;
        if let Some(difference) = case
            .get("empty")
            .and_then(|empty| difference(&metric.results(), &numbers(empty)))
        {
            return Ok(Some(format!("of nothing: {difference}")));
        }
        for (data, want) in data.iter().zip(case["results"].as_array().unwrap()) {
            metric.update(&data.batch())?;
            if let Some(difference) = difference(&metric.results(), &numbers(want)) {
                return Ok(Some(difference));
            }
            if metric.result().to_bits() != metric.results()[0].to_bits() {
                return Ok(Some(format!("{} is not the first", metric.result())));
            }
        }
        Ok(None)
    });
}

#[test]
fn parts_merge_into_the_whole_and_a_reset_forgets_them() {
    each(|case, data| {
        let [mut whole, mut part, mut rest] = [(); 3].map(|()| metric(case, &data[0]).unwrap());
        let fresh = whole.results();
        for data in data {
            whole.update(&data.batch())?;
        }
        part.update(&data[0].batch())?;
        for data in &data[1..] {
            rest.update(&data.batch())?;
        }
        part.merge(&*rest);
        if let Some(difference) = difference(&part.results(), &whole.results()) {
            return Ok(Some(difference));
        }
        // A part that has seen nothing, not even shapes, takes in all.
        let mut unmade = metrics::from_keras(&case["metric"])?;
        unmade.merge(&*whole);
        if let Some(difference) = difference(&unmade.results(), &whole.results()) {
            return Ok(Some(format!("into nothing: {difference}")));
        }
        whole.reset();
        Ok(difference(&whole.results(), &fresh))
    });
}

#[test]
fn what_keras_writes_is_read_and_written_back() {
    each(|case, _| {
        let written = metrics::to_keras(&*metrics::from_keras(&case["metric"])?);
        Ok(unlike("metric", &written, &case["metric"]))
    });
}

/// The first difference of two configurations, numbers to rounding.
fn unlike(path: &str, got: &Json, want: &Json) -> Option<String> {
    match (got, want) {
        (Json::Object(got), Json::Object(want)) if got.keys().eq(want.keys()) => {
            let mut pairs = got.iter().zip(want.values());
            pairs.find_map(|((key, got), want)| unlike(&format!("{path}.{key}"), got, want))
        }
        (Json::Array(got), Json::Array(want)) if got.len() == want.len() => {
            let mut pairs = got.iter().zip(want);
            pairs.find_map(|(got, want)| unlike(path, got, want))
        }
        (Json::Number(got), Json::Number(want)) => {
            let apart = got.as_f64()? - want.as_f64()?;
            (apart.abs() > 1e-6).then(|| format!("{path}: {got}, not {want}"))
        }
        _ => (got != want).then(|| format!("{path}: {got}, not {want}")),
    }
}

#[test]
fn no_update_and_no_logged_result_allocates() {
    let before = COUNT.get();
    drop(vec![1.0]);
    assert_eq!(COUNT.get() - before, 1);
    each(|case, data| {
        let mut metric = metric(case, &data[0])?;
        for data in data {
            metric.update(&data.batch())?;
        }
        metric.reset();
        let before = COUNT.get();
        for data in data {
            metric.update(&data.batch())?;
            metric.result();
        }
        let count = COUNT.get() - before;
        Ok((count > 0).then(|| format!("{count} allocations")))
    });
}

#[test]
fn memory_is_that_of_the_settings_whatever_the_rows() {
    each(|case, data| {
        let mut metric = metric(case, &data[0])?;
        let size = metric.state().len();
        for _ in 0..10 {
            for data in data {
                metric.update(&data.batch())?;
            }
        }
        let grown = metric.state().len();
        Ok((grown != size).then(|| format!("{grown} sums, not {size}")))
    });
}

/// An update with these targets and predictions of one shape.
fn update(metric: &mut dyn Metric, y_true: &[f32], y_pred: &[f32], shape: &[usize]) -> Result<()> {
    metric.update(&Batch {
        y_true,
        y_true_shape: shape,
        y_pred,
        y_pred_shape: shape,
        sample_weight: None,
    })
}

#[test]
fn predictions_that_are_no_probabilities_are_named() {
    for class in [
        "AUC",
        "Precision",
        "Recall",
        "TruePositives",
        "TrueNegatives",
        "FalsePositives",
        "FalseNegatives",
        "ExpectedCalibrationError",
    ] {
        let mut metric = metrics::from_keras(&json!({ "class_name": class })).unwrap();
        for (bad, text) in [(1.5, "1.5"), (-0.25, "-0.25"), (f32::NAN, "NaN")] {
            let error = update(&mut *metric, &[0.0, 1.0], &[0.5, bad], &[2]).unwrap_err();
            let message = error.to_string();
            let told = [metric.name(), "y_pred[1]", text].map(|part| message.contains(part));
            assert_eq!(told, [true; 3], "{class}: {message}");
        }
        // Nothing of the refused batches has been counted.
        let fresh = metrics::from_keras(&json!({ "class_name": class })).unwrap();
        assert_eq!(metric.state(), fresh.state(), "{class}");
    }
    let mut top = metrics::Precision::new().top_k(1);
    update(&mut top, &[0.0, 1.0], &[-3.0, 7.0], &[1, 2]).unwrap();
    assert_eq!(top.result(), 1.0);
}

#[test]
fn settings_out_of_range_are_refused_with_their_values() {
    let refused = |class: &str, config: Json, parts: &[&str]| {
        let object = json!({ "class_name": class, "config": config });
        let metric = metrics::from_keras(&object).unwrap();
        let message = metric.check(&[4, 3], &[4, 3]).unwrap_err().to_string();
        for part in [&[class], parts].concat() {
            assert!(message.contains(part), "{class}: {message}");
        }
    };
    let given = |key: &str, value: Json| json!({ key: value });
    for class in ["Precision", "Recall", "TruePositives", "FalseNegatives"] {
        refused(
            class,
            given("thresholds", json!([0.5, 1.5])),
            &["`thresholds`", "1.5"],
        );
        refused(
            class,
            given("thresholds", json!(-0.5)),
            &["`thresholds`", "-0.5"],
        );
        refused(class, given("thresholds", json!([])), &["`thresholds`"]);
    }
    refused(
        "Precision",
        given("class_id", json!(3)),
        &["`class_id`", "3"],
    );
    refused("Recall", given("top_k", json!(4)), &["`top_k`", "4"]);
    refused("Recall", given("top_k", json!(0)), &["`top_k`", "0"]);
    refused(
        "PrecisionAtRecall",
        json!({ "recall": 0.5, "class_id": 7 }),
        &["`class_id`", "7"],
    );
    refused(
        "RecallAtPrecision",
        given("precision", json!(1.5)),
        &["`precision`", "1.5"],
    );
    refused(
        "AUC",
        given("num_thresholds", json!(1)),
        &["`num_thresholds`", "1"],
    );
    refused("FBetaScore", given("beta", json!(-1.0)), &["`beta`", "-1"]);
    refused(
        "F1Score",
        given("threshold", json!(0.0)),
        &["`threshold`", "0"],
    );
    refused(
        "IoU",
        json!({ "num_classes": 3, "target_class_ids": [0, 3] }),
        &["`target_class_ids`", "3"],
    );
    refused(
        "MeanIoU",
        given("num_classes", json!(0)),
        &["`num_classes`", "0"],
    );
    refused(
        "R2Score",
        given("num_regressors", json!(-1)),
        &["`num_regressors`", "-1"],
    );
    refused(
        "ExpectedCalibrationError",
        given("bins", json!(0)),
        &["`bins`", "0"],
    );
}

#[test]
fn metrics_of_class_ids_refuse_one_hot_targets() {
    for class in ["SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy"] {
        let metric = metrics::from_keras(&json!({ "class_name": class })).unwrap();
        assert!(metric.check(&[4, 3], &[4, 3]).is_err(), "{class}");
        assert!(metric.check(&[4], &[4, 3]).is_ok(), "{class}");
    }
    let iou = metrics::MeanIoU::new(3).sparse_y_pred(false);
    assert!(iou.check(&[4, 3], &[4, 3]).is_err());
    assert!(iou.check(&[4], &[4, 3]).is_ok());
}

#[test]
fn a_model_logs_metrics_of_one_result_only() {
    let compile = |metric: Box<dyn Metric>, units: usize| {
        let mut model = Sequential::new().add(Dense::new(units).input_dim(3).activation(Sigmoid));
        model.compile(Compile::new(SGD::new(), BinaryCrossentropy::new()).metric(metric))
    };
    let refused = |metric: Box<dyn Metric>, units, part: &str| {
        let message = compile(metric, units).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    use metrics::{Average, F1Score, Precision};
    refused(
        Box::new(Precision::new().thresholds([0.2, 0.8])),
        1,
        "threshold",
    );
    refused(Box::new(F1Score::new()), 2, "average");
    assert!(compile(Box::new(Precision::new().thresholds([0.2])), 1).is_ok());
    assert!(compile(Box::new(F1Score::new().average(Average::Macro)), 2).is_ok());
}
