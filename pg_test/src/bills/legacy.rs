//! A legacy bill's lines, to make other formats of.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};

use super::estate::Estate;
use super::schema::{Column, Kind};

/// Columns of a batch whose `''` and zeros are NULL.
pub(super) struct Lines<'a> {
    pub(super) batch: &'a RecordBatch,
    pub(super) columns: &'a [Column],
    texts: HashMap<&'a str, &'a StringArray>,
    numbers: HashMap<&'a str, &'a Float64Array>,
    times: HashMap<&'a str, &'a [i64]>,
    /// Names by account.
    names: &'a HashMap<String, String>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        estate: &'a Estate<'_>,
        batch: &'a RecordBatch,
        names: &'a HashMap<String, String>,
    ) -> Self {
        let columns = estate.schema.columns.as_slice();
        let of = |kind: Kind| {
            let pairs = columns.iter().zip(batch.columns());
            pairs
                .filter(move |(column, _)| column.kind == kind)
                .map(|(column, array)| (column.name.as_str(), array))
        };
        Lines {
            batch,
            columns,
            texts: of(Kind::Text).map(|(n, a)| (n, a.as_string())).collect(),
            numbers: of(Kind::Double)
                .map(|(n, a)| (n, a.as_primitive::<Float64Type>()))
                .collect(),
            times: of(Kind::Time)
                .map(|(n, a)| (n, &**a.as_primitive::<TimestampMillisecondType>().values()))
                .collect(),
            names,
        }
    }

    pub(super) fn text(&self, name: &str, row: usize) -> Option<&'a str> {
        let array = self.texts.get(name)?;
        array.is_valid(row).then(|| array.value(row))
    }

    pub(super) fn number(&self, name: &str, row: usize) -> Option<f64> {
        let array = self.numbers.get(name)?;
        array.is_valid(row).then(|| array.value(row))
    }

    /// Milliseconds since 1970.
    pub(super) fn time(&self, name: &str, row: usize) -> Option<i64> {
        self.times.get(name)?.get(row).copied()
    }

    /// The name of the account in a column.
    pub(super) fn account_name(&self, column: &str, row: usize) -> Option<&'a str> {
        let account = self.text(column, row)?;
        self.names.get(account).map(String::as_str)
    }
}

/// What a payer's accounts are called.
pub(super) fn account_names(accounts: &[String]) -> HashMap<String, String> {
    let purposes = ["Production", "Staging", "Données", "R&D, \"blue\""];
    let name = |n: usize| match n {
        0 => "Example Holding (payer)".to_owned(),
        n => format!("{} {n}", purposes[n % purposes.len()]),
    };
    accounts
        .iter()
        .enumerate()
        .map(|(n, account)| (account.clone(), name(n)))
        .collect()
}
