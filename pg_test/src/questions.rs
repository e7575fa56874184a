//! What one asks a bill: the seven queries of the benchmark, and whether two answers are the same.
//!
//! The SQL is the same for Postgres and DuckDB; the bill is the relation `bill`.

use crate::Result;
use crate::duckdb::DuckDb;
use postgres::{Client, SimpleQueryMessage};
use serde_json::Value;
use std::collections::HashSet;

/// Sums of doubles depend on the order of addition. Relative from 1 on, absolute below: a sum of
/// charges and credits may be next to nothing.
const TOLERANCE: f64 = 1e-9;

/// A row as Postgres prints it.
pub type Row = Vec<Option<String>>;

/// A query and what its answer must satisfy.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it asks, in a few words.
    pub name: &'static str,
    /// The query.
    pub sql: String,
    /// How answers compare.
    pub kind: Kind,
}

/// How answers to a question compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The same aggregates, in any order.
    Totals,
    /// The same aggregates, the largest first. Equal ones may change places.
    Ranking,
    /// The same rows, in any order, cell by cell.
    Rows,
    /// As many rows, any of the bill's.
    Sample,
}

/// What in a bill is asked about.
#[derive(Clone, Debug)]
pub struct Subject {
    account: String,
    /// First day of the week, and the day after its last.
    week: [String; 2],
    /// The end of a resource id that a handful of rows has.
    suffix: String,
    tags: [String; 2],
}

impl Subject {
    /// The account with most rows, the first month's second week, and a rarely billed resource, as
    /// DuckDB finds them in its view `bill`.
    pub fn choose(duckdb: &mut DuckDb, tags: [&str; 2]) -> Result<Self> {
        let account = duckdb.texts(
            "SELECT line_item_usage_account_id FROM bill GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
        )?;
        let week = duckdb.texts(
            "SELECT (min(billing_period) + 7)::varchar, (min(billing_period) + 14)::varchar FROM bill",
        )?;
        let suffix = duckdb.texts(
            "SELECT right(line_item_resource_id, 8) AS suffix FROM bill
              WHERE regexp_full_match(suffix, '[0-9A-Za-z]{8}')
              GROUP BY 1 ORDER BY abs(count(*) - 5), 1 LIMIT 1",
        )?;
        Ok(Subject {
            account: account[0].clone(),
            week: [week[0].clone(), week[1].clone()],
            suffix: suffix[0].clone(),
            tags: tags.map(str::to_owned),
        })
    }
}

/// The seven questions about a bill.
pub fn seven(subject: &Subject) -> [Question; 7] {
    let Subject {
        account,
        week: [first, end],
        suffix,
        tags: [one, other],
    } = subject;
    let question = |kind, name, sql: String| Question { name, sql, kind };
    [
        question(
            Kind::Totals,
            "cost by service",
            "SELECT line_item_product_code, sum(line_item_unblended_cost) FROM bill GROUP BY 1".into(),
        ),
        question(Kind::Totals, "row count", "SELECT count(*) FROM bill".into()),
        question(
            Kind::Totals,
            "an account's week by day",
            format!(
                "SELECT line_item_usage_start_date::date, sum(line_item_unblended_cost) FROM bill
                  WHERE line_item_usage_account_id = '{account}'
                    AND line_item_usage_start_date >= '{first}' AND line_item_usage_start_date < '{end}'
                  GROUP BY 1"
            ),
        ),
        question(Kind::Sample, "any 100 rows, whole", "SELECT * FROM bill LIMIT 100".into()),
        question(
            Kind::Rows,
            "a resource by its suffix",
            format!(
                "SELECT line_item_resource_id, line_item_usage_start_date, line_item_product_code,
                        line_item_usage_type, line_item_unblended_cost
                   FROM bill WHERE line_item_resource_id LIKE '%{suffix}'"
            ),
        ),
        question(
            Kind::Ranking,
            "usage by two tags, top 20",
            format!(
                "SELECT {one}, {other}, sum(line_item_unblended_cost) AS cost FROM bill
                  WHERE line_item_line_item_type = 'Usage'
                  GROUP BY {one}, {other} ORDER BY cost DESC LIMIT 20"
            ),
        ),
        question(
            Kind::Ranking,
            "top 10 resources",
            "SELECT line_item_resource_id, sum(line_item_unblended_cost) AS cost FROM bill
              GROUP BY line_item_resource_id ORDER BY cost DESC LIMIT 10"
                .into(),
        ),
    ]
}

impl Question {
    /// Whether Postgres computes something rather than handing out rows.
    pub fn aggregates(&self) -> bool {
        matches!(self.kind, Kind::Totals | Kind::Ranking)
    }

    /// An error unless DuckDB's answer is the same.
    pub fn check(&self, ours: &[Row], duckdb: &mut DuckDb) -> Result<()> {
        let theirs = duckdb.ask(&self.sql)?.rows;
        self.compare(ours, &theirs, duckdb)
            .map_err(|why| format!("{}: {why}\n{}", self.name, self.sql).into())
    }

