//! Files that providers and other projects' tests wrote: told, and read whole.
//!
//! They are not ours to hand on: `CUR_FDW_REAL_BILLS` names the folder that has them.

use crate::ask::{lines, rows};
use crate::env::{Env, Test, tests};
use crate::fixture::{self, connected};
use crate::refusals::error_of;
use pg_test::Result;
use pg_test::duckdb::DuckDb;
use postgres::Client;
use serde_json::Value;
use std::path::Path;

pub const TESTS: &[Test] = tests![
    the_files_of_others_are_told_and_read_whole,
    samples_of_all_providers_show_every_cell_as_duckdb_reads_it,
];

/// Files that providers and other projects' tests wrote: where each lies, where it goes, what it is
/// told to be, and its rows and columns.
const OF_OTHERS: &[(&str, &str, &str, i64, i64)] = &[
    (
        "aws-cur-csv/2022-07-01-alt-columns.csv",
        "alt/2022-07-01-alt-columns-2022-07.csv",
        "aws-cur-csv",
        2,
        154,
    ),
    (
        "aws-cur-csv/2023-06-01.csv",
        "final/20230601-20230701/final-00001.csv",
        "aws-cur-csv",
        3,
        201,
    ),
    (
        "aws-cur-csv/empty_frame.csv",
        "empty/20230601-20230701/empty-1.csv",
        "aws-cur-csv",
        0,
        201,
    ),
    (
        "cur2-csv/keboola/cur_1_0/s3_structure/mock-cur-bucket/20240101-20240131/MockTestReport-00001.csv.zip",
        "zip/20240101-20240131/MockTestReport-00001.csv.zip",
        "aws-cur-csv",
        3,
        30,
    ),
    (
        "cur2-csv/keboola/cur_2_0/MockTestReportV2-00001.csv.gz",
        "v2/data/BILLING_PERIOD=2024-09/MockTestReportV2-00001.csv.gz",
        "aws-cur2",
        4,
        30,
    ),
    (
        "cur2-csv/anonymize/sample-cur20.csv",
        "snake/2025-01/sample.csv",
        "aws-cur-csv",
        4,
        13,
    ),
    (
        "azure/azure_camelCased.csv",
        "camel/20190701-20190731/part_0_0001.csv",
        "azure-actual",
        3,
        23,
    ),
    (
        "azure/azure_version_2.csv",
        "amortized-two/20230101-20230131/202301041442/73746dc5/000001.csv",
        "azure-amortized",
        5,
        52,
    ),
    (
        "azure/camel_azure_version_2.csv",
        "mca/2023-09.csv",
        "azure-actual",
        4,
        60,
    ),
    (
        "azure/costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv",
        "ea/20190701-20190731/costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv",
        "azure-actual",
        3,
        24,
    ),
    (
        "focus/focus_sample.csv",
        "sample/billing_period=2024-09/focus_sample.csv",
        "focus",
        1_000,
        44,
    ),
    (
        "gcp/202011_export_flattened.csv",
        "google/202011_export_flattened.csv",
        "gcp-billing",
        25,
        29,
    ),
];

fn the_files_of_others_are_told_and_read_whole(env: &Env) -> Result<()> {
    let files: Vec<&str> = OF_OTHERS.iter().map(|(file, ..)| *file).collect();
    let Some(folder) = fixture::of_others("", &files) else {
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    for (file, place, ..) in OF_OTHERS {
        let place = directory.path().join(place);
        std::fs::create_dir_all(place.parent().ok_or("a file lies in a folder")?)?;
        std::fs::write(place, std::fs::read(folder.join(file))?)?;
    }
    let mut client = env.database_with_extension("formats-others")?;
    fixture::connect_directory(&mut client, directory.path())?;
    let found = "SELECT prefix, format FROM cost_analytics.cost_discover('bills')";
    let found = lines(&mut client, found)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA \"/\" FROM SERVER bills INTO public")?;
    for (file, place, format, rows, columns) in OF_OTHERS {
        let root = place.split('/').next().unwrap_or_default();
        assert!(
            found.contains(&format!("{root} {format}")),
            "{file}: {found:?}"
        );
        let table = root.replace('-', "_");
        let count = format!(
            "SELECT (SELECT count(*) FROM \"{table}\" WHERE billing_period IS NOT NULL), count(*) - 1 \
               FROM pg_attribute WHERE attrelid = '\"{table}\"'::regclass AND attnum > 0"
        );
        assert_eq!(
            lines(&mut client, &count)?,
            [format!("{rows} {columns}")],
            "{file}"
        );
    }
    Ok(())
}

const SAMPLES: [&str; 14] = [
    "aws-cur-csv/2022-07-01-alt-columns.csv",
    "aws-cur-csv/2023-06-01-not-final.csv",
    "aws-cur-csv/2023-06-01.csv",
    "aws-cur-csv/empty_frame.csv",
    "azure/azure_camelCased.csv",
    "azure/azure_version_2.csv",
    "azure/camel_azure_version_2.csv",
    "azure/costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv",
    "focus/focus_sample.csv",
    "gcp/202011_export_flattened.csv",
    "cur2-csv/anonymize/sample-cur20.csv",
    "cur2-csv/anonymize/sample-legacy-csv.csv",
    "cur2-csv/keboola/cur_1_0/sample_billing_data.csv",
    "cur2-csv/keboola/cur_2_0/sample_billing_data_v2.csv",
];

