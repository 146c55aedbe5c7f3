//! A step of training allocates nothing, nor does a prediction through a `Predictor`.
//!
//! All is counted in one test function: the counter sees every thread of the process.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use horn::callbacks::{Control, Logs};
use horn::data::dataset::{Dataset, from_arrays, from_index, from_iter};
use horn::prelude::*;

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all that is asked is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations a piece of work makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.load(Ordering::Relaxed);
    work();
    COUNT.load(Ordering::Relaxed) - before
}

/// 43 rows: 4 batches of 10 and one of 3.
fn x() -> Array2<f32> {
    Array2::from_shape_fn((43, 8), |(row, column)| {
        ((row * 7 + column * 3) % 11) as f32 / 11.0
    })
}

fn y() -> Array1<f32> {
    Array1::from_shape_fn(43, |row| (row % 2) as f32)
}

fn tutorial() -> Sequential {
    Sequential::new()
        .seed(1)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
}

fn binary(optimizer: impl Optimizer + 'static) -> Compile {
    let compile = Compile::new(optimizer, BinaryCrossentropy::new());
    compile
        .metric(Accuracy)
        .metric(metrics::MeanSquaredError::new())
}

/// How many allocations a `fit` of this many epochs makes.
fn of_fit(model: &Sequential, y: &dyn horn::data::AsRows, fit: Fit, epochs: usize) -> usize {
    struct Rows<'a>(&'a dyn horn::data::AsRows);
    impl horn::data::AsRows for Rows<'_> {
        fn as_rows(&self) -> horn::data::Rows<'_> {
            self.0.as_rows()
        }
    }
    let mut model = model.clone();
    let x = x();
    let fit = fit.epochs(epochs).batch_size(10).verbose(0);
    allocations(|| {
        model.fit(&x, &Rows(y), fit).unwrap();
    })
}

/// The epochs after the first few are free.
fn free(
    what: &str,
    model: &Sequential,
    y: &dyn horn::data::AsRows,
    fit: impl Fn() -> Fit<'static>,
) {
    of_fit(model, y, fit(), 1);
    let (few, many) = (of_fit(model, y, fit(), 3), of_fit(model, y, fit(), 30));
    println!("{what}: {few} allocations in a fit of 3 epochs, {many} in one of 30");
    assert_eq!(
        few,
        many,
        "{what}: {} allocations in 27 more epochs",
        many - few
    );
}

fn compiled(mut model: Sequential, compile: Compile) -> Sequential {
    model.compile(compile).unwrap();
    model
}

/// Looks on at every batch.
struct Watcher(f32);

impl Callback for Watcher {
    fn wants_batches(&self) -> bool {
        true
    }
    fn on_batch_end(&mut self, _: &mut Control, _: usize, logs: &Logs) -> horn::Result<()> {
        self.0 += logs["loss"];
        Ok(())
    }
}

fn steps_of_fit() {
    let adam = compiled(tutorial(), binary(Adam::new()));
    free("the tutorial's network", &adam, &y(), Fit::new);
    free("without shuffling", &adam, &y(), || {
        Fit::new().shuffle(false)
    });
    free("a part of each epoch", &adam, &y(), || {
        Fit::new().steps_per_epoch(2)
    });
    free("class weights", &adam, &y(), || {
        Fit::new().class_weight([(0, 0.5), (1, 2.0)])
    });
    free("a validation split", &adam, &y(), || {
        Fit::new().validation_split(0.3)
    });

    let weights: &'static Array1<f32> =
        Box::leak(Box::new(Array1::from_shape_fn(43, |row| row as f32 / 43.0)));
    free("sample weights", &adam, &y(), || {
        Fit::new().sample_weight(weights)
    });
    let (held_x, held_y): (&'static _, &'static _) =
        (Box::leak(Box::new(x())), Box::leak(Box::new(y())));
    free("validation data", &adam, &y(), || {
        Fit::new().validation_data(held_x, held_y)
    });
    let weighted = || {
        let fit = Fit::new().validation_data(held_x, held_y);
        fit.validation_sample_weight(weights)
            .validation_batch_size(7)
    };
    free("weighted validation data", &adam, &y(), weighted);
    free("a callback for each epoch", &adam, &y(), || {
        Fit::new().callback(Nothing)
    });

    let whole = y().mapv(|label| label as i64);
    free("integer targets", &adam, &whole, Fit::new);

    let noisy = Sequential::new()
        .seed(1)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dropout::new(0.3))
        .add(Dense::new(8))
        .add(PReLU::new())
        .add(Dropout::new(0.1))
        .add(Dense::new(1).activation(Sigmoid));
    let noisy = compiled(noisy, binary(RMSprop::new().clipnorm(1.0)));
    free("dropout", &noisy, &y(), Fit::new);

    let optimizers: [(&str, Box<dyn Optimizer>); 7] = [
        ("SGD", Box::new(SGD::new().momentum(0.9).nesterov(true))),
        ("Adam with AMSGrad", Box::new(Adam::new().amsgrad(true))),
        ("AdamW", Box::new(AdamW::new().global_clipnorm(1.0))),
        ("a clipped Adam", Box::new(Adam::new().clipvalue(0.1))),
        (
            "an averaged Adam",
            Box::new(Adam::new().use_ema(true).ema_overwrite_frequency(3)),
        ),
        (
            "accumulating Adam",
            Box::new(Adam::new().gradient_accumulation_steps(3)),
        ),
        (
            "a schedule",
            Box::new(Adam::new().learning_rate(CosineDecay::new(0.01, 100))),
        ),
    ];
    for (name, optimizer) in optimizers {
        free(
            name,
            &compiled(tutorial(), binary(optimizer)),
            &y(),
            Fit::new,
        );
    }

    let classes = || {
        let model = Sequential::new()
            .seed(1)
            .add(Dense::new(12).input_dim(8).activation(Tanh));
        model.add(Dense::new(3).activation(activations::Softmax::new()))
    };
    let ids = Array1::from_shape_fn(43, |row| row % 3).mapv(|id| id as u8);
    let sparse = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    let top = metrics::SparseTopKCategoricalAccuracy::new().k(2);
    let sparse = compiled(classes(), sparse.metric(Accuracy).metric(top));
    free("class ids", &sparse, &ids, Fit::new);
    let one_hot = Array2::from_shape_fn((43, 3), |(row, class)| f32::from(row % 3 == class));
    let dense = CategoricalCrossentropy::new().label_smoothing(0.1);
    let dense = compiled(classes(), Compile::new(Adam::new(), dense).metric(Accuracy));
    free("one-hot targets", &dense, &one_hot, Fit::new);
}

