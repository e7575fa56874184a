//! `date`, `timestamp` and `timestamptz`: Postgres counts from 2000-01-01, Arrow from 1970-01-01.

use arrow::array::{Date32Array, TimestampMicrosecondArray};
use pgrx::pg_sys::Datum;

use super::{Cells, Target};
use crate::error::Error;

/// Days from 1970-01-01 to 2000-01-01.
pub const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// 4713-01-01 BC to 5874897-12-31, in days from 2000-01-01 (Postgres, datatype/timestamp.h).
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;

/// 4713-01-01 BC to 294276-12-31, in microseconds from 2000-01-01 (ibid.).
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

pub(super) fn dates(
    array: &Date32Array,
    target: &Target,
    mut cells: Cells<'_>,
) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |days| {
        date(*days, target).map(Datum::from)
    })
}

/// Days since 1970 as Postgres counts them.
pub(super) fn date(days: i32, target: &Target) -> Result<i32, Error> {
    let days = days
        .checked_sub(EPOCH_DAYS)
        .filter(|days| DATES.contains(days));
    days.ok_or_else(|| out_of_range(target))
}

pub(super) fn timestamps(
    array: &TimestampMicrosecondArray,
    target: &Target,
    mut cells: Cells<'_>,
) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |microseconds| {
        timestamp(*microseconds, target).map(Datum::from)
    })
}

/// Microseconds since 1970 as Postgres counts them.
pub(super) fn timestamp(microseconds: i64, target: &Target) -> Result<i64, Error> {
    let since = microseconds
        .checked_sub(EPOCH_MICROSECONDS)
        .filter(|t| TIMESTAMPS.contains(t));
    since.ok_or_else(|| out_of_range(target))
}

fn out_of_range(target: &Target) -> Error {
    Error::DateOutOfRange {
        column: target.name.clone(),
    }
}
