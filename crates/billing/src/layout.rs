//! Layouts: which exports stand under a listing.
//!
//! Five are known, each by its folders (AWS CUR user guide, "Athena integration" and "Report
//! versioning"; AWS Data Exports user guide, "Export delivery"; Azure Cost Management, "Create and
//! manage exports"; the last is how people lay out files themselves, and BigQuery's exports):
//!
//! ```text
//! <root>/<report>/year=2018/month=11/<report>-00001.snappy.parquet
//! <root>/20181101-20181201/[<assembly>/]<report>-1.csv.gz
//! <root>/data/BILLING_PERIOD=2018-11/[<delivery>/]<export>-00001.…
//! <root>/20181101-20181130/[[<time>/]<run>/]part_0_0001.csv
//! <root>/2018-11/<any name>.…        <root>/[<run>/]201811_<any name>.…
//! ```
//!
//! Legacy manifests lie at `<root>/20181101-20181201/<report>-Manifest.json` or beside the
//! Parquet files, those of Data Exports under `<root>/metadata/`, Azure's beside their files. AWS's
//! status files, test objects and helper scripts fit no pattern and are nobody's.

mod key;
mod month;
mod prefix;
mod stranger;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::format::says_amortized;
use crate::{BillingPeriod, FileKind, Format, Object};
pub(crate) use key::lies_in;
use key::{Family, Place, Role};
pub use prefix::{choose, listing_folder, wider_folder};
pub use stranger::Stranger;

/// How an export is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// AWS's legacy report for Athena, in `year=/month=` folders.
    AwsCurAthena,
    /// AWS's legacy report, either report versioning.
    AwsCur,
    /// AWS Data Exports.
    AwsDataExport,
    /// Azure's exports.
    Azure,
    /// Files whose path names a month.
    Months,
}

/// One export found in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its folder, `<prefix>/<report>`, without a trailing slash. No two exports have the same.
    pub root: String,
    /// Its report or export name.
    pub report: String,
    /// Its layout.
    pub layout: Layout,
    /// What it is, as far as it is known.
    pub format: Format,
    /// Whether the format is known for sure, or only suggested by the paths.
    pub certain: bool,
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

    /// Whether its tables have `year` and `month` as text, as Athena shows AWS's own folders.
    pub fn has_year_and_month(&self) -> bool {
        self.layout == Layout::AwsCurAthena && self.format == Format::AwsCurParquet
    }

    /// What its newest files are, by their names.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        let newest_first = self.months.values().rev().flat_map(|month| &month.data);
        newest_first.map(|file| FileKind::of(&file.key)).next()?
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
    /// Folders of tables that belong to no export, sorted by folder.
    pub strangers: Vec<Stranger>,
    /// Number of objects that belong to no export, those of [`Discovery::strangers`] included.
    pub ignored: u64,
}

/// Sorts listed objects into exports. The order of the objects does not matter.
pub fn discover(objects: impl IntoIterator<Item = Object>) -> Discovery {
    let mut outside = Vec::new();
    let mut placed = Vec::new();
    for object in objects {
        match Place::of(&object.key) {
            Some(place) => placed.push((place, object)),
            None => outside.push(object),
        }
    }
    let owners = Owners::of(&placed);
    let mut drafts: BTreeMap<(String, Family), Draft> = BTreeMap::new();
    for (place, object) in placed {
        let family = owners.family(&place);
        let root = owners.root(&place, family).to_owned();
        drafts
            .entry((root, family))
            .or_default()
            .take(&place, object);
    }
    let mut exports = Vec::with_capacity(drafts.len());
    let roots: BTreeSet<_> = drafts.keys().cloned().collect();
    for ((root, family), draft) in drafts {
        let Some(address) = owners.address(&root, family, &roots) else {
            outside.extend(draft.objects());
            continue;
        };
        let (export, left_over) = draft.finish(root, address, family);
        outside.extend(left_over);
        exports.push(export);
    }
    exports.sort_by(|a, b| a.root.cmp(&b.root));
    let ignored = outside.len() as u64;
    outside.retain(|object| key::is_strange(&object.key));
    Discovery {
        exports,
        strangers: stranger::folders(&outside),
        ignored,
    }
}

