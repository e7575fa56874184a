//! The columns of a relation, handed to the `billing` crate for the SQL that normalizes them.

use billing::{Column, ColumnKind, Grain};
use pgrx::prelude::*;
use pgrx::{PgRelation, pg_sys};

use crate::fdw::{OpenRelation, quote, string};

/// What loading adds to a bill.
const SYNC_TIMESTAMP: &str = "sync_timestamp";

/// `normalization_sql(regclass, format, condition)`: NULL for no relation and for one that is no bill.
#[pg_extern(sql = false)]
fn normalization_sql(
    relation: Option<pg_sys::Oid>,
    format: Option<&str>,
    condition: Option<&str>,
) -> Option<String> {
    normalized(relation?, format, condition, Grain::Daily)
}

/// `usage_sql(regclass, format, condition)`: NULL for no relation and for one that is no bill.
#[pg_extern(sql = false)]
fn usage_sql(
    relation: Option<pg_sys::Oid>,
    format: Option<&str>,
    condition: Option<&str>,
) -> Option<String> {
    normalized(relation?, format, condition, Grain::Usage)
}

fn normalized(
    relation: pg_sys::Oid,
    format: Option<&str>,
    condition: Option<&str>,
    grain: Grain,
) -> Option<String> {
    let columns = columns(relation);
    let mut from = qualified_name(relation);
    if let Some(condition) = condition {
        from.push_str("\n WHERE ");
        from.push_str(condition);
    }
    billing::normalization_sql(&columns, &from, format, grain)
}

/// `normalized_column_sql(regclass, name, format)`: NULL for a name without a rule.
#[pg_extern(sql = false)]
fn normalized_column_sql(
    relation: Option<pg_sys::Oid>,
    name: Option<&str>,
    format: Option<&str>,
) -> Option<String> {
    billing::normalized_column_sql(&columns(relation?), name?, format)
}

/// All columns of a relation, which is then locked, or Postgres's ERROR when there is none. What the rules do not know the type of, they do not name.
fn columns(relation: pg_sys::Oid) -> Vec<Column> {
    let open = OpenRelation::new(relation);
    // SAFETY: the relation is open until the end of this function.
    let relation = unsafe { PgRelation::from_pg(open.0) };
    let descriptor = relation.tuple_desc();
    let attributes = descriptor.iter().filter(|a| !a.attisdropped);
    let columns = attributes.map(|a| Column {
        name: a.name().to_owned(),
        quoted: identifier(a.name()),
        kind: kind(a.atttypid),
    });
    columns.filter(|c| c.name != SYNC_TIMESTAMP).collect()
}

fn kind(of_type: pg_sys::Oid) -> ColumnKind {
    match of_type {
        pg_sys::TEXTOID | pg_sys::VARCHAROID => ColumnKind::Text,
        pg_sys::FLOAT8OID => ColumnKind::Double,
        pg_sys::NUMERICOID => ColumnKind::Numeric,
        pg_sys::DATEOID => ColumnKind::Date,
        pg_sys::TIMESTAMPOID => ColumnKind::Timestamp,
        pg_sys::TIMESTAMPTZOID => ColumnKind::TimestampTz,
        pg_sys::JSONBOID => ColumnKind::Json,
        _ => ColumnKind::Other,
    }
}

/// An identifier as SQL spells it, with quotes only where it needs them: people read it.
fn identifier(name: &str) -> String {
    let Ok(name) = std::ffi::CString::new(name) else {
        return quote(name);
    };
    // SAFETY: the result is the argument itself or a new string in the current memory context.
    unsafe { std::ffi::CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())) }
        .to_string_lossy()
        .into_owned()
}

fn qualified_name(relation: pg_sys::Oid) -> String {
    // SAFETY: both are new strings in the current memory context, or NULL.
    let (schema, name) = unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        (string(schema), string(pg_sys::get_rel_name(relation)))
    };
    format!("{}.{}", identifier(&schema), identifier(&name))
}
