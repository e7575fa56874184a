//! A bill of Google Cloud, landed in a bucket from BigQuery: nested in Parquet, flattened under
//! dotted names in CSV. A folder holds one invoice's month.

mod lines;
mod nested;

use std::io::Error;

use super::Report;
use super::calendar::Month;
use super::csv::Times;
use super::delivery::Destination;
use super::files::{FileKind, Files, Making, ParquetStyle};
use super::format::{Encoding, GcpExport};
use super::manifest::root;
use super::totals::{Tally, Totals, Views};
use lines::lines;

/// Writes the whole month.
pub(super) fn deliver<D: Destination>(
    report: &Report,
    export: GcpExport,
    month: Month,
    restatement: u32,
    to: &mut D,
) -> Result<Totals, Error> {
    let lines = lines(report, month, restatement);
    let mut tally = Tally::default();
    for line in &lines {
        let sums = tally.entry(&line.key());
        sums.rows += 1;
        sums.cash.add(line.cost);
        line.credits
            .iter()
            .for_each(|credit| sums.cash.add(credit.amount));
    }
    let batch = |lines| {
        let nested = nested::batch(export, lines);
        match report.encoding {
            Encoding::Parquet => nested,
            Encoding::Csv(_) => nested::flatten(&nested),
        }
    };
    let schema = batch(&lines[..0]).schema();
    let headers = schema.fields().iter().map(|f| f.name().clone()).collect();
    let (file, extension) = match report.encoding {
        Encoding::Parquet => (FileKind::Parquet(ParquetStyle::Others), ".parquet"),
        Encoding::Csv(style) => {
            let times = Times::Offset;
            (
                FileKind::Csv {
                    style,
                    times,
                    headers,
                },
                style.packing.extension(),
            )
        }
    };
    let folder = format!("{}/{:04}-{:02}", root(report), month.year, month.month);
    let making = Making {
        schema,
        file,
        // BigQuery counts from 0.
        key: Box::new(move |n| format!("{folder}/{:012}{extension}", n - 1)),
        rows_per_file: report.rows_per_file,
    };
    let mut files = Files::new(making, to);
    for lines in lines.chunks(4096) {
        files.write(&batch(lines))?;
    }
    files.finish(report.delivery)?;
    Ok(tally.totals(Views::Cash))
}
