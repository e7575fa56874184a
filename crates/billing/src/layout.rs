//! Layouts: which exports stand under a listing.
//!
//! Three are known, each by its folders (AWS CUR user guide, "Athena integration" and "Report
//! versioning"; AWS Data Exports user guide, "Export delivery"):
//!
//! ```text
//! <root>/<report>/year=2018/month=11/<report>-00001.snappy.parquet    aws-cur-parquet
//! <root>/20181101-20181201/[<assembly>/]<report>-1.csv.gz              aws-cur-csv
//! <root>/data/BILLING_PERIOD=2018-11/[<delivery>/]<export>-00001.…     aws-data-export
//! ```
//!
//! Legacy manifests lie at `<root>/20181101-20181201/<report>-Manifest.json` or beside the
//! Parquet files, those of Data Exports under `<root>/metadata/`. AWS's status files, test
//! objects and helper scripts fit no pattern and are nobody's.

mod key;
mod prefix;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::{BillingPeriod, Object};
use key::{Family, Place, Role};
pub use prefix::{choose, listing_folder};

/// How an export is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Legacy Cost and Usage Report for Athena: Parquet in `year=/month=` folders.
    AwsCurParquet,
    /// Legacy Cost and Usage Report as CSV, either report versioning.
    AwsCurCsv,
    /// Data Exports: CUR 2.0, FOCUS and others.
    AwsDataExport,
}

impl Format {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwsCurParquet => "aws-cur-parquet",
            Self::AwsCurCsv => "aws-cur-csv",
            Self::AwsDataExport => "aws-data-export",
        }
    }

    /// Whether exports of this format can be read. The others are recognised to be named.
    pub fn is_readable(self) -> bool {
        matches!(self, Self::AwsCurParquet)
    }
}

/// One export found in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its folder, `<prefix>/<report>`, without a trailing slash.
    pub root: String,
    /// Its report or export name.
    pub report: String,
    /// Its layout. An export seen only by its manifests is taken for Parquet, since its
    /// manifests will tell.
    pub format: Format,
    /// Its months.
    pub months: BTreeMap<BillingPeriod, Month>,
}

impl Export {
    /// Data files listed. Versioned exports count every version they keep.
    pub fn files(&self) -> u64 {
        self.data().count() as u64
    }

    /// Size in bytes of the data files listed.
    pub fn bytes(&self) -> u64 {
        self.data()
            .fold(0, |sum, object| sum.saturating_add(object.size))
    }

    fn data(&self) -> impl Iterator<Item = &Object> {
        self.months.values().flat_map(|month| &month.data)
    }
}

/// One month of an export, as listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Month {
    /// The newest manifest that points at the current delivery. Where only manifests kept
    /// beside single deliveries are left, the newest of those.
    pub manifest: Option<Object>,
    /// Data files of the month, sorted by key. To be read only when there is no manifest; then
    /// a versioned export shows the newest delivery alone, for each delivery is the whole month.
    pub data: Vec<Object>,
}

/// What a listing holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The exports, sorted by root.
    pub exports: Vec<Export>,
    /// Number of objects that belong to no export.
    pub ignored: u64,
}

/// Sorts listed objects into exports. The order of the objects does not matter.
pub fn discover(objects: impl IntoIterator<Item = Object>) -> Discovery {
    let mut ignored = 0;
    let mut placed = Vec::new();
    for object in objects {
        match Place::of(&object.key) {
            Some(place) => placed.push((place, object)),
            None => ignored += 1,
        }
    }
    let roots = Roots::of(&placed);
    let mut drafts: BTreeMap<(String, Family), Draft> = BTreeMap::new();
    for (place, object) in placed {
        let root = roots.root(&place).to_owned();
        drafts
            .entry((root, place.family))
            .or_default()
            .take(&place, object);
    }
    let mut exports = Vec::with_capacity(drafts.len());
    for ((root, family), draft) in drafts {
        let (export, left_over) = draft.finish(root, family);
        ignored += left_over;
        exports.push(export);
    }
    Discovery { exports, ignored }
}

/// Decides whether `…/R/R/year=` is report `R` with the doubled name AWS gives it, or a copy
/// that happens to lie in two folders of one name.
struct Roots {
    /// Folders that hold `year=` folders.
    partitioned: BTreeSet<String>,
    /// Folders that hold `yyyymmdd-yyyymmdd` folders.
    dated: BTreeSet<String>,
}

impl Roots {
    fn of(placed: &[(Place, Object)]) -> Self {
        let (mut partitioned, mut dated) = (BTreeSet::new(), BTreeSet::new());
        for (place, _) in placed
            .iter()
            .filter(|(place, _)| place.family == Family::Legacy)
        {
            let set = if place.partitioned {
                &mut partitioned
            } else {
                &mut dated
            };
            if !set.contains(&place.base) {
                set.insert(place.base.clone());
            }
        }
        Self { partitioned, dated }
    }

