//! Reading bills: a request in, a stream of record batches out.
//!
//! Everything asynchronous runs on the engine's own threads. The caller's thread, a Postgres
//! backend in production, only waits, in [`Engine::wait`], and is given back control every
//! [`TICK`] so that it can honour a cancel.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod annotated;
mod bill;
mod common;
mod compute;
mod counters;
mod csv;
mod error;
mod expr;
mod footer;
mod identify;
mod in_file;
mod json;
mod json_text;
mod kind;
mod memory;
mod metadata;
mod names;
mod pages;
mod plausible;
mod query;
mod reader;
mod runtime;
mod scan;
mod statistics;
mod table;
mod thrift;
mod translate;
mod types;
mod widen;

pub use bill::{Bill, Delivery, Listing, discover};
pub use compute::Raised;
pub use counters::Counters;
pub use csv::{Malformed, Problem};
pub use error::{Error, Result};
pub use expr::{Comparison, Expr, Part, Unit, Value};
pub use footer::{Column, Footer};
pub use kind::Kind;
pub use query::{Aggregate, Field, Function, Key, Order, OrderBy, Query, Shape, Source};
pub use runtime::{Engine, TICK};
pub use scan::{Request, Scan};
pub use types::sql_type;
pub use widen::{NUMERIC, common_type};