    fn compare(&self, ours: &[Row], theirs: &[Vec<Value>], duckdb: &mut DuckDb) -> Result<()> {
        if ours.is_empty() || ours.len() != theirs.len() {
            return Err(format!("{} rows, DuckDB {}", ours.len(), theirs.len()).into());
        }
        match self.kind {
            Kind::Sample => are_the_bills(ours, duckdb),
            Kind::Rows => same(sorted(ours, theirs)?, 0.0),
            Kind::Totals => same(sorted(ours, theirs)?, TOLERANCE),
            Kind::Ranking => {
                let (our_costs, their_costs) = split_all(ours, theirs)?;
                for (ours, theirs) in our_costs.iter().zip(&their_costs) {
                    close(&ours.doubles, &theirs.doubles, TOLERANCE)?;
                }
                same(sorted(ours, theirs)?, TOLERANCE)
            }
        }
    }
}

/// The rows Postgres answers with.
pub fn rows(client: &mut Client, sql: &str) -> Result<Vec<Row>> {
    Ok(texts(&client.simple_query(sql)?))
}

/// The rows in what a simple query returned.
fn texts(messages: &[SimpleQueryMessage]) -> Vec<Row> {
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        (0..row.len())
            .map(|n| row.get(n).map(str::to_owned))
            .collect()
    })
    .collect()
}

/// A foreign table's columns as the files call them, in order.
pub fn columns(client: &mut Client, relation: &str) -> Result<Vec<String>> {
    let found = client.query(
        "SELECT coalesce((SELECT option_value FROM pg_options_to_table(attfdwoptions)
                           WHERE option_name = 'column_name'), attname)::text
           FROM pg_attribute
          WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        &[&relation],
    )?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// A row, its doubles apart from the cells that must be equal.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    exact: Vec<Option<String>>,
    doubles: Vec<Option<f64>>,
}

/// Both answers in parts. Which columns are doubles is seen in DuckDB's rows.
fn split_all(ours: &[Row], theirs: &[Vec<Value>]) -> Result<(Vec<Parts>, Vec<Parts>)> {
    let width = theirs.first().map_or(0, Vec::len);
    let is_double: Vec<bool> = (0..width)
        .map(|column| theirs.iter().any(|row| row[column].is_number()))
        .collect();
    let theirs: Vec<Row> = theirs
        .iter()
        .map(|row| row.iter().map(text).collect())
        .collect();
    let split = |rows: &[Row]| rows.iter().map(|row| split(row, &is_double)).collect();
    let ours: Result<_> = split(ours);
    Ok((ours?, split(&theirs)?))
}

fn text(cell: &Value) -> Option<String> {
    match cell {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    }
}

fn split(row: &Row, is_double: &[bool]) -> Result<Parts> {
    if row.len() != is_double.len() {
        return Err(format!("{} columns, DuckDB {}", row.len(), is_double.len()).into());
    }
    let mut parts = Parts {
        exact: Vec::new(),
        doubles: Vec::new(),
    };
    for (cell, is_double) in row.iter().zip(is_double) {
        match is_double {
            true => parts
                .doubles
                .push(cell.as_deref().map(str::parse).transpose()?),
            false => parts.exact.push(cell.clone()),
        }
    }
    Ok(parts)
}

/// Both answers in an order that does not depend on the last digits of sums, unless nothing else
/// tells rows apart.
fn sorted(ours: &[Row], theirs: &[Vec<Value>]) -> Result<(Vec<Parts>, Vec<Parts>)> {
    let (mut ours, mut theirs) = split_all(ours, theirs)?;
    for rows in [&mut ours, &mut theirs] {
        rows.sort_by(|a, b| {
            let doubles = || a.doubles.partial_cmp(&b.doubles);
            let order = a.exact.cmp(&b.exact);
            order.then_with(|| doubles().unwrap_or(std::cmp::Ordering::Equal))
        });
    }
    Ok((ours, theirs))
}

fn same((ours, theirs): (Vec<Parts>, Vec<Parts>), tolerance: f64) -> Result<()> {
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if ours.exact != theirs.exact {
            return Err(format!("{:?}, DuckDB {:?}", ours.exact, theirs.exact).into());
        }
        close(&ours.doubles, &theirs.doubles, tolerance)
            .map_err(|why| format!("{:?}: {why}", ours.exact))?;
    }
    Ok(())
}

fn close(ours: &[Option<f64>], theirs: &[Option<f64>], tolerance: f64) -> Result<()> {
    let is_close = |pair: (&Option<f64>, &Option<f64>)| match pair {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0),
        (a, b) => a == b,
    };
    if ours.iter().zip(theirs).all(is_close) {
        return Ok(());
    }
    Err(format!("{ours:?}, DuckDB {theirs:?}").into())
}

/// Which rows a LIMIT without an order returns is anybody's choice, but the bill must have each.
fn are_the_bills(ours: &[Row], duckdb: &mut DuckDb) -> Result<()> {
    let ids: HashSet<&str> = ours.iter().filter_map(|row| row[0].as_deref()).collect();
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let candidates = duckdb.ask(&format!(
        "SELECT * FROM bill WHERE identity_line_item_id IN ({})",
        ids.join(", ")
    ))?;
    let (ours, theirs) = split_all(ours, &candidates.rows)?;
    match ours.iter().find(|row| !theirs.contains(row)) {
        None => Ok(()),
        Some(row) => Err(format!("the bill has no such row: {row:?}").into()),
    }
}
