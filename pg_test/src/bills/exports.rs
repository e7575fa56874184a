//! AWS Data Exports: the legacy bill's lines as CUR 2.0 or FOCUS, where and as AWS delivers them.

use std::io::Error;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use serde_json::{Value, json};

use super::Report;
use super::calendar::{DAY, Month, instant};
use super::commitments::uuid;
use super::csv::Times;
use super::cur2::Shape;
use super::delivery::Destination;
use super::estate::Estate;
use super::files::{FileKind, Files, Making, ParquetStyle};
use super::focus::Focus;
use super::format::{BillFormat, Encoding, Versioning};
use super::legacy::{Lines, account_names};
use super::manifest::root;
use super::rows::{self, Missing};
use super::totals::{Tally, Totals, Views};

/// The export's own shape.
enum Table {
    Cur2(Shape),
    Focus(Focus),
}

impl Table {
    fn new(report: &Report) -> Self {
        match report.format {
            BillFormat::AwsFocus(version) | BillFormat::Focus(version) => {
                Table::Focus(Focus::new(version))
            }
            _ => Table::Cur2(Shape::new(report.split_costs)),
        }
    }

    fn schema(&self) -> &SchemaRef {
        match self {
            Table::Cur2(shape) => &shape.arrow,
            Table::Focus(focus) => &focus.arrow,
        }
    }

    /// The lines in this shape. FOCUS has other rows, and so a tally of its own.
    fn batch(&self, lines: &Lines<'_>, tally: &mut Tally) -> RecordBatch {
        match self {
            Table::Cur2(shape) => shape.batch(lines),
            Table::Focus(focus) => focus.batch(lines, tally),
        }
    }
}

/// Writes the whole month.
pub(super) fn deliver<D: Destination>(
    report: &Report,
    month: Month,
    restatement: u32,
    to: &mut D,
) -> Result<Totals, Error> {
    let estate = Estate::new(report, month, restatement);
    let table = Table::new(report);
    let names = account_names(&report.accounts);
    let folders = Folders::new(&estate);
    let (data, name) = (folders.data.clone(), report.name.clone());
    let (file, extension) = file(report, table.schema());
    let making = Making {
        schema: table.schema().clone(),
        file,
        key: Box::new(move |n| format!("{data}/{name}-{n:05}{extension}")),
        rows_per_file: report.rows_per_file,
    };
    let mut files = Files::new(making, to);
    let mut focus = Tally::default();
    let cur = rows::stream(&estate, Missing::Null, &mut |batch| {
        let lines = Lines::new(&estate, &batch, &names);
        files.write(&table.batch(&lines, &mut focus))
    })?;
    let made = files.finish(report.delivery)?;
    if report.delivery.manifest {
        let keys = made.into_iter().map(|file| file.key);
        let manifest = manifest(&estate, &folders, table.schema(), keys);
        for folder in &folders.metadata {
            let key = format!("{folder}/{}-Manifest.json", report.name);
            to.put(key, manifest.as_bytes())?;
        }
    }
    let tally = match table {
        Table::Cur2(_) => cur,
        Table::Focus(_) => focus,
    };
    Ok(tally.totals(Views::Both))
}

fn file(report: &Report, schema: &SchemaRef) -> (FileKind, &'static str) {
    match report.encoding {
        Encoding::Parquet => (FileKind::Parquet(ParquetStyle::Aws), ".snappy.parquet"),
        Encoding::Csv(style) => {
            let headers = schema.fields().iter().map(|f| f.name().clone()).collect();
            let times = match report.format {
                BillFormat::Focus(_) => Times::Bare,
                _ => Times::Zulu,
            };
            (
                FileKind::Csv {
                    style,
                    times,
                    headers,
                },
                style.packing.extension(),
            )
        }
    }
}

/// Where one delivery goes.
struct Folders {
    execution: String,
    data: String,
    /// The delivery's own first, the month's last.
    metadata: Vec<String>,
}

impl Folders {
    fn new(estate: &Estate<'_>) -> Self {
        let (report, month) = (estate.report, estate.month);
        let root = root(report);
        if let BillFormat::Focus(_) = report.format {
            return Folders {
                execution: String::new(),
                data: format!("{root}/{:04}-{:02}", month.year, month.month),
                metadata: Vec::new(),
            };
        }
        // Real FOCUS exports have it in lower case.
        let key = match report.format {
            BillFormat::AwsFocus(_) => "billing_period",
            _ => "BILLING_PERIOD",
        };
        let partition = format!("{key}={:04}-{:02}", month.year, month.month);
        let restatement = u64::from(estate.restatement);
        let execution = uuid(&mut estate.month_rng(&[0xE8EC, restatement]));
        let data = format!("{root}/data/{partition}");
        let metadata = format!("{root}/metadata/{partition}");
        if report.delivery.versioning == Versioning::Overwrite {
            return Folders {
                execution,
                data,
                metadata: vec![metadata],
            };
        }
        let day = instant(month.end() + i64::from(estate.restatement) * DAY);
        let run = format!("{}T23:48:02.356Z-{execution}", &day[..10]);
        Folders {
            execution,
            data: format!("{data}/{run}"),
            metadata: vec![format!("{metadata}/{run}"), metadata],
        }
    }
}

fn manifest(
    estate: &Estate<'_>,
    folders: &Folders,
    schema: &SchemaRef,
    keys: impl Iterator<Item = String>,
) -> String {
    let report = estate.report;
    let columns: Vec<Value> = schema
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": type_name(field.data_type()) }))
        .collect();
    let files: Vec<String> = keys
        .map(|key| format!("s3://{}/{key}", report.bucket))
        .collect();
    let id = uuid(&mut estate.rng(&[0xE8]));
    let value = json!({
        "executionId": folders.execution,
        "exportArn": format!(
            "arn:aws:bcm-data-exports:us-east-1:{}:export/{}-{id}",
            estate.payer(),
            report.name
        ),
        "columns": columns,
        "dataFiles": files,
        "additionalOutputFiles": [],
    });
    format!("{value:#}")
}

fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Float64 => "double",
        DataType::Timestamp(..) => "timestamp",
        DataType::Map(entry, _) => match entry.data_type() {
            DataType::Struct(fields) if *fields[1].data_type() == DataType::Float64 => {
                "map<string,double>"
            }
            _ => "map<string,string>",
        },
        _ => "string",
    }
}
