//! What was measured, as Markdown.

use std::fmt::Write;

use crate::contest::{Contest, Outcome};
use crate::entrants::{Entrant, Turn};

/// What the numbers of a job are, and so which of two is better.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Nanoseconds: the fewer the better.
    Time,
    /// Samples a second: the more the better.
    Rate,
    /// Bytes: the fewer the better.
    Memory,
}

/// The turns of one entrant.
pub struct Measured {
    pub who: &'static str,
    ours: bool,
    first: bool,
    limit: bool,
    values: Vec<f64>,
    peaks: Vec<f64>,
}

impl Measured {
    pub fn new(entrant: &Entrant, first: bool) -> Self {
        Measured {
            who: entrant.who,
            ours: entrant.is_ours(),
            first,
            limit: entrant.is_limit(),
            values: Vec::new(),
            peaks: Vec::new(),
        }
    }

    pub fn add(&mut self, turn: Turn) {
        self.values.push(turn.value);
        self.peaks.extend(turn.peak);
    }

    fn median(&self) -> f64 {
        median(&self.values)
    }
}

/// All that a run of the benchmark found.
pub struct Report {
    head: String,
    summary: String,
    sections: String,
}

impl Report {
    pub fn new(head: String) -> Self {
        Report {
            head,
            summary: String::new(),
            sections: String::new(),
        }
    }

    /// Adds a job, and gives its section back.
    pub fn add(&mut self, contest: &Contest, outcome: &Outcome) -> String {
        let section = section(contest, outcome);
        self.sections.push_str(&section);
        self.summary.push_str(&summary(contest, outcome));
        section
    }

    /// Adds a section that is written elsewhere.
    pub fn add_section(&mut self, section: &str) {
        self.sections.push_str(section);
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.head);
        if !self.summary.is_empty() {
            text.push_str("\n| job | horn | beside it | which takes so many times as long |\n");
            text.push_str("|---|---|---|---|\n");
            text.push_str(&self.summary);
        }
        text + &self.sections
    }
}

/// A row for the limit, and one for the best of the peers.
fn summary(contest: &Contest, outcome: &Outcome) -> String {
    let Some(ours) = outcome.measured.first() else {
        return String::new();
    };
    if contest.kind == Kind::Memory {
        return String::new();
    }
    let peers = outcome.measured.iter().filter(|m| !m.ours && !m.limit);
    let best = peers.min_by(|a, b| {
        let cost = |m: &Measured| match contest.kind {
            Kind::Rate => -m.median(),
            _ => m.median(),
        };
        cost(a).total_cmp(&cost(b))
    });
    let limit = outcome.measured.iter().find(|m| m.limit);
    let others = limit.into_iter().chain(best).map(|other| {
        format!(
            "| {} | {} | {}: {} | {} |\n",
            contest.title,
            number(contest.kind, ours.median()),
            other.who,
            number(contest.kind, other.median()),
            times(contest.kind, ours.median(), other.median()),
        )
    });
    others.collect()
}

fn section(contest: &Contest, outcome: &Outcome) -> String {
    let mut text = format!("\n## {}: {}\n\n", contest.name, contest.title);
    let peaks = outcome.measured.iter().any(|m| !m.peaks.is_empty());
    let compared = outcome.measured.len() > 1 && contest.kind != Kind::Memory;
    let columns = [
        (true, "who"),
        (true, "median"),
        (true, "from - to"),
        (peaks, "peak memory"),
        (compared, "takes so many times as long as the first"),
    ];
    let row = |cells: [&str; 5]| {
        let kept = columns.iter().zip(cells).filter(|((shown, _), _)| *shown);
        kept.fold(String::from("|"), |row, (_, cell)| row + " " + cell + " |") + "\n"
    };
    text.push_str(&row(columns.map(|(_, name)| name)));
    text.push_str(&row(["---"; 5]).replace(' ', ""));
    let first = outcome.measured.iter().find(|m| m.first);
    for measured in &outcome.measured {
        let sorted = sorted(&measured.values);
        let ends = sorted.first().zip(sorted.last());
        let ratio = match first {
            Some(first) if !measured.first => {
                times(contest.kind, first.median(), measured.median())
            }
            _ => String::new(),
        };
        text.push_str(&row([
            measured.who,
            &number(contest.kind, measured.median()),
            &ends.map_or(String::new(), |(from, to)| {
                let number = |value| number(contest.kind, value);
                format!("{} - {}", number(*from), number(*to))
            }),
            &match measured.peaks.is_empty() {
                true => String::new(),
                false => number(Kind::Memory, median(&measured.peaks)),
            },
            &ratio,
        ]));
    }
    for note in &outcome.notes {
        let _ = write!(text, "\n{note}\n");
    }
    text
}

/// How many times as long as our own the other takes.
fn times(kind: Kind, own: f64, other: f64) -> String {
    let times = match kind {
        Kind::Rate => own / other,
        Kind::Time | Kind::Memory => other / own,
    };
    match times {
        times if times >= 100.0 => format!("{times:.0}"),
        times if times >= 10.0 => format!("{times:.1}"),
        times => format!("{times:.2}"),
    }
}

/// A number in the unit that suits it.
pub fn number(kind: Kind, value: f64) -> String {
    const TIMES: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")];
    match kind {
        Kind::Rate => format!("{} samples/s", thousands(value)),
        Kind::Memory => format!("{:.1} MB", value / 1e6),
        Kind::Time => {
            let fitting = TIMES.iter().rev().find(|(size, _)| value >= *size);
            let (size, unit) = fitting.unwrap_or(&TIMES[0]);
            let value = value / size;
            match value {
                value if value >= 100.0 => format!("{value:.0} {unit}"),
                value if value >= 10.0 => format!("{value:.1} {unit}"),
                value => format!("{value:.2} {unit}"),
            }
        }
    }
}

/// A whole number with its thousands apart.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}