/// Does nothing.
struct Nothing;

impl Callback for Nothing {}

fn predictions() {
    let model = compiled(tutorial(), binary(Adam::new()));
    for rows in [1, 7, 64] {
        let x = Array2::from_shape_fn((rows, 8), |(row, column)| (row + column) as f32);
        let x = x.as_slice().unwrap();
        let mut risks = vec![0.0; rows];
        let mut predictor = model.predictor(rows).unwrap();
        predictor.predict_into(x, &mut risks).unwrap();
        let count = allocations(|| {
            for _ in 0..1000 {
                predictor.predict_into(x, &mut risks).unwrap();
            }
        });
        println!("{count} allocations in 1000 predictions of {rows} rows");
        assert_eq!(count, 0);
    }
}

fn predict_of_one_row_allocates_only_what_it_returns() {
    let model = compiled(tutorial(), binary(Adam::new()));
    let x = x();
    let row = x.slice(s![0..1, ..]);
    model.predict(&row).unwrap();
    let count = allocations(|| {
        model.predict(&row).unwrap();
    });
    println!("{count} allocations in `predict` of one row");
    // The shapes of the rows and the outputs, and the outputs.
    assert!(count <= 8, "{count}");
}

fn batches_that_are_looked_at() {
    let model = compiled(tutorial(), binary(Adam::new()));
    free("a callback for each batch", &model, &y(), || {
        Fit::new().callback(Watcher(0.0))
    });
}

/// How many allocations an epoch of so many steps on a dataset makes.
fn of_dataset(dataset: &mut dyn Dataset, steps: usize) -> usize {
    let mut model = compiled(tutorial(), binary(Adam::new()));
    let fit = Fit::new().batch_size(10).steps_per_epoch(steps).verbose(0);
    allocations(|| {
        model.fit_dataset(dataset, fit).unwrap();
    })
}

fn steps_on_datasets() {
    let check = |what: &str, dataset: &mut dyn Dataset| {
        of_dataset(dataset, 20);
        let (few, many) = (of_dataset(dataset, 20), of_dataset(dataset, 190));
        println!("{what}: {few} allocations in 20 steps on a dataset, {many} in 190");
        assert_eq!(few, many, "{what}");
    };
    let (x, y) = (x(), y());
    let arrays = || from_arrays(&x, &y).unwrap();
    check("arrays", &mut arrays().repeat());
    check("shuffled", &mut arrays().shuffle(20).repeat());
    let row = |i: usize| ([i as f32 / 2000.0; 8], i % 2, 0.5);
    check("rows of a function", &mut from_index(2000, row));
    check(
        "rows that are changed",
        &mut from_index(2000, row).map(|_| Ok(())),
    );
    check("rows of an iterator", &mut from_iter((0..2000).map(row)));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for i in 0..2000 {
        writeln!(file, "0.5,{},1,2,-3,4.25,5e-1,6,{}", i as f32 / 7.0, i % 2).unwrap();
    }
    let csv = Csv::new().stream(file.path()).unwrap();
    check("a text file", &mut csv.targets([8]).unwrap());

    // How many buffers of the thread are filled is a matter of time.
    let count = of_dataset(&mut arrays().shuffle(20).repeat(), 20);
    let few = from_index(43, row).repeat();
    let ahead = of_dataset(&mut few.prefetch(3), 10_000);
    assert!(
        ahead < count + 300,
        "{ahead} allocations in 10 000 steps, read ahead"
    );
}

/// However often a model predicts or is trained on, what it holds does not grow.
fn memory_is_flat() {
    let mut model = compiled(tutorial(), binary(Adam::new()));
    let (x, y) = (x(), y());
    let mut use_it = |predictions: usize, fits: usize| {
        for i in 0..predictions {
            // Batches of several sizes, so that plans come and go.
            let rows = 1 + i % 40;
            model.predict(&x.slice(s![..rows, ..])).unwrap();
        }
        for _ in 0..fits {
            model
                .fit(&x, &y, Fit::new().batch_size(10).verbose(0))
                .unwrap();
        }
        LIVE.load(Ordering::Relaxed)
    };
    let before = use_it(400, 2);
    let after = use_it(4000, 40);
    assert!(after <= before + 1024, "{before} bytes, then {after}");
}

#[test]
fn steps_and_predictions_allocate_nothing() {
    memory_is_flat();
    steps_of_fit();
    steps_on_datasets();
    predictions();
    predict_of_one_row_allocates_only_what_it_returns();
    batches_that_are_looked_at();
}
