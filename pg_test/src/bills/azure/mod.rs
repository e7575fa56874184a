//! A bill of Azure Cost Management, under its daily runs: one bill, as actual costs, as amortized
//! costs, or as both in FOCUS.

mod columns;
mod focus;
mod lines;

use std::io::Error;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::{Value, json};

use super::Report;
use super::calendar::{DAY, HOUR, Month, instant};
use super::commitments::uuid;
use super::csv::Times;
use super::delivery::Destination;
use super::files::{FileKind, Files, Made, Making, ParquetStyle};
use super::format::{BillFormat, Encoding, Versioning};
use super::manifest::root;
use super::rng::Rng;
use super::table::{Column, batch, schema};
use super::totals::{Tally, Totals, Views};
use lines::{Line, lines};

/// Writes the month's runs, the newest last, and says what the newest adds up to.
pub(super) fn deliver<D: Destination>(
    report: &Report,
    month: Month,
    restatement: u32,
    to: &mut D,
) -> Result<Totals, Error> {
    let table = Table::new(report);
    let all = lines(report, month, restatement);
    let shown = |line: &&Line| match report.format {
        BillFormat::AzureActual(_) => line.actual.is_some(),
        BillFormat::AzureAmortized(_) => line.amortized.is_some(),
        _ => true,
    };
    for older in 0..report.delivery.older_runs {
        let days = month.days() * (older + 1) / (report.delivery.older_runs + 1);
        let until = month.start() + days as i64 * DAY;
        let so_far: Vec<Line> = all
            .iter()
            .filter(shown)
            .filter(|line| line.day < until)
            .cloned()
            .collect();
        let run = Run::new(report, month, until + 14 * HOUR);
        write(&run, &table, &so_far, to)?;
    }
    let complete: Vec<Line> = all.iter().filter(shown).cloned().collect();
    let at = month.end() + i64::from(restatement) * DAY + 15 * HOUR;
    write(&Run::new(report, month, at), &table, &complete, to)?;
    Ok(totals(report, &complete))
}

fn totals(report: &Report, lines: &[Line]) -> Totals {
    let focus = report.format == BillFormat::AzureFocus;
    let mut tally = Tally::default();
    for line in lines {
        let sums = tally.entry(&line.key(focus));
        sums.rows += 1;
        sums.cash.add(line.actual.unwrap_or_default());
        sums.amortized.add(line.amortized.unwrap_or_default());
    }
    tally.totals(match report.format {
        BillFormat::AzureActual(_) => Views::Cash,
        BillFormat::AzureAmortized(_) => Views::Amortized,
        _ => Views::Both,
    })
}

/// The columns of the export.
struct Table {
    columns: Vec<Column<Line>>,
    schema: SchemaRef,
}

impl Table {
    fn new(report: &Report) -> Self {
        let columns = match (report.format, report.encoding) {
            (BillFormat::AzureActual(dialect) | BillFormat::AzureAmortized(dialect), encoding) => {
                let amortized = matches!(report.format, BillFormat::AzureAmortized(_));
                columns::columns(dialect, amortized, encoding == Encoding::Parquet)
            }
            (_, encoding) => focus::columns(encoding == Encoding::Parquet),
        };
        let schema = schema(&columns);
        Table { columns, schema }
    }

    fn batch(&self, lines: &[Line]) -> RecordBatch {
        batch(&self.columns, &self.schema, lines)
    }
}

/// One run of the export.
struct Run<'a> {
    report: &'a Report,
    month: Month,
    /// When it ran, in UTC.
    at: i64,
    id: String,
}

impl<'a> Run<'a> {
    fn new(report: &'a Report, month: Month, at: i64) -> Self {
        let id = uuid(&mut Rng::new(report.seed, &[0xA2, at as u64]));
        Run {
            report,
            month,
            at,
            id,
        }
    }

    /// `20250901-20250930`: the end is a day of the month.
    fn range(&self) -> String {
        let last = instant(self.month.end() - DAY);
        let last = last[..10].replace('-', "");
        format!("{}-{last}", self.month.compact())
    }

    /// Where its files go.
    fn folder(&self) -> String {
        let (root, range) = (root(self.report), self.range());
        let delivery = self.report.delivery;
        if !delivery.manifest {
            return format!("{root}/{range}");
        }
        match delivery.versioning {
            Versioning::Overwrite => format!("{root}/{range}/{}", self.id),
            Versioning::CreateNew => {
                let at = instant(self.at);
                let minute: String = at[..16].chars().filter(char::is_ascii_digit).collect();
                format!("{root}/{range}/{minute}/{}", self.id)
            }
        }
    }

