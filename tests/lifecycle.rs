//! A model from its first layer to its predictions: what each step leaves, by arithmetic and as
//! Keras has it.

#![allow(clippy::unwrap_used)]

use horn::callbacks::{Control, Logs, Run};
use horn::prelude::*;
use horn::testing::Probe;

fn quiet<'a>() -> Fit<'a> {
    Fit::new().verbose(0)
}

fn bits(model: &Sequential) -> Vec<Vec<u32>> {
    let weights = model.get_weights();
    let bits = weights
        .iter()
        .map(|w| w.iter().map(|v| v.to_bits()).collect());
    bits.collect()
}

#[track_caller]
fn close(got: f32, want: f64) {
    let apart = (f64::from(got) - want).abs();
    assert!(apart <= 1e-6 * want.abs().max(1.0), "{got}, not {want}");
}

/// Numbers in -1 to 1 that do not come from the crate (splitmix64).
fn random(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    })
}

/// 50 rows of three columns whose sign of a sum is to be learnt.
fn data() -> (Array2<f32>, Array1<f32>) {
    let x = random(50, 3, 1);
    let y = x.rows().into_iter().map(|row| f32::from(row.sum() > 0.0));
    let y = y.collect();
    (x, y)
}

fn tutorial() -> Sequential {
    Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
}

fn binary() -> Compile {
    let compile = Compile::new(Adam::new().learning_rate(0.01), BinaryCrossentropy::new());
    compile.metric(Accuracy)
}

/// A compiled classifier of `data`.
fn classifier() -> Sequential {
    let mut model = Sequential::new()
        .seed(2)
        .add(Dense::new(5).input_dim(3).activation(Tanh))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(binary()).unwrap();
    model
}

/// `y = w x` with `w` 0, squared errors and plain descent at this rate.
fn slope(rate: f32) -> Sequential {
    let mut model = Sequential::new().add(
        Dense::new(1)
            .input_dim(1)
            .use_bias(false)
            .kernel_initializer(Zeros),
    );
    let sgd = SGD::new().learning_rate(rate);
    model
        .compile(Compile::new(sgd, MeanSquaredError::new()))
        .unwrap();
    model
}

fn only_weight(model: &Sequential) -> f32 {
    model.get_weights()[0][[0, 0]]
}

// --- Steps of training, by hand.

#[test]
fn two_batches_of_descent_are_those_of_the_textbook() {
    let (x, y) = (array![[1.0], [1.0], [2.0]], array![1.0, 3.0, 2.0]);
    let mut model = slope(0.1);
    let history = model
        .fit(&x, &y, quiet().batch_size(2).shuffle(false))
        .unwrap();
    // Batch 1: errors 1 and 3, loss 5, gradient -(2 + 6) / 2 = -4, so w = 0.4.
    // Batch 2: 2 w = 0.8, loss 1.2^2 = 1.44, gradient -2 (1.2) 2 = -4.8, so w = 0.88.
    close(only_weight(&model), 0.88);
    // The losses before each update, weighted by the sizes of the batches.
    close(history["loss"][0], (2.0 * 5.0 + 1.44) / 3.0);
    let after = (0.12f64.powi(2) + 2.12f64.powi(2) + 0.24f64.powi(2)) / 3.0;
    close(model.evaluate(&x, &y).unwrap()["loss"], after);
    close(model.predict(&array![[3.0]]).unwrap()[[0, 0]], 2.64);
}

#[test]
fn sample_weights_multiply_costs_and_the_mean_is_over_the_rows() {
    let (x, y, weights) = (
        array![[1.0], [1.0], [2.0]],
        array![1.0, 3.0, 2.0],
        [2.0, 0.0, 1.0],
    );
    let mut model = slope(0.1);
    let scores = model
        .evaluate_with(&x, &y, Evaluate::new().sample_weight(&weights))
        .unwrap();
    // Keras divides by the number of rows, not by the sum of the weights.
    close(scores["loss"], (2.0 * 1.0 + 0.0 * 9.0 + 1.0 * 4.0) / 3.0);
    let history = model.fit(&x, &y, quiet().sample_weight(&weights)).unwrap();
    close(history["loss"][0], 2.0);
    // The gradient is the mean of -2 w t x: -(4 + 0 + 8) / 3 = -4.
    close(only_weight(&model), 0.4);
}

#[test]
fn a_class_weight_is_a_sample_weight_of_its_rows() {
    let (x, y) = data();
    let weights = y.mapv(|label| if label == 1.0 { 3.0 } else { 0.25 });
    let (mut by_class, mut by_row) = (classifier(), classifier());
    let fit = || quiet().epochs(4).batch_size(8);
    let of_class = fit().class_weight([(0, 0.25), (1, 3.0)]);
    let first = by_class.fit(&x, &y, of_class).unwrap();
    let second = by_row.fit(&x, &y, fit().sample_weight(&weights)).unwrap();
    assert_eq!(bits(&by_class), bits(&by_row));
    assert_eq!(first, second);
    // Both given, they multiply; a class that is not named keeps 1.
    let twice = Array1::from_elem(50, 2.0);
    let both = fit().sample_weight(&twice).class_weight([(1, 1.5)]);
    let product = y.mapv(|label| if label == 1.0 { 3.0 } else { 2.0 });
    let (mut multiplied, mut given) = (classifier(), classifier());
    multiplied.fit(&x, &y, both).unwrap();
    given.fit(&x, &y, fit().sample_weight(&product)).unwrap();
    assert_eq!(bits(&multiplied), bits(&given));
}

