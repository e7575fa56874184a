//! The columns that a table has, found by what their names say.

use std::collections::HashMap;

use crate::dialect::canonical;

/// What a column holds, as far as rules tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// `text` and its like.
    Text,
    /// `double precision`.
    Double,
    /// `numeric`.
    Numeric,
    /// `date`.
    Date,
    /// `timestamp`, UTC.
    Timestamp,
    /// `timestamptz`.
    TimestampTz,
    /// `jsonb`.
    Json,
    /// Anything else, such as integers.
    Other,
}

/// A column of the table that is normalized.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the table.
    pub name: String,
    /// Its name as SQL spells it, quoted where it must be.
    pub quoted: String,
    /// What it holds.
    pub kind: ColumnKind,
}

impl Column {
    /// A column whose name is quoted unless it is plain. Keywords are not known here.
    pub fn new(name: &str, kind: ColumnKind) -> Self {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_plain = !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(plain);
        Column {
            name: name.to_owned(),
            quoted: match is_plain {
                true => name.to_owned(),
                false => format!("\"{}\"", name.replace('"', "\"\"")),
            },
            kind,
        }
    }

    /// The column as text.
    pub(super) fn text(&self) -> String {
        match self.kind {
            ColumnKind::Text => self.quoted.clone(),
            _ => format!("{}::text", self.quoted),
        }
    }

    /// The UTC day it says; `None` where it is no date.
    pub(super) fn day(&self) -> Option<String> {
        match self.kind {
            ColumnKind::Date => Some(self.quoted.clone()),
            ColumnKind::Timestamp => Some(format!("{}::date", self.quoted)),
            ColumnKind::TimestampTz => Some(format!("({} AT TIME ZONE 'UTC')::date", self.quoted)),
            _ => None,
        }
    }
}

/// A table's columns, by canonical name.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [Column],
    by_name: HashMap<String, &'a Column>,
}

impl<'a> Table<'a> {
    /// Of columns that differ in spelling only, the first counts.
    pub(super) fn new(columns: &'a [Column]) -> Self {
        let mut by_name = HashMap::new();
        for column in columns {
            by_name.entry(canonical(&column.name)).or_insert(column);
        }
        Table { columns, by_name }
    }

    pub(super) fn find(&self, name: &str) -> Option<&'a Column> {
        self.by_name.get(&canonical(name)).copied()
    }

    /// The key of a map, as text.
    pub(super) fn key(&self, map: &str, key: &str) -> Option<String> {
        let column = self.find(map)?;
        (column.kind == ColumnKind::Json).then(|| format!("{}->>'{key}'", column.quoted))
    }
}