    /// The key of data file `n`, from 1. Without partitions a file is named after the export.
    fn data(&self, n: usize) -> String {
        let folder = self.folder();
        let extension = match self.report.encoding {
            Encoding::Parquet => ".parquet",
            Encoding::Csv(style) => style.packing.extension(),
        };
        if self.report.delivery.manifest {
            format!("{folder}/part_0_{n:04}{extension}")
        } else if n == 1 {
            format!("{folder}/{}_{}{extension}", self.report.name, self.id)
        } else {
            format!("{folder}/{}_{}_{n}{extension}", self.report.name, self.id)
        }
    }
}

fn write<D: Destination>(
    run: &Run<'_>,
    table: &Table,
    lines: &[Line],
    to: &mut D,
) -> Result<(), Error> {
    let report = run.report;
    let names = table.schema.fields().iter().map(|f| f.name().clone());
    let keys: Vec<String> = (1..=lines.len() + 9).map(|n| run.data(n)).collect();
    let making = Making {
        schema: table.schema.clone(),
        file: match report.encoding {
            Encoding::Parquet => FileKind::Parquet(ParquetStyle::Others),
            Encoding::Csv(style) => FileKind::Csv {
                style,
                times: Times::Zulu,
                headers: names.collect(),
            },
        },
        key: Box::new(move |n| keys[n - 1].clone()),
        rows_per_file: report.rows_per_file,
    };
    let mut files = Files::new(making, to);
    for lines in lines.chunks(4096) {
        files.write(&table.batch(lines))?;
    }
    let made = files.finish(report.delivery)?;
    if report.delivery.manifest {
        let key = format!("{}/manifest.json", run.folder());
        to.put(key, manifest(run, &made).as_bytes())?;
    }
    Ok(())
}

fn manifest(run: &Run<'_>, made: &[Made]) -> String {
    let report = run.report;
    let (kind, version) = match report.format {
        BillFormat::AzureActual(_) => ("ActualCost", "2021-10-01"),
        BillFormat::AzureAmortized(_) => ("AmortizedCost", "2021-10-01"),
        _ => ("FocusCost", "1.2-preview"),
    };
    let (format, compression) = match report.encoding {
        Encoding::Parquet => ("Parquet", "Snappy"),
        Encoding::Csv(style) if style.packing.extension() == ".csv" => ("Csv", "None"),
        Encoding::Csv(_) => ("Csv", "Gzip"),
    };
    let blobs: Vec<Value> = made
        .iter()
        .map(|file| {
            json!({ "blobName": file.key, "byteCount": file.bytes, "dataRowCount": file.rows })
        })
        .collect();
    let overwrite = report.delivery.versioning == Versioning::Overwrite;
    let value = json!({
        "manifestVersion": "2024-04-01",
        "byteCount": made.iter().map(|file| file.bytes).sum::<u64>(),
        "blobCount": made.len(),
        "dataRowCount": made.iter().map(|file| file.rows).sum::<usize>(),
        "exportConfig": {
            "exportName": report.name,
            "resourceId": format!(
                "/providers/Microsoft.Billing/billingAccounts/{}/providers/\
                 Microsoft.CostManagement/exports/{}",
                lines::BILLING_ACCOUNT, report.name
            ),
            "dataVersion": version,
            "apiVersion": "2023-07-01-preview",
            "type": kind,
            "timeFrame": "Custom",
            "granularity": "Daily",
        },
        "deliveryConfig": {
            "partitionData": true,
            "dataOverwriteBehavior": if overwrite { "OverwritePreviousReport" } else { "CreateNewReport" },
            "fileFormat": format,
            "compressionMode": compression,
            "containerUri": format!("https://example.blob.core.windows.net/{}", report.bucket),
            "rootFolderPath": report.prefix,
        },
        "runInfo": {
            "executionType": "Scheduled",
            "submittedTime": instant(run.at),
            "runId": run.id,
            "startDate": instant(run.month.start()).replace('Z', ""),
            "endDate": instant(run.month.end() - DAY).replace('Z', ""),
        },
        "blobs": blobs,
    });
    format!("{value:#}")
}
