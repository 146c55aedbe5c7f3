//! What the numbers were measured on, and with.

use std::process::Command;

use crate::contest::Runs;
use crate::entrants;

/// A paragraph: the day, the machine, the versions, the command.
pub fn describe(command: &str) -> String {
    let peers = entrants::python().ok().and_then(|python| {
        let script = entrants::repository().join("benches/peers/versions.py");
        said(Command::new(python).arg(script))
    });
    let day = said(Command::new("date").args(["-u", "+%Y-%m-%d"]));
    let rustc = said(Command::new(std::env::var("RUSTC").unwrap_or("rustc".into())).arg("-V"));
    [
        format!(
            "Measured on {}, each the median of {} turns.\n",
            day.unwrap_or("an unknown day".into()),
            Runs::Many.count()
        ),
        format!("- machine: {}, {}", processor(), system()),
        format!(
            "- built with: {}, {}",
            rustc.unwrap_or("?".into()),
            crates()
        ),
        format!("- peers: {}", peers.unwrap_or("not installed".into())),
        format!("- command: `{command}`"),
    ]
    .join("\n")
}

/// The processor's name, cores and widest vectors.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']))
        .unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{name} ({cores} cores, {})", vectors())
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    match () {
        () if is_x86_feature_detected!("avx512f") => "AVX-512",
        () if is_x86_feature_detected!("avx2") => "AVX2",
        () => "neither AVX2 nor AVX-512",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> &'static str {
    std::env::consts::ARCH
}

fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    match std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(kernel) => {
            // What follows the numbers is the host's own name for its kernel.
            let numbers = kernel.split(['-', '\n']).next().unwrap_or("");
            format!("{name}, Linux {numbers}")
        }
        Err(_) => name.into(),
    }
}

/// This crate and those that its speed depends on, with the versions that were built.
fn crates() -> String {
    let lock = std::fs::read_to_string(entrants::repository().join("Cargo.lock"));
    let lock = lock.unwrap_or_default();
    let version = |name: &str| {
        let mut lines = lock.lines();
        lines.find(|line| *line == format!("name = \"{name}\""))?;
        let version = lines.next()?.strip_prefix("version = ")?;
        Some(format!("{name} {}", version.trim_matches('"')))
    };
    let names = ["horn", "ndarray", "pulp", "rayon"];
    let found: Vec<String> = names.into_iter().filter_map(version).collect();
    found.join(", ")
}

/// The first line that a program prints.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}
