//! Agreement with Keras, case by case, on values that Keras itself computed.
//!
//! Reads `tests/golden`, or the folder that `HORN_GOLDEN` names. Every case whose classes exist is
//! run; the others are counted and named. A case is never skipped when all of its classes are
//! among those that this crate promises.

use std::collections::BTreeMap;
use std::path::PathBuf;

use horn::graph::{Scope, Value};
use horn::losses::Loss;
use horn::metrics::{Batch, Metric};
use horn::optimizers::{Optimizer, State, Variable};
use horn::prelude::*;
use horn::saving::config;
use horn::testing::Probe;
use horn::{constraints, regularizers};
use serde_json::{Value as Json, json};

/// Classes and names that this crate promises: a case that needs only these must run.
const PROMISED: &[&str] = &[
    // Layers.
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "InputLayer",
    "Dense",
    "Activation",
    "Dropout",
    "Flatten",
    "Reshape",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "PReLU",
    "Softmax",
    "ActivityRegularization",
    "AlphaDropout",
    "BatchNormalization",
    "CategoryEncoding",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Discretization",
    "EinsumDense",
    "Embedding",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "Identity",
    "LayerNormalization",
    "Masking",
    "Normalization",
    "Permute",
    "RepeatVector",
    "Rescaling",
    "RMSNormalization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    // Losses, and metrics that are their means.
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanSquaredLogarithmicError",
    "MeanAbsolutePercentageError",
    "Huber",
    "LogCosh",
    "LogCoshError",
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "CTC",
    "Dice",
    "Hinge",
    "KLDivergence",
    "Poisson",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "mse",
    "mae",
    "msle",
    "mape",
    // Regularizers and constraints.
    "L1",
    "L2",
    "L1L2",
    "OrthogonalRegularizer",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    // Optimizers and schedules.
    "SGD",
    "RMSprop",
    "Adam",
    "AdamW",
    "Muon",
    "ScheduleFreeAdamW",
    "Adamax",
    "Nadam",
    "Adagrad",
    "Adadelta",
    "Adafactor",
    "Ftrl",
    "Lion",
    "Lamb",
    "ExponentialDecay",
    "CosineDecay",
    "sgd",
    "rmsprop",
    "adam",
    // Metrics.
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "AUC",
    "Precision",
    "Recall",
    "TruePositives",
    "TrueNegatives",
    "FalsePositives",
    "FalseNegatives",
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "F1Score",
    "FBetaScore",
    "IoU",
    "BinaryIoU",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
    "RootMeanSquaredError",
    "R2Score",
    "PearsonCorrelation",
    "ConcordanceCorrelation",
    "Mean",
    "Sum",
    "SparseTopKCategoricalAccuracy",
    "accuracy",
    "acc",
];

/// Why a case is not run.
type Skipped = String;

/// What happened to the cases of a file.
#[derive(Default)]
struct Report {
    ran: usize,
    skipped: BTreeMap<Skipped, usize>,
    failures: Vec<String>,
}

impl Report {
    fn finish(self, file: &str) {
        println!("{file}: {} cases ran", self.ran);
        for (why, count) in &self.skipped {
            println!("{file}: {count} skipped: {why}");
        }
        assert!(
            self.failures.is_empty(),
            "{file}: {} of {} cases failed:\n{}",
            self.failures.len(),
            self.ran,
            self.failures.join("\n")
        );
        assert!(self.ran > 0, "{file}: no case ran");
    }
}

