//! Training on datasets: the same bits as on arrays, in a reproducible order, with errors that say
//! what is wrong and leave the model as it was.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use horn::callbacks::Run;
use horn::data::dataset::{
    ArrayRows, Batch, Dataset, Length, NpyRows, Pass, Row, Sample, from_arrays, from_batches,
    from_generator, from_index, from_iter,
};
use horn::layers::Concatenate;
use horn::prelude::*;

const PIMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/data/pima-indians-diabetes.csv"
);

fn pima() -> (Array2<f32>, Array1<f32>) {
    let all = load_csv(PIMA).unwrap();
    let (x, y) = (all.slice(s![.., 0..8]), all.slice(s![.., 8]));
    (x.to_owned(), y.to_owned())
}

fn tutorial() -> Sequential {
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(1).activation(Sigmoid));
    let compile = Compile::new(Adam::new(), BinaryCrossentropy::new());
    model.compile(compile.metric(Accuracy)).unwrap();
    model
}

/// One number in, one out.
fn line() -> Sequential {
    let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
    let compile = Compile::new(SGD::new(), MeanSquaredError::new());
    model.compile(compile).unwrap();
    model
}

fn fit<'a>() -> Fit<'a> {
    Fit::new()
        .epochs(3)
        .batch_size(10)
        .verbose(0)
        .shuffle(false)
}

fn bits(model: &Sequential) -> Vec<u32> {
    let weights = model.get_weights();
    weights.iter().flatten().map(|w| w.to_bits()).collect()
}

/// The history and the weights after training on a dataset.
fn trained(dataset: impl Dataset) -> (History, Vec<u32>) {
    let mut model = tutorial();
    let history = model.fit_dataset(dataset, fit()).unwrap();
    (history, bits(&model))
}

/// All targets of a pass, of which each row has one.
fn targets(dataset: &mut impl Dataset, pass: Pass) -> Vec<f32> {
    let mut batch = Batch::new();
    dataset.begin(pass).unwrap();
    while dataset.read(7, &mut batch).unwrap() > 0 {}
    batch.target(0).map_or(vec![], |y| y.values().to_vec())
}

/// What `fit_dataset` says of a dataset that it cannot train on; the model is as it was.
fn refused(dataset: impl Dataset, fit: Fit) -> String {
    let mut model = line();
    let before = bits(&model);
    let error = model.fit_dataset(dataset, fit).unwrap_err().to_string();
    assert_eq!(bits(&model), before, "{error}");
    error
}

#[test]
fn every_source_trains_to_the_bits_of_arrays() {
    let (x, y) = pima();
    let mut model = tutorial();
    let history = model.fit(&x, &y, fit()).unwrap();
    let wanted = (history, bits(&model));
    assert_eq!(trained(from_arrays(&x, &y).unwrap()), wanted);
    let row = |i: usize| (x.row(i).to_owned(), y[i]);
    assert_eq!(trained(from_index(768, row)), wanted);
    assert_eq!(trained(from_generator(|| (0..768).map(row))), wanted);
    assert_eq!(trained(from_iter(x.rows().into_iter().zip(&y))), wanted);
    let batches = || {
        let starts = (0..768).step_by(100);
        starts.map(|start| {
            let rows = start..(start + 100).min(768);
            (x.slice(s![rows.clone(), ..]), y.slice(s![rows]))
        })
    };
    assert_eq!(trained(from_batches(batches)), wanted);
    let csv = || Csv::new().stream(PIMA).unwrap().targets([8]).unwrap();
    assert_eq!(trained(csv()), wanted);
    assert_eq!(trained(csv().prefetch(1)), wanted);
    assert_eq!(trained(csv().prefetch(3).map(|_| Ok(()))), wanted);
    // 76 full batches a pass, three times.
    let first = || csv().take(760);
    let mut endless = tutorial();
    let steps = fit().steps_per_epoch(76);
    let history = endless
        .fit_dataset(first().repeat().prefetch(2), steps)
        .unwrap();
    assert_eq!((history, bits(&endless)), trained(first()));
}

