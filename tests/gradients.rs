//! Gradients of every layer, activation and loss agree with finite differences.
//!
//! Differences reach 1/32 to either side, so inputs stay further than that from kinks, all of
//! which lie at multiples of a quarter: numbers are drawn about the middles between those.

#![allow(clippy::unwrap_used)]

use horn::losses::Reduction;
use horn::prelude::*;
use horn::testing::Probe;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// The largest error that sound code makes.
const BOUND: f32 = 1e-2;

/// Numbers in 0 to 1 that do not come from the crate (splitmix64).
fn units(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// So many numbers from `low` to `high`, each at least 0.075 from all multiples of a quarter.
fn off_kinks(count: usize, low: f32, high: f32, seed: u64) -> Vec<f32> {
    let mut next = units(seed);
    let cells = ((high - low) * 4.0) as usize;
    let mut number = || {
        let cell = (next() * cells as f32).floor();
        low + (cell + 0.5) / 4.0 + (next() - 0.5) * 0.1
    };
    (0..count).map(|_| number()).collect()
}

#[track_caller]
fn sound(what: &str, probe: &mut Probe) {
    for seed in 0..3 {
        let error = probe.check_gradients(seed).unwrap();
        assert!(error < BOUND, "{what}: gradients are off by {error}");
    }
}

// --- Activations.

const ACTIVATIONS: [&str; 30] = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
];

fn check_activation(name: &str, settings: &Json) {
    let activation = activations::with_settings(name, settings).unwrap();
    let mut probe = Probe::new(&[&[3, 8]], false, |_, x| activation.call(&x[0])).unwrap();
    for seed in 0..4 {
        let x = match name {
            // The largest numbers that share the mass are well apart from the others.
            "sparsemax" => [
                2.0, 1.5, -3.0, 0.2, 9.0, -1.0, 1.0, 1.1, 0.9, 1.2, 1.05, -4.0,
            ]
            .repeat(2),
            _ => off_kinks(24, -5.0, 8.0, seed),
        };
        probe.set_inputs(&[x]);
        sound(&format!("{name} {settings}"), &mut probe);
    }
}

#[test]
fn every_activation() {
    for name in ACTIVATIONS {
        check_activation(name, &json!({}));
    }
}

#[test]
fn activations_with_settings() {
    for (name, settings) in [
        ("celu", json!({"alpha": 0.5})),
        ("elu", json!({"alpha": 2.5})),
        ("gelu", json!({"approximate": true})),
        ("gelu", json!({"approximate": false})),
        ("glu", json!({"axis": 1})),
        ("hard_shrink", json!({"threshold": 1.25})),
        ("leaky_relu", json!({"negative_slope": 0.5})),
        ("log_softmax", json!({"axis": 0})),
        ("soft_shrink", json!({"threshold": 1.5})),
        ("softmax", json!({"axis": 0})),
        ("squareplus", json!({"b": 1.0})),
        ("threshold", json!({"threshold": 1.5, "default_value": 3.0})),
    ] {
        check_activation(name, &settings);
    }
}

#[test]
fn an_activation_of_one_s_own() {
    let snake = activation_fn("snake", |x| x + x.sin().square());
    let mut probe = Probe::layer(&Dense::new(3).activation(snake), &[2, 4], false).unwrap();
    probe.randomize(1);
    sound("snake", &mut probe);
}

// --- Layers.

/// A layer's weights and inputs are random, the inputs away from kinks.
fn check_layer(what: &str, layer: &dyn Layer, shape: &[usize], training: bool) {
    let mut probe = Probe::layer(layer, shape, training).unwrap();
    for seed in 0..3 {
        probe.randomize(seed);
        probe.set_inputs(&[off_kinks(shape.iter().product(), -3.0, 4.0, seed)]);
        sound(what, &mut probe);
    }
}

