//! `cargo verify`: everything that must hold before a change is taken.

use crate::azurite;
use crate::cargo;
use crate::install;
use crate::licences;
use crate::machine;
use crate::postgres;
use crate::run::{Doing, Failure, Result, Steps, run};
use std::fs;
use std::path::{Path, PathBuf};

/// What the tests run with.
pub struct Tested {
    /// Each major version with its `pg_config`.
    postgres: Vec<(u32, PathBuf)>,
    /// The Python that has DuckDB.
    python: PathBuf,
    /// The Python that has the validator of FOCUS data, where it can be had.
    focus: Option<PathBuf>,
    /// The emulator of Azure Blob Storage.
    azurite: PathBuf,
    /// The Python that has nise. It needs forty packages, so a machine may well not get it: its tests
    /// say then that they are skipped.
    nise: Option<PathBuf>,
}

impl Tested {
    /// The first version, with its `pg_config`.
    pub fn first(&self) -> Result<(u32, &Path)> {
        let first = self.postgres.first();
        first
            .map(|(major, pg_config)| (*major, pg_config.as_path()))
            .ok_or_else(|| Failure::new("CUR_FDW_PG names no Postgres version"))
    }

    /// The Python that has DuckDB.
    pub fn python(&self) -> &Path {
        &self.python
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
            let mut tests = cargo::workspace("test", *major, pg_config);
            tests
                .args(["--test", "it"])
                .env("CUR_FDW_PG_CONFIG", pg_config)
                .env("CUR_FDW_PYTHON", &tested.python)
                .env("CUR_FDW_AZURITE", &tested.azurite)
                .envs(tested.nise.iter().map(|nise| ("CUR_FDW_NISE", nise)));
            if let Some(focus) = &tested.focus {
                tests.env("CUR_FDW_FOCUS_PYTHON", focus);
            }
            run(&mut tests)
        })?;
    }
    steps.print_times();
    println!("\nAll steps of verify passed.");
    Ok(())
}

/// Installs, fetches and builds what verify needs.
pub fn setup() -> Result<Tested> {
    let majors = majors()?;
    let mut needs = machine::BASE.to_vec();
    needs.extend(postgres::needs(&majors)?);
    machine::setup(&needs)?;
    let python = postgres::python()?;
    let focus = postgres::python_for_focus().ok();
    if focus.is_none() {
        println!("There is no validator of FOCUS data, so its test passes without it.");
    }
    let azurite = azurite::installation()?;
    let nise = match postgres::python_with_nise() {
        Ok(nise) => Some(nise),
        Err(error) => {
            println!("nise cannot be had, its tests will be skipped: {error}");
            None
        }
    };
    let mut found = Vec::new();
    for major in majors {
        let pg_config = postgres::pg_config(major).doing(format!(
            "Postgres {major} cannot be had (CUR_FDW_PG=15 restricts verify to one version)"
        ))?;
        println!("Postgres {major}: {}", pg_config.display());
        found.push((major, pg_config));
    }
    Ok(Tested {
        postgres: found,
        python,
        focus,
        azurite,
        nise,
    })
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
                false => target.extension().is_some_and(|extension| extension == "rs"),
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
