//! Running a command: printing it, timing it, and failing with its name.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a task stopped, in words for the person at the terminal.
#[derive(Debug)]
pub struct Failure(String);

/// What every step of a task returns.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Failure(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being done when an error came up.
pub trait Doing<T> {
    /// Turns the error into a [`Failure`] that begins with `what`.
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// Prints the command, runs it with the terminal as its output, and fails unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("+ {shown}");
    let status = command.status().doing(format!("cannot run `{shown}`"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure(format!("`{shown}` failed ({status})")))
}

/// Runs the command silently and returns what it printed, without the last newline.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .doing(format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(Failure(format!(
            "`{shown}` failed ({}): {}",
            output.status,
            message.trim()
        )));
    }
    let text = String::from_utf8(output.stdout).doing(format!("the output of `{shown}`"))?;
    Ok(text.trim_end().to_owned())
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    variables
        .chain(words.map(|word| word.to_string_lossy().into_owned()))
        .map(|word| {
            if word.contains(' ') {
                format!("'{word}'")
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The steps of a task with the time each took.
#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs one step under a heading; a failure says which step it was and what was done before.
    pub fn step<T>(&mut self, name: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let begin = Instant::now();
        let outcome = body();
        let took = begin.elapsed();
        match outcome {
            Ok(value) => {
                println!("== {name}: {:.1} s", took.as_secs_f64());
                self.done.push((name.to_owned(), took));
                Ok(value)
            }
            Err(failure) => {
                self.print_times();
                Err(Failure(format!(
                    "step \"{name}\" failed after {:.1} s: {failure}",
                    took.as_secs_f64()
                )))
            }
        }
    }

    /// Prints the table of times.
    pub fn print_times(&self) {
        let width = self
            .done
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0)
            .max(5);
        println!();
        for (name, took) in &self.done {
            println!("{name:width$}  {:>7.1} s", took.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("{:width$}  {:>7.1} s", "total", total.as_secs_f64());
    }
}
