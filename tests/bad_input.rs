//! Mistakes are errors that a newcomer understands, and leave the model as it was.

#![allow(clippy::unwrap_used)]

use horn::callbacks::{Control, Logs};
use horn::losses::Reduction;
use horn::prelude::*;

/// A compiled model of two inputs and one output, trained a little so that Adam has moments.
fn model() -> Sequential {
    let mut model = Sequential::new()
        .seed(3)
        .add(Dense::new(4).input_dim(2).activation(Tanh))
        .add(Dense::new(1).activation(Sigmoid));
    let compile = Compile::new(Adam::new().learning_rate(0.01), BinaryCrossentropy::new());
    model.compile(compile.metric(Accuracy)).unwrap();
    model.fit(&x(), &y(), Fit::new().verbose(0)).unwrap();
    model
}

/// The same for three classes.
fn classifier(loss: impl Loss + 'static) -> Sequential {
    let mut model = Sequential::new().seed(3).add(
        Dense::new(3)
            .input_dim(2)
            .activation(activations::Softmax::new()),
    );
    model.compile(Compile::new(SGD::new(), loss)).unwrap();
    model
}

fn x() -> Array2<f32> {
    array![[0.0, 0.5], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
}

fn y() -> Array1<f32> {
    array![0.0, 1.0, 1.0, 0.0]
}

fn fit<'a>() -> Fit<'a> {
    Fit::new().verbose(0)
}

fn bits(model: &Sequential) -> Vec<u32> {
    let weights = model.get_weights();
    weights.iter().flatten().map(|w| w.to_bits()).collect()
}

/// The text of an error, which must hold all of these.
#[track_caller]
fn says<T>(result: horn::Result<T>, parts: &[&str]) -> String {
    let text = match result {
        Ok(_) => panic!("no error, where one with {parts:?} should be"),
        Err(error) => error.to_string(),
    };
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    text
}

/// A mistake is refused with these words, and the model trains on as if it had not been made.
#[track_caller]
fn refuses_on<T>(
    mut model: Sequential,
    good: (&Array2<f32>, &dyn horn::data::AsRows),
    parts: &[&str],
    mistake: impl FnOnce(&mut Sequential) -> horn::Result<T>,
) {
    let mut witness = model.clone();
    let before = bits(&model);
    says(mistake(&mut model), parts);
    assert_eq!(bits(&model), before, "the weights changed");
    // The optimizer's moments, the count of steps and the rate show in what comes next.
    for model in [&mut model, &mut witness] {
        model.fit(good.0, &Erased(good.1), fit().epochs(2)).unwrap();
    }
    assert_eq!(bits(&model), bits(&witness), "training goes on differently");
}

struct Erased<'a>(&'a dyn horn::data::AsRows);

impl horn::data::AsRows for Erased<'_> {
    fn as_rows(&self) -> horn::data::Rows<'_> {
        self.0.as_rows()
    }
}

#[track_caller]
fn refuses<T>(parts: &[&str], mistake: impl FnOnce(&mut Sequential) -> horn::Result<T>) {
    refuses_on(model(), (&x(), &y()), parts, mistake);
}

fn mse() -> Compile {
    Compile::new(SGD::new(), MeanSquaredError::new())
}

/// A model of this layer behind two inputs is refused, by `build` and by `compile`, with the
/// layer's name and these words.
#[track_caller]
fn layer_refused(layer: impl Layer + Clone + 'static, parts: &[&str]) {
    let mut model = Sequential::new().add(Input::new([2])).add(layer);
    says(model.build(), parts);
    says(model.compile(mse()), parts);
    assert!(model.weights().is_empty());
    assert_eq!(model.count_params(), 0);
}

/// A setting of the optimizer or loss is refused, and what the model was compiled with before
/// stays in force.
#[track_caller]
fn compile_refused(compile: Compile, parts: &[&str]) {
    refuses(parts, |model| model.compile(compile));
}

// --- Models.

#[test]
fn a_first_layer_without_an_input_shape_is_told_both_ways_to_give_one() {
    let mut model = Sequential::new().add(Dense::new(3)).add(Dense::new(1));
    let parts = [
        "`dense`",
        "first",
        "shape of its inputs",
        "input_dim",
        "Input::new",
    ];
    says(model.build(), &parts);
    says(model.compile(mse()), &parts);
    says(model.input_shape(), &parts);
    let mut named = Sequential::new().add(Dropout::new(0.5).name("noise"));
    says(named.build(), &["`noise`", "Input::new"]);
}

#[test]
fn a_model_without_layers_is_told_to_add_one() {
    says(Sequential::new().build(), &["no layers", ".add("]);
    says(Sequential::new().compile(mse()), &["no layers", ".add("]);
}