#[test]
fn adapters_know_how_long_they_are() {
    let rows = || from_index(768, |i| ([i], i));
    assert_eq!(rows().shuffle(5).prefetch(1).length(), Length::Known(768));
    assert_eq!(rows().take(1000).length(), Length::Known(768));
    assert_eq!(rows().skip(1000).length(), Length::Known(0));
    assert_eq!(rows().repeat().skip(5).length(), Length::Endless);
    assert_eq!(
        rows().repeat().take(1168).skip(400).length(),
        Length::Known(768)
    );
    let unknown = || from_iter((0..10).map(|i| ([i], i)));
    assert_eq!(unknown().take(5).length(), Length::Unknown);
    assert_eq!(unknown().repeat().length(), Length::Endless);
    let wanted = [3.0, 4.0, 5.0, 6.0, 7.0];
    assert_eq!(
        targets(&mut unknown().skip(3).take(5), Pass::default()),
        wanted
    );
    let wanted = [8.0, 9.0, 8.0, 9.0, 8.0];
    assert_eq!(
        targets(&mut unknown().skip(8).repeat().take(5), Pass::default()),
        wanted
    );
}

#[test]
fn weights_of_rows_and_classes_act_as_those_of_arrays() {
    let (x, y) = pima();
    let weights = Array1::from_shape_fn(768, |i| (i % 3) as f32);
    let classes = [(0, 0.5), (1, 2.0)];
    let mut model = tutorial();
    let weighted = fit().sample_weight(&weights).class_weight(classes);
    let history = model.fit(&x, &y, weighted).unwrap();
    let rows = from_index(768, |i| (x.row(i).to_owned(), y[i], weights[i]));
    let mut streamed = tutorial();
    let again = streamed
        .fit_dataset(rows, fit().class_weight(classes))
        .unwrap();
    assert_eq!((history, bits(&model)), (again, bits(&streamed)));

    let rows = from_arrays(&x, &y)
        .unwrap()
        .sample_weight(&weights)
        .unwrap();
    let scores = streamed.evaluate_dataset(rows, Evaluate::new()).unwrap();
    let options = Evaluate::new().sample_weight(&weights);
    assert_eq!(scores, model.evaluate_with(&x, &y, options).unwrap());

    let bad = from_index(20, |i| ([1.0], 1.0, if i == 13 { -1.0 } else { 1.0 }));
    let error = refused(bad, fit());
    assert!(
        error.contains("sample_weight[13]") && error.ends_with("-1"),
        "{error}"
    );
}

#[test]
fn evaluation_and_prediction_are_those_of_arrays() {
    let (x, y) = pima();
    let model = tutorial();
    let csv = || Csv::new().stream(PIMA).unwrap().targets([8]).unwrap();
    let scores = model.evaluate_dataset(csv(), Evaluate::new()).unwrap();
    assert_eq!(scores, model.evaluate(&x, &y).unwrap());
    let first = Evaluate::new().batch_size(100).steps(3);
    let scores = model
        .evaluate_dataset(csv().repeat().prefetch(1), first)
        .unwrap();
    let part = (x.slice(s![..300, ..]), y.slice(s![..300]));
    let options = Evaluate::new().batch_size(100);
    assert_eq!(
        scores,
        model.evaluate_with(&part.0, &part.1, options).unwrap()
    );
    let of_arrays = model.evaluate_with(&x, &y, Evaluate::new().batch_size(100).steps(3));
    assert_eq!(scores, of_arrays.unwrap());
    let outputs = model.predict_dataset(csv().prefetch(2)).unwrap();
    assert_eq!(outputs, model.predict(&x).unwrap());
    let outputs = model.predict_dataset(ArrayRows::new(&x)).unwrap();
    assert_eq!(outputs, model.predict(&x).unwrap());
    let none = model.predict_dataset(csv().take(0)).unwrap();
    assert_eq!(none.dim(), (0, 1));

    let error = model
        .predict_dataset(csv().repeat())
        .unwrap_err()
        .to_string();
    assert!(error.contains("`.take(rows)`"), "{error}");
    let error = model.evaluate_dataset(csv().repeat(), Evaluate::new());
    assert!(error.unwrap_err().to_string().contains("without an end"));
    let error = model
        .evaluate_dataset(csv(), Evaluate::new().steps(25))
        .unwrap_err();
    assert!(
        error.to_string().contains("after 24 of the 25 batches"),
        "{error}"
    );
    let weights = [1.0];
    let error = model.evaluate_dataset(csv(), Evaluate::new().sample_weight(&weights));
    assert!(error.unwrap_err().to_string().contains("(x, y, weight)"));
}

