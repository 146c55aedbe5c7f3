//! The same seed gives the same bits: twice, on any number of threads, and when a run is resumed.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use horn::callbacks::{Control, Logs};
use horn::prelude::*;

/// FNV-1a of the bits of all weights: equal only if every bit is.
fn hash(model: &Sequential) -> u64 {
    let weights = model.get_weights();
    let bytes = weights
        .iter()
        .flatten()
        .flat_map(|w| w.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn pima() -> Array2<f32> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/data/pima-indians-diabetes.csv"
    );
    load_csv(path).unwrap()
}

fn tutorial(seed: u64) -> Sequential {
    Sequential::new()
        .seed(seed)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
}

fn compiled(mut model: Sequential) -> Sequential {
    let compile = Compile::new(Adam::new(), BinaryCrossentropy::new());
    model.compile(compile.metric(Accuracy)).unwrap();
    model
}

/// The tutorial's network after some epochs.
fn trained(seed: u64, epochs: usize) -> Sequential {
    let dataset = pima();
    let mut model = compiled(tutorial(seed));
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    let fit = Fit::new().epochs(epochs).batch_size(10).verbose(0);
    model.fit(&x, &y, fit).unwrap();
    model
}

/// The same with dropout, which draws in each step.
fn noisy(seed: u64) -> Sequential {
    compiled(
        Sequential::new()
            .seed(seed)
            .add(Dense::new(12).input_dim(8).activation(Relu))
            .add(Dropout::new(0.3))
            .add(Dense::new(1).activation(Sigmoid)),
    )
}

/// Numbers in 0 to 1 that do not come from the crate (splitmix64).
fn random(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    })
}

/// A network large enough that its products and its optimizer run on several threads.
fn wide(seed: u64) -> Sequential {
    let mut model = Sequential::new()
        .seed(seed)
        .add(Dense::new(256).input_dim(784).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(10).activation(activations::Softmax::new()));
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    model.compile(compile.metric(Accuracy)).unwrap();
    // The last batch is a smaller one.
    let x = random(700, 784, 1);
    let y = Array1::from_shape_fn(700, |row| (row * 7 % 10) as f32);
    let fit = Fit::new().epochs(2).batch_size(128).verbose(0);
    model.fit(&x, &y, fit.validation_split(0.1)).unwrap();
    model
}

/// The MLP 784-512-512-10 after a few steps.
fn mlp(seed: u64) -> Sequential {
    let mut model = Sequential::new()
        .seed(seed)
        .add(Dense::new(512).input_dim(784).activation(Relu))
        .add(Dense::new(512).activation(Relu))
        .add(Dense::new(10).activation(activations::Softmax::new()));
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    model.compile(compile.metric(Accuracy)).unwrap();
    let x = random(300, 784, 3);
    let y = Array1::from_shape_fn(300, |row| (row * 7 % 10) as f32);
    model
        .fit(&x, &y, Fit::new().batch_size(128).verbose(0))
        .unwrap();
    model
}

/// Some steps of a network on many rows of few columns: 30-64-64-1.
fn thin(seed: u64, rows: usize, batch_size: usize) -> Sequential {
    let model = Sequential::new()
        .seed(seed)
        .add(Dense::new(64).input_dim(30).activation(Relu))
        .add(Dense::new(64).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));
    let mut model = compiled(model);
    let x = random(rows, 30, 4);
    let y = Array1::from_shape_fn(rows, |row| (row % 3 == 0) as u8 as f32);
    let fit = Fit::new().batch_size(batch_size).verbose(0);
    model.fit(&x, &y, fit).unwrap();
    model
}

/// A hash of the bits of outputs.
fn hash_of(outputs: &Array2<f32>) -> u64 {
    let bits = outputs.mapv(f32::to_bits);
    bits.iter().fold(7, |hash: u64, bits| {
        hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(*bits)
    })
}

