//! A backend's peak memory has a limit that does not depend on the size of the bill.

use crate::env::{Env, Test, soaking, tests};
use crate::fixture;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use pg_test::Result;
use pg_test::backend::Footprint;
use pg_test::postgres::Cluster;
use postgres::Client;
use postgres::error::SqlState;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub const TESTS: &[Test] = tests![big_results_and_many_groups_stay_within_the_limit];

const LIMIT_KB: u64 = 16 << 10;

/// What a backend may take on top of `cur_fdw.memory_limit`: itself, shared buffers, one row
/// group's compressed pages a thread, some batches.
const MARGIN_KB: u64 = 150 << 10;

/// The table's shape. What is sampled is small enough for verify, and too large for the limit: its
/// texts alone have 120 MB.
struct Shape {
    rows: i64,
    rows_per_file: i64,
    groups: i64,
    /// Bytes of a text.
    width: usize,
}

fn shape() -> Shape {
    if soaking() {
        Shape {
            rows: 10_000_000,
            rows_per_file: 1_000_000,
            groups: 5_000_000,
            width: 60,
        }
    } else {
        Shape {
            rows: 300_000,
            rows_per_file: 150_000,
            groups: 150_000,
            width: 400,
        }
    }
}

fn write(directory: &Path, shape: &Shape) -> Result<()> {
    let folder = directory.join("numbers/Report/Report/year=2025/month=9");
    std::fs::create_dir_all(&folder)?;
    for first in (0..shape.rows).step_by(shape.rows_per_file as usize) {
        let file = File::create(folder.join(format!("{first}.parquet")))?;
        let properties = WriterProperties::builder()
            .set_compression(parquet::basic::Compression::SNAPPY)
            .build();
        let end = shape.rows.min(first + shape.rows_per_file);
        let mut writer: Option<ArrowWriter<File>> = None;
        for start in (first..end).step_by(10_000) {
            let batch = batch(shape, start, end.min(start + 10_000))?;
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(ArrowWriter::try_new(
                    file.try_clone()?,
                    batch.schema(),
                    Some(properties.clone()),
                )?),
            };
            writer.write(&batch)?;
        }
        writer.ok_or("a file has rows")?.close()?;
    }
    Ok(())
}

fn batch(shape: &Shape, start: i64, end: i64) -> Result<RecordBatch> {
    let numbers = start..end;
    let texts = numbers
        .clone()
        .map(|x| format!("{x:0width$}", width = shape.width));
    let columns: [(&str, ArrayRef); 4] = [
        ("x", Arc::new(Int64Array::from_iter_values(numbers.clone()))),
        (
            "key",
            Arc::new(Int64Array::from_iter_values(
                numbers.clone().map(|x| x % shape.groups),
            )),
        ),
        (
            "cost",
            Arc::new(Float64Array::from_iter_values(numbers.map(|x| x as f64))),
        ),
        ("name", Arc::new(StringArray::from_iter_values(texts))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// A backend that has done nothing yet.
fn fresh(cluster: &Cluster) -> Result<Client> {
    let mut client = cluster.client("memory")?;
    client.batch_execute(&format!("SET cur_fdw.memory_limit = '{LIMIT_KB}kB'"))?;
    Ok(client)
}

fn assert_within_limit(client: &mut Client, what: &str, began: Instant) -> Result<()> {
    let took = began.elapsed();
    let footprint = Footprint::of(client)?;
    if soaking() {
        println!("{what} in {took:?}: {footprint:?}");
    }
    assert!(
        footprint.peak_kb <= LIMIT_KB + MARGIN_KB,
        "{what}: {footprint:?}"
    );
    Ok(())
}

fn big_results_and_many_groups_stay_within_the_limit(env: &Env) -> Result<()> {
    // Shared buffers count as the memory of every backend that touches them.
    let cluster = Cluster::start(&env.installation, &[("shared_buffers", "16MB")])?;
    let shape = shape();
    let directory = cluster.data_dir().join("memory");
    write(&directory, &shape)?;
    cluster
        .client("postgres")?
        .batch_execute("CREATE DATABASE memory")?;
    let mut client = cluster.client("memory")?;
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    fixture::connect_directory(&mut client, &directory)?;
    client.batch_execute(&format!(
        "CREATE FOREIGN TABLE big (x bigint, key bigint, cost double precision, name text) \
           SERVER bills OPTIONS (prefix '{}')",
        fixture::NUMBERS
    ))?;
    stream_all(&cluster, &shape)?;
    group(&cluster, &shape)
}

fn stream_all(cluster: &Cluster, shape: &Shape) -> Result<()> {
    let mut client = fresh(cluster)?;
    let began = Instant::now();
    let mut transaction = client.transaction()?;
    transaction.batch_execute("DECLARE c CURSOR FOR SELECT * FROM big")?;
    let fetch = transaction.prepare("FETCH 10000 FROM c")?;
    let (mut rows, mut sum) = (0, 0);
    loop {
        let fetched = transaction.query(&fetch, &[])?;
        if fetched.is_empty() {
            break;
        }
        rows += fetched.len() as i64;
        sum += fetched.iter().map(|row| row.get::<_, i64>(0)).sum::<i64>();
        assert_eq!(fetched[0].get::<_, &str>(3).len(), shape.width);
    }
    transaction.commit()?;
    assert_eq!((rows, sum), (shape.rows, (0..shape.rows).sum()));
    assert_within_limit(&mut client, &format!("{rows} rows streamed"), began)
}

/// Spilled to disk, or refused in plain words.
fn group(cluster: &Cluster, shape: &Shape) -> Result<()> {
    let mut client = fresh(cluster)?;
    let began = Instant::now();
    let groups = "SELECT count(*), sum(n)::bigint, max(m) FROM \
        (SELECT key, count(*) n, max(name) m FROM big GROUP BY key OFFSET 0) s";
    let outcome = match client.query_one(groups, &[]) {
        Ok(row) => {
            assert_eq!((row.get(0), row.get(1)), (shape.groups, shape.rows));
            let last: String = row.get(2);
            assert_eq!(last.parse::<i64>()?, shape.rows - 1);
            "grouped"
        }
        Err(error) => {
            assert_eq!(error.code(), Some(&SqlState::OUT_OF_MEMORY), "{error:?}");
            let hint = error.as_db_error().and_then(|error| error.hint());
            assert!(hint.is_some_and(|hint| hint.contains("cur_fdw.memory_limit")));
            "refused"
        }
    };
    let what = format!("{} groups {outcome}", shape.groups);
    assert_within_limit(&mut client, &what, began)
}
