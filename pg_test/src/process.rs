//! Server processes: under an ordinary user, and never outliving the test.

use crate::Result;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;

/// The user that servers run as when the tests run as root, which Postgres refuses to run as.
const SERVER_USER: &str = "postgres";

/// A user that servers run as.
#[derive(Clone, Copy, Debug)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The user to start servers as: None stands for whoever runs the tests.
    pub fn for_servers() -> Result<Option<User>> {
        if fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        users
            .lines()
            .find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
                (name == SERVER_USER).then_some(Some(User { uid, gid }))
            })
            .ok_or_else(|| format!("there is no user {SERVER_USER} to run servers as").into())
    }
}

/// A directory of a server's own, removed with it.
pub fn directory(prefix: &str, user: Option<User>) -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix(prefix).tempdir()?;
    give(directory.path(), user)?;
    Ok(directory)
}

/// Makes the user the owner of a path.
pub fn give(path: &Path, user: Option<User>) -> Result<()> {
    if let Some(User { uid, gid }) = user {
        chown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// A command that will run as the user, in a directory that the user may enter.
pub fn command(program: impl AsRef<Path>, user: Option<User>) -> Command {
    let mut command = Command::new(program.as_ref());
    run_as(&mut command, user);
    command
}

/// A command for [`spawn`]: the kernel sends it `signal` when the test process dies, however it
/// dies, so that a killed test leaves no server behind.
pub fn server(program: impl AsRef<Path>, signal: &str, user: Option<User>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]).arg(program.as_ref());
    run_as(&mut command, user);
    command
}

fn run_as(command: &mut Command, user: Option<User>) {
    command.current_dir("/");
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
}

/// Starts a [`server`].
///
/// The signal is tied to the thread that started the child, not to the process. Hence one thread
/// starts all, and lives as long as the process.
pub fn spawn(command: Command) -> Result<Child> {
    type Job = (Command, Sender<io::Result<Child>>);
    static STARTER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
        let (jobs, queue) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in queue {
                // Whoever asked may be gone; the child is then dropped unwaited, which is harmless.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let (answer, started) = channel();
    STARTER
        .lock()
        .expect("the starter's lock is never poisoned")
        .send((command, answer))?;
    Ok(started.recv()??)
}

/// Runs a command to its end and returns its output; an error carries what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let arguments: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy())
        .collect();
    let shown = format!("{name} {}", arguments.join(" "));
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("cannot run {shown}: {error}"))?;
    if !status.success() {
        let printed = String::from_utf8_lossy(&stderr);
        return Err(format!("{shown} failed ({status}): {}", printed.trim()).into());
    }
    Ok(String::from_utf8(stdout)?)
}

/// The last lines of a log file, for error messages.
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
