//! The files beside a legacy report's data: manifest, table definition, and the keys of all of them.

use serde_json::{Value, json};

use super::Report;
use super::commitments::uuid;
use super::estate::Estate;
use super::format::{CsvStyle, Encoding, Packing, Versioning};
use super::schema::{Column, Kind};

/// `<prefix>/<report>`.
pub(super) fn root(report: &Report) -> String {
    if report.prefix.is_empty() {
        report.name.clone()
    } else {
        format!("{}/{}", report.prefix, report.name)
    }
}

/// Where the Parquet lies: the report's name is in the path twice.
fn data_root(report: &Report) -> String {
    format!("{}/{}", root(report), report.name)
}

/// The key of the object that says whether the data is complete.
pub(super) fn status_key(report: &Report) -> String {
    format!(
        "{}/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
        data_root(report)
    )
}

/// The keys of one delivery.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// `<prefix>/<report>/20250901-20251001`.
    folder: String,
    /// Where the data is.
    data: String,
    name: String,
    assembly: String,
    /// What follows a data file's number.
    extension: &'static str,
    /// Digits of the number.
    digits: usize,
    versioning: Versioning,
}

impl Keys {
    pub(super) fn new(estate: &Estate<'_>) -> Self {
        let (report, month) = (estate.report, estate.month);
        let folder = format!("{}/{}", root(report), month.folder());
        let style = match report.encoding {
            Encoding::Parquet => None,
            Encoding::Csv(style) => Some(style),
        };
        let assembly = assembly(estate, style);
        let data = match (style, report.delivery.versioning) {
            // AWS does not pad the month, and keeps no older Parquet.
            (None, _) => {
                format!(
                    "{}/year={}/month={}",
                    data_root(report),
                    month.year,
                    month.month
                )
            }
            (_, Versioning::Overwrite) => folder.clone(),
            (_, Versioning::CreateNew) => format!("{folder}/{assembly}"),
        };
        Keys {
            folder,
            data,
            name: report.name.clone(),
            assembly,
            extension: style.map_or(".snappy.parquet", |s| s.packing.extension()),
            digits: if old(style) { 1 } else { 5 },
            versioning: style.map_or(Versioning::Overwrite, |_| report.delivery.versioning),
        }
    }

    /// The key of data file `n`, from 1.
    pub(super) fn data(&self, n: usize) -> String {
        let (data, name, digits) = (&self.data, &self.name, self.digits);
        format!("{data}/{name}-{n:0digits$}{}", self.extension)
    }

    /// A key beside the manifest.
    pub(super) fn beside(&self, what: &str) -> String {
        format!("{}/{}-{what}", self.folder, self.name)
    }

    /// Where the manifest goes: a new delivery keeps one of its own and replaces the month's.
    pub(super) fn manifests(&self) -> Vec<String> {
        let current = self.beside("Manifest.json");
        match self.versioning {
            Versioning::Overwrite => vec![current],
            Versioning::CreateNew => {
                vec![
                    format!("{}/{}-Manifest.json", self.data, self.name),
                    current,
                ]
            }
        }
    }

    /// What is made for Redshift: type and key.
    pub(super) fn artifacts(&self) -> Vec<(&'static str, String)> {
        if self.versioning == Versioning::Overwrite {
            return Vec::new();
        }
        let artifact = |what, file| (what, format!("{}/{}-{file}", self.data, self.name));
        vec![
            artifact("RedshiftCommands", "RedshiftCommands.sql"),
            artifact("RedshiftManifest", "RedshiftManifest.json"),
        ]
    }
}

/// AWS's zip files are from before 2020: numbers without zeros, ids that are no times.
fn old(style: Option<CsvStyle>) -> bool {
    style.is_some_and(|style| style.packing == Packing::Zip)
}

/// Every delivery has its own. Of late it says when.
fn assembly(estate: &Estate<'_>, style: Option<CsvStyle>) -> String {
    match style {
        Some(_) if !old(style) => {
            let day = estate.month.plus(1).compact();
            let hour = estate.restatement % 24;
            format!("{day}T{hour:02}3621Z")
        }
        _ => uuid(&mut estate.month_rng(&[0xA55, u64::from(estate.restatement)])),
    }
}

/// The manifest.
pub(super) fn manifest(estate: &Estate<'_>, keys: &Keys, files: &[String]) -> String {
    let (report, month) = (estate.report, estate.month);
    let columns: Vec<Value> = estate.schema.columns.iter().map(column).collect();
    let artifacts = keys.artifacts();
    let artifacts = artifacts
        .iter()
        .map(|(what, key)| json!({ "artifactType": what, "name": key }));
    let (compression, content) = match report.encoding {
        Encoding::Parquet => ("Parquet", "Parquet"),
        Encoding::Csv(style) if style.packing == Packing::Zip => ("ZIP", "text/csv"),
        Encoding::Csv(_) => ("GZIP", "text/csv"),
    };
    let value = json!({
        "assemblyId": keys.assembly,
        "account": estate.payer(),
        "columns": columns,
        "charset": "UTF-8",
        "compression": compression,
        "contentType": content,
        "reportId": estate.rng(&[0x1D]).hex(64),
        "reportName": report.name,
        "billingPeriod": {
            "start": format!("{}T000000.000Z", month.compact()),
            "end": format!("{}T000000.000Z", month.plus(1).compact()),
        },
        "bucket": report.bucket,
        "reportKeys": files,
        "additionalArtifactKeys": artifacts.collect::<Vec<_>>(),
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
