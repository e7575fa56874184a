//! Manifests: which files make up one delivery of one month.
//!
//! - Legacy AWS reports list bucket-relative `reportKeys`, Data Exports absolute `dataFiles` URIs
//!   (AWS CUR user guide, "Report manifest files"; AWS Data Exports user guide, "Export delivery").
//! - Azure's exports list `blobs` by their names in the container (Cost Management, "Create and
//!   manage exports", manifest.json).
//!
//! What a manifest says is only believed within bounds: it may name files under the export's own
//! folder and nowhere else, whoever wrote it.

mod json;

use std::collections::HashSet;

use serde::Deserialize;

use crate::layout::lies_in;
use crate::{BillingPeriod, Error, FileKind};
use json::{Entry, List, Record, Text};

/// Files that one manifest may name. A month of AWS's largest customers has a few thousand.
const MAX_FILES: usize = 100_000;
/// Columns of an export that are looked at; Postgres's tables have at most 1,600.
pub const MAX_COLUMNS: usize = 10_000;

/// What a manifest may speak of.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The folder all files must lie in, without a trailing slash; `""` for the whole bucket.
    pub root: &'a str,
    /// The bucket all files must lie in; `None` where the store has no such name.
    pub bucket: Option<&'a str>,
    /// The month that the manifest's path tells.
    pub period: BillingPeriod,
}

