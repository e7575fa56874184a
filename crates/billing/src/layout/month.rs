//! Months, as folders and files name them.

use crate::BillingPeriod;

/// Years that a bare number is believed to be. `205012` may be a month, `123456` is none.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2099;

/// `20181101-20181201` of AWS, which ends with the next month's first day, or `20181101-20181130`
/// of Azure, which ends with the month's last. Any other range is no month: Azure also exports
/// weeks and quarters.
pub(super) fn of_range(name: &str) -> Option<BillingPeriod> {
    let (start, end) = name.split_once('-')?;
    let period = BillingPeriod::parse_compact(start).filter(|_| start.ends_with("01"))?;
    let last = BillingPeriod::parse_compact(end)?;
    let end_day = end.get(6..)?;
    let inclusive = last == period && end_day == format!("{:02}", period.days());
    let exclusive = last == period.next() && end_day == "01";
    (inclusive || exclusive).then_some(period)
}

/// `2025-11` or `202511`, alone or as the value of a partition key that speaks of months, such as
/// `billing_period=2025-11-01` or `invoice_month=202511`.
///
/// A bare day is no month: a folder a day may hold that day, or the month up to it.
pub(super) fn of_folder(name: &str) -> Option<BillingPeriod> {
    let Some((key, value)) = name.split_once('=') else {
        return bare(name);
    };
    let key = key.to_ascii_lowercase();
    if !key.contains("month") && !key.contains("period") {
        return None;
    }
    let first_day = value.strip_suffix("-01").and_then(bare);
    bare(value).or(first_day)
}

/// `year=2018/month=11`, whose month AWS does not pad, or `2018/11`.
pub(super) fn of_two_folders(year: &str, month: &str) -> Option<BillingPeriod> {
    match (year.split_once('='), month.split_once('=')) {
        (Some(("year", year)), Some(("month", month))) => {
            let year = i32::try_from(number(year)?).ok()?;
            BillingPeriod::new(year, number(month)?).ok()
        }
        (None, None) if month.len() == 2 => of_numbers(year, month),
        _ => None,
    }
}

/// The one month that a file's name tells: `202011_export.csv`, `focus-2025-11.parquet`.
///
/// Days are no months, and a name with two months tells none.
pub(super) fn of_file(file: &str) -> Option<BillingPeriod> {
    let mut found = None;
    for (at, _) in file.char_indices() {
        let starts = file[..at].ends_with(|c: char| c.is_alphanumeric());
        let period = match starts {
            true => None,
            false => at_start(&file[at..]),
        };
        match (found, period) {
            (Some(known), Some(period)) if known != period => return None,
            (None, Some(_)) => found = period,
            _ => {}
        }
    }
    found
}

