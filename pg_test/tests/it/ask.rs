//! Answers as Postgres prints them.

use pg_test::Result;
use pg_test::questions::{self, Row};
use postgres::Client;

/// The rows of a query.
pub fn rows(client: &mut Client, sql: &str) -> Result<Vec<Row>> {
    questions::rows(client, sql)
        .map_err(|error| format!("{sql}: {}", crate::describe(&*error)).into())
}

/// The rows of a query, their cells joined by spaces.
pub fn lines(client: &mut Client, sql: &str) -> Result<Vec<String>> {
    let rows = rows(client, sql)?.into_iter();
    Ok(rows
        .map(|row| row.into_iter().map(shown).collect::<Vec<_>>().join(" "))
        .collect())
}

/// The only value of a query.
pub fn value(client: &mut Client, sql: &str) -> Result<String> {
    let rows = rows(client, sql)?;
    let [[value]] = rows.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] else {
        return Err(format!("{sql}: not one value but {rows:?}").into());
    };
    Ok(shown(value.clone()))
}

fn shown(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "NULL".to_owned())
}