/// Runs every case of a file, or names why not.
fn run(file: &str, check: impl Fn(&Json) -> Result<Check>) {
    let folder = std::env::var_os("HORN_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    );
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let all: Json = serde_json::from_str(&text).expect("JSON");
    let mut report = Report::default();
    for case in all["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().unwrap_or("?");
        match check(case) {
            Ok(check) => {
                report.ran += 1;
                let failures = check.failures.into_iter().map(|f| format!("  {name}: {f}"));
                report.failures.extend(failures);
            }
            Err(error) => {
                let missing = match &error {
                    Error::Unknown { name, .. } => Some(name.clone()),
                    Error::Config { message, .. } if message.contains("not supported yet") => {
                        Some(message.clone())
                    }
                    _ => None,
                };
                match missing.filter(|missing| !PROMISED.contains(&missing.as_str())) {
                    Some(missing) => {
                        *report.skipped.entry(format!("no {missing}")).or_default() += 1
                    }
                    None => report.failures.push(format!("  {name}: {error}")),
                }
            }
        }
    }
    report.finish(file);
}

/// The comparisons of one case.
struct Check {
    relative: f64,
    absolute: f64,
    failures: Vec<String>,
}

impl Check {
    /// Single operations agree to a relative 1e-5 (absolute 1e-6).
    fn single() -> Self {
        Check {
            relative: 1e-5,
            absolute: 1e-6,
            failures: Vec::new(),
        }
    }

    /// Whole trainings agree to 1e-4.
    fn training() -> Self {
        Check {
            relative: 1e-4,
            absolute: 1e-4,
            failures: Vec::new(),
        }
    }

    fn close(&mut self, what: &str, got: &[f32], want: &[f32]) {
        if got.len() != want.len() {
            self.failures
                .push(format!("{what}: {} numbers, not {}", got.len(), want.len()));
            return;
        }
        // Sums of many terms cancel: an array agrees relative to its largest number, too.
        let largest = want
            .iter()
            .filter(|w| w.is_finite())
            .fold(0f32, |m, w| m.max(w.abs()));
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let (g, w) = (f64::from(*got), f64::from(*want));
            let bound = self.absolute * f64::from(largest.max(1.0)) + self.relative * w.abs();
            let same = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= bound;
            if !same {
                self.failures
                    .push(format!("{what}[{i}]: {got}, not {want}"));
                return;
            }
        }
    }
}

fn numbers(tensor: &Json) -> Vec<f32> {
    match tensor {
        Json::Number(n) => vec![n.as_f64().unwrap() as f32],
        Json::Array(all) => all.iter().flat_map(numbers).collect(),
        Json::Object(fields) => numbers(&fields["data"]),
        Json::String(text) => vec![text.parse().expect("a number")],
        _ => vec![f32::NAN],
    }
}

fn shape(tensor: &Json) -> Vec<usize> {
    let lengths = tensor["shape"].as_array().expect("shape");
    lengths
        .iter()
        .map(|length| length.as_u64().unwrap() as usize)
        .collect()
}

fn array(tensor: &Json) -> ArrayD<f32> {
    ArrayD::from_shape_vec(shape(tensor), numbers(tensor))
        .expect("as many numbers as the shape says")
}

#[test]
fn activations() {
    run("activations.json", |case| {
        let name = case["activation"].as_str().expect("a name");
        let activation = activations::with_settings(name, &case["params"])?;
        let mut probe = Probe::new(&[&shape(&case["x"])], false, |_, x| activation.call(&x[0]))?;
        probe.set_inputs(&[numbers(&case["x"])]);
        let mut check = Check::single();
        check.close("y", &probe.forward(), &numbers(&case["y"]));
        let ones = vec![1.0; numbers(&case["y"]).len()];
        let dy = case.get("dy").map_or(ones, numbers);
        if let Some(dx) = case.get("dx") {
            check.close("dx", &probe.backward(&dy).inputs[0], &numbers(dx));
        }
        Ok(check)
    });
}

#[test]
fn losses_agree() {
    run("losses.json", |case| {
        let mut check = Check::single();
        let own = config::loss(&case["loss"])?;
        let reduced = |reduction: &str| {
            let mut json = case["loss"].clone();
            json["config"]["reduction"] = json!(reduction);
            config::loss(&json)
        };
        let (value, gradient) = loss(&own, case)?;
        let (sum, _) = loss(&reduced("sum")?, case)?;
        let (per_sample, _) = loss(&reduced("none")?, case)?;
        check.close("sum", &sum, &numbers(&case["sum"]));
        check.close("per_sample", &per_sample, &numbers(&case["per_sample"]));
        if contradicts_itself(case) {
            println!(
                "{}: Keras's own value is not that of its configuration",
                case["name"]
            );
            return Ok(check);
        }
        check.close("value", &value, &numbers(&case["value"]));
        check.close("grad", &gradient, &numbers(&case["grad"]));
        Ok(check)
    });
}

/// Keras does not write Huber's `delta`: of a loss with another, `value` and `grad` were computed
/// with it, and `sum` and `per_sample` from the configuration without it.
fn contradicts_itself(case: &Json) -> bool {
    let plain = case["loss"]["config"]["reduction"] == "sum_over_batch_size";
    let count = numbers(&case["per_sample"]).len() as f32;
    let value = numbers(&case["value"])[0];
    let huber = case["loss"]["class_name"] == "Huber";
    huber && plain && (numbers(&case["sum"])[0] - value * count).abs() > 1e-3 * value.abs() * count
}