#[test]
fn steps_before_build_and_compile_name_the_step_that_is_missing() {
    let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
    says(
        model.predict(&x()),
        &["predict", "call `compile` or `build`"],
    );
    says(model.predict_nd(&x()), &["predict", "build"]);
    says(model.predict_classes(&x()), &["predict", "build"]);
    says(model.predictor(1), &["predictor", "build"]);
    says(model.output_shape(), &["output_shape", "build"]);
    says(model.set_weights(&[]), &["set_weights", "build"]);
    for built in [false, true] {
        if built {
            model.build().unwrap();
        }
        says(model.fit(&x(), &y(), fit()), &["`fit`", "call `compile`"]);
        says(
            model.evaluate(&x(), &y()),
            &["`evaluate`", "call `compile`"],
        );
        says(
            model.train_on_batch(&x(), &y()),
            &["`train_on_batch`", "call `compile`"],
        );
        says(model.test_on_batch(&x(), &y()), &["call `compile`"]);
    }
    model.compile(mse()).unwrap();
    assert!(model.fit(&x(), &y(), fit()).is_ok());
}

#[test]
fn a_changed_model_must_be_compiled_again() {
    let mut model = model();
    model.push(Dense::new(1));
    says(model.fit(&x(), &y(), fit()), &["`fit`", "compile"]);
    says(model.evaluate(&x(), &y()), &["`evaluate`", "compile"]);
    says(model.predict(&x()), &["`predict`", "compile"]);
    model.pop();
    says(model.fit(&x(), &y(), fit()), &["`fit`", "compile"]);
}

#[test]
fn a_layer_in_the_place_of_another_is_not_run_with_what_the_other_left() {
    let mut model = model();
    model.pop();
    model.push(Activation::new(Tanh));
    // Either is honest: an error that asks for `build`, or the four outputs that there are now.
    match model.predict(&x()) {
        Err(error) => assert!(error.to_string().contains("build"), "{error}"),
        Ok(outputs) => assert_eq!(outputs.dim(), (4, 4)),
    }
    model.build().unwrap();
    assert_eq!(model.predict(&x()).unwrap().dim(), (4, 4));
}

#[test]
fn two_layers_of_one_name_are_refused() {
    let mut model = Sequential::new()
        .add(Dense::new(2).input_dim(2).name("twin"))
        .add(Dense::new(1).name("twin"));
    says(model.build(), &["name", "`twin`", "one layer only"]);
    // A name of one's own may meet one that the model makes.
    let mut model = Sequential::new()
        .add(Dense::new(2).input_dim(2))
        .add(Dense::new(2))
        .add(Dense::new(1).name("dense_1"));
    says(model.build(), &["`dense_1`"]);
    for name in ["", "a/b"] {
        let mut model = Sequential::new().add(Dense::new(2).input_dim(2).name(name));
        says(model.build(), &["name", "not empty", "without `/`"]);
    }
}

#[test]
fn zero_units_are_refused_with_the_layer_s_name() {
    layer_refused(
        Dense::new(0),
        &["layer `dense`", "`units`", "at least 1", "got 0"],
    );
    let mut model = Sequential::new()
        .add(Dense::new(2).input_dim(2))
        .add(Dense::new(0).name("out"));
    says(
        model.compile(mse()),
        &["layer `out`", "`units`", "at least 1"],
    );
}

#[test]
fn rates_and_slopes_out_of_range_are_refused_with_the_layer_s_name() {
    for rate in [1.5, -0.1, f32::NAN, f32::INFINITY] {
        let found = rate.to_string();
        let parts = ["layer `dropout`", "`rate`", "between 0 and 1", &found];
        layer_refused(Dropout::new(rate), &parts);
    }
    let all = layers::AlphaDropout::new(1.0);
    layer_refused(
        all,
        &["layer `alpha_dropout`", "`rate`", "below 1 in training"],
    );
    layer_refused(
        LeakyReLU::new().negative_slope(f32::NAN),
        &["leaky_re_lu", "negative_slope"],
    );
    layer_refused(ELU::new().alpha(f32::INFINITY), &["elu", "alpha"]);
    layer_refused(ReLU::new().max_value(-1.0), &["re_lu", "max_value", "-1"]);
    layer_refused(ReLU::new().threshold(-1.0), &["re_lu", "threshold"]);
    layer_refused(
        ReLU::new().negative_slope(f32::NAN),
        &["re_lu", "negative_slope", "NaN"],
    );
}

#[test]
fn shapes_that_do_not_fit_name_the_layer_and_both() {
    layer_refused(Reshape::new([3]), &["layer `reshape`", "(None, 2)", "[3]"]);
    layer_refused(
        Reshape::new([-1, -1]),
        &["layer `reshape`", "target_shape", "at most once"],
    );
    layer_refused(Reshape::new([-2]), &["layer `reshape`", "target_shape"]);
    layer_refused(layers::Softmax::new().axis(5), &["layer `softmax`", "5"]);
    layer_refused(
        PReLU::new().shared_axes([7]),
        &["layer `p_re_lu`", "shared_axes", "7"],
    );
    layer_refused(
        PReLU::new().shared_axes([0]),
        &["layer `p_re_lu`", "shared_axes", "0"],
    );
    let noise = Dropout::new(0.5).noise_shape([None]);
    layer_refused(noise, &["layer `dropout`", "noise_shape", "axes"]);
    layer_refused(
        Dropout::new(0.5).noise_shape([Some(2), Some(3)]),
        &["layer `dropout`"],
    );
    let halves = Dense::new(3).activation(activations::Glu::new());
    layer_refused(halves, &["layer `dense`", "glu", "odd"]);
    let mut flat = Sequential::new().add(Input::new([])).add(Dense::new(1));
    says(flat.build(), &["layer `dense`", "(batch, ..., columns)"]);
}

