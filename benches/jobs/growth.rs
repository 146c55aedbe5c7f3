//! What a step costs as a network or its batch grows: straight lines, without cliffs at sizes that
//! are no multiple of the vectors' lanes.

use std::fmt::Write;

use horn::prelude::*;

use crate::Result;
use crate::ours::{Random, seconds};
use crate::report::{Kind, number};

pub const NAME: &str = "growth";
/// How this program starts itself for it, so that it has as many threads as the other jobs.
pub const FLAG: &str = "--growth";

const RUNS: usize = 7;
/// Steps of an epoch, and how long a fit is to take at least.
const STEPS: usize = 8;
const SECONDS: f64 = 0.01;

/// Something that grows while the rest stays.
struct Axis {
    name: &'static str,
    /// One of it.
    one: &'static str,
    title: &'static str,
    largest: usize,
    /// The columns and the units of the layers, and the rows of a batch.
    network: fn(usize) -> (Vec<usize>, usize),
}

const AXES: [Axis; 3] = [
    Axis {
        name: "units",
        one: "unit",
        title: "32-units-1, batches of 32",
        largest: 1024,
        network: |units| (vec![32, units, 1], 32),
    },
    Axis {
        name: "rows",
        one: "row",
        title: "32-64-64-1, batches of so many rows",
        largest: 4096,
        network: |rows| (vec![32, 64, 64, 1], rows),
    },
    Axis {
        name: "layers",
        one: "layer",
        title: "64-64-...-64-1, batches of 32",
        largest: 32,
        network: |layers| {
            let mut widths = vec![64; layers + 1];
            widths.push(1);
            (widths, 32)
        },
    },
];

/// A size with what a step costs there, in nanoseconds.
struct Point {
    size: f64,
    cost: f64,
}

/// The line from which the points are, in proportion, least far.
struct Line {
    base: f64,
    each: f64,
}

/// Measures, and prints the section of the report.
pub fn run() -> Result<()> {
    let mut text = format!("\n## {NAME}: what a step of training costs as sizes grow\n");
    for axis in &AXES {
        let points = measure(axis)?;
        let line = Line::through(&points);
        let _ = write!(
            text,
            "\n**{}** ({}). {}\n\n```text\n{}```\n\n{}",
            axis.name,
            axis.title,
            judge(axis, &points, &line),
            plot(axis, &points, &line),
            table(axis, &points, &line),
        );
    }
    print!("{text}");
    Ok(())
}

/// Powers of two, their neighbours, and what is half way to the next.
fn sizes(largest: usize) -> Vec<usize> {
    let powers = (0..).map(|power| 1 << power);
    let mut sizes: Vec<usize> = powers
        .take_while(|size| *size <= largest)
        .flat_map(|size| [size - 1, size, size + 1, size * 3 / 2])
        .filter(|size| (1..=largest).contains(size))
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn measure(axis: &Axis) -> Result<Vec<Point>> {
    let sizes = sizes(axis.largest);
    let mut fits = sizes
        .iter()
        .map(|size| Steps::new((axis.network)(*size)))
        .collect::<horn::Result<Vec<_>>>()?;
    let mut costs = vec![f64::INFINITY; fits.len()];
    // All sizes in turn, and the fastest of each: what else the machine does at times must not look
    // like a cliff.
    for _ in 0..RUNS {
        for (fit, cost) in fits.iter_mut().zip(&mut costs) {
            *cost = cost.min(fit.nanoseconds()?);
        }
    }
    let points = sizes.iter().zip(costs).map(|(size, cost)| Point {
        size: *size as f64,
        cost,
    });
    Ok(points.collect())
}

/// A network with data for some steps of training.
struct Steps {
    model: Sequential,
    x: Array2<f32>,
    y: Array1<f32>,
    batch: usize,
    epochs: usize,
}

impl Steps {
    fn new((widths, batch): (Vec<usize>, usize)) -> horn::Result<Self> {
        let columns = widths[0];
        let mut model = Sequential::new().seed(7).add(Input::new([columns]));
        for units in &widths[1..] {
            model.push(Dense::new(*units).activation(Relu));
        }
        model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
        let mut random = Random(7);
        let rows = batch * STEPS;
        let mut steps = Steps {
            model,
            x: Array2::from_shape_simple_fn((rows, columns), || random.uniform()),
            y: Array1::from_shape_simple_fn(rows, || random.uniform()),
            batch,
            epochs: 4,
        };
        steps.nanoseconds()?;
        let epoch = steps.nanoseconds()? * 1e-9 * STEPS as f64;
        steps.epochs = ((SECONDS / epoch) as usize).max(steps.epochs);
        Ok(steps)
    }

    /// What a step costs.
    fn nanoseconds(&mut self) -> horn::Result<f64> {
        let fit = Fit::new()
            .epochs(self.epochs)
            .batch_size(self.batch)
            .verbose(0);
        let taken = seconds(|| self.model.fit(&self.x, &self.y, fit).map(drop))?;
        Ok(taken * 1e9 / (self.epochs * STEPS) as f64)
    }
}

impl Line {
    /// Least squares of the deviations in proportion to the costs; no step costs less than nothing.
    fn through(points: &[Point]) -> Self {
        let mut sums = [0.0; 5];
        for Point { size, cost } in points {
            let weight = 1.0 / (cost * cost);
            let terms = [1.0, *size, size * size, *cost, size * cost];
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum += weight * term;
            }
        }
        let [one, x, xx, y, xy] = sums;
        let each = (one * xy - x * y) / (one * xx - x * x);
        let base = (y - each * x) / one;
        match base > 0.0 {
            true => Line { base, each },
            false => Line {
                base: 0.0,
                each: xy / xx,
            },
        }
    }

    fn at(&self, size: f64) -> f64 {
        self.base + self.each * size
    }

    /// How far above the line a point is, in percent.
    fn excess(&self, point: &Point) -> f64 {
        (point.cost / self.at(point.size) - 1.0) * 100.0
    }
}