    fn root<'a>(&self, place: &'a Place) -> &'a str {
        let base = place.base.as_str();
        let Some(outer) = undoubled(base).filter(|_| place.partitioned) else {
            return base;
        };
        // Data beside the doubled folder is another copy; merging the two would double costs.
        let outer_is_a_copy = self.partitioned.contains(outer);
        let manifests_stand_inside = self.dated.contains(base) && !self.dated.contains(outer);
        if outer_is_a_copy || manifests_stand_inside {
            base
        } else {
            outer
        }
    }
}

/// `a/R` of `a/R/R`.
fn undoubled(folder: &str) -> Option<&str> {
    let (outer, last) = folder.rsplit_once('/')?;
    let before = outer.rsplit_once('/').map_or(outer, |(_, name)| name);
    (before == last && !last.is_empty()).then_some(outer)
}

/// An export while objects are still coming in.
#[derive(Default)]
struct Draft {
    months: BTreeMap<BillingPeriod, DraftMonth>,
    /// The smallest report name that file names suggest, for roots that have no name.
    suggested: Option<String>,
    has_parquet: bool,
    has_csv: bool,
}

#[derive(Default)]
struct DraftMonth {
    pointer: Option<Object>,
    copy: Option<Object>,
    parquet: Vec<Object>,
    csv: Vec<Object>,
}

impl Draft {
    fn take(&mut self, place: &Place, object: Object) {
        self.suggest(key::report_in(&object.key));
        let versioned = place.role == Role::ManifestCopy;
        self.has_csv |= place.role == Role::Csv || versioned;
        self.has_parquet |= place.role == Role::Parquet || place.partitioned;
        let month = self.months.entry(place.period).or_default();
        match place.role {
            Role::Manifest => keep_newest(&mut month.pointer, object),
            Role::ManifestCopy => keep_newest(&mut month.copy, object),
            Role::Parquet => month.parquet.push(object),
            Role::Csv => month.csv.push(object),
        }
    }

    fn suggest(&mut self, report: &str) {
        if self.suggested.as_deref().is_none_or(|known| report < known) {
            self.suggested = Some(report.to_owned());
        }
    }

    /// The export, and the number of objects that turned out not to be part of it.
    fn finish(self, root: String, family: Family) -> (Export, u64) {
        let format = match family {
            Family::DataExport => Format::AwsDataExport,
            Family::Legacy if self.has_csv && !self.has_parquet => Format::AwsCurCsv,
            Family::Legacy => Format::AwsCurParquet,
        };
        let report = match root.rsplit('/').next() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => self.suggested.unwrap_or_default(),
        };
        let mut left_over = 0;
        let mut months = BTreeMap::new();
        for (period, draft) in self.months {
            let (month, surplus) = draft.finish(format);
            left_over += surplus;
            if month != Month::default() {
                months.insert(period, month);
            }
        }
        (
            Export {
                root,
                report,
                format,
                months,
            },
            left_over,
        )
    }
}

impl DraftMonth {
    fn finish(self, format: Format) -> (Month, u64) {
        let (mut data, surplus) = match format {
            Format::AwsCurParquet => (self.parquet, self.csv.len() as u64),
            Format::AwsCurCsv => (self.csv, 0),
            Format::AwsDataExport => (self.parquet.into_iter().chain(self.csv).collect(), 0),
        };
        // A listing that changes between its pages can show a key twice; the newer is true.
        data.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| age(b).cmp(&age(a))));
        data.dedup_by(|a, b| a.key == b.key);
        let manifest = self.pointer.or(self.copy);
        if manifest.is_none() && format != Format::AwsCurParquet {
            keep_newest_delivery(&mut data);
        }
        (Month { manifest, data }, surplus)
    }
}

/// Orders objects by time, and equal times in any way that does not depend on the listing.
fn age(object: &Object) -> (i64, &str, u64, Option<&str>) {
    (
        object.modified_ms,
        &object.key,
        object.size,
        object.etag.as_deref(),
    )
}

fn keep_newest(slot: &mut Option<Object>, object: Object) {
    if slot.as_ref().is_none_or(|known| age(known) < age(&object)) {
        *slot = Some(object);
    }
}

/// Every delivery repeats the whole month: without a manifest only the last may count.
fn keep_newest_delivery(data: &mut Vec<Object>) {
    let newest = data.iter().min_by_key(|object| Reverse(age(object)));
    if let Some(folder) = newest.map(|object| key::folder(&object.key).to_owned()) {
        data.retain(|object| key::folder(&object.key) == folder);
    }
}

#[cfg(test)]
mod tests;
