//! `cargo verify`: everything that must hold before a change is taken.

use crate::azurite;
use crate::cargo;
use crate::install;
use crate::licences;
use crate::machine;
use crate::postgres;
use crate::python;
use crate::run::{Doing, Failure, Result, Steps, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the tests run with.
pub struct Tested {
    /// Each major version with its `pg_config`.
    postgres: Vec<(u32, PathBuf)>,
    /// The Python that has DuckDB.
    python: PathBuf,
    /// What some of the server tests take besides: the variable that names it, and where it is. A
    /// test that lacks its own says that it is skipped.
    besides: Vec<(&'static str, PathBuf)>,
}

impl Tested {
    /// The first version, with its `pg_config`.
    pub fn first(&self) -> Result<(u32, &Path)> {
        let first = self.postgres.first();
        first
            .map(|(major, pg_config)| (*major, pg_config.as_path()))
            .ok_or_else(|| Failure::new("CUR_FDW_PG names no Postgres version"))
    }

    /// The command that runs the server tests on a version.
    pub fn it(&self, major: u32, pg_config: &Path) -> Command {
        let mut tests = cargo::workspace("test", major, pg_config);
        tests
            .args(["--test", "it"])
            .env("CUR_FDW_PG_CONFIG", pg_config)
            .env("CUR_FDW_PYTHON", &self.python)
            .envs(self.besides.iter().cloned());
        tests
    }
}

/// Runs every step; the first that fails ends it.
pub fn verify() -> Result<()> {
    let mut steps = Steps::default();
    let tested = steps.step("setup", setup)?;
    let (major, pg_config) = tested.first()?;

    steps.step("format", || {
        run(cargo::cargo("fmt").args(["--all", "--check"]))
    })?;
    steps.step("lint", || {
        let mut clippy = cargo::workspace("clippy", major, pg_config);
        run(clippy.args(["--all-targets", "--", "-D", "warnings"]))
    })?;
    steps.step("licences", licences::check)?;
    steps.step("unit and property tests", || {
        let mut tests = cargo::workspace("test", major, pg_config);
        tests.args(["--lib", "--bins"]);
        for target in test_targets()? {
            tests.arg("--test").arg(target);
        }
        run(tests.env("CUR_FDW_PYTHON", &tested.python))
    })?;
    for (major, pg_config) in &tested.postgres {
        steps.step(&format!("install on Postgres {major}"), || {
            install::install(pg_config, &install::Options::default())
        })?;
        steps.step(&format!("tests on Postgres {major}"), || {
            run(&mut tested.it(*major, pg_config))
        })?;
    }
    steps.print_times();
    println!("\nAll steps of verify passed.");
    Ok(())
}

/// Installs, fetches and builds what verify needs.
pub fn setup() -> Result<Tested> {
    let mut tested = setup_of(&majors()?)?;
    let azurite = azurite::installation()?;
    let found = [
        ("CUR_FDW_AZURITE", Some(azurite)),
        // Forty packages: a machine may well not get them.
        ("CUR_FDW_NISE", optional("nise", python::with_nise())),
        (
            "CUR_FDW_FOCUS_PYTHON",
            optional(
                "the validator of FOCUS data",
                python::with_focus_validator(),
            ),
        ),
    ];
    let found = found.into_iter();
    tested.besides = found
        .filter_map(|(name, path)| Some((name, path?)))
        .collect();
    Ok(tested)
}

/// The same for one module of the server tests at its full length: the first version, and DuckDB.
pub fn setup_first() -> Result<Tested> {
    let majors = majors()?;
    setup_of(majors.get(..1).unwrap_or_default())
}

fn setup_of(majors: &[u32]) -> Result<Tested> {
    let mut needs = machine::BASE.to_vec();
    needs.extend(postgres::needs(majors)?);
    machine::setup(&needs)?;
    let python = python::with_duckdb()?;
    let mut found = Vec::new();
    for &major in majors {
        let pg_config = postgres::pg_config(major).doing(format!(
            "Postgres {major} cannot be had (CUR_FDW_PG=15 restricts verify to one version)"
        ))?;
        println!("Postgres {major}: {}", pg_config.display());
        found.push((major, pg_config));
    }
    Ok(Tested {
        postgres: found,
        python,
        besides: Vec::new(),
    })
}

/// What tests can do without, and why they have to.
fn optional(what: &str, found: Result<PathBuf>) -> Option<PathBuf> {
    found
        .inspect_err(|error| println!("{what} cannot be had, its tests will be skipped: {error}"))
        .ok()
}

/// The test targets of the libraries in `crates`: these need no server, and none can be forgotten.
fn test_targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for package in entries(&cargo::root().join("crates"))? {
        let tests = package.join("tests");
        if !tests.exists() {
            continue;
        }
        for target in entries(&tests)? {
            let is_one = match target.is_dir() {
                true => target.join("main.rs").exists(),
                false => target
                    .extension()
                    .is_some_and(|extension| extension == "rs"),
            };
            if is_one {
                let name = target.file_stem().unwrap_or_default();
                targets.push(name.to_string_lossy().into_owned());
            }
        }
    }
    targets.sort();
    Ok(targets)
}

/// What is in a directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", directory.display());
    let entries = fs::read_dir(directory).doing(cannot())?;
    let entry = |entry: std::io::Result<fs::DirEntry>| Ok(entry.doing(cannot())?.path());
    entries.map(entry).collect()
}

/// The versions to test: all, or those of `CUR_FDW_PG`.
fn majors() -> Result<Vec<u32>> {
    let Ok(list) = std::env::var("CUR_FDW_PG") else {
        return Ok(postgres::MAJORS.to_vec());
    };
    list.split(',')
        .map(|major| major.trim().parse().doing(format!("CUR_FDW_PG={list}")))
        .collect()
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test that cannot prepare itself has failed
mod tests {
    use super::*;

    #[test]
    fn targets_of_one_file_and_of_a_directory_are_found() {
        let targets = test_targets().expect("the crates can be read");
        for target in ["scan", "csv", "fuzz"] {
            assert!(targets.iter().any(|found| found == target), "{targets:?}");
        }
        assert!(!targets.iter().any(|found| found == "main"), "{targets:?}");
    }
}