#[test]
fn models_of_several_inputs_and_outputs_take_rows_of_several_parts() {
    let model = || {
        let (a, b) = (Input::new([2]).tensor(), Input::new([1]).tensor());
        let both = Concatenate::new().apply([&a, &b]);
        let outputs = [Dense::new(1).apply(&both), Dense::new(2).apply(&both)];
        let mut model = Model::new([&a, &b], outputs).seed(3);
        let compile = Compile::new(Adam::new(), MeanSquaredError::new());
        model.compile(compile).unwrap();
        model
    };
    let a = Array2::from_shape_fn((50, 2), |(i, j)| (i + j) as f32 / 50.0);
    let b = Array1::from_shape_fn(50, |i| (i % 7) as f32);
    let c = Array2::from_shape_fn((50, 2), |(i, j)| (i * j) as f32 / 50.0);
    let mut arrays = model();
    let history = arrays.fit((&a, &b), (&b, &c), fit()).unwrap();
    let mut rows = model();
    let row = |i: usize| ((a.row(i), b[i]), (b[i], c.row(i)));
    let streamed = rows.fit_dataset(from_index(50, row), fit()).unwrap();
    assert_eq!(history, streamed);
    let all = ArrayRows::new(&a).input(&b).unwrap();
    let all = all.target(&b).unwrap().target(&c).unwrap();
    assert_eq!(model().fit_dataset(all, fit()).unwrap(), history);

    let one = from_index(50, |i| ((a.row(i), b[i]), b[i]));
    let error = model().fit_dataset(one, fit()).unwrap_err().to_string();
    assert!(
        error.contains("2 targets in each row of the dataset, got 1"),
        "{error}"
    );
    let one = from_index(50, |i| (a.row(i), (b[i], c.row(i))));
    let error = model().fit_dataset(one, fit()).unwrap_err().to_string();
    assert!(
        error.contains("2 inputs in each row of the dataset, got 1"),
        "{error}"
    );
}

#[test]
fn npy_files_train_to_the_bits_of_arrays() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: &str, values: &mut dyn Iterator<Item = f32>| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values.flat_map(f32::to_le_bytes));
        let path = directory.path().join(name);
        std::fs::write(&path, file).unwrap();
        path
    };
    let (x, y) = pima();
    let inputs = write("x.npy", "(768, 8)", &mut x.iter().copied());
    let labels = write("y.npy", "(768,)", &mut y.iter().copied());
    let rows = NpyRows::open(inputs).unwrap().target(labels).unwrap();
    assert_eq!(
        trained(rows.prefetch(2)),
        trained(from_arrays(&x, &y).unwrap())
    );
}

#[test]
fn shuffling_is_a_reproducible_permutation() {
    for buffer in [1, 7, 64, 65, 100, 1000] {
        let mut rows = from_index(100, |i| (i, i)).shuffle(buffer);
        let first = targets(&mut rows, Pass::new(0, 7));
        let place = |row: usize| first.iter().position(|r| *r == row as f32).unwrap();
        // A row cannot come before it is in the buffer.
        assert!((0..100).all(|row| place(row) + buffer > row), "{buffer}");
        let mut sorted = first.clone();
        sorted.sort_by(f32::total_cmp);
        assert!(sorted.iter().zip(0..).all(|(row, i)| *row == i as f32));
        assert_eq!(targets(&mut rows, Pass::new(0, 7)), first);
        let other = targets(&mut rows, Pass::new(1, 7));
        let seeded = targets(&mut rows, Pass::new(0, 8));
        assert_eq!(buffer == 1, other == first, "{buffer}");
        assert_eq!(buffer == 1, seeded == first, "{buffer}");
        let mut own = from_index(100, |i| (i, i)).shuffle(buffer).seed(7);
        assert_eq!(targets(&mut own, Pass::new(0, 9)), first);
        let mut ahead = from_index(100, |i| (i, i))
            .prefetch(1)
            .shuffle(buffer)
            .prefetch(2);
        assert_eq!(targets(&mut ahead, Pass::new(0, 7)), first);
    }
    // Each of 13 rows comes first about equally often.
    let (rows, passes) = (13, 13_000);
    let mut counts = vec![0.0; rows];
    let mut shuffled = from_index(rows, |i| (i, i)).shuffle(rows);
    for epoch in 0..passes {
        let mut batch = Batch::new();
        shuffled.begin(Pass::new(epoch, 1)).unwrap();
        shuffled.read(1, &mut batch).unwrap();
        counts[batch.target(0).unwrap().values()[0] as usize] += 1.0;
    }
    let expected = passes as f64 / rows as f64;
    let chi: f64 = counts
        .iter()
        .map(|c: &f64| (c - expected).powi(2) / expected)
        .sum();
    // 12 degrees of freedom: above 32.9 once in a thousand fair draws.
    assert!(chi < 32.9, "{chi}: {counts:?}");
    assert!(refused(from_index(9, |i| (i, i)).shuffle(0), fit()).contains("`buffer_size`"));
}

