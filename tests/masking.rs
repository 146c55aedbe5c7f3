//! Steps that a mask leaves out do not count: from `Masking` through the layers to the loss.
//!
//! Numbers are those of Keras 3.15. Its sample weights have to be a column beside a mask; here they
//! are one for each sample as ever.

use horn::layers::{
    ActivityRegularization, GaussianNoise, Identity, Masking, Rescaling, SpatialDropout1D,
};
use horn::losses::Reduction;
use horn::prelude::*;
use ndarray::Array3;

/// Three sequences of four steps, of which six count.
fn data() -> (Array3<f32>, Array3<f32>) {
    let x = [
        [[1.0, 2.0], [0.0, 0.0], [3.0, -1.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 1.0], [0.5, 0.5], [2.0, 1.0]],
        [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
    ];
    let y = [
        [1.0, 2.0, 3.0, 4.0],
        [-1.0, 0.0, 1.0, 2.0],
        [0.5, 1.0, 1.5, 2.0],
    ];
    let x = Array3::from_shape_fn((3, 4, 2), |(i, j, k)| x[i][j][k]);
    (x, Array3::from_shape_fn((3, 4, 1), |(i, j, _)| y[i][j]))
}

const WEIGHTS: [f32; 3] = [1.0, 2.0, 0.5];

fn compiled(mut model: Sequential, loss: MeanSquaredError) -> Result<Sequential> {
    model.compile(Compile::new(SGD::new().learning_rate(0.1), loss))?;
    Ok(model)
}

/// Masking, other layers, and a dense layer with weights 0.5, -0.25 and 0.125.
fn model(between: Vec<Box<dyn Fn(Sequential) -> Sequential>>) -> Result<Sequential> {
    let mut model = Sequential::new()
        .add(Input::new([4, 2]))
        .add(Masking::new());
    for add in between {
        model = add(model);
    }
    let mut model = compiled(model.add(Dense::new(1)), MeanSquaredError::new())?;
    model.set_weights(&[array![[0.5], [-0.25]].into_dyn(), array![0.125].into_dyn()])?;
    Ok(model)
}

fn close(got: f32, want: f32) {
    assert!(
        (got - want).abs() < 1e-5 * want.abs().max(1.0),
        "{got}, not {want}"
    );
}

#[test]
fn the_loss_leaves_masked_steps_out() -> Result<()> {
    // (reduction, weighted, the loss before a step, the weights after it)
    let cases = [
        (
            Reduction::SumOverBatchSize,
            false,
            0.575_892_87,
            [0.710_714_3, -0.182_142_85, 0.253_571_42],
        ),
        (
            Reduction::SumOverBatchSize,
            true,
            0.828_125,
            [0.778_571_4, -0.137_5, 0.303_571_46],
        ),
        (Reduction::Sum, false, 4.031_25, [1.975, 0.225, 1.025]),
        (Reduction::Sum, true, 5.796_875, [2.45, 0.537_5, 1.375]),
        (
            Reduction::MeanWithSampleWeight,
            false,
            0.575_892_87,
            [0.710_714_3, -0.182_142_85, 0.253_571_42],
        ),
        (
            Reduction::MeanWithSampleWeight,
            true,
            0.644_097_2,
            [0.716_666_7, -0.162_5, 0.263_888_9],
        ),
    ];
    let (x, y) = data();
    for (reduction, weighted, want, after) in cases {
        let mut model = model(Vec::new())?;
        model = compiled(model, MeanSquaredError::new().reduction(reduction))?;
        let (mut evaluate, mut fit) = (Evaluate::new(), Fit::new().verbose(0));
        if weighted {
            evaluate = evaluate.sample_weight(&WEIGHTS[..]);
            fit = fit.sample_weight(&WEIGHTS[..]);
        }
        close(model.evaluate_with(&x, &y, evaluate)?["loss"], want);
        let history = model.fit(&x, &y, fit)?;
        close(history.get("loss").expect("a loss")[0], want);
        let got = model.weights();
        let got = got.iter().flat_map(|weight| weight.values().to_owned());
        got.zip(after).for_each(|(got, want)| close(got, want));
    }
    Ok(())
}

#[test]
fn a_batch_of_nothing_but_masked_steps_costs_nothing() -> Result<()> {
    let (x, y) = data();
    let model = model(Vec::new())?;
    assert_eq!(model.evaluate(&(x * 0.0), &y)?["loss"], 0.0);
    Ok(())
}

#[test]
fn layers_that_look_at_each_step_hand_the_mask_on() -> Result<()> {
    let (x, y) = data();
    let model = model(vec![
        Box::new(|model| model.add(Dropout::new(0.5))),
        Box::new(|model| model.add(ActivityRegularization::new(0.01, 0.1))),
        Box::new(|model| model.add(Identity::new())),
        Box::new(|model| model.add(Rescaling::new(2.0).offset(1.0))),
        Box::new(|model| model.add(GaussianNoise::new(0.1))),
        Box::new(|model| model.add(SpatialDropout1D::new(0.2))),
    ])?;
    close(model.evaluate(&x, &y)?["loss"], 1.096_577_4);
    Ok(())
}

#[test]
fn flatten_drops_the_mask() -> Result<()> {
    let (x, y) = data();
    let y = y.index_axis(Axis(1), 0).to_owned();
    let model = Sequential::new()
        .add(Input::new([4, 2]))
        .add(Masking::new())
        .add(Flatten::new())
        .add(Dense::new(1));
    let mut model = compiled(model, MeanSquaredError::new())?;
    let kernel = Array2::from_shape_fn((8, 1), |(i, _)| i as f32 / 8.0);
    model.set_weights(&[kernel.into_dyn(), array![0.125].into_dyn()])?;
    close(model.evaluate(&x, &y)?["loss"], 6.584_635_3);
    let weighted = Evaluate::new().sample_weight(&WEIGHTS[..]);
    close(model.evaluate_with(&x, &y, weighted)?["loss"], 13.148_437_5);
    Ok(())
}
