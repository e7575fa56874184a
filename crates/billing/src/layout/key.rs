//! One key: what its folders say about it.

use super::month;
use crate::file_kind::Compression;
use crate::{BillingPeriod, FileKind};

/// Folder of AWS's one-row status table; its Parquet file is never a bill
/// (AWS CUR user guide, "Running Amazon Athena queries").
const STATUS_FOLDER: &str = "cost_and_usage_data_status";

/// The ways bills are delivered. Where two claim one folder, the first has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Legacy,
    DataExport,
    Azure,
    Months,
}

/// What an object is to its export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A manifest that points at a whole delivery; of several the newest counts.
    Manifest,
    /// AWS's manifest kept beside one delivery, which does not point at the newest.
    ManifestCopy,
    Data(FileKind),
}

/// Where an object stands.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder that holds the month folders; for Data Exports the one above `data`.
    pub(super) base: String,
    /// Whether the months are `year=/month=` folders.
    pub(super) partitioned: bool,
    /// `None` for files in a range's folder that AWS and Azure could both have written: it is then
    /// the family of the files around them.
    pub(super) family: Option<Family>,
    /// Whether the file's own name is one that only this family's writer gives.
    pub(super) is_signed: bool,
    pub(super) period: BillingPeriod,
    pub(super) role: Role,
}

impl Place {
    /// `None` for objects that belong to no export.
    pub(super) fn of(key: &str) -> Option<Self> {
        let (folder, file) = last(key);
        if is_never_a_bill(folder) || file.starts_with('.') {
            return None;
        }
        partitioned(folder, file)
            .or_else(|| dated(folder, file))
            .or_else(|| data_export(folder, file))
            .or_else(|| in_month(folder, file))
            .or_else(|| in_named_file(folder, file))
    }
}

/// Whether an object that belongs to no export is worth naming: it holds a table, and nobody knows
/// whose.
pub(super) fn is_strange(key: &str) -> bool {
    let (folder, file) = last(key);
    !is_never_a_bill(folder) && !file.starts_with('.') && table(file).is_some()
}

fn is_never_a_bill(folder: &str) -> bool {
    folder
        .split('/')
        .any(|segment| matches!(segment, STATUS_FOLDER | "." | ".."))
}

/// `<base>/year=2018/month=11/<file>` of AWS's Athena integration. The same folders with CSV are
/// somebody else's.
fn partitioned(folder: &str, file: &str) -> Option<Place> {
    let (rest, month) = last(folder);
    let (base, year) = last(rest);
    let period = month::of_two_folders(year, month).filter(|_| year.starts_with("year="))?;
    let role = role(file)?;
    match role {
        Role::Data(FileKind::Csv { .. }) => None,
        role => Some(Place {
            base: base.to_owned(),
            partitioned: true,
            family: Some(Family::Legacy),
            is_signed: is_aws_chunk(file) || role == Role::Manifest,
            period,
            role,
        }),
    }
}

/// `<base>/20181101-20181201/[<assembly>/]<file>` of AWS, or
/// `<base>/20181101-20181130/[<time>/][<run>/]<file>` of Azure.
fn dated(folder: &str, file: &str) -> Option<Place> {
    let (base, period, below) = folder_of(folder, 2, month::of_range)?;
    let depth = below.len();
    let (family, role) = match role(file) {
        Some(Role::Manifest) if depth == 0 => (Some(Family::Legacy), Role::Manifest),
        Some(Role::Manifest) => (Some(Family::Legacy), Role::ManifestCopy),
        None if file.eq_ignore_ascii_case("manifest.json") => (Some(Family::Azure), Role::Manifest),
        Some(data) if is_azure_chunk(file) => (Some(Family::Azure), data),
        Some(data) if is_aws_chunk(file) => (Some(Family::Legacy), data),
        Some(data) => (None, data),
        None => return None,
    };
    let fits = match depth {
        0 | 1 => true,
        // Azure's time of day stands above the run.
        _ => family != Some(Family::Legacy) && is_number(below[0]),
    };
    fits.then(|| Place {
        base: base.to_owned(),
        partitioned: false,
        family,
        is_signed: family.is_some(),
        period,
        role,
    })
}

/// `<base>/data|metadata/BILLING_PERIOD=2018-11/[<delivery>/]<file>`. CUR 2.0 writes the
/// partition key in capitals, FOCUS exports in small letters.
fn data_export(folder: &str, file: &str) -> Option<Place> {
    let (rest, period, below) = folder_of(folder, 1, |name| {
        let (key, value) = name.split_once('=')?;
        let known = key.eq_ignore_ascii_case("billing_period");
        known.then(|| BillingPeriod::parse(value).ok()).flatten()
    })?;
    let (base, branch) = last(rest);
    let role = match branch {
        "data" => role(file).filter(|role| matches!(role, Role::Data(_)))?,
        "metadata" if !file.ends_with("Manifest.json") => return None,
        "metadata" if below.is_empty() => Role::Manifest,
        "metadata" => Role::ManifestCopy,
        _ => return None,
    };
    Some(Place {
        base: base.to_owned(),
        partitioned: false,
        family: Some(Family::DataExport),
        is_signed: false,
        period,
        role,
    })
}

