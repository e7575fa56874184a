//! What one asks a bill: the seven queries of the benchmark, and whether two answers are the same.
//!
//! The SQL is the same for Postgres and DuckDB; the bill is the relation `bill`.

use crate::Result;
use crate::duckdb::{Answer, DuckDb};
use postgres::{Client, SimpleQueryMessage};

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
        let theirs = duckdb.ask(&self.sql)?;
        self.compare(ours, &theirs, duckdb)
            .map_err(|why| format!("{}: {why}\n{}", self.name, self.sql).into())
    }

    fn compare(&self, ours: &[Row], theirs: &Answer, duckdb: &mut DuckDb) -> Result<()> {
        if ours.is_empty() || ours.len() != theirs.rows.len() {
            return Err(format!("{} rows, DuckDB {}", ours.len(), theirs.rows.len()).into());
        }
        match self.kind {
            Kind::Sample => are_among(ours, &candidates(ours, duckdb)?, 0.0),
            Kind::Ranking => {
                same_doubles(ours, theirs)?;
                // At the end equal ones compete for the last place.
                let (unlimited, _) = self.sql.rsplit_once("LIMIT").ok_or("it has no LIMIT")?;
                are_among(ours, &duckdb.ask(unlimited)?, TOLERANCE)
            }
            Kind::Totals => same(ours, theirs, TOLERANCE),
            Kind::Rows => same(ours, theirs, 0.0),
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
fn both(ours: &[Row], theirs: &Answer) -> Result<(Vec<Parts>, Vec<Parts>)> {
    let split_all = |rows: &[Row]| -> Result<Vec<Parts>> {
        rows.iter().map(|row| split(row, &theirs.doubles)).collect()
    };
    Ok((split_all(ours)?, split_all(&theirs.rows)?))
}

fn split(row: &Row, doubles: &[bool]) -> Result<Parts> {
    if row.len() != doubles.len() {
        return Err(format!("{} columns, DuckDB {}", row.len(), doubles.len()).into());
    }
    let mut parts = Parts {
        exact: Vec::new(),
        doubles: Vec::new(),
    };
    for (cell, is_double) in row.iter().zip(doubles) {
        match is_double {
            true => parts
                .doubles
                .push(cell.as_deref().map(str::parse).transpose()?),
            false => parts.exact.push(cell.clone()),
        }
    }
    Ok(parts)
}

/// The same rows in any order.
fn same(ours: &[Row], theirs: &Answer, tolerance: f64) -> Result<()> {
    let (mut ours, mut theirs) = both(ours, theirs)?;
    sort(&mut ours);
    sort(&mut theirs);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if ours.exact != theirs.exact || !close(ours, theirs, tolerance) {
            return Err(format!("{ours:?}, DuckDB {theirs:?}").into());
        }
    }
    Ok(())
}

/// By what does not depend on the last digits of sums, as far as that tells rows apart.
fn sort(rows: &mut [Parts]) {
    rows.sort_by(|a, b| {
        let doubles = || a.doubles.partial_cmp(&b.doubles);
        let order = a.exact.cmp(&b.exact);
        order.then_with(|| doubles().unwrap_or(std::cmp::Ordering::Equal))
    });
}

/// The same doubles in every place.
fn same_doubles(ours: &[Row], theirs: &Answer) -> Result<()> {
    let (ours, theirs) = both(ours, theirs)?;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if !close(ours, theirs, TOLERANCE) {
            return Err(format!("{ours:?}, in DuckDB's order {theirs:?}").into());
        }
    }
    Ok(())
}

/// Each of our rows is another one of theirs, which may be more.
fn are_among(ours: &[Row], theirs: &Answer, tolerance: f64) -> Result<()> {
    let (ours, mut theirs) = both(ours, theirs)?;
    for our in &ours {
        let equal = |their: &Parts| our.exact == their.exact && close(our, their, tolerance);
        let found = theirs.iter().position(equal);
        let found = found.ok_or_else(|| format!("DuckDB has no such row: {our:?}"))?;
        theirs.swap_remove(found);
    }
    Ok(())
}

/// The rows with our rows' line items: a LIMIT without an order may return any.
fn candidates(ours: &[Row], duckdb: &mut DuckDb) -> Result<Answer> {
    let ids = ours.iter().filter_map(|row| row.first()?.as_deref());
    let ids: Vec<String> = ids.map(|id| format!("'{id}'")).collect();
    duckdb.ask(&format!(
        "SELECT * FROM bill WHERE identity_line_item_id IN ({})",
        ids.join(", ")
    ))
}

fn close(ours: &Parts, theirs: &Parts, tolerance: f64) -> bool {
    let pairs = ours.doubles.iter().zip(&theirs.doubles);
    pairs.into_iter().all(|pair| match pair {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0),
        (a, b) => a == b,
    })
}