#[test]
fn a_class_weight_finds_the_class_of_one_hot_targets() {
    let x = random(9, 3, 4);
    let one_hot = Array2::from_shape_fn((9, 3), |(row, class)| f32::from(row % 3 == class));
    let weights = Array1::from_shape_fn(9, |row| [1.0, 4.0, 0.5][row % 3]);
    let make = || {
        let softmax = Dense::new(3)
            .input_dim(3)
            .activation(activations::Softmax::new());
        let mut model = Sequential::new().seed(1).add(softmax);
        let compile = Compile::new(SGD::new(), CategoricalCrossentropy::new());
        model.compile(compile).unwrap();
        model
    };
    let (mut by_class, mut by_row) = (make(), make());
    by_class
        .fit(&x, &one_hot, quiet().class_weight([(1, 4.0), (2, 0.5)]))
        .unwrap();
    by_row
        .fit(&x, &one_hot, quiet().sample_weight(&weights))
        .unwrap();
    assert_eq!(bits(&by_class), bits(&by_row));
}

#[test]
fn metrics_ignore_weights_and_weighted_metrics_do_not() {
    // All outputs are sigmoid(1): right for the labels 1, wrong for the labels 0.
    let one = Dense::new(1)
        .input_dim(1)
        .activation(Sigmoid)
        .kernel_initializer(Zeros)
        .bias_initializer(Ones);
    let mut model = Sequential::new().add(one);
    let compile = Compile::new(SGD::new().learning_rate(0.0), BinaryCrossentropy::new());
    let compile = compile.metric(Accuracy).weighted_metric(Accuracy);
    model.compile(compile).unwrap();
    assert_eq!(
        model.metrics_names(),
        ["loss", "accuracy", "weighted_accuracy"]
    );
    let (x, y) = (array![[0.0], [0.0], [0.0], [0.0]], array![1, 1, 1, 0]);
    let weights = [1.0, 0.5, 0.5, 6.0];
    let evaluate = Evaluate::new().sample_weight(&weights);
    let scores = model.evaluate_with(&x, &y, evaluate).unwrap();
    close(scores["accuracy"], 0.75);
    close(scores["weighted_accuracy"], 2.0 / 8.0);
}

#[test]
fn train_on_batch_is_fit_on_one_batch() {
    let (x, y) = data();
    let (mut stepped, mut fitted) = (classifier(), classifier());
    for _ in 0..3 {
        let scores = stepped.train_on_batch(&x, &y).unwrap();
        let fit = quiet().batch_size(50).shuffle(false);
        let history = fitted.fit(&x, &y, fit).unwrap();
        assert_eq!(scores["loss"], history["loss"][0]);
        assert_eq!(scores["accuracy"], history["accuracy"][0]);
        assert_eq!(bits(&stepped), bits(&fitted));
    }
    let tested = stepped.test_on_batch(&x, &y).unwrap();
    let evaluated = stepped.evaluate_with(&x, &y, Evaluate::new().batch_size(50));
    assert_eq!(tested, evaluated.unwrap());
}

#[test]
fn steps_per_epoch_ends_an_epoch_early() {
    let (x, y) = data();
    let (mut short, mut sliced) = (classifier(), classifier());
    let fit = || quiet().batch_size(8).shuffle(false).epochs(3);
    let first = short.fit(&x, &y, fit().steps_per_epoch(2)).unwrap();
    let head = (x.slice(s![..16, ..]), y.slice(s![..16]));
    let second = sliced.fit(&head.0, &head.1, fit()).unwrap();
    assert_eq!(bits(&short), bits(&sliced));
    assert_eq!(first, second);
    // As many as there are is all of them, the smaller last one too.
    let (mut all, mut whole) = (classifier(), classifier());
    all.fit(&x, &y, fit().steps_per_epoch(7)).unwrap();
    whole.fit(&x, &y, fit()).unwrap();
    assert_eq!(bits(&all), bits(&whole));
}

#[test]
fn compile_begins_the_optimizer_anew_and_keeps_the_weights() {
    let (x, y) = data();
    let mut model = classifier();
    model.fit(&x, &y, quiet().epochs(3)).unwrap();
    let trained = model.get_weights();
    model.compile(binary()).unwrap();
    assert_eq!(model.get_weights(), trained);
    let mut fresh = classifier();
    fresh.set_weights(&trained).unwrap();
    for model in [&mut model, &mut fresh] {
        model.fit(&x, &y, quiet()).unwrap();
    }
    assert_eq!(bits(&model), bits(&fresh));
}

#[test]
fn fit_again_goes_on_where_the_last_one_ended() {
    let (x, y) = data();
    let fit = || quiet().shuffle(false);
    let (mut twice, mut once) = (classifier(), classifier());
    twice.fit(&x, &y, fit()).unwrap();
    twice.fit(&x, &y, fit()).unwrap();
    once.fit(&x, &y, fit().epochs(2)).unwrap();
    // Adam's moments and count of steps are kept, too.
    assert_eq!(bits(&twice), bits(&once));
}

