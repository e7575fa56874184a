//! Scans of CSV files in a directory that stands for a bucket.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod damaged;
mod layouts;
mod packed;
mod same_as_parquet;
mod written;