#[test]
fn every_layer() {
    let dense = || Dense::new(3).activation(Tanh);
    check_layer("dense", &dense(), &[4, 5], false);
    check_layer(
        "dense without bias",
        &dense().use_bias(false),
        &[1, 5],
        false,
    );
    check_layer("dense on three axes", &dense(), &[2, 3, 4], false);
    check_layer("dense on four axes", &dense(), &[2, 1, 3, 4], true);
    check_layer("dense of one unit", &Dense::new(1), &[7, 1], false);
    check_layer("input", &Input::new([3]), &[2, 3], false);
    check_layer("activation", &Activation::new(Silu), &[2, 3], false);
    check_layer("dropout", &Dropout::new(0.4), &[5, 6], true);
    check_layer(
        "dropout, outside training",
        &Dropout::new(0.4),
        &[5, 6],
        false,
    );
    let columns = Dropout::new(0.4).noise_shape([Some(1), None]);
    check_layer("dropout of columns", &columns, &[5, 6], true);
    check_layer("flatten", &Flatten::new(), &[2, 3, 2], false);
    check_layer("reshape", &Reshape::new([3, -1]), &[2, 6], false);
    check_layer("relu", &ReLU::new(), &[3, 4], false);
    let bent = ReLU::new()
        .negative_slope(0.5)
        .threshold(0.75)
        .max_value(2.5);
    check_layer("relu with settings", &bent, &[3, 7], false);
    check_layer(
        "leaky relu",
        &LeakyReLU::new().negative_slope(0.2),
        &[3, 4],
        false,
    );
    check_layer("elu", &ELU::new().alpha(1.5), &[3, 4], false);
    check_layer("prelu", &PReLU::new(), &[3, 4], false);
    check_layer(
        "prelu, shared",
        &PReLU::new().shared_axes([1]),
        &[2, 3, 4],
        false,
    );
    check_layer("softmax", &layers::Softmax::new(), &[3, 4], false);
    check_layer(
        "softmax along another axis",
        &layers::Softmax::new().axis(1),
        &[2, 3, 4],
        false,
    );
}

#[test]
fn a_product_large_enough_for_the_blocked_kernels() {
    check_layer(
        "dense 33x70x40",
        &Dense::new(40).activation(Sigmoid),
        &[33, 70],
        false,
    );
}

#[test]
fn a_layer_made_of_layers() {
    #[derive(Debug, Clone)]
    struct Residual(Dense);
    impl Layer for Residual {
        fn call(&self, scope: &mut Scope, x: &Value) -> Value {
            x + scope.layer(&self.0, x)
        }
    }
    check_layer(
        "residual",
        &Residual(Dense::new(4).activation(Tanh)),
        &[3, 4],
        false,
    );
}

// --- Losses.

/// What a loss wants to see.
struct Case {
    name: &'static str,
    loss: Box<dyn Fn(Reduction) -> std::sync::Arc<dyn Loss>>,
    shape: &'static [usize],
    y_true: Vec<f32>,
    y_pred: Vec<f32>,
}

fn case<L: Loss + 'static>(
    name: &'static str,
    loss: impl Fn(Reduction) -> L + 'static,
    shape: &'static [usize],
    (y_true, y_pred): (Vec<f32>, Vec<f32>),
) -> Case {
    let loss = Box::new(move |reduction| std::sync::Arc::new(loss(reduction)) as _);
    Case {
        name,
        loss,
        shape,
        y_true,
        y_pred,
    }
}

/// Rows that sum to 1, each number at least 0.15.
fn probabilities(rows: usize, seed: u64) -> Vec<f32> {
    let mut next = units(seed);
    let row = |next: &mut dyn FnMut() -> f32| {
        let raw = [0.5 + next(), 0.5 + next(), 0.5 + next()];
        let sum: f32 = raw.iter().sum();
        raw.map(|r| r / sum)
    };
    (0..rows).flat_map(|_| row(&mut next)).collect()
}

