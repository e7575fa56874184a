//! `numeric`, through its decimal spelling.

use std::ffi::CString;

use arrow::array::{Array, StringViewArray};
use pgrx::pg_sys::{self, Datum};

use super::Cells;
use crate::error::Error;

pub(super) fn numerics(
    array: &StringViewArray,
    typmod: i32,
    mut cells: Cells<'_>,
) -> Result<(), Error> {
    for row in 0..array.len() {
        if array.is_valid(row) {
            cells.set(row, from_decimal_text(array.value(row), typmod));
        }
    }
    Ok(())
}

/// What `text::numeric(typmod)` gives, allocated in the current memory context. Raises Postgres's
/// ERROR for a text that is no number.
pub fn from_decimal_text(text: &str, typmod: i32) -> Datum {
    // A text with a NUL byte is no number, and its part before the NUL must not pass for one.
    let text = CString::new(text).unwrap_or_else(|_| c"a NUL byte".to_owned());
    // SAFETY: numeric_in takes a C string, a type OID it ignores and a typmod; it is strict, and
    // the arguments are not NULL.
    unsafe {
        pg_sys::DirectFunctionCall3Coll(
            Some(pg_sys::numeric_in),
            pg_sys::InvalidOid,
            Datum::from(text.as_ptr()),
            Datum::from(pg_sys::InvalidOid),
            Datum::from(typmod),
        )
    }
}
