//! Reading bills: a request in, a stream of record batches out.
//!
//! Everything asynchronous runs on the engine's own threads. The caller's thread, a Postgres
//! backend in production, only waits, in [`Engine::wait`], and is given back control every
//! [`TICK`] so that it can honour a cancel.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod bill;
mod error;
mod footer;
mod runtime;
mod scan;
mod types;
mod widen;

pub use bill::{Bill, Delivery, discover};
pub use error::{Error, Result};
pub use footer::{Column, Footer};
pub use runtime::{Engine, TICK};
pub use scan::{Field, Request, Scan, Source};
pub use types::sql_type;
pub use widen::{NUMERIC, common_type};
