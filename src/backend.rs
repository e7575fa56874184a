//! The bridge between the backend and the engine's threads.

use std::future::Future;
use std::sync::OnceLock;

use engine::{Engine, Result, Scan};
use pgrx::pg_sys;

use crate::gucs;

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// The backend's engine, started at first use.
///
/// # Errors
/// [`engine::Error::Threads`].
pub fn engine() -> Result<&'static Engine> {
    if let Some(engine) = ENGINE.get() {
        return Ok(engine);
    }
    let signals = SignalsBlocked::new();
    let engine = Engine::start(gucs::threads(), gucs::memory_limit())?;
    drop(signals);
    Ok(ENGINE.get_or_init(|| engine))
}

/// Runs `work` on the engine's threads. A cancel or a timeout raises Postgres's ERROR from here,
/// after the work was dropped.
///
/// # Errors
/// What `work` returns.
pub fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    engine()?.run(work, honour_interrupts)
}

/// The next batch of a scan, waiting as [`run`] does.
///
/// # Errors
/// What reading raised.
pub fn next_batch(scan: &mut Scan) -> Result<Option<arrow::array::RecordBatch>> {
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