/// A loss and its gradient with respect to the predictions.
fn loss(loss: &dyn Loss, case: &Json) -> Result<(Vec<f32>, Vec<f32>)> {
    let tensors: Vec<&Json> = ["y_true", "y_pred", "sample_weight"]
        .iter()
        .filter_map(|field| case.get(*field))
        .collect();
    let mut shapes: Vec<Vec<usize>> = tensors.iter().map(|tensor| shape(tensor)).collect();
    // A column of class ids is what Keras squeezes.
    if matches!(loss.targets(), losses::Targets::ClassIds { .. })
        && shapes[0].len() == shapes[1].len()
    {
        shapes[0].pop();
    }
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let mut probe = Probe::new(&shapes, false, |_, v: &[Value]| {
        losses::compute(loss, &v[0], &v[1], v.get(2), None)
    })?;
    let inputs: Vec<Vec<f32>> = tensors.iter().map(|tensor| numbers(tensor)).collect();
    probe.set_inputs(&inputs);
    let value = probe.forward();
    let gradient = probe
        .backward(&vec![1.0; value.len()])
        .inputs
        .swap_remove(1);
    Ok((value, gradient))
}

#[test]
fn metrics_agree() {
    run("metrics.json", |case| {
        let mut metric = config::metric(&case["metric"])?;
        let mut check = Check::single();
        let results = case["results"].as_array().expect("results");
        for (batch, want) in case["batches"]
            .as_array()
            .expect("batches")
            .iter()
            .zip(results)
        {
            let (y_true, y_pred) = (numbers(&batch["y_true"]), numbers(&batch["y_pred"]));
            let (true_shape, pred_shape) = (shape(&batch["y_true"]), shape(&batch["y_pred"]));
            let weights = batch.get("sample_weight").map(numbers);
            metric.check(&true_shape, &pred_shape)?;
            metric.update(&Batch {
                y_true: &y_true,
                y_true_shape: &true_shape,
                y_pred: &y_pred,
                y_pred_shape: &pred_shape,
                sample_weight: weights.as_deref(),
            })?;
            check.close("results", &metric.results(), &numbers(want));
        }
        Ok(check)
    });
}

#[test]
fn optimizers_agree() {
    for file in ["optimizers.json", "multi_optimizer.json"] {
        run(file, optimizer_agrees);
    }
}

fn optimizer_agrees(case: &Json) -> Result<Check> {
    let mut optimizer = config::optimizer(&case["optimizer"])?;
    optimizer.validate()?;
    let mut check = Check::single();
    let initial = case["initial"].as_array().expect("initial");
    let shapes: Vec<Vec<usize>> = initial.iter().map(shape).collect();
    let mut parameters: Vec<f32> = initial.iter().flat_map(numbers).collect();
    let mut end = 0;
    let variables: Vec<Variable> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| {
            let start = end;
            end += shape.iter().product::<usize>();
            let path = case["paths"][i].as_str().unwrap_or("variable");
            Variable::new(path, start..end, shape)
        })
        .collect();
    optimizer.prepare(&variables, &[])?;
    let mut state = State::new(&optimizer, parameters.len());
    for (i, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
        let mut gradients = numbers(&step["grads"]);
        state.apply(&optimizer, &variables, &mut parameters, &mut gradients);
        check.close(
            &format!("step {i}"),
            &parameters,
            &numbers(&step["variables"]),
        );
        if case["paths"].is_array() {
            continue;
        }
        let rate = state.learning_rate(&optimizer);
        check.close(
            &format!("rate {i}"),
            &[rate],
            &numbers(&step["learning_rate"]),
        );
    }
    if let Some(end) = case.get("final") {
        state.finalize(&optimizer, &mut parameters);
        check.close("final", &parameters, &numbers(end));
    }
    Ok(check)
}

#[test]
fn schedules_agree() {
    run("schedules.json", |case| {
        let schedule = config::schedule(&case["schedule"])?;
        let steps = case["steps"].as_array().expect("steps").iter();
        let rates: Vec<f32> = steps
            .map(|step| horn::optimizers::Schedule::rate(&schedule, step.as_u64().unwrap()))
            .collect();
        let mut check = Check::single();
        check.close("values", &rates, &numbers(&case["values"]));
        Ok(check)
    });
}