#[test]
fn a_loss_of_one_s_own_is_the_built_in_one() {
    let (x, y) = data();
    let make = |compile: Compile| {
        let mut model = Sequential::new()
            .seed(4)
            .add(Dense::new(4).input_dim(3).activation(Tanh));
        model.push(Dense::new(1));
        model.compile(compile).unwrap();
        model
    };
    let own = loss_fn("squares", |t, p| (t - p).square().mean(-1));
    let mut own = make(Compile::new(Adam::new(), own));
    let mut built_in = make(Compile::new(Adam::new(), MeanSquaredError::new()));
    let first = own.fit(&x, &y, quiet().epochs(5)).unwrap();
    let second = built_in.fit(&x, &y, quiet().epochs(5)).unwrap();
    for (a, b) in first["loss"].iter().zip(&second["loss"]) {
        close(*a, f64::from(*b));
    }
    for (a, b) in own
        .get_weights()
        .iter()
        .flatten()
        .zip(built_in.get_weights().iter().flatten())
    {
        close(*a, f64::from(*b));
    }
}

// --- Validation.

/// With weights and a rate of 0, the loss is the mean of the squares of the targets 0, 1, 2, ...
/// that are trained on, and the validation loss that of the others.
fn split(rows: usize, fraction: f32) -> (f32, f32) {
    let x = Array2::<f32>::ones((rows, 1));
    let y = Array1::from_shape_fn(rows, |row| row as f32);
    let fit = quiet().validation_split(fraction).batch_size(rows);
    let history = slope(0.0).fit(&x, &y, fit).unwrap();
    (history["loss"][0], history["val_loss"][0])
}

/// The mean of the squares of these numbers.
fn squares(numbers: std::ops::Range<usize>) -> f64 {
    let count = numbers.len() as f64;
    numbers.map(|n| (n * n) as f64).sum::<f64>() / count
}

#[test]
fn validation_split_takes_the_tail_before_shuffling() {
    let (loss, held) = split(8, 0.25);
    close(loss, squares(0..6));
    close(held, squares(6..8));
}

#[test]
fn validation_split_divides_where_keras_does() {
    // Python: `math.floor(10 * (1 - 0.1))` is 9, and so on.
    let cases = [
        (10, 0.1, 9),
        (10, 0.2, 8),
        (10, 0.3, 7),
        (10, 0.5, 5),
        (100, 0.05, 95),
        (768, 0.2, 614),
        (768, 0.33, 514),
        (7, 0.2, 5),
    ];
    for (rows, fraction, first) in cases {
        let (loss, held) = split(rows, fraction);
        let said = format!("{rows} rows, fraction {fraction}: not {first} to train on");
        let (want, rest) = (squares(0..first), squares(first..rows));
        assert!((f64::from(loss) - want).abs() < 1e-5 * want, "{said}");
        assert!((f64::from(held) - rest).abs() < 1e-5 * rest, "{said}");
    }
}

#[test]
fn a_validation_split_carries_its_sample_weights_and_no_class_weights() {
    let x = Array2::<f32>::ones((4, 1));
    let (y, weights) = (array![1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 0.5, 2.0]);
    let fit = quiet()
        .validation_split(0.5)
        .sample_weight(&weights)
        .class_weight([(3, 10.0)]);
    let history = slope(0.0).fit(&x, &y, fit).unwrap();
    close(history["loss"][0], (1.0 + 4.0) / 2.0);
    close(history["val_loss"][0], (0.5 * 9.0 + 2.0 * 16.0) / 2.0);
}

#[test]
fn validation_uses_the_weights_at_the_end_of_the_epoch() {
    let (x, y) = data();
    let (held_x, held_y) = (
        random(20, 3, 9),
        Array1::from_shape_fn(20, |row| (row % 2) as f32),
    );
    let mut model = classifier();
    let fit = quiet()
        .epochs(2)
        .validation_data(&held_x, &held_y)
        .validation_batch_size(6);
    let history = model.fit(&x, &y, fit).unwrap();
    let scores = model.evaluate_with(&held_x, &held_y, Evaluate::new().batch_size(6));
    let scores = scores.unwrap();
    assert_eq!(history.last("val_loss"), scores.get("loss"));
    assert_eq!(history.last("val_accuracy"), scores.get("accuracy"));
    // It changes nothing about the training.
    let mut alone = classifier();
    alone.fit(&x, &y, quiet().epochs(2)).unwrap();
    assert_eq!(bits(&model), bits(&alone));
}

#[test]
fn the_size_of_batches_in_evaluate_matters_by_rounding_only() {
    let (x, y) = data();
    let model = classifier();
    let whole = model
        .evaluate_with(&x, &y, Evaluate::new().batch_size(50))
        .unwrap();
    for size in [1, 7, 32, 49, 1000] {
        let scores = model
            .evaluate_with(&x, &y, Evaluate::new().batch_size(size))
            .unwrap();
        close(scores["loss"], f64::from(whole["loss"]));
        assert_eq!(scores["accuracy"], whole["accuracy"]);
    }
}

// --- What comes back.