#[test]
fn a_resumed_training_shuffles_as_an_unbroken_one() {
    let (x, y) = pima();
    let rows = || from_arrays(&x, &y).unwrap().shuffle(200);
    let mut unbroken = tutorial();
    unbroken.fit_dataset(rows(), fit().epochs(4)).unwrap();
    let mut resumed = tutorial();
    resumed.fit_dataset(rows(), fit().epochs(2)).unwrap();
    resumed
        .fit_dataset(rows(), fit().epochs(4).initial_epoch(2))
        .unwrap();
    assert_eq!(bits(&unbroken), bits(&resumed));
}

/// Rows that count how often they are asked for.
fn counted(rows: usize) -> (impl Dataset, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let rows = from_generator(move || {
        let counter = Arc::clone(&counter);
        (0..rows).map(move |i| {
            counter.fetch_add(1, Ordering::Relaxed);
            ([(i % 5) as f32], i as f32)
        })
    });
    (rows, count)
}

#[test]
fn an_epoch_of_so_many_steps_goes_on_where_the_last_one_stopped() {
    // As Keras does: 3 + 3 + 1 batches of a pass, then another pass.
    let (rows, count) = counted(70);
    let steps = fit().steps_per_epoch(3).epochs(6);
    let history = line().fit_dataset(rows, steps).unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 140);
    assert_eq!(history.len(), 6);
    // The mean target of an epoch: 14.5, 44.5 and 64.5; the loss rises with it.
    let loss = &history["loss"];
    assert!(loss[0] < loss[1] && loss[1] < loss[2]);
    // A pass that ends with an epoch begins anew in the next.
    let (rows, count) = counted(60);
    line()
        .fit_dataset(rows, fit().steps_per_epoch(3).epochs(4))
        .unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 120);
    let (rows, count) = counted(60);
    line()
        .fit_dataset(rows.repeat(), fit().steps_per_epoch(4).epochs(4))
        .unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 160);
    let (rows, count) = counted(65);
    line().fit_dataset(rows, fit().epochs(2)).unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 130);
}

/// Of several runs on datasets; `tests/golden/datasets.py` made them.
#[test]
fn histories_are_those_of_keras() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/datasets.json");
    let file = std::fs::read_to_string(path).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&file).unwrap();
    let x = Array2::from_shape_fn((65, 1), |(i, _)| (i % 5) as f32);
    let y = Array2::from_shape_fn((65, 1), |(i, _)| i as f32 / 10.0);
    let held = (x.slice(s![..20, ..]), y.slice(s![..20, ..]));
    // Its length is not known, so that the end comes as a surprise.
    let rows = || from_iter(x.iter().map(|x| [*x]).zip(&y));
    let fit = || fit().epochs(6);
    let fits = [
        fit(),
        fit().steps_per_epoch(3),
        fit().steps_per_epoch(7),
        fit().validation_data(&held.0, &held.1).validation_freq(2),
        fit()
            .validation_data(&held.0, &held.1)
            .validation_freq([1, 5, 9]),
        fit().validation_dataset(rows()).validation_steps(2),
    ];
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), fits.len());
    for (case, fit) in cases.iter().zip(fits) {
        let mut model = line();
        let weights = [array![[0.5]].into_dyn(), array![0.0].into_dyn()];
        model.set_weights(&weights).unwrap();
        let history = model.fit_dataset(rows(), fit).unwrap();
        let close = |found: &[f32], wanted: &serde_json::Value| {
            let wanted = wanted.as_array().unwrap();
            assert_eq!(found.len(), wanted.len(), "{}", case["name"]);
            for (found, wanted) in found.iter().zip(wanted) {
                let wanted = wanted.as_f64().unwrap() as f32;
                assert!(
                    (found - wanted).abs() < 1e-5 * wanted.abs(),
                    "{found}, {wanted}"
                );
            }
        };
        let columns = case["history"].as_object().unwrap();
        assert_eq!(history.names().len(), columns.len());
        for (name, wanted) in columns {
            // Keras leaves out the epochs without validation.
            let there = history[name.as_str()]
                .iter()
                .filter(|value| !value.is_nan());
            close(&there.copied().collect::<Vec<f32>>(), wanted);
        }
        let weights = model.get_weights();
        close(
            &weights.iter().flatten().copied().collect::<Vec<f32>>(),
            &case["weights"],
        );
    }
}

