//! The ops that take the time in models a person knows, forward and backward.
//!
//! `cargo bench --bench ops`. Rates include the copy of the inputs into the workspace.

use std::time::Instant;

use horn::graph::{Scope, Value};
use horn::prelude::*;
use horn::testing::Probe;

const RUNS: usize = 9;

type Function = fn(&mut Scope, &[Value]) -> Value;

fn main() -> horn::Result<()> {
    println!("| product | shapes | forward | forward and backward |\n|---|---|---|---|");
    for (name, m, k, n) in [
        ("the tutorial's first layer", 10, 8, 12),
        ("the tutorial's second layer", 10, 12, 8),
        ("one unit", 10, 8, 1),
        ("a small layer", 32, 64, 64),
        ("MNIST's first layer", 128, 784, 512),
        ("a hidden layer of 512", 128, 512, 512),
    ] {
        let mut probe = Probe::new(&[&[m, k], &[k, n], &[n]], true, |_, v| {
            (v[0].matmul(&v[1]) + &v[2]).relu()
        })?;
        let flops = (2 * m * k * n) as f64;
        let (forward, both) = times(&mut probe);
        let rate = |nanoseconds: f64, flops: f64| format!("{:.1} GFLOP/s", flops / nanoseconds);
        println!(
            "| {name} | {m} x {k} x {n} | {} | {} |",
            rate(forward, flops),
            rate(both, 3.0 * flops)
        );
    }
    println!("\n| op on 128 x 512 | forward | forward and backward |\n|---|---|---|");
    let ops: [(&str, Function); 6] = [
        ("relu", |_, v| v[0].relu()),
        ("tanh", |_, v| v[0].tanh()),
        ("sigmoid", |_, v| v[0].sigmoid()),
        ("gelu", |_, v| {
            activations::Activation::call(&Gelu::new(), &v[0])
        }),
        ("mean of rows", |_, v| v[0].mean(-1)),
        ("dropout", |s, v| {
            &v[0] * s.dropout_mask(v[0].shape().dims(), 0.5, None)
        }),
    ];
    for (name, function) in ops {
        row(name, 128, 512, function)?;
    }
    println!("\n| op on rows of classes | forward | forward and backward |\n|---|---|---|");
    let ops: [(&str, Function); 4] = [
        ("softmax", |_, v| v[0].softmax(-1)),
        ("log-softmax", |_, v| v[0].log_softmax(-1)),
        ("categorical cross-entropy of logits", |_, v| {
            v[0].categorical_crossentropy(&v[0].stop_gradient(), true)
        }),
        ("sparse cross-entropy of softmax", |s, v| {
            let rows = v[0].dim(0);
            let ids = s.constant(&vec![3.0; rows], [rows]);
            let p = v[0].softmax(-1);
            p.sparse_categorical_crossentropy(&ids, false, None)
        }),
    ];
    for (rows, classes) in [(1024, 10), (650, 100), (128, 512), (64, 1000)] {
        for (name, function) in ops {
            let name = format!("{name}, {rows} x {classes}");
            row(&name, rows, classes, function)?;
        }
    }
    Ok(())
}

/// Prints what a number of an op's input costs.
fn row(name: &str, rows: usize, columns: usize, function: Function) -> horn::Result<()> {
    let mut probe = Probe::new(&[&[rows, columns]], true, function)?;
    let (forward, both) = times(&mut probe);
    let each = (rows * columns) as f64;
    println!(
        "| {name} | {:.2} ns a number | {:.2} |",
        forward / each,
        both / each
    );
    Ok(())
}

/// Median nanoseconds of a forward pass, and of one with its backward pass.
fn times(probe: &mut Probe) -> (f64, f64) {
    probe.randomize(1);
    let dy = vec![1.0; probe.output_shape().iter().product()];
    let forward = median(|| drop(probe.forward()));
    let both = median(|| drop(probe.backward(&dy)));
    (forward, both)
}

fn median(mut job: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let mut calls = 0u32;
            while start.elapsed().as_millis() < 20 {
                job();
                calls += 1;
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