#[test]
fn a_history_has_keras_columns_in_the_order_in_which_they_are_printed() {
    let (x, y) = data();
    let history = classifier()
        .fit(&x, &y, quiet().epochs(3).validation_split(0.2))
        .unwrap();
    assert_eq!(
        history.names(),
        ["accuracy", "loss", "val_accuracy", "val_loss"]
    );
    assert_eq!((history.epochs(), history.len()), (&[0, 1, 2][..], 3));
    assert!(
        history
            .names()
            .iter()
            .all(|name| history[name.as_str()].len() == 3)
    );
    assert_eq!(history.get("acc"), None);
    let plain = classifier().fit(&x, &y, quiet()).unwrap();
    assert_eq!(plain.names(), ["accuracy", "loss"]);
}

#[test]
fn a_history_prints_and_is_written_as_a_table() {
    let (x, y) = (array![[1.0], [1.0]], array![1.0, 3.0]);
    let history = slope(0.0).fit(&x, &y, quiet().epochs(2)).unwrap();
    assert_eq!(
        history.to_string(),
        "epoch    loss\n    1  5.0000\n    2  5.0000"
    );
    let mut csv = Vec::new();
    history.to_csv(&mut csv).unwrap();
    assert_eq!(String::from_utf8(csv).unwrap(), "epoch,loss\n0,5\n1,5\n");
    let json = serde_json::to_value(&history).unwrap();
    let wanted = serde_json::json!({"epoch": [0, 1], "history": {"loss": [5.0, 5.0]}});
    assert_eq!(json, wanted);
}

#[test]
fn scores_are_found_by_name_and_by_position() {
    let (x, y) = (array![[1.0], [1.0]], array![1.0, 3.0]);
    let mut model = slope(0.0);
    let compile = Compile::new(SGD::new(), MeanSquaredError::new());
    model
        .compile(compile.metric(metrics::MeanAbsoluteError::new()))
        .unwrap();
    assert_eq!(model.metrics_names(), ["loss", "mean_absolute_error"]);
    let scores = model.evaluate(&x, &y).unwrap();
    assert_eq!(scores.names(), model.metrics_names());
    assert_eq!((scores[0], scores["loss"]), (5.0, 5.0));
    assert_eq!((scores[1], scores["mean_absolute_error"]), (2.0, 2.0));
    assert_eq!(scores.get("accuracy"), None);
    assert_eq!(
        scores.to_string(),
        "loss: 5.0000 - mean_absolute_error: 2.0000"
    );
}

#[test]
fn accuracy_is_resolved_by_the_shape_of_targets_and_outputs() {
    let mut one = Sequential::new().add(Dense::new(1).input_dim(3).activation(Sigmoid));
    one.compile(binary()).unwrap();
    assert_eq!(one.metrics_names(), ["loss", "accuracy"]);
    // Identity weights: the largest input is the predicted class. Two of three rows are right.
    let identity = Dense::new(3)
        .input_dim(3)
        .activation(activations::Softmax::new())
        .kernel_initializer(initializers::Identity::new());
    let x = array![[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]];
    let mut model = Sequential::new().add(identity);
    let sparse = Compile::new(SGD::new(), SparseCategoricalCrossentropy::new());
    model.compile(sparse.metric(Accuracy)).unwrap();
    close(
        model.evaluate(&x, &array![0, 1, 1]).unwrap()["accuracy"],
        2.0 / 3.0,
    );
    let dense = Compile::new(SGD::new(), CategoricalCrossentropy::new());
    model.compile(dense.metric(Accuracy)).unwrap();
    let one_hot = array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]];
    close(model.evaluate(&x, &one_hot).unwrap()["accuracy"], 2.0 / 3.0);
    assert_eq!(model.predict_classes(&x).unwrap(), [0, 1, 2]);
}

// --- Summary, layers, weights.

const TABLE: &str = "\
Model: \"sequential\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ dense (Dense)                   │ (None, 12)             │           108 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ (None, 8)              │           104 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_2 (Dense)                 │ (None, 1)              │             9 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
";