/// A month at the start of a text, that what follows does not make a day or a longer number.
fn at_start(text: &str) -> Option<BillingPeriod> {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    let compact = text.get(..6).filter(|_| ends(&text[6..]));
    if let Some(period) = compact.and_then(bare) {
        return Some(period);
    }
    let separator = text.get(4..5).filter(|s| matches!(*s, "-" | "_"))?;
    let rest = text.get(7..).filter(|rest| ends(rest))?;
    let day = rest.strip_prefix(separator);
    if day.is_some_and(|day| day.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    of_numbers(text.get(..4)?, text.get(5..7)?)
}

fn bare(text: &str) -> Option<BillingPeriod> {
    match text.len() {
        6 => of_numbers(text.get(..4)?, text.get(4..)?),
        7 => {
            let (year, month) = text.split_once('-')?;
            of_numbers(year, month)
        }
        _ => None,
    }
}

fn of_numbers(year: &str, month: &str) -> Option<BillingPeriod> {
    if year.len() != 4 || month.len() != 2 {
        return None;
    }
    let year = i32::try_from(number(year)?).ok()?;
    let period = BillingPeriod::new(year, number(month)?).ok()?;
    YEARS.contains(&year).then_some(period)
}

/// A number of one to four digits.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn months(tell: impl Fn(&str) -> Option<BillingPeriod>, cases: &[(&str, &str)]) {
        for (name, month) in cases {
            let told = tell(name).map(|period| period.to_string());
            assert_eq!(told.as_deref().unwrap_or(""), *month, "{name}");
        }
    }

    #[test]
    fn only_ranges_of_one_whole_month_are_months() {
        months(
            of_range,
            &[
                ("20181101-20181201", "2018-11"),
                ("20181101-20181130", "2018-11"),
                ("20240201-20240229", "2024-02"),
                ("20231201-20240101", "2023-12"),
                ("20240201-20240228", ""),
                ("20240108-20240114", ""),
                ("20240101-20240331", ""),
                ("20240101-20240401", ""),
                ("20240102-20240131", ""),
                ("20240131-20240101", ""),
                ("20240101-20240202", ""),
                ("20241301-20241401", ""),
                ("20240101", ""),
                ("-", ""),
                ("2024é101-20240131", ""),
            ],
        );
    }

    #[test]
    fn folders_name_months_in_the_ways_people_write_them() {
        months(
            of_folder,
            &[
                ("2025-11", "2025-11"),
                ("202511", "2025-11"),
                ("billing_period=2025-11", "2025-11"),
                ("BILLING_PERIOD=2025-11", "2025-11"),
                ("billing_period=2025-11-01", "2025-11"),
                ("invoice_month=202511", "2025-11"),
                ("2025-11-03", ""),
                ("billing_period=2025-11-03", ""),
                ("date=2025-11", ""),
                ("2025-13", ""),
                ("123456", ""),
                ("2025-1", ""),
                ("", ""),
                ("=", ""),
                ("month=11", ""),
            ],
        );
        let two = |name: &str| {
            let (year, month) = name.split_once('/')?;
            of_two_folders(year, month)
        };
        months(
            two,
            &[
                ("year=2018/month=1", "2018-01"),
                ("year=2018/month=01", "2018-01"),
                ("2018/01", "2018-01"),
                ("2018/1", ""),
                ("year=2018/month=13", ""),
                ("year=+018/month=1", ""),
                ("year=2018/day=1", ""),
                ("year=2018/11", ""),
                ("11/03", ""),
            ],
        );
    }

    #[test]
    fn a_file_tells_its_month_where_it_names_one_and_no_other() {
        months(
            of_file,
            &[
                ("202011_export_flattened.csv", "2020-11"),
                ("focus-2025-11.parquet", "2025-11"),
                ("costs_2025_11.csv.gz", "2025-11"),
                ("2025-11-part1.csv", "2025-11"),
                (
                    "202511_bc356374-23fe-4730-8d90-84d5a418a18d_2025-11-01:2025-11-02.csv",
                    "2025-11",
                ),
                ("2025-11-03.csv", ""),
                ("202510_202511.csv", ""),
                ("2025-10_2025-11.csv", ""),
                ("20251101.csv", ""),
                ("x202511.csv", ""),
                ("2025-111.csv", ""),
                ("costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv", ""),
                ("a-2011-1234.csv", ""),
                ("é2025-11é.csv", ""),
                ("000001.csv", ""),
                ("", ""),
            ],
        );
    }

    proptest! {
        #[test]
        fn arbitrary_names_never_panic(name in ".{0,30}|[0-9é_=/-]{0,20}") {
            let _ = (of_range(&name), of_folder(&name), of_file(&name), of_two_folders(&name, &name));
        }

        #[test]
        fn every_month_is_found_again(year in 2000i32..=2099, month in 1u32..=12) {
            let period = BillingPeriod::new(year, month).unwrap();
            prop_assert_eq!(of_folder(&period.to_string()), Some(period));
            prop_assert_eq!(of_file(&format!("x_{year}{month:02}.csv")), Some(period));
            let last = period.days();
            let range = format!("{year}{month:02}01-{year}{month:02}{last:02}");
            prop_assert_eq!(of_range(&range), Some(period));
        }
    }
}
