//! `numeric`, through its decimal spelling.

use std::ffi::CString;

use arrow::array::{Array, StringViewArray};
use pgrx::pg_sys::{self, Datum};

use super::Cells;
use crate::error::Error;

const NO_TYPMOD: i32 = -1;

pub(super) fn numerics(array: &StringViewArray, mut cells: Cells<'_>) -> Result<(), Error> {
    for row in 0..array.len() {
        if array.is_valid(row) {
            cells.set(row, from_decimal_text(array.value(row)));
        }
    }
    Ok(())
}

/// What `text::numeric` gives, allocated in the current memory context. Raises Postgres's
/// ERROR for a text that is no number.
pub fn from_decimal_text(text: &str) -> Datum {
    // A text with a NUL byte is no number, and its part before the NUL must not pass for one.
    let text = CString::new(text).unwrap_or_else(|_| c"a NUL byte".to_owned());
    let arguments = [
        Some(Datum::from(text.as_ptr())),
        Some(Datum::from(pg_sys::InvalidOid)),
        Some(Datum::from(NO_TYPMOD)),
    ];
    // SAFETY: numeric_in takes a C string, a type OID it ignores and a typmod; it is strict, and
    // never returns NULL.
    let numeric = unsafe { pgrx::direct_function_call_as_datum(pg_sys::numeric_in, &arguments) };
    numeric.unwrap_or(Datum::null())
}

/// A sum divided by a count, as Postgres's own `avg` of integers divides them.
///
/// # Safety
/// `sum` is a `numeric` and `count` a `bigint`; the result lives in `memory`.
pub unsafe fn quotient(sum: Datum, count: Datum, memory: pg_sys::MemoryContext) -> Datum {
    // SAFETY: int8_numeric takes a bigint, numeric_div two numerics; neither returns NULL.
    unsafe {
        let old = pg_sys::MemoryContextSwitchTo(memory);
        let count = pgrx::direct_function_call_as_datum(pg_sys::int8_numeric, &[Some(count)]);
        let quotient =
            pgrx::direct_function_call_as_datum(pg_sys::numeric_div, &[Some(sum), count]);
        pg_sys::MemoryContextSwitchTo(old);
        quotient.unwrap_or(Datum::null())
    }
}
