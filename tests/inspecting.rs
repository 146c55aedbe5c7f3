//! Looking into models: gradients, inner outputs, losses of rows, and why a loss is not finite.

use horn::callbacks::ReduceLROnPlateau;
use horn::data::dataset::from_index;
use horn::graph::{Scope, Value};
use horn::layers::{BatchNormalization, Concatenate, Masking};
use horn::model::{PermutationImportance, Unit};
use horn::prelude::*;
use ndarray::{Array, ArrayD, Axis, Dimension};

/// Numbers between -1 and 1 that look random.
fn wave<D: Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>, factor: f32) -> Array<f32, D> {
    let mut number = 0.0;
    Array::from_shape_simple_fn(shape, || {
        number += 1.0;
        (number * factor).sin()
    })
}

fn classifier() -> Result<Sequential> {
    let mut model = Sequential::new()
        .seed(4)
        .add(Dense::new(8).input_dim(3).activation(Tanh).name("hidden"))
        .add(Dense::new(4).activation(Softmax::new()).name("out"));
    model.compile(
        Compile::new(Adam::new(), SparseCategoricalCrossentropy::new()).metric(Accuracy),
    )?;
    Ok(model)
}

fn ids(rows: usize) -> Array1<i32> {
    Array1::from_shape_fn(rows, |row| (row * 7 % 4) as i32)
}

#[test]
fn a_layer_gives_what_it_passes_on() -> Result<()> {
    let model = classifier()?;
    // More rows than are computed at a time.
    let x = wave((601, 3), 0.7);
    let hidden = model.activations(&x, "hidden")?;
    assert_eq!(hidden.shape(), [601, 8]);
    let mut head = Sequential::new().add(Dense::new(4).input_dim(8).activation(Softmax::new()));
    head.build()?;
    head.set_weights(&model.get_weights()[2..])?;
    assert_eq!(head.predict(&hidden)?, model.predict(&x)?);
    assert_eq!(model.activations(&x, "out")?, model.predict_nd(&x)?);
    let error = model.activations(&x, "hiden").unwrap_err().to_string();
    assert!(error.contains("did you mean `hidden`"), "{error}");
    Ok(())
}

#[test]
fn layers_inside_others_are_found_by_their_paths() -> Result<()> {
    let inner = Sequential::new()
        .name("encoder")
        .add(Dense::new(5).input_dim(3).name("first"))
        .add(Dense::new(2));
    let mut model = Sequential::new().seed(1).add(inner).add(Dense::new(1));
    model.build()?;
    let x = wave((4, 3), 0.3);
    assert_eq!(model.activations(&x, "encoder/first")?.shape(), [4, 5]);
    assert_eq!(model.activations(&x, "encoder")?.shape(), [4, 2]);
    Ok(())
}

/// The derivative of `f` with respect to each element of `x`, from its values.
fn numeric(x: &Array2<f32>, f: impl Fn(&Array2<f32>, usize) -> f64) -> Array2<f64> {
    let h = 1e-2;
    Array2::from_shape_fn(x.dim(), |(row, column)| {
        let at = |by: f32| {
            let mut moved = x.clone();
            moved[[row, column]] += by;
            f(&moved, row)
        };
        (at(h) - at(-h)) / f64::from(2.0 * h)
    })
}

fn close(found: &ArrayD<f32>, expected: &Array2<f64>) {
    assert_eq!(found.shape(), expected.shape());
    for (found, expected) in found.iter().zip(expected) {
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference < 2e-3, "{found} and {expected}");
    }
}

#[test]
fn gradients_of_outputs_and_losses_are_those_of_finite_differences() -> Result<()> {
    let model = classifier()?;
    let x = wave((7, 3), 0.9);
    for unit in 0..4 {
        let value = |x: &Array2<f32>, row: usize| f64::from(model.predict(x).unwrap()[[row, unit]]);
        close(&model.input_gradient(&x, unit)?, &numeric(&x, value));
    }
    let y = ids(7);
    let loss = |x: &Array2<f32>, row: usize| f64::from(model.sample_losses(x, &y).unwrap()[row]);
    close(&model.loss_gradient(&x, &y)?, &numeric(&x, loss));
    // Rows have nothing to do with one another, however many are computed at a time.
    let many = ndarray::concatenate(Axis(0), &vec![x.view(); 50]).unwrap();
    let gradient = model.input_gradient(&many, 1)?;
    assert_eq!(
        gradient.slice(s![343.., ..]),
        model.input_gradient(&x, 1)?.slice(s![.., ..])
    );
    Ok(())
}

