//! The proleptic Gregorian calendar over all years of Postgres's `timestamp`, 4713 BC to 294276:
//! more than the calendar crates hold.

use super::Raised;
use crate::expr::{Part, Unit};

/// Microseconds.
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// 4714-11-24 BC, the first instant of Postgres's `timestamp` (datatype/timestamp.h), in
/// microseconds from 1970-01-01.
const FIRST_TIMESTAMP: i64 = -210_866_803_200 * SECOND;

/// Days from 1970-01-01 to 0000-03-01.
const MARCH_0: i64 = -719_468;

/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;

/// A day of the calendar; the year before 1 is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    year: i64,
    /// 1 to 12
    month: i64,
    /// 1 to 31
    day: i64,
}

/// The calendar's name of a day counted from 1970-01-01. Years are counted from March, so that the
/// leap day is their last.
fn day_of(days: i64) -> Day {
    let since = days - MARCH_0;
    let era = since.div_euclid(ERA_DAYS);
    let day_of_era = since.rem_euclid(ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    Day {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
    }
}

/// Days from 1970-01-01 to the first of a month.
fn first_of(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    year.div_euclid(400) * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100
        + day_of_year
        + MARCH_0
}

/// Days from 1970-01-01 to a day of the years 1 to 9999, or `None` if the calendar has no such day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let first = first_of(year, month);
    let next = match month {
        12 => first_of(year + 1, 1),
        month => first_of(year, month + 1),
    };
    (1..=next - first).contains(&day).then(|| first + day - 1)
}

/// 1 (Monday) to 7; 1970-01-01 was a Thursday.
fn iso_day_of_week(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The year and number of a day's ISO week: those of its Thursday.
fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days + 4 - iso_day_of_week(days);
    let year = day_of(thursday).year;
    (year, (thursday - first_of(year, 1)) / 7 + 1)
}

/// There is no year 0.
fn without_zero(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// `extract(part FROM timestamp)`
pub(crate) fn extract(timestamp: i64, part: Part) -> i64 {
    let days = timestamp.div_euclid(DAY);
    match part {
        Part::Year => without_zero(day_of(days).year),
        Part::IsoYear => without_zero(iso_week(days).0),
        Part::Quarter => (day_of(days).month - 1) / 3 + 1,
        Part::Month => day_of(days).month,
        Part::Week => iso_week(days).1,
        Part::Day => day_of(days).day,
        Part::DayOfYear => days - first_of(day_of(days).year, 1) + 1,
        Part::DayOfWeek => iso_day_of_week(days) % 7,
        Part::IsoDayOfWeek => iso_day_of_week(days),
        Part::Hour => timestamp.rem_euclid(DAY) / HOUR,
        Part::Minute => timestamp.rem_euclid(HOUR) / MINUTE,
    }
}

/// `date_trunc(unit, timestamp)`
///
/// # Errors
/// [`Raised::TimestampOutOfRange`] when the unit begins before the first timestamp.
pub(crate) fn truncate(timestamp: i64, unit: Unit) -> Result<i64, Raised> {
    let days = timestamp.div_euclid(DAY);
    let truncated = match unit {
        Unit::Second => timestamp - timestamp.rem_euclid(SECOND),
        Unit::Minute => timestamp - timestamp.rem_euclid(MINUTE),
        Unit::Hour => timestamp - timestamp.rem_euclid(HOUR),
        Unit::Day => days * DAY,
        Unit::Week => (days + 1 - iso_day_of_week(days)) * DAY,
        Unit::Month => {
            let day = day_of(days);
            first_of(day.year, day.month) * DAY
        }
        Unit::Quarter => {
            let day = day_of(days);
            first_of(day.year, (day.month - 1) / 3 * 3 + 1) * DAY
        }
        Unit::Year => first_of(day_of(days).year, 1) * DAY,
    };
    if truncated < FIRST_TIMESTAMP {
        return Err(Raised::TimestampOutOfRange);
    }
    Ok(truncated)
}

/// `timestamp::date`
pub(crate) fn to_date(timestamp: i64) -> i32 {
    timestamp.div_euclid(DAY) as i32
}

/// `date::timestamp` for comparisons. A date that no timestamp can hold becomes greater than all timestamps but
/// infinity, as in Postgres's comparisons (date2timestamp_opt_overflow).
pub(crate) fn to_comparable(days: i32) -> i64 {
    match days {
        i32::MIN => i64::MIN,
        i32::MAX => i64::MAX,
        days => i64::from(days).checked_mul(DAY).unwrap_or(i64::MAX - 1),
    }
}

/// The instant at which a date begins, or `None` if microseconds since 1970 cannot say it, from the
/// year 294247 on.
pub(crate) fn begins(days: i32) -> Option<i64> {
    i64::from(days).checked_mul(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_that_of_every_day_from_4714_bc_to_294276() {
        let mut day = Day {
            year: -4713,
            month: 11,
            day: 24,
        };
        let first = FIRST_TIMESTAMP / DAY;
        for days in first..first + 3_000_000 {
            assert_eq!(day_of(days), day, "day {days}");
            if day.day == 1 {
                assert_eq!(first_of(day.year, day.month), days);
            }
            day = next(day);
        }
        let last = Day {
            year: 294_276,
            month: 12,
            day: 31,
        };
        assert_eq!(day_of(first_of(294_276, 12) + 30), last);
    }

    fn next(day: Day) -> Day {
        let leap = day.year % 4 == 0 && (day.year % 100 != 0 || day.year % 400 == 0);
        let length = match day.month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        match day {
            Day { day, year, month } if day < length => Day {
                year,
                month,
                day: day + 1,
            },
            Day {
                month: 12, year, ..
            } => Day {
                year: year + 1,
                month: 1,
                day: 1,
            },
            Day { year, month, .. } => Day {
                year,
                month: month + 1,
                day: 1,
            },
        }
    }

    #[test]
    fn iso_weeks_belong_to_the_year_of_their_thursday() {
        let day = |year, month, day: i64| first_of(year, month) + day - 1;
        assert_eq!(iso_week(day(2018, 12, 31)), (2019, 1));
        assert_eq!(iso_week(day(2021, 1, 3)), (2020, 53));
        assert_eq!(iso_week(day(2016, 1, 1)), (2015, 53));
        assert_eq!(iso_day_of_week(day(2018, 10, 1)), 1);
    }

    #[test]
    fn a_unit_that_begins_before_all_timestamps_is_an_error() {
        assert_eq!(
            truncate(FIRST_TIMESTAMP, Unit::Year),
            Err(Raised::TimestampOutOfRange)
        );
        assert_eq!(truncate(FIRST_TIMESTAMP, Unit::Day), Ok(FIRST_TIMESTAMP));
    }
}
