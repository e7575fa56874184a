//! Statements that background workers run beside the session that waits for them.
//!
//! A worker connects as the session's user and stays until the session dismisses it or fails. Orders
//! and reports go through shared memory, and reports are what Postgres's own parallel workers send
//! (access/transam/parallel.c): whatever a statement says, the session's client reads.

use std::cell::RefCell;
use std::ptr;

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder};
use pgrx::pg_sys::shm_mq_result::{SHM_MQ_SUCCESS, SHM_MQ_WOULD_BLOCK};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, pg_sys};

use crate::error::{Error, OrRaise};

/// Longer messages pass through a queue in parts.
const QUEUE_BYTES: usize = 64 * 1024;

/// Workers that one session may have.
const MOST: i32 = 64;

/// Kinds of reports besides Postgres's own: a worker is ready for orders; it has carried one out, with
/// its result; or there was none.
const READY: u8 = b'1';
const RESULT: u8 = b'2';
const NO_RESULT: u8 = b'3';

unsafe extern "C-unwind" {
    // tcop/tcopprot.h: the signal handler itself, which the bindings wrap.
    fn die(signal: i32);
    // libpq/pqmq.h, for which there are no bindings.
    fn pq_redirect_to_shm_mq(segment: *mut pg_sys::dsm_segment, queue: *mut pg_sys::shm_mq_handle);
    fn pq_parse_errornotice(message: pg_sys::StringInfo, error: *mut pg_sys::ErrorData);
}

thread_local! {
    /// The session's workers, with the number of the next.
    static STAFF: RefCell<(i32, Vec<Worker>)> = const { RefCell::new((1, Vec::new())) };
}

/// One worker, as the session knows it. The pointers are valid until it is dismissed.
#[derive(Clone, Copy)]
struct Worker {
    number: i32,
    handle: *mut pg_sys::BackgroundWorkerHandle,
    segment: *mut pg_sys::dsm_segment,
    orders: *mut pg_sys::shm_mq_handle,
    reports: *mut pg_sys::shm_mq_handle,
    busy: bool,
}

/// What a worker says.
enum Report {
    Ready,
    Result(Option<i64>),
    /// It raised an error, and ends.
    Failed(String),
    /// A notice, which has been passed on.
    Said,
    /// Nothing yet.
    Silent,
    Gone,
}

/// `worker_run(statements, most)`.
#[pg_extern(sql = false)]
fn worker_run(statements: Vec<String>, most: i32) -> Option<i32> {
    // A worker is the session's user, whom a function that only borrows rights must not become: no
    // more than it may SET ROLE.
    // SAFETY: reads what this backend is.
    if unsafe { pg_sys::InLocalUserIdChange() || pg_sys::InSecurityRestrictedOperation() } {
        Error::WorkerDenied.raise();
    }
    let most = most.min(MOST);
    let order = statements.join("\0");
    loop {
        let idle = staff().into_iter().find(|worker| !worker.busy);
        let worker = match idle {
            Some(worker) => worker,
            None if (staff().len() as i32) < most => Worker::hire()?,
            None => return None,
        };
        if worker.send(order.as_bytes()) {
            set_busy(worker.number, true);
            return Some(worker.number);
        }
        // Somebody has terminated it since its last order.
        worker.dismiss();
    }
}

/// `worker_wait()`.
#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the type"
)]
fn worker_wait() -> TableIterator<
    'static,
    (
        name!(worker, i32),
        name!(result, Option<i64>),
        name!(failure, Option<String>),
    ),
> {
    loop {
        let busy: Vec<Worker> = staff().into_iter().filter(|worker| worker.busy).collect();
        if busy.is_empty() {
            return TableIterator::empty();
        }
        let mut silent = true;
        for worker in busy {
            let failure = match worker.report(false) {
                Report::Silent => continue,
                Report::Result(result) => {
                    set_busy(worker.number, false);
                    return TableIterator::once((worker.number, result, None));
                }
                Report::Said | Report::Ready => {
                    silent = false;
                    continue;
                }
                Report::Failed(message) => message,
                Report::Gone => Error::WorkerGone.to_string(),
            };
            worker.dismiss();
            return TableIterator::once((worker.number, None, Some(failure)));
        }
        if silent {
            wait();
        }
    }
}