#[test]
fn a_layer_that_loses_the_batch_is_refused() {
    #[derive(Debug, Clone)]
    struct Mean;
    impl Layer for Mean {
        fn call(&self, _scope: &mut Scope, x: &Value) -> Value {
            x.mean(..)
        }
    }
    layer_refused(Mean, &["layer `mean`", "keep the batch"]);
}

#[test]
fn shapes_that_overflow_are_refused() {
    let mut model = Sequential::new()
        .add(Input::new([usize::MAX, 2]))
        .add(Flatten::new());
    says(model.build(), &["18446744073709551615", "fits in memory"]);
    layer_refused(
        Dense::new(usize::MAX),
        &["layer `dense`", "kernel", "too large"],
    );
    layer_refused(Dense::new(usize::MAX / 8), &["layer `dense`", "too large"]);
    layer_refused(Reshape::new([isize::MAX, 4]), &["layer `reshape`"]);
    let mut model = Sequential::new().add(Dense::new(1).input_dim(usize::MAX));
    says(model.build(), &["18446744073709551615"]);
    let mut model = Sequential::new()
        .add(Input::new([1; 9]))
        .add(Flatten::new());
    says(model.build(), &["1, 1"]);
    // A batch of outputs is too large even where the weights are not.
    let wide = Dense::new(usize::MAX).use_bias(false);
    let mut model = Sequential::new().add(Input::new([0])).add(wide);
    says(model.build(), &["layer `dense`", "large"]);
    // One row fits, many do not.
    let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
    model.build().unwrap();
    says(model.predictor(usize::MAX), &["memory"]);
}

/// Fits the address space, and not the machine: the process must live to tell.
#[test]
fn a_layer_larger_than_the_memory_is_an_error_and_no_abort() {
    if std::env::var_os("HORN_TEST_TOO_LARGE").is_some() {
        layer_refused(Dense::new(1 << 50), &["layer `dense`", "memory"]);
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_layer_larger_than_the_memory_is_an_error_and_no_abort",
        ])
        .env("HORN_TEST_TOO_LARGE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr) + String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}");
}

// --- Data.

#[test]
fn a_wrong_number_of_columns_names_the_layer_and_both_shapes() {
    let wide = Array2::<f32>::zeros((4, 3));
    let parts = [
        "layer `dense`",
        "(batch, 2)",
        "(batch, 3)",
        "columns",
        "input_dim",
    ];
    refuses(&parts, |m| m.fit(&wide, &y(), fit()));
    refuses(&parts, |m| m.evaluate(&wide, &y()));
    refuses(&parts, |m| m.predict(&wide));
    refuses(&parts, |m| m.predict_nd(&wide));
    refuses(&parts, |m| m.train_on_batch(&wide, &y()));
    refuses(&parts, |m| m.test_on_batch(&wide, &y()));
    refuses(&parts, |m| {
        m.fit(&x(), &y(), fit().validation_data(&wide, &y()))
    });
    let flat = array![1.0, 2.0, 3.0, 4.0];
    refuses(&["layer `dense`", "(batch, 2)"], |m| m.predict(&flat));
    let deep = ndarray::Array3::<f32>::zeros((4, 2, 1));
    refuses(&["layer `dense`", "(batch, 2)", "(batch, 2, 1)"], |m| {
        m.predict(&deep)
    });
    refuses(
        &["`predict_into`", "4 inputs and 2 outputs", "3 and 2"],
        |m| m.predictor(2)?.predict_into(&[0.0; 3], &mut [0.0; 2]),
    );
    refuses(&["`predict_into`", "4 and 1"], |m| {
        m.predictor(2)?.predict_into(&[0.0; 4], &mut [0.0; 1])
    });
}

#[test]
fn outputs_of_three_axes_are_told_of_predict_nd() {
    let mut model = Sequential::new()
        .add(Input::new([2]))
        .add(Reshape::new([2, 1]));
    model.build().unwrap();
    says(
        model.predict(&x()),
        &["(rows, units)", "(4, 2, 1)", "predict_nd"],
    );
}

#[test]
fn targets_of_another_length_name_both_lengths() {
    let short = array![0.0, 1.0, 1.0];
    let parts = ["`y`", "as many rows", "4", "3", "one target"];
    refuses(&parts, |m| m.fit(&x(), &short, fit()));
    refuses(&parts, |m| m.evaluate(&x(), &short));
    refuses(&parts, |m| m.train_on_batch(&x(), &short));
    refuses(&parts, |m| {
        m.fit(&x(), &y(), fit().validation_data(&x(), &short))
    });
}

