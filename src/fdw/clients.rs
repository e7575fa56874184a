//! The stores this backend has opened, so that the next query finds its connections still open.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::pg_sys;
use pgrx::prelude::*;
use store::{Credentials, Location, Network, Store};

use crate::error::Error;

/// A client is found by everything it was made of. Whoever opens a server reads its options and
/// secrets and checks permissions first, so that an old client cannot meet a new mapping, another
/// role's keys, or a secret that was replaced.
type Key = (Location, Option<Credentials>, Network);

/// More servers than one session reads. Above it all are dropped; they are cheap to make.
const MOST: usize = 16;

thread_local! {
    static CLIENTS: RefCell<HashMap<Key, Store>> = RefCell::default();
    /// [`CHANGES`] when `CLIENTS` was last looked into; None before the first time.
    static SEEN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// How often servers or user mappings changed, as far as this backend has heard.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// The store of these options, opened or found.
///
/// # Errors
/// Those of [`Store::open`].
pub fn open(
    location: Location,
    credentials: Option<Credentials>,
    network: Network,
) -> Result<Store, Error> {
    forget_after_changes();
    let key = (location, credentials, network);
    CLIENTS.with_borrow_mut(|clients| {
        if let Some(store) = clients.get(&key) {
            return Ok(store.clone());
        }
        if clients.len() >= MOST {
            clients.clear();
        }
        let store = Store::open(key.0.clone(), key.1.as_ref(), &key.2)?;
        clients.insert(key, store.clone());
        Ok(store)
    })
}

/// Drops all clients, and the keys they hold, when a server or mapping has changed.
fn forget_after_changes() {
    if SEEN.get().is_none() {
        watch();
    }
    let changes = Some(CHANGES.load(Ordering::Relaxed));
    if SEEN.replace(changes) != changes {
        CLIENTS.with_borrow_mut(HashMap::clear);
    }
}

fn watch() {
    use pg_sys::SysCacheIdentifier::{FOREIGNSERVEROID, USERMAPPINGOID};
    for cache in [FOREIGNSERVEROID, USERMAPPINGOID] {
        // SAFETY: the callback only counts; the library that holds it is never unloaded.
        unsafe {
            pg_sys::CacheRegisterSyscacheCallback(
                cache as c_int,
                Some(changed),
                pg_sys::Datum::null(),
            );
        }
    }
}

/// Postgres calls this wherever it takes locks, so it only counts.
#[pg_guard]
unsafe extern "C-unwind" fn changed(_arg: pg_sys::Datum, _cache: c_int, _hash: u32) {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}