#[test]
fn regularizers_agree() {
    run("regularizers.json", |case| {
        let regularizer = regularizers::from_keras(&case["regularizer"])?;
        let function = |_: &mut Scope, x: &[Value]| regularizer.call(&x[0]);
        let mut probe = Probe::new(&[&shape(&case["w"])], false, function)?;
        probe.set_inputs(&[numbers(&case["w"])]);
        let mut check = Check::single();
        check.close("value", &probe.forward(), &numbers(&case["value"]));
        check.close(
            "grad",
            &probe.backward(&[1.0]).inputs[0],
            &numbers(&case["grad"]),
        );
        Ok(check)
    });
}

#[test]
fn constraints_agree() {
    run("constraints.json", |case| {
        let constraint = constraints::from_keras(&case["constraint"])?;
        let mut weights = numbers(&case["w"]);
        constraint.validate(&shape(&case["w"]))?;
        constraint.apply(&mut weights, &shape(&case["w"]));
        let mut check = Check::single();
        check.close("y", &weights, &numbers(&case["y"]));
        Ok(check)
    });
}

#[test]
fn layers_agree() {
    run("layers.json", |case| {
        let layer = config::layer(&case["layer"])?;
        let training = case["training"].as_bool().unwrap_or(false);
        let mut check = Check::single();
        // A layer that merges has several inputs.
        let inputs: Vec<&Json> = match case["inputs"].as_array() {
            Some(inputs) => inputs.iter().collect(),
            None => vec![&case["x"]],
        };
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|input| shape(input)).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let mut probe = Probe::layer_of(&layer, &shapes, training)?;
        let weights = case["weights"].as_array().expect("weights");
        let given: Vec<Vec<usize>> = weights.iter().map(shape).collect();
        let own: Vec<Vec<usize>> = probe
            .weights()
            .into_iter()
            .map(|(_, shape)| shape)
            .collect();
        if given != own {
            check
                .failures
                .push(format!("weights of shapes {own:?}, not {given:?}"));
            return Ok(check);
        }
        probe.set_weights(&weights.iter().map(numbers).collect::<Vec<_>>());
        probe.set_inputs(
            &inputs
                .iter()
                .map(|input| numbers(input))
                .collect::<Vec<_>>(),
        );
        let expected = &case["expected"];
        check.close("y", &probe.forward(), &numbers(&expected["y"]));
        if probe.output_shape() != shape(&expected["y"]) {
            check
                .failures
                .push(format!("y of shape {:?}", probe.output_shape()));
        }
        let gradients = probe.backward(&numbers(&case["dy"]));
        // Ids, which an embedding takes, have no gradient.
        if let Some(dx) = expected.get("dx") {
            check.close("dx", &gradients.inputs[0], &numbers(dx));
        }
        for (i, want) in expected["dinputs"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            check.close(
                &format!("dinputs {i}"),
                &gradients.inputs[i],
                &numbers(want),
            );
        }
        for (i, want) in expected["state"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            check.close(&format!("state {i}"), &probe.state()[i], &numbers(want));
        }
        for (i, want) in expected["dweights"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            check.close(
                &format!("dweights {i}"),
                &gradients.weights[i],
                &numbers(want),
            );
        }
        // What was read is written back as Keras writes it.
        let again = config::layer(&config::layer_to_keras(&layer))?;
        if config::layer_to_keras(&again) != config::layer_to_keras(&layer) {
            check
                .failures
                .push("its configuration does not round-trip".into());
        }
        Ok(check)
    });
}

#[test]
fn trainings_agree() {
    run("training.json", |case| {
        let mut model = Sequential::new().add(Input::new(&shape(&case["x"])[1..]));
        for layer in case["model"].as_array().expect("model") {
            model.push(config::layer(layer)?);
        }
        let mut settings = case["compile"].clone();
        if settings["loss"]["class_name"] == "Huber" {
            settings["loss"]["config"]["delta"] = json!(huber_delta(case));
        }
        model.compile(compile(&settings)?)?;
        let initial: Vec<ArrayD<f32>> = case["initial_weights"]
            .as_array()
            .expect("weights")
            .iter()
            .map(array)
            .collect();
        model.set_weights(&initial)?;

        let (x, y) = (array(&case["x"]), array(&case["y"]));
        let held: Option<Vec<ArrayD<f32>>> = case["fit"]
            .get("validation_data")
            .map(|data| data.as_array().expect("two").iter().map(array).collect());
        let weights = case["fit"].get("sample_weight").map(array);
        let history = model.fit(&x, &y, fit(&case["fit"], held.as_deref(), weights.as_ref()))?;

        let mut check = Check::training();
        if normalizes_biases(case) {
            check.absolute = 3e-3;
        }
        for (name, want) in case["history"].as_object().expect("history") {
            match history.get(name) {
                Some(got) => check.close(&format!("history {name}"), got, &numbers(want)),
                None => check
                    .failures
                    .push(format!("no {name} in {:?}", history.names())),
            }
        }
        let scores = model.evaluate(&x, &y)?;
        // Keras's list repeats weighted metrics in a way of its own: compare what both have.
        let want = numbers(&case["evaluate"]);
        let both = scores.len().min(want.len());
        check.close("evaluate", &scores.values()[..both], &want[..both]);
        let finals = case["final_weights"].as_array().expect("weights").iter();
        for (weight, want) in model.weights().iter().zip(finals) {
            let got: Vec<f32> = weight.values().iter().copied().collect();
            check.close(weight.path(), &got, &numbers(want));
        }
        let predictions: Vec<f32> = model.predict_nd(&x)?.iter().copied().collect();
        check.close("predictions", &predictions, &numbers(&case["predictions"]));
        Ok(check)
    });
}

