//! The project's tasks, behind `cargo demo`, `cargo verify`, `cargo bench-load`,
//! `cargo bench-query`, `cargo soak-…`, `cargo fuzz-files` and `cargo xtask`.
//!
//! Only the standard library is used, so that the first command in a fresh clone starts at once.

mod azurite;
mod cache;
mod cargo;
mod demo;
mod install;
mod licences;
mod machine;
mod postgres;
mod python;
mod run;
mod soak;
mod verify;

use run::{Failure, Result};
use std::process::ExitCode;

const HELP: &str = "\
Tasks of cur_fdw. Every task first installs what the machine lacks.

  cargo demo [--keep]      build, start a throwaway Postgres and S3 server, load a sample bill
  cargo verify             everything that must hold: style, licences, tests on every Postgres
  cargo bench-load [--dev] [OPTIONS]
  cargo bench-query [--dev] [OPTIONS]
                           the benchmarks, with the release build; --dev: with the development
                           build; an unknown option shows them all
  cargo soak-pushdown [QUERIES [SEED]]
                           many more random queries than verify asks, with and without pushdown
  cargo soak-cancel        1,000 cancels at every moment of a query: verify has a sample
  cargo soak-memory        10,000,000 rows streamed, 5,000,000 groups: peak memory of the backend
  cargo soak-rescans       10,000 rescans, 10,000 executions of a prepared statement: flat memory
  cargo soak-sync [STRIKES [SEED]]
                           50 strikes with each of 12 faults at random moments of a sync; readers
                           beside 50 swaps; 3 sources x 36 months without news
  cargo fuzz-files [FILES] [SEED]
                           damaged files through the reader, 20,000 if not told otherwise

  cargo xtask setup [--all]
                           install what is missing for the demo; --all: for verify too
  cargo xtask install --pg-config PATH [--release] [--destdir DIR]
                           build for one Postgres and install the extension there
  cargo xtask licences     check the licences of all dependencies against deny.toml

Environment:
  CUR_FDW_PG=15,17         the Postgres versions that verify tests (default: 15,16,17,18)
  CUR_FDW_CACHE=DIR        where fetched and built Postgres versions are kept
                           (default: /var/cache/cur_fdw for root, else ~/.cache/cur_fdw)
  CUR_FDW_REAL_BILLS=DIR   bills of others, for the tests that read them (default: these are skipped)
  CARGO_TARGET_DIR=DIR     honoured, as everywhere
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match task(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the task that the arguments name.
fn task(args: &[&str]) -> Result<()> {
    match args {
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(())
        }
        ["setup"] => machine::setup(machine::BASE),
        ["setup", "--all"] => verify::setup().map(drop),
        ["licences"] => licences::check(),
        ["install", rest @ ..] => install::task(rest),
        ["demo"] => demo::demo(false),
        ["demo", "--keep"] => demo::demo(true),
        ["verify"] => verify::verify(),
        ["bench-load", rest @ ..] => demo::benchmark("bench_load", rest),
        ["bench-query", rest @ ..] => demo::benchmark("bench_query", rest),
        ["soak-pushdown", rest @ ..] => soak::pushdown(rest),
        ["soak", module @ ("cancel" | "memory" | "rescans")] => soak::soak(module),
        ["soak-sync", rest @ ..] => soak::sync(rest),
        ["fuzz-files", rest @ ..] => soak::fuzz_files(rest),
        _ => Err(Failure::new(format!(
            "no such task: {} (see `cargo xtask help`)",
            args.join(" ")
        ))),
    }
}
