//! `cargo soak-…` and `cargo fuzz-files`: tests of which verify runs a sample, in full.

use crate::cargo;
use crate::install::{self, Options};
use crate::run::{Doing, Failure, Result, Steps, run};
use crate::verify;

/// Files that `cargo fuzz-files` reads unless told otherwise.
const FILES: u64 = 20_000;

/// Queries that `cargo soak-pushdown` asks unless told otherwise: twenty a second and test are
/// asked on two slow cores.
const QUERIES: u64 = 10_000;

/// Runs one module of the server tests at its full length, on the first version that
/// `CUR_FDW_PG` names.
pub fn soak(module: &str) -> Result<()> {
    soak_with(module, &[])
}

/// `cargo soak-pushdown [QUERIES [SEED]]`
pub fn pushdown(arguments: &[&str]) -> Result<()> {
    let (queries, seed) = count_and_seed(arguments, QUERIES)?;
    soak_with(
        "pushdown",
        &[("CUR_FDW_QUERIES", queries), ("CUR_FDW_SEED", seed)],
    )
}

/// Times that `cargo soak-sync` strikes with each fault unless told otherwise.
const STRIKES: u64 = 50;

/// `cargo soak-sync [STRIKES [SEED]]`
pub fn sync(arguments: &[&str]) -> Result<()> {
    let (rounds, seed) = count_and_seed(arguments, STRIKES)?;
    soak_with("swap", &[])?;
    soak_with(
        "sync_faults",
        &[("CUR_FDW_ROUNDS", rounds), ("CUR_FDW_SEED", seed)],
    )
}

/// Reads damaged files.
pub fn fuzz_files(arguments: &[&str]) -> Result<()> {
    let (files, seed) = count_and_seed(arguments, FILES)?;
    let tested = verify::setup_first()?;
    let (major, pg_config) = tested.first()?;
    run(cargo::workspace("test", major, pg_config)
        .args(["--test", "fuzz", "--", "--nocapture"])
        .env("CUR_FDW_FUZZ_FILES", files.to_string())
        .env("CUR_FDW_FUZZ_SEED", seed.to_string()))
}

fn soak_with(module: &str, settings: &[(&str, u64)]) -> Result<()> {
    let mut steps = Steps::default();
    let tested = steps.step("setup", verify::setup_first)?;
    let (major, pg_config) = tested.first()?;
    steps.step("install", || {
        install::install(pg_config, &Options::default())
    })?;
    steps.step(&format!("soak {module}"), || {
        let mut test = tested.it(major, pg_config);
        test.args([&format!("{module}::"), "--", "--nocapture"])
            .env("CUR_FDW_SOAK", "1");
        for (name, value) in settings {
            test.env(name, value.to_string());
        }
        run(&mut test)
    })?;
    steps.print_times();
    Ok(())
}

fn count_and_seed(arguments: &[&str], count: u64) -> Result<(u64, u64)> {
    let number = |text: &str| text.parse().doing(format!("{text} is no number"));
    match arguments {
        [] => Ok((count, 1)),
        [count] => Ok((number(count)?, 1)),
        [count, seed] => Ok((number(count)?, number(seed)?)),
        _ => Err(Failure::new("takes a count and a seed only")),
    }
}
