//! The settings, all under `cur_fdw.`.

use std::ffi::CString;
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use store::Network;

static MEMORY_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(256 * 1024);
static THREADS: GucSetting<i32> = GucSetting::<i32>::new(2);
static CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);
static READ_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30_000);
static RETRIES: GucSetting<i32> = GucSetting::<i32>::new(3);
static SWAP_LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(2_000);
static SYNC_WORKERS: GucSetting<i32> = GucSetting::<i32>::new(1);
static ENABLE_PUSHDOWN: GucSetting<bool> = GucSetting::<bool>::new(true);
static ALLOWED_ENDPOINTS: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));

/// Registers the settings with Postgres.
pub fn define() {
    GucRegistry::define_int_guc(
        c"cur_fdw.memory_limit",
        c"Memory that reading may buffer in one backend.",
        c"Takes effect when the backend reads its first bill.",
        &MEMORY_LIMIT,
        16 * 1024,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"cur_fdw.threads",
        c"Threads that read and decode in one backend.",
        c"Takes effect when the backend reads its first bill.",
        &THREADS,
        1,
        256,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"cur_fdw.connect_timeout",
        c"Time to connect to the object store.",
        c"A failed attempt is repeated cur_fdw.retries times.",
        &CONNECT_TIMEOUT,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"cur_fdw.read_timeout",
        c"Time for one request to the object store, body included.",
        c"A request that takes longer is repeated cur_fdw.retries times.",
        &READ_TIMEOUT,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"cur_fdw.retries",
        c"Repetitions of a failed request to the object store.",
        c"With exponential backoff and jitter.",
        &RETRIES,
        0,
        100,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"cur_fdw.swap_lock_timeout",
        c"Time cost_sync() waits for readers before it leaves a loaded month staged.",
        c"The next cost_sync() swaps a staged month in without downloading it again.",
        &SWAP_LOCK_TIMEOUT,
        1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"cur_fdw.sync_workers",
        c"Months that one cost_sync() loads side by side.",
        c"From 2 on in background workers, which share cur_fdw.threads; each may buffer cur_fdw.memory_limit.",
        &SYNC_WORKERS,
        1,
        64,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"cur_fdw.enable_pushdown",
        c"Whether filters, aggregates, sorts and limits run in the reading threads.",
        c"The answers are the same either way; off is slower.",
        &ENABLE_PUSHDOWN,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"cur_fdw.allowed_endpoints",
        c"Comma-separated endpoints that servers of ordinary users may name.",
        c"As https://host[:port], * stands for any characters but a slash. The clouds' own endpoints need no entry. Empty: superusers only.",
        &ALLOWED_ENDPOINTS,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// `cur_fdw.memory_limit` in bytes.
pub fn memory_limit() -> usize {
    MEMORY_LIMIT.get().max(0) as usize * 1024
}

/// `cur_fdw.threads`.
pub fn threads() -> usize {
    THREADS.get().max(1) as usize
}

/// `cur_fdw.enable_pushdown`.
pub fn enable_pushdown() -> bool {
    ENABLE_PUSHDOWN.get()
}

/// The limits of one request.
pub fn network() -> Network {
    Network {
        connect_timeout: Duration::from_millis(CONNECT_TIMEOUT.get().max(1) as u64),
        read_timeout: Duration::from_millis(READ_TIMEOUT.get().max(1) as u64),
        retries: RETRIES.get().max(0) as usize,
    }
}

/// The patterns of `cur_fdw.allowed_endpoints`.
pub fn allowed_endpoints() -> Vec<String> {
    let list = ALLOWED_ENDPOINTS.get();
    let list = list
        .as_deref()
        .map(|l| l.to_string_lossy().into_owned())
        .unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect()
}
