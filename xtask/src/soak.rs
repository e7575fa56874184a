//! `cargo soak-…` and `cargo fuzz-files`: tests of which verify runs a sample, in full.

use crate::cargo;
use crate::install::{self, Options};
use crate::run::{Failure, Result, Steps, run};
use crate::verify;

/// Files that `cargo fuzz-files` reads unless told otherwise.
const FILES: &str = "20000";

/// Runs one module of the server tests at its full length, on the first version that
/// `CUR_FDW_PG` names.
pub fn soak(module: &str) -> Result<()> {
    let mut steps = Steps::default();
    let tested = steps.step("setup", verify::setup)?;
    let (major, pg_config) = tested.first()?;
    steps.step("install", || {
        install::install(pg_config, &Options::default())
    })?;
    steps.step(&format!("soak {module}"), || {
        run(cargo::workspace("test", major, pg_config)
            .args(["--test", "it", &format!("{module}::"), "--", "--nocapture"])
            .env("CUR_FDW_SOAK", "1")
            .env("CUR_FDW_PG_CONFIG", pg_config)
            .env("CUR_FDW_PYTHON", tested.python()))
    })?;
    steps.print_times();
    Ok(())
}

/// Reads damaged files.
pub fn fuzz_files(arguments: &[&str]) -> Result<()> {
    let (files, seed) = match arguments {
        [] => (FILES, "1"),
        [files] => (*files, "1"),
        [files, seed] => (*files, *seed),
        _ => return Err(Failure::new("cargo fuzz-files [FILES] [SEED]")),
    };
    let tested = verify::setup()?;
    let (major, pg_config) = tested.first()?;
    run(cargo::workspace("test", major, pg_config)
        .args(["--test", "fuzz", "--", "--nocapture"])
        .env("CUR_FDW_FUZZ_FILES", files)
        .env("CUR_FDW_FUZZ_SEED", seed))
}
