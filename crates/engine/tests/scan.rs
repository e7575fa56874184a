//! Scans of real Parquet files in a directory that stands for a bucket.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::array::{Date32Array, StringViewArray};
use billing::BillingPeriod;
use engine::{Bill, Delivery, Engine, Error, Field, Kind, Query, Request, Scan, Source};
use parquet::arrow::ArrowWriter;
use store::{Location, Network, Store};

const PREFIX: &str = "cur/Report";

fn engine() -> Engine {
    Engine::start(2, 64 << 20, None).unwrap()
}

fn store(directory: &Path) -> Store {
    let location = Location::File {
        directory: directory.to_owned(),
    };
    Store::open(location, None, &Network::default()).unwrap()
}

/// Writes a file of a month, without a manifest.
fn write(directory: &Path, month: u32, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let folder = directory.join(format!("cur/Report/Report/year=2025/month={month}"));
    std::fs::create_dir_all(&folder).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(folder.join(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn file_field(name: &str, kind: Kind) -> Field {
    Field {
        source: Source::File(name.to_owned()),
        kind,
    }
}

fn deliveries(engine: &Engine, store: &Store) -> Vec<Delivery> {
    let store = store.clone();
    let all = async move {
        let bill = Bill::find(&store, PREFIX).await?;
        let mut all = Vec::new();
        for period in bill.export().months.keys() {
            all.push(bill.delivery(*period).await?);
        }
        Ok(all)
    };
    engine.run(all, || {}).unwrap()
}

fn read(directory: &Path, fields: Vec<Field>) -> Result<Vec<RecordBatch>, Error> {
    let (engine, store) = (engine(), store(directory));
    let deliveries = deliveries(&engine, &store);
    let mut scan = Scan::start(
        &engine,
        &store,
        Request {
            query: Query::of(fields),
            values: Vec::new(),
            limit: None,
            deliveries,
            concurrency: 2,
        },
    );
    let mut batches = Vec::new();
    while let Some(batch) = scan.next(|| {})? {
        batches.push(batch);
    }
    Ok(batches)
}

#[test]
fn a_column_that_a_month_lacks_is_null_there_and_the_path_columns_say_which_month_it_is() {
    let directory = tempfile::tempdir().unwrap();
    write(
        directory.path(),
        9,
        "a.parquet",
        vec![("old", text(&["x", ""]))],
    );
    write(
        directory.path(),
        10,
        "a.parquet",
        vec![("new", text(&["n"])), ("old", text(&["y"]))],
    );
    let fields = vec![
        file_field("new", Kind::Text),
        Field {
            source: Source::BillingPeriod,
            kind: Kind::Date,
        },
        Field {
            source: Source::Month,
            kind: Kind::Text,
        },
        file_field("old", Kind::Text),
    ];
    let mut rows = Vec::new();
    for batch in read(directory.path(), fields).unwrap() {
        let texts = |i: usize| {
            batch
                .column(i)
                .as_any()
                .downcast_ref::<StringViewArray>()
                .unwrap()
        };
        let dates = batch
            .column(1)
            .as_any()
            .downcast_ref::<Date32Array>()
            .unwrap();
        for row in 0..batch.num_rows() {
            let new = texts(0)
                .is_valid(row)
                .then(|| texts(0).value(row).to_owned());
            let period = BillingPeriod::from_days_since_epoch(dates.value(row)).to_string();
            let (month, old) = (
                texts(2).value(row).to_owned(),
                texts(3).value(row).to_owned(),
            );
            rows.push((period, month, old, new));
        }
    }
    rows.sort();
    let row = |period: &str, month: &str, old: &str, new: Option<&str>| {
        (
            period.to_owned(),
            month.to_owned(),
            old.to_owned(),
            new.map(str::to_owned),
        )
    };
    assert_eq!(
        rows,
        [
            row("2025-09", "9", "", None),
            row("2025-09", "9", "x", None),
            row("2025-10", "10", "y", Some("n")),
        ]
    );
}

#[test]
fn counting_rows_reads_no_column() {
    let directory = tempfile::tempdir().unwrap();
    let values: Vec<String> = (0..5_000).map(|i| format!("value {i}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    write(directory.path(), 9, "a.parquet", vec![("c", text(&values))]);
    let batches = read(directory.path(), vec![]).unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        5_000
    );
}

#[test]
fn a_double_is_not_squeezed_into_an_integer_column() {
    let directory = tempfile::tempdir().unwrap();
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    write(directory.path(), 9, "cost.parquet", vec![("cost", doubles)]);
    let error = read(directory.path(), vec![file_field("cost", Kind::Int8)]).unwrap_err();
    match &error {
        Error::TypeMismatch {
            column,
            file,
            found,
            wanted,
        } => {
            assert_eq!(
                (column.as_str(), found.as_str()),
                ("cost", "double precision")
            );
            assert_eq!(wanted, "bigint");
            assert!(file.ends_with("month=9/cost.parquet"), "{file}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_integer_column_widens_to_text_without_loss() {
    let directory = tempfile::tempdir().unwrap();
    let integers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
    write(directory.path(), 9, "a.parquet", vec![("n", integers)]);
    let batches = read(directory.path(), vec![file_field("n", Kind::Text)]).unwrap();
    let texts = batches[0]
        .column(0)
        .as_any()
        .downcast_ref::<StringViewArray>()
        .unwrap();
    assert_eq!(texts.value(0), i64::MAX.to_string());
}

/// Every prefix and many single-byte changes of a valid file: a clear error that names the file or
/// a result, never a panic, never a hang.
#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    write(
        directory.path(),
        9,
        "a.parquet",
        vec![("c", text(&["some", "values", "here"]))],
    );
    let path = directory
        .path()
        .join("cur/Report/Report/year=2025/month=9/a.parquet");
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(17) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = read(directory.path(), vec![file_field("c", Kind::Text)]);
        let error = error.expect_err("a truncated file was read").to_string();
        assert!(error.contains("a.parquet"), "{error}");
    }
    for position in (0..whole.len()).step_by(11) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        if let Err(error) = read(directory.path(), vec![file_field("c", Kind::Text)]) {
            let error = error.to_string();
            assert!(error.contains("a.parquet"), "{error}");
        }
    }
}

#[test]
fn dropping_a_scan_half_way_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let values = vec!["v"; 200_000];
    write(directory.path(), 9, "a.parquet", vec![("c", text(&values))]);
    let (engine, store) = (engine(), store(directory.path()));
    let deliveries = deliveries(&engine, &store);
    let fields = vec![file_field("c", Kind::Text)];
    let mut scan = Scan::start(
        &engine,
        &store,
        Request {
            query: Query::of(fields),
            values: Vec::new(),
            limit: None,
            deliveries,
            concurrency: 1,
        },
    );
    assert!(scan.next(|| {}).unwrap().is_some());
    drop(scan);
}

#[test]
fn who_asked_for_the_columns_has_read_the_footers_for_the_scan() {
    let directory = tempfile::tempdir().unwrap();
    for month in [9, 10] {
        write(
            directory.path(),
            month,
            "a.parquet",
            vec![("x", text(&["1"]))],
        );
    }
    let engine = engine();
    let requests = |with_columns: bool| {
        // Another store each time: footers are kept for the store they were read from.
        let store = store(directory.path());
        let deliveries = deliveries(&engine, &store);
        if with_columns {
            let (store, deliveries) = (store.clone(), deliveries.clone());
            let columns = async move {
                let bill = Bill::find(&store, PREFIX).await?;
                bill.common_columns(&deliveries).await
            };
            engine.run(columns, || {}).unwrap();
        }
        let request = Request {
            query: Query::of(vec![file_field("x", Kind::Text)]),
            values: Vec::new(),
            limit: None,
            deliveries,
            concurrency: 2,
        };
        let mut scan = Scan::start(&engine, &store, request);
        while scan.next(|| {}).unwrap().is_some() {}
        scan.traffic().requests()
    };
    assert_eq!(requests(true) + 2, requests(false), "one for each file");
}
