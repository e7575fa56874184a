//! Every format that the project's own generator writes: found, imported, read and synced.
//!
//! DuckDB reads the same files, so every cell is compared with what it found; the totals are the
//! generator's own, to the last digit.

use crate::ask::rows;
use crate::env::{Env, Test, tests};
use crate::fixture::{connect, empty_bucket, sync, upload};
use arrow::datatypes::{DataType, FieldRef};
use billing::sql_names;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pg_test::Result;
use pg_test::bills::{BillFile, MonthBill, Sample, Totals, counted, samples};
use pg_test::duckdb::{self, DuckDb};
use postgres::Client;
use serde_json::Value;
use std::collections::BTreeMap;

pub const TESTS: &[Test] = tests![
    aws_formats_are_found_and_read_as_duckdb_reads_them,
    azure_formats_are_found_and_read_as_duckdb_reads_them,
    gcp_formats_are_found_and_read_as_duckdb_reads_them,
    aws_months_and_restatements_add_up_to_the_last_digit,
    azure_months_and_restatements_add_up_to_the_last_digit,
    gcp_months_and_restatements_add_up_to_the_last_digit,
    a_bucket_with_every_format_shows_each_once,
    the_same_bill_gives_the_same_costs_in_all_formats_of_aws,
];

fn aws_formats_are_found_and_read_as_duckdb_reads_them(env: &Env) -> Result<()> {
    each(
        |name| name.starts_with("cur") || name.starts_with("focus"),
        |sample| read(env, sample),
    )
}

fn azure_formats_are_found_and_read_as_duckdb_reads_them(env: &Env) -> Result<()> {
    each(|name| name.starts_with("azure"), |sample| read(env, sample))
}

fn gcp_formats_are_found_and_read_as_duckdb_reads_them(env: &Env) -> Result<()> {
    each(|name| name.starts_with("gcp"), |sample| read(env, sample))
}

fn aws_months_and_restatements_add_up_to_the_last_digit(env: &Env) -> Result<()> {
    each(
        |name| name.starts_with("cur") || name.starts_with("focus"),
        |sample| synced(env, sample),
    )
}

fn azure_months_and_restatements_add_up_to_the_last_digit(env: &Env) -> Result<()> {
    each(
        |name| name.starts_with("azure"),
        |sample| synced(env, sample),
    )
}

fn gcp_months_and_restatements_add_up_to_the_last_digit(env: &Env) -> Result<()> {
    each(|name| name.starts_with("gcp"), |sample| synced(env, sample))
}

/// Goes through the samples, or those whose name has `CUR_FDW_SAMPLE` in it, and says of all of
/// them what went wrong.
fn each(wanted: fn(&str) -> bool, test: impl Fn(&Sample) -> Result<()>) -> Result<()> {
    let only = std::env::var("CUR_FDW_SAMPLE").unwrap_or_default();
    let mut failures = Vec::new();
    for sample in samples() {
        if !wanted(sample.name) || !sample.name.contains(&only) {
            continue;
        }
        if let Err(error) = test(&sample) {
            failures.push(format!("{}: {}", sample.name, crate::describe(&*error)));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n").into()),
    }
}

/// An error that shows both sides.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, expected {expected:?}").into()),
    }
}

/// The sample in a bucket of its own, whose name the manifests have.
fn uploaded(env: &Env, sample: &Sample, purpose: &str) -> Result<(Sample, MonthBill, Client)> {
    let mut sample = sample.clone();
    sample.report.bucket = format!("{purpose}-{}", sample.name);
    let bucket = sample.report.bucket.clone();
    empty_bucket(env, &bucket)?;
    let bill = sample.report.month(2025, 9, 0);
    upload(env, &bucket, &bill)?;
    let mut client = env.database_with_extension(&bucket)?;
    connect(&mut client, env, &bucket)?;
    Ok((sample, bill, client))
}

fn read(env: &Env, sample: &Sample) -> Result<()> {
    let (sample, bill, mut client) = uploaded(env, sample, "read")?;
    let expected = sample.report.format.discovered_as(sample.report.encoding);
    let prefix = discovered(&mut client, expected)?;
    let files = counted(&bill.files, &sample.report.bucket);
    let mut theirs = Theirs::open(&files)?;
    let rows = theirs.compare(&mut client, &prefix)?;
    expect("rows", rows, bill.totals.rows)
}