fn losses_and_data() -> Vec<Case> {
    const ROWS: &[usize] = &[4, 3];
    const DEEP: &[usize] = &[2, 2, 3];
    let values = |seed| {
        (off_kinks(12, -2.0, 2.0, seed), {
            // At least 0.1 from every target: those lie about odd eighths, these about multiples.
            let middle = off_kinks(12, -2.0, 2.0, seed + 50);
            middle
                .iter()
                .map(|v| v + 0.125 * v.signum())
                .collect::<Vec<_>>()
        })
    };
    let positive = |seed| {
        let (t, p) = values(seed);
        (
            t.iter().map(|t| t + 2.5).collect(),
            p.iter().map(|p| p + 2.8).collect(),
        )
    };
    let labels = vec![0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.25, 0.5, 1.0, 0.0, 1.0, 1.0];
    let one_hot = vec![1., 0., 0., 0., 0., 1., 0., 1., 0., 0.2, 0.3, 0.5];
    let ids = vec![2.0, 0.0, 1.0, 1.0];
    let logits = |seed| off_kinks(12, -3.0, 3.0, seed);
    let p = |seed| probabilities(4, seed);
    use SparseCategoricalCrossentropy as Sparse;
    let bce = |r| BinaryCrossentropy::new().reduction(r);
    let cce = |r| CategoricalCrossentropy::new().reduction(r);
    let sparse = |r| Sparse::new().reduction(r);
    let focal = |r| losses::BinaryFocalCrossentropy::new().reduction(r);
    let classes = |r| losses::CategoricalFocalCrossentropy::new().reduction(r);
    let signs = || vec![1., -1., 1., 1., -1., -1., 1., -1., 1., 1., -1., 1.];
    // Vectors whose dot products are below 1, away from where distances are cut off.
    let apart = || {
        vec![
            0.9, 0.1, 0.2, -0.3, 0.8, 0.1, 0.5, 0.4, -0.6, 0.1, -0.7, 0.6,
        ]
    };
    vec![
        case(
            "mse",
            |r| MeanSquaredError::new().reduction(r),
            ROWS,
            values(1),
        ),
        case(
            "mse, deep",
            |r| MeanSquaredError::new().reduction(r),
            DEEP,
            values(2),
        ),
        case(
            "mae",
            |r| MeanAbsoluteError::new().reduction(r),
            ROWS,
            values(3),
        ),
        case(
            "mape",
            |r| MeanAbsolutePercentageError::new().reduction(r),
            ROWS,
            positive(4),
        ),
        case(
            "msle",
            |r| MeanSquaredLogarithmicError::new().reduction(r),
            ROWS,
            positive(5),
        ),
        case("huber", |r| Huber::new().reduction(r), ROWS, values(6)),
        case(
            "huber 0.3",
            |r| Huber::new().delta(0.3).reduction(r),
            ROWS,
            values(7),
        ),
        case("log cosh", |r| LogCosh::new().reduction(r), ROWS, values(8)),
        case("bce", bce, ROWS, (labels.clone(), p(9))),
        case("bce, deep", bce, DEEP, (labels.clone(), p(10))),
        case(
            "bce, logits",
            move |r| bce(r).from_logits(true),
            ROWS,
            (labels.clone(), logits(11)),
        ),
        case(
            "bce, smooth",
            move |r| bce(r).label_smoothing(0.2),
            ROWS,
            (labels.clone(), p(12)),
        ),
        case(
            "bce, smooth logits",
            move |r| bce(r).label_smoothing(0.2).from_logits(true),
            ROWS,
            (labels.clone(), logits(13)),
        ),
        case(
            "bce, axis 1",
            move |r| bce(r).axis(1),
            DEEP,
            (labels.clone(), p(14)),
        ),
        case("cce", cce, ROWS, (one_hot.clone(), p(15))),
        case("cce, deep", cce, DEEP, (one_hot.clone(), p(16))),
        case(
            "cce, logits",
            move |r| cce(r).from_logits(true),
            ROWS,
            (one_hot.clone(), logits(17)),
        ),
        case(
            "cce, smooth",
            move |r| cce(r).label_smoothing(0.1),
            ROWS,
            (one_hot.clone(), p(18)),
        ),
        case(
            "cce, smooth logits",
            move |r| cce(r).label_smoothing(0.1).from_logits(true),
            ROWS,
            (one_hot.clone(), logits(19)),
        ),
        case(
            "cce, axis 1",
            move |r| cce(r).axis(1),
            DEEP,
            (one_hot.clone(), p(20)),
        ),
        case("sparse", sparse, ROWS, (ids.clone(), p(21))),
        case("sparse, deep", sparse, DEEP, (ids.clone(), p(22))),
        case(
            "sparse, logits",
            move |r| sparse(r).from_logits(true),
            ROWS,
            (ids.clone(), logits(23)),
        ),
        case(
            "sparse, ignoring",
            move |r| sparse(r).ignore_class(1),
            ROWS,
            (ids, p(24)),
        ),
        case(
            "sparse logits, ignoring -1",
            move |r| sparse(r).ignore_class(-1).from_logits(true),
            ROWS,
            (vec![2.0, -1.0, 0.0, -1.0], logits(25)),
        ),
        case("focal", focal, ROWS, (labels.clone(), p(26))),
        case(
            "focal, balanced, smooth logits",
            move |r| {
                let loss = focal(r).from_logits(true).label_smoothing(0.1).gamma(1.5);
                loss.apply_class_balancing(true).alpha(0.7)
            },
            DEEP,
            (labels.clone(), logits(27)),
        ),
        case(
            "focal, gamma 0",
            move |r| focal(r).gamma(0.0).axis(1),
            DEEP,
            (labels.clone(), p(28)),
        ),
        case("categorical focal", classes, ROWS, (one_hot.clone(), p(29))),
        case(
            "categorical focal, logits, axis 1, three weights",
            move |r| {
                let loss = classes(r).from_logits(true).axis(1).label_smoothing(0.2);
                loss.alphas([0.2, 0.5, 0.9]).gamma(0.5)
            },
            DEEP,
            (one_hot.clone(), logits(30)),
        ),
        case(
            "generalized",
            |r| {
                losses::CategoricalGeneralizedCrossEntropy::new()
                    .q(0.3)
                    .reduction(r)
            },
            ROWS,
            (vec![2.0, 0.0, 1.0, 1.0], p(31)),
        ),
        case(
            "kld",
            |r| losses::KLDivergence::new().reduction(r),
            ROWS,
            (p(32), p(33)),
        ),
        case(
            "poisson",
            |r| losses::Poisson::new().reduction(r),
            ROWS,
            positive(34),
        ),
        case(
            "hinge",
            |r| losses::Hinge::new().reduction(r),
            ROWS,
            (signs(), logits(35)),
        ),
        case(
            "squared hinge of 0 and 1",
            |r| losses::SquaredHinge::new().reduction(r),
            ROWS,
            (
                signs().iter().map(|s| (s + 1.0) / 2.0).collect(),
                logits(36),
            ),
        ),
        case(
            "categorical hinge",
            |r| losses::CategoricalHinge::new().reduction(r),
            ROWS,
            (one_hot.clone(), logits(37)),
        ),
        case(
            "cosine",
            |r| losses::CosineSimilarity::new().reduction(r),
            DEEP,
            (logits(38), logits(39)),
        ),
        case(
            "cosine, axis 1",
            |r| losses::CosineSimilarity::new().axis(1).reduction(r),
            &[3, 4, 1],
            (logits(40), logits(41)),
        ),
        case(
            "dice",
            |r| losses::Dice::new().axis([1]).reduction(r),
            ROWS,
            (labels.clone(), p(42)),
        ),
        case(
            "whole dice",
            |r| losses::Dice::new().reduction(r),
            ROWS,
            (labels.clone(), p(43)),
        ),
        case(
            "tversky",
            |r| {
                losses::Tversky::new()
                    .alpha(0.3)
                    .beta(0.9)
                    .axis([-1])
                    .reduction(r)
            },
            ROWS,
            (labels, p(44)),
        ),
        case(
            "quantile",
            |r| losses::QuantileLoss::new(0.8).reduction(r),
            ROWS,
            values(45),
        ),
        case(
            "circle",
            |r| losses::Circle::new().gamma(4.0).reduction(r),
            ROWS,
            (vec![1.0, 7.0, 1.0, 7.0], apart()),
        ),
    ]
}