#[test]
fn datasets_that_end_early_are_errors() {
    let error = refused(counted(25).0, fit().steps_per_epoch(4));
    assert!(
        error.contains("after 3 of the 4 batches that `steps_per_epoch` asks for: add `.repeat()`"),
        "{error}"
    );
    let known = || from_index(25, |i| ([i as f32], 1.0));
    let error = refused(known(), fit().steps_per_epoch(4));
    assert!(
        error.contains("at most the 3 batches that 25 rows give"),
        "{error}"
    );
    let error = refused(known(), fit().steps_per_epoch(0));
    assert!(
        error.contains("`steps_per_epoch` must be at least 1"),
        "{error}"
    );
    let error = refused(known().repeat(), fit());
    assert!(
        error.contains("given for a dataset without an end"),
        "{error}"
    );
    for nothing in [known().take(0), known().take(5)] {
        let nothing = nothing.skip(7);
        assert!(refused(nothing.repeat(), fit().steps_per_epoch(1)).contains("dataset"));
    }
    assert!(refused(counted(0).0, fit()).contains("there are no rows in it"));

    struct Short;
    impl Dataset for Short {
        fn length(&self) -> Length {
            Length::Known(100)
        }
        fn begin(&mut self, _pass: Pass) -> Result<()> {
            Ok(())
        }
        fn read(&mut self, _rows: usize, batch: &mut Batch) -> Result<usize> {
            // Never more than 15 rows, and none after.
            let rows = if batch.is_empty() && batch.inputs().is_empty() {
                15
            } else {
                0
            };
            for _ in 0..rows {
                batch.push(([1.0], 1.0))?;
            }
            Ok(rows)
        }
    }
    let error = refused(Short, fit().batch_size(20));
    assert!(
        error.contains("after 15 of the 100 rows of its `length`"),
        "{error}"
    );
    let validation = fit().validation_dataset(counted(25).0).validation_steps(4);
    let error = refused(known(), validation);
    assert!(
        error.contains("after 3 of the 4 batches that `validation_steps`"),
        "{error}"
    );
}

#[test]
fn rows_that_change_their_shape_are_errors_that_name_the_row() {
    let rows = |from: usize| {
        from_index(100, move |i| {
            let x = if i < from { vec![1.0] } else { vec![1.0, 2.0] };
            (x, 1.0)
        })
    };
    for from in [3, 10, 37] {
        let wanted = format!("row {from} of the dataset expects input 0 of shape (1,)");
        let error = refused(rows(from), fit());
        assert!(
            error.contains(&wanted) && error.contains("got (2,)"),
            "{error}"
        );
        let error = refused(rows(from).shuffle(10), fit());
        assert!(error.contains(&wanted), "{error}");
        let error = refused(rows(from).map(|_| Ok(())), fit());
        assert!(error.contains(&wanted), "{error}");
        let slow = rows(from).map(|_| {
            // Longer than a block may take: each has one batch.
            std::thread::sleep(std::time::Duration::from_millis(1));
            Ok(())
        });
        for dataset in [
            &mut slow.prefetch(2) as &mut dyn Dataset,
            &mut rows(from).prefetch(1),
        ] {
            let error = refused(dataset, fit());
            assert!(error.contains(&wanted), "{error}");
        }
    }
}