#[test]
fn targets_of_another_shape_name_the_loss_and_both_shapes() {
    let two = Array2::<f32>::zeros((4, 2));
    let parts = ["binary_crossentropy", "(batch, 1)", "(batch, 2)", "units"];
    refuses(&parts, |m| m.fit(&x(), &two, fit()));
    refuses(&parts, |m| m.evaluate(&x(), &two));
    refuses(&parts, |m| m.train_on_batch(&x(), &two));
    // A row of targets is not stretched over a column of outputs, as it is in Keras.
    let row = Array2::<f32>::zeros((1, 4));
    refuses(&["`y`", "4", "1"], |m| m.fit(&x(), &row, fit()));
}

#[test]
fn class_ids_and_one_hot_targets_are_told_apart() {
    let ids = array![0, 1, 2, 0];
    let one_hot = array![[1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 0., 0.]];
    let parts = ["(batch, 3)", "(batch,)", "SparseCategoricalCrossentropy"];
    let dense = classifier(CategoricalCrossentropy::new());
    refuses_on(dense, (&x(), &one_hot), &parts, |m| {
        m.fit(&x(), &ids, fit())
    });
    let parts = [
        "class id",
        "0 to 2",
        "(batch, 3)",
        "`CategoricalCrossentropy`",
    ];
    let sparse = classifier(SparseCategoricalCrossentropy::new());
    refuses_on(sparse, (&x(), &ids), &parts, |m| {
        m.fit(&x(), &one_hot, fit())
    });
}

#[test]
fn class_ids_out_of_range_or_not_whole_are_named_by_row() {
    let good = array![0, 1, 2, 0];
    for (bad, row, value) in [
        (array![0.0, 1.0, 3.0, 0.0], "row 2", "3"),
        (array![0.0, -1.0, 2.0, 0.0], "row 1", "-1"),
        (array![0.0, 1.0, 2.0, 0.5], "row 3", "0.5"),
    ] {
        let parts = [
            "SparseCategoricalCrossentropy",
            row,
            value,
            "whole number",
            "0 to 2",
            "units",
        ];
        let sparse = || classifier(SparseCategoricalCrossentropy::new());
        refuses_on(sparse(), (&x(), &good), &parts, |m| {
            m.fit(&x(), &bad, fit())
        });
        refuses_on(sparse(), (&x(), &good), &parts, |m| m.evaluate(&x(), &bad));
        refuses_on(sparse(), (&x(), &good), &parts, |m| {
            m.train_on_batch(&x(), &bad)
        });
        refuses_on(sparse(), (&x(), &good), &parts, |m| {
            let held = x();
            m.fit(&x(), &good, fit().validation_data(&held, &bad))
        });
    }
    // The ignored class may lie outside.
    let mut ignoring = classifier(SparseCategoricalCrossentropy::new().ignore_class(-1));
    assert!(ignoring.fit(&x(), &array![0, -1, 2, 0], fit()).is_ok());
    says(
        ignoring.fit(&x(), &array![0, -2, 2, 0], fit()),
        &["row 1", "-2"],
    );
}

#[test]
fn labels_outside_0_to_1_are_named_by_row_and_column() {
    for value in [2.0, -1.0, 1.0001] {
        let bad = array![0.0, 1.0, value, 0.0];
        let found = value.to_string();
        let parts = [
            "BinaryCrossentropy",
            "row 2",
            "column 0",
            &found[..3.min(found.len())],
            "0 to 1",
        ];
        refuses(&parts, |m| m.fit(&x(), &bad, fit()));
        refuses(&parts, |m| m.evaluate(&x(), &bad));
        refuses(&parts, |m| m.train_on_batch(&x(), &bad));
    }
    let soft = array![
        [0.5, 0.5, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.5],
        [1.0, 0.0, 0.0]
    ];
    let good = soft.mapv(|p: f32| p.min(1.0));
    let parts = ["CategoricalCrossentropy", "row 2", "column 2", "1.5"];
    let dense = classifier(CategoricalCrossentropy::new());
    refuses_on(dense, (&x(), &good), &parts, |m| m.fit(&x(), &soft, fit()));
}

