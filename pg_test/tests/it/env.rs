//! What every test is given.

use pg_test::Result;
use pg_test::postgres::{Cluster, Installation};
use pg_test::s3::Gateway;
use postgres::Client;
use std::fmt::Display;
use std::sync::Mutex;

/// The servers that the tests share.
pub struct Env {
    /// The S3 server.
    pub gateway: Gateway,
    /// The Postgres server.
    pub cluster: Cluster,
    /// The Postgres it belongs to.
    pub installation: Installation,
}

/// A test: its name and what it does.
pub type Test = (&'static str, fn(&Env) -> Result<()>);

/// The functions of a module as tests, under the module's name.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*]
    };
}
pub(crate) use tests;

/// The test that runs.
static RUNNING: Mutex<String> = Mutex::new(String::new());
/// What was skipped, and why.
static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes that this test, or a part of it, does nothing here, and why. It counts as passed, but the last
/// lines of the run name it.
pub fn skip(reason: impl Display) {
    let test = RUNNING.lock().expect("nothing panics holding it").clone();
    let mut skipped = SKIPPED.lock().expect("nothing panics holding it");
    skipped.push(format!("{test}: {reason}"));
}

/// Names the test that runs from now on.
pub fn running(test: &str) {
    *RUNNING.lock().expect("nothing panics holding it") = test.to_owned();
}

/// Says what was skipped.
pub fn print_skipped() {
    let skipped = SKIPPED.lock().expect("nothing panics holding it");
    if !skipped.is_empty() {
        println!("{} skipped:\n  {}\n", skipped.len(), skipped.join("\n  "));
    }
}

/// Whether the soak commands run, rather than the sample of `cargo verify`.
pub fn soaking() -> bool {
    std::env::var_os("CUR_FDW_SOAK").is_some()
}

/// A number from the environment, or the default. What is there and no number is an error, for a
/// soak would otherwise run with other settings than were asked for.
pub fn number(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .map_err(|error| format!("{variable}={text}: {error}").into()),
        Err(_) => Ok(default),
    }
}

impl Env {
    /// Starts the servers.
    pub fn start() -> Result<Self> {
        let installation = Installation::from_env()?;
        let gateway = Gateway::start()?;
        let cluster = Cluster::start(&installation, &[])?;
        Ok(Env {
            gateway,
            cluster,
            installation,
        })
    }

    /// A new, empty database of that name, and a superuser's connection to it.
    pub fn database(&self, name: &str) -> Result<Client> {
        let mut client = self.cluster.client("postgres")?;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))?;
        client.batch_execute(&format!("CREATE DATABASE \"{name}\""))?;
        self.cluster.client(name)
    }

    /// A new database that has the extension.
    pub fn database_with_extension(&self, name: &str) -> Result<Client> {
        let mut client = self.database(name)?;
        client.batch_execute("CREATE EXTENSION cur_fdw")?;
        Ok(client)
    }
}
