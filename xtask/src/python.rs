//! The Python environments: readers and makers of bills that know nothing of this project.

use crate::cache;
use crate::run::{Result, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An independent reader of Parquet and CSV, to compare results with.
const DUCKDB: &str = "duckdb==1.4.5";

/// A maker of bills that knows nothing of this project: the layouts it writes must be found, too.
const NISE: &str = "koku-nise==5.4.4";

/// What the benchmarks run against: a DuckDB whose extensions for S3 and for Postgres have packages of
/// the same version, and what it needs to hand out instants.
const BENCHMARK: [&str; 4] = [
    "duckdb==1.5.5",
    "duckdb-extension-httpfs==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
    "pytz==2026.6",
];

/// The FinOps Foundation's validator of FOCUS data, and what of its dependencies it imports.
const FOCUS_VALIDATOR: &str = "focus-validator==2.2.1";
const FOCUS_VALIDATOR_NEEDS: [&str; 11] = [
    DUCKDB,
    "graphviz==0.21",
    "numpy==1.26.4",
    "pandas==2.3.3",
    "polars==1.34.0",
    "pyarrow==20.0.0",
    "pydantic==2.14.3",
    "python-dateutil==2.9.0.post0",
    "PyYAML==6.0.3",
    "requests==2.34.2",
    "sqlglot==27.29.0",
];

/// It asks for Python 3.12 and needs it in one line, which quotes within an f-string. Debian 12 has
/// 3.11, so that line is written anew.
const FOCUS_VALIDATOR_FIX: &str = r#"
import importlib.util, pathlib
package = importlib.util.find_spec("focus_validator").submodule_search_locations[0]
file = pathlib.Path(package) / "config_objects" / "focus_to_duckdb_converter.py"
old = """f"'{k.replace('\\"', '\\"\\"')}'\""""
text = file.read_text()
assert old in text
file.write_text(text.replace(old, """"'" + k.replace('"', '""') + "'\""""))
"#;

/// The interpreter that has DuckDB.
pub fn with_duckdb() -> Result<PathBuf> {
    environment("python", &[DUCKDB])
}

/// The interpreter that has nise.
pub fn with_nise() -> Result<PathBuf> {
    environment("python-nise", &[NISE])
}

/// The interpreter with the DuckDB of the benchmarks.
pub fn for_benchmarks() -> Result<PathBuf> {
    environment("python-benchmarks", &BENCHMARK)
}

/// The interpreter that has the validator of FOCUS data.
pub fn with_focus_validator() -> Result<PathBuf> {
    let finish = [FOCUS_VALIDATOR, FOCUS_VALIDATOR_FIX];
    environment_finished_by("python-focus", &FOCUS_VALIDATOR_NEEDS, &finish, |python| {
        run(pip(python)
            .args(["install", "--quiet", "--no-deps"])
            .args(["--ignore-requires-python", FOCUS_VALIDATOR]))?;
        run(Command::new(python).args(["-c", FOCUS_VALIDATOR_FIX]))
    })
}

/// The interpreter of an environment that has these packages.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    environment_finished_by(name, packages, &[], |_| Ok(()))
}

/// [`environment`] with a last step, and what that step follows from. Nobody finds an environment
/// that lacks it.
fn environment_finished_by(
    name: &str,
    packages: &[&str],
    pins: &[&str],
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let entry = cache::pinned(name, &[packages, pins].concat());
    let environment = cache::fill(&entry, |scratch| {
        let environment = scratch.join(name);
        // The system's own Python: one from a version manager may lie where postgres cannot read.
        run(Command::new("/usr/bin/python3")
            .args(["-m", "venv"])
            .arg(&environment))?;
        let python = interpreter(&environment);
        run(pip(&python)
            .args(["install", "--quiet", "--only-binary=:all:"])
            .args(packages))?;
        finish(&python)?;
        Ok(environment)
    })?;
    Ok(interpreter(&environment))
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python3")
}

/// pip as a module: its script names the path where the environment was made, not where it is now.
pub fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}