/// The prefix of the only export, which has this format and one month that can be read.
pub fn discovered(client: &mut Client, format: &str) -> Result<String> {
    let found = client.query(
        "SELECT prefix, format, readable, months, first_month::text FROM cost_analytics.cost_discover('bills')",
        &[],
    )?;
    let found: Vec<(String, String, bool, i64, Option<String>)> = found
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
        .collect();
    let [(prefix, name, readable, months, month)] = &found[..] else {
        return Err(format!("cost_discover finds not one export but {found:?}").into());
    };
    expect(
        "discovered",
        (name.as_str(), *readable, *months),
        (format, true, 1),
    )?;
    expect("month", month.as_deref(), Some("2025-09-01"))?;
    Ok(prefix.clone())
}

/// What DuckDB finds in files.
pub struct Theirs {
    duckdb: DuckDb,
    _dir: tempfile::TempDir,
    columns: Vec<Leaf>,
    csv: bool,
    /// What DuckDB makes of what is not a number in a column of numbers: an error, or nothing.
    lenient: bool,
}

/// A column that is no record.
struct Leaf {
    /// Its path, with dots.
    name: String,
    /// How DuckDB gets at it.
    sql: String,
}

impl Theirs {
    /// The files as one relation `theirs`.
    pub fn open(files: &[&BillFile]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut duckdb = DuckDb::start()?;
        let mut paths = Vec::new();
        let mut leaves = Vec::new();
        let csv = files.iter().any(|file| file.key.contains(".csv"));
        for (n, file) in files.iter().enumerate() {
            if file.bytes.is_empty() {
                continue;
            }
            let name = file.key.rsplit('/').next().unwrap_or(&file.key);
            let path = dir.path().join(format!("{n}-{name}"));
            std::fs::write(&path, &file.bytes)?;
            paths.push(format!("'{}'", duckdb::unzipped(&path)?));
            if !csv && leaves.is_empty() {
                let bytes = bytes::Bytes::from(file.bytes.clone());
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
                for field in reader.schema().fields() {
                    add_leaves(
                        field,
                        field.name(),
                        &format!("\"{}\"", field.name()),
                        &mut leaves,
                    );
                }
            }
        }
        let paths = paths.join(", ");
        let relation = match csv {
            true => format!(
                "read_csv([{paths}], header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', nullstr = ['', 'NULL'])"
            ),
            false => format!("read_parquet([{paths}])"),
        };
        duckdb.ask(&format!("CREATE VIEW theirs AS SELECT * FROM {relation}"))?;
        if csv {
            let described = duckdb.ask("SELECT column_name FROM (DESCRIBE theirs)")?;
            leaves = described
                .rows
                .into_iter()
                .flatten()
                .flatten()
                .map(|name| Leaf {
                    sql: format!("\"{name}\""),
                    name,
                })
                .collect();
        }
        Ok(Theirs {
            duckdb,
            _dir: dir,
            columns: leaves,
            csv,
            lenient: false,
        })
    }

    /// The same where texts that are no numbers count as nothing.
    pub fn lenient(self) -> Self {
        Theirs {
            lenient: true,
            ..self
        }
    }