#[test]
fn nan_and_infinity_are_named_by_row_and_column() {
    for (value, name) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut bad = x();
        bad[[2, 1]] = value;
        let parts = [
            "x holds",
            name,
            "row 2",
            "column 1",
            "allow_non_finite(true)",
        ];
        refuses(&parts, |m| m.fit(&bad, &y(), fit()));
        refuses(&parts, |m| m.evaluate(&bad, &y()));
        refuses(&parts, |m| m.train_on_batch(&bad, &y()));
        refuses(&parts, |m| m.test_on_batch(&bad, &y()));
        refuses(&parts, |m| {
            m.fit(&x(), &y(), fit().validation_data(&bad, &y()))
        });
        let mut bad = y();
        bad[3] = value;
        let parts = [
            "y holds",
            name,
            "row 3",
            "column 0",
            "allow_non_finite(true)",
        ];
        refuses(&parts, |m| m.fit(&x(), &bad, fit()));
        refuses(&parts, |m| m.evaluate(&x(), &bad));
        let bad = array![1.0, value, 1.0, 1.0];
        let parts = ["sample_weight[1]", "finite", name];
        refuses(&parts, |m| m.fit(&x(), &y(), fit().sample_weight(&bad)));
        refuses(&parts, |m| {
            m.evaluate_with(&x(), &y(), Evaluate::new().sample_weight(&bad))
        });
    }
    // A number that only f64 can hold is infinite to the model.
    let big = array![[0.0, 1.0], [1e300, 0.0], [0.0, 0.0], [0.0, 0.0]];
    refuses(&["row 1", "column 0", "1e300"], |m| {
        m.fit(&big, &y(), fit()).map_err(long)
    });
}

/// `1e300` is printed with all its digits.
fn long(error: Error) -> Error {
    match error {
        Error::NonFinite {
            row, column, value, ..
        } => Error::argument(
            "x",
            format!("row {row}, column {column}"),
            "",
            format!("{value:e}"),
        ),
        other => other,
    }
}

#[test]
fn nan_is_let_through_on_request() {
    let mut bad = x();
    bad[[2, 1]] = f32::NAN;
    let mut model = model();
    let history = model.fit(&bad, &y(), fit().allow_non_finite(true)).unwrap();
    assert!(history["loss"][0].is_nan());
    let scores = model
        .evaluate_with(&bad, &y(), Evaluate::new().allow_non_finite(true))
        .unwrap();
    assert!(scores["loss"].is_nan());
    // Prediction always lets it through: the row is NaN, the others are not.
    let model = self::model();
    let outputs = model.predict(&bad).unwrap();
    let nan: Vec<bool> = outputs.iter().map(|p| p.is_nan()).collect();
    assert_eq!(nan, [false, false, true, false]);
}

#[test]
fn nan_in_a_target_that_is_let_through_does_not_panic() {
    let ids = array![0.0, f32::NAN, 7.0, -3.0];
    let mut sparse = classifier(SparseCategoricalCrossentropy::new());
    let _ = sparse.fit(&x(), &ids, fit().allow_non_finite(true));
    let _ = model().fit(
        &x(),
        &array![0.0, f32::NAN, 2.0, -1.0],
        fit().allow_non_finite(true),
    );
}

#[test]
fn no_rows_are_refused() {
    let (none, nothing) = (Array2::<f32>::zeros((0, 2)), Array1::<f32>::zeros(0));
    let parts = ["`x`", "rows", "at least 1", "0"];
    refuses(&parts, |m| m.fit(&none, &nothing, fit()));
    refuses(&parts, |m| m.evaluate(&none, &nothing));
    refuses(&parts, |m| m.predict(&none));
    refuses(&parts, |m| m.train_on_batch(&none, &nothing));
    refuses(&parts, |m| m.test_on_batch(&none, &nothing));
    refuses(&parts, |m| {
        m.fit(&x(), &y(), fit().validation_data(&none, &nothing))
    });
    refuses(&["rows", "at least 1", "0"], |m| m.predictor(0).map(|_| ()));
}

#[test]
fn sample_weights_that_do_not_fit_are_refused() {
    let short = array![1.0, 1.0];
    let parts = ["`sample_weight`", "4 rows", "(2,)", "as long as the data"];
    refuses(&parts, |m| m.fit(&x(), &y(), fit().sample_weight(&short)));
    refuses(&parts, |m| {
        m.evaluate_with(&x(), &y(), Evaluate::new().sample_weight(&short))
    });
    let negative = array![1.0, 1.0, -0.5, 1.0];
    let parts = ["sample_weight[2]", "at least 0", "-0.5"];
    refuses(&parts, |m| {
        m.fit(&x(), &y(), fit().sample_weight(&negative))
    });
    for weight in [-1.0, f32::NAN, f32::INFINITY] {
        let parts = ["`class_weight`", "at least 0", "class 1"];
        refuses(&parts, |m| {
            m.fit(&x(), &y(), fit().class_weight([(0, 1.0), (1, weight)]))
        });
    }
}

// --- Arguments.