#[test]
fn the_summary_is_keras_s() {
    let mut model = tutorial();
    model.build().unwrap();
    let before = format!(
        "{TABLE} Total params: 221 (884.00 B)\n Trainable params: 221 (884.00 B)\n \
         Non-trainable params: 0 (0.00 B)"
    );
    assert_eq!(model.summary().to_string(), before);
    model.compile(binary()).unwrap();
    let after = format!(
        "{TABLE} Total params: 665 (2.60 KB)\n Trainable params: 221 (884.00 B)\n \
         Non-trainable params: 0 (0.00 B)\n Optimizer params: 444 (1.73 KB)"
    );
    assert_eq!(model.summary().to_string(), after);
    // Frozen: 104 of 221 numbers, which Adam keeps nothing of.
    model.set_trainable("dense_1", false).unwrap();
    model.compile(binary()).unwrap();
    let text = model.summary().to_string();
    for line in [
        "Trainable params: 117 ",
        "Non-trainable params: 104 ",
        "Optimizer params: 236 ",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let named = Sequential::new()
        .name("net")
        .add(Input::new([2]))
        .add(Dropout::new(0.5));
    let text = named.summary().to_string();
    assert!(
        text.starts_with("Model: \"net\"") && !text.contains("InputLayer"),
        "{text}"
    );
}

#[test]
fn weights_have_keras_s_names_shapes_and_order() {
    let mut model = Sequential::new()
        .add(Input::new([4, 2]))
        .add(Dense::new(3))
        .add(PReLU::new().shared_axes([1]))
        .add(Flatten::new())
        .add(Dense::new(2).use_bias(false))
        .add(Dense::new(1).name("risk"));
    assert!(model.weights().is_empty());
    model.build().unwrap();
    let weights = model.weights();
    let seen: Vec<(&str, &[usize])> = weights.iter().map(|w| (w.path(), w.shape())).collect();
    let wanted: [(&str, &[usize]); 6] = [
        ("dense/kernel", &[2, 3]),
        ("dense/bias", &[3]),
        ("p_re_lu/alpha", &[1, 3]),
        ("dense_1/kernel", &[12, 2]),
        ("risk/kernel", &[2, 1]),
        ("risk/bias", &[1]),
    ];
    assert_eq!(seen, wanted);
    let layers = model.layers();
    let seen: Vec<(&str, &str, String, usize)> = layers
        .iter()
        .map(|l| {
            (
                l.name(),
                l.class_name(),
                l.output_shape().unwrap(),
                l.count_params(),
            )
        })
        .collect();
    let line = |name, class, shape: &str, params| (name, class, shape.to_string(), params);
    let wanted = [
        line("input_layer", "InputLayer", "(None, 4, 2)", 0),
        line("dense", "Dense", "(None, 4, 3)", 9),
        line("p_re_lu", "PReLU", "(None, 4, 3)", 3),
        line("flatten", "Flatten", "(None, 12)", 0),
        line("dense_1", "Dense", "(None, 2)", 24),
        line("risk", "Dense", "(None, 1)", 3),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(model.count_params(), 39);
    assert_eq!(
        (model.input_shape().unwrap(), model.output_shape().unwrap()),
        (vec![4, 2], vec![1])
    );
}

#[test]
fn biases_begin_at_0_and_kernels_within_glorot_s_limit() {
    let mut model = tutorial();
    model.build().unwrap();
    let weights = model.get_weights();
    assert!(
        weights
            .iter()
            .skip(1)
            .step_by(2)
            .flatten()
            .all(|b| *b == 0.0)
    );
    for kernel in weights.iter().step_by(2) {
        let limit = (6.0 / (kernel.shape()[0] + kernel.shape()[1]) as f32).sqrt();
        assert!(kernel.iter().all(|w| w.abs() <= limit && *w != 0.0));
    }
}

#[test]
fn set_weights_is_what_get_weights_and_predict_see() {
    let mut model = Sequential::new()
        .add(Dense::new(2).input_dim(2))
        .add(Dense::new(1));
    model.build().unwrap();
    let weights = vec![
        array![[1.0, 2.0], [3.0, 4.0]].into_dyn(),
        array![0.5, -0.5].into_dyn(),
        array![[10.0], [100.0]].into_dyn(),
        array![1.0].into_dyn(),
    ];
    model.set_weights(&weights).unwrap();
    assert_eq!(model.get_weights(), weights);
    assert_eq!(model.weights()[2].values(), weights[2]);
    // [1, 1]: 4.5 and 5.5, so 45 + 550 + 1.
    assert_eq!(model.predict(&array![[1.0, 1.0]]).unwrap(), array![[596.0]]);
    // A transposed view of a weight is read by its indices, not as it lies in memory.
    let mut turned = weights.clone();
    turned[0] = array![[1.0, 3.0], [2.0, 4.0]].reversed_axes().into_dyn();
    model.set_weights(&turned).unwrap();
    assert_eq!(model.get_weights(), weights);
}

#[test]
fn a_frozen_layer_keeps_its_bits() {
    let (x, y) = data();
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(4).input_dim(3).activation(Tanh))
        .add(Dense::new(4).activation(Tanh).trainable(false))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(binary()).unwrap();
    let trainable = |model: &Sequential| -> Vec<bool> {
        model.weights().iter().map(|w| w.trainable()).collect()
    };
    assert_eq!(trainable(&model), [true, true, false, false, true, true]);
    let changed = |model: &mut Sequential| -> Vec<bool> {
        let before = bits(model);
        let decay = Compile::new(AdamW::new().learning_rate(0.01), BinaryCrossentropy::new());
        model.compile(decay).unwrap();
        model.fit(&x, &y, quiet().epochs(3)).unwrap();
        before
            .iter()
            .zip(bits(model))
            .map(|(a, b)| *a != b)
            .collect()
    };
    assert_eq!(changed(&mut model), [true, true, false, false, true, true]);
    model.set_trainable("dense", false).unwrap();
    model.set_trainable("dense_1", true).unwrap();
    assert_eq!(changed(&mut model), [false, false, true, true, true, true]);
    assert_eq!(trainable(&model), [false, false, true, true, true, true]);
    assert!(!model.get_layer("dense").unwrap().trainable());
    // What moves when the arena is laid out anew is not lost.
    let outputs = model.predict(&x).unwrap();
    model.set_trainable("dense", true).unwrap();
    model.compile(binary()).unwrap();
    assert_eq!(model.predict(&x).unwrap(), outputs);
}

#[test]
fn a_model_that_is_all_frozen_trains_to_nothing() {
    let (x, y) = data();
    let mut model = classifier();
    model.set_trainable("dense", false).unwrap();
    model.set_trainable("dense_1", false).unwrap();
    model.compile(binary()).unwrap();
    let before = bits(&model);
    let history = model.fit(&x, &y, quiet().epochs(2)).unwrap();
    assert_eq!(bits(&model), before);
    close(history["loss"][0], f64::from(history["loss"][1]));
}

#[test]
fn push_and_pop_keep_the_weights_of_the_other_layers() {
    let (x, y) = data();
    let mut model = classifier();
    model.fit(&x, &y, quiet().epochs(2)).unwrap();
    let (trained, outputs) = (bits(&model), model.predict(&x).unwrap());
    model.push(Dense::new(3));
    model.build().unwrap();
    assert_eq!(bits(&model)[..4], trained);
    assert_eq!(model.output_shape().unwrap(), [3]);
    let taken = model.pop().unwrap();
    assert_eq!(taken.class_name(), "Dense");
    model.compile(binary()).unwrap();
    assert_eq!(bits(&model), trained);
    assert_eq!(model.predict(&x).unwrap(), outputs);
    // A head of its own: the last layer makes place for another.
    model.pop();
    model.push(Dense::new(2).name("head"));
    model.build().unwrap();
    assert_eq!(bits(&model)[..2], trained[..2]);
    assert_eq!(model.predict(&x).unwrap().dim(), (50, 2));
    let mut empty = Sequential::new();
    assert!(empty.pop().is_none());
}

#[test]
fn a_popped_layer_is_not_counted_any_more() {
    let mut model = tutorial();
    model.compile(binary()).unwrap();
    model.pop();
    model.build().unwrap();
    assert_eq!(model.count_params(), 212);
    assert_eq!(model.weights().len(), 4);
    assert_eq!(model.output_shape().unwrap(), [8]);
    assert!(model.summary().to_string().contains("Total params: 212 "));
}

#[test]
fn a_clone_goes_its_own_way() {
    let (x, y) = data();
    let mut model = classifier();
    model.fit(&x, &y, quiet()).unwrap();
    let (mut twin, before) = (model.clone(), bits(&model));
    twin.fit(&x, &y, quiet()).unwrap();
    assert_eq!(bits(&model), before);
    assert_ne!(bits(&twin), before);
    model.fit(&x, &y, quiet()).unwrap();
    assert_eq!(bits(&model), bits(&twin));
}

// --- Callbacks.

/// Writes down what it is told.
#[derive(Default)]
struct Diary {
    lines: Vec<String>,
    run: Option<Run>,
    rates: Vec<f32>,
}

impl Callback for Diary {
    fn on_train_begin(&mut self, _: &mut Control, run: &Run) -> horn::Result<()> {
        self.run = Some(run.clone());
        self.lines.push("begin".into());
        Ok(())
    }
    fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) -> horn::Result<()> {
        self.rates.push(control.learning_rate());
        self.lines.push(format!("epoch {epoch}"));
        Ok(())
    }
    fn wants_batches(&self) -> bool {
        true
    }
    fn on_batch_end(&mut self, _: &mut Control, batch: usize, logs: &Logs) -> horn::Result<()> {
        self.lines.push(format!("batch {batch} {:?}", logs.names()));
        Ok(())
    }
    fn on_epoch_end(&mut self, _: &mut Control, epoch: usize, logs: &Logs) -> horn::Result<()> {
        self.lines
            .push(format!("end of {epoch} {:?}", logs.names()));
        Ok(())
    }
    fn on_train_end(&mut self, _: &mut Control, logs: &Logs) -> horn::Result<()> {
        self.lines.push(format!("end {:?}", logs.names()));
        Ok(())
    }
}