    /// Asks for one row of texts.
    pub fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        self.duckdb.texts(sql)
    }

    /// Imports the export and compares all cells; returns the number of rows.
    pub fn compare(&mut self, client: &mut Client, prefix: &str) -> Result<u64> {
        client.batch_execute(&format!(
            "CREATE SCHEMA bills; IMPORT FOREIGN SCHEMA \"{prefix}\" FROM SERVER bills INTO bills"
        ))?;
        let table: String = client
            .query_one("SELECT ftrelid::regclass::text FROM pg_foreign_table", &[])?
            .get(0);
        let types: BTreeMap<String, String> = client
            .query(
                "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute \
                  WHERE attrelid = $1::text::regclass AND attnum > 0",
                &[&table],
            )?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let of_path = ["billing_period", "year", "month"];
        let reserved = of_path.map(str::to_owned);
        let reserved: Vec<&str> = reserved
            .iter()
            .map(String::as_str)
            .filter(|name| types.contains_key(*name))
            .collect();
        let originals: Vec<&str> = self.columns.iter().map(|leaf| leaf.name.as_str()).collect();
        let names = sql_names(&originals, &reserved);
        let names: Vec<&str> = names.iter().map(|name| name.sql.as_str()).collect();
        let mut expected: Vec<&str> = names
            .iter()
            .copied()
            .chain(reserved.iter().copied())
            .collect();
        let mut found: Vec<&str> = types.keys().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        if found != expected {
            let more: Vec<_> = found
                .iter()
                .filter(|name| !expected.contains(name))
                .collect();
            let less: Vec<_> = expected
                .iter()
                .filter(|name| !found.contains(name))
                .collect();
            return Err(format!("columns differ: surplus {more:?}, missing {less:?}").into());
        }
        let types: Vec<&str> = names.iter().map(|name| types[*name].as_str()).collect();
        let ours = self.ours(client, &table, &names, &types)?;
        let theirs = self.theirs(&types)?;
        same(&names, &types, ours, theirs)
    }

    fn ours(
        &self,
        client: &mut Client,
        table: &str,
        names: &[&str],
        types: &[&str],
    ) -> Result<Vec<Vec<String>>> {
        let list: Vec<String> = names
            .iter()
            .map(|name| format!("\"{name}\"::text"))
            .collect();
        let sql = format!("SELECT {} FROM {table}", list.join(", "));
        let rows = rows(client, &sql)?.into_iter().map(|row| {
            let cells = row.iter().zip(types);
            let cells = cells.map(|(cell, kind)| canonical(cell.as_deref(), kind, self.csv));
            cells.collect()
        });
        Ok(rows.collect())
    }

    fn theirs(&mut self, types: &[&str]) -> Result<Vec<Vec<String>>> {
        let list: Vec<String> = self
            .columns
            .iter()
            .zip(types)
            .map(|(leaf, kind)| self.reading(&leaf.sql, kind))
            .collect();
        let answer = self
            .duckdb
            .ask(&format!("SELECT {} FROM theirs", list.join(", ")))?;
        let rows = answer.rows.into_iter().map(|row| {
            let cells = row.into_iter().zip(types);
            let cells = cells.map(|(cell, kind)| canonical(cell.as_deref(), kind, self.csv));
            cells.collect()
        });
        Ok(rows.collect())
    }

    /// The SQL that makes DuckDB's cell comparable with one of a type of ours.
    fn reading(&self, sql: &str, kind: &str) -> String {
        match (kind, self.csv) {
            ("double precision", _) if self.lenient => format!("try_cast({sql} AS double)"),
            ("double precision", _) => format!("{sql}::double"),
            ("timestamp without time zone", _) => format!("{sql}::timestamptz::timestamp"),
            ("date", true) => format!(
                "coalesce(try_strptime({sql}, '%m/%d/%Y'), try_strptime({sql}, '%Y-%m-%d'))::date"
            ),
            ("date", false) => format!("{sql}::timestamp::date"),
            ("jsonb", false) => format!("to_json({sql})::varchar"),
            _ => format!("{sql}::varchar"),
        }
    }
}

/// The leaves below a field: records fall apart, everything else stays whole.
fn add_leaves(field: &FieldRef, name: &str, sql: &str, leaves: &mut Vec<Leaf>) {
    let DataType::Struct(fields) = field.data_type() else {
        let sql = match is_map(field) {
            true => format!("map_from_entries({sql})"),
            false => sql.to_owned(),
        };
        let name = name.to_owned();
        leaves.push(Leaf { name, sql });
        return;
    };
    for field in fields {
        let (name, key) = (format!("{name}.{}", field.name()), field.name());
        add_leaves(
            field,
            &name,
            &format!("struct_extract({sql}, '{key}')"),
            leaves,
        );
    }
}

/// Whether it is a list of keys and values, as which some tools write maps.
fn is_map(field: &FieldRef) -> bool {
    let DataType::List(item) = field.data_type() else {
        return false;
    };
    let DataType::Struct(fields) = item.data_type() else {
        return false;
    };
    fields
        .iter()
        .map(|field| field.name().as_str())
        .eq(["key", "value"])
}

