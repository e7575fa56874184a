//! The files beside the data: manifest, table definition, and the keys of all of them.

use serde_json::{Value, json};

use super::Report;
use super::commitments::uuid;
use super::estate::Estate;
use super::schema::{Column, Kind};

/// `<prefix>/<report>`.
fn root(report: &Report) -> String {
    if report.prefix.is_empty() {
        report.name.clone()
    } else {
        format!("{}/{}", report.prefix, report.name)
    }
}

/// Where the data lies: the report's name is in the path twice.
fn data_root(report: &Report) -> String {
    format!("{}/{}", root(report), report.name)
}

/// The key of data file `n`, from 1. AWS does not pad the month.
pub(super) fn data_key(estate: &Estate<'_>, n: usize) -> String {
    let (report, month) = (estate.report, estate.month);
    format!(
        "{}/year={}/month={}/{}-{n:05}.snappy.parquet",
        data_root(report),
        month.year,
        month.month,
        report.name
    )
}

pub(super) fn key(estate: &Estate<'_>) -> String {
    beside(estate, "Manifest.json")
}

pub(super) fn create_table_key(estate: &Estate<'_>) -> String {
    beside(estate, "create-table.sql")
}

fn beside(estate: &Estate<'_>, what: &str) -> String {
    let report = estate.report;
    format!(
        "{}/{}/{}-{what}",
        root(report),
        estate.month.folder(),
        report.name
    )
}

/// The key of the object that says whether the data is complete.
pub(super) fn status_key(report: &Report) -> String {
    format!(
        "{}/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
        data_root(report)
    )
}

/// The manifest; every delivery has its own `assemblyId`.
pub(super) fn manifest(estate: &Estate<'_>, keys: &[String]) -> String {
    let (report, month) = (estate.report, estate.month);
    let assembly = uuid(&mut estate.month_rng(&[0xA55, u64::from(estate.restatement)]));
    let columns: Vec<Value> = estate.schema.columns.iter().map(column).collect();
    let value = json!({
        "assemblyId": assembly,
        "account": estate.payer(),
        "columns": columns,
        "charset": "UTF-8",
        "compression": "Parquet",
        "contentType": "Parquet",
        "reportId": estate.rng(&[0x1D]).hex(64),
        "reportName": report.name,
        "billingPeriod": {
            "start": format!("{}T000000.000Z", month.compact()),
            "end": format!("{}T000000.000Z", month.plus(1).compact()),
        },
        "bucket": report.bucket,
        "reportKeys": keys,
        "additionalArtifactKeys": [],
    });
    format!("{value:#}")
}

fn column(column: &Column) -> Value {
    let kind = match column.kind {
        _ if column.csv_name == "TimeInterval" => "Interval",
        Kind::Text => "OptionalString",
        Kind::Double => "OptionalBigDecimal",
        Kind::Time => "DateTime",
    };
    json!({ "category": column.category, "name": column.csv_name, "type": kind })
}

/// The Athena table definition AWS puts beside the manifest.
pub(super) fn create_table(estate: &Estate<'_>) -> String {
    let report = estate.report;
    let columns: Vec<String> = estate
        .schema
        .columns
        .iter()
        .map(|c| format!("{} {}", c.name, athena_type(c.kind)))
        .collect();
    let table = report.name.replace('-', "_").to_lowercase();
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {table}.{table}(\n{}\n)\n\
         PARTITIONED BY (\nyear STRING,\nmonth STRING\n)\n\
         ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'\n\
         WITH SERDEPROPERTIES (\n'serialization.format' = '1'\n)\n\
         LOCATION 's3://{}/{}/'\n",
        columns.join(",\n"),
        report.bucket,
        data_root(report)
    )
}

fn athena_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "STRING",
        Kind::Double => "DOUBLE",
        Kind::Time => "TIMESTAMP",
    }
}
