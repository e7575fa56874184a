//! DuckDB, an independent reader of Parquet, as a process that answers SQL.

use crate::questions::Row;
use crate::{Result, process};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const WORKER: &str = include_str!("duckdb.py");

/// A running DuckDB with a database in memory; dropping it ends the process.
#[derive(Debug)]
pub struct DuckDb {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Its version, such as `1.5.5`.
    pub version: String,
    /// The extension that reads S3, where its package is installed.
    pub httpfs: Option<PathBuf>,
    /// The extension that writes to Postgres, where its package is installed.
    pub postgres: Option<PathBuf>,
}

/// What DuckDB answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The cells as Postgres prints them.
    pub rows: Vec<Row>,
    /// For each column whether there are doubles in it; nothing without rows.
    pub doubles: Vec<bool>,
    /// How long executing and fetching took, without the way through the pipe.
    pub took: Duration,
}

impl DuckDb {
    /// Starts the DuckDB of the Python that `CUR_FDW_PYTHON` names, or else of `python3`.
    pub fn start() -> Result<Self> {
        let python = python();
        let mut process = Command::new(&python)
            .args(["-c", WORKER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", python.display()))?;
        let input = process.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let mut duckdb = DuckDb {
            process,
            input,
            output,
            version: String::new(),
            httpfs: None,
            postgres: None,
        };
        let hello = duckdb.reply()?;
        duckdb.version = hello["version"].as_str().unwrap_or_default().to_owned();
        duckdb.httpfs = hello["httpfs"].as_str().map(PathBuf::from);
        duckdb.postgres = hello["postgres"].as_str().map(PathBuf::from);
        Ok(duckdb)
    }

    /// Runs one statement.
    pub fn ask(&mut self, sql: &str) -> Result<Answer> {
        writeln!(self.input, "{}", json!({ "sql": sql }))?;
        let mut reply = self.reply()?;
        if let Some(error) = reply["error"].as_str() {
            return Err(format!("DuckDB: {error}\nin: {sql}").into());
        }
        Ok(Answer {
            took: Duration::from_secs_f64(reply["seconds"].as_f64().unwrap_or_default()),
            rows: serde_json::from_value(reply["rows"].take())?,
            doubles: serde_json::from_value(reply["doubles"].take())?,
        })
    }

    /// The text in the first row's cells.
    pub fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        let rows = self.ask(sql)?.rows;
        let row = rows.into_iter().next().unwrap_or_default();
        let texts: Option<Vec<_>> = row.into_iter().collect();
        Ok(texts
            .filter(|texts| !texts.is_empty())
            .ok_or_else(|| format!("DuckDB has no answer to {sql}"))?)
    }

    /// Makes the view `bill` over Parquet files in `year=…/month=…` folders, with the columns in the
    /// order given. With `by_name` the files may differ in their columns.
    pub fn create_bill(
        &mut self,
        files: &[String],
        columns: &[String],
        by_name: bool,
    ) -> Result<()> {
        let names: Vec<_> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        self.ask(&format!(
            "CREATE OR REPLACE VIEW bill AS SELECT {} FROM (
               SELECT *, make_date(year::int, month::int, 1) AS billing_period
                 FROM read_parquet([{}], union_by_name = {by_name},
                                   hive_partitioning = true, hive_types_autocast = false))",
            names.join(", "),
            quoted(files),
        ))?;
        Ok(())
    }

    /// Gives it the keys of an S3 server; `httpfs` is the extension's file.
    pub fn use_s3(&mut self, httpfs: &Path, gateway: &crate::s3::Gateway) -> Result<()> {
        self.ask(&format!("LOAD '{}'", httpfs.display()))?;
        self.ask(&format!(
            "CREATE SECRET (TYPE s3, KEY_ID '{}', SECRET '{}', ENDPOINT '{}',
                            REGION 'us-east-1', URL_STYLE 'path', USE_SSL false)",
            gateway.access_key(),
            gateway.secret_key(),
            gateway.endpoint().trim_start_matches("http://"),
        ))?;
        Ok(())
    }

    fn reply(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("DuckDB's Python has ended; it said why on stderr".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Files as DuckDB's functions take a list of them, without the brackets.
pub fn quoted(files: &[String]) -> String {
    let quoted: Vec<_> = files.iter().map(|file| format!("'{file}'")).collect();
    quoted.join(", ")
}

/// The Python that `CUR_FDW_PYTHON` names, or else `python3`.
fn python() -> OsString {
    std::env::var_os("CUR_FDW_PYTHON").unwrap_or_else(|| "python3".into())
}

/// The path of an archive's only entry, unpacked beside it, for DuckDB opens no archives; or the path
/// itself.
pub fn unzipped(path: &Path) -> Result<String> {
    if path.extension().is_none_or(|extension| extension != "zip") {
        return Ok(path.display().to_string());
    }
    let folder = path.with_extension("d");
    let mut unzip = Command::new(python());
    process::output(unzip.args(["-m", "zipfile", "-e"]).args([path, &folder]))?;
    let entries: Vec<_> = std::fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
    match &entries[..] {
        [entry] => Ok(entry.path().display().to_string()),
        _ => Err(format!("{} has {} entries", path.display(), entries.len()).into()),
    }
}