/// `workers_dismiss()`.
#[pg_extern(sql = false)]
fn workers_dismiss() {
    staff().into_iter().for_each(Worker::dismiss);
}

/// A copy: nothing may be borrowed while Postgres can raise an error.
fn staff() -> Vec<Worker> {
    STAFF.with_borrow(|(_, workers)| workers.clone())
}

fn set_busy(number: i32, busy: bool) {
    STAFF.with_borrow_mut(|(_, workers)| {
        let worker = workers.iter_mut().find(|worker| worker.number == number);
        worker.into_iter().for_each(|worker| worker.busy = busy);
    });
}

/// Until some worker has reported, or ended.
fn wait() {
    // SAFETY: this backend's own latch; the wait ends the process when the postmaster has died.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            (pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH) as i32,
            -1,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    crate::backend::honour_interrupts();
}

impl Worker {
    /// Starts one, and waits until it is ready. `None` when Postgres has no place for it or it may not
    /// connect; why, stands in the server's log.
    fn hire() -> Option<Self> {
        // SAFETY: the context is valid, and nothing is kept of it.
        let worker = unsafe { PgMemoryContexts::TopMemoryContext.switch_to(|_| Self::start()) }?;
        loop {
            match worker.report(true) {
                Report::Ready => return Some(worker),
                Report::Failed(_) | Report::Gone => {
                    worker.dismiss();
                    return None;
                }
                Report::Result(_) | Report::Said | Report::Silent => {}
            }
        }
    }

    /// Everything is allocated in the current memory context.
    fn start() -> Option<Self> {
        // SAFETY: the segment is mapped until it is detached in `dismiss`, holds both queues, and is
        // aligned as shared memory is; each queue has this backend at one end.
        let (segment, orders, reports) = unsafe {
            let segment = pg_sys::dsm_create(2 * QUEUE_BYTES, 0);
            // Beyond this transaction.
            pg_sys::dsm_pin_mapping(segment);
            let memory = pg_sys::dsm_segment_address(segment).cast::<u8>();
            let orders = pg_sys::shm_mq_create(memory.cast(), QUEUE_BYTES);
            let reports = pg_sys::shm_mq_create(memory.add(QUEUE_BYTES).cast(), QUEUE_BYTES);
            pg_sys::shm_mq_set_sender(orders, pg_sys::MyProc);
            pg_sys::shm_mq_set_receiver(reports, pg_sys::MyProc);
            let orders = pg_sys::shm_mq_attach(orders, segment, ptr::null_mut());
            let reports = pg_sys::shm_mq_attach(reports, segment, ptr::null_mut());
            (segment, orders, reports)
        };
        // SAFETY: reads what this backend is, registers a worker, and lets both queues notice its end.
        let handle = unsafe {
            let builder = BackgroundWorkerBuilder::new("cur_fdw worker")
                .set_type("cur_fdw worker")
                .set_library("$libdir/cur_fdw")
                .set_function("cur_fdw_worker")
                .set_argument(Some(pg_sys::Datum::from(pg_sys::dsm_segment_handle(
                    segment,
                ))))
                .set_extra(&format!(
                    "{} {}",
                    pg_sys::MyDatabaseId.to_u32(),
                    pg_sys::GetSessionUserId().to_u32()
                ))
                .set_notify_pid(pg_sys::MyProcPid)
                .enable_spi_access();
            let mut entry = pg_sys::BackgroundWorker::from(&builder);
            let mut handle = ptr::null_mut();
            if !pg_sys::RegisterDynamicBackgroundWorker(&mut entry, &mut handle) {
                pg_sys::shm_mq_detach(orders);
                pg_sys::shm_mq_detach(reports);
                pg_sys::dsm_detach(segment);
                return None;
            }
            pg_sys::shm_mq_set_handle(orders, handle);
            pg_sys::shm_mq_set_handle(reports, handle);
            handle
        };
        Some(STAFF.with_borrow_mut(|(next, workers)| {
            if *next == 1 {
                // SAFETY: once in a backend; the callback is a function of this library, which stays.
                unsafe { pg_sys::RegisterXactCallback(Some(at_transaction_end), ptr::null_mut()) };
            }
            let worker = Worker {
                number: *next,
                handle,
                segment,
                orders,
                reports,
                busy: false,
            };
            *next += 1;
            workers.push(worker);
            worker
        }))
    }