/// Who owns a folder that more than one reading of the keys would claim.
struct Owners {
    /// Folders that hold `year=` folders.
    partitioned: BTreeSet<String>,
    /// Folders that hold `yyyymmdd-yyyymmdd` folders of legacy reports.
    dated: BTreeSet<String>,
    /// Folders that hold such folders of Azure's exports.
    azure: BTreeSet<String>,
    /// Folders above `data`.
    data_exports: BTreeSet<String>,
}

impl Owners {
    fn of(placed: &[(Place, Object)]) -> Self {
        let mut owners = Self {
            partitioned: BTreeSet::new(),
            dated: BTreeSet::new(),
            azure: BTreeSet::new(),
            data_exports: BTreeSet::new(),
        };
        for (place, _) in placed {
            let set = match place.family {
                Some(Family::Legacy) if place.partitioned => &mut owners.partitioned,
                Some(Family::Legacy) => &mut owners.dated,
                Some(Family::Azure) => &mut owners.azure,
                Some(Family::DataExport) => &mut owners.data_exports,
                Some(Family::Months) | None => continue,
            };
            if !set.contains(&place.base) {
                set.insert(place.base.clone());
            }
        }
        owners
    }

    /// A file in a range's folder that says nothing itself belongs to what stands beside it.
    fn family(&self, place: &Place) -> Family {
        match place.family {
            Some(family) => family,
            None if self.dated.contains(&place.base) => Family::Legacy,
            None if self.azure.contains(&place.base) => Family::Azure,
            None => Family::Months,
        }
    }

    /// Decides whether `…/R/R/year=` is report `R` with the doubled name AWS gives it, or a copy
    /// that happens to lie in two folders of one name.
    fn root<'a>(&self, place: &'a Place, family: Family) -> &'a str {
        let base = place.base.as_str();
        let doubled = place.partitioned && family == Family::Legacy;
        let Some(outer) = undoubled(base).filter(|_| doubled) else {
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

    /// The root under which an export can be told from all others, or `None` where a folder is
    /// another's: what else lies there may be a copy of it, and would be counted twice.
    fn address(
        &self,
        root: &str,
        family: Family,
        roots: &BTreeSet<(String, Family)>,
    ) -> Option<String> {
        let providers = [Family::Legacy, Family::DataExport, Family::Azure];
        let is_taken = |root: &str, before: Family| {
            let mut others = providers.into_iter().filter(|other| *other < before);
            others.any(|other| roots.contains(&(root.to_owned(), other)))
        };
        if !is_taken(root, family) {
            let is_copy = family == Family::Months && self.is_a_providers(root);
            return (!is_copy).then(|| root.to_owned());
        }
        let data = join(root, DATA);
        let is_free = family == Family::DataExport && !is_taken(&data, Family::Months);
        is_free.then_some(data)
    }

    fn is_a_providers(&self, folder: &str) -> bool {
        let of_data_export = |branch| {
            let above = folder.strip_suffix(branch)?;
            let above = above.strip_suffix('/').or(above.is_empty().then_some(""))?;
            self.data_exports.contains(above).then_some(())
        };
        self.partitioned.contains(folder)
            || self.dated.contains(folder)
            || self.azure.contains(folder)
            || self.data_exports.contains(folder)
            || of_data_export(DATA).is_some()
            || of_data_export(METADATA).is_some()
    }
}

/// What is called the export of files that lie in the bucket itself.
const UNNAMED: &str = "bill";

/// Where Data Exports keep their data and their manifests.
const DATA: &str = "data";
const METADATA: &str = "metadata";

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
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
    /// The folder that its months lie in, where that is doubled.
    doubled: bool,
    partitioned: bool,
    is_signed: bool,
}

#[derive(Default)]
struct DraftMonth {
    pointer: Option<Object>,
    copy: Option<Object>,
    data: Vec<(FileKind, Object)>,
}

impl Draft {
    fn take(&mut self, place: &Place, object: Object) {
        self.suggest(key::report_in(&object.key));
        self.partitioned |= place.partitioned;
        self.doubled |= place.partitioned && undoubled(&place.base).is_some();
        self.is_signed |= place.is_signed;
        let month = self.months.entry(place.period).or_default();
        match place.role {
            Role::Manifest => keep_newest(&mut month.pointer, object),
            Role::ManifestCopy => keep_newest(&mut month.copy, object),
            Role::Data(kind) => month.data.push((kind, object)),
        }
    }

