//! The jobs, each with those who do it.

use crate::contest::{Contest, Runs};
use crate::entrants::{Entrant, How};
use crate::report::{Kind, Report};
use crate::{Result, entrants, growth, machine};

/// The arguments of the peers' networks: `benches/peers/dense.py` reads them.
const MLP: &str = "--widths 784-512-512-10 --rows 12800 --batch 128";
const MLP_COMPILED: &str = "--widths 784-512-512-10 --rows 12800 --batch 128 --compile";
const WIDE_256: &str = "--widths 30-64-64-1 --rows 100000 --batch 256";
const WIDE_256_COMPILED: &str = "--widths 30-64-64-1 --rows 100000 --batch 256 --compile";
const WIDE_32768: &str = "--widths 30-64-64-1 --rows 100000 --batch 32768";
const WIDE_32768_COMPILED: &str = "--widths 30-64-64-1 --rows 100000 --batch 32768 --compile";

const CONTESTS: &[Contest] = &[
    Contest {
        name: "tutorial_fit",
        title: "the tutorial's `fit`, 150 epochs in batches of 10",
        kind: Kind::Time,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn", "tutorial_fit"),
            Entrant::ours("horn, printing each epoch", "tutorial_printing"),
            Entrant {
                who: "written by hand for this network alone",
                how: How::Limit,
            },
            Entrant::tutorial("JAX, all epochs compiled as one", "tutorial_jax", "fit"),
            Entrant::tutorial("scikit-learn", "tutorial_sklearn", "fit"),
            Entrant::tutorial("PyTorch", "tutorial_torch", "fit"),
            Entrant::tutorial("Keras on JAX", "tutorial_keras", "fit"),
        ],
    },
    Contest {
        name: "tutorial_fit",
        title: "all 768 rows evaluated, and predicted",
        kind: Kind::Time,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn, `evaluate`", "tutorial_evaluate"),
            Entrant::ours("horn, `predict`", "tutorial_predict"),
        ],
    },
    Contest {
        name: "whole_process",
        title: "the tutorial's program from start to exit",
        kind: Kind::Time,
        runs: Runs::Many,
        entrants: &[
            Entrant {
                who: "horn",
                how: How::Example("pima"),
            },
            Entrant::whole("JAX, all epochs compiled as one", "tutorial_jax"),
            Entrant::whole("scikit-learn", "tutorial_sklearn"),
            Entrant::whole("PyTorch", "tutorial_torch"),
            Entrant::whole("Keras on JAX", "tutorial_keras"),
        ],
    },
    Contest {
        name: "one_row",
        title: "one row predicted by the tutorial's network",
        kind: Kind::Time,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn, `predict`", "one_row"),
            Entrant::ours("horn, `predict_into`", "one_row_into"),
            Entrant::tutorial("JAX, compiled", "tutorial_jax", "one_row"),
            Entrant::tutorial("PyTorch", "tutorial_torch", "one_row"),
            Entrant::tutorial("scikit-learn", "tutorial_sklearn", "one_row"),
            Entrant::tutorial("Keras on JAX, `predict`", "tutorial_keras", "one_row"),
            Entrant::tutorial("Keras on JAX, called", "tutorial_keras", "one_row_called"),
        ],
    },
    Contest {
        name: "mlp_fit",
        title: "784-512-512-10 trained, batch 128",
        kind: Kind::Rate,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn", "mlp_fit"),
            Entrant::ours("horn's product alone", "mlp_products"),
            Entrant::peer("PyTorch", "dense_torch", MLP, "fit"),
            Entrant::peer("PyTorch, torch.compile", "dense_torch", MLP_COMPILED, "fit"),
            Entrant::peer("JAX, an epoch compiled as one", "dense_jax", MLP, "fit"),
        ],
    },
    Contest {
        name: "mlp_fit",
        title: "the products of those steps alone",
        kind: Kind::Rate,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn", "mlp_products"),
            Entrant::peer("PyTorch", "dense_torch", MLP, "products"),
        ],
    },
    Contest {
        name: "mlp_predict",
        title: "784-512-512-10 predicting, 1024 rows at a time",
        kind: Kind::Rate,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn", "mlp_predict"),
            Entrant::peer("PyTorch", "dense_torch", MLP, "predict"),
            Entrant::peer(
                "PyTorch, torch.compile",
                "dense_torch",
                MLP_COMPILED,
                "predict",
            ),
            Entrant::peer("JAX, compiled", "dense_jax", MLP, "predict"),
        ],
    },
    Contest {
        name: "threads",
        title: "784-512-512-10 trained with 2 threads and with 1",
        kind: Kind::Rate,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours_with("horn, 2 threads", "mlp_fit", 2),
            Entrant::ours_with("horn, 1 thread", "mlp_fit", 1),
        ],
    },
    Contest {
        name: "threads",
        title: "the tutorial's `fit` with 2 threads and with 1",
        kind: Kind::Time,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours_with("horn, 2 threads", "tutorial_fit", 2),
            Entrant::ours_with("horn, 1 thread", "tutorial_fit", 1),
        ],
    },
    Contest {
        name: "wide_thin",
        title: "100 000 rows of 30 columns, 64-64-1, batch 256",
        kind: Kind::Rate,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn", "wide_256"),
            Entrant::peer("PyTorch", "dense_torch", WIDE_256, "fit"),
            Entrant::peer(
                "PyTorch, torch.compile",
                "dense_torch",
                WIDE_256_COMPILED,
                "fit",
            ),
            Entrant::peer(
                "JAX, an epoch compiled as one",
                "dense_jax",
                WIDE_256,
                "fit",
            ),
        ],
    },
    Contest {
        name: "wide_thin",
        title: "100 000 rows of 30 columns, 64-64-1, batch 32 768",
        kind: Kind::Rate,
        runs: Runs::Many,
        entrants: &[
            Entrant::ours("horn", "wide_32768"),
            Entrant::peer("PyTorch", "dense_torch", WIDE_32768, "fit"),
            Entrant::peer(
                "PyTorch, torch.compile",
                "dense_torch",
                WIDE_32768_COMPILED,
                "fit",
            ),
            Entrant::peer(
                "JAX, an epoch compiled as one",
                "dense_jax",
                WIDE_32768,
                "fit",
            ),
        ],
    },
    Contest {
        name: "memory",
        title: "the memory of `fit` beyond its data (2 GB unless HORN_MEMORY_GB is set)",
        kind: Kind::Memory,
        runs: Runs::Once,
        entrants: &[
            Entrant::ours("horn, rows of 784", "memory_784"),
            Entrant::ours("horn, rows of 64", "memory_64"),
        ],
    },
];

/// The names by which a user asks for jobs, in order.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = CONTESTS.iter().map(|contest| contest.name).collect();
    names.push(growth::NAME);
    names.dedup();
    names
}

/// Runs the jobs of these names, or all, and prints each section when it is there.
pub fn run_all(wanted: &[&String], command: String) -> Result<Report> {
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|w| *w == name);
    let head = machine::describe(&command);
    println!("{head}");
    let mut report = Report::new(head);
    for contest in CONTESTS.iter().filter(|contest| asked(contest.name)) {
        let outcome = contest.run()?;
        print!("{}", report.add(contest, &outcome));
    }
    if asked(growth::NAME) {
        let section = entrants::own_output(growth::FLAG)?;
        print!("{section}");
        report.add_section(&section);
    }
    Ok(report)
}