    /// False when the worker has ended.
    fn send(self, message: &[u8]) -> bool {
        // SAFETY: the queue is attached, and the message outlives the call.
        let sent = unsafe {
            let data = message.as_ptr().cast();
            pg_sys::shm_mq_send(self.orders, message.len(), data, false, true)
        };
        sent == SHM_MQ_SUCCESS
    }

    /// The next report; waits for it if asked to. Notices go on to the client.
    fn report(self, waiting: bool) -> Report {
        let message = match receive(self.reports, waiting) {
            Received::Message(message) => message,
            Received::Nothing => return Report::Silent,
            Received::Detached => return Report::Gone,
        };
        match message {
            [READY] => Report::Ready,
            [NO_RESULT] => Report::Result(None),
            [RESULT, result @ ..] => match result.try_into() {
                Ok(bytes) => Report::Result(Some(i64::from_ne_bytes(bytes))),
                Err(_) => Report::Gone,
            },
            [b'E', ..] => Report::Failed(text_of(&parsed(message))),
            [b'N', ..] => {
                let mut notice = parsed(message);
                // SAFETY: parsed by Postgres, whose strings are in the current memory context.
                unsafe { pg_sys::ThrowErrorData(&mut notice) };
                Report::Said
            }
            _ => Report::Said,
        }
    }

    /// Lets it end when it has no order, and waits until it has.
    fn dismiss(self) {
        STAFF.with_borrow_mut(|(_, workers)| workers.retain(|w| w.number != self.number));
        // SAFETY: pointers of a worker that was on the list, from which it was taken just now. Without
        // the segment it finds its orders ended.
        unsafe {
            pg_sys::shm_mq_detach(self.orders);
            pg_sys::shm_mq_detach(self.reports);
            pg_sys::dsm_detach(self.segment);
            pg_sys::WaitForBackgroundWorkerShutdown(self.handle);
            pg_sys::pfree(self.handle.cast());
        }
    }
}

/// A session that fails, is cancelled or is terminated takes its workers along.
#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::XactEvent::XACT_EVENT_ABORT {
        let workers = staff();
        for worker in &workers {
            // SAFETY: the handle of a worker on the list.
            unsafe { pg_sys::TerminateBackgroundWorker(worker.handle) };
        }
        workers.into_iter().for_each(Worker::dismiss);
    }
}

enum Received<'a> {
    /// Valid until the next is received.
    Message(&'a [u8]),
    Nothing,
    Detached,
}

fn receive<'a>(queue: *mut pg_sys::shm_mq_handle, waiting: bool) -> Received<'a> {
    let (mut length, mut data) = (0, ptr::null_mut());
    // SAFETY: the queue is attached; on success Postgres has set both to a message that it keeps.
    unsafe {
        match pg_sys::shm_mq_receive(queue, &mut length, &mut data, !waiting) {
            SHM_MQ_SUCCESS => {
                Received::Message(std::slice::from_raw_parts(data.cast::<u8>(), length))
            }
            SHM_MQ_WOULD_BLOCK => Received::Nothing,
            _ => Received::Detached,
        }
    }
}

