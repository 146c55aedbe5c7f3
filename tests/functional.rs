//! Models that are not chains: what they compute, how they train, what they are called, and what is
//! wrong with some.

use horn::layers::{Add, Average, Concatenate, Identity, Multiply};
use horn::prelude::*;
use ndarray::Array2;

/// Numbers that look random and are the same each time.
fn rows(rows: usize, columns: usize, shift: f32) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        ((i * columns + j) as f32 * 0.7 + shift).sin()
    })
}

/// A model of two inputs and two outputs.
fn branched() -> Model {
    let a = Input::new([3]).name("a").tensor();
    let b = Input::new([2]).name("b").tensor();
    let left = Dense::new(4).activation(Tanh).apply(&a);
    let right = Dense::new(4).activation(Tanh).apply(&b);
    let both = Concatenate::new().apply([&left, &right]);
    let first = Dense::new(1).name("first").apply(&both);
    let second = Dense::new(2)
        .activation(horn::activations::Softmax::new())
        .name("second")
        .apply(&both);
    Model::new([&a, &b], [first, second]).seed(3)
}

#[test]
fn a_chain_of_tensors_is_a_sequential() -> Result<()> {
    let (x, y) = (rows(40, 3, 0.0), rows(40, 1, 0.5));
    let mut chain = Sequential::new()
        .seed(5)
        .add(Input::new([3]))
        .add(Dense::new(8).activation(Relu))
        .add(Dropout::new(0.25))
        .add(Dense::new(1));
    let input = Input::new([3]).tensor();
    let hidden = Dropout::new(0.25).apply(Dense::new(8).activation(Relu).apply(&input));
    let mut graph = Model::new(&input, Dense::new(1).apply(hidden)).seed(5);
    let fit = |model: &mut Model| -> Result<(History, Vec<ArrayD<f32>>)> {
        model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
        let options = Fit::new().epochs(4).batch_size(8).verbose(0);
        Ok((model.fit(&x, &y, options)?, model.get_weights()))
    };
    let (own, other) = (fit(&mut chain)?, fit(&mut graph)?);
    assert_eq!(own.0["loss"], other.0["loss"]);
    assert_eq!(own.1, other.1);
    Ok(())
}

#[test]
fn layers_that_merge_compute_what_they_say() -> Result<()> {
    let (a, b) = (Input::new([2]).tensor(), Input::new([2]).tensor());
    let outputs = [
        Add::new().apply([&a, &b]),
        &a - &b,
        &a * &b,
        Average::new().apply([&a, &b]),
    ];
    let mut model = Model::new([&a, &b], outputs);
    model.build()?;
    let outputs = model.predict_all((&array![[1.0, 4.0]], &array![[3.0, -2.0]]))?;
    let expected = [[4.0, 2.0], [-2.0, 6.0], [3.0, -8.0], [2.0, 1.0]];
    for (output, expected) in outputs.iter().zip(expected) {
        assert_eq!(output.as_slice(), Some(expected.as_slice()));
    }
    Ok(())
}

#[test]
fn several_outputs_train_on_the_sum_of_their_losses() -> Result<()> {
    let (a, b) = (rows(64, 3, 0.0), rows(64, 2, 1.0));
    let first = rows(64, 1, 2.0);
    let second: Vec<i32> = (0..64).map(|row| row % 2).collect();
    let mut model = branched();
    model.compile(
        Compile::per_output(Adam::new().learning_rate(0.02))
            .loss_for("first", MeanSquaredError::new())
            .loss_for(1, SparseCategoricalCrossentropy::new())
            .loss_weight("second", 0.5)
            .metric_for("second", Accuracy)
            .metric_for("first", metrics::get("mae")?),
    )?;
    assert_eq!(
        model.metrics_names(),
        [
            "loss",
            "first_loss",
            "second_loss",
            "first_mae",
            "second_accuracy"
        ]
    );
    let history = model.fit(
        (&a, &b),
        (&first, &second),
        Fit::new()
            .epochs(30)
            .batch_size(16)
            .validation_split(0.25)
            .verbose(0),
    )?;
    let last = |name: &str| history[name][29];
    assert!((last("loss") - last("first_loss") - 0.5 * last("second_loss")).abs() < 1e-5);
    let held = last("val_first_loss") + 0.5 * last("val_second_loss");
    assert!((last("val_loss") - held).abs() < 1e-5);
    assert!(history["loss"][29] < history["loss"][0]);
    let scores = model.evaluate([("b", &b), ("a", &a)], (&first, &second))?;
    let total = scores["first_loss"] + 0.5 * scores["second_loss"];
    assert!((scores["loss"] - total).abs() < 1e-5);
    Ok(())
}

