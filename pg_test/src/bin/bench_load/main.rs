//! How long a month takes to load, as a ratio to COPY BINARY of the same rows in the same run, and
//! how much memory the backend used.
//!
//! `cargo bench-load [-- ROWS]`; the default is a 178-column month of 1,000,000 rows.

#![allow(missing_docs)]

use std::time::{Duration, Instant};

use pg_test::Result;
use pg_test::bills::{Report, Width};
use pg_test::postgres::{Cluster, Installation};
use pg_test::s3::Gateway;
use postgres::Client;

const ROUNDS: usize = 3;
const BUCKET: &str = "bench";

/// Postgres as it comes, durable, with room for the write-ahead log of one month.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
];

fn main() -> Result<()> {
    let rows = std::env::args()
        .skip(1)
        .find_map(|a| a.parse().ok())
        .unwrap_or(1_000_000);
    let installation = Installation::from_env()?;
    let gateway = Gateway::start()?;
    let cluster = Cluster::start(&installation, SETTINGS)?;
    let total = upload(&gateway, rows)?;
    let mut client = connect(&cluster, &gateway)?;

    let mut ours = Vec::new();
    let mut with_rollup = Vec::new();
    let mut copy = Vec::new();
    for round in 1..=ROUNDS {
        let mut fresh = cluster.client("bench")?;
        ours.push(timed(
            &mut fresh,
            "CALL cost_analytics.cost_sync(force => true, normalized => false)",
        )?);
        let memory = peak_memory(&mut fresh)?;
        with_rollup.push(timed(
            &mut fresh,
            "CALL cost_analytics.cost_sync(force => true)",
        )?);
        copy.push(copy_binary(&cluster, &mut client)?);
        println!(
            "round {round}: load {:.2} s, load and roll up {:.2} s, COPY BINARY {:.2} s, backend peak {memory}",
            last(&ours),
            last(&with_rollup),
            last(&copy)
        );
    }
    let loaded: String = client
        .query_one(
            "SELECT trim_scale(sum(cost))::text FROM cost_analytics.costs",
            &[],
        )?
        .get(0);
    if loaded != total {
        return Err(format!("loaded {loaded}, but the bill is {total}").into());
    }
    let (ours, with_rollup, copy) = (
        median(&mut ours),
        median(&mut with_rollup),
        median(&mut copy),
    );
    println!(
        "median of {ROUNDS}, {rows} rows x 178 columns through S3, Postgres {}: load {ours:.2} s ({:.0} rows/s) = {:.2} x COPY BINARY ({copy:.2} s); with rollup {:.2} x",
        installation.major,
        rows as f64 / ours,
        ours / copy,
        with_rollup / copy,
    );
    Ok(())
}

fn upload(gateway: &Gateway, rows: usize) -> Result<String> {
    let report = Report {
        bucket: BUCKET.to_owned(),
        months: 1,
        rows_per_month: rows,
        rows_per_file: 1_000_000,
        columns: Width::Wide,
        ..Report::press()
    };
    let (year, month) = report.first;
    let directory = tempfile::tempdir()?;
    let totals = pg_test::bills::write_month(&report, year, month, 0, directory.path())?;
    gateway.create_bucket(BUCKET)?;
    for path in files_under(directory.path())? {
        let key = path
            .strip_prefix(directory.path())?
            .to_string_lossy()
            .into_owned();
        gateway.put(BUCKET, &key, std::fs::read(&path)?)?;
    }
    Ok(totals.unblended)
}

fn files_under(directory: &std::path::Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_under(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn connect(cluster: &Cluster, gateway: &Gateway) -> Result<Client> {
    cluster
        .client("postgres")?
        .batch_execute("CREATE DATABASE bench")?;
    let mut client = cluster.client("bench")?;
    client.batch_execute(&format!(
        "CREATE EXTENSION cur_fdw;
         CREATE SERVER billing FOREIGN DATA WRAPPER cur_fdw
           OPTIONS (url 's3://{BUCKET}', endpoint '{}', allow_http 'true');
         CREATE USER MAPPING FOR CURRENT_USER SERVER billing
           OPTIONS (access_key_id '{}', secret_access_key '{}');
         SELECT cost_analytics.cost_add_source('press', server => 'billing', prefix => 'cup');",
        gateway.endpoint(),
        gateway.access_key(),
        gateway.secret_key(),
    ))?;
    Ok(client)
}

/// Copies the loaded month out to a file, and times copying it back into a new, empty table.
fn copy_binary(cluster: &Cluster, client: &mut Client) -> Result<f64> {
    let file = cluster.data_dir().join("month.copy");
    let file = file.display();
    client.batch_execute(&format!(
        "DROP TABLE IF EXISTS copied;
         CREATE TABLE copied (LIKE cost_analytics.raw_press);
         COPY (SELECT * FROM cost_analytics.raw_press) TO '{file}' (FORMAT binary);
         CHECKPOINT"
    ))?;
    timed(
        client,
        &format!("COPY copied FROM '{file}' (FORMAT binary)"),
    )
}

fn timed(client: &mut Client, sql: &str) -> Result<f64> {
    let started = Instant::now();
    client.batch_execute(sql)?;
    Ok(started
        .elapsed()
        .max(Duration::from_millis(1))
        .as_secs_f64())
}

/// The backend's own peak, less the shared buffers it has touched.
fn peak_memory(client: &mut Client) -> Result<String> {
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|l| l.split_whitespace().nth(1))
            .and_then(|v| v.parse().ok())
            .unwrap_or(0)
    };
    Ok(format!(
        "{} MB resident of which {} MB shared buffers",
        field("VmHWM:") / 1024,
        field("RssShmem:") / 1024
    ))
}

fn last(times: &[f64]) -> f64 {
    times.last().copied().unwrap_or_default()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