#[test]
fn callbacks_are_told_all_in_order() {
    let (x, y) = (array![[1.0], [1.0], [2.0]], array![1.0, 3.0, 2.0]);
    let mut diary = Diary::default();
    let fit = quiet()
        .epochs(4)
        .initial_epoch(2)
        .batch_size(2)
        .validation_data(&x, &y);
    slope(0.1).fit(&x, &y, fit.callback(&mut diary)).unwrap();
    let all = r#"["loss", "val_loss"]"#;
    let epoch = |number: usize| {
        [
            format!("epoch {number}"),
            r#"batch 0 ["loss"]"#.to_string(),
            r#"batch 1 ["loss"]"#.to_string(),
            format!("end of {number} {all}"),
        ]
    };
    let wanted = [
        vec!["begin".into()],
        epoch(2).into(),
        epoch(3).into(),
        vec![format!("end {all}")],
    ];
    assert_eq!(diary.lines, wanted.concat());
    let run = diary.run.unwrap();
    assert_eq!((run.epochs, run.initial_epoch, run.steps), (4, 2, 2));
    assert_eq!(run.names, ["loss", "val_loss"]);
    assert_eq!(diary.rates, [0.1, 0.1]);
}

#[test]
fn a_callback_ends_the_training_after_an_epoch() {
    struct Until(f32);
    impl Callback for Until {
        fn on_epoch_end(
            &mut self,
            control: &mut Control,
            _: usize,
            logs: &Logs,
        ) -> horn::Result<()> {
            if logs["loss"] < self.0 {
                control.stop();
            }
            Ok(())
        }
    }
    // The error shrinks by 0.8 an epoch, so the losses are 0.64^epoch: below 0.2 at epoch 4.
    let (x, y) = (array![[1.0]], array![1.0]);
    let history = slope(0.1)
        .fit(&x, &y, quiet().epochs(100).callback(Until(0.2)))
        .unwrap();
    assert_eq!(history.epochs(), [0, 1, 2, 3, 4]);
    close(history["loss"][4], 0.64f64.powi(4));
}