#[test]
fn rows_that_do_not_fit_are_told_as_those_of_arrays() {
    let said = |dataset: &mut dyn Dataset, x: &Array2<f32>, y: &Array2<f32>| {
        let error = line().fit(x, y, fit()).unwrap_err().to_string();
        assert_eq!(refused(dataset, fit()), error);
    };
    let (good, wide) = (Array2::ones((20, 1)), Array2::<f32>::ones((20, 3)));
    said(&mut from_arrays(&wide, &good).unwrap(), &wide, &good);
    said(&mut from_arrays(&good, &wide).unwrap(), &good, &wide);
    let mut hole = good.clone();
    hole[[13, 0]] = f32::NAN;
    said(&mut from_arrays(&hole, &good).unwrap(), &hole, &good);
    said(&mut from_arrays(&good, &hole).unwrap(), &good, &hole);
    let rows = from_arrays(&hole, &good).unwrap();
    line()
        .fit_dataset(rows, fit().allow_non_finite(true))
        .unwrap();
    let error = refused(ArrayRows::new(&good), fit());
    assert!(
        error.contains("1 targets in each row of the dataset, got 0"),
        "{error}"
    );

    let two = from_index(40, |i| ([0.0; 8], if i == 33 { 2 } else { 1 }));
    let error = tutorial().fit_dataset(two, fit()).unwrap_err().to_string();
    assert!(error.contains("target at row 33"), "{error}");
}

#[test]
fn what_fails_or_panics_in_a_dataset_ends_the_training() {
    let failing = |at: usize| {
        from_generator(move || {
            (0..100).map(move |i| match i == at {
                true => Err(Error::dataset(format!("no row {i}"))),
                false => Ok(([1.0], 1.0)),
            })
        })
    };
    for at in [0, 5, 35] {
        let wanted = format!("dataset: no row {at}");
        assert_eq!(refused(failing(at), fit()), wanted);
        assert_eq!(refused(failing(at).prefetch(2), fit()), wanted);
        assert_eq!(
            refused(
                failing(at).shuffle(5).prefetch(1).repeat(),
                fit().steps_per_epoch(9)
            ),
            wanted
        );
    }
    // The second epoch's error takes the first epoch back, too.
    let passes = AtomicUsize::new(0);
    let second = from_generator(|| {
        let pass = passes.fetch_add(1, Ordering::Relaxed);
        (0..20).map(move |i| match pass {
            0 => Ok(([1.0], 1.0)),
            _ => Err(Error::dataset(format!("gone at {i}"))),
        })
    });
    assert_eq!(refused(second, fit()), "dataset: gone at 0");
    let panics = || {
        from_index(100, |i| {
            assert!(i < 35, "out of cheese");
            ([1.0], 1.0)
        })
    };
    let mut rows = panics().prefetch(2);
    let error = refused(&mut rows, fit());
    assert!(error.contains("has panicked: out of cheese"), "{error}");
    let error = refused(&mut rows, fit());
    assert!(error.contains("has panicked before"), "{error}");
    assert!(refused(panics().prefetch(0), fit()).contains("`batches`"));
    // A training that ends before the thread is done, and one that never asks.
    line()
        .fit_dataset(
            panics().take(30).repeat().prefetch(2),
            fit().steps_per_epoch(2),
        )
        .unwrap();
    drop(panics().prefetch(2));
}

#[test]
fn options_for_arrays_are_refused_with_a_dataset() {
    let rows = || from_index(20, |i| ([i as f32], 1.0));
    let error = refused(rows(), fit().validation_split(0.2));
    assert!(error.contains("`take` and `skip`"), "{error}");
    let weights = [1.0; 20];
    let error = refused(rows(), fit().sample_weight(&weights));
    assert!(error.contains("(x, y, weight)"), "{error}");
    let x = [1.0];
    let both = fit().validation_data(&x, &x).validation_dataset(rows());
    assert!(refused(rows(), both).contains("`validation_dataset` must be left out"));
    let (x, y) = (Array2::<f32>::ones((20, 1)), Array1::<f32>::ones(20));
    let both = fit().validation_split(0.5).validation_dataset(rows());
    let error = line().fit(&x, &y, both).unwrap_err().to_string();
    assert!(
        error.contains("0 when `validation_dataset` is given"),
        "{error}"
    );
    assert!(refused(rows(), fit().validation_steps(0)).contains("`validation_steps`"));
    assert!(refused(rows(), fit().validation_freq(0)).contains("`validation_freq`"));
    let endless = fit().validation_dataset(rows().repeat());
    assert!(refused(rows(), endless).contains("`validation_steps` must be given"));
    assert!(refused(rows(), fit().class_weight([(0, -1.0)])).contains("`class_weight`"));
}

