//! Whatever comes in, the public methods give `Ok` or `Err`: they never panic.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use horn::losses::Reduction;
use horn::prelude::*;
use proptest::prelude::*;
use proptest::sample::select;

/// A length: mostly small, now and then 0 or far too large.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![40 => 1usize..6, 2 => Just(0), 1 => Just(usize::MAX), 1 => Just(usize::MAX / 2)]
}

/// A rate: mostly within 0 to 1.
fn rate() -> impl Strategy<Value = f32> {
    prop_oneof![8 => 0.0f32..1.0, 1 => any::<f32>(), 1 => select(vec![-1.0, 1.0, f32::NAN, f32::INFINITY])]
}

fn number() -> impl Strategy<Value = f32> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        0.5,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        1e-40,
        -1e30,
        16_777_216.0,
    ];
    prop_oneof![20 => -3.0f32..3.0, 20 => (0u8..3).prop_map(f32::from), 1 => select(special.to_vec())]
}

fn activation() -> impl Strategy<Value = Arc<dyn activations::Activation>> {
    let names = [
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
    let by_name = select(names.to_vec()).prop_map(|name| activations::get(name).unwrap());
    let axis = -4isize..4;
    let with_axis = (axis, 0..4).prop_map(|(axis, kind)| -> Arc<dyn activations::Activation> {
        match kind {
            0 => Arc::new(activations::Softmax::new().axis(axis)),
            1 => Arc::new(activations::LogSoftmax::new().axis(axis)),
            2 => Arc::new(activations::Sparsemax::new().axis(axis)),
            _ => Arc::new(activations::Glu::new().axis(axis)),
        }
    });
    prop_oneof![6 => by_name, 1 => with_axis]
}

fn initializer() -> impl Strategy<Value = Arc<dyn Initializer>> {
    let names = [
        "zeros",
        "ones",
        "random_normal",
        "random_uniform",
        "truncated_normal",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "orthogonal",
        "identity",
    ];
    let by_name = select(names.to_vec()).prop_map(|name| initializers::get(name).unwrap());
    let odd = number().prop_map(|value| -> Arc<dyn Initializer> {
        Arc::new(RandomUniform::new().minval(value).maxval(1.0))
    });
    prop_oneof![8 => by_name, 1 => odd]
}

fn layer() -> impl Strategy<Value = Arc<dyn Layer>> {
    let dense = (
        length(),
        activation(),
        any::<bool>(),
        initializer(),
        prop::option::of(length()),
    );
    let dense = dense.prop_map(|(units, activation, bias, initializer, columns)| {
        let dense = Dense::new(units).activation(activation).use_bias(bias);
        let dense = dense.kernel_initializer(initializer);
        Arc::new(match columns {
            Some(columns) => dense.input_dim(columns),
            None => dense,
        }) as Arc<dyn Layer>
    });
    let noise = prop::option::weighted(
        0.2,
        prop::collection::vec(prop::option::of(0usize..4), 0..4),
    );
    let dropout = (rate(), noise).prop_map(|(rate, noise)| {
        let dropout = Dropout::new(rate);
        Arc::new(match noise {
            Some(noise) => dropout.noise_shape(noise),
            None => dropout,
        }) as Arc<dyn Layer>
    });
    let target = prop::collection::vec(prop_oneof![8 => -1isize..5, 1 => any::<isize>()], 0..4);
    let reshape = target.prop_map(|shape| Arc::new(Reshape::new(shape)) as Arc<dyn Layer>);
    let relu = (prop::option::of(rate()), rate(), rate()).prop_map(|(top, slope, threshold)| {
        let relu = ReLU::new().negative_slope(slope).threshold(threshold);
        Arc::new(match top {
            Some(top) => relu.max_value(top),
            None => relu,
        }) as Arc<dyn Layer>
    });
    let axes = prop::option::of(prop::collection::vec(0usize..4, 0..3));
    let prelu = axes.prop_map(|axes| {
        Arc::new(match axes {
            Some(axes) => PReLU::new().shared_axes(axes),
            None => PReLU::new(),
        }) as Arc<dyn Layer>
    });
    prop_oneof![
        8 => dense,
        2 => dropout,
        1 => reshape,
        1 => relu,
        1 => prelu,
        1 => rate().prop_map(|slope| Arc::new(LeakyReLU::new().negative_slope(slope)) as Arc<dyn Layer>),
        1 => rate().prop_map(|alpha| Arc::new(ELU::new().alpha(alpha)) as Arc<dyn Layer>),
        1 => (-3isize..4).prop_map(|axis| Arc::new(layers::Softmax::new().axis(axis)) as Arc<dyn Layer>),
        1 => activation().prop_map(|a| Arc::new(Activation::new(a)) as Arc<dyn Layer>),
        1 => Just(()).prop_map(|()| Arc::new(Flatten::new()) as Arc<dyn Layer>),
        1 => select(vec!["", "a/b", "twin", "dense_1"])
            .prop_map(|name| Arc::new(Dense::new(2).name(name)) as Arc<dyn Layer>),
    ]
}

fn loss() -> impl Strategy<Value = Arc<dyn Loss>> {
    let reductions = vec![
        Reduction::SumOverBatchSize,
        Reduction::SumOverBatchSize,
        Reduction::SumOverBatchSize,
        Reduction::Sum,
        Reduction::MeanWithSampleWeight,
        Reduction::None,
    ];
    let parts = (0..12, select(reductions), any::<bool>(), rate(), -3isize..3);
    parts.prop_map(|(kind, reduction, logits, rate, axis)| -> Arc<dyn Loss> {
        let (binary, dense) = (BinaryCrossentropy::new(), CategoricalCrossentropy::new());
        let sparse = SparseCategoricalCrossentropy::new()
            .from_logits(logits)
            .reduction(reduction);
        match kind {
            0 => Arc::new(MeanSquaredError::new().reduction(reduction)),
            1 => Arc::new(MeanAbsoluteError::new().reduction(reduction)),
            2 => Arc::new(MeanAbsolutePercentageError::new().reduction(reduction)),
            3 => Arc::new(MeanSquaredLogarithmicError::new().reduction(reduction)),
            4 => Arc::new(Huber::new().delta(rate).reduction(reduction)),
            5 => Arc::new(LogCosh::new().reduction(reduction)),
            6 => Arc::new(binary.from_logits(logits).reduction(reduction)),
            7 => Arc::new(binary.label_smoothing(rate).axis(axis)),
            8 => Arc::new(dense.from_logits(logits).reduction(reduction)),
            9 => Arc::new(dense.label_smoothing(rate).axis(axis)),
            10 => Arc::new(sparse),
            _ => Arc::new(sparse.ignore_class(axis as i64)),
        }
    })
}

fn optimizer() -> impl Strategy<Value = Box<dyn Optimizer>> {
    let names = [
        "sgd",
        "adam",
        "rmsprop",
        "adamw",
        "nadam",
        "adagrad",
        "adadelta",
        "adamax",
        "ftrl",
        "lion",
        "lamb",
        "adafactor",
    ];
    let parts = (
        select(names.to_vec()),
        prop_oneof![4 => 0f32..2.0, 1 => number()],
        prop::option::weighted(0.3, rate()),
        any::<bool>(),
        0u64..20,
    );
    parts.prop_map(|(name, rate, clip, averaged, steps)| {
        let mut optimizer = optimizers::get(name).unwrap();
        let settings = optimizer.settings_mut();
        settings.learning_rate = Arc::new(rate);
        settings.clipnorm = clip;
        settings.use_ema = averaged;
        settings.gradient_accumulation_steps = Some(steps).filter(|steps| *steps < 3);
        optimizer
    })
}

fn metric() -> impl Strategy<Value = Box<dyn Metric>> {
    let names = [
        "accuracy",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
        "mse",
        "mae",
        "binary_crossentropy",
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
    ];
    select(names.to_vec()).prop_map(|name| metrics::get(name).unwrap())
}

/// An array of this shape with numbers of any kind, in a random layout.
fn array(shape: Vec<usize>) -> impl Strategy<Value = ArrayD<f32>> {
    let size = shape.iter().product::<usize>();
    (prop::collection::vec(number(), size), any::<bool>()).prop_map(move |(numbers, turned)| {
        if turned {
            let back: Vec<usize> = shape.iter().rev().copied().collect();
            ArrayD::from_shape_vec(back, numbers)
                .unwrap()
                .reversed_axes()
        } else {
            ArrayD::from_shape_vec(shape.clone(), numbers).unwrap()
        }
    })
}

fn any_array() -> impl Strategy<Value = ArrayD<f32>> {
    prop::collection::vec(0usize..5, 0..4).prop_flat_map(array)
}

/// Numbers, and whether they are to be cut to a shape that fits the model.
fn data() -> impl Strategy<Value = (ArrayD<f32>, ArrayD<f32>, usize, bool)> {
    (
        any_array(),
        any_array(),
        0usize..9,
        prop::bool::weighted(0.8),
    )
}

#[derive(Debug, Clone)]
struct Options {
    epochs: usize,
    batch_size: usize,
    shuffle: bool,
    split: f32,
    steps: Option<usize>,
    weights: Option<ArrayD<f32>>,
    classes: Vec<(i64, f32)>,
    allow: bool,
    validate: bool,
}

fn options() -> impl Strategy<Value = Options> {
    (
        (
            0usize..3,
            prop_oneof![9 => 0usize..9, 1 => Just(usize::MAX)],
            any::<bool>(),
        ),
        prop_oneof![4 => Just(0.0), 1 => rate()],
        prop::option::weighted(0.1, 0usize..5),
        prop::option::weighted(0.3, any_array()),
        prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec((-2i64..3, number()), 0..3)],
        (prop::bool::weighted(0.7), prop::bool::weighted(0.3)),
    )
        .prop_map(
            |((epochs, batch_size, shuffle), split, steps, weights, classes, (allow, validate))| {
                Options {
                    epochs,
                    batch_size,
                    shuffle,
                    split,
                    steps,
                    weights,
                    classes,
                    allow,
                    validate,
                }
            },
        )
}

