//! What must be installed on the machine, and installing what is missing.

use crate::run::{Doing, Failure, Result, output, run};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A Debian package and what it is for.
#[derive(Clone, Copy)]
pub struct Need {
    package: &'static str,
    why: &'static str,
}

const fn need(package: &'static str, why: &'static str) -> Need {
    Need { package, why }
}

/// What building the extension for Postgres 15 and running it against an S3 server takes.
pub const BASE: &[Need] = &[
    need(
        "postgresql-15",
        "the Postgres that the extension is built and shown with",
    ),
    need("postgresql-server-dev-15", "its headers and pg_config"),
    need("postgresql-15-cron", "pg_cron, for the nightly sync"),
    need("clang", "bindings to the headers are generated with it"),
    need(
        "libclang-dev",
        "bindings to the headers are generated with it",
    ),
    need("pkg-config", "finds libraries while building"),
    need("gcc", "compiles and links"),
    need("libc6-dev", "compiles and links"),
    need("ceph-mon", "the S3 server of tests and demo (Ceph)"),
    need("ceph-osd", "the S3 server of tests and demo (Ceph)"),
    need("radosgw", "the S3 server of tests and demo (Ceph)"),
    need(
        "openssl",
        "keys and certificates for the tests' other stores",
    ),
];

/// What building a Postgres from its source takes, besides [`BASE`].
pub const POSTGRES_SOURCE: &[Need] = &[
    need("make", "builds Postgres 17 from source"),
    need("bison", "builds Postgres 17 from source"),
    need("flex", "builds Postgres 17 from source"),
    need("bzip2", "unpacks the source of Postgres 17"),
    need("libicu-dev", "Postgres 17 with ICU collations"),
    need("libssl-dev", "Postgres 17 with TLS"),
    need("libreadline-dev", "psql of Postgres 17"),
    need("zlib1g-dev", "Postgres 17 with compression"),
];

/// What a Python environment takes.
pub const PYTHON: &[Need] = &[need(
    "python3-venv",
    "fetches Postgres 16 and 18, DuckDB as an independent reader, and Azurite",
)];

/// Installs the packages that are missing. Does nothing, quickly, when all are there.
pub fn setup(needs: &[Need]) -> Result<()> {
    if !Path::new("/etc/debian_version").exists() {
        return setup_elsewhere(needs);
    }
    let installed = installed(needs)?;
    let missing: Vec<Need> = needs
        .iter()
        .copied()
        .filter(|need| !installed.contains(need.package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("This machine lacks:");
    for Need { package, why } in &missing {
        println!("  {package:<25} {why}");
    }
    install(&missing)
}

/// Without apt the machine's owner has to install things; what can be checked is checked.
fn setup_elsewhere(needs: &[Need]) -> Result<()> {
    let programs = [
        "/usr/lib/postgresql/15/bin/pg_config",
        "/usr/bin/clang",
        "/usr/bin/radosgw",
    ];
    if programs.iter().all(|program| Path::new(program).exists()) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "this is not Debian, so the tools must be installed by hand; on Debian 12 they are: {}",
        names(needs)
    )))
}

/// Which of the packages are installed.
fn installed(needs: &[Need]) -> Result<HashSet<String>> {
    let listing = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(needs.iter().map(|need| need.package))
        .output() // fails when any package is unknown, and still lists the others
        .doing("cannot run dpkg-query")?;
    Ok(String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .map(str::to_owned)
        .collect())
}

fn install(missing: &[Need]) -> Result<()> {
    let by_hand = || {
        format!(
            "install by hand: apt-get install --no-install-recommends {}",
            names(missing)
        )
    };
    let had_cluster = default_cluster().exists();
    run(as_root("apt-get")?.args(["-qq", "update"])).doing(by_hand())?;
    run(as_root("env")?
        .args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-qq",
            "install",
            "-y",
        ])
        .args([
            "--no-install-recommends",
            "-o",
            "Dpkg::Options::=--force-confold",
        ])
        .args(["-o", "Dpkg::Use-Pty=0"])
        .args(missing.iter().map(|need| need.package)))
    .doing(by_hand())?;
    // Debian's package makes and starts a cluster on port 5432. Nobody asked for it: the tests have
    // their own. Only the one that came up in this very call is dropped, and no setting is touched.
    if !had_cluster && default_cluster().exists() {
        run(as_root("pg_dropcluster")?.args(["--stop", "15", "main"]))?;
    }
    Ok(())
}

fn default_cluster() -> &'static Path {
    Path::new("/etc/postgresql/15/main")
}

fn names(needs: &[Need]) -> String {
    needs
        .iter()
        .map(|need| need.package)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether this process is root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// A command that runs as root: directly, or through a sudo that asks nothing.
pub fn as_root(program: &str) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    output(Command::new("sudo").args(["-n", "true"]))
        .doing("this needs root, and sudo without a password is not available")?;
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    Ok(command)
}
