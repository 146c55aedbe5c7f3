//! Who does a job: this crate, a peer, a program at the limit. Each is a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Result;

/// How many threads each may use, unless the job says otherwise.
const THREADS: usize = 2;

/// Someone who does a job.
pub struct Entrant {
    pub who: &'static str,
    pub how: How,
}

/// How someone is started.
pub enum How {
    /// This program, as `ours::prepare` says, with so many threads.
    Ours { turn: &'static str, threads: usize },
    /// A script in `benches/peers` that takes turns; `turn` is what it is asked for.
    Peer {
        script: &'static str,
        arguments: &'static str,
        turn: &'static str,
    },
    /// The program that `HORN_LIMIT` names.
    Limit,
    /// An example of this crate, from start to exit.
    Example(&'static str),
    /// A script in `benches/peers`, from start to exit.
    Script {
        script: &'static str,
        arguments: &'static str,
    },
}

/// One measurement: nanoseconds, samples a second or bytes, and the most memory that a whole
/// process had.
#[derive(Clone, Copy)]
pub struct Turn {
    pub value: f64,
    pub peak: Option<f64>,
}

impl From<f64> for Turn {
    fn from(value: f64) -> Self {
        Turn { value, peak: None }
    }
}

/// An entrant that waits for its turn.
pub enum Ready {
    Talking(Talking),
    Limit(Vec<String>),
    Whole(Vec<String>),
}

impl Entrant {
    pub const fn ours(who: &'static str, turn: &'static str) -> Self {
        Entrant::ours_with(who, turn, THREADS)
    }

    pub const fn ours_with(who: &'static str, turn: &'static str, threads: usize) -> Self {
        let how = How::Ours { turn, threads };
        Entrant { who, how }
    }

    /// A script about the tutorial.
    pub const fn tutorial(who: &'static str, script: &'static str, turn: &'static str) -> Self {
        Entrant::peer(who, script, TUTORIAL, turn)
    }

    pub const fn peer(
        who: &'static str,
        script: &'static str,
        arguments: &'static str,
        turn: &'static str,
    ) -> Self {
        let how = How::Peer {
            script,
            arguments,
            turn,
        };
        Entrant { who, how }
    }

    /// A script about the tutorial, from start to exit.
    pub const fn whole(who: &'static str, script: &'static str) -> Self {
        let arguments = WHOLE;
        Entrant {
            who,
            how: How::Script { script, arguments },
        }
    }

    pub fn is_ours(&self) -> bool {
        matches!(self.how, How::Ours { .. } | How::Example(_))
    }

    pub fn is_limit(&self) -> bool {
        matches!(self.how, How::Limit)
    }

    /// Starts what can be started before a turn; a peer has imported, compiled and warmed up then.
    pub fn prepare(&self) -> Result<Ready> {
        match &self.how {
            How::Ours { turn, threads } => {
                let mut command = ourselves(*threads)?;
                command.args(["--turns", turn]);
                Ok(Ready::Talking(Talking::start(command, turn)?))
            }
            How::Peer {
                script,
                arguments,
                turn,
            } => {
                let words = script_command(script, arguments)?;
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]).envs(PYTHON);
                command.env("HORN_THREADS", THREADS.to_string());
                Ok(Ready::Talking(Talking::start(command, turn)?))
            }
            How::Limit => {
                let told = std::env::var("HORN_LIMIT").map_err(
                    |_| "left out: name a program that prints `fit <milliseconds> ms` in HORN_LIMIT",
                )?;
                let words = told.split_whitespace().map(str::to_owned).collect();
                Ok(Ready::Limit(words))
            }
            How::Example(name) => Ok(Ready::Whole(vec![example(name)?])),
            How::Script { script, arguments } => {
                Ok(Ready::Whole(script_command(script, arguments)?))
            }
        }
    }
}

impl Ready {
    pub fn turn(&mut self) -> Result<Turn> {
        match self {
            Ready::Talking(talking) => Ok(talking.turn()?.into()),
            Ready::Limit(words) => Ok(limit(words)?.into()),
            Ready::Whole(words) => whole(words),
        }
    }
}

/// The tutorial's data, which are the arguments of the scripts about it as well.
const TUTORIAL: &str = "examples/data/pima-indians-diabetes.csv";
const WHOLE: &str = "examples/data/pima-indians-diabetes.csv --whole";

/// Python writes nothing into the repository, and says what it has to say at once.
const PYTHON: [(&str, &str); 2] = [("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")];

/// A process that prints `ready`, then for each line that names a job `NAME value unit`.
pub struct Talking {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    complaints: PathBuf,
    turn: &'static str,
}