/// A hash of the predictions for many rows.
fn outputs(model: &Sequential, x: &Array2<f32>) -> u64 {
    hash_of(&model.predict(x).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    assert_eq!(hash(&trained(7, 5)), hash(&trained(7, 5)));
    assert_eq!(hash(&wide(7)), hash(&wide(7)));
}

#[test]
fn another_seed_gives_other_bits() {
    assert_ne!(hash(&trained(7, 2)), hash(&trained(8, 2)));
    let kernel = |seed| compiled(tutorial(seed)).get_weights()[0].clone();
    assert_ne!(kernel(7), kernel(8));
    // The shuffle depends on the seed too: the same weights at the start end elsewhere.
    let dataset = pima();
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    let start = compiled(tutorial(7)).get_weights();
    let end = |seed, shuffle| {
        let mut model = compiled(tutorial(seed));
        model.set_weights(&start).unwrap();
        model
            .fit(&x, &y, Fit::new().shuffle(shuffle).verbose(0))
            .unwrap();
        hash(&model)
    };
    assert_ne!(end(7, true), end(8, true));
    assert_eq!(end(7, false), end(8, false));
}

/// The jobs of which each gives the same bits at any number of threads, by name.
fn jobs() -> String {
    let (wide, mlp) = (wide(7), mlp(7));
    let at_once = mlp.predict_on_batch(&random(1024, 784, 5)).unwrap();
    let hashes = [
        ("the tutorial", hash(&trained(7, 150))),
        ("dropout and validation", hash(&wide)),
        ("predict", outputs(&wide, &random(3000, 784, 2))),
        ("the MLP, batches of 128", hash(&mlp)),
        ("the MLP, predict 1024 at once", hash_of(&at_once)),
        ("wide and thin, batches of 256", hash(&thin(7, 1500, 256))),
        (
            "wide and thin, a batch of 32768",
            hash(&thin(7, 32_768, 32_768)),
        ),
    ];
    let each = hashes.map(|(name, hash)| format!("{name} {hash:x}"));
    each.join(", ")
}

/// What a child process prints: the hashes of all jobs.
#[test]
#[ignore = "run by the test of thread counts, in processes of its own"]
fn child() {
    println!("hashes {}", jobs());
}

/// The line of `child` in a process with this many threads.
fn hashes(threads: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]);
    command.env_remove("RAYON_NUM_THREADS");
    if let Some(threads) = threads {
        command.env("RAYON_NUM_THREADS", threads);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .split("hashes ")
        .nth(1)
        .and_then(|tail| tail.lines().next());
    line.unwrap_or_else(|| {
        panic!(
            "no hashes in {text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
    .to_string()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let one = hashes(Some("1"));
    println!("{one}");
    for threads in [Some("2"), Some("3"), Some("4"), Some("7"), None] {
        assert_eq!(hashes(threads), one, "with {threads:?} threads");
    }
    // This process is one more.
    assert_eq!(jobs(), one);
}

#[test]
fn resuming_draws_what_an_unbroken_run_draws() {
    let dataset = pima();
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    for make in [noisy, |seed| compiled(tutorial(seed))] {
        let mut whole = make(3);
        let all = whole.fit(&x, &y, Fit::new().epochs(5).verbose(0)).unwrap();
        let mut parts = make(3);
        let first = parts.fit(&x, &y, Fit::new().epochs(2).verbose(0)).unwrap();
        let fit = Fit::new().initial_epoch(2).epochs(5).verbose(0);
        let second = parts.fit(&x, &y, fit).unwrap();
        assert_eq!(hash(&whole), hash(&parts));
        assert_eq!(second.epochs(), [2, 3, 4]);
        let losses = [&first["loss"], &second["loss"]].concat();
        assert_eq!(losses, all["loss"]);
        // Without `initial_epoch` the first shuffles come again, and the weights differ.
        let mut again = make(3);
        again.fit(&x, &y, Fit::new().epochs(2).verbose(0)).unwrap();
        again.fit(&x, &y, Fit::new().epochs(3).verbose(0)).unwrap();
        assert_ne!(hash(&whole), hash(&again));
    }
}

#[test]
fn a_seed_that_was_drawn_can_be_read_and_repeated() {
    let model = Sequential::new();
    let seed = model.current_seed();
    let shaped = |model: Sequential| {
        let model = model.add(Dense::new(12).input_dim(8).activation(Relu));
        compiled(
            model
                .add(Dropout::new(0.5))
                .add(Dense::new(1).activation(Sigmoid)),
        )
    };
    let dataset = pima();
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    let mut drawn = shaped(model);
    let mut repeated = shaped(Sequential::new().seed(seed));
    for model in [&mut drawn, &mut repeated] {
        model.fit(&x, &y, Fit::new().epochs(2).verbose(0)).unwrap();
    }
    assert_eq!(hash(&drawn), hash(&repeated));
    assert_ne!(
        Sequential::new().current_seed(),
        Sequential::new().current_seed()
    );
}

/// The order of the rows of an epoch, seen through the loss of each row in batches of one: with
/// weights of 0 and a rate of 0, the loss of row `i` is the square of its target, `i`.
fn order(mut model: Sequential, epoch: usize) -> Vec<usize> {
    struct Seen(Vec<f32>);
    impl Callback for Seen {
        fn wants_batches(&self) -> bool {
            true
        }
        fn on_batch_end(&mut self, _: &mut Control, batch: usize, logs: &Logs) -> horn::Result<()> {
            // The mean so far, of `batch + 1` losses.
            self.0.push(logs["loss"] * (batch + 1) as f32);
            Ok(())
        }
    }
    let sgd = SGD::new().learning_rate(0.0);
    model
        .compile(Compile::new(sgd, MeanSquaredError::new()))
        .unwrap();
    let zeros: Vec<ArrayD<f32>> = model.get_weights().iter().map(|w| w * 0.0).collect();
    model.set_weights(&zeros).unwrap();
    let x = Array2::<f32>::ones((20, 3));
    let y = Array1::from_shape_fn(20, |row| row as f32);
    let mut seen = Seen(Vec::new());
    let fit = Fit::new()
        .batch_size(1)
        .initial_epoch(epoch)
        .epochs(epoch + 1)
        .verbose(0);
    model.fit(&x, &y, fit.callback(&mut seen)).unwrap();
    let before = std::iter::once(0.0).chain(seen.0.iter().copied());
    let losses = seen.0.iter().zip(before).map(|(now, before)| now - before);
    losses
        .map(|loss| loss.max(0.0).sqrt().round() as usize)
        .collect()
}

#[test]
fn adding_a_layer_does_not_change_the_shuffle() {
    let short = || Sequential::new().seed(5).add(Dense::new(1).input_dim(3));
    let long = || {
        let model = Sequential::new().seed(5).add(Dense::new(4).input_dim(3));
        model.add(Dropout::new(0.5)).add(Dense::new(1))
    };
    let first = order(short(), 0);
    let mut sorted = first.clone();
    sorted.sort();
    assert_eq!(sorted, (0..20).collect::<Vec<_>>(), "each row comes once");
    assert_ne!(first, sorted);
    assert_eq!(order(long(), 0), first);
    assert_eq!(order(long(), 4), order(short(), 4));
    assert_ne!(
        order(short(), 4),
        first,
        "each epoch has an order of its own"
    );
}

#[test]
fn adding_a_layer_does_not_change_the_weights_of_the_others() {
    let kernels = |model: Sequential| {
        let mut model = model;
        model.build().unwrap();
        model.get_weights()[..2].to_vec()
    };
    let short = Sequential::new().seed(5).add(Dense::new(4).input_dim(3));
    assert_eq!(kernels(short.clone().add(Dense::new(1))), kernels(short));
}

#[test]
fn layers_of_one_shape_begin_differently() {
    let mut model = Sequential::new()
        .seed(5)
        .add(Dense::new(3).input_dim(3))
        .add(Dense::new(3));
    model.build().unwrap();
    let weights = model.get_weights();
    assert_ne!(weights[0], weights[2]);
}

#[test]
fn predictions_of_many_threads_at_once_equal_the_serial_ones() {
    for model in [trained(7, 3), wide(7)] {
        let columns = model.input_shape().unwrap()[0];
        // Sizes of batches that share plans, and more of them than the model keeps.
        let sizes: Vec<usize> = (1..24).chain([256, 257, 600]).collect();
        let inputs: Vec<Array2<f32>> = sizes
            .iter()
            .map(|rows| random(*rows, columns, *rows as u64))
            .collect();
        let serial: Vec<u64> = inputs.iter().map(|x| outputs(&model, x)).collect();
        let y: Vec<f32> = vec![0.0; 600];
        let scores = model.evaluate(&inputs[25], &y).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (model, inputs, serial, scores, y) = (&model, &inputs, &serial, &scores, &y);
                scope.spawn(move || {
                    for round in 0..40 {
                        let i = (thread * 7 + round * 3) % inputs.len();
                        assert_eq!(outputs(model, &inputs[i]), serial[i]);
                    }
                    assert_eq!(&model.evaluate(&inputs[25], y).unwrap(), scores);
                    let x = inputs[6].as_slice().unwrap();
                    let mut predictor = model.predictor(7).unwrap();
                    let mut out = vec![0.0; 7 * model.output_shape().unwrap()[0]];
                    predictor.predict_into(x, &mut out).unwrap();
                    let alone = model.predict(&inputs[6]).unwrap();
                    assert_eq!(out, alone.as_slice().unwrap());
                });
            }
        });
    }
}

#[test]
fn a_row_is_predicted_alike_alone_and_among_others() {
    let model = trained(7, 3);
    let x = random(300, 8, 9);
    let all = model.predict(&x).unwrap();
    for row in [0, 1, 17, 255, 256, 299] {
        let alone = model.predict(&x.slice(s![row..row + 1, ..])).unwrap()[[0, 0]];
        // Sums may be taken in another order: a few units in the last place of the logit.
        assert!((alone - all[[row, 0]]).abs() <= 1e-6, "row {row}");
    }
}

#[test]
fn what_is_shared_between_threads_may_be() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Sequential>();
    assert_send_sync::<Predictor<'static>>();
    assert_send_sync::<Compile>();
    assert_send_sync::<Evaluate<'static>>();
    assert_send_sync::<History>();
    assert_send_sync::<Scores>();
    assert_send_sync::<Summary>();
    assert_send_sync::<Error>();
    assert_send_sync::<Box<dyn Optimizer>>();
    assert_send_sync::<std::sync::Arc<dyn Layer>>();
    assert_send_sync::<std::sync::Arc<dyn Loss>>();
    assert_send_sync::<Box<dyn Metric>>();
    fn assert_send<T: Send>() {}
    assert_send::<Fit<'static>>();
}