const REDUCTIONS: [Reduction; 4] = [
    Reduction::SumOverBatchSize,
    Reduction::Sum,
    Reduction::MeanWithSampleWeight,
    Reduction::None,
];

#[test]
fn every_loss_with_every_reduction_and_weights() {
    for Case {
        name,
        loss,
        shape,
        y_true,
        y_pred,
    } in losses_and_data()
    {
        let mut true_shape = shape.to_vec();
        if y_true.len() < y_pred.len() {
            true_shape.pop();
        }
        for reduction in REDUCTIONS {
            let loss = loss(reduction);
            for weighted in [false, true] {
                let rows = [shape[0]];
                let shapes: &[&[usize]] = if weighted { &[shape, &rows] } else { &[shape] };
                let mut probe = Probe::new(shapes, false, |scope, v| {
                    let targets = scope.constant(&y_true, &true_shape);
                    losses::compute(&loss, &targets, &v[0], v.get(1), None)
                })
                .unwrap();
                let weights = [0.5, 2.0, 1.5, 0.75][..shape[0]].to_vec();
                probe.set_inputs(&[y_pred.clone(), weights]);
                sound(
                    &format!("{name}, {reduction:?}, weights: {weighted}"),
                    &mut probe,
                );
            }
        }
    }
}

#[test]
fn sequences_of_labels_without_their_places() {
    // Labels that differ, that repeat, of the longest possible length, and none at all.
    let labels = [1., 2., 0., 2., 2., 0., 1., 1., 2., 0., 0., 0.];
    for (seed, steps) in [(1, 5), (2, 8)] {
        let shape = [4, steps, 4];
        let mut probe = Probe::new(&[&shape], true, |scope, v| {
            let labels = scope.constant(&labels, [4, 3]);
            losses::compute(
                &losses::CTC::new().reduction(Reduction::None),
                &labels,
                &v[0],
                None,
                None,
            )
        })
        .unwrap();
        probe.randomize(seed);
        sound(&format!("ctc, {steps} steps"), &mut probe);
    }
}

