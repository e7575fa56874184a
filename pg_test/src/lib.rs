//! What the tests, the benchmarks and the demo share: throwaway servers and sample bills.
//!
//! The servers are real ones wherever one runs here: Postgres is the installed one, S3 is Ceph's
//! gateway, which checks signatures, honours conditional requests and pages its listings, and Azure
//! is Microsoft's emulator. Only for Google there is none, and `gcs` stands in for it.

// Helpers of tests: a violated expectation is a failed test, and says so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod azurite;
pub mod backend;
pub mod bench;
pub mod bills;
pub mod duckdb;
pub mod entra;
pub mod fault;
pub mod gcs;
pub mod kept;
pub mod keys;
pub mod objects;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod questions;
pub mod s3;

/// Any error, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What everything here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
