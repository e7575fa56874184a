//! cur_fdw: cloud bills in object storage as PostgreSQL tables.
//!
//! The rooms: [`fdw`] is Postgres's side of a foreign scan, [`sync`] loads one month into its
//! table, [`datum`] turns record batches into datums, [`backend`] is the bridge to the engine's
//! threads, [`workers`] runs statements in processes beside, [`gucs`] holds the settings and [`error`] what the user reads when something fails.
//! This is the only crate that knows Postgres, and the only one with `unsafe`.

#![allow(unsafe_code, reason = "Postgres is reached through its C interface")]

mod backend;
mod datum;
mod error;
mod fdw;
mod gucs;
mod sync;
mod workers;

::pgrx::pg_module_magic!();

/// Called once when Postgres loads the library, in the backend that first needs it.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    gucs::define();
}