/// Its header has a column more than its records, which no reader can make sense of, nor does DuckDB.
const RAGGED: &str = "aws-cur-csv/test_cur.csv";

fn samples_of_all_providers_show_every_cell_as_duckdb_reads_it(env: &Env) -> Result<()> {
    let Some(folder) = fixture::of_others("", &SAMPLES) else {
        return Ok(());
    };
    let mut client = connected(env, "csv-samples")?;
    let mut duckdb = DuckDb::start()?;
    for (number, sample) in SAMPLES.iter().enumerate() {
        let key = format!("s{number}/2025-11/file.csv");
        let path = folder.join(sample);
        env.gateway
            .put("csv-samples", &key, std::fs::read(&path)?)?;
        client.batch_execute(&format!(
            "IMPORT FOREIGN SCHEMA s{number} FROM SERVER bills INTO public"
        ))?;
        compare(&mut client, &mut duckdb, &format!("s{number}"), &path)
            .map_err(|error| format!("{sample}: {error}"))?;
    }
    let bytes = std::fs::read(folder.join(RAGGED))?;
    env.gateway
        .put("csv-samples", "ragged/2025-11/file.csv", bytes)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA ragged FROM SERVER bills INTO public")?;
    let error = error_of(&mut client, "SELECT * FROM ragged")?;
    let said = "ragged/2025-11/file.csv, line 2: the record has 130 fields, but the header has 131";
    assert!(error.message().ends_with(said), "{error:?}");
    Ok(())
}

/// Compares a foreign table with the text that DuckDB finds in the file's cells.
fn compare(client: &mut Client, duckdb: &mut DuckDb, table: &str, file: &Path) -> Result<()> {
    let columns = rows(
        client,
        &format!(
            "SELECT format_type(a.atttypid, -1), a.attname,
                    (SELECT option_value FROM pg_options_to_table(a.attfdwoptions))
               FROM pg_attribute a WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0
                AND a.attname <> 'billing_period' ORDER BY a.attnum"
        ),
    )?;
    // One sample mixes line ends, which DuckDB's strict mode refuses.
    let theirs = format!(
        "read_csv('{}', header = true, all_varchar = true, quote = '\"', escape = '\"', delim = ',', strict_mode = false)",
        file.display()
    );
    let found = duckdb.ask(&format!("SELECT count(*) FROM (DESCRIBE FROM {theirs})"))?;
    assert_eq!(found.rows[0][0], Some(columns.len().to_string()), "columns");
    let ours = rows(client, &format!("SELECT * FROM {table}"))?;
    let theirs = duckdb.ask(&format!("FROM {theirs}"))?.rows;
    assert_eq!(ours.len(), theirs.len(), "rows");
    let is_focus = file.to_string_lossy().contains("focus");
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        for (column, (ours, theirs)) in columns.iter().zip(ours.iter().zip(theirs)) {
            let theirs = theirs.as_deref().filter(|cell| !cell.is_empty());
            let theirs = theirs.filter(|cell| !(is_focus && *cell == "NULL"));
            let kind = column[0].as_deref().unwrap_or_default();
            let same = match (ours.as_deref(), theirs) {
                (None, None) => true,
                (Some(ours), Some(theirs)) => means(kind, theirs, ours),
                _ => false,
            };
            if !same {
                return Err(format!("row {number}, {column:?}: {ours:?} for {theirs:?}").into());
            }
        }
    }
    Ok(())
}

/// Whether a cell of the file means what Postgres shows for it.
fn means(kind: &str, cell: &str, shown: &str) -> bool {
    match kind {
        "text" => cell == shown,
        "double precision" => cell.parse::<f64>().ok() == shown.parse().ok(),
        "timestamp without time zone" => {
            let cell = cell
                .replace('T', " ")
                .replace('Z', "")
                .replace("+00:00", "");
            let trimmed = match cell.contains('.') {
                true => cell.trim_end_matches('0').trim_end_matches('.'),
                false => &cell,
            };
            trimmed == shown
        }
        "date" => {
            let day = cell.split_once(' ').map_or(cell, |(day, _)| day);
            match day.split('/').collect::<Vec<_>>()[..] {
                [month, day, year] => format!("{year}-{month}-{day}") == shown,
                _ => day == shown,
            }
        }
        "jsonb" => {
            let value = |text: &str| serde_json::from_str::<Value>(text).ok();
            let python = cell.replace('\'', "\"").replace("None", "null");
            let meant = value(cell)
                .or_else(|| value(&format!("{{{cell}}}")))
                .or_else(|| value(&python));
            meant.is_some() && meant == value(shown)
        }
        _ => false,
    }
}
