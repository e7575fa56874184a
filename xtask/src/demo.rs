//! `cargo demo`, `cargo bench-load` and `cargo bench-query`: programs of the test crate, run on a
//! fresh installation.

use crate::cache;
use crate::cargo;
use crate::install::{self, Options};
use crate::machine;
use crate::postgres;
use crate::python;
use crate::run::{Result, Steps, run};
use std::path::PathBuf;
use std::process::Command;

/// Builds, installs and shows the extension.
pub fn demo(keep: bool) -> Result<()> {
    let arguments: &[&str] = if keep { &["--keep"] } else { &[] };
    program("demo", arguments, false, &[])
}

/// Runs a benchmark with the release build, or with `--dev` with the development build.
pub fn benchmark(name: &str, arguments: &[&str]) -> Result<()> {
    let (dev, arguments): (Vec<&str>, Vec<&str>) =
        arguments.iter().partition(|argument| **argument == "--dev");
    machine::setup(machine::PYTHON)?;
    let environment = [
        ("CUR_FDW_PYTHON", python::for_benchmarks()?),
        ("CUR_FDW_BENCH_DATA", cache::dir()?.join("bench")),
    ];
    program(name, &arguments, dev.is_empty(), &environment)
}

/// Installs for Postgres 15 and runs a program of the test crate that the same build made.
fn program(
    name: &str,
    arguments: &[&str],
    release: bool,
    environment: &[(&str, PathBuf)],
) -> Result<()> {
    let mut steps = Steps::default();
    let pg_config = steps.step("setup", || {
        machine::setup(machine::BASE)?;
        postgres::pg_config(15)
    })?;
    steps.step("build and install", || {
        install::install(
            &pg_config,
            &Options {
                release,
                destdir: None,
            },
        )
    })?;
    let profile = if release { "release" } else { "debug" };
    let built = cargo::target_dir()?.join(profile).join(name);
    steps.step(name, || {
        run(Command::new(built)
            .args(arguments)
            .env("CUR_FDW_PG_CONFIG", &pg_config)
            .envs(environment.iter().cloned())
            .current_dir(cargo::root()))
    })?;
    steps.print_times();
    Ok(())
}