/// An error or a notice of Postgres's protocol.
fn parsed(message: &[u8]) -> pg_sys::ErrorData {
    let mut error = pg_sys::ErrorData::default();
    let mut text = pg_sys::StringInfoData {
        data: message.as_ptr().cast_mut().cast(),
        len: message.len() as i32,
        maxlen: message.len() as i32,
        // After the kind.
        cursor: 1,
    };
    // SAFETY: Postgres only reads the message and advances the cursor; what it copies goes into the
    // current memory context. Its errors are caught at the boundary.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| pq_parse_errornotice(&mut text, &mut error));
    }
    error
}

fn text_of(error: &pg_sys::ErrorData) -> String {
    if error.message.is_null() {
        return Error::WorkerGone.to_string();
    }
    // SAFETY: a C string of the current memory context.
    let message = unsafe { std::ffi::CStr::from_ptr(error.message) };
    message.to_string_lossy().into_owned()
}

/// What Postgres runs in the worker's process.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cur_fdw_worker(argument: pg_sys::Datum) {
    let identity = BackgroundWorker::get_extra();
    let mut identity = identity.split(' ').filter_map(|oid| oid.parse().ok());
    // Without a user Postgres would take the first superuser.
    let (Some(database), Some(user)) = (identity.next(), identity.next()) else {
        return;
    };
    let (database, user) = (pg_sys::Oid::from_u32(database), pg_sys::Oid::from_u32(user));
    // SAFETY: the segment is the one that `Worker::start` made, with its two queues; it stays mapped
    // until this process ends. A termination ends statements as it does in any backend.
    let (orders, reports) = unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(die));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
        let segment = pg_sys::dsm_attach(argument.value() as pg_sys::dsm_handle);
        if segment.is_null() {
            // The session has failed meanwhile.
            return;
        }
        let memory = pg_sys::dsm_segment_address(segment).cast::<u8>();
        let orders = memory.cast::<pg_sys::shm_mq>();
        let reports = memory.add(QUEUE_BYTES).cast::<pg_sys::shm_mq>();
        pg_sys::shm_mq_set_receiver(orders, pg_sys::MyProc);
        pg_sys::shm_mq_set_sender(reports, pg_sys::MyProc);
        let orders = pg_sys::shm_mq_attach(orders, segment, ptr::null_mut());
        let reports = pg_sys::shm_mq_attach(reports, segment, ptr::null_mut());
        pq_redirect_to_shm_mq(segment, reports);
        (orders, reports)
    };
    let report = |message: &[u8]| {
        // SAFETY: the queue is attached, and the message outlives the call.
        unsafe {
            let data = message.as_ptr().cast();
            pg_sys::shm_mq_send(reports, message.len(), data, false, true);
        }
    };
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), Some(user));
    // The session reads reports in the database's encoding, whatever the user's clients speak.
    // SAFETY: an encoding needs no conversion to itself.
    unsafe { pg_sys::SetClientEncoding(pg_sys::GetDatabaseEncoding()) };
    report(&[READY]);
    while let Received::Message(order) = receive(orders, true) {
        let order = String::from_utf8_lossy(order).into_owned();
        match order.split('\0').find_map(run) {
            Some(result) => report(&[&[RESULT], &result.to_ne_bytes()[..]].concat()),
            None => report(&[NO_RESULT]),
        }
    }
}

/// A statement in a transaction of its own, and the number it gives.
fn run(statement: &str) -> Option<i64> {
    let text = std::ffi::CString::new(statement).unwrap_or_default();
    // SAFETY: sets this backend's own status, from a C string.
    unsafe {
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr());
    }
    let result = BackgroundWorker::transaction(|| Spi::get_one::<i64>(statement));
    // SAFETY: as above; and between transactions.
    unsafe {
        pg_sys::pgstat_report_stat(true);
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, ptr::null());
    }
    result.map_err(Error::from).or_raise()
}