#[test]
fn each_of_several_inputs_has_a_gradient() -> Result<()> {
    let (a, b) = (
        Input::new([2]).tensor(),
        Input::new([1]).name("id").tensor(),
    );
    let embedded = Flatten::new().apply(Embedding::new(5, 3).apply(&b));
    let both = Concatenate::new().apply([&a, &embedded]);
    let outputs = [
        Dense::new(1).name("y").apply(&both),
        Dense::new(2).name("z").apply(&a),
    ];
    let mut model = Model::new([&a, &b], outputs);
    model.build()?;
    let (x, id) = (wave((3, 2), 0.5), array![[1], [4], [0]]);
    let gradients = model.input_gradients((&x, &id), ("y", 0))?;
    assert_eq!(
        (gradients[0].shape(), gradients[1].shape()),
        (&[3, 2][..], &[3, 1][..])
    );
    assert!(gradients[0].iter().all(|g| *g != 0.0));
    assert!(gradients[1].iter().all(|g| *g == 0.0));
    // An output that does not depend on an input.
    let gradients = model.input_gradients((&x, &id), Unit::from((1, 1)))?;
    assert!(gradients[1].iter().all(|g| *g == 0.0));
    for (unit, part) in [(("y", 1), "below 1"), (("x", 0), "`x`")] {
        let error = model
            .input_gradients((&x, &id), unit)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(model.input_gradient((&x, &id), 0).is_err());
    Ok(())
}

#[test]
fn losses_of_rows_have_the_mean_that_evaluate_gives() -> Result<()> {
    let model = classifier()?;
    let (x, y) = (wave((300, 3), 1.3), ids(300));
    let losses = model.sample_losses(&x, &y)?;
    let mean = losses.mean().unwrap();
    assert!((mean - model.evaluate(&x, &y)?["loss"]).abs() < 1e-5);
    // The fifth row alone.
    let alone = model.evaluate(&x.slice(s![4..5, ..]), &y.slice(s![4..5]))?["loss"];
    assert!((losses[4] - alone).abs() < 1e-6);
    Ok(())
}

#[test]
fn losses_of_sequences_are_means_over_the_steps_that_count() -> Result<()> {
    let mut model = Sequential::new()
        .seed(2)
        .add(Input::new([4, 1]))
        .add(Masking::new())
        .add(Dense::new(1).use_bias(false).kernel_initializer(Ones));
    model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    let x = array![[[1.0], [2.0], [0.0], [0.0]], [[1.0], [0.0], [0.0], [0.0]]];
    let y = ndarray::Array3::<f32>::zeros((2, 4, 1));
    assert_eq!(model.sample_losses(&x, &y)?, array![2.5, 1.0]);
    Ok(())
}

#[test]
fn losses_of_several_outputs_are_weighed() -> Result<()> {
    let x = Input::new([2]).tensor();
    let head = |name: &str| Dense::new(1).name(name).kernel_initializer(Zeros).apply(&x);
    let mut model = Model::new(&x, [head("a"), head("b")]);
    let compile = Compile::new(Adam::new(), MeanSquaredError::new()).loss_weight("b", 0.5);
    model.compile(compile)?;
    let (x, a, b) = (
        wave((2, 2), 0.1),
        array![[1.0], [2.0]],
        array![[4.0], [0.0]],
    );
    assert_eq!(model.sample_losses(&x, (&a, &b))?, array![1.0 + 8.0, 4.0]);
    Ok(())
}

#[test]
fn draws_spread_around_the_prediction() -> Result<()> {
    let mut model = Sequential::new()
        .seed(3)
        .add(Dense::new(32).input_dim(2).kernel_initializer(Ones))
        .add(BatchNormalization::new())
        .add(Dropout::new(0.5))
        .add(Dense::new(1).kernel_initializer(Ones));
    model.build()?;
    let x = wave((300, 2), 0.8);
    let draws = model.predict_mc(&x, 400)?;
    assert_eq!(draws.values().shape(), [400, 300, 1]);
    let (mean, std) = (draws.mean(), draws.std());
    let exact = model.predict(&x)?;
    for row in 0..300 {
        let (value, mean, std) = (exact[[row, 0]], mean[[row, 0]], std[[row, 0]]);
        // Each of 32 equal terms is doubled or dropped.
        let wanted = value.abs() / 32.0_f32.sqrt();
        assert!(
            (mean - value).abs() < 5.0 * wanted / 20.0 + 1e-5,
            "{mean} {value}"
        );
        assert!((std - wanted).abs() < 0.2 * wanted + 1e-5, "{std} {wanted}");
    }
    assert_eq!(model.predict_mc(&x, 400)?, draws);
    // Rows are not dropped alike.
    let first = draws.values().index_axis(Axis(0), 0).to_owned();
    let ratio = |row: usize| first[[row, 0]] / exact[[row, 0]];
    assert!((0..300).any(|row| (ratio(row) - ratio(0)).abs() > 0.1));
    Ok(())
}

#[test]
fn draws_need_something_random() -> Result<()> {
    let model = classifier()?;
    let x = wave((2, 3), 0.8);
    let error = model.predict_mc(&x, 3).unwrap_err().to_string();
    assert!(error.contains("Dropout"), "{error}");
    assert!(model.predict_mc(&x, 0).is_err());
    Ok(())
}

#[test]
fn what_a_model_needs_is_important() -> Result<()> {
    let x = wave((200, 3), 1.7);
    let y = x.map_axis(Axis(1), |row| i32::from(row[1] > 0.0));
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(1).input_dim(3).activation(Sigmoid));
    model.compile(
        Compile::new(Adam::new().learning_rate(0.1), BinaryCrossentropy::new()).metric(Accuracy),
    )?;
    model.fit(&x, &y, Fit::new().epochs(20).verbose(0))?;
    let options = || {
        PermutationImportance::new()
            .names(["a", "b", "c"])
            .repeats(3)
    };
    for metric in ["loss", "accuracy"] {
        let found = model.permutation_importance(x.view(), &y, options().metric(metric))?;
        assert_eq!(found.ranking()[0], 1, "{found}");
        assert!(
            found.mean[1] > 0.2 && found.mean[0].abs() < 0.5 * found.mean[1],
            "{found}"
        );
        assert_eq!(found.baseline, model.evaluate(&x, &y)?[metric]);
        assert!(
            found
                .to_string()
                .lines()
                .nth(1)
                .is_some_and(|line| line.starts_with('b'))
        );
        let again = model.permutation_importance(x.view(), &y, options().metric(metric))?;
        assert_eq!(found, again);
    }
    for (options, part) in [
        (options().metric("acuracy"), "did you mean `accuracy`"),
        (options().repeats(0), "`repeats`"),
        (options().names(["a"]), "3 names"),
    ] {
        let error = model
            .permutation_importance(x.view(), &y, options)
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    Ok(())
}

#[test]
fn weights_move_by_the_names_of_layers() -> Result<()> {
    let from = classifier()?;
    let mut to = Sequential::new()
        .seed(9)
        .add(Dense::new(8).input_dim(3).name("hidden"))
        .add(Dense::new(2).name("out"));
    to.build()?;
    let before = to.get_weights();
    let error = to.copy_weights_from(&from, false).unwrap_err().to_string();
    for part in ["`out`", "(8, 2)", "(8, 4)"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(to.get_weights(), before);
    let transfer = to.copy_weights_from(&from, true)?;
    assert_eq!(
        (transfer.copied, transfer.left),
        (vec!["hidden".into()], vec!["out".into()])
    );
    assert_eq!(to.get_weights()[..2], from.get_weights()[..2]);
    assert_eq!(to.get_weights()[2..], before[2..]);
    let mut other = Sequential::new().add(Dense::new(1).input_dim(3).name("other"));
    other.build()?;
    assert!(other.copy_weights_from(&from, false).is_err());
    Ok(())
}

#[test]
fn layers_are_frozen_in_mid_training() -> Result<()> {
    let (x, y) = (wave((40, 3), 0.7), wave((40, 1), 0.2));
    let mut model = Sequential::new()
        .seed(5)
        .add(Dense::new(4).input_dim(3).name("body"))
        .add(BatchNormalization::new().name("norm"))
        .add(Dense::new(1).name("head"));
    let compile = || Compile::new(Adam::new().learning_rate(0.01), MeanSquaredError::new());
    model.compile(compile())?;
    let fit = || Fit::new().epochs(3).verbose(0);
    model.fit(&x, &y, fit())?;
    let before = model.get_weights();
    for layer in ["body", "norm"] {
        model.set_trainable(layer, false)?;
    }
    model.compile(compile())?;
    let history = model.fit(&x, &y, fit())?;
    let after = model.get_weights();
    let head = model.get_layer("head")?.weights().len();
    let frozen = before.len() - head;
    // A frozen normalization does not learn averages either, as in Keras.
    assert_eq!(before[..frozen], after[..frozen]);
    assert_ne!(before[frozen..], after[frozen..]);
    assert!(history["loss"][2] < history["loss"][0]);
    model.set_trainable("body", true)?;
    model.compile(compile())?;
    model.fit(&x, &y, fit())?;
    assert_ne!(model.get_weights()[0], before[0]);
    Ok(())
}

/// `ln(x)`, which is NaN below 0.
#[derive(Debug, Clone)]
struct Logarithm;

impl Layer for Logarithm {
    fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
        x.ln()
    }
}

fn logarithmic() -> Result<Sequential> {
    let mut model = Sequential::new()
        .seed(1)
        .add(Input::new([2]))
        .add(Logarithm)
        .add(Dense::new(1));
    model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    Ok(model)
}

fn cause(error: Error) -> String {
    match error {
        Error::Diverged { cause, .. } => cause,
        other => panic!("{other}"),
    }
}

#[test]
fn a_layer_that_gives_nan_is_named_with_its_rows() -> Result<()> {
    let mut x = wave((20, 2), 0.4).mapv(f32::abs);
    let y = wave((20, 1), 0.2);
    x[[13, 1]] = -1.0;
    x[[15, 0]] = -2.0;
    let mut model = logarithmic()?;
    let before = model.get_weights();
    let fit = || Fit::new().batch_size(20).verbose(0);
    let error = model.fit(&x, &y, fit()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(", because layer `logarithm` gave NaN"),
        "{text}"
    );
    let told = cause(error);
    // In the order of the batch, which is shuffled.
    let rows = ["in rows 13, 15 of the data", "in rows 15, 13 of the data"];
    assert!(rows.iter().any(|rows| told.ends_with(rows)), "{told}");
    assert_eq!(model.get_weights(), before);
    let rows = from_index(20, |row| {
        ([1.0, if row == 6 { -1.0 } else { 1.0 }], row as f32)
    });
    let error = model.fit_dataset(rows, fit()).unwrap_err();
    assert_eq!(
        cause(error),
        "layer `logarithm` gave NaN in row 6 of the batch"
    );
    let error = model.train_on_batch(&x, &y).unwrap_err();
    assert_eq!(
        cause(error),
        "layer `logarithm` gave NaN in rows 13, 15 of the batch"
    );
    Ok(())
}

#[test]
fn weights_that_an_update_has_spoilt_are_named() -> Result<()> {
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(1).input_dim(2).name("only"));
    model.compile(Compile::new(
        SGD::new().learning_rate(1e30),
        MeanSquaredError::new(),
    ))?;
    let (x, y) = (wave((20, 2), 0.4), wave((20, 1), 0.2));
    let error = model
        .fit(&x, &y, Fit::new().epochs(9).batch_size(20).verbose(0))
        .unwrap_err();
    let told = cause(error);
    let parts = ["`only/kernel`", "the loss is inf in every row"];
    assert!(parts.iter().any(|part| told.contains(part)), "{told}");
    Ok(())
}

