//! Months and instants in UTC, as milliseconds since 1970 and as AWS spells them.

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    pub(super) year: i32,
    pub(super) month: u32,
}

impl Month {
    pub(super) fn new(year: i32, month: u32) -> Self {
        Month { year, month }
    }

    /// Months since year 0: makes months comparable and countable.
    pub(super) fn ordinal(self) -> i32 {
        self.year * 12 + self.month as i32 - 1
    }

    pub(super) fn plus(self, months: u32) -> Self {
        let n = self.ordinal() + months as i32;
        Month::new(n.div_euclid(12), n.rem_euclid(12) as u32 + 1)
    }

    /// The first instant.
    pub(super) fn start(self) -> i64 {
        days_from_civil(self.year, self.month, 1) * DAY
    }

    /// The first instant of the next month: AWS's ends are exclusive.
    pub(super) fn end(self) -> i64 {
        self.plus(1).start()
    }

    pub(super) fn days(self) -> usize {
        ((self.end() - self.start()) / DAY) as usize
    }

    /// `yyyymmdd` of the first day.
    pub(super) fn compact(self) -> String {
        format!("{:04}{:02}01", self.year, self.month)
    }

    /// `20250901-20251001`, the folder of this month's manifest.
    pub(super) fn folder(self) -> String {
        format!("{}-{}", self.compact(), self.plus(1).compact())
    }
}

/// Days since 1970-01-01 (Howard Hinnant's algorithm).
fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// `2025-09-01T00:00:00Z` for an instant inside `month` or at its end.
pub(super) fn iso(month: Month, at: i64) -> String {
    let month = if at >= month.end() {
        month.plus(1)
    } else {
        month
    };
    let seconds = (at - month.start()) / 1000;
    let (day, second) = (seconds / 86_400 + 1, seconds % 86_400);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{:04}-{:02}-{day:02}T{h:02}:{m:02}:{s:02}Z",
        month.year, month.month
    )
}

/// Year, month and day of a day since 1970 (Howard Hinnant's algorithm).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let doe = days.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + i64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// `2025-09-01T00:00:00Z` for any instant.
pub(super) fn instant(at: i64) -> String {
    let (year, month, day) = civil_from_days(at.div_euclid(DAY));
    let second = at.rem_euclid(DAY) / 1000;
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}
