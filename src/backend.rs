//! The bridge between the backend and the engine's threads.

use std::ffi::CStr;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;

use engine::{Engine, Result, Scan};
use pgrx::{pg_guard, pg_sys};

use crate::gucs;

static ENGINE: OnceLock<Engine> = OnceLock::new();
static SPILL_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// The backend's engine, started at first use.
///
/// # Errors
/// [`engine::Error::Threads`].
pub fn engine() -> Result<&'static Engine> {
    if let Some(engine) = ENGINE.get() {
        return Ok(engine);
    }
    let signals = SignalsBlocked::new();
    let engine = Engine::start(gucs::threads(), gucs::memory_limit(), spill_directory())?;
    drop(signals);
    Ok(ENGINE.get_or_init(|| engine))
}

/// Where Postgres keeps this backend's temporary files: what a crash leaves behind is removed when
/// the server starts (storage/file/fd.c, RemovePgTempFiles, by the name's prefix).
fn spill_directory() -> Option<PathBuf> {
    // SAFETY: DataDir is set before any backend starts, and is a C string.
    let data = unsafe { CStr::from_ptr(pg_sys::DataDir) }.to_str().ok()?;
    let directory = PathBuf::from(data).join("base/pgsql_tmp");
    let directory = directory.join(format!("pgsql_tmp_cur_fdw.{}", std::process::id()));
    std::fs::create_dir_all(&directory).ok()?;
    // SAFETY: Postgres calls it once, when this process ends in order.
    unsafe { pg_sys::on_proc_exit(Some(remove_spill_directory), pg_sys::Datum::from(0)) };
    let _ = SPILL_DIRECTORY.set(directory.clone());
    Some(directory)
}

#[pg_guard]
unsafe extern "C-unwind" fn remove_spill_directory(_code: i32, _argument: pg_sys::Datum) {
    if let Some(directory) = SPILL_DIRECTORY.get() {
        // What cannot be removed now goes when the server starts.
        let _ = std::fs::remove_dir_all(directory);
    }
}

/// Runs `work` on the engine's threads. A cancel or a timeout raises Postgres's ERROR from here,
/// after the work was dropped.
///
/// # Errors
/// What `work` returns.
pub fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    engine()?.run(work, honour_interrupts)
}

/// The next batch of a scan, or what was made of it, waiting as [`run`] does.
///
/// # Errors
/// What reading raised.
pub fn next_batch<T: Send + 'static>(scan: &mut Scan<T>) -> Result<Option<T>> {
    scan.next(honour_interrupts)
}

/// Lets Postgres act on a cancel, a timeout or a termination: it raises an ERROR, or returns.
pub fn honour_interrupts() {
    pg_sys::check_for_interrupts!();
}

/// All signals blocked in this thread until dropped, so that threads started meanwhile never run
/// one of Postgres's handlers: those assume the main thread and corrupt it otherwise.
struct SignalsBlocked {
    previous: libc::sigset_t,
}

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: sigset_t is plain data that sigfillset and pthread_sigmask initialise; both
        // pointers are valid for the calls.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut previous: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut previous);
            Self { previous }
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: `previous` was filled in by pthread_sigmask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, std::ptr::null_mut());
        }
    }
}