/// `<base>/2025-11/<file>` and the like, as people and BigQuery's `EXPORT DATA` lay files out.
fn in_month(folder: &str, file: &str) -> Option<Place> {
    let kind = table(file)?;
    let (above, name) = last(folder);
    let (base, period) = match month::of_folder(name) {
        Some(period) => (above, period),
        None => {
            let (base, year) = last(above);
            (base, month::of_two_folders(year, name)?)
        }
    };
    Some(plain(base, period, kind))
}

/// `<base>/202011_export.csv`, or one folder deeper where each run has a folder of its own.
fn in_named_file(folder: &str, file: &str) -> Option<Place> {
    let kind = table(file)?;
    let period = month::of_file(file)?;
    let (above, name) = last(folder);
    let base = if is_guid(name) { above } else { folder };
    Some(plain(base, period, kind))
}

fn plain(base: &str, period: BillingPeriod, kind: FileKind) -> Place {
    Place {
        base: base.to_owned(),
        partitioned: false,
        family: Some(Family::Months),
        is_signed: false,
        period,
        role: Role::Data(kind),
    }
}

/// The month folder that is the last of `folder` or up to `deep` above it: what is above it, the
/// month, and the folders below it.
fn folder_of(
    folder: &str,
    deep: usize,
    month: impl Fn(&str) -> Option<BillingPeriod>,
) -> Option<(&str, BillingPeriod, Vec<&str>)> {
    let (mut above, mut name) = last(folder);
    let mut below = Vec::new();
    loop {
        if let Some(period) = month(name) {
            below.reverse();
            return Some((above, period, below));
        }
        if below.len() == deep {
            return None;
        }
        below.push(name);
        (above, name) = last(above);
    }
}

/// `-Manifest.json` with its dash: `-RedshiftManifest.json` and `-QuickSightManifest.json`
/// are written for other programs and do not list the month.
fn role(file: &str) -> Option<Role> {
    if file.ends_with("-Manifest.json") {
        Some(Role::Manifest)
    } else {
        FileKind::of(file).map(Role::Data)
    }
}

/// A table by its name alone. A zip may hold anything; only AWS puts bills into a plain one.
fn table(file: &str) -> Option<FileKind> {
    let kind = FileKind::of(file)?;
    let zip = FileKind::Csv {
        compression: Compression::Zip,
    };
    let is_csv_zip = file.to_ascii_lowercase().ends_with(".csv.zip");
    (kind != zip || is_csv_zip).then_some(kind)
}

/// `R-1.csv.gz`, `R-00001.snappy.parquet`.
fn is_aws_chunk(file: &str) -> bool {
    let number = file.rsplit_once('-').map_or("", |(_, end)| stem(end));
    is_number(number)
}

/// `part_1_0001.csv.gz`, `000001.csv` and the older `costs_a243c6f2-199f-4074-9a2c-40e671cf1584.csv`.
fn is_azure_chunk(file: &str) -> bool {
    let stem = stem(file);
    let part = stem.strip_prefix("part_").unwrap_or_default();
    is_number(stem) || is_number(&part.replacen('_', "", 1)) || guid_of(file).is_some()
}

/// The run that an Azure file's name tells.
pub(super) fn guid_of(file: &str) -> Option<&str> {
    let (_, guid) = stem(file).rsplit_once('_')?;
    is_guid(guid).then_some(guid)
}

fn is_guid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let fits = |length: usize| {
        let part = parts.next()?;
        (part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())).then_some(())
    };
    groups.into_iter().map(fits).all(|fit| fit.is_some()) && text.len() == 36
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn stem(file: &str) -> &str {
    file.split_once('.').map_or(file, |(stem, _)| stem)
}

/// What is above the last part of a path, and that part.
fn last(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a path is below a folder; all is below `""`.
pub(crate) fn lies_in(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder);
    folder.is_empty() || below.is_some_and(|below| below.starts_with('/'))
}

/// The folder an object lies in.
pub(super) fn folder(key: &str) -> &str {
    last(key).0
}

/// An object's name in its folder.
pub(super) fn file(key: &str) -> &str {
    last(key).1
}

/// The report that a file name suggests: `R` of `…/R-00001.snappy.parquet`.
pub(super) fn report_in(key: &str) -> &str {
    let file = file(key);
    file.rsplit_once('-')
        .or_else(|| file.split_once('.'))
        .map_or(file, |(report, _)| report)
}
