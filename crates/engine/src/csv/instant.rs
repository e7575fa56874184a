//! Instants and days as billing exports write them.

use crate::compute::calendar::{self, DAY, HOUR, MINUTE, SECOND};

/// Microseconds from 1970-01-01 UTC, or `None` for anything that is no instant.
///
/// A day, then perhaps a time: `T` or a space, hours and minutes, perhaps seconds with up to nine
/// digits after the point (those beyond microseconds are dropped), perhaps `Z`, `UTC` or an offset.
/// Without one the time is in UTC. The day is `2018-10-01`, or Azure's `10/01/2018`, whose month
/// comes first, whatever the locale.
pub(super) fn instant(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let days = rest.day()?;
    let time = match rest.0.is_empty() {
        true => 0,
        false => rest.time()?,
    };
    rest.0.is_empty().then(|| days * DAY + time)
}

/// Days from 1970-01-01, or `None` for anything that is no day or is within one.
pub(super) fn day(text: &str) -> Option<i32> {
    let instant = instant(text)?;
    let days = i32::try_from(instant.div_euclid(DAY)).ok()?;
    (instant.rem_euclid(DAY) == 0).then_some(days)
}

/// The part of a text that was not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn day(&mut self) -> Option<i64> {
        let (year, month, day);
        match self.0.get(2) {
            Some(b'/') => {
                month = self.number(2)?;
                self.expect(b"/")?;
                day = self.number(2)?;
                self.expect(b"/")?;
                year = self.number(4)?;
            }
            _ => {
                year = self.number(4)?;
                self.expect(b"-")?;
                month = self.number(2)?;
                self.expect(b"-")?;
                day = self.number(2)?;
            }
        }
        calendar::days(year, month, day)
    }

    /// Microseconds since midnight UTC.
    fn time(&mut self) -> Option<i64> {
        self.one_of(b"Tt ")?;
        let hours = self.below(24)?;
        self.expect(b":")?;
        let minutes = self.below(60)?;
        let seconds = match self.expect(b":") {
            Some(()) => self.below(60)? * SECOND + self.fraction()?,
            None => 0,
        };
        Some(hours * HOUR + minutes * MINUTE + seconds - self.offset()?)
    }

    /// Microseconds after the point, if there is one.
    fn fraction(&mut self) -> Option<i64> {
        if self.expect(b".").is_none() {
            return Some(0);
        }
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        let nanoseconds = self.number(digits)? * 10_i64.pow(9 - digits as u32);
        Some(nanoseconds / 1_000)
    }

    /// Microseconds east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        let utc = [&b"Z"[..], b"z", b" UTC", b"UTC"];
        if self.0.is_empty() || utc.into_iter().any(|zone| self.expect(zone).is_some()) {
            return Some(0);
        }
        let sign = match self.one_of(b"+-")? {
            b'+' => 1,
            _ => -1,
        };
        let hours = self.below(24)?;
        let minutes = match self.0.is_empty() {
            true => 0,
            false => {
                let _ = self.expect(b":");
                self.below(60)?
            }
        };
        Some(sign * (hours * HOUR + minutes * MINUTE))
    }

    fn below(&mut self, limit: i64) -> Option<i64> {
        self.number(2).filter(|number| *number < limit)
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |value, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit < 10).then(|| value * 10 + i64::from(digit))
        })
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        bytes.contains(first).then_some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_all_providers_are_one_instant() {
        let hour = 1_604_962_800 * SECOND;
        for text in [
            "2020-11-09T23:00:00Z",
            "2020-11-09T23:00:00.000Z",
            "2020-11-09T23:00Z",
            "2020-11-09 23:00:00",
            "2020-11-09 23:00:00 UTC",
            "2020-11-09 23:00:00.000000 UTC",
            "2020-11-09 23:00:00+00:00",
            "2020-11-10 00:00:00.000000000+01",
            "2020-11-09 15:30:00-0730",
            "2020-11-09t23:00:00z",
            "11/09/2020 23:00",
        ] {
            assert_eq!(instant(text), Some(hour), "{text}");
        }
        assert_eq!(instant("2020-11-09T23:00:00.0000019Z"), Some(hour + 1));
        assert_eq!(instant("1970-01-01"), Some(0));
        assert_eq!(
            instant("0001-01-01T00:00:00Z"),
            Some(-62_135_596_800 * SECOND)
        );
        assert_eq!(
            instant("9999-12-31T23:59:59Z"),
            Some(253_402_300_799 * SECOND)
        );
    }

    #[test]
    fn azures_days_have_the_month_first_and_never_the_day() {
        assert_eq!(day("09/01/2023"), day("2023-09-01"));
        assert_eq!(day("2023-09-01"), Some(19_601));
        assert_eq!(day("2023-09-01 00:00:00"), Some(19_601));
        for text in ["13/01/2023", "9/1/2023", "09/01/23", "2023-09-01T01:00:00Z"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            " 2020-11-09",
            "2020-11-09 ",
            "2020-11-09T",
            "2020-11-09T23",
            "2020-11-09T24:00:00Z",
            "2020-11-09T23:60:00Z",
            "2020-11-09T23:00:60Z",
            "2020-11-09T23:00:00.Z",
            "2020-11-09T23:00:00.1234567890Z",
            "2020-11-09T23:00:00 CET",
            "2020-11-09T23:00:00+1",
            "2020-11-09T23:00:00ZZ",
            "2020-02-30",
            "2021-02-29",
            "2020-13-01",
            "2020-00-01",
            "2020-01-00",
            "0000-01-01",
            "20201109",
            "+020-11-09",
            "２０２０-11-09",
            "infinity",
            "NULL",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
        assert_eq!(day("2020-02-29"), Some(18_321));
    }
}
