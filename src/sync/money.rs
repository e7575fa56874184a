//! Doubles as exact decimals.

use pgrx::prelude::*;
use pgrx::{AnyNumeric, pg_sys};

use crate::datum::numeric_from_text;

/// `exact_numeric(double precision) → numeric`: the decimal a double prints as. A cast rounds to
/// 15 significant digits (Postgres, float8_numeric), and a month's total would be off.
#[pg_extern(sql = false)]
fn exact_numeric(value: f64) -> AnyNumeric {
    numeric(&shortest(value))
}

/// The numeric that a decimal spelling denotes.
pub fn numeric(text: &str) -> AnyNumeric {
    let datum = numeric_from_text(text);
    // SAFETY: the datum is a numeric that was just made, not NULL.
    match unsafe { AnyNumeric::from_polymorphic_datum(datum, false, pg_sys::NUMERICOID) } {
        Some(numeric) => numeric,
        None => AnyNumeric::from(0),
    }
}

/// Shortest round trip, in a notation that numeric_in reads.
fn shortest(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        }
    } else {
        format!("{value:e}")
    }
}
