//! Damaged files: whatever the bytes say, reading them gives rows or an error that names the file.
//! Never a panic that escapes, an abort, a hang, or gigabytes of memory.
//!
//! The work runs in a process of its own with a limit on its address space: the decoder cannot
//! recover from an allocation that fails, so an absurd one ends the process, and shows.
//! `cargo fuzz-files [FILES] [SEED]` reads many more files than the ordinary test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod corpus;
mod csv;
mod mutate;
mod random;
mod read;

use corpus::Corpus;
use mutate::Case;
use read::{Outcome, Reader};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Files of the ordinary test.
const FILES: u64 = 500;
const SEED: u64 = 1;

/// What one file may take: the largest valid one takes 20 ms.
const CASE_LIMIT: Duration = Duration::from_secs(10);

/// Address space of the process that reads: threads reserve much more than they use.
const ADDRESS_SPACE: u64 = 4 << 30;

/// Resident memory that no file may cause, the process itself included (some 60 MB). The largest
/// file has 200 KB.
const RESIDENT_LIMIT_KB: u64 = 512 << 10;

/// Failures after which the rest tells nothing new.
const FAILURES_SHOWN: usize = 20;

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().expect(variable))
}

#[test]
fn every_damaged_file_is_rows_or_an_error_that_names_it() {
    let files = number("CUR_FDW_FUZZ_FILES", FILES);
    let seed = number("CUR_FDW_FUZZ_SEED", SEED);
    let began = Instant::now();
    let mut report = Report::default();
    let mut next = 0;
    while next < files && report.failures.len() < FAILURES_SHOWN {
        next = watch(seed, next..files, &mut report);
    }
    println!("{report} in {:.1} s", began.elapsed().as_secs_f64());
    assert!(
        report.failures.is_empty(),
        "seed {seed}:\n{}",
        report.failures.join("\n")
    );
    for outcome in [
        "rows",
        "bad file",
        "csv rows",
        "csv bad file",
        "csv malformed",
    ] {
        assert!(report.outcomes.contains_key(outcome), "never {outcome}");
    }
}

/// Where a failure is to be looked at alone:
/// `CUR_FDW_FUZZ_CASE=17 cargo test … --test fuzz one_file -- --ignored --nocapture`.
#[test]
#[ignore = "for looking at one case"]
fn one_file() {
    let corpus = Corpus::new();
    let case = Case::of(
        &corpus,
        number("CUR_FDW_FUZZ_SEED", SEED),
        number("CUR_FDW_FUZZ_CASE", 0),
    );
    println!("{}", case.description);
    println!("{:?}", Reader::new(&corpus).read(&case));
}

/// The process that reads: prints a line before and after each file.
#[test]
#[ignore = "started by the test that watches it"]
fn worker() {
    let Ok(first) = std::env::var("CUR_FDW_FUZZ_FIRST") else {
        return;
    };
    let cases = first.parse().unwrap()..number("CUR_FDW_FUZZ_FILES", FILES);
    let seed = number("CUR_FDW_FUZZ_SEED", SEED);
    // Panics are expected, and caught; their words are in the errors.
    std::panic::set_hook(Box::new(|_| {}));
    let corpus = Corpus::new();
    let reader = Reader::new(&corpus);
    for number in cases {
        let case = Case::of(&corpus, seed, number);
        println!("begin {number} {}", case.description);
        let outcome = reader.read(&case);
        println!("end {number} {} {}", peak_memory_kb(), outcome);
    }
}

fn peak_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok())
        .expect("Linux says VmHWM")
}

/// What the process that reads said.
#[derive(Default)]
struct Report {
    outcomes: BTreeMap<String, u64>,
    /// The highest of any file, and which.
    peak: (u64, String),
    longest: (Duration, String),
    failures: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: u64 = self.outcomes.values().sum();
        let mut each = String::new();
        for (outcome, count) in &self.outcomes {
            write!(each, ", {outcome} {count}")?;
        }
        write!(
            f,
            "{files} files{each}; peak {} MB ({}); longest {} ms ({}); {} failures",
            self.peak.0 / 1024,
            self.peak.1,
            self.longest.0.as_millis(),
            self.longest.1,
            self.failures.len()
        )
    }
}

/// Watches one process until it has read all its files, or failed at one. Returns the next case.
fn watch(seed: u64, cases: Range<u64>, report: &mut Report) -> u64 {
    let (mut child, lines) = start(seed, &cases);
    let mut current = (cases.start, String::from("before the first file"));
    let mut began = Instant::now();
    let why = loop {
        match lines.recv_timeout(CASE_LIMIT) {
            Ok(line) => match line.split_once(' ') {
                Some(("begin", rest)) => {
                    let (number, description) = rest.split_once(' ').unwrap();
                    current = (number.parse().unwrap(), description.to_owned());
                    began = Instant::now();
                }
                Some(("end", rest)) => {
                    let took = began.elapsed();
                    report.note(&current, took, rest);
                    if current.0 + 1 == cases.end {
                        break None;
                    }
                }
                _ => {} // the test harness's own
            },
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                break Some(format!("hangs for {CASE_LIMIT:?}"));
            }
            Err(_) => break Some("ends the process".to_owned()),
        }
    };
    let status = child.wait().unwrap();
    if let Some(why) = why {
        let (number, description) = &current;
        let failure = format!("case {number} ({description}) {why} ({status})");
        report.failures.push(failure);
    }
    current.0 + 1
}

fn start(seed: u64, cases: &Range<u64>) -> (Child, Receiver<String>) {
    let mut child = Command::new("prlimit")
        .arg(format!("--as={ADDRESS_SPACE}"))
        .arg("--core=0")
        .arg(std::env::current_exe().unwrap())
        .args(["worker", "--exact", "--ignored", "--nocapture"])
        .env("CUR_FDW_FUZZ_FIRST", cases.start.to_string())
        .env("CUR_FDW_FUZZ_FILES", cases.end.to_string())
        .env("CUR_FDW_FUZZ_SEED", seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("prlimit is part of util-linux");
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    (child, lines)
}

impl Report {
    /// `rest`: the case's number, the peak so far in KB, and the outcome.
    fn note(&mut self, (number, description): &(u64, String), took: Duration, rest: &str) {
        let mut parts = rest.splitn(3, ' ').skip(1);
        let peak: u64 = parts.next().unwrap().parse().unwrap();
        let outcome = parts.next().unwrap();
        let case = format!("case {number}, {description}");
        if took > self.longest.0 {
            self.longest = (took, case.clone());
        }
        if peak > self.peak.0 {
            if peak > RESIDENT_LIMIT_KB && self.peak.0 <= RESIDENT_LIMIT_KB {
                let failure = format!("{case}: {} MB resident", peak / 1024);
                self.failures.push(failure);
            }
            self.peak = (peak, case.clone());
        }
        let kind = match outcome.strip_prefix(Outcome::WRONG) {
            Some(why) => {
                self.failures.push(format!("{case}: {why}"));
                "wrong"
            }
            None => outcome,
        };
        *self.outcomes.entry(kind.to_owned()).or_default() += 1;
    }
}
