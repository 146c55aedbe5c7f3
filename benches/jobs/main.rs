//! Jobs that a person knows, timed beside the peers that do them.
//!
//! `cargo bench --bench jobs -- [JOB ...] [--page]`; without a name all jobs are run, a quarter of
//! an hour with every peer installed. The tables go to the terminal and to `performance.md` in the
//! target folder; `--page` also puts them into `src/_performance.md`.
//!
//! | variable | what it is for |
//! |---|---|
//! | `HORN_PEERS_ENV` | the virtual environment that `benches/peers.sh` made, if not `target/peers` |
//! | `HORN_LIMIT` | a program with its arguments that does the tutorial's fit as fast as can be and prints `fit <milliseconds> ms` |
//! | `HORN_RUNS` | how often each is timed (7) |
//! | `HORN_MEMORY_GB` | the size of the data of the job `memory` (2) |

mod contest;
mod entrants;
mod growth;
mod jobs;
mod machine;
mod ours;
mod page;
mod report;

use std::process::ExitCode;

type Error = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench` to what it passes on.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let done = match arguments.as_slice() {
        // How this program starts itself for its own side of a job.
        [flag, turn] if flag == "--turns" => ours::take_turns(turn),
        [flag] if flag == growth::FLAG => growth::run(),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (flags, names): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|a| a.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| *flag != &"--page") {
        return Err(format!("there is no option {unknown}: only --page").into());
    }
    let known: Vec<&str> = jobs::names();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no job {unknown}: there are {}", known.join(", ")).into());
    }
    let page = !flags.is_empty();
    if page && !names.is_empty() {
        return Err("the page shows all jobs: leave their names out".into());
    }

    let command = std::iter::once("cargo bench --bench jobs")
        .chain((!arguments.is_empty()).then_some("--"))
        .chain(arguments.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ");
    let report = jobs::run_all(&names, command)?;
    let path = entrants::target_folder()?.join("performance.md");
    std::fs::write(&path, report.markdown())?;
    println!("\nwritten to {}", path.display());
    if page {
        page::write(&report.markdown())?;
    }
    Ok(())
}