#[test]
fn a_callback_ends_the_training_after_a_batch() {
    struct Second;
    impl Callback for Second {
        fn wants_batches(&self) -> bool {
            true
        }
        fn on_batch_end(
            &mut self,
            control: &mut Control,
            batch: usize,
            _: &Logs,
        ) -> horn::Result<()> {
            if batch == 1 {
                control.stop();
            }
            Ok(())
        }
    }
    let (x, y) = data();
    let fit = || quiet().batch_size(8).shuffle(false);
    let (mut stopped, mut short) = (classifier(), classifier());
    let history = stopped
        .fit(&x, &y, fit().epochs(9).callback(Second))
        .unwrap();
    assert_eq!(history.len(), 1);
    short.fit(&x, &y, fit().steps_per_epoch(2)).unwrap();
    assert_eq!(bits(&stopped), bits(&short));
}

#[test]
fn a_callback_sets_the_learning_rate_for_good() {
    struct Slower(Vec<f32>);
    impl Callback for Slower {
        fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) -> horn::Result<()> {
            self.0.push(control.learning_rate());
            if epoch == 1 {
                control.set_learning_rate(0.25);
            }
            Ok(())
        }
    }
    let (x, y) = (array![[1.0]], array![1.0]);
    let mut slower = Slower(Vec::new());
    let mut model = slope(0.1);
    model
        .fit(&x, &y, quiet().epochs(3).callback(&mut slower))
        .unwrap();
    assert_eq!(slower.0, [0.1, 0.1, 0.25]);
    // Each step takes the error times 1 - 2 rate: 0.8, then 0.5 twice.
    close(only_weight(&model), 1.0 - 0.8 * 0.5 * 0.5);
    // As in Keras, the rate stays when the callback is gone.
    model.fit(&x, &y, quiet()).unwrap();
    close(only_weight(&model), 1.0 - 0.8 * 0.5 * 0.5 * 0.5);
}

// --- Data of any kind.

#[test]
fn any_element_type_and_layout_gives_the_same_bits() {
    // Small whole numbers, which every type holds.
    let x = random(40, 3, 5).mapv(|v| (v * 10.0).round());
    let y = Array1::from_shape_fn(40, |row| (row % 2) as f32);
    let train = |x: &dyn horn::data::AsRows, y: &dyn horn::data::AsRows| {
        struct Rows<'a>(&'a dyn horn::data::AsRows);
        impl horn::data::AsRows for Rows<'_> {
            fn as_rows(&self) -> horn::data::Rows<'_> {
                self.0.as_rows()
            }
        }
        let (x, y) = (Rows(x), Rows(y));
        let mut model = classifier();
        let history = model.fit(&x, &y, quiet().epochs(2).batch_size(16)).unwrap();
        let outputs = model.predict(&x).unwrap();
        let scores = model.evaluate(&x, &y).unwrap();
        (bits(&model), history, outputs, scores)
    };
    let plain = train(&x, &y);
    let labels = y.mapv(|label| label == 1.0);
    assert_eq!(train(&x.mapv(f64::from), &y.mapv(f64::from)), plain, "f64");
    assert_eq!(
        train(&x.mapv(|v| v as i32), &y.mapv(|v| v as u8)),
        plain,
        "integers"
    );
    assert_eq!(
        train(&x.mapv(|v| v as i64), &labels),
        plain,
        "labels of true and false"
    );
    assert_eq!(
        train(&x, &y.clone().insert_axis(Axis(1))),
        plain,
        "a column of targets"
    );
    assert_eq!(train(&x, &y.to_vec()), plain, "a vector of targets");
    let turned = x.t().as_standard_layout().into_owned().reversed_axes();
    assert!(!turned.is_standard_layout());
    assert_eq!(train(&turned, &y), plain, "column-major");
    let mut wide = Array2::<f32>::from_elem((80, 7), f32::NAN);
    wide.slice_mut(s![..;2, 1..;2]).assign(&x);
    assert_eq!(
        train(&wide.slice(s![..;2, 1..;2]), &y),
        plain,
        "every second row and column"
    );
    let (mut back_x, mut back_y) = (x.clone(), y.clone());
    back_x.invert_axis(Axis(0));
    back_y.invert_axis(Axis(0));
    let back_x = back_x.as_standard_layout().into_owned();
    let back_y = Array1::from_iter(back_y.iter().copied());
    let views = (back_x.slice(s![..;-1, ..]), back_y.slice(s![..;-1]));
    assert_eq!(train(&views.0, &views.1), plain, "rows in reverse");
    let shared = ndarray::ArcArray::from(x.clone());
    assert_eq!(train(&shared, &y), plain, "shared");
}

