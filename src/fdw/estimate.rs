//! How many rows a table has, as far as this session has seen.
//!
//! Planning opens nothing, so a table that was never analyzed is known only from what was read of it.

use std::cell::RefCell;
use std::collections::HashMap;

/// More tables than one session reads. Above it all are forgotten; the next scan tells again.
const MOST: usize = 1_000;

thread_local! {
    /// Rows by the OID of the foreign table.
    static ROWS: RefCell<HashMap<u32, usize>> = RefCell::default();
}

/// Notes that a table has so many rows.
pub fn remember(table: u32, rows: usize) {
    ROWS.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(table, rows);
    });
}

/// The rows of a table that was read as a whole. At least one, as Postgres expects of a scan.
pub fn rows_of(table: u32) -> Option<f64> {
    ROWS.with_borrow(|known| known.get(&table).map(|rows| (*rows).max(1) as f64))
}
