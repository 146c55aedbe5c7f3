//! The layers of sequences and tables in models that are trained, and what they refuse.

use horn::layers::{
    BatchNormalization, CategoryEncoding, Discretization, Embedding, Hashing, IntegerLookup,
    Masking, Normalization, OutputMode, SpectralNormalization, StringLookup,
};
use horn::metrics::{Average, F1Score, Precision};
use horn::optimizers::LBFGS;
use horn::prelude::*;
use ndarray::Array3;

/// What Keras 3.15 on JAX computes for `sequences`: its loss, its loss with sample weights (which
/// there want to be of shape (batch, 1)), the kernel after a step, and the loss of ids.
const MASKED: [f32; 2] = [0.675_918_16, 0.443_499_8];
const TRAINED: [f32; 2] = [0.492_995_08, -0.249_777_12];
const OF_IDS: f32 = 2.5;

/// Sequences of 2, 3 and 4 steps, padded with zeros.
fn sequences() -> (Array3<f32>, Array3<f32>) {
    let x = Array3::from_shape_fn((3, 4, 2), |(i, t, c)| match t < i + 2 {
        true if c == 0 => ((i + t + 1) as f32).sin(),
        true => ((i * t) as f32 + 0.5).cos(),
        false => 0.0,
    });
    let y = Array3::from_shape_fn((3, 4, 1), |(i, t, _)| (i * 4 + t) as f32 * 0.1);
    (x, y)
}

fn set(model: &mut Sequential, weights: &[(&[usize], &[f32])]) -> Result<()> {
    let arrays: Vec<ArrayD<f32>> = weights
        .iter()
        .map(|(shape, numbers)| {
            ArrayD::from_shape_vec(*shape, numbers.to_vec()).expect("as many numbers")
        })
        .collect();
    model.set_weights(&arrays)
}

#[test]
fn masked_steps_cost_nothing() -> Result<()> {
    let (x, y) = sequences();
    let mut model = Sequential::new()
        .add(Input::new([4, 2]))
        .add(Masking::new())
        .add(Dense::new(1));
    model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    set(&mut model, &[(&[2, 1], &[0.5, -0.25]), (&[1], &[0.1])])?;
    // Keras 3.15 on JAX: the same model, evaluated, evaluated with sample weights, trained a step.
    let close = |got: f32, want: f32| assert!((got - want).abs() < 1e-5, "{got} {want}");
    close(model.evaluate(&x, &y)?[0], MASKED[0]);
    let weights = [1.0, 2.0, 0.5];
    let weighted = Evaluate::new().sample_weight(&weights);
    close(model.evaluate_with(&x, &y, weighted)?[0], MASKED[1]);
    model.fit(&x, &y, Fit::new().batch_size(3).verbose(0))?;
    for (got, want) in model.weights()[0].values().iter().zip(TRAINED) {
        close(*got, want);
    }
    Ok(())
}

#[test]
fn an_id_of_zero_can_stand_for_nothing() -> Result<()> {
    let mut model = Sequential::new()
        .add(Input::new([3]))
        .add(Embedding::new(4, 2).mask_zero(true))
        .add(Dense::new(1));
    model.compile(Compile::new(SGD::new(), MeanAbsoluteError::new()))?;
    let table: Vec<f32> = (0..8).map(|i| i as f32 / 4.0).collect();
    set(
        &mut model,
        &[(&[4, 2], &table), (&[2, 1], &[1.0, 2.0]), (&[1], &[0.0])],
    )?;
    let ids = array![[1, 2, 0], [3, 0, 0]];
    let loss = model.evaluate(&ids, &Array3::<f32>::ones((2, 3, 1)))?[0];
    assert!((loss - OF_IDS).abs() < 1e-5, "{loss}");
    Ok(())
}

#[test]
fn ids_beyond_the_rows_are_refused_with_their_place() -> Result<()> {
    let mut model = Sequential::new()
        .add(Input::new([2]))
        .add(Embedding::new(5, 3).name("words"))
        .add(Flatten::new())
        .add(Dense::new(1));
    model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    let y = array![0.0, 1.0];
    for (bad, id) in [(5.0, "5"), (-1.0, "-1"), (1.5, "1.5")] {
        let x = array![[0.0, 4.0], [2.0, bad]];
        let errors = [
            model
                .fit(&x, &y, Fit::new().verbose(0))
                .map(|_| ())
                .unwrap_err(),
            model.evaluate(&x, &y).map(|_| ()).unwrap_err(),
            model.predict(&x).map(|_| ()).unwrap_err(),
        ];
        for error in errors {
            let message = error.to_string();
            for word in ["words", "0 to 4", &format!("got {id}"), "row 1", "column 1"] {
                assert!(message.contains(word), "{message}");
            }
        }
    }
    Ok(())
}