#[test]
fn inputs_of_one_axis_are_a_column() {
    let (column, flat) = (array![[1.0], [2.0], [3.0]], array![1.0, 2.0, 3.0]);
    let y = array![2.0, 4.0, 6.0];
    let (mut first, mut second) = (slope(0.01), slope(0.01));
    first.fit(&column, &y, quiet().shuffle(false)).unwrap();
    second.fit(&flat, &y, quiet().shuffle(false)).unwrap();
    assert_eq!(bits(&first), bits(&second));
    assert_eq!(
        first.predict(&column).unwrap(),
        first.predict(&flat).unwrap()
    );
}

// --- Prediction and dropout.

#[test]
fn all_ways_to_predict_agree() {
    let x = random(600, 3, 3);
    let model = classifier();
    let outputs = model.predict(&x).unwrap();
    assert_eq!(outputs.dim(), (600, 1));
    assert_eq!(model.predict_nd(&x).unwrap(), outputs.clone().into_dyn());
    assert_eq!(model.predict_on_batch(&x).unwrap().dim(), (600, 1));
    let classes: Vec<usize> = outputs.iter().map(|p| usize::from(*p > 0.5)).collect();
    assert_eq!(model.predict_classes(&x).unwrap(), classes);
    let mut predictor = model.predictor(600).unwrap();
    let mut out = vec![0.0; 600];
    predictor
        .predict_into(x.as_slice().unwrap(), &mut out)
        .unwrap();
    for (a, b) in out.iter().zip(&outputs) {
        close(*a, f64::from(*b));
    }
}

#[test]
fn dropout_is_off_outside_training() {
    let kept = Dense::new(1).use_bias(false).kernel_initializer(Ones);
    let model = |rate| {
        let model = Sequential::new()
            .seed(1)
            .add(Input::new([1000]))
            .add(Dropout::new(rate));
        let mut model = model.add(kept.clone());
        let still = SGD::new().learning_rate(0.0);
        model
            .compile(Compile::new(still, MeanAbsoluteError::new()))
            .unwrap();
        model
    };
    let (x, y) = (Array2::<f32>::ones((1, 1000)), array![0.0]);
    let mut half = model(0.5);
    assert_eq!(half.predict(&x).unwrap()[[0, 0]], 1000.0);
    assert_eq!(half.evaluate(&x, &y).unwrap()["loss"], 1000.0);
    // In training a sum of 1000 numbers that are 0 or 2: mean 1000, standard deviation 31.6.
    let losses: Vec<f32> = (0..40)
        .map(|_| half.train_on_batch(&x, &y).unwrap()["loss"])
        .collect();
    assert!(
        losses.iter().all(|sum| (sum - 1000.0).abs() < 5.0 * 31.6),
        "{losses:?}"
    );
    let mean = losses.iter().sum::<f32>() / 40.0;
    assert!((mean - 1000.0).abs() < 4.0 * 31.6 / 40f32.sqrt(), "{mean}");
    // A mask for each step.
    assert!(losses.windows(2).any(|pair| pair[0] != pair[1]));
    let none = model(0.0).train_on_batch(&x, &y).unwrap();
    assert_eq!(none["loss"], 1000.0);
}

#[test]
fn dropout_scales_what_it_keeps_and_drops_its_share() {
    for rate in [0.1, 0.3, 0.9] {
        let mut probe = Probe::layer(&Dropout::new(rate), &[200, 100], true).unwrap();
        probe.set_inputs(&[vec![1.0; 20_000]]);
        let y = probe.forward();
        let kept = 1.0 / (1.0 - rate);
        assert!(y.iter().all(|y| *y == 0.0 || (y - kept).abs() < 1e-5));
        let share = y.iter().filter(|y| **y == 0.0).count() as f32 / 20_000.0;
        // Four standard deviations of a share of 20 000.
        let bound = 4.0 * (rate * (1.0 - rate) / 20_000.0).sqrt();
        assert!((share - rate).abs() < bound, "{share}, not {rate}");
        // The gradient goes through the same mask.
        assert_eq!(probe.backward(&vec![1.0; 20_000]).inputs[0], y);
    }
}

#[test]
fn dropout_with_a_noise_shape_drops_whole_axes() {
    let columns = Dropout::new(0.5).noise_shape([Some(1), None]);
    let mut probe = Probe::layer(&columns, &[20, 50], true).unwrap();
    probe.set_inputs(&[vec![1.0; 1000]]);
    let y = Array2::from_shape_vec((20, 50), probe.forward()).unwrap();
    assert!(
        y.columns()
            .into_iter()
            .all(|column| column.iter().all(|v| *v == column[0]))
    );
    assert!(y.iter().any(|v| *v == 0.0) && y.iter().any(|v| *v == 2.0));
}

#[test]
fn two_dropouts_draw_masks_of_their_own() {
    let mut probe = Probe::new(&[&[2000]], true, |scope, x| {
        let first = scope.layer(&Dropout::new(0.5), &x[0]);
        scope.layer(&Dropout::new(0.5), &first)
    })
    .unwrap();
    probe.set_inputs(&[vec![1.0; 2000]]);
    let kept = probe.forward().iter().filter(|y| **y != 0.0).count();
    // A quarter of 2000 and a standard deviation of 19; were they alike, a half.
    assert!((kept as f32 - 500.0).abs() < 5.0 * 19.4, "{kept}");
}