/// A cell as text that is the same for the same value, whoever printed it. In CSV nothing and the
/// empty text are the same.
fn canonical(cell: Option<&str>, kind: &str, csv: bool) -> String {
    let Some(cell) = cell.filter(|cell| !csv || !cell.is_empty()) else {
        return "NULL".to_owned();
    };
    match kind {
        "double precision" => cell
            .parse::<f64>()
            .map_or(cell.to_owned(), |n| format!("{n:e}")),
        "numeric" | "timestamp without time zone" if cell.contains('.') => {
            cell.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        "boolean" => cell.to_lowercase()[..1].to_owned(),
        "jsonb" => {
            // Some of Azure's objects lack their braces.
            let whole = if cell.starts_with('"') {
                format!("{{{cell}}}")
            } else {
                cell.to_owned()
            };
            // And some of Google's lists are Python's.
            let python = || whole.replace('\'', "\"").replace("None", "null");
            let value =
                serde_json::from_str::<Value>(&whole).or_else(|_| serde_json::from_str(&python()));
            value.map_or(whole, |value| plain(value).to_string())
        }
        _ => cell.to_owned(),
    }
}

/// JSON with all numbers as doubles: Postgres keeps decimals and DuckDB prints exponents.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, v)| (key, plain(v))).collect(),
        other => other,
    }
}