#[test]
fn arguments_of_fit_and_evaluate_out_of_range_are_refused() {
    let (x, y) = (x(), y());
    type Change = fn(Fit<'static>) -> Fit<'static>;
    let cases: [(&str, &str, Change); 13] = [
        ("`epochs`", "at least 1", |f| f.epochs(0)),
        ("`batch_size`", "at least 1", |f| f.batch_size(0)),
        ("`validation_batch_size`", "at least 1", |f| {
            f.validation_batch_size(0)
        }),
        ("`verbose`", "0, 1 or 2", |f| f.verbose(3)),
        ("`initial_epoch`", "below `epochs`", |f| f.initial_epoch(1)),
        ("`steps_per_epoch`", "from 1 to", |f| f.steps_per_epoch(0)),
        ("`steps_per_epoch`", "from 1 to", |f| {
            f.batch_size(2).steps_per_epoch(3)
        }),
        ("`validation_split`", "below 1", |f| f.validation_split(1.0)),
        ("`validation_split`", "at least 0", |f| {
            f.validation_split(-0.1)
        }),
        ("`validation_split`", "below 1", |f| {
            f.validation_split(f32::NAN)
        }),
        ("`validation_split`", "rows on both sides of 4", |f| {
            f.validation_split(0.9)
        }),
        ("`class_weight`", "at least 0", |f| {
            f.class_weight([(0, -1.0)])
        }),
        ("`batch_size`", "got 0", |f| f.batch_size(0)),
    ];
    for (argument, expected, change) in cases {
        refuses(&["`fit`", argument, expected], |m| {
            m.fit(&x, &y, change(fit()))
        });
    }
    let both = fit().validation_split(0.25).validation_data(&x, &y);
    refuses(&["`validation_split`", "validation_data"], |m| {
        m.fit(&x, &y, both)
    });
    let alone = fit().validation_sample_weight(&y);
    refuses(&["`validation_sample_weight`", "validation_data"], |m| {
        m.fit(&x, &y, alone)
    });
    refuses(&["`evaluate`", "`batch_size`", "at least 1"], |m| {
        m.evaluate_with(&x, &y, Evaluate::new().batch_size(0))
    });
}

#[test]
fn a_batch_or_an_epoch_count_beyond_all_data_is_no_mistake() {
    let (x, y) = (x(), y());
    model().fit(&x, &y, fit().batch_size(usize::MAX)).unwrap();
    let evaluate = Evaluate::new().batch_size(usize::MAX);
    model().evaluate_with(&x, &y, evaluate).unwrap();

    // Who stops by a callback asks for as many epochs as there are.
    struct Second;
    impl Callback for Second {
        fn on_epoch_end(
            &mut self,
            control: &mut Control,
            epoch: usize,
            _: &Logs,
        ) -> horn::Result<()> {
            if epoch == 1 {
                control.stop();
            }
            Ok(())
        }
    }
    let history = model().fit(&x, &y, fit().epochs(usize::MAX).callback(Second));
    assert_eq!(history.unwrap().len(), 2);
}

#[test]
fn rates_of_optimizers_out_of_range_are_refused() {
    let bce = BinaryCrossentropy::new;
    for rate in [-0.1, f32::NAN, f32::INFINITY] {
        let found = rate.to_string();
        let parts = ["learning_rate", "at least 0", &found];
        compile_refused(Compile::new(Adam::new().learning_rate(rate), bce()), &parts);
        compile_refused(Compile::new(SGD::new().learning_rate(rate), bce()), &parts);
        compile_refused(
            Compile::new(RMSprop::new().learning_rate(rate), bce()),
            &parts,
        );
        compile_refused(
            Compile::new(AdamW::new().learning_rate(rate), bce()),
            &parts,
        );
    }
    for beta in [1.0, -0.1, f64::NAN] {
        compile_refused(
            Compile::new(Adam::new().beta_1(beta), bce()),
            &["`Adam`", "`beta_1`"],
        );
        compile_refused(
            Compile::new(Adam::new().beta_2(beta), bce()),
            &["`Adam`", "`beta_2`"],
        );
        compile_refused(
            Compile::new(AdamW::new().beta_1(beta), bce()),
            &["`AdamW`", "`beta_1`"],
        );
        compile_refused(
            Compile::new(RMSprop::new().rho(beta), bce()),
            &["`RMSprop`", "`rho`"],
        );
    }
    compile_refused(
        Compile::new(SGD::new().momentum(-0.5), bce()),
        &["`SGD`", "`momentum`"],
    );
    compile_refused(
        Compile::new(SGD::new().momentum(f64::NAN), bce()),
        &["`SGD`", "`momentum`"],
    );
    compile_refused(
        Compile::new(Adam::new().epsilon(-1.0), bce()),
        &["`Adam`", "`epsilon`"],
    );
    compile_refused(
        Compile::new(Adam::new().weight_decay(-1.0), bce()),
        &["`weight_decay`"],
    );
    compile_refused(
        Compile::new(Adam::new().clipnorm(0.0), bce()),
        &["`clipnorm`", "above 0"],
    );
    compile_refused(
        Compile::new(Adam::new().clipvalue(-1.0), bce()),
        &["`clipvalue`"],
    );
    compile_refused(
        Compile::new(Adam::new().global_clipnorm(f64::NAN), bce()),
        &["global_clipnorm"],
    );
    let two = Adam::new().clipnorm(1.0).clipvalue(1.0);
    compile_refused(
        Compile::new(two, bce()),
        &["`clipvalue`", "`clipnorm` is set"],
    );
    compile_refused(
        Compile::new(Adam::new().ema_momentum(1.5), bce()),
        &["`ema_momentum`"],
    );
    let never = Adam::new().gradient_accumulation_steps(0);
    compile_refused(
        Compile::new(never, bce()),
        &["`gradient_accumulation_steps`", "at least 1"],
    );
    let falling = Adam::new().learning_rate(ExponentialDecay::new(-1.0, 10, 0.5));
    compile_refused(
        Compile::new(falling, bce()),
        &["ExponentialDecay", "initial_learning_rate"],
    );
    let falling = Adam::new().learning_rate(CosineDecay::new(0.1, 0));
    compile_refused(
        Compile::new(falling, bce()),
        &["CosineDecay", "decay_steps"],
    );
}

#[test]
fn settings_of_losses_and_metrics_out_of_range_are_refused() {
    for smoothing in [-0.1, 1.5, f32::NAN] {
        let loss = BinaryCrossentropy::new().label_smoothing(smoothing);
        compile_refused(
            Compile::new(SGD::new(), loss),
            &["BinaryCrossentropy", "label_smoothing"],
        );
        let loss = CategoricalCrossentropy::new().label_smoothing(smoothing);
        compile_refused(
            Compile::new(SGD::new(), loss),
            &["CategoricalCrossentropy", "label_smoothing"],
        );
    }
    for delta in [0.0, -1.0, f32::NAN] {
        compile_refused(
            Compile::new(SGD::new(), Huber::new().delta(delta)),
            &["Huber", "delta", "above 0"],
        );
    }
    compile_refused(
        Compile::new(SGD::new(), CategoricalCrossentropy::new().axis(4)),
        &["axis", "4"],
    );
    let own = MeanSquaredError::new().name("loss");
    let metric = metrics::MeanLoss::new(own);
    compile_refused(mse().metric(metric), &["metric", "`loss`"]);
}

#[test]
fn a_loss_that_stays_many_numbers_is_refused_by_compile() {
    let each = MeanSquaredError::new().reduction(Reduction::None);
    compile_refused(
        Compile::new(SGD::new(), each),
        &["MeanSquaredError", "`reduction`", "single number"],
    );

    /// Says nothing of it in its settings.
    #[derive(Debug)]
    struct Each;
    impl Loss for Each {
        fn name(&self) -> &str {
            "each"
        }
        fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
            (y_true - y_pred).square().mean(-1)
        }
        fn reduction(&self) -> Reduction {
            Reduction::None
        }
    }
    compile_refused(Compile::new(SGD::new(), Each), &["`each`", "`reduction`"]);
}

