//! [`Progress`]: Keras's progress lines, and its bar on a terminal.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::{Callback, Control, Logs, Run};
use crate::error::{Error, Result};

/// How many cells the bar has.
const WIDTH: usize = 20;
/// Finished lines wait this long for others to be written with, so that short epochs cost little.
const PATIENCE: Duration = Duration::from_millis(50);
/// An epoch that is over sooner gets no bar that moves.
const LONG: Duration = Duration::from_millis(100);
/// How often a moving bar is drawn, at most.
const REDRAW: Duration = Duration::from_millis(50);
/// The room for waiting lines; when it is full they are written without waiting.
const ROOM: usize = 16 * 1024;

/// Prints the progress of a training as Keras does.
///
/// ```text
/// verbose 1    Epoch 1/150
///              77/77 ━━━━━━━━━━━━━━━━━━━━ 0s 124us/step - accuracy: 0.5117 - loss: 4.7623
/// verbose 2    Epoch 1/150
///              77/77 - 0s - 124us/step - accuracy: 0.5117 - loss: 4.7623
/// verbose 0    nothing
/// ```
///
/// On a terminal, verbose 1 draws a bar that moves during epochs of more than a tenth of a second
/// (feature `progress`); elsewhere it writes one line an epoch. Lines are gathered and written
/// together, at most every 50 ms and when training ends. Output that cannot be written, to a
/// closed pipe for example, never ends a training: the rest is left out.
///
/// The default is verbose 1 on the standard output. Source: `keras.utils.Progbar`.
///
/// # Examples
///
/// ```
/// use horn::callbacks::{Callback, Control, Logs, Progress, Run};
///
/// let names = ["loss".to_string()];
/// let (mut control, logs) = (Control::new(0.1), Logs::new(&names, &[0.25]));
/// let mut progress = Progress::new().verbose(2);
/// progress.on_train_begin(&mut control, &Run::new(2, 0, 77, ["loss"]))?;
/// progress.on_epoch_begin(&mut control, 0)?;
/// progress.on_epoch_end(&mut control, 0, &logs)?; // 77/77 - 0s - 1us/step - loss: 0.2500
/// progress.on_train_end(&mut control, &logs)?;
/// # Ok::<(), horn::Error>(())
/// ```
pub struct Progress {
    verbose: u8,
    output: Box<dyn Write + Send>,
    /// Whether the output is a terminal.
    terminal: bool,
    /// Whether bold and coloured text is wanted.
    colored: bool,
    /// Lines that wait to be written.
    waiting: String,
    /// When lines were last written.
    written: Option<Instant>,
    /// Whether the last line waits for its end.
    open: bool,
    /// Whether writing has failed.
    broken: bool,
    epochs: usize,
    steps: usize,
    /// When the epoch began.
    began: Instant,
    /// The clock is not looked at before this many batches of the epoch are done: asking it each
    /// time would cost as much as a small network's step.
    look: usize,
    #[cfg(feature = "progress")]
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// Progress at verbose 1 on the standard output.
    pub fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            verbose: 1,
            output: Box::new(io::stdout()),
            terminal,
            colored: terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
            waiting: String::new(),
            written: None,
            open: false,
            broken: false,
            epochs: 0,
            steps: 0,
            began: Instant::now(),
            look: 0,
            #[cfg(feature = "progress")]
            bar: None,
        }
    }

    /// 0 for silence, 1 for a bar, 2 for a line an epoch.
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// Writes there, as plain text, in place of the standard output.
    pub fn output(mut self, output: impl Write + Send + 'static) -> Self {
        self.output = Box::new(output);
        self.terminal = false;
        self.colored = false;
        self
    }

    /// Adds a line on `done` batches that took `elapsed` to the waiting ones.
    fn add_line(&mut self, done: usize, elapsed: Duration, logs: &Logs) {
        let line = Line {
            bar: self.verbose == 1,
            colored: self.colored,
            done,
            steps: done,
            elapsed,
            finished: true,
            logs,
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.waiting, "{line}");
        self.open = false;
    }

    /// Adds lines of others to the waiting ones.
    pub(super) fn say(&mut self, lines: &str) {
        self.clear();
        if std::mem::take(&mut self.open) {
            self.waiting.push('\n');
        }
        self.waiting.push_str(lines);
        self.write_if_due();
    }

    /// Writes what waits when it has waited long enough, or the room is full.
    fn write_if_due(&mut self) {
        let due = |written: Instant| written.elapsed() >= PATIENCE;
        if self.written.is_none_or(due) || self.waiting.len() > ROOM / 2 {
            self.write();
        }
    }

    /// Writes what waits.
    fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if !self.broken {
            let text = self.waiting.as_bytes();
            let result = self
                .output
                .write_all(text)
                .and_then(|()| self.output.flush());
            self.broken = result.is_err();
        }
        self.waiting.clear();
        self.written = Some(Instant::now());
    }

    /// Draws the bar where it stands after `done` batches.
    #[cfg(feature = "progress")]
    fn draw(&mut self, done: usize, elapsed: Duration, logs: &Logs) {
        // The line above the bar must be there first.
        self.write();
        let line = Line {
            bar: true,
            colored: self.colored,
            done,
            steps: self.steps,
            elapsed,
            finished: false,
            logs,
        };
        let bar = self.bar.get_or_insert_with(|| {
            let bar = indicatif::ProgressBar::with_draw_target(
                None,
                indicatif::ProgressDrawTarget::stdout(),
            );
            // Cut at the width of the terminal: a line that wraps cannot be redrawn in place.
            if let Ok(style) = indicatif::ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(line.to_string());
    }

    #[cfg(not(feature = "progress"))]
    fn draw(&mut self, _done: usize, _elapsed: Duration, _logs: &Logs) {}

    /// Takes the moving bar away; its line is printed in its place.
    fn clear(&mut self) {
        #[cfg(feature = "progress")]
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Progress")
            .field("verbose", &self.verbose)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

impl Callback for Progress {
    fn on_train_begin(&mut self, _control: &mut Control, run: &Run) -> Result<()> {
        if self.verbose > 2 {
            return Err(Error::argument(
                "Progress",
                "verbose",
                "0, 1 or 2",
                self.verbose,
            ));
        }
        self.epochs = run.epochs;
        self.steps = run.steps;
        if self.verbose > 0 {
            // An epoch's lines are shorter than this, and half the room is free for each.
            let line = 256 + run.names.iter().map(|name| name.len() + 64).sum::<usize>();
            self.waiting.reserve(ROOM.max(2 * line));
        }
        Ok(())
    }

    fn on_epoch_begin(&mut self, _control: &mut Control, epoch: usize) -> Result<()> {
        if self.verbose == 0 {
            return Ok(());
        }
        if self.epochs > 1 {
            // Verbose 1 is one line an epoch where no bar can move.
            let end = if self.verbose == 1 && !self.terminal {
                ' '
            } else {
                '\n'
            };
            let _ = write!(self.waiting, "Epoch {}/{}{end}", epoch + 1, self.epochs);
            self.open = end == ' ';
        }
        // Here rather than at the epoch's end: whoever watches sees which epoch has begun.
        self.write_if_due();
        self.began = Instant::now();
        self.look = 1;
        Ok(())
    }

    fn wants_batches(&self) -> bool {
        self.verbose == 1 && self.terminal && cfg!(feature = "progress")
    }

    fn wants_batch(&self, batch: usize) -> bool {
        // Means are not made up for batches after which nothing would be drawn.
        batch + 1 >= self.look && self.wants_batches()
    }

    fn on_batch_end(&mut self, _control: &mut Control, batch: usize, logs: &Logs) -> Result<()> {
        let done = batch + 1;
        if done < self.look {
            return Ok(());
        }
        let elapsed = self.began.elapsed();
        if elapsed >= LONG {
            self.draw(done, elapsed, logs);
        }
        // As many batches on as fill the time between two drawings, at most as many again.
        let share = REDRAW.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        self.look = done + ((done as f64 * share) as usize).clamp(1, done);
        Ok(())
    }

    fn on_epoch_end(&mut self, control: &mut Control, _epoch: usize, logs: &Logs) -> Result<()> {
        if self.verbose > 0 {
            self.clear();
            let done = match self.steps {
                0 => control.signals.batches,
                known => known,
            };
            self.add_line(done, self.began.elapsed(), logs);
        }
        Ok(())
    }

    fn on_train_end(&mut self, _control: &mut Control, _logs: &Logs) -> Result<()> {
        self.clear();
        self.write();
        Ok(())
    }
}

impl Drop for Progress {
    /// Writes what still waits when training ends with an error.
    fn drop(&mut self) {
        self.clear();
        self.write();
    }
}

/// One line on an epoch, finished or under way.
struct Line<'a> {
    /// Verbose 1 has a bar, verbose 2 none.
    bar: bool,
    colored: bool,
    done: usize,
    steps: usize,
    elapsed: Duration,
    finished: bool,
    logs: &'a Logs<'a>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let step = seconds / self.done.max(1) as f64;
        let (bold, green, white, plain) = if self.colored && self.bar {
            ("\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m")
        } else {
            ("", "", "", "")
        };
        // Where nobody knows how many there are, Keras draws no bar.
        let unknown = self.steps == 0;
        if unknown {
            write!(f, "{bold}{:>7}/Unknown{plain} ", self.done)?;
        } else {
            let digits = self.steps.ilog10() as usize + 1;
            write!(f, "{bold}{:>digits$}/{}{plain} ", self.done, self.steps)?;
        }
        if unknown {
            f.write_str(if self.bar { bold } else { "- " })?;
        } else if self.bar {
            let filled = (WIDTH * self.done / self.steps.max(1)).min(WIDTH);
            f.write_str(green)?;
            cells(f, "━", filled)?;
            // Without colours only the finished part shows.
            write!(f, "{plain}{white}")?;
            cells(f, if self.colored { "━" } else { " " }, WIDTH - filled)?;
            write!(f, "{plain} {bold}")?;
        } else {
            f.write_str("- ")?;
        }
        if self.finished || unknown {
            write!(f, "{seconds:.0}s")?;
        } else {
            let left = (step * self.steps.saturating_sub(self.done) as f64) as u64;
            match left {
                0..=60 => write!(f, "{left}s")?,
                61..=3600 => write!(f, "{}:{:02}", left / 60, left % 60)?,
                _ => write!(f, "{}:{:02}:{:02}", left / 3600, left / 60 % 60, left % 60)?,
            }
        }
        f.write_str(if self.bar { plain } else { " -" })?;
        if step >= 1.0 || step == 0.0 {
            write!(f, " {step:.0}s/step")?;
        } else if step >= 1e-3 {
            write!(f, " {:.0}ms/step", step * 1e3)?;
        } else {
            write!(f, " {:.0}us/step", step * 1e6)?;
        }
        for (name, value) in self.logs.iter() {
            write!(f, " - {name}: {}", super::Shown(value))?;
        }
        Ok(())
    }
}

/// Writes a cell of the bar some times.
fn cells(f: &mut fmt::Formatter, cell: &str, times: usize) -> fmt::Result {
    (0..times).try_for_each(|_| f.write_str(cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Keeps each write apart.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.0.lock().unwrap().push(text);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Writes {
        fn all(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }
    }

    fn names() -> Vec<String> {
        vec!["accuracy".into(), "loss".into()]
    }

    fn train(mut progress: Progress, epochs: usize) -> Result<()> {
        let (names, mut control) = (names(), Control::new(0.1));
        let logs = Logs::new(&names, &[0.5117, 4.7623]);
        progress.on_train_begin(&mut control, &Run::new(epochs, 0, 77, names.clone()))?;
        for epoch in 0..epochs {
            progress.on_epoch_begin(&mut control, epoch)?;
            progress.on_epoch_end(&mut control, epoch, &logs)?;
        }
        progress.on_train_end(&mut control, &logs)
    }

    fn line(bar: bool, steps: usize, seconds: f64, values: &[f32]) -> String {
        let names = names();
        let logs = Logs::new(&names, values);
        Line {
            bar,
            colored: false,
            done: steps,
            steps,
            elapsed: Duration::from_secs_f64(seconds),
            finished: true,
            logs: &logs,
        }
        .to_string()
    }

    // The texts are those of Keras 3.15, without the colours.

    #[test]
    fn where_the_number_of_steps_is_unknown_there_is_no_bar() {
        let names = names();
        let under_way = Line {
            bar: true,
            colored: false,
            done: 12,
            steps: 0,
            elapsed: Duration::from_secs_f64(3.0),
            finished: false,
            logs: &Logs::new(&names, &[0.5, 0.25]),
        };
        assert_eq!(
            under_way.to_string(),
            "     12/Unknown 3s 250ms/step - accuracy: 0.5000 - loss: 0.2500"
        );
        let writes = Writes::default();
        let mut progress = Progress::new().verbose(2).output(writes.clone());
        let mut control = Control::new(0.1);
        let logs = Logs::new(&names, &[0.5, 0.25]);
        let run = Run::new(1, 0, 0, names.clone());
        progress.on_train_begin(&mut control, &run).unwrap();
        progress.on_epoch_begin(&mut control, 0).unwrap();
        control.signals.batches = 12;
        progress.on_epoch_end(&mut control, 0, &logs).unwrap();
        progress.on_train_end(&mut control, &logs).unwrap();
        let text = writes.all().concat();
        assert!(text.starts_with("12/12 - 0s"), "{text}");
    }

    #[test]
    fn verbose_1_is_keras_bar() {
        assert_eq!(
            line(true, 77, 77.0 * 124.6e-6, &[0.5117, 4.7623]),
            "77/77 ━━━━━━━━━━━━━━━━━━━━ 0s 125us/step - accuracy: 0.5117 - loss: 4.7623"
        );
        assert_eq!(
            line(true, 3, 9.0, &[]),
            "3/3 ━━━━━━━━━━━━━━━━━━━━ 9s 3s/step"
        );
        assert_eq!(
            line(true, 1000, 99.95, &[1e-4]),
            "1000/1000 ━━━━━━━━━━━━━━━━━━━━ 100s 100ms/step - accuracy: 1.0000e-04"
        );
    }

    #[test]
    fn verbose_2_is_keras_line() {
        assert_eq!(
            line(false, 77, 77.0 * 124.6e-6, &[0.5117, 4.7623]),
            "77/77 - 0s - 125us/step - accuracy: 0.5117 - loss: 4.7623"
        );
        assert_eq!(line(false, 3, 6e-3, &[]), "3/3 - 0s - 2ms/step");
    }

    #[test]
    fn a_bar_under_way_shows_the_time_left() {
        let names = names();
        let logs = Logs::new(&names, &[0.5]);
        let mut line = Line {
            bar: true,
            colored: true,
            done: 15,
            steps: 100,
            elapsed: Duration::from_secs(15),
            finished: false,
            logs: &logs,
        };
        assert_eq!(
            line.to_string(),
            "\x1b[1m 15/100\x1b[0m \x1b[32m━━━\x1b[0m\x1b[37m━━━━━━━━━━━━━━━━━\x1b[0m \
             \x1b[1m1:25\x1b[0m 1s/step - accuracy: 0.5000"
        );
        line.colored = false;
        line.elapsed = Duration::from_secs(1500);
        assert_eq!(
            line.to_string(),
            " 15/100 ━━━                  2:21:40 100s/step - accuracy: 0.5000"
        );
    }

    #[test]
    fn every_epoch_has_its_lines() {
        let writes = Writes::default();
        train(Progress::new().verbose(2).output(writes.clone()), 2).unwrap();
        let text = writes.all().concat();
        let lines: Vec<&str> = text.lines().collect();
        let end = "us/step - accuracy: 0.5117 - loss: 4.7623";
        assert_eq!((lines[0], lines[2]), ("Epoch 1/2", "Epoch 2/2"));
        for line in [lines[1], lines[3]] {
            assert!(
                line.starts_with("77/77 - 0s - ") && line.ends_with(end),
                "{line}"
            );
        }
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_single_epoch_needs_no_heading() {
        let writes = Writes::default();
        train(Progress::new().output(writes.clone()), 1).unwrap();
        assert!(
            writes
                .all()
                .concat()
                .starts_with("77/77 ━━━━━━━━━━━━━━━━━━━━ 0s ")
        );
    }

    #[test]
    fn silence_is_silent() {
        let writes = Writes::default();
        train(Progress::new().verbose(0).output(writes.clone()), 3).unwrap();
        assert!(writes.all().is_empty());
    }

    #[test]
    fn short_epochs_share_a_write() {
        let writes = Writes::default();
        let begin = Instant::now();
        train(Progress::new().output(writes.clone()), 150).unwrap();
        let most = 2 + 150 * 150 / (ROOM / 2) + (begin.elapsed().as_millis() / 50) as usize;
        assert!(writes.all().len() <= most);
        assert_eq!(writes.all().concat().lines().count(), 150);
    }

    #[test]
    fn a_dropped_progress_writes_what_waits() {
        let (writes, mut control) = (Writes::default(), Control::new(0.1));
        let mut progress = Progress::new().output(writes.clone());
        progress
            .on_train_begin(&mut control, &Run::new(9, 0, 1, ["loss"]))
            .unwrap();
        progress.on_epoch_begin(&mut control, 0).unwrap();
        progress.on_epoch_begin(&mut control, 1).unwrap();
        drop(progress);
        assert_eq!(writes.all().concat(), "Epoch 1/9 Epoch 2/9 ");
    }

    #[test]
    fn a_closed_pipe_does_not_end_training() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(train(Progress::new().output(Closed), 3).is_ok());
        assert!(train(Progress::new().verbose(3), 1).is_err());
    }

    #[test]
    fn the_clock_is_asked_rarely() {
        let names = names();
        let (mut control, logs) = (Control::new(0.1), Logs::new(&names, &[0.5, 0.5]));
        let mut progress = Progress::new().output(io::sink());
        progress
            .on_train_begin(&mut control, &Run::new(1, 0, 1 << 16, ["loss"]))
            .unwrap();
        progress.on_epoch_begin(&mut control, 0).unwrap();
        let mut looks = 0;
        for batch in 0..1 << 16 {
            let before = progress.look;
            progress.on_batch_end(&mut control, batch, &logs).unwrap();
            looks += usize::from(progress.look != before);
        }
        assert!(looks <= 40, "{looks}");
    }
}