#[test]
fn a_loss_that_is_infinite_is_told_with_its_row() -> Result<()> {
    let inverse = loss_fn("inverse", |t, p| (p / t).mean(-1));
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
    model.compile(Compile::new(SGD::new(), inverse))?;
    let x = wave((6, 2), 0.4);
    let y = array![1.0, 2.0, 0.0, 1.0, 3.0, 1.0];
    let error = model.fit(&x, &y, Fit::new().verbose(0)).unwrap_err();
    let told = cause(error);
    assert!(
        told.starts_with("all layers gave numbers, but the loss is"),
        "{told}"
    );
    assert!(told.ends_with("in row 2 of the data"), "{told}");
    Ok(())
}

#[test]
fn a_fresh_copy_trains_as_the_model_did() -> Result<()> {
    let (x, y) = (wave((60, 3), 0.7), ids(60));
    let mut model = classifier()?;
    let fit = || {
        let plateau = ReduceLROnPlateau::new()
            .monitor("loss")
            .patience(1)
            .min_delta(0.5);
        Fit::new().epochs(6).verbose(0).callback(plateau)
    };
    let first = model.fit(&x, &y, fit())?;
    let mut same = model.fresh(4)?;
    let mut other = model.fresh(5)?;
    let trained = model.get_weights();
    assert_eq!(same.fit(&x, &y, fit())?, first);
    assert_eq!(same.get_weights(), trained);
    assert_ne!(other.fit(&x, &y, fit())?, first);
    assert_eq!(model.get_weights(), trained);
    Ok(())
}