#[test]
fn a_weight_of_0_stops_the_gradient_of_its_row() {
    let mut probe = Probe::new(&[&[2, 3], &[2]], false, |scope, v| {
        let targets = scope.constant(&[0.0; 6], [2, 3]);
        losses::compute(&MeanSquaredError::new(), &targets, &v[0], Some(&v[1]), None)
    })
    .unwrap();
    probe.set_inputs(&[vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.0, 3.0]]);
    // The mean over two rows of 3 (16 + 25 + 36) / 3.
    assert_eq!(probe.forward(), [38.5]);
    let gradient = &probe.backward(&[1.0]).inputs[0];
    let wanted = [0.0, 0.0, 0.0, 4.0, 5.0, 6.0];
    assert!(
        gradient
            .iter()
            .zip(wanted)
            .all(|(g, w)| (g - w).abs() < 1e-6),
        "{gradient:?}"
    );
}

#[test]
fn losses_behind_the_layers_that_they_are_fused_with() {
    let check = |name: &str, layer: Dense, loss: &dyn Loss, y_true: &[f32], shape: &[usize]| {
        for weighted in [false, true] {
            let shapes: &[&[usize]] = if weighted {
                &[&[4, 5], &[4]]
            } else {
                &[&[4, 5]]
            };
            let mut probe = Probe::new(shapes, true, |scope, v| {
                let targets = scope.constant(y_true, shape);
                let outputs = scope.layer(&layer, &v[0]);
                losses::compute(loss, &targets, &outputs, v.get(1), None)
            })
            .unwrap();
            for seed in 0..3 {
                probe.randomize(seed);
                // Logits of a few units: probabilities far from where they are clipped.
                let inputs = off_kinks(20, -0.5, 0.5, seed);
                probe.set_inputs(&[inputs, vec![0.5, 2.0, 1.5, 0.75]]);
                sound(&format!("{name}, weights: {weighted}"), &mut probe);
            }
        }
    };
    let (labels, ids) = ([0.0, 1.0, 1.0, 0.25], [2.0, 0.0, 1.0, 1.0]);
    let one_hot = [1., 0., 0., 0., 0., 1., 0., 1., 0., 0.2, 0.3, 0.5];
    let sigmoid = || Dense::new(1).activation(Sigmoid);
    let softmax = || Dense::new(3).activation(activations::Softmax::new());
    check(
        "sigmoid, bce",
        sigmoid(),
        &BinaryCrossentropy::new(),
        &labels,
        &[4, 1],
    );
    let smooth = BinaryCrossentropy::new().label_smoothing(0.2);
    check("sigmoid, smooth bce", sigmoid(), &smooth, &labels, &[4, 1]);
    check(
        "softmax, cce",
        softmax(),
        &CategoricalCrossentropy::new(),
        &one_hot,
        &[4, 3],
    );
    check(
        "softmax, sparse",
        softmax(),
        &SparseCategoricalCrossentropy::new(),
        &ids,
        &[4],
    );
    let ignoring = SparseCategoricalCrossentropy::new().ignore_class(1);
    check("softmax, ignoring", softmax(), &ignoring, &ids, &[4]);
    let logits = SparseCategoricalCrossentropy::new().from_logits(true);
    check("linear, sparse logits", Dense::new(3), &logits, &ids, &[4]);
    check(
        "sigmoid, mse",
        sigmoid(),
        &MeanSquaredError::new(),
        &labels,
        &[4, 1],
    );
}