#[test]
fn batch_normalization_learns_what_predictions_use() -> Result<()> {
    let x = Array2::from_shape_fn((64, 2), |(i, j)| {
        (i as f32 * 0.37 + j as f32).sin() * 3.0 + 5.0
    });
    let y = x.map_axis(Axis(1), |row| row[0] - row[1]);
    let mut model = Sequential::new()
        .seed(2)
        .add(Input::new([2]))
        .add(BatchNormalization::new().momentum(0.5))
        .add(Dense::new(1));
    model.compile(Compile::new(
        Adam::new().learning_rate(0.01),
        MeanSquaredError::new(),
    ))?;
    let before = model.predict(&x)?;
    assert_eq!(model.count_params(), 2 * 4 + 3);
    model.fit(&x, &y, Fit::new().epochs(30).batch_size(64).verbose(0))?;
    let averages: Vec<Vec<f32>> = model
        .weights()
        .iter()
        .filter(|weight| weight.path().contains("moving"))
        .map(|weight| weight.values().iter().copied().collect())
        .collect();
    let mean = x.mean_axis(Axis(0)).expect("rows");
    for (got, want) in averages[0].iter().zip(&mean) {
        assert!((got - want).abs() < 1e-3, "{got} {want}");
    }
    assert_ne!(model.predict(&x)?, before);
    // A copy of the weights is a copy of the model.
    let mut twin = model.clone();
    twin.set_weights(&model.get_weights())?;
    assert_eq!(twin.predict(&x)?, model.predict(&x)?);
    // Frozen, it does not move.
    model.set_trainable("batch_normalization", false)?;
    model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    model.fit(&x, &y, Fit::new().verbose(0))?;
    let moving = model.weights();
    let moving = moving
        .iter()
        .find(|w| w.path().ends_with("moving_mean"))
        .expect("there");
    assert!(
        moving
            .values()
            .iter()
            .zip(&averages[0])
            .all(|(a, b)| a == b)
    );
    Ok(())
}

#[test]
fn spectral_normalization_holds_the_largest_singular_value_at_one() -> Result<()> {
    let x = Array2::from_shape_fn((32, 3), |(i, j)| ((i * 3 + j) as f32).sin());
    let y = x.map_axis(Axis(1), |row| row.sum() * 50.0);
    let mut model = Sequential::new()
        .seed(4)
        .add(Input::new([3]))
        .add(SpectralNormalization::new(Dense::new(1).use_bias(false)).power_iterations(3));
    model.compile(Compile::new(
        SGD::new().learning_rate(1e-4),
        MeanSquaredError::new(),
    ))?;
    model.fit(&x, &y, Fit::new().epochs(5).verbose(0))?;
    let weights = model.weights();
    let kernel = weights
        .iter()
        .find(|w| w.path().ends_with("kernel"))
        .expect("a kernel");
    // A kernel of one column has its norm as its only singular value; a step of training moves it.
    let norm = kernel.values().iter().map(|w| w * w).sum::<f32>().sqrt();
    assert!((norm - 1.0).abs() < 0.1, "{norm}");
    Ok(())
}

#[test]
fn numbers_are_normalized_and_brought_back() -> Result<()> {
    let x = array![[1.0, 100.0], [2.0, 250.0], [4.0, 400.0]];
    let there = Normalization::new().adapt(&x)?;
    let back = Normalization::new().invert(true).adapt(&x)?;
    let mut model = Sequential::new().add(Input::new([2])).add(there).add(back);
    model.build()?;
    for (got, want) in model.predict(&x)?.iter().zip(&x) {
        assert!((f64::from(*got) - want).abs() < 1e-3, "{got} {want}");
    }
    // One mean and variance for all.
    let whole = Normalization::new()
        .axes([])
        .adapt(&array![[1.0, 3.0], [5.0, 7.0]])?;
    let mut model = Sequential::new().add(Input::new([2])).add(whole);
    model.build()?;
    let y = model.predict(&array![[4.0, 4.0]])?;
    assert!(y.iter().all(|y| y.abs() < 1e-6), "{y}");
    Ok(())
}