#[test]
fn a_loss_whose_shapes_do_not_fit_is_refused_by_compile() {
    let wrong = loss_fn("wrong", |t, p| t.reshape([3, 5]) - p);
    compile_refused(Compile::new(SGD::new(), wrong), &["3, 5"]);
}

#[test]
fn misspelt_names_come_with_the_nearest_ones() {
    says(
        losses::get("binary_crosentropy"),
        &["no loss", "`binary_crosentropy`", "`binary_crossentropy`"],
    );
    says(optimizers::get("adm"), &["no optimizer", "`adm`", "`adam`"]);
    says(
        metrics::get("acuracy"),
        &["no metric", "`acuracy`", "`accuracy`"],
    );
    says(
        activations::get("rellu"),
        &["no activation", "`rellu`", "`relu`"],
    );
    says(
        initializers::get("glorot_unifrom"),
        &["no initializer", "`glorot_unifrom`", "`glorot_uniform`"],
    );
    let dense = serde_json::json!({"class_name": "Dens", "config": {}});
    says(
        layers::from_keras(&dense),
        &["no layer", "`Dens`", "`Dense`"],
    );
    let text = says(losses::get("qqqqqqqqqqqqqqqqqqqqqq"), &["no loss"]);
    assert!(!text.contains("did you mean"), "{text}");
    refuses(&["no layer", "`dens`", "`dense`"], |m| {
        m.get_layer("dens").map(|_| ())
    });
    refuses(&["no layer", "`dense_2`", "`dense_1`"], |m| {
        m.set_trainable("dense_2", false)
    });
}

#[test]
fn weights_of_another_number_or_shape_change_nothing() {
    refuses(&["`set_weights`", "4 arrays", "1", "`weights()`"], |m| {
        let first = m.get_weights()[..1].to_vec();
        m.set_weights(&first)
    });
    refuses(&["`set_weights`", "4 arrays", "0"], |m| m.set_weights(&[]));
    refuses(&["`dense/kernel`", "(2, 4)", "(4, 2)", "order"], |m| {
        let mut weights = m.get_weights();
        weights[0] = weights[0].t().to_owned();
        m.set_weights(&weights)
    });
    // The last does not fit: the first ones are not changed either.
    refuses(&["`dense_1/bias`", "(1,)", "(2,)"], |m| {
        let mut weights = m.get_weights();
        weights[0].fill(9.0);
        weights[3] = ArrayD::zeros(vec![2]);
        m.set_weights(&weights)
    });
}

// --- Training that goes wrong.