impl Talking {
    fn start(mut command: Command, turn: &'static str) -> Result<Self> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let complaints = scratch()?.join(format!("complaints_{number}.txt"));
        let mut child = command
            .current_dir(repository())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints)?)
            .spawn()?;
        let to = child.stdin.take();
        let from = child.stdout.take().ok_or("no output")?;
        let mut talking = Talking {
            child,
            to,
            from: BufReader::new(from),
            complaints,
            turn,
        };
        talking.line(|line| (line == "ready").then_some(()))?;
        Ok(talking)
    }

    fn turn(&mut self) -> Result<f64> {
        self.ask(self.turn)
    }

    /// A turn of any name that the script knows.
    pub fn ask(&mut self, turn: &str) -> Result<f64> {
        let to = self.to.as_mut().ok_or("no input")?;
        writeln!(to, "{turn}")?;
        to.flush()?;
        self.line(|line| match *line.split(' ').collect::<Vec<_>>() {
            [name, value, unit] if name == turn => in_base_units(value, unit),
            _ => None,
        })
    }

    /// The first line that means something; libraries print others.
    fn line<T>(&mut self, meaning: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut line = String::new();
        while self.from.read_line(&mut line)? > 0 {
            if let Some(meant) = meaning(line.trim_end()) {
                return Ok(meant);
            }
            line.clear();
        }
        let said = std::fs::read_to_string(&self.complaints).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        Err(format!("left out: it ended: {}", last.unwrap_or("without a word")).into())
    }
}

impl Drop for Talking {
    /// It ends when its input does.
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}

/// This program, to be started once more.
fn ourselves(threads: usize) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env("RAYON_NUM_THREADS", threads.to_string());
    Ok(command)
}

/// What this program prints when it is started with a flag.
pub fn own_output(flag: &str) -> Result<String> {
    let output = ourselves(THREADS)?.arg(flag).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Nanoseconds, samples a second or bytes.
fn in_base_units(value: &str, unit: &str) -> Option<f64> {
    let factor = match unit {
        "s" => 1e9,
        "ms" => 1e6,
        "us" => 1e3,
        "ns" | "samples/s" | "B" => 1.0,
        _ => return None,
    };
    Some(value.parse::<f64>().ok()? * factor)
}

/// What the limit's program says of its fit.
fn limit(words: &[String]) -> Result<f64> {
    let (program, arguments) = words.split_first().ok_or("HORN_LIMIT is empty")?;
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text
        .split("fit ")
        .nth(1)
        .and_then(|after| in_base_units(after.split_whitespace().next()?, "ms"));
    Ok(said.ok_or("HORN_LIMIT's program does not print `fit <milliseconds> ms`")?)
}

/// Runs a program to its end, its output going to a file.
fn whole(words: &[String]) -> Result<Turn> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let output = File::create(scratch()?.join("whole_process.txt"))?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .envs(PYTHON)
        .current_dir(repository())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()?;
    let peak = AtomicU64::new(0);
    let ended = AtomicU64::new(0);
    let id = child.id();
    let (status, value) = std::thread::scope(|scope| {
        // What the process had at most is gone with it: it is looked at while it runs. A parent's
        // `wait4` would count the memory of the parent as well, from before it became the child.
        scope.spawn(|| {
            while ended.load(Ordering::Relaxed) == 0 {
                peak.fetch_max(peak_memory(Some(id)).unwrap_or(0), Ordering::Relaxed);
                // Rarer the longer it runs: looking costs time as well.
                let pause = start.elapsed() / 100;
                let shortest = Duration::from_micros(200);
                std::thread::sleep(pause.clamp(shortest, 100 * shortest));
            }
        });
        let status = child.wait();
        let value = start.elapsed().as_secs_f64() * 1e9;
        ended.store(1, Ordering::Relaxed);
        (status, value)
    });
    if !status?.success() {
        return Err("left out: it failed".into());
    }
    let peak = peak.into_inner();
    Ok(Turn {
        value,
        peak: (peak > 0).then_some(peak as f64),
    })
}

/// The most memory that a process (or this one) ever had, in bytes, where the system says.
pub fn peak_memory(process: Option<u32>) -> Option<u64> {
    let id = process.map_or("self".into(), |id| id.to_string());
    let mut text = String::new();
    File::open(format!("/proc/{id}/status"))
        .and_then(|mut file| file.read_to_string(&mut text))
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The Python of the peers.
pub fn python() -> Result<PathBuf> {
    let folder = match std::env::var_os("HORN_PEERS_ENV") {
        Some(folder) => PathBuf::from(folder),
        None => target_folder()?.join("peers"),
    };
    let python = folder.join("bin/python");
    if !python.exists() {
        return Err("left out: run benches/peers.sh, which sets up the peers".into());
    }
    Ok(python)
}

fn script_command(script: &str, arguments: &str) -> Result<Vec<String>> {
    let python = python()?.to_string_lossy().into_owned();
    let script = format!("benches/peers/{script}.py");
    let arguments = arguments.split_whitespace().map(str::to_owned);
    Ok([python, script].into_iter().chain(arguments).collect())
}

/// Builds an example as users would, and says where it is.
fn example(name: &str) -> Result<String> {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--example", name])
        .current_dir(repository())
        .status()?;
    if !built.success() {
        return Err(format!("the example {name} does not build").into());
    }
    let path = target_folder()?.join("release/examples").join(name);
    Ok(path.to_string_lossy().into_owned())
}

/// The folder that cargo builds into: this program is in `release/deps` of it.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(3).ok_or("no target folder")?;
    Ok(folder.to_owned())
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tutorial's data.
pub fn csv() -> PathBuf {
    repository().join(TUTORIAL)
}

/// A folder for what the entrants print.
fn scratch() -> Result<PathBuf> {
    let folder = target_folder()?.join("jobs");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
