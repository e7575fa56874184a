//! Throwaway Postgres servers.

use crate::process::{self, User};
use crate::{Result, ports};
use ::postgres::error::DbError;
use ::postgres::{Client, NoTls};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const DEFAULT_PG_CONFIG: &str = "/usr/lib/postgresql/15/bin/pg_config";
const START_LIMIT: Duration = Duration::from_secs(60);

/// An installed Postgres.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its `pg_config`.
    pub pg_config: PathBuf,
    /// Where its programs are.
    pub bin_dir: PathBuf,
    /// Its major version.
    pub major: u32,
}

impl Installation {
    /// The installation that `CUR_FDW_PG_CONFIG` names, or else Debian's Postgres 15.
    pub fn from_env() -> Result<Self> {
        let pg_config = std::env::var_os("CUR_FDW_PG_CONFIG");
        Self::of(
            pg_config
                .as_deref()
                .map_or(Path::new(DEFAULT_PG_CONFIG), Path::new),
        )
    }

    /// The installation that a `pg_config` belongs to.
    pub fn of(pg_config: &Path) -> Result<Self> {
        let version = process::output(Command::new(pg_config).arg("--version"))?;
        let major = version
            .split_whitespace()
            .nth(1) // "PostgreSQL 15.20 (Debian …)"
            .and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next())
            .and_then(|major| major.parse().ok())
            .ok_or_else(|| format!("cannot read the version in {version:?}"))?;
        let bin_dir = PathBuf::from(Self::ask(pg_config, "--bindir")?);
        Ok(Installation {
            pg_config: pg_config.to_owned(),
            bin_dir,
            major,
        })
    }

    /// Whether an extension can be created here: its control file is installed.
    pub fn has_extension(&self, name: &str) -> bool {
        Self::ask(&self.pg_config, "--sharedir").is_ok_and(|share| {
            Path::new(&share)
                .join("extension")
                .join(format!("{name}.control"))
                .exists()
        })
    }

    /// One of its programs; the system's, where the installation lacks it.
    pub fn program(&self, name: &str) -> PathBuf {
        let own = self.bin_dir.join(name);
        if own.exists() {
            own
        } else {
            Path::new("/usr/bin").join(name)
        }
    }

    fn ask(pg_config: &Path, what: &str) -> Result<String> {
        Ok(process::output(Command::new(pg_config).arg(what))?
            .trim_end()
            .to_owned())
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// As in a crash: the next start recovers.
    Immediate,
}

/// What a session was told besides answers and errors, from DEBUG to WARNING, with all fields.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Mutex<String>>);

impl Notices {
    fn add(&self, notice: &DbError) {
        let mut heard = self.0.lock().expect("no test panics while it is told");
        *heard += &format!("{notice:?}\n");
    }

    /// Everything since the last call.
    pub fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no test panics while it is told"))
    }
}

/// A running server with its own data directory; dropping it stops it and removes its files.
#[derive(Debug)]
pub struct Cluster {
    installation: Installation,
    user: Option<User>,
    /// Added to the environment of the postmaster.
    environment: Vec<(String, String)>,
    port: u16,
    /// None while stopped.
    postmaster: Mutex<Option<Child>>,
    // The last field, for the files must go after the server.
    directory: TempDir,
}

impl Cluster {
    /// Makes a new cluster and starts it, with `settings` on top of those that suit tests.
    pub fn start(installation: &Installation, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(installation, settings, &[])
    }

    /// [`Self::start`] with additions to the server's environment.
    pub fn start_with(
        installation: &Installation,
        settings: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let user = User::for_servers()?;
        let directory = process::directory("cur_fdw-pg-", user)?;
        let cluster = Cluster {
            installation: installation.clone(),
            user,
            environment: environment
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            port: ports::free()?,
            postmaster: Mutex::new(None),
            directory,
        };
        cluster.initdb()?;
        cluster.configure(settings)?;
        cluster.launch()?;
        Ok(cluster)
    }

    fn initdb(&self) -> Result<()> {
        let initdb = |locale: &str| {
            process::output(
                process::command(self.installation.program("initdb"), self.user)
                    .args([
                        "--username=postgres",
                        "--auth=trust",
                        "--encoding=UTF8",
                        "--no-sync",
                    ])
                    .args([locale, "-D"])
                    .arg(self.data_dir()),
            )
        };
        // A portable build may not find the system's locales.
        initdb("--locale=C.UTF-8").or_else(|_| initdb("--no-locale"))?;
        Ok(())
    }

    fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let port = self.port.to_string();
        let socket_directory = self.directory.path().to_string_lossy().into_owned();
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port),
            ("unix_socket_directories", &socket_directory),
            ("fsync", "off"),
            ("logging_collector", "off"),
            ("log_line_prefix", "%m [%p] %q%u@%d "),
        ];
        let mut lines = String::new();
        for (name, value) in own.iter().chain(settings) {
            writeln!(lines, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        let path = self.data_dir().join("postgresql.conf");
        fs::OpenOptions::new()
            .append(true)
            .open(path)?
            .write_all(lines.as_bytes())?;
        Ok(())
    }

    /// Starts the server of a stopped cluster and waits until it takes connections.
    pub fn launch(&self) -> Result<()> {
        let mut postmaster = self
            .postmaster
            .lock()
            .expect("no test panics holding the server");
        if postmaster.is_some() {
            return Err("the server is already running".into());
        }
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        // SIGQUIT is the immediate shutdown.
        let mut command = process::server(self.installation.program("postgres"), "QUIT", self.user);
        command.arg("-D").arg(self.data_dir());
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = process::spawn(command)?;
        let began = Instant::now();
        while let Err(error) = self.client("postgres") {
            if child.try_wait()?.is_some() || began.elapsed() > START_LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                let log = process::tail(&self.log_file());
                return Err(format!("Postgres did not start: {error}\n{log}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        *postmaster = Some(child);
        Ok(())
    }

    /// Stops the server; its data stay.
    pub fn stop(&self, mode: Mode) -> Result<()> {
        let mut postmaster = self
            .postmaster
            .lock()
            .expect("no test panics holding the server");
        let Some(mut child) = postmaster.take() else {
            return Ok(());
        };
        let mode = match mode {
            Mode::Fast => "fast",
            Mode::Immediate => "immediate",
        };
        let stopped = process::output(
            process::command(self.installation.program("pg_ctl"), self.user)
                .args(["stop", "--no-wait", "--mode", mode, "-D"])
                .arg(self.data_dir()),
        );
        if stopped.is_err() {
            // It was killed by a test, or does not answer.
            let _ = child.kill();
        }
        child.wait()?;
        Ok(())
    }

    /// Stops the server in an orderly way and starts it again, on the same port.
    pub fn restart(&self) -> Result<()> {
        self.stop(Mode::Fast)?;
        self.launch()
    }

    /// A connection as the superuser.
    pub fn client(&self, database: &str) -> Result<Client> {
        self.client_as("postgres", database)
    }

    /// A connection as any user; there are no passwords.
    pub fn client_as(&self, user: &str, database: &str) -> Result<Client> {
        Ok(self.config(user, database).connect(NoTls)?)
    }

    /// The same, and what the session will be told besides answers and errors.
    pub fn listening(&self, user: &str, database: &str) -> Result<(Client, Notices)> {
        let notices = Notices::default();
        let heard = notices.clone();
        let mut config = self.config(user, database);
        config.notice_callback(move |notice| heard.add(&notice));
        Ok((config.connect(NoTls)?, notices))
    }

    fn config(&self, user: &str, database: &str) -> ::postgres::Config {
        let mut config = ::postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .dbname(database);
        config
    }

    /// The superuser's connection string for a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The installation this server belongs to.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Runs a script in psql as the superuser, stopping at the first error. Returns everything
    /// that a user would see, in order, and whether all went well.
    pub fn psql(&self, database: &str, script: &str) -> Result<(String, bool)> {
        // The shell joins both streams in one pipe, which keeps their order.
        let mut psql = process::command("sh", self.user)
            .args(["-c", r#"exec "$0" "$@" 2>&1"#])
            .arg(self.installation.program("psql"))
            .args([
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
                "--dbname",
            ])
            .arg(self.url(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = psql.stdin.take().expect("its input is a pipe");
        let script = script.to_owned();
        // On a thread of its own: psql may print more than a pipe holds before it reads on.
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let output = psql.wait_with_output()?;
        // psql that stops at an error does not read the rest.
        let _ = writer.join();
        Ok((String::from_utf8(output.stdout)?, output.status.success()))
    }

    /// What pg_dump prints for a database.
    pub fn dump(&self, database: &str, arguments: &[&str]) -> Result<String> {
        process::output(
            process::command(self.installation.program("pg_dump"), self.user)
                .args(arguments)
                .arg("--dbname")
                .arg(self.url(database)),
        )
    }

    /// Everything the server has logged.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.log_file())?).into_owned())
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The process id of the running postmaster.
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.postmaster
            .lock()
            .expect("no test panics holding the server")
            .as_ref()
            .map(Child::id)
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.stop(Mode::Immediate);
    }
}