/// Two inputs whose squares overflow once the weights are large.
fn regression(rate: f32) -> Sequential {
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(4).input_dim(2))
        .add(Dense::new(1));
    let sgd = SGD::new().learning_rate(rate).momentum(0.9);
    model
        .compile(Compile::new(sgd, MeanSquaredError::new()))
        .unwrap();
    model
}

#[test]
fn a_loss_that_turns_nan_tells_epoch_batch_and_advice_and_restores_the_weights() {
    let parts = [
        "loss turned",
        "epoch 1, batch 2",
        "smaller learning rate",
        "scaled",
        "clipnorm",
    ];
    let mut model = regression(1e30);
    let before = bits(&model);
    says(model.fit(&x(), &y(), fit().batch_size(1).epochs(3)), &parts);
    assert_eq!(bits(&model), before);
    // With a rate that works the model is as good as new.
    model.compile(mse()).unwrap();
    let mut fresh = regression(0.1);
    fresh.compile(mse()).unwrap();
    for model in [&mut model, &mut fresh] {
        model.fit(&x(), &y(), fit().epochs(3)).unwrap();
    }
    assert_eq!(bits(&model), bits(&fresh));
}

#[test]
fn a_loss_that_turns_nan_restores_the_optimizer_too() {
    // Only the inputs are too large, so that the same model goes on with smaller ones.
    let good = (&x(), &y() as &dyn horn::data::AsRows);
    let mut huge = x();
    huge[[3, 0]] = 1e30;
    let unshuffled = || fit().shuffle(false).batch_size(1);
    refuses_on(regression(0.01), good, &["epoch 1, batch 4"], |m| {
        m.fit(&huge, &y(), unshuffled())
    });
    let allowed = regression(0.01).fit(&huge, &y(), unshuffled().allow_non_finite(true));
    assert!(!allowed.unwrap()["loss"][0].is_finite());
}

#[test]
fn a_loss_that_turns_nan_restores_the_learning_rate_that_a_callback_changed() {
    struct Ever;
    impl Callback for Ever {
        fn on_epoch_begin(&mut self, control: &mut Control, epoch: usize) -> horn::Result<()> {
            if epoch == 1 {
                control.set_learning_rate(1e30);
            }
            Ok(())
        }
    }
    let good = (&x(), &y() as &dyn horn::data::AsRows);
    refuses_on(regression(0.01), good, &["epoch 2"], |m| {
        m.fit(&x(), &y(), fit().batch_size(1).epochs(3).callback(Ever))
    });
}

#[test]
fn a_last_step_that_overflows_is_not_a_success() {
    // The only batch's loss is computed before the step that ruins the weights.
    let mut model = regression(f32::MAX);
    let before = bits(&model);
    let big = x().mapv(|v| v * 100.0);
    match model.fit(&big, &y().mapv(|v| v + 100.0), fit()) {
        Err(_) => assert_eq!(bits(&model), before),
        Ok(_) => assert!(model.get_weights().iter().flatten().all(|w| w.is_finite())),
    }
}

#[test]
fn an_error_of_a_callback_comes_back() {
    struct Fails;
    impl Callback for Fails {
        fn on_epoch_end(&mut self, _: &mut Control, epoch: usize, _: &Logs) -> horn::Result<()> {
            Err(Error::Callback {
                name: "mine".into(),
                message: format!("no, not {epoch}"),
            })
        }
    }
    let mut model = model();
    says(
        model.fit(&x(), &y(), fit().callback(Fails)),
        &["callback `mine`", "not 0"],
    );
    assert!(model.fit(&x(), &y(), fit()).is_ok());
}

// --- Files.

fn csv(text: &str) -> horn::Result<Array2<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    std::fs::write(&path, text).unwrap();
    load_csv(&path)
}

#[test]
fn a_csv_with_a_mistake_says_the_line_and_the_column() {
    says(csv("1,2\n3,4\n5\n"), &["data.csv", "line 3", "2", "1"]);
    says(csv("1,2\n3,4,5\n"), &["data.csv", "line 2", "2", "3"]);
    says(
        csv("1,2\n3,four\n"),
        &["data.csv", "line 2", "column 2", "four"],
    );
    says(csv("a,b\n1,2\n"), &["line 1", "column 1", "header(true)"]);
    says(csv("1;2\n3;4\n"), &["line 1", "delimiter(b';')"]);
    says(csv(""), &["data.csv", "row of numbers"]);
    says(csv("\n\n# only this\n"), &["data.csv", "row of numbers"]);
    says(
        load_csv("/nowhere/data.csv"),
        &["/nowhere/data.csv", "No such file"],
    );
}

#[test]
fn a_byte_order_mark_and_crlf_are_no_mistakes() {
    let wanted = array![[1.0, 2.0], [3.0, 4.5]];
    assert_eq!(csv("\u{feff}1,2\r\n3,4.5\r\n").unwrap(), wanted);
    assert_eq!(csv("1, 2\n 3 ,4.5").unwrap(), wanted);
}