#[test]
fn validation_takes_place_as_often_as_asked() {
    let (x, y) = (Array2::<f32>::ones((20, 1)), Array1::<f32>::ones(20));
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<bool>>>);
    impl Callback for Seen {
        fn on_epoch_end(&mut self, _: &mut Control, _: usize, logs: &Logs) -> Result<()> {
            let validated = logs.get("val_loss").is_some();
            self.0.lock().unwrap().push(validated);
            Ok(())
        }
    }
    let epochs = |fit: Fit| {
        let seen = Seen::default();
        let history = line()
            .fit(&x, &y, fit.epochs(6).callback(seen.clone()))
            .unwrap();
        let numbers: Vec<bool> = history["val_loss"].iter().map(|v| !v.is_nan()).collect();
        let seen = seen.0.lock().unwrap().clone();
        assert_eq!(seen, numbers);
        assert!(history["loss"].iter().all(|loss| loss.is_finite()));
        // Counted from 1.
        (1..)
            .zip(seen)
            .filter(|(_, seen)| *seen)
            .map(|(epoch, _)| epoch)
            .collect::<Vec<_>>()
    };
    let given = || fit().validation_data(&x, &y);
    // As Keras 3.15.
    assert_eq!(epochs(given()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(epochs(given().validation_freq(2)), [2, 4, 6]);
    assert_eq!(epochs(given().validation_freq(4)), [4]);
    assert_eq!(epochs(given().validation_freq([1, 5, 9])), [1, 5]);
    let rows = || from_arrays(&x, &y).unwrap();
    assert_eq!(
        epochs(fit().validation_dataset(rows()).validation_freq(vec![3])),
        [3]
    );
}

#[test]
fn validation_takes_the_first_batches_each_time() {
    let (x, y) = pima();
    let row = |i: usize| (x.row(i).to_owned(), y[i]);
    let part = (x.slice(s![..60, ..]), y.slice(s![..60]));
    let mut wanted = tutorial();
    let history = wanted
        .fit(&x, &y, fit().validation_data(&part.0, &part.1))
        .unwrap();
    let mut first = tutorial();
    let three = fit()
        .validation_data(&x, &y)
        .validation_batch_size(20)
        .validation_steps(3);
    let steps = first.fit(&x, &y, three).unwrap();
    let mut streamed = tutorial();
    let endless = from_index(768, row).repeat();
    let three = fit()
        .validation_dataset(endless)
        .validation_batch_size(20)
        .validation_steps(3);
    let rows = streamed.fit_dataset(from_index(768, row), three).unwrap();
    assert_eq!(rows, steps);
    for (value, wanted) in steps["val_loss"].iter().zip(&history["val_loss"]) {
        assert!((value - wanted).abs() < 1e-5);
    }
}

#[test]
fn callbacks_are_told_how_many_steps_there_are_if_anyone_knows() {
    struct Steps<'s>(&'s mut Vec<usize>);
    impl Callback for Steps<'_> {
        fn on_train_begin(&mut self, _: &mut Control, run: &Run) -> Result<()> {
            self.0.push(run.steps);
            Ok(())
        }
    }
    let mut seen = Vec::new();
    let known = from_index(25, |i| ([i as f32], 1.0));
    line()
        .fit_dataset(known, fit().callback(Steps(&mut seen)))
        .unwrap();
    line()
        .fit_dataset(counted(25).0, fit().callback(Steps(&mut seen)))
        .unwrap();
    let steps = fit().steps_per_epoch(2).callback(Steps(&mut seen));
    line().fit_dataset(counted(25).0, steps).unwrap();
    assert_eq!(seen, [3, 0, 2]);
}

#[test]
fn a_sample_of_ones_own_writes_its_parts() {
    struct Point(f32);
    impl Sample for Point {
        fn write(self, row: &mut Row) -> Result<()> {
            row.input(&[self.0])?;
            row.target(&[2.0 * self.0])?;
            row.sample_weight(0.5)
        }
    }
    let mut points = from_index(20, |i| Point(i as f32 / 20.0));
    let history = line().fit_dataset(&mut points, fit()).unwrap();
    assert!(history["loss"][2] < history["loss"][0]);
}
