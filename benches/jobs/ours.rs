//! Our side of each job, in the process that has its turn.

use std::hint::black_box;
use std::time::Instant;

use horn::prelude::*;
use horn::testing::Probe;

use crate::entrants;

/// What is measured at a turn, with its unit.
type Turn = Box<dyn FnMut() -> horn::Result<(f64, &'static str)>>;

/// A short fit is done so often in a turn, and the fastest counts: so does the limit's program.
const TRIES: usize = 7;
/// Rows that the larger networks predict at a time.
const CHUNK: usize = 1024;

/// Prepares, prints `ready`, and answers each line of the input with `NAME value unit`.
pub fn take_turns(name: &str) -> crate::Result<()> {
    let mut turn = prepare(name)?;
    // The first time pays for the plan, the caches and the threads.
    turn()?;
    println!("ready");
    for line in std::io::stdin().lines() {
        line?;
        let (value, unit) = turn()?;
        println!("{name} {value} {unit}");
    }
    Ok(())
}

fn prepare(name: &str) -> crate::Result<Turn> {
    Ok(match name {
        "tutorial_fit" => fit_tutorial(|fit| fit)?,
        "tutorial_printing" => {
            fit_tutorial(|fit| fit.callback(callbacks::Progress::new().output(std::io::sink())))?
        }
        "tutorial_evaluate" => {
            let (model, x, y) = tutorial()?;
            Box::new(move || each(200, || model.evaluate(&x, &y).map(drop)))
        }
        "tutorial_predict" => {
            let (model, x, _) = tutorial()?;
            Box::new(move || each(200, || model.predict(&x).map(|p| drop(black_box(p)))))
        }
        "one_row" => {
            let (model, x, _) = tutorial()?;
            let row = x.slice(s![0..1, ..]).to_owned();
            Box::new(move || each(20_000, || model.predict(&row).map(|p| drop(black_box(p)))))
        }
        "one_row_into" => {
            let (model, x, _) = tutorial()?;
            let row = x.row(0).to_vec();
            Box::new(move || {
                let (mut predictor, mut output) = (model.predictor(1)?, [0.0]);
                each(20_000, || {
                    predictor.predict_into(black_box(&row), &mut output)?;
                    black_box(&output);
                    Ok(())
                })
            })
        }
        "mlp_fit" => Large::mlp()?.fit(),
        "mlp_predict" => Large::mlp()?.predict(),
        "mlp_products" => products()?,
        "wide_256" => Large::wide(256)?.fit(),
        "wide_32768" => Large::wide(32_768)?.fit(),
        "memory_784" => memory(784)?,
        "memory_64" => memory(64)?,
        _ => return Err(format!("there is no turn {name}").into()),
    })
}

fn tutorial() -> horn::Result<(Sequential, Array2<f32>, Array1<f32>)> {
    let dataset = load_csv(entrants::csv())?;
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    Ok((tutorial_network()?, x.to_owned(), y.to_owned()))
}

fn tutorial_network() -> horn::Result<Sequential> {
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    Ok(model)
}

/// The tutorial's fit, on views of the file's one array as there.
fn fit_tutorial(settle: fn(Fit<'static>) -> Fit<'static>) -> horn::Result<Turn> {
    let dataset = load_csv(entrants::csv())?;
    Ok(Box::new(move || {
        let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
        let mut fastest = f64::INFINITY;
        for _ in 0..TRIES {
            let mut model = tutorial_network()?;
            let fit = settle(Fit::new().epochs(150).batch_size(10).verbose(0));
            fastest = fastest.min(seconds(|| model.fit(&x, &y, fit).map(drop))?);
        }
        Ok((fastest * 1e3, "ms"))
    }))
}

/// A stack of dense layers with data drawn at random.
struct Large {
    model: Sequential,
    x: Array2<f32>,
    y: Array1<f32>,
    batch: usize,
}

impl Large {
    /// 784-512-512-10, the size that is usual for small images.
    fn mlp() -> horn::Result<Self> {
        let model = Sequential::new()
            .add(Dense::new(512).input_dim(784).activation(Relu))
            .add(Dense::new(512).activation(Relu))
            .add(Dense::new(10).activation(Softmax::new()));
        let loss = SparseCategoricalCrossentropy::new();
        Large::new(
            model,
            Compile::new(Adam::new(), loss),
            (12_800, 784),
            10,
            128,
        )
    }

    /// Many rows of few columns.
    fn wide(batch: usize) -> horn::Result<Self> {
        let model = Sequential::new()
            .add(Dense::new(64).input_dim(30).activation(Relu))
            .add(Dense::new(64).activation(Relu))
            .add(Dense::new(1).activation(Sigmoid));
        let loss = BinaryCrossentropy::new();
        Large::new(
            model,
            Compile::new(Adam::new(), loss),
            (100_000, 30),
            2,
            batch,
        )
    }

    fn new(
        model: Sequential,
        compile: Compile,
        shape: (usize, usize),
        classes: u32,
        batch: usize,
    ) -> horn::Result<Self> {
        let mut model = model.seed(7);
        model.compile(compile.metric(Accuracy))?;
        let mut random = Random(7);
        Ok(Large {
            model,
            x: Array2::from_shape_simple_fn(shape, || random.uniform()),
            y: Array1::from_shape_simple_fn(shape.0, || (random.next() % classes) as f32),
            batch,
        })
    }

    /// An epoch.
    fn fit(mut self) -> Turn {
        Box::new(move || {
            let fit = Fit::new().batch_size(self.batch).verbose(0);
            let taken = seconds(|| self.model.fit(&self.x, &self.y, fit).map(drop))?;
            Ok((self.x.nrows() as f64 / taken, "samples/s"))
        })
    }

    /// All rows, so many at a time.
    fn predict(self) -> Turn {
        Box::new(move || {
            let mut chunks = self.x.axis_chunks_iter(Axis(0), CHUNK);
            let taken = seconds(|| {
                chunks.try_for_each(|chunk| self.model.predict(&chunk).map(|p| drop(black_box(p))))
            })?;
            Ok((self.x.nrows() as f64 / taken, "samples/s"))
        })
    }
}

/// How many samples a second could be trained if a step were its products and these all went as
/// fast as those of the forward passes of `784-512-784-512-...` at batch 128.
fn products() -> horn::Result<Turn> {
    const LAYERS: usize = 8;
    const ROWS: usize = 128;
    let mut probe = Probe::new(&[&[ROWS, 784]], false, |scope, x| {
        (0..LAYERS).fold(x[0].clone(), |x, layer| {
            let units = if layer % 2 == 0 { 512 } else { 784 };
            scope.layer(&Dense::new(units), &x)
        })
    })?;
    let done = (ROWS * 784 * 512 * LAYERS) as f64;
    // Forward, the kernel's gradient and, but for the first layer, the input's.
    let needed = (2 * 784 * 512 + 3 * (512 * 512 + 512 * 10)) as f64;
    Ok(Box::new(move || {
        let (taken, _) = each(20, || {
            black_box(probe.forward());
            Ok(())
        })?;
        Ok((done / (taken * 1e-9) / needed, "samples/s"))
    }))
}

/// A fit on views of one large array; what is measured is the memory beyond that array.
fn memory(columns: usize) -> horn::Result<Turn> {
    let told = std::env::var("HORN_MEMORY_GB");
    let gigabytes: f64 = told.ok().and_then(|gb| gb.parse().ok()).unwrap_or(2.0);
    let width = columns + 1;
    let rows = (gigabytes * 1e9 / 4.0 / width as f64) as usize;
    let mut random = Random(7);
    let mut data = Array2::from_shape_simple_fn((rows, width), || random.uniform());
    data.column_mut(columns).mapv_inplace(f32::round);

    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(32).input_dim(columns).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    let bytes = (data.len() * size_of::<f32>()) as f64;
    Ok(Box::new(move || {
        let (x, y) = (data.slice(s![.., ..columns]), data.slice(s![.., columns]));
        model.fit(&x, &y, Fit::new().batch_size(1024).verbose(0))?;
        let peak = entrants::peak_memory(None).map_or(f64::NAN, |peak| peak as f64);
        Ok((peak - bytes, "B"))
    }))
}

/// Nanoseconds of one call among so many in a row.
fn each(
    calls: usize,
    mut call: impl FnMut() -> horn::Result<()>,
) -> horn::Result<(f64, &'static str)> {
    let taken = seconds(|| (0..calls).try_for_each(|_| call()))?;
    Ok((taken / calls as f64 * 1e9, "ns"))
}

pub fn seconds(job: impl FnOnce() -> horn::Result<()>) -> horn::Result<f64> {
    let start = Instant::now();
    job()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Numbers without a pattern that a network could learn (xorshift).
pub struct Random(pub u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// From 0 up to 1.
    pub fn uniform(&mut self) -> f32 {
        (self.next() >> 8) as f32 / (1 << 24) as f32
    }
}
