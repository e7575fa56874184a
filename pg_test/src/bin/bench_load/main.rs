//! How long a month takes to load, as ratios of one run: to Postgres copying the same rows from heap
//! to heap, to COPY BINARY, and to DuckDB's Postgres writer.
//!
//! `cargo bench-load [OPTIONS]`; the default is a 178-column month of 1,000,000 rows.

#![allow(missing_docs)]

mod contest;
mod months;
mod options;
mod readers;
mod rollup;

use contest::Contest;
use options::{Options, Shape};
use pg_test::kept::Bill;
use pg_test::postgres::{Cluster, Installation};
use pg_test::s3::Gateway;
use pg_test::{Result, bench};

const BUCKET: &str = "bench";
const DATABASE: &str = "bench";

/// Postgres as it comes, durable, with room for the write-ahead log of one month; and with its files
/// kept, or whoever comes first would pay for making them.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("min_wal_size", "8GB"),
];

fn main() -> Result<()> {
    let options = Options::parse()?;
    let installation = Installation::from_env()?;
    let months = options.months.unwrap_or(1);
    let mut bill = Bill::prepare(options.rows, months, options.rows_a_file)?;
    let shape = match options.shape {
        Shape::Parquet => "178 columns, '' and 0 for nothing",
        Shape::Sparse => {
            bill = bill.sparse()?;
            "178 columns, NULL for nothing"
        }
        Shape::Csv => {
            bill = bill.csv()?;
            "120 columns, gzip CSV"
        }
    };
    let gateway = Gateway::start()?;
    bill.upload(&gateway, BUCKET)?;
    let cluster = Cluster::start(&installation, SETTINGS)?;
    create_source(&cluster, &gateway)?;
    println!(
        "{} month(s) of {} rows x {shape}, {} MB through S3; PostgreSQL {}, fsync on\n",
        months,
        options.rows,
        bill.bytes()? / 1_000_000,
        installation.major,
    );
    match (options.months, options.readers) {
        (Some(_), _) if options.raw => months::measure(&cluster, &options),
        (Some(_), _) => rollup::measure(&cluster, &gateway, &bill, &options),
        (None, true) => readers::measure(&cluster),
        (None, false) => Contest::new(&cluster, &gateway, &bill, &options)?.run(),
    }
}

/// The database with the extension and the source `press`.
fn create_source(cluster: &Cluster, gateway: &Gateway) -> Result<()> {
    cluster
        .client("postgres")?
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))?;
    cluster.client(DATABASE)?.batch_execute(&format!(
        "CREATE EXTENSION cur_fdw; {}
         SELECT cost_analytics.cost_add_source('press', server => 'billing', prefix => '{}');",
        bench::server("billing", BUCKET, gateway),
        Bill::prefix(),
    ))?;
    Ok(())
}
