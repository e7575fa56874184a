//! What the tests, the benchmarks and the demo share: throwaway servers and sample bills.
//!
//! Nothing here imitates a server: Postgres is the installed one, and the object store is Ceph's S3
//! gateway, which checks signatures, honours conditional requests and pages its listings.

// Helpers of tests: a violated expectation is a failed test, and says so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod bills;
pub mod duckdb;
pub mod fault;
pub mod kept;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod questions;
pub mod s3;

/// Any error, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What everything here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