#[test]
fn outputs_without_a_loss_have_no_targets() -> Result<()> {
    let mut model = branched();
    let only = Compile::per_output(SGD::new()).loss_for("second", CategoricalCrossentropy::new());
    model.compile(only)?;
    let (a, b) = (rows(8, 3, 0.0), rows(8, 2, 1.0));
    let targets = Array2::from_shape_fn((8, 2), |(i, j)| f32::from(i % 2 == j));
    let history = model.fit((&a, &b), &targets, Fit::new().verbose(0))?;
    assert_eq!(history.names(), ["loss"]);
    Ok(())
}

#[test]
fn a_shared_layer_has_one_set_of_weights_and_learns_from_every_use() -> Result<()> {
    let (a, b) = (Input::new([3]).tensor(), Input::new([3]).tensor());
    let encoder = Dense::new(2).use_bias(false).shared();
    let sum = encoder.apply(&a) + encoder.apply(&b);
    let mut model = Model::new([&a, &b], sum).seed(2);
    model.compile(Compile::new(
        SGD::new().learning_rate(0.1),
        MeanSquaredError::new(),
    ))?;
    assert_eq!(model.count_params(), 6);
    let before = model.get_weights();
    let x = rows(4, 3, 0.0);
    let zeros = Array2::<f32>::zeros((4, 3));
    let y = rows(4, 2, 1.0);
    // A step on (x, 0) and one on (0, x) are the same step.
    model.train_on_batch((&x, &zeros), &y)?;
    let first = model.get_weights();
    assert_ne!(first, before);
    model.set_weights(&before)?;
    model.train_on_batch((&zeros, &x), &y)?;
    assert_eq!(model.get_weights(), first);
    Ok(())
}

#[test]
fn a_model_is_a_layer_and_brings_its_weights() -> Result<()> {
    let mut base = Sequential::new()
        .seed(8)
        .name("base")
        .add(Dense::new(4).input_dim(3).activation(Tanh));
    base.build()?;
    let input = Input::new([3]).tensor();
    let features = base.clone().apply(&input);
    let mut model = Model::new(&input, [&features, &Dense::new(1).apply(&features)]);
    model.build()?;
    assert_eq!(model.weights()[0].path(), "base/dense/kernel");
    let x = rows(5, 3, 0.0);
    let outputs = model.predict_all(&x)?;
    assert_eq!(outputs[0], base.predict(&x)?.into_dyn());

    // Frozen, it does not train.
    model.set_trainable("base", false)?;
    let loss = Compile::per_output(SGD::new()).loss_for(1, MeanSquaredError::new());
    model.compile(loss)?;
    model.fit(&x, &rows(5, 1, 0.0), Fit::new().epochs(3).verbose(0))?;
    assert_eq!(model.predict_all(&x)?[0], base.predict(&x)?.into_dyn());
    Ok(())
}

/// What Keras 3.15 prints for this model.
#[test]
fn the_summary_shows_connections() -> Result<()> {
    let input = Input::new([8]).name("inputs").tensor();
    let hidden = Dense::new(8).name("hidden").apply(&input);
    let sum = Add::new().name("sum").apply([&input, &hidden]);
    let mut model = Model::new(&input, Dense::new(1).name("out").apply(sum));
    model.build()?;
    let text = model.summary().line_length(76).to_string();
    let expected = "\
Model: \"functional\"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ inputs (InputLayer) │ (None, 8)         │          0 │ -                 │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ hidden (Dense)      │ (None, 8)         │         72 │ inputs[0][0]      │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ sum (Add)           │ (None, 8)         │          0 │ inputs[0][0],     │
│                     │                   │            │ hidden[0][0]      │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ out (Dense)         │ (None, 1)         │          9 │ sum[0][0]         │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 81 (324.00 B)
 Trainable params: 81 (324.00 B)
 Non-trainable params: 0 (0.00 B)";
    assert_eq!(text, expected);
    Ok(())
}

/// The order of layers and weights is Keras's (it gives these names): farthest from the outputs first.
#[test]
fn layers_are_in_the_order_of_keras() -> Result<()> {
    let a = Input::new([2]).name("a").tensor();
    let b = Input::new([2]).name("b").tensor();
    let short = Dense::new(2).name("short").apply(&b);
    let long = Dense::new(2)
        .name("long_2")
        .apply(Dense::new(2).name("long_1").apply(&a));
    let out = Dense::new(1)
        .name("out")
        .apply(Add::new().name("sum").apply([&short, &long]));
    let mut model = Model::new([&a, &b], out);
    model.build()?;
    let names: Vec<String> = model
        .layers()
        .iter()
        .map(|l| l.name().to_string())
        .collect();
    assert_eq!(names, ["a", "b", "long_1", "short", "long_2", "sum", "out"]);
    Ok(())
}