/// Numbers enough, from those given over and over, for an array of this shape.
fn fill(shape: &[usize], from: &ArrayD<f32>) -> ArrayD<f32> {
    let numbers: Vec<f32> = from.iter().copied().chain([0.0, 1.0, 0.5]).collect();
    let size = shape.iter().product::<usize>();
    let values = numbers.iter().cycle().take(size).copied().collect();
    ArrayD::from_shape_vec(shape, values).unwrap()
}

/// All public methods, one after the other.
fn exercise(
    model: &mut Sequential,
    compile: Compile,
    (x, y, rows, fits): (ArrayD<f32>, ArrayD<f32>, usize, bool),
    options: Options,
    ids: bool,
) {
    let _ = model.summary().to_string();
    let _ = (
        model.predict_nd(&x),
        model.evaluate(&x, &y),
        model.output_shape(),
    );
    let _ = model.build();
    let _ = (
        model.summary().to_string(),
        model.count_params(),
        model.metrics_names(),
    );
    let compiled = model.compile(compile).is_ok();
    let (mut x, mut y) = (x, y);
    if let (true, Ok(input), Ok(output)) = (fits, model.input_shape(), model.output_shape()) {
        // Axes of 0 beside huge ones are more than an array can say.
        let elements = |shape: &[usize]| {
            let lengths = shape.iter().map(|length| (*length).max(1));
            lengths.fold(1usize, usize::saturating_mul)
        };
        let small = elements(&input) < 1000 && elements(&output) < 1000;
        if small {
            x = fill(&[&[rows][..], &input].concat(), &x);
            let mut target = [&[rows][..], &output].concat();
            if ids {
                target.pop();
            }
            y = fill(&target, &y);
        }
    }
    let weights = options.weights.as_ref().map(|weights| match fits {
        true => fill(&[rows], weights),
        false => weights.clone(),
    });
    let mut fit = Fit::new()
        .verbose(0)
        .epochs(options.epochs)
        .batch_size(options.batch_size)
        .shuffle(options.shuffle)
        .validation_split(options.split)
        .class_weight(options.classes.clone())
        .allow_non_finite(options.allow);
    if let Some(steps) = options.steps {
        fit = fit.steps_per_epoch(steps);
    }
    if let Some(weights) = &weights {
        fit = fit.sample_weight(weights);
    }
    if options.validate {
        fit = fit.validation_data(&x, &y);
    }
    let fitted = model.fit(&x, &y, fit);
    if let Ok(history) = &fitted {
        assert!(compiled && history.len() == options.epochs);
        let _ = history.to_string();
    }
    let mut evaluate = Evaluate::new()
        .batch_size(options.batch_size)
        .class_weight(options.classes)
        .allow_non_finite(options.allow);
    if let Some(weights) = &weights {
        evaluate = evaluate.sample_weight(weights);
    }
    if let Ok(scores) = model.evaluate_with(&x, &y, evaluate) {
        assert_eq!(scores.names(), model.metrics_names());
    }
    let _ = (model.train_on_batch(&x, &y), model.test_on_batch(&x, &y));
    if let Ok(outputs) = model.predict_nd(&x) {
        assert_eq!(outputs.shape()[0], x.shape().first().copied().unwrap_or(1));
        assert_eq!(&outputs.shape()[1..], model.output_shape().unwrap());
    }
    let _ = (
        model.predict(&x),
        model.predict_classes(&x),
        model.predict_on_batch(&x),
    );
    if let Ok(mut predictor) = model.predictor(rows) {
        let _ = predictor.predict_into(x.as_slice().unwrap_or(&[]), &mut vec![0.0; rows]);
    }
    let mut given = model.get_weights();
    assert!(model.set_weights(&given).is_ok() || given.is_empty());
    given.push(x.clone());
    let _ = model.set_weights(&given);
    given.swap_remove(0);
    let _ = model.set_weights(&given);
    for name in ["dense", "dense_1", "", "twin", "dänse"] {
        let _ = (
            model.get_layer(name).is_ok(),
            model.set_trainable(name, rows % 2 == 0),
        );
    }
    let _ = (
        model.build(),
        model.predict_nd(&x),
        model.train_on_batch(&x, &y),
    );
    let _ = model.pop();
    let _ = (
        model.predict_nd(&x),
        model.summary().to_string(),
        model.layers().len(),
    );
    model.push(Dense::new(2));
    let _ = (
        model.predict_nd(&x),
        model.fit(&x, &y, Fit::new().verbose(0)),
    );
    let _ = (
        model.build(),
        model.predict_nd(&x),
        model.summary().to_string(),
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]

    #[test]
    fn models_of_any_layers_with_any_data(
        input in prop::option::weighted(0.9, prop::collection::vec(length(), 0..4)),
        layers in prop::collection::vec(layer(), 0..5),
        (optimizer, loss) in (optimizer(), loss()),
        metrics in prop::collection::vec(metric(), 0..3),
        data in data(),
        options in options(),
    ) {
        let ids = matches!(loss.targets(), losses::Targets::ClassIds { .. });
        let mut model = Sequential::new().seed(1);
        if let Some(shape) = input {
            model.push(Input::new(shape));
        }
        for layer in layers {
            model.push(layer);
        }
        let mut compile = Compile::new(optimizer, loss);
        for metric in metrics {
            compile = compile.metric(metric);
        }
        exercise(&mut model, compile, data, options, ids);
    }

    /// Models that are sound, so that the strange numbers get as far as they can.
    #[test]
    fn sound_models_with_any_numbers(
        (columns, units) in (1usize..5, 1usize..4),
        activation in activation(),
        (optimizer, loss) in (optimizer(), loss()),
        metric in metric(),
        (x, y, rows, _) in data(),
        options in options(),
        rate in 0.0f32..0.9,
    ) {
        let ids = matches!(loss.targets(), losses::Targets::ClassIds { .. });
        let mut model = Sequential::new()
            .seed(1)
            .add(Dense::new(4).input_dim(columns).activation(activation))
            .add(PReLU::new())
            .add(Dropout::new(rate))
            .add(Dense::new(units));
        let compile = Compile::new(optimizer, loss).metric(metric);
        exercise(&mut model, compile, (x, y, rows, true), options, ids);
    }

    #[test]
    fn names_of_any_kind(name in ".{0,12}") {
        let _ = (losses::get(&name).is_ok(), metrics::get(&name).is_ok());
        let _ = (optimizers::get(&name).is_ok(), activations::get(&name).is_ok());
        let _ = initializers::get(&name).is_ok();
        let model = Sequential::new().add(Dense::new(1).input_dim(1).name(name.clone()));
        prop_assert!(model.get_layer(&name).is_ok());
        prop_assert!(model.get_layer("other than all").is_err());
    }
}