/// The `delta` of a case's Huber loss, which Keras does not write: the one with which its own
/// predictions cost what its own evaluation says.
fn huber_delta(case: &Json) -> f32 {
    let (t, p) = (numbers(&case["y"]), numbers(&case["predictions"]));
    let want = f64::from(numbers(&case["evaluate"])[0]);
    let cost = |delta: f64| {
        let each = t.iter().zip(&p).map(|(t, p)| {
            let e = f64::from((t - p).abs());
            if e <= delta {
                e * e / 2.0
            } else {
                delta * e - delta * delta / 2.0
            }
        });
        each.sum::<f64>() / t.len() as f64
    };
    // The cost grows with it.
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if cost(middle) < want {
            low = middle;
        } else {
            high = middle;
        }
    }
    // A number as a person writes it.
    ((low * 1000.0).round() / 1000.0) as f32
}

/// Whether a bias stands before a batch normalization, which takes it away again. Its gradient is 0
/// but for rounding, and Adam makes steps of any size of that: two programs agree to some steps
/// only, Keras with itself too.
fn normalizes_biases(case: &Json) -> bool {
    let layers = case["model"].as_array().expect("model");
    layers.windows(2).any(|pair| {
        pair[0]["config"]["use_bias"] == true && pair[1]["class_name"] == "BatchNormalization"
    })
}

fn compile(json: &Json) -> Result<Compile> {
    let optimizer = config::optimizer(&json["optimizer"])?;
    let mut compile = Compile::new(optimizer, config::loss(&json["loss"])?);
    for metric in json["metrics"].as_array().into_iter().flatten() {
        compile = compile.metric(config::metric(metric)?);
    }
    for metric in json["weighted_metrics"].as_array().into_iter().flatten() {
        compile = compile.weighted_metric(config::metric(metric)?);
    }
    Ok(compile)
}

fn fit<'a>(
    json: &Json,
    held: Option<&'a [ArrayD<f32>]>,
    weights: Option<&'a ArrayD<f32>>,
) -> Fit<'a> {
    let whole = |field: &str| json.get(field).and_then(Json::as_u64).map(|n| n as usize);
    let mut fit = Fit::new()
        .verbose(0)
        .shuffle(json["shuffle"].as_bool().unwrap_or(true))
        .epochs(whole("epochs").unwrap_or(1))
        .batch_size(whole("batch_size").unwrap_or(32));
    if let Some(fraction) = json.get("validation_split").and_then(Json::as_f64) {
        fit = fit.validation_split(fraction as f32);
    }
    if let Some([x, y, ..]) = held {
        fit = fit.validation_data(x, y);
    }
    if let Some(size) = whole("validation_batch_size") {
        fit = fit.validation_batch_size(size);
    }
    if let Some(weights) = weights {
        fit = fit.sample_weight(weights);
    }
    if let Some(classes) = json.get("class_weight").and_then(Json::as_object) {
        let pair = |(class, weight): (&String, &Json)| {
            (
                class.parse().expect("a class"),
                weight.as_f64().unwrap() as f32,
            )
        };
        fit = fit.class_weight(classes.iter().map(pair).collect::<Vec<_>>());
    }
    fit
}

/// A scope is part of the public signature of a probe's function.
#[allow(dead_code)]
fn signature(scope: &mut Scope, x: &[Value]) -> Value {
    scope.layer(&Dense::new(1), &x[0])
}
