//! Every loss in a model that is trained, and what it refuses before training.

use horn::losses::{
    BinaryFocalCrossentropy, CTC, CategoricalFocalCrossentropy, CategoricalGeneralizedCrossEntropy,
    CategoricalHinge, Circle, CosineSimilarity, Dice, Hinge, KLDivergence, Poisson, QuantileLoss,
    SquaredHinge, Tversky,
};
use horn::prelude::*;
use ndarray::{Array, Array3, Dimension};

/// Rows of four numbers; the last batch of five is shorter than the others.
fn x() -> Array2<f32> {
    Array2::from_shape_fn((13, 4), |(i, j)| ((i * 4 + j) as f32 * 0.7).sin())
}

/// What is 1 where the first number of a row is above 0.
fn sides() -> Array2<f32> {
    Array2::from_shape_fn((13, 1), |(i, _)| f32::from(u8::from(x()[[i, 0]] > 0.0)))
}

fn ids() -> Array1<f32> {
    Array1::from_shape_fn(13, |i| (i % 3) as f32)
}

fn one_hot() -> Array2<f32> {
    Array2::from_shape_fn((13, 3), |(i, j)| f32::from(u8::from(i % 3 == j)))
}

/// A model that ends in a layer, compiled with a loss.
fn model(last: Dense, loss: impl Loss + 'static) -> Result<Sequential> {
    let mut model = Sequential::new()
        .seed(5)
        .add(Dense::new(8).input_dim(4).activation(Tanh))
        .add(last);
    model.compile(Compile::new(Adam::new().learning_rate(0.05), loss))?;
    Ok(model)
}

/// Trains a little; the loss must fall, and stay what it is where `evaluate` looks at it again.
fn learns<D: Dimension>(last: Dense, loss: impl Loss + 'static, y: &Array<f32, D>) -> Result<()> {
    let name = loss.name().to_string();
    let mut model = model(last, loss)?;
    let before = model.evaluate(&x(), y)?[0];
    model.fit(&x(), y, Fit::new().epochs(12).batch_size(5).verbose(0))?;
    let after = model.evaluate(&x(), y)?[0];
    assert!(after < before, "{name}: {before}, then {after}");
    Ok(())
}

#[test]
fn training_lowers_them() -> Result<()> {
    let yes = || Dense::new(1).activation(Sigmoid);
    let class = || Dense::new(3).activation(Softmax::new());
    learns(yes(), BinaryFocalCrossentropy::new(), &sides())?;
    learns(yes(), Dice::new(), &sides())?;
    learns(yes(), Tversky::new(), &sides())?;
    learns(Dense::new(1), Hinge::new(), &sides())?;
    learns(Dense::new(1), SquaredHinge::new(), &sides())?;
    learns(class(), CategoricalFocalCrossentropy::new(), &one_hot())?;
    learns(class(), CategoricalGeneralizedCrossEntropy::new(), &ids())?;
    learns(class(), KLDivergence::new(), &one_hot())?;
    learns(Dense::new(3), CategoricalHinge::new(), &one_hot())?;
    learns(Dense::new(3), CosineSimilarity::new(), &one_hot())?;
    learns(Dense::new(3), Circle::new().gamma(2.0), &ids())?;
    learns(
        Dense::new(1).activation(Exponential),
        Poisson::new(),
        &sides(),
    )?;
    learns(Dense::new(1), QuantileLoss::new(0.9), &sides())
}

/// Six steps of four numbers, and up to three labels.
fn sequences() -> (Array3<f32>, Array2<f32>) {
    let x = Array3::from_shape_fn((13, 6, 4), |(i, t, j)| ((i + t * 3 + j) as f32).sin());
    let y = Array2::from_shape_fn((13, 3), |(i, j)| match j <= i % 3 {
        true => ((i + j) % 4 + 1) as f32,
        false => 0.0,
    });
    (x, y)
}

fn reader() -> Result<Sequential> {
    let mut model = Sequential::new()
        .seed(5)
        .add(Input::new([6, 4]))
        .add(Dense::new(5));
    model.compile(Compile::new(Adam::new().learning_rate(0.05), CTC::new()))?;
    Ok(model)
}

#[test]
fn rows_of_labels_are_learnt() -> Result<()> {
    let (x, y) = sequences();
    let mut model = reader()?;
    let before = model.evaluate(&x, &y)?[0];
    model.fit(&x, &y, Fit::new().epochs(8).batch_size(5).verbose(0))?;
    let after = model.evaluate(&x, &y)?[0];
    assert!(after < before, "{before}, then {after}");
    // Rows that are longer by zeros hold the same labels.
    let mut longer = Array2::zeros((13, 5));
    longer.slice_mut(ndarray::s![.., ..3]).assign(&y);
    let again = model.evaluate(&x, &longer)?[0];
    assert!((again - after).abs() < 1e-5, "{again}, not {after}");
    Ok(())
}

fn refused<T>(result: Result<T>, parts: &[&str]) {
    let text = result.err().expect("targets that do not fit").to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn targets_that_they_cannot_take_are_refused() -> Result<()> {
    let fit = || Fit::new().epochs(1).verbose(0);
    let (steps, labels) = sequences();
    let mut too_high = labels.clone();
    too_high[[4, 1]] = 5.0;
    let parts = ["CTC", "row 4", "5", "0 to 4"];
    refused(reader()?.fit(&steps, &too_high, fit()), &parts);
    let flat = Array1::<f32>::zeros(13);
    refused(
        reader()?.fit(&steps, &flat, fit()),
        &["ctc", "row of class ids"],
    );

    let circle = || model(Dense::new(3), Circle::new());
    let mut halves = ids();
    halves[2] = 0.5;
    refused(
        circle()?.fit(&x(), &halves, fit()),
        &["Circle", "row 2", "whole number"],
    );
    refused(
        circle()?.fit(&x(), &one_hot(), fit()),
        &["circle", "one whole number a row"],
    );

    let focal = || model(Dense::new(1), BinaryFocalCrossentropy::new());
    let outside = sides() * 2.0;
    refused(
        focal()?.fit(&x(), &outside, fit()),
        &["BinaryFocalCrossentropy", "0 to 1"],
    );

    let classes = Dense::new(2).activation(Softmax::new());
    let mut general = model(classes, CategoricalGeneralizedCrossEntropy::new())?;
    let parts = ["CategoricalGeneralizedCrossEntropy", "row 2", "0 to 1"];
    refused(general.fit(&x(), &ids(), fit()), &parts);
    Ok(())
}
