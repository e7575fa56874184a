//! `jsonb`, through its text.

use arrow::array::{Array, StringArray};
use pgrx::pg_sys::{self, Datum};

use super::Cells;
use crate::error::Error;

/// What `text::jsonb` gives for each value, allocated in the current memory context. Raises
/// Postgres's ERROR for what is no JSON, or JSON that `jsonb` cannot hold.
pub(super) fn jsonbs(array: &StringArray, mut cells: Cells<'_>) -> Result<(), Error> {
    let mut text = Vec::new();
    let mut previous: Option<(&str, Datum)> = None;
    for row in 0..array.len() {
        if array.is_null(row) {
            continue;
        }
        let value = array.value(row);
        // Tags repeat themselves, and are long.
        let datum = match previous {
            Some((same, datum)) if same == value => datum,
            _ => from_text(value, &mut text),
        };
        previous = Some((value, datum));
        cells.set(row, datum);
    }
    Ok(())
}

fn from_text(value: &str, text: &mut Vec<u8>) -> Datum {
    // A NUL byte is no JSON, and the part before it must not pass for one.
    let value = if value.contains('\0') {
        "a NUL byte"
    } else {
        value
    };
    text.clear();
    text.extend_from_slice(value.as_bytes());
    text.push(0);
    // SAFETY: jsonb_in takes a C string, and never returns NULL for one.
    let jsonb = unsafe {
        let argument = Some(Datum::from(text.as_ptr()));
        pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[argument])
    };
    jsonb.unwrap_or(Datum::null())
}