/// The error says all of these.
#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let text = result.expect_err("an error").to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn tensors_that_make_no_model_are_told() {
    let a = Input::new([2]).name("a").tensor();
    let b = Input::new([2]).name("b").tensor();
    let sum = &a + &b;
    says(
        Model::new(&a, &sum).build(),
        &["output 0", "`b`", "not among the model's inputs"],
    );
    let hidden = Identity::new().name("hidden").apply(&a);
    says(
        Model::new(&hidden, &hidden).build(),
        &["`hidden`", "Input::tensor"],
    );
    says(Model::new([&a, &a], &hidden).build(), &["`a`", "twice"]);
    says(
        Model::new(&a, Vec::<Tensor>::new()).build(),
        &["at least one output"],
    );
    says(
        Model::new(Vec::<Tensor>::new(), &hidden).build(),
        &["at least one input"],
    );
    let nothing = Add::new().name("nothing").apply(Vec::<Tensor>::new());
    says(
        Model::new(&a, [&hidden, &nothing]).build(),
        &["output 1", "`nothing`", "depends on no input"],
    );
    says(Model::new(&a, hidden.output(3)).build(), &["does not give"]);
    says(
        Model::new(&a, Identity::new().apply(hidden.output(1))).build(),
        &["not there"],
    );
    let twice = Identity::new()
        .name("same")
        .apply(Identity::new().name("same").apply(&a));
    says(Model::new(&a, twice).build(), &["`same`", "one layer only"]);
}

#[test]
fn shapes_that_do_not_merge_are_told_with_the_layer() {
    let (a, b) = (Input::new([2]).tensor(), Input::new([3]).tensor());
    says(
        Model::new([&a, &b], Add::new().apply([&a, &b])).build(),
        &["`add`", "(2, 2)", "(2, 3)"],
    );
    says(
        Model::new([&a, &b], Dense::new(1).apply([&a, &b])).build(),
        &["`dense`", "takes one input, got 2"],
    );
    says(
        Model::new([&a, &b], Multiply::new().apply(Vec::<Tensor>::new())).build(),
        &["depends on no input"],
    );
    let base = Sequential::new().add(Dense::new(1).input_dim(5));
    says(
        Model::new(&a, base.apply(&a)).build(),
        &["`sequential`", "[5]", "(2, 2)"],
    );
}

#[test]
fn data_that_do_not_fit_are_told_by_name() -> Result<()> {
    let mut model = branched();
    let both = Compile::new(SGD::new(), MeanSquaredError::new());
    model.compile(both)?;
    let (a, b) = (rows(8, 3, 0.0), rows(8, 2, 1.0));
    let (first, second) = (rows(8, 1, 0.0), rows(8, 2, 0.0));
    let fit = || Fit::new().verbose(0);
    says(
        model.fit(&a, (&first, &second), fit()),
        &["`x`", "2 arrays", "a, b"],
    );
    says(
        model.fit((&b, &a), (&first, &second), fit()),
        &["`a`", "(batch, 3)", "(batch, 2)"],
    );
    says(
        model.fit((&a, &rows(7, 2, 0.0)), (&first, &second), fit()),
        &["`b`", "8", "7"],
    );
    says(
        model.fit([("a", &a), ("c", &b)], (&first, &second), fit()),
        &["`c`", "x"],
    );
    says(
        model.fit([("a", &a), ("a", &b)], (&first, &second), fit()),
        &["2 arrays"],
    );
    says(
        model.fit((&a, &b), &first, fit()),
        &["`y`", "first, second"],
    );
    says(
        model.fit((&a, &b), (&first, &second), fit().class_weight([(0, 1.0)])),
        &["class_weight", "one output"],
    );
    says(model.predict((&a, &b)), &["2 outputs", "predict_all"]);
    says(model.output_shape(), &["output_shapes"]);
    Ok(())
}

#[test]
fn outputs_that_are_not_there_are_told_at_compile() {
    let compile = |compile: Compile| branched().compile(compile);
    says(
        compile(Compile::per_output(SGD::new())),
        &["loss", "at least one output"],
    );
    says(
        compile(Compile::new(SGD::new(), MeanSquaredError::new()).loss_weight("frist", 1.0)),
        &["`frist`", "`first`"],
    );
    says(
        compile(Compile::new(SGD::new(), MeanSquaredError::new()).metric_for(2, Accuracy)),
        &["below 2"],
    );
    let one = Compile::per_output(SGD::new()).loss_for("first", MeanSquaredError::new());
    says(
        compile(one.metric_for("second", Accuracy)),
        &["metric_for", "has a loss", "`second`"],
    );
}