/// One delivery of one month, as its manifest tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Identity of the delivery: `assemblyId`, `executionId` or `runInfo.runId`. Azure's older
    /// manifests have none; then it is the name of the folder they lie in. Never empty.
    pub id: String,
    /// The columns as the header of a CSV file has them, in the order of the files, if the manifest
    /// says.
    pub columns: Vec<String>,
    /// Keys of the data files relative to the bucket, in the manifest's order, each once.
    /// Empty for a month without data.
    pub files: Vec<String>,
    /// How files are to be read whose names do not tell.
    pub declared: Option<FileKind>,
    /// What Azure's `exportConfig.type` says: `ActualCost`, `AmortizedCost`, `FocusCost`, …
    pub dataset: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fields {
    assembly_id: Text,
    execution_id: Text,
    run_info: Record<RunInfo>,
    billing_period: Record<Period>,
    bucket: Text,
    columns: List<Record<Column>, MAX_COLUMNS>,
    report_keys: List<Entry, MAX_FILES>,
    data_files: List<Entry, MAX_FILES>,
    blobs: List<Entry, MAX_FILES>,
    content_type: Text,
    compression: Text,
    data_format: Text,
    delivery_config: Record<DeliveryConfig>,
    export_config: Record<ExportConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RunInfo {
    run_id: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Period {
    start: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Column {
    /// Only legacy AWS reports have it.
    category: Text,
    name: Text,
}

impl Column {
    /// `lineItem/UnblendedCost`, `BilledCost`.
    fn header(&self) -> Option<String> {
        let name = self.name.0.clone()?;
        Some(match &self.category.0 {
            Some(category) => format!("{category}/{name}"),
            None => name,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DeliveryConfig {
    file_format: Text,
    compression_mode: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExportConfig {
    r#type: Text,
}

impl Manifest {
    /// Reads a manifest's bytes. `key` names it in errors, and is its identity where it has none.
    ///
    /// # Errors
    /// [`Error::ManifestNotJson`], [`Error::ManifestWithoutId`], [`Error::ManifestWithoutFiles`],
    /// [`Error::ManifestTooLong`], [`Error::ManifestOfAnotherMonth`], and for a file that may not
    /// be opened [`Error::ManifestBadKey`], [`Error::ManifestOutside`],
    /// [`Error::ManifestOtherBucket`] or [`Error::ManifestTwoBuckets`].
    pub fn parse(key: &str, bytes: &[u8], bounds: Bounds<'_>) -> Result<Self, Error> {
        let fields = Fields::parse(key, bytes)?;
        fields.check_month(key, bounds.period)?;
        let id = fields.id(key)?;
        let declared = fields.declared_kind();
        let mut files = Files::new(key, bounds, declared, fields.bucket.0.clone());
        for entry in fields.entries(key)? {
            files.take(entry)?;
        }
        Ok(Self {
            id,
            files: files.keys,
            declared,
            columns: fields.columns(),
            dataset: fields.export_config.0.r#type.0,
        })
    }
}

impl Fields {
    fn parse(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        // Editors, PowerShell and Azure put a byte order mark before JSON.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let fields = serde_json::from_slice::<Record<Self>>(bytes);
        let Record(fields) = fields.map_err(|error| Error::ManifestNotJson {
            manifest: key.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(fields)
    }

    /// A manifest that lies in another month's folder was moved there: its costs would be counted
    /// in the wrong month. A start that cannot be read says nothing; the path does.
    fn check_month(&self, key: &str, expected: BillingPeriod) -> Result<(), Error> {
        // `20180501T000000.000Z` as AWS writes it, or an ISO date.
        let start = self.billing_period.0.start.as_str();
        let compact = start.get(..8).and_then(BillingPeriod::parse_compact);
        let iso = || BillingPeriod::parse(start.get(..10)?).ok();
        match compact.or_else(iso) {
            Some(found) if found != expected => Err(Error::ManifestOfAnotherMonth {
                manifest: key.to_owned(),
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }

    fn id(&self, key: &str) -> Result<String, Error> {
        let ids = [
            &self.assembly_id,
            &self.execution_id,
            &self.run_info.0.run_id,
        ];
        let written = ids.into_iter().find_map(|id| id.0.clone());
        written
            .or_else(|| self.run_folder(key).map(str::to_owned))
            .ok_or_else(|| Error::ManifestWithoutId {
                manifest: key.to_owned(),
            })
    }

    /// The folder of one run of an Azure export.
    fn run_folder<'k>(&self, key: &'k str) -> Option<&'k str> {
        self.blobs.items.as_ref()?;
        let (folder, _) = key.rsplit_once('/')?;
        folder.rsplit('/').find(|name| !name.is_empty())
    }

    /// Entries of every file list there is: were one of two lists read, the bill would be short.
    fn entries(&self, key: &str) -> Result<impl Iterator<Item = &Entry>, Error> {
        let lists = [&self.report_keys, &self.data_files, &self.blobs];
        if lists.iter().all(|list| list.items.is_none()) {
            return Err(Error::ManifestWithoutFiles {
                manifest: key.to_owned(),
            });
        }
        if lists.iter().any(|list| list.surplus > 0) {
            return Err(Error::ManifestTooLong {
                manifest: key.to_owned(),
                limit: MAX_FILES,
            });
        }
        Ok(lists.into_iter().flat_map(|list| &list.items).flatten())
    }

    fn columns(&self) -> Vec<String> {
        let columns = self.columns.items.iter().flatten();
        columns.filter_map(|Record(c)| c.header()).collect()
    }

    fn declared_kind(&self) -> Option<FileKind> {
        let delivery = &self.delivery_config.0;
        let content = [&self.content_type, &self.data_format, &delivery.file_format];
        let packing = [&self.compression, &delivery.compression_mode];
        FileKind::declared(first(&content), first(&packing))
    }
}

fn first<'a>(texts: &[&'a Text]) -> &'a str {
    let written = texts.iter().find_map(|text| text.0.as_deref());
    written.unwrap_or_default()
}

/// The files of a manifest while they are read: one bucket, one folder, each key once.
struct Files<'a> {
    manifest: &'a str,
    bounds: Bounds<'a>,
    declared: Option<FileKind>,
    bucket: Option<String>,
    keys: Vec<String>,
    seen: HashSet<String>,
}

impl<'a> Files<'a> {
    fn new(
        manifest: &'a str,
        bounds: Bounds<'a>,
        declared: Option<FileKind>,
        bucket: Option<String>,
    ) -> Self {
        Self {
            manifest,
            bounds,
            declared,
            bucket,
            keys: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        let written = match entry {
            Entry::Name(name) => name,
            Entry::Other(what) => return Err(self.bad(what, "is not a file name")),
        };
        let key = self.relative(written)?;
        if let Some(reason) = objection(key, self.bounds.root) {
            return Err(self.bad(written, reason));
        }
        if !lies_in(key, self.bounds.root) {
            return Err(Error::ManifestOutside {
                manifest: self.manifest.to_owned(),
                key: written.clone(),
                root: self.bounds.root.to_owned(),
            });
        }
        if FileKind::of(key).or(self.declared).is_none() {
            return Err(self.bad(written, "is neither Parquet nor CSV"));
        }
        // A file listed twice is still one file; reading it twice would double its costs.
        if self.seen.insert(key.to_owned()) {
            self.keys.push(key.to_owned());
        }
        Ok(())
    }

    /// The key without `s3://bucket/`, after checking that bucket.
    fn relative<'k>(&mut self, written: &'k str) -> Result<&'k str, Error> {
        let Some((scheme, rest)) = written.split_once("://") else {
            return Ok(self.rootless(written));
        };
        if !scheme.eq_ignore_ascii_case("s3") {
            return Err(self.bad(written, "is not an s3:// URI"));
        }
        match rest.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() => {
                self.enter(bucket, written)?;
                Ok(key)
            }
            _ => Err(self.bad(written, "is not an s3:// URI of a bucket and a key")),
        }
    }

    /// Reports without a prefix are written as `/report/…` by some tools, although their keys have
    /// no slash at the start. Whatever stands there must lie in the export's folder all the same.
    fn rootless<'k>(&self, written: &'k str) -> &'k str {
        match written.strip_prefix('/') {
            Some(key) if !self.bounds.root.starts_with('/') && !self.bounds.root.is_empty() => key,
            _ => written,
        }
    }

    fn enter(&mut self, bucket: &str, written: &str) -> Result<(), Error> {
        if let Some(ours) = self.bounds.bucket.filter(|ours| *ours != bucket) {
            return Err(Error::ManifestOtherBucket {
                manifest: self.manifest.to_owned(),
                key: written.to_owned(),
                bucket: ours.to_owned(),
            });
        }
        let first = self.bucket.get_or_insert_with(|| bucket.to_owned());
        if first == bucket {
            return Ok(());
        }
        Err(Error::ManifestTwoBuckets {
            manifest: self.manifest.to_owned(),
            first: first.clone(),
            second: bucket.to_owned(),
        })
    }

    fn bad(&self, key: &str, reason: &'static str) -> Error {
        Error::ManifestBadKey {
            manifest: self.manifest.to_owned(),
            key: key.to_owned(),
            reason,
        }
    }
}

/// Why a key may not be opened. On a file system `..` or a leading `/` would leave the export,
/// and a control character would forge lines in logs.
fn objection(key: &str, root: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("is empty")
    } else if key.starts_with('/') && !root.starts_with('/') {
        Some("is an absolute path")
    } else if key.split('/').any(|segment| matches!(segment, ".." | ".")) {
        Some("contains a relative path segment")
    } else if key.chars().any(char::is_control) {
        Some("contains a control character")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