// --- Random configurations.

/// Activations without kinks.
// Without elu: its second derivative jumps at 0, so that differences across it are off by more.
const SMOOTH: [&str; 9] = [
    "linear",
    "tanh",
    "sigmoid",
    "silu",
    "softplus",
    "gelu",
    "mish",
    "softmax",
    "squareplus",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn dense_of_any_size(
        (rows, columns, units) in (1usize..20, 1usize..20, 1usize..20),
        deep in proptest::option::of(1usize..4),
        bias: bool,
        activation in 0..SMOOTH.len(),
        seed: u64,
    ) {
        let activation = activations::get(SMOOTH[activation]).unwrap();
        let layer = Dense::new(units).use_bias(bias).activation(activation);
        let shape: Vec<usize> = std::iter::once(rows.min(6)).chain(deep).chain([columns]).collect();
        let mut probe = Probe::layer(&layer, &shape, false).unwrap();
        probe.randomize(seed);
        // Sums of a few units, however many columns there are.
        let size = 1.0 / (columns as f32).sqrt();
        let inputs = off_kinks(shape.iter().product(), -2.0, 2.0, seed);
        probe.set_inputs(&[inputs.iter().map(|x| x * size).collect()]);
        let error = probe.check_gradients(seed).unwrap();
        prop_assert!(error < BOUND, "{error}");
    }

    #[test]
    fn rectified_dense_of_any_size(
        (rows, columns, units) in (1usize..7, 1usize..12, 1usize..20),
        seed: u64,
    ) {
        // A seed whose sums all lie far enough from 0: those of the layer without its activation.
        let shape = [rows, columns];
        let mut plain = Probe::layer(&Dense::new(units), &shape, false).unwrap();
        let far = (0..2000).map(|i| seed.wrapping_add(i)).find(|seed| {
            plain.randomize(*seed);
            plain.forward().iter().all(|sum| sum.abs() > 0.07)
        });
        if let Some(seed) = far {
            for name in ["relu", "leaky_relu", "selu"] {
                let layer = Dense::new(units).activation(activations::get(name).unwrap());
                let mut probe = Probe::layer(&layer, &shape, false).unwrap();
                probe.randomize(seed);
                let error = probe.check_gradients(seed).unwrap();
                prop_assert!(error < BOUND, "{name}: {error}");
            }
        }
    }

    #[test]
    fn prelu_of_any_shape(shape in prop::collection::vec(1usize..5, 2..5), share: u8, seed: u64) {
        let axes: Vec<usize> = (1..shape.len()).filter(|axis| share >> axis & 1 == 1).collect();
        let mut probe = Probe::layer(&PReLU::new().shared_axes(axes), &shape, false).unwrap();
        probe.randomize(seed);
        probe.set_inputs(&[off_kinks(shape.iter().product(), -2.0, 2.0, seed)]);
        let error = probe.check_gradients(seed).unwrap();
        prop_assert!(error < BOUND, "{error}");
    }

    #[test]
    fn relu_of_any_setting(
        shape in prop::collection::vec(1usize..5, 2..5),
        slope in 0.0f32..1.0,
        (threshold, above) in (0u8..8, proptest::option::of(1u8..8)),
        seed: u64,
    ) {
        let threshold = f32::from(threshold) / 4.0;
        let mut layer = ReLU::new().negative_slope(slope).threshold(threshold);
        if let Some(above) = above {
            layer = layer.max_value(threshold + f32::from(above) / 4.0);
        }
        let mut probe = Probe::layer(&layer, &shape, false).unwrap();
        probe.set_inputs(&[off_kinks(shape.iter().product(), -3.0, 5.0, seed)]);
        let error = probe.check_gradients(seed).unwrap();
        prop_assert!(error < BOUND, "{error}");
    }
}