    fn suggest(&mut self, report: &str) {
        if self.suggested.as_deref().is_none_or(|known| report < known) {
            self.suggested = Some(report.to_owned());
        }
    }

    fn objects(self) -> impl Iterator<Item = Object> {
        let months = self.months.into_values();
        months.flat_map(|month| {
            let data = month.data.into_iter().map(|(_, object)| object);
            data.chain(month.pointer).chain(month.copy)
        })
    }

    /// The export, and the objects that turned out not to be part of it.
    fn finish(mut self, root: String, address: String, family: Family) -> (Export, Vec<Object>) {
        let mut left_over = match family {
            Family::Months => self.take_amortized_twins(),
            _ => Vec::new(),
        };
        let layout = match family {
            Family::Legacy if self.partitioned => Layout::AwsCurAthena,
            Family::Legacy => Layout::AwsCur,
            Family::DataExport => Layout::AwsDataExport,
            Family::Azure => Layout::Azure,
            Family::Months => Layout::Months,
        };
        let has_data = self.months.values().any(|month| !month.data.is_empty());
        let report = match root.rsplit('/').next() {
            Some(name) if !name.is_empty() => name.to_owned(),
            // Names of such files change with the month.
            _ if family == Family::Months => UNNAMED.to_owned(),
            _ => self.suggested.unwrap_or_default(),
        };
        let mut months = BTreeMap::new();
        for (period, draft) in self.months {
            let (month, surplus) = draft.finish(family);
            left_over.extend(surplus);
            if month != Month::default() {
                months.insert(period, month);
            }
        }
        let mut export = Export {
            root: address,
            format: Format::of_path(layout, &report, None),
            report,
            layout,
            // An export seen only by its manifests may be of any kind.
            certain: family == Family::Legacy && has_data && (self.is_signed || self.doubled),
            months,
        };
        export.format = Format::of_path(layout, &export.report, export.kind());
        (export, left_over)
    }

    /// Actual and amortized costs are the same charges told twice. Where files of both lie in one
    /// folder, the amortized ones are left alone.
    fn take_amortized_twins(&mut self) -> Vec<Object> {
        let is_amortized = |(_, object): &mut (FileKind, Object)| -> bool {
            says_amortized(key::file(&object.key))
        };
        let mut files = self.months.values_mut().flat_map(|month| &mut month.data);
        if files.all(&is_amortized) {
            return Vec::new();
        }
        let months = self.months.values_mut();
        let twins = months.flat_map(|month| month.data.extract_if(.., is_amortized));
        twins.map(|(_, object)| object).collect()
    }
}

impl DraftMonth {
    fn finish(mut self, family: Family) -> (Month, Vec<Object>) {
        let mut surplus = Vec::new();
        // A report that changed to Parquet wrote its open month twice.
        let has_parquet = self.data.iter().any(|(kind, _)| *kind == FileKind::Parquet);
        if family == Family::Legacy && has_parquet {
            let csv = self
                .data
                .extract_if(.., |(kind, _)| *kind != FileKind::Parquet);
            surplus.extend(csv.map(|(_, object)| object));
        }
        // A listing that changes between its pages can show a key twice; the newer is true.
        self.data
            .sort_by(|(_, a), (_, b)| a.key.cmp(&b.key).then_with(|| age(b).cmp(&age(a))));
        self.data.dedup_by(|(_, a), (_, b)| a.key == b.key);
        let manifest = self.pointer.or(self.copy);
        if manifest.is_none() && !(family == Family::Legacy && has_parquet) {
            keep_newest_delivery(&mut self.data);
        }
        let data = self.data.into_iter().map(|(_, object)| object).collect();
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

/// Every delivery repeats the whole month: without a manifest only the last may count. A delivery
/// has a folder of its own, or in Azure's older exports a file, and files of one kind.
fn keep_newest_delivery(data: &mut Vec<(FileKind, Object)>) {
    fn delivery((kind, object): &(FileKind, Object)) -> (&str, Option<&str>, bool) {
        let run = key::guid_of(key::file(&object.key));
        let is_parquet = *kind == FileKind::Parquet;
        (key::folder(&object.key), run, is_parquet)
    }
    let newest = data.iter().min_by_key(|(_, object)| Reverse(age(object)));
    let Some(newest) = newest.cloned() else {
        return;
    };
    data.retain(|file| delivery(file) == delivery(&newest));
}

#[cfg(test)]
mod tests;
