//! Building the extension and installing it into a Postgres.

use crate::cargo;
use crate::machine;
use crate::postgres;
use crate::run::{Doing, Failure, Result, output, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How to build and where to put it.
#[derive(Default)]
pub struct Options {
    /// The optimised build.
    pub release: bool,
    /// A directory that stands for `/`, as in `make install DESTDIR=…`.
    pub destdir: Option<PathBuf>,
}

/// `cargo xtask install --pg-config PATH [--release] [--destdir DIR]`
pub fn task(arguments: &[&str]) -> Result<()> {
    let mut pg_config = None;
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next().map(PathBuf::from).ok_or_else(|| {
                Failure::new(format!(
                    "{argument} lacks its value (see `cargo xtask help`)"
                ))
            })
        };
        match *argument {
            "--pg-config" => pg_config = Some(value()?),
            "--destdir" => options.destdir = Some(value()?),
            "--release" => options.release = true,
            other => return Err(Failure::new(format!("install does not know {other}"))),
        }
    }
    let pg_config = pg_config.ok_or_else(|| Failure::new("install needs --pg-config PATH"))?;
    install(&pg_config, &options)
}

/// Builds the extension for the Postgres of `pg_config` and installs it there.
pub fn install(pg_config: &Path, options: &Options) -> Result<()> {
    let major = postgres::major_of(pg_config)?;
    let mut build = cargo::workspace("build", major, pg_config);
    if options.release {
        build.arg("--release");
    }
    run(&mut build)?;
    let profile = if options.release { "release" } else { "debug" };
    let built = cargo::target_dir()?.join(profile);

    let staged = built.join(format!("cur_fdw-pg{major}"));
    stage(&built.join("libcur_fdw.so"), &staged)?;
    place(
        &staged.join("lib"),
        &destination(pg_config, "--pkglibdir", "", options)?,
    )?;
    place(
        &staged.join("share"),
        &destination(pg_config, "--sharedir", "extension", options)?,
    )
}

/// Lays out in `staged` what is to be installed: `lib/` and `share/`.
fn stage(library: &Path, staged: &Path) -> Result<()> {
    let (lib, share) = (staged.join("lib"), staged.join("share"));
    if staged.exists() {
        fs::remove_dir_all(staged).doing(format!("cannot remove {}", staged.display()))?;
    }
    for directory in [&lib, &share] {
        fs::create_dir_all(directory).doing(format!("cannot make {}", directory.display()))?;
    }
    let copy = lib.join("cur_fdw.so");
    fs::copy(library, &copy).doing(format!("cannot copy {}", library.display()))?;
    if output(Command::new("strip").arg("--version")).is_ok() {
        output(Command::new("strip").arg("--strip-debug").arg(&copy))?;
    }
    let root = cargo::root();
    let control = read(&root.join("cur_fdw.control"))?.replace("@CARGO_VERSION@", VERSION);
    write(&share.join("cur_fdw.control"), &control)?;
    let script = install_script(&root.join("sql/install"))?;
    write(&share.join(format!("cur_fdw--{VERSION}.sql")), &script)?;
    for upgrade in sql_files(&root.join("sql/upgrade"))? {
        let name = upgrade.file_name().unwrap_or_default();
        write(&share.join(name), &read(&upgrade)?)?;
    }
    Ok(())
}

/// The script of CREATE EXTENSION: the files of `sql/install` one after the other.
fn install_script(directory: &Path) -> Result<String> {
    let files = sql_files(directory)?;
    if files.is_empty() {
        return Err(Failure::new(format!(
            "{} has no SQL files",
            directory.display()
        )));
    }
    let mut script =
        String::from("\\echo Use \"CREATE EXTENSION cur_fdw\" to load this file. \\quit\n");
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        script += &format!("\n-- {name}\n{}\n", read(&file)?.trim_end());
    }
    Ok(script)
}

/// The SQL files of a directory in the order of their names.
fn sql_files(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.exists() {
        return Ok(Vec::new()); // git keeps no empty directory
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).doing(format!("cannot read {}", directory.display()))? {
        let path = entry
            .doing(format!("cannot read {}", directory.display()))?
            .path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A directory of the Postgres installation, under the DESTDIR if there is one.
fn destination(pg_config: &Path, which: &str, below: &str, options: &Options) -> Result<PathBuf> {
    let directory = PathBuf::from(output(Command::new(pg_config).arg(which))?).join(below);
    Ok(match &options.destdir {
        None => directory,
        Some(destdir) => {
            // Relative to where the user stands, not to the workspace.
            let destdir = std::path::absolute(destdir).doing("cannot resolve --destdir")?;
            destdir.join(directory.strip_prefix("/").unwrap_or(&directory))
        }
    })
}

/// Copies the files of `from` into the directory `to`, as root if need be.
///
/// Each is written beside its final name and renamed: a running server keeps the library it mapped.
fn place(from: &Path, to: &Path) -> Result<()> {
    let existing = to
        .ancestors()
        .find(|directory| directory.exists())
        .unwrap_or(Path::new("/"));
    let writable = output(Command::new("test").arg("-w").arg(existing)).is_ok();
    let program = |name: &str| {
        if writable {
            Ok(Command::new(name))
        } else {
            machine::as_root(name)
        }
    };
    output(program("install")?.arg("-d").arg(to))?;
    for entry in fs::read_dir(from).doing(format!("cannot read {}", from.display()))? {
        let file = entry.doing(format!("cannot read {}", from.display()))?;
        let name = file.file_name().to_string_lossy().into_owned();
        let mode = if name.ends_with(".so") { "755" } else { "644" };
        let (new, finished) = (to.join(format!(".{name}.new")), to.join(&name));
        output(
            program("install")?
                .args(["-m", mode])
                .arg(file.path())
                .arg(&new),
        )?;
        output(program("mv")?.arg("-f").arg(&new).arg(&finished))?;
        println!("installed {}", finished.display());
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).doing(format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test that cannot prepare itself has failed
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        directory
    }

    #[test]
    fn install_script_follows_file_names() {
        let directory = scratch("script");
        for (name, text) in [
            ("20_b.sql", "SELECT 2;\n\n"),
            ("10_a.sql", "SELECT 1;"),
            ("x.md", "no"),
        ] {
            write(&directory.join(name), text).expect("a file");
        }
        let script = install_script(&directory).expect("a script");
        fs::remove_dir_all(&directory).expect("cleaned up");
        let (_, body) = script.split_once('\n').expect("a first line");
        assert_eq!(body, "\n-- 10_a.sql\nSELECT 1;\n\n-- 20_b.sql\nSELECT 2;\n");
    }

    #[test]
    fn place_replaces_the_file_and_keeps_the_old_inode() {
        use std::io::Read;
        let directory = scratch("place");
        let (from, to) = (directory.join("from"), directory.join("to/deep"));
        fs::create_dir_all(&from).expect("a directory");
        write(&from.join("a.so"), "old").expect("a file");
        place(&from, &to).expect("placed");
        let mut mapped = fs::File::open(to.join("a.so")).expect("the placed file");
        write(&from.join("a.so"), "newer").expect("a file");
        place(&from, &to).expect("placed again");
        let mut still = String::new();
        mapped.read_to_string(&mut still).expect("readable");
        let now = read(&to.join("a.so")).expect("readable");
        fs::remove_dir_all(&directory).expect("cleaned up");
        assert_eq!((still.as_str(), now.as_str()), ("old", "newer"));
    }
}
