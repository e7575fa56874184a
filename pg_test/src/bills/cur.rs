//! A legacy report as AWS delivers it: data files, then the table definition or what other tools
//! need, then the manifest.

use std::io::Error;
use std::sync::Arc;

use super::Report;
use super::calendar::Month;
use super::csv::Times;
use super::delivery::Destination;
use super::estate::Estate;
use super::files::{FileKind, Files, Making, ParquetStyle};
use super::format::{Encoding, Versioning};
use super::rows::{self, Missing};
use super::totals::{Totals, Views};
use super::{manifest, schema};

/// Writes the whole month.
pub(super) fn deliver<D: Destination>(
    report: &Report,
    month: Month,
    restatement: u32,
    to: &mut D,
) -> Result<Totals, Error> {
    let estate = Estate::new(report, month, restatement);
    let (missing, file) = match report.encoding {
        Encoding::Parquet => (Missing::Blank, FileKind::Parquet(ParquetStyle::Aws)),
        Encoding::Csv(style) => {
            let spell = |column| schema::header(column, style.headers);
            let headers = estate.schema.columns.iter().map(spell).collect();
            let times = Times::Zulu;
            (
                Missing::Null,
                FileKind::Csv {
                    style,
                    times,
                    headers,
                },
            )
        }
    };
    let keys = manifest::Keys::new(&estate);
    let data = keys.clone();
    let making = Making {
        schema: Arc::clone(&estate.schema.arrow),
        file,
        key: Box::new(move |n| data.data(n)),
        rows_per_file: report.rows_per_file,
    };
    let mut files = Files::new(making, to);
    let tally = rows::stream(&estate, missing, &mut |batch| files.write(&batch))?;
    let made = files.finish(report.delivery)?;
    let named: Vec<String> = made.into_iter().map(|file| file.key).collect();
    match report.encoding {
        Encoding::Parquet => {
            let sql = manifest::create_table(&estate);
            to.put(keys.beside("create-table.sql"), sql.as_bytes())?;
        }
        Encoding::Csv(_) if report.delivery.versioning == Versioning::CreateNew => {
            for (_, key) in keys.artifacts() {
                to.put(key, b"-- for Redshift\n")?;
            }
        }
        Encoding::Csv(_) => {}
    }
    // Last, as AWS does: who sees the manifest can read all it names.
    if report.delivery.manifest {
        let manifest = manifest::manifest(&estate, &keys, &named);
        for key in keys.manifests() {
            to.put(key, manifest.as_bytes())?;
        }
    }
    Ok(tally.totals(Views::Both))
}
