//! Billing periods: calendar months in UTC, as every provider closes its books.

use std::fmt;

use crate::Error;

/// One calendar month, counted in UTC.
///
/// The civil-date arithmetic is the proleptic Gregorian calendar, as in Postgres's `date`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BillingPeriod {
    year: i32,
    month: u32,
}

impl BillingPeriod {
    /// The month `month` (1 for January) of `year` (1 to 9999).
    pub fn new(year: i32, month: u32) -> Result<Self, Error> {
        if (1..=9999).contains(&year) && (1..=12).contains(&month) {
            Ok(Self { year, month })
        } else {
            Err(Error::PeriodOutOfRange { year, month })
        }
    }

    /// Reads `2018-11`, or any day of the month as in `2018-11-30`.
    ///
    /// The day must exist: a wrong date means a wrong month more often than a wrong day.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadPeriod {
            text: text.to_owned(),
        };
        let mut parts = text.split('-');
        let year = parts
            .next()
            .and_then(|part| digits(part, 4))
            .ok_or_else(bad)?;
        let month = parts
            .next()
            .and_then(|part| digits(part, 2))
            .ok_or_else(bad)?;
        let day = match parts.next() {
            None => 1,
            Some(part) => digits(part, 2).ok_or_else(bad)?,
        };
        match (parts.next(), Self::of_date(year, month, day)) {
            (None, Some(period)) => Ok(period),
            _ => Err(bad()),
        }
    }

    /// The month that holds the date `days` days after 1970-01-01.
    pub fn from_days_since_epoch(days: i32) -> Self {
        // Years are counted from March, so that the leap day is the last of its year, in
        // cycles of 400 years, after which the Gregorian calendar repeats.
        let shifted = i64::from(days) + DAYS_TO_EPOCH;
        let cycle = shifted.div_euclid(DAYS_PER_CYCLE);
        let day = shifted.rem_euclid(DAYS_PER_CYCLE);
        let year_of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
        // Lossless: 32 bits of days span fewer than 12 million years.
        Self {
            year: year as i32,
            month: month as u32,
        }
    }

    /// The month's first day, in days since 1970-01-01.
    ///
    /// Saturates for the one month whose first day is before the earliest 32-bit date.
    pub fn days_since_epoch(self) -> i32 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let cycle = year.div_euclid(400);
        let year_of_cycle = year.rem_euclid(400);
        let march_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * march_month + 2) / 5;
        let day = 365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
        let days = cycle * DAYS_PER_CYCLE + day - DAYS_TO_EPOCH;
        days.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// The calendar year.
    pub fn year(self) -> i32 {
        self.year
    }

    /// The month of the year, 1 for January.
    pub fn month(self) -> u32 {
        self.month
    }

    /// The month after this one.
    pub fn next(self) -> Self {
        match self.month {
            12 => Self {
                year: self.year.saturating_add(1),
                month: 1,
            },
            month => Self {
                year: self.year,
                month: month + 1,
            },
        }
    }

    /// How many days it has.
    pub fn days(self) -> u32 {
        let days = self.next().days_since_epoch() - self.days_since_epoch();
        u32::try_from(days).unwrap_or(31)
    }

    /// Reads a date of eight digits, `20181101`, as in folder names and manifests.
    pub(crate) fn parse_compact(date: &str) -> Option<Self> {
        let year = digits(date.get(..4)?, 4)?;
        let month = digits(date.get(4..6)?, 2)?;
        let day = digits(date.get(6..)?, 2)?;
        Self::of_date(year, month, day)
    }

    fn of_date(year: u32, month: u32, day: u32) -> Option<Self> {
        let period = Self::new(i32::try_from(year).ok()?, month).ok()?;
        (1..=period.days()).contains(&day).then_some(period)
    }
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days in 400 Gregorian years.
const DAYS_PER_CYCLE: i64 = 146_097;

/// A number of exactly `width` ASCII digits; `u32::from_str` would also take a sign.
fn digits(text: &str, width: usize) -> Option<u32> {
    let all_digits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for BillingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn period(text: &str) -> BillingPeriod {
        BillingPeriod::parse(text).unwrap()
    }

    #[test]
    fn known_dates_hold() {
        for (text, days) in [
            ("1970-01", 0),
            ("1969-12", -31),
            ("2000-03", 11_017),
            ("2018-11", 17_836),
            ("2024-03", 19_783),
            ("0001-01", -719_162),
            ("9999-12", 2_932_866),
        ] {
            assert_eq!(period(text).days_since_epoch(), days, "{text}");
            assert_eq!(period(text).to_string(), text);
        }
    }

    #[test]
    fn any_day_of_a_month_names_it_and_days_that_do_not_exist_name_nothing() {
        assert_eq!(period("2018-11-30"), period("2018-11"));
        assert_eq!(period("2024-02-29"), period("2024-02"));
        for bad in [
            "",
            "2018",
            "2018-",
            "2018-1",
            "2018-13",
            "2018-00",
            "2018-11-31",
            "2023-02-29",
            "1900-02-29",
            "2018-11-00",
            "2018-11-01-",
            "+018-11",
            "2018-+1",
            " 2018-11",
            "201811",
            "0000-01",
            "２０１８-11",
            "2018-11-01T00:00",
        ] {
            assert!(BillingPeriod::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn compact_dates_are_exactly_eight_digits() {
        assert_eq!(
            BillingPeriod::parse_compact("20180501"),
            Some(period("2018-05"))
        );
        for bad in ["2018050", "201805011", "20180532", "2018é501", ""] {
            assert_eq!(BillingPeriod::parse_compact(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_ends_of_32_bits_do_not_overflow() {
        for days in [i32::MIN, i32::MIN + 40, i32::MAX] {
            let period = BillingPeriod::from_days_since_epoch(days);
            assert_eq!(
                BillingPeriod::from_days_since_epoch(period.days_since_epoch()),
                period
            );
        }
    }

    #[test]
    fn every_day_of_a_thousand_years_falls_into_the_month_a_calendar_walk_says() {
        let mut month = period("1600-01");
        let mut days = month.days_since_epoch();
        while month < period("2600-01") {
            let (year, leap_rule) = (month.year(), |y: i32| {
                (y % 4 == 0 && y % 100 != 0) || y % 400 == 0
            });
            let length = match month.month() {
                2 if leap_rule(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            assert_eq!(month.days_since_epoch(), days);
            for day in days..days + length {
                assert_eq!(BillingPeriod::from_days_since_epoch(day), month);
            }
            days += length;
            month = month.next();
        }
    }

    proptest! {
        #[test]
        fn a_date_lies_in_its_month(days in any::<i32>()) {
            let period = BillingPeriod::from_days_since_epoch(days);
            prop_assert!(period.days_since_epoch() <= days);
            prop_assert!(days <= period.next().days_since_epoch().saturating_sub(1)
                || period.next().days_since_epoch() == i32::MAX);
        }

        #[test]
        fn text_round_trips(year in 1..=9999, month in 1u32..=12) {
            let period = BillingPeriod::new(year, month).unwrap();
            prop_assert_eq!(BillingPeriod::parse(&period.to_string()), Ok(period));
            prop_assert_eq!(BillingPeriod::from_days_since_epoch(period.days_since_epoch()), period);
            prop_assert!(period < period.next());
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = BillingPeriod::parse(&text);
            let _ = BillingPeriod::parse_compact(&text);
        }
    }
}
