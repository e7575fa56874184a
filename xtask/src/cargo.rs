//! Calling cargo so that nothing is compiled twice.
//!
//! Every call names the whole workspace and one Postgres version: cargo then resolves the features of
//! the shared dependencies alike in each, and DataFusion is compiled once for build, tests and demo.

use crate::run::{Doing, Failure, Result, output};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // As `cargo run` says it: clones that share a target directory share the program, too.
        let package = std::env::var_os("CARGO_MANIFEST_DIR");
        let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&package).parent();
        root.unwrap_or(Path::new(".")).to_owned()
    })
}

/// A cargo command in the workspace's root, without what the surrounding `cargo run` put in the
/// environment (it would make some build scripts run again).
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).arg(subcommand);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let leaked = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_PRIMARY_",
            "LD_LIBRARY_PATH",
        ];
        if leaked.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command
}

/// A cargo command over the whole workspace for one Postgres.
pub fn workspace(subcommand: &str, major: u32, pg_config: &Path) -> Command {
    let mut command = cargo(subcommand);
    command
        .env("PGRX_PG_CONFIG_PATH", pg_config)
        .args([
            "--locked",
            "--workspace",
            "--no-default-features",
            "--features",
        ])
        .arg(format!("cur_fdw/pg{major}"));
    command
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    // Cargo knows all the ways to set it; its JSON is read for this one string only.
    let metadata =
        output(cargo("metadata").args(["--locked", "--no-deps", "--format-version", "1"]))?;
    metadata
        .split_once("\"target_directory\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(directory, _)| PathBuf::from(directory))
        .ok_or_else(|| Failure::new("cargo metadata names no target directory"))
        .doing("cannot find the target directory")
}