/// The message of a model that cannot be built from a layer.
fn refused(row: &[usize], layer: impl Layer + 'static) -> String {
    let mut model = Sequential::new().add(Input::new(row)).add(layer);
    model.build().expect_err("refused").to_string()
}

#[test]
fn layers_that_have_not_seen_data_say_so() -> Result<()> {
    let message = refused(&[2], Normalization::new().name("scaler"));
    assert!(
        message.contains("scaler") && message.contains("`adapt`"),
        "{message}"
    );
    for message in [
        refused(&[2], Discretization::with_bins(4)),
        refused(&[2], IntegerLookup::new()),
    ] {
        assert!(message.contains("`adapt`"), "{message}");
    }
    let adapted = Normalization::new().adapt(&array![[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]])?;
    let message = refused(&[2], adapted);
    assert!(
        message.contains("adapted to 3 columns, and meets 2"),
        "{message}"
    );
    assert!(
        Normalization::new()
            .adapt(&Array2::<f32>::zeros((0, 3)))
            .is_err()
    );
    Ok(())
}

#[test]
fn wrong_settings_are_named_at_build() {
    for (message, words) in [
        (refused(&[4], Dropout::new(1.5)), ["`rate`", "1.5"]),
        (
            refused(&[4], BatchNormalization::new().momentum(2.0)),
            ["`momentum`", "2"],
        ),
        (
            refused(&[4], BatchNormalization::new().axis(3)),
            ["`axis`", "got 3"],
        ),
        (
            refused(&[4], horn::layers::LayerNormalization::new().axis(0)),
            ["`axis`", "got 0"],
        ),
        (
            refused(&[6], horn::layers::GroupNormalization::new().groups(4)),
            ["`groups`", "got 4"],
        ),
        (
            refused(&[4], horn::layers::GaussianNoise::new(-0.1)),
            ["`stddev`", "-0.1"],
        ),
        (
            refused(&[4, 2], horn::layers::Permute::new([1, 3])),
            ["`dims`", "[1, 3]"],
        ),
        (
            refused(&[4], horn::layers::RepeatVector::new(0)),
            ["`n`", "got 0"],
        ),
        (
            refused(&[4, 2], horn::layers::Cropping1D::new((3, 1))),
            ["`cropping`", "3 and 1"],
        ),
        (
            refused(&[4], Embedding::new(0, 3)),
            ["`input_dim`", "got 0"],
        ),
        (
            refused(&[4], CategoryEncoding::new(0)),
            ["`num_tokens`", "got 0"],
        ),
        (refused(&[4], Hashing::new(0)), ["`num_bins`", "got 0"]),
        (
            refused(&[4], Discretization::new([1.0, 3.0, 2.0])),
            ["`bin_boundaries`", "sorted"],
        ),
        (
            refused(
                &[4, 3],
                horn::layers::EinsumDense::new("abc,cd->abe", [None, Some(2)]),
            ),
            ["`equation`", "`e`"],
        ),
        (
            refused(&[4], IntegerLookup::new().vocabulary([3_i64, 3])),
            ["`vocabulary`", "3 twice"],
        ),
    ] {
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn metrics_of_several_results_are_not_logged() {
    let compile = |metric: Box<dyn Metric>| {
        let mut model = Sequential::new().add(Dense::new(3).input_dim(2).activation(Sigmoid));
        let compile = Compile::new(SGD::new(), BinaryCrossentropy::new()).metric(metric);
        model.compile(compile).map_err(|error| error.to_string())
    };
    for metric in [
        Box::new(F1Score::new()) as Box<dyn Metric>,
        Box::new(Precision::new().thresholds([0.2, 0.8])),
    ] {
        let message = compile(metric).expect_err("several");
        assert!(message.contains("one number"), "{message}");
    }
    assert_eq!(
        compile(Box::new(F1Score::new().average(Average::Macro))),
        Ok(())
    );
}

#[test]
fn categories_are_encoded_as_keras_encodes_them() -> Result<()> {
    let through = |layer: Box<dyn Fn(OutputMode) -> Sequential>, x: &Array2<i32>, mode| {
        let mut model = layer(mode);
        model.build()?;
        model.predict_nd(x)
    };
    let encoding = |mode| {
        let layer = CategoryEncoding::new(4).output_mode(mode);
        Sequential::new().add(Input::new([2])).add(layer)
    };
    // Of Keras's documentation of CategoryEncoding.
    let x = array![[0, 1], [0, 0], [1, 2], [3, 1]];
    let many = through(Box::new(encoding), &x, OutputMode::MultiHot)?;
    let want = array![
        [1., 1., 0., 0.],
        [1., 0., 0., 0.],
        [0., 1., 1., 0.],
        [0., 1., 0., 1.]
    ];
    assert_eq!(many, want.into_dyn());
    let count = through(Box::new(encoding), &x, OutputMode::Count)?;
    let want = array![
        [1., 1., 0., 0.],
        [2., 0., 0., 0.],
        [0., 1., 1., 0.],
        [0., 1., 0., 1.]
    ];
    assert_eq!(count, want.into_dyn());

    // Of Keras's documentation of IntegerLookup: -1 stands for what is not known.
    let lookup = |mode| {
        let layer = IntegerLookup::new()
            .vocabulary([12_i64, 36, 1138, 42])
            .output_mode(mode);
        Sequential::new().add(Input::new([4])).add(layer)
    };
    let x = array![[12, 1138, 42, 42], [42, 7, 36, 7]];
    let counts = through(Box::new(lookup), &x, OutputMode::Count)?;
    let want = array![[0., 1., 0., 1., 2.], [2., 0., 1., 0., 1.]];
    assert_eq!(counts, want.into_dyn());
    Ok(())
}

#[test]
fn words_become_indices_and_come_back() -> Result<()> {
    // Of Keras's documentation of StringLookup.
    let vocabulary = ["a", "b", "c", "d"];
    let words = array![["a", "c", "d"], ["d", "z", "b"]];
    let lookup = StringLookup::new().vocabulary(vocabulary);
    assert_eq!(
        lookup.call(&words)?,
        array![[1., 3., 4.], [4., 0., 2.]].into_dyn()
    );
    assert_eq!(lookup.inverse(&[1.0, 9.0, 4.0]), ["a", "[UNK]", "d"]);

    let weights = [0.25, 0.75, 0.6, 0.4];
    let words = array![["a", "c", "d", "d"], ["d", "z", "b", "z"]];
    let idf = StringLookup::new()
        .output_mode(OutputMode::TfIdf)
        .vocabulary(vocabulary);
    let got = idf.idf_weights(weights).call(&words)?;
    // The unknown counts as the mean of the weights, 0.5.
    let want = array![[0.0, 0.25, 0.0, 0.6, 0.8], [1.0, 0.0, 0.75, 0.0, 0.4]];
    assert!(
        got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-6),
        "{got}"
    );

    // Two indices for the unknown: TensorFlow's fingerprints choose.
    let several = StringLookup::new()
        .vocabulary(vocabulary)
        .num_oov_indices(2);
    let got = several.call(&array![["a", "c", "d"], ["m", "z", "b"]])?;
    assert_eq!(got, array![[2., 4., 5.], [0., 1., 3.]].into_dyn());

    let strict = StringLookup::new()
        .vocabulary(vocabulary)
        .num_oov_indices(0);
    let message = strict.call(&words).expect_err("unknown").to_string();
    assert!(
        message.contains("row 1") && message.contains("\"z\""),
        "{message}"
    );

    // The most frequent first, of equally frequent ones the last in the alphabet.
    let adapted = StringLookup::new().adapt(&array![["a", "c", "d", "d"], ["d", "z", "b", "z"]])?;
    assert_eq!(adapted.get_vocabulary(), ["[UNK]", "d", "z", "c", "b", "a"]);
    Ok(())
}

#[test]
fn curvature_beats_the_gradient_on_small_data() -> Result<()> {
    let x = Array2::from_shape_fn((60, 3), |(i, j)| ((i * 5 + j * 3) as f32 * 0.7).sin());
    let y = x.map_axis(Axis(1), |row| (row[0] * 2.0).tanh() + row[1] * row[2]);
    let fit = |optimizer: Box<dyn Optimizer>, epochs: usize| -> Result<f32> {
        let mut model = Sequential::new()
            .seed(3)
            .add(Dense::new(8).input_dim(3).activation(Tanh))
            .add(Dense::new(1));
        model.compile(Compile::new(optimizer, MeanSquaredError::new()))?;
        model.fit(&x, &y, Fit::new().epochs(epochs).batch_size(60).verbose(0))?;
        Ok(model.evaluate(&x, &y)?[0])
    };
    // As many evaluations of the loss, about.
    let curved = fit(Box::new(LBFGS::new()), 20)?;
    let straight = fit(Box::new(Adam::new().learning_rate(0.01)), 500)?;
    assert!(curved < straight && curved < 1e-3, "{curved} {straight}");
    Ok(())
}