/// The line in words, and the worst that breaks it.
fn judge(axis: &Axis, points: &[Point], line: &Line) -> String {
    let time = |cost| match cost > 0.0 {
        true => number(Kind::Time, cost),
        false => "nothing".into(),
    };
    let above = points
        .iter()
        .max_by(|a, b| line.excess(a).total_cmp(&line.excess(b)));
    let above = above.map_or(String::new(), |point| {
        format!(
            "; the furthest above it is {} with {:+.0} %",
            point.size,
            line.excess(point)
        )
    });
    // A cliff: a size that costs more than a larger one.
    let drops = points.iter().enumerate().map(|(place, point)| {
        let later = points.iter().skip(place + 1);
        let cheapest = later.min_by(|a, b| a.cost.total_cmp(&b.cost));
        (point, cheapest)
    });
    let worst = drops
        .filter_map(|(point, later)| Some((point, later?)))
        .max_by(|(a, b), (c, d)| (a.cost / b.cost).total_cmp(&(c.cost / d.cost)));
    let cliff = match worst {
        Some((point, later)) if point.cost > later.cost => format!(
            "The steepest cliff: {} costs {:.0} % more than {}.",
            point.size,
            (point.cost / later.cost - 1.0) * 100.0,
            later.size
        ),
        _ => "No size costs more than a larger one.".into(),
    };
    format!(
        "The line: {} and {} a {}{above}. {cliff}",
        time(line.base),
        time(line.each),
        axis.one
    )
}

fn table(axis: &Axis, points: &[Point], line: &Line) -> String {
    let mut text = format!(
        "<details><summary>each size</summary>\n\n\
         | {} | a step | a {} | above the line |\n|---|---|---|---|\n",
        axis.name, axis.one
    );
    for point in points {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:+.0} % |",
            point.size,
            number(Kind::Time, point.cost),
            number(Kind::Time, point.cost / point.size),
            line.excess(point)
        );
    }
    text + "\n</details>\n"
}

/// The points (`o`) over the line (`.`), both axes from 0.
fn plot(axis: &Axis, points: &[Point], line: &Line) -> String {
    const WIDTH: usize = 64;
    const HEIGHT: usize = 16;
    let largest = axis.largest as f64;
    let costs = points.iter().map(|point| point.cost);
    let top = costs.fold(line.at(largest), f64::max);
    let mut rows = vec![vec![' '; WIDTH + 1]; HEIGHT + 1];
    let mut mark = |size: f64, cost: f64, sign: char| {
        let column = (size / largest * WIDTH as f64).round() as usize;
        let row = (cost.max(0.0) / top * HEIGHT as f64).round() as usize;
        if let Some(place) = rows.get_mut(row).and_then(|row| row.get_mut(column)) {
            *place = sign;
        }
    };
    for column in 0..=WIDTH {
        let size = largest * column as f64 / WIDTH as f64;
        mark(size, line.at(size), '.');
    }
    for point in points {
        mark(point.size, point.cost, 'o');
    }
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate().rev() {
        let label = match place {
            HEIGHT => number(Kind::Time, top),
            0 => "0".into(),
            _ => String::new(),
        };
        let row: String = row.iter().collect();
        let _ = writeln!(text, "{label:>8} |{}", row.trim_end());
    }
    let _ = writeln!(text, "{:>8} +{}", "", "-".repeat(WIDTH + 1));
    let _ = writeln!(text, "{:>8}  0{:>WIDTH$}", "", axis.largest);
    text
}
