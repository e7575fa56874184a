//! One key: what its folders say about it.

use crate::BillingPeriod;
use crate::manifest::{is_csv, is_parquet};

/// Folder of AWS's one-row status table; its Parquet file is never a bill
/// (AWS CUR user guide, "Running Amazon Athena queries").
const STATUS_FOLDER: &str = "cost_and_usage_data_status";

/// The two ways AWS delivers bills. Both may use one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Legacy,
    DataExport,
}

/// What an object is to its export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The manifest that is overwritten with every delivery and points at the newest.
    Manifest,
    /// The manifest kept beside one delivery.
    ManifestCopy,
    Parquet,
    Csv,
}

/// Where an object stands.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder that holds the month folders; for Data Exports the one above `data`.
    pub(super) base: String,
    /// Whether the months are `year=/month=` folders.
    pub(super) partitioned: bool,
    pub(super) family: Family,
    pub(super) period: BillingPeriod,
    pub(super) role: Role,
}

impl Place {
    /// `None` for objects that belong to no export.
    pub(super) fn of(key: &str) -> Option<Self> {
        let (folder, file) = key.rsplit_once('/')?;
        if folder
            .split('/')
            .any(|segment| matches!(segment, STATUS_FOLDER | "." | ".."))
        {
            return None;
        }
        partitioned(folder, file)
            .or_else(|| dated(folder, file))
            .or_else(|| data_export(folder, file))
    }
}

/// `<base>/year=2018/month=11/<file>`; AWS does not pad the month, other writers do.
fn partitioned(folder: &str, file: &str) -> Option<Place> {
    let (rest, month) = last(folder);
    let (base, year) = last(rest);
    let year = number(year.strip_prefix("year=")?)?;
    let month = number(month.strip_prefix("month=")?)?;
    let role = match role(file)? {
        Role::Csv => return None,
        role => role,
    };
    Some(Place {
        base: base.to_owned(),
        partitioned: true,
        family: Family::Legacy,
        period: BillingPeriod::new(i32::try_from(year).ok()?, month).ok()?,
        role,
    })
}

/// `<base>/20181101-20181201/[<assembly>/]<file>`.
fn dated(folder: &str, file: &str) -> Option<Place> {
    let (base, period, nested) = month_folder(folder, |name| {
        // The end is not looked at beyond being a date: AWS means the first of the next month
        // by it, but its own guide shows the last of this one.
        let (start, end) = name.split_once('-')?;
        BillingPeriod::parse_compact(end)?;
        BillingPeriod::parse_compact(start)
    })?;
    let role = nest(role(file)?, nested);
    Some(Place {
        base: base.to_owned(),
        partitioned: false,
        family: Family::Legacy,
        period,
        role,
    })
}

/// `<base>/data|metadata/BILLING_PERIOD=2018-11/[<delivery>/]<file>`. CUR 2.0 writes the
/// partition key in capitals, FOCUS exports in small letters.
fn data_export(folder: &str, file: &str) -> Option<Place> {
    let (rest, period, nested) = month_folder(folder, |name| {
        let (key, value) = name.split_once('=')?;
        let known = key.eq_ignore_ascii_case("billing_period");
        known.then(|| BillingPeriod::parse(value).ok()).flatten()
    })?;
    let (base, branch) = last(rest);
    let role = match branch {
        "data" => role(file).filter(|role| *role != Role::Manifest)?,
        "metadata" if file.ends_with("Manifest.json") => nest(Role::Manifest, nested),
        _ => return None,
    };
    let base = base.to_owned();
    Some(Place {
        base,
        partitioned: false,
        family: Family::DataExport,
        period,
        role,
    })
}

/// The month folder that is the last of `folder` or the last but one: what is above it, the
/// month, and whether a delivery's own folder stands between.
fn month_folder(
    folder: &str,
    month: impl Fn(&str) -> Option<BillingPeriod>,
) -> Option<(&str, BillingPeriod, bool)> {
    let (above, name) = last(folder);
    if let Some(period) = month(name) {
        return Some((above, period, false));
    }
    let (above, name) = last(above);
    month(name).map(|period| (above, period, true))
}

/// `-Manifest.json` with its dash: `-RedshiftManifest.json` and `-QuickSightManifest.json`
/// are written for other programs and do not list the month.
fn role(file: &str) -> Option<Role> {
    if file.ends_with("-Manifest.json") {
        Some(Role::Manifest)
    } else if is_parquet(file) {
        Some(Role::Parquet)
    } else if is_csv(file) {
        Some(Role::Csv)
    } else {
        None
    }
}

fn nest(role: Role, nested: bool) -> Role {
    if nested && role == Role::Manifest {
        Role::ManifestCopy
    } else {
        role
    }
}

/// The last folder of a path, and what is above it.
fn last(folder: &str) -> (&str, &str) {
    folder.rsplit_once('/').unwrap_or(("", folder))
}

/// The folder an object lies in.
pub(super) fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The report that a file name suggests: `R` of `…/R-00001.snappy.parquet`.
pub(super) fn report_in(key: &str) -> &str {
    let (_, file) = last(key);
    file.rsplit_once('-')
        .or_else(|| file.split_once('.'))
        .map_or(file, |(report, _)| report)
}

/// A number of one to four digits.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
