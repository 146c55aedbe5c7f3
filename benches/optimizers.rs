//! Each optimizer's step on ten million parameters, beside a copy of as many bytes, in turn in one
//! run.
//!
//! `cargo bench --bench optimizers`; names after `--` choose some. A step reads the gradients, and
//! reads and writes the parameters and the slots: those are the bytes that are counted. The copy
//! reads half as many bytes and writes them elsewhere, each of two threads its half in one go. What
//! a step takes beyond that is arithmetic, or more than one pass.

use std::time::Instant;

use horn::optimizers::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Aligned, Ftrl, Lamb, Lion,
    LossScaleOptimizer, Muon, Nadam, Optimizer, RMSprop, SGD, ScheduleFreeAdamW, State, Variable,
};

type Error = Box<dyn std::error::Error>;

/// Ten kernels of a thousand rows and columns, for optimizers that look at them.
const KERNELS: usize = 10;
const SIDE: usize = 1000;
const PARAMETERS: usize = KERNELS * SIDE * SIDE;
/// How often each is timed.
const RUNS: usize = 7;

fn main() -> Result<(), Error> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build_global()?;
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let mut buffers = Buffers::new();
    println!("| optimizer | slots | MB | median ms | GB/s | share of a copy |");
    println!("|---|---|---|---|---|---|");
    for (name, optimizer) in optimizers() {
        let name_only = name.split(',').next().unwrap_or(name);
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name_only) {
            row(name, optimizer.as_ref(), &mut buffers);
        }
    }
    Ok(())
}

/// All optimizers but `LBFGS`, which is for small data, and whose step calls for the loss again.
fn optimizers() -> Vec<(&'static str, Box<dyn Optimizer>)> {
    vec![
        ("SGD", Box::new(SGD::new())),
        ("SGD, momentum", Box::new(SGD::new().momentum(0.9))),
        (
            "SGD, Nesterov",
            Box::new(SGD::new().momentum(0.9).nesterov(true)),
        ),
        ("RMSprop", Box::new(RMSprop::new())),
        (
            "RMSprop, centered, momentum",
            Box::new(RMSprop::new().centered(true).momentum(0.9)),
        ),
        ("Adam", Box::new(Adam::new())),
        ("Adam, AMSGrad", Box::new(Adam::new().amsgrad(true))),
        ("AdamW", Box::new(AdamW::new())),
        ("Adamax", Box::new(Adamax::new())),
        ("Nadam", Box::new(Nadam::new())),
        ("Adagrad", Box::new(Adagrad::new())),
        ("Adadelta", Box::new(Adadelta::new())),
        ("Lion", Box::new(Lion::new())),
        ("Ftrl", Box::new(Ftrl::new())),
        ("ScheduleFreeAdamW", Box::new(ScheduleFreeAdamW::new())),
        (
            "LossScaleOptimizer, Adam",
            Box::new(LossScaleOptimizer::new(Adam::new())),
        ),
        ("Lamb", Box::new(Lamb::new())),
        ("Adafactor", Box::new(Adafactor::new())),
        ("Muon", Box::new(Muon::new())),
    ]
}

/// What steps and copies work on.
struct Buffers {
    parameters: Aligned,
    gradients: Aligned,
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Buffers {
    fn new() -> Self {
        let mut buffers = Buffers {
            parameters: Aligned::zeros(PARAMETERS),
            gradients: Aligned::zeros(PARAMETERS),
            from: Vec::new(),
            to: Vec::new(),
        };
        let both = buffers
            .parameters
            .iter_mut()
            .zip(buffers.gradients.iter_mut());
        for (i, (w, g)) in both.enumerate() {
            *w = (i as f32 * 0.37).sin();
            *g = (i as f32 * 0.73).cos() * 0.1;
        }
        buffers
    }

    /// The milliseconds of a copy that reads and writes so many numbers in all.
    fn copy(&mut self, numbers: usize) -> f64 {
        let half = numbers / 2;
        if self.from.len() < half {
            self.from.resize(half, 1.0);
            self.to.resize(half, 2.0);
        }
        let (left, right) = self.from[..half].split_at(half / 2);
        let (to_left, to_right) = self.to[..half].split_at_mut(half / 2);
        milliseconds(|| {
            rayon::join(
                || to_left.copy_from_slice(left),
                || to_right.copy_from_slice(right),
            );
        })
    }
}

fn row(name: &str, optimizer: &dyn Optimizer, buffers: &mut Buffers) {
    let shape = [SIDE, SIDE];
    let paths: Vec<String> = (0..KERNELS).map(|i| format!("dense_{i}/kernel")).collect();
    let variables: Vec<Variable> = paths
        .iter()
        .enumerate()
        .map(|(i, path)| {
            let from = i * SIDE * SIDE;
            Variable::new(path, from..from + SIDE * SIDE, &shape)
        })
        .collect();
    let mut state = State::new(optimizer, PARAMETERS);
    let slots = state.slots().len();
    let numbers = PARAMETERS * (3 + 2 * slots);
    let (mut steps, mut copies) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let (parameters, gradients) = (&mut buffers.parameters, &mut buffers.gradients);
        let step = milliseconds(|| state.apply(optimizer, &variables, parameters, gradients));
        let copy = buffers.copy(numbers);
        // The first touches the memory for the first time.
        if run > 0 {
            steps.push(step);
            copies.push(copy);
        }
    }
    let (step, copy) = (median(steps), median(copies));
    let megabytes = (4 * numbers) as f64 / 1e6;
    println!(
        "| {name} | {slots} | {megabytes:.0} | {step:.2} | {:.1} | {:.0} % |",
        megabytes / step,
        100.0 * copy / step
    );
}

fn milliseconds(job: impl FnOnce()) -> f64 {
    let start = Instant::now();
    job();
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