/// Compares rows as multisets, and says where the first difference is.
fn same(
    names: &[&str],
    types: &[&str],
    mut ours: Vec<Vec<String>>,
    mut theirs: Vec<Vec<String>>,
) -> Result<u64> {
    expect("rows", ours.len(), theirs.len())?;
    // Column by column first: one that differs everywhere would put the rows out of order.
    for (n, name) in names.iter().enumerate() {
        let column = |rows: &[Vec<String>]| {
            let mut cells: Vec<String> = rows.iter().map(|row| row[n].clone()).collect();
            cells.sort_unstable();
            cells
        };
        let (a, b) = (column(&ours), column(&theirs));
        if let Some((a, b)) = a.iter().zip(&b).find(|(a, b)| a != b) {
            let kind = types[n];
            return Err(format!("{name} ({kind}): ours has {a:?}, DuckDB {b:?}").into());
        }
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    match ours == theirs {
        true => Ok(ours.len() as u64),
        false => Err("the columns are the same, the rows are not".into()),
    }
}

fn synced(env: &Env, sample: &Sample) -> Result<()> {
    let (sample, bill, mut client) = uploaded(env, sample, "sync")?;
    two_deliveries(&mut client, &sample, &bill, |bill| {
        upload(env, &sample.report.bucket, bill)
    })
}

/// The export that the server reads is found and loaded, and loaded again when `upload` has
/// delivered it again.
pub fn two_deliveries(
    client: &mut Client,
    sample: &Sample,
    bill: &MonthBill,
    upload: impl FnOnce(&MonthBill) -> Result<()>,
) -> Result<()> {
    let expected = sample.report.format.discovered_as(sample.report.encoding);
    let prefix = discovered(client, expected)?;
    client.query_one(
        "SELECT cost_analytics.cost_add_source('sample', server => 'bills', prefix => $1)",
        &[&prefix],
    )?;
    sync(client)?;
    add_up(client, "the first delivery", &bill.totals)?;
    let bill = sample.report.month(2025, 9, 1);
    upload(&bill)?;
    sync(client)?;
    add_up(client, "the second delivery", &bill.totals)
}

/// The month's rows are there once, and its costs are the generator's.
fn add_up(client: &mut Client, what: &str, totals: &Totals) -> Result<()> {
    let rows: i64 = client
        .query_one("SELECT count(*) FROM cost_analytics.raw_sample", &[])?
        .get(0);
    expect(&format!("{what}: rows"), rows as u64, totals.rows)?;
    for (column, sums) in [
        ("cost", &totals.cash),
        ("amortized_cost", &totals.amortized),
    ] {
        if sums.is_empty() {
            continue;
        }
        let query =
            format!("SELECT currency, sum({column})::text FROM cost_analytics.costs GROUP BY 1");
        let found: BTreeMap<String, String> = client
            .query(&query, &[])?
            .iter()
            .map(|row| (row.get(0), canonical(row.get(1), "numeric", false)))
            .collect();
        let expected = sums
            .iter()
            .map(|(currency, sum)| (currency.clone(), canonical(Some(sum), "numeric", false)));
        expect(&format!("{what}: {column}"), found, expected.collect())?;
    }
    Ok(())
}

fn a_bucket_with_every_format_shows_each_once(env: &Env) -> Result<()> {
    let name = "every-format";
    empty_bucket(env, name)?;
    let mut expected = Vec::new();
    for mut sample in samples() {
        sample.report.bucket = name.to_owned();
        sample.report.prefix = format!("all/{}", sample.name);
        upload(env, name, &sample.report.month(2025, 9, 0))?;
        let format = sample.report.format.discovered_as(sample.report.encoding);
        expected.push((
            format!("all/{}/{}", sample.name, sample.report.name),
            format.to_owned(),
        ));
    }
    env.gateway.put(name, "all/notes/readme.txt", "nobody's")?;
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    let found = client.query(
        "SELECT prefix, format FROM cost_analytics.cost_discover('bills') WHERE readable ORDER BY prefix",
        &[],
    )?;
    let found: Vec<(String, String)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    expected.sort();
    let missing: Vec<_> = expected.iter().filter(|one| !found.contains(one)).collect();
    let surplus: Vec<_> = found.iter().filter(|one| !expected.contains(one)).collect();
    match missing.is_empty() && surplus.is_empty() {
        true => Ok(()),
        false => Err(format!("missing {missing:?}, surplus {surplus:?}").into()),
    }
}

/// What all spellings of a Cost and Usage Report carry.
const CUR_FACTS: &str = "date, invoice_month, payer_account_id, account_id, service, service_code, \
    region, line_item_type, charge_category, charge_class, charge_group, commitment_type, currency, \
    invoice_id, invoice_issuer, seller, cost, blended_cost, net_cost, amortized_cost, \
    net_amortized_cost, list_cost, line_items";

/// What FOCUS carries, too: its rows are others, so that sums are compared. A fee's unused part is
/// usage there, and a purchase in a report.
const FOCUS_FACTS: [&str; 2] = [
    "date, account_id, service, region, currency, charge_category, sum(cost) AS total",
    "date, account_id, service, region, currency, sum(amortized_cost) AS total",
];

fn the_same_bill_gives_the_same_costs_in_all_formats_of_aws(env: &Env) -> Result<()> {
    let name = "same-costs";
    empty_bucket(env, name)?;
    let mut sources = Vec::new();
    for mut sample in samples() {
        if !sample.name.starts_with("cur") && !sample.name.starts_with("focus") {
            continue;
        }
        sample.report.bucket = name.to_owned();
        sample.report.prefix = format!("all/{}", sample.name);
        upload(env, name, &sample.report.month(2025, 9, 0))?;
        let prefix = format!("all/{}/{}", sample.name, sample.report.name);
        sources.push((sample.name.replace('-', "_"), prefix));
    }
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    for (source, prefix) in &sources {
        client.query_one(
            "SELECT cost_analytics.cost_add_source($1, server => 'bills', prefix => $2)",
            &[source, prefix],
        )?;
    }
    sync(&mut client)?;
    let mut differences = Vec::new();
    for (source, _) in &sources[1..] {
        let of = |facts: &str, source: &str| {
            let grouped = match facts.rsplit_once(", sum(") {
                Some((keys, _)) => format!("GROUP BY {keys}"),
                None => String::new(),
            };
            let rows = format!(
                "SELECT {facts} FROM cost_analytics.costs WHERE source_name = '{source}' {grouped}"
            );
            match grouped.is_empty() {
                true => rows,
                false => format!("SELECT * FROM ({rows}) grouped WHERE total <> 0"),
            }
        };
        let facts = match source.starts_with("focus") {
            true => &FOCUS_FACTS[..],
            false => &[CUR_FACTS],
        };
        for facts in facts {
            let (one, other) = (of(facts, "cur_parquet"), of(facts, source));
            for (sign, less) in [
                (
                    "only the report has",
                    format!("({one}) EXCEPT ALL ({other})"),
                ),
                ("the report lacks", format!("({other}) EXCEPT ALL ({one})")),
            ] {
                let found =
                    client.query(&format!("SELECT t::text FROM ({less}) t LIMIT 2"), &[])?;
                let found: Vec<&str> = found.iter().map(|row| row.get(0)).collect();
                if !found.is_empty() {
                    differences.push(format!("{source}: {sign} {found:?}"));
                }
            }
        }
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(differences.join("\n").into()),
    }
}
