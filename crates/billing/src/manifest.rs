//! Manifests: which files make up one delivery of one month.
//!
//! Legacy reports list bucket-relative `reportKeys`; Data Exports list absolute `dataFiles` URIs
//! (AWS CUR user guide, "Report manifest files"; AWS Data Exports user guide, "Export delivery").

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::{BillingPeriod, Error};

/// One delivery of one month, as its manifest tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Identity of the delivery: `assemblyId`, else `executionId`. Never empty.
    pub id: String,
    /// The month billed, from `billingPeriod.start` (UTC). Data Exports do not say; the path does.
    pub period: Option<BillingPeriod>,
    /// The bucket the files lie in, if the manifest says.
    pub bucket: Option<String>,
    /// The columns in the order of the files.
    pub columns: Vec<ManifestColumn>,
    /// Keys of the data files relative to the bucket, in the manifest's order, each once.
    /// Empty for a month without data.
    pub files: Vec<String>,
    /// What the files contain.
    pub content: Content,
}

/// One column as a manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestColumn {
    /// The part of a CSV header before the slash, `lineItem`; Data Exports have none.
    pub category: Option<String>,
    /// The part after the slash, `UnblendedCost`, or the whole name.
    pub name: String,
    /// The provider's type name where given, `OptionalBigDecimal` or `double`.
    pub kind: Option<String>,
}

/// What kind of files a manifest lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Apache Parquet.
    Parquet,
    /// CSV, plain or compressed.
    Csv,
    /// Neither said nor visible from the file names, or both at once.
    Unknown,
}

/// The fields we know. Each is any JSON value: a surprise in a field that does not matter
/// must not stop a month, and third parties write manifests too.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fields {
    assembly_id: Value,
    execution_id: Value,
    billing_period: Value,
    bucket: Value,
    columns: Value,
    report_keys: Value,
    data_files: Value,
    content_type: Value,
    compression: Value,
}

impl Manifest {
    /// Reads a manifest's bytes; `key` only names it in errors.
    pub fn parse(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        let fields = Fields::parse(key, bytes)?;
        let mut files = Files::new(key, text(&fields.bucket));
        for entry in fields.entries(key)? {
            files.take(entry)?;
        }
        Ok(Self {
            id: fields.id(key)?,
            period: fields.period(),
            columns: fields.columns(),
            content: fields.content(&files.keys),
            bucket: files.bucket,
            files: files.keys,
        })
    }
}

impl Fields {
    fn parse(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        // Editors and PowerShell put a byte order mark before JSON they save.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        serde_json::from_slice(bytes).map_err(|error| Error::ManifestNotJson {
            manifest: key.to_owned(),
            reason: error.to_string(),
        })
    }

    fn id(&self, key: &str) -> Result<String, Error> {
        text(&self.assembly_id)
            .or_else(|| text(&self.execution_id))
            .ok_or_else(|| Error::ManifestWithoutId {
                manifest: key.to_owned(),
            })
    }

    /// Entries of every file list there is: were one of two lists read, the bill would be short.
    fn entries(&self, key: &str) -> Result<impl Iterator<Item = &Value>, Error> {
        let lists = [self.report_keys.as_array(), self.data_files.as_array()];
        if lists.iter().all(Option::is_none) {
            return Err(Error::ManifestWithoutFiles {
                manifest: key.to_owned(),
            });
        }
        Ok(lists.into_iter().flatten().flatten())
    }

    /// `20180501T000000.000Z` as AWS writes it, or an ISO date. An unreadable period is no
    /// period: the caller knows the month from the path.
    fn period(&self) -> Option<BillingPeriod> {
        let start = self.billing_period.get("start")?.as_str()?;
        let compact = start.get(..8).and_then(BillingPeriod::parse_compact);
        compact.or_else(|| BillingPeriod::parse(start.get(..10)?).ok())
    }

    fn columns(&self) -> Vec<ManifestColumn> {
        let columns = self
            .columns
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        columns.iter().filter_map(ManifestColumn::read).collect()
    }

    /// File names first: they are what will be opened. What the manifest declares counts
    /// only where there is no file to look at, or none with a telling name.
    fn content(&self, files: &[String]) -> Content {
        let parquet = files.iter().any(|file| is_parquet(file));
        let csv = files.iter().any(|file| is_csv(file));
        match (parquet, csv) {
            (true, true) => Content::Unknown,
            (true, false) => Content::Parquet,
            (false, true) => Content::Csv,
            (false, false) => self.declared_content(),
        }
    }

    fn declared_content(&self) -> Content {
        let declared = [&self.content_type, &self.compression]
            .map(|field| field.as_str().unwrap_or_default().to_ascii_lowercase());
        if declared.iter().any(|field| field.contains("parquet")) {
            Content::Parquet
        } else if declared.iter().any(|field| field.contains("csv")) {
            Content::Csv
        } else {
            Content::Unknown
        }
    }
}

impl ManifestColumn {
    fn read(column: &Value) -> Option<Self> {
        let field = |name| column.get(name).and_then(text);
        Some(Self {
            category: field("category"),
            name: field("name")?,
            kind: field("type"),
        })
    }
}

/// The files of a manifest while they are read: one bucket, each key once.
struct Files<'a> {
    manifest: &'a str,
    bucket: Option<String>,
    keys: Vec<String>,
    seen: HashSet<String>,
}

impl<'a> Files<'a> {
    fn new(manifest: &'a str, bucket: Option<String>) -> Self {
        Self {
            manifest,
            bucket,
            keys: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn take(&mut self, entry: &Value) -> Result<(), Error> {
        // Some tools write dataFiles as objects that carry the key among other things.
        let written = entry
            .as_str()
            .or_else(|| entry.get("key").and_then(Value::as_str));
        let Some(written) = written else {
            return Err(self.bad(&entry.to_string(), "is not a file name"));
        };
        let key = self.relative(written)?;
        if let Some(reason) = objection(key) {
            return Err(self.bad(written, reason));
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
            return Ok(written);
        };
        if !scheme.eq_ignore_ascii_case("s3") {
            return Err(self.bad(written, "is not an s3:// URI"));
        }
        match rest.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() => {
                self.enter(bucket)?;
                Ok(key)
            }
            _ => Err(self.bad(written, "is not an s3:// URI of a bucket and a key")),
        }
    }

    fn enter(&mut self, bucket: &str) -> Result<(), Error> {
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
fn objection(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("is empty")
    } else if key.starts_with('/') {
        Some("is an absolute path")
    } else if key
        .split('/')
        .any(|segment| segment == ".." || segment == ".")
    {
        Some("contains a relative path segment")
    } else if key.chars().any(char::is_control) {
        Some("contains a control character")
    } else {
        None
    }
}

/// A string that says something.
fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
}

/// Whether a file name says Parquet.
pub(crate) fn is_parquet(name: &str) -> bool {
    ends_with(name, ".parquet")
}

/// Whether a file name says CSV; AWS's zips hold one CSV each.
pub(crate) fn is_csv(name: &str) -> bool {
    [".csv", ".csv.gz", ".zip"]
        .iter()
        .any(|end| ends_with(name, end))
}

fn ends_with(name: &str, end: &str) -> bool {
    let tail = name
        .len()
        .checked_sub(end.len())
        .and_then(|start| name.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEGACY: &str = r#"{
        "assemblyId": "afe8b092-dc87-405a-a0b7-fc743e14adff", "account": "000000000000",
        "columns": [{"category": "identity", "name": "LineItemId"},
                    {"category": "lineItem", "name": "UnblendedCost", "type": "OptionalBigDecimal"},
                    {"nonsense": 1}],
        "charset": "UTF-8", "compression": "GZIP", "contentType": "text/csv",
        "billingPeriod": {"start": "20180501T000000.000Z", "end": "20180601T000000.000Z"},
        "bucket": "bills",
        "reportKeys": ["p//R/20180501-20180601/afe8b092/R-1.csv.gz"],
        "additionalArtifactKeys": [{"artifactType": "RedshiftManifest", "name": "x"}]}"#;

    const DATA_EXPORT: &str = r#"{
        "executionId": "9b6b32ef", "exportArn": "arn:aws:bcm-data-exports:us-east-1:0:export/E",
        "columns": [{"name": "AvailabilityZone", "type": "string"}],
        "dataFiles": ["s3://bills/p/E/data/billing_period=2026-05/2026-06-01T23:48:02.356Z-9b/E-00001.snappy.parquet"],
        "additionalOutputFiles": []}"#;

    fn parse(text: &str) -> Result<Manifest, Error> {
        Manifest::parse("p/R-Manifest.json", text.as_bytes())
    }

    fn with_files(files: &str) -> Result<Manifest, Error> {
        parse(&format!(r#"{{"assemblyId": "a", "reportKeys": {files}}}"#))
    }

    #[test]
    fn legacy_manifest_reads_whole() {
        let manifest = parse(LEGACY).unwrap();
        assert_eq!(manifest.id, "afe8b092-dc87-405a-a0b7-fc743e14adff");
        assert_eq!(manifest.period, BillingPeriod::new(2018, 5).ok());
        assert_eq!(manifest.bucket.as_deref(), Some("bills"));
        assert_eq!(
            manifest.files,
            ["p//R/20180501-20180601/afe8b092/R-1.csv.gz"]
        );
        assert_eq!(manifest.content, Content::Csv);
        assert_eq!(manifest.columns.len(), 2);
        assert_eq!(manifest.columns[1].category.as_deref(), Some("lineItem"));
        assert_eq!(
            manifest.columns[1].kind.as_deref(),
            Some("OptionalBigDecimal")
        );
    }

    #[test]
    fn data_export_uris_lose_their_bucket_and_nothing_else() {
        let manifest = parse(DATA_EXPORT).unwrap();
        assert_eq!(manifest.id, "9b6b32ef");
        assert_eq!(manifest.period, None);
        assert_eq!(manifest.bucket.as_deref(), Some("bills"));
        assert_eq!(
            manifest.files,
            ["p/E/data/billing_period=2026-05/2026-06-01T23:48:02.356Z-9b/E-00001.snappy.parquet"]
        );
        assert_eq!(manifest.content, Content::Parquet);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(parse(&format!("\u{feff}{LEGACY}")), parse(LEGACY));
    }

    #[test]
    fn a_month_without_data_is_a_month() {
        let manifest = with_files("[]").unwrap();
        assert_eq!(manifest.files, Vec::<String>::new());
        assert_eq!(manifest.content, Content::Unknown);
    }

    #[test]
    fn objects_with_a_key_are_files_and_repeated_files_count_once() {
        let files = r#"[{"key": "a/1.parquet", "size": 3}, "s3://b/a/1.parquet", "a/2.parquet"]"#;
        let manifest = with_files(files).unwrap();
        assert_eq!(manifest.files, ["a/1.parquet", "a/2.parquet"]);
        assert_eq!(manifest.bucket.as_deref(), Some("b"));
    }

    #[test]
    fn an_empty_legacy_list_does_not_hide_the_other_list() {
        let text = r#"{"executionId": "e", "reportKeys": [], "dataFiles": ["a/1.parquet"]}"#;
        assert_eq!(parse(text).unwrap().files, ["a/1.parquet"]);
    }

    #[test]
    fn keys_that_leave_the_export_are_refused_by_name() {
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a/..",
            "a/./b",
            "s3://b/../x",
            "s3://b//x",
            "s3://b/",
            "s3://b",
            "s3:///x",
            "file:///etc/passwd",
            "https://h/x",
            "a\\u0000b",
            "a\\nb",
        ] {
            let error = with_files(&format!(r#"["ok.parquet", "{bad}"]"#)).unwrap_err();
            assert!(
                matches!(error, Error::ManifestBadKey { .. }),
                "{bad}: {error}"
            );
            assert!(error.to_string().contains("p/R-Manifest.json"), "{error}");
        }
        assert!(with_files("[7]").unwrap_err().to_string().contains("\"7\""));
        assert!(with_files(r#"["a/..b/c..parquet"]"#).is_ok());
    }

    #[test]
    fn two_buckets_are_refused() {
        let error = with_files(r#"["s3://a/1", "s3://b/2"]"#).unwrap_err();
        assert!(matches!(error, Error::ManifestTwoBuckets { .. }));
        let text = r#"{"assemblyId": "a", "bucket": "x", "reportKeys": ["s3://y/1"]}"#;
        assert!(matches!(parse(text), Err(Error::ManifestTwoBuckets { .. })));
    }

    #[test]
    fn what_matters_must_be_there() {
        assert!(matches!(
            parse("not json"),
            Err(Error::ManifestNotJson { .. })
        ));
        assert!(matches!(parse(""), Err(Error::ManifestNotJson { .. })));
        for text in [
            r#"{"assemblyId": "a"}"#,
            r#"{"assemblyId": "a", "reportKeys": "x"}"#,
        ] {
            assert!(
                matches!(parse(text), Err(Error::ManifestWithoutFiles { .. })),
                "{text}"
            );
        }
        for text in [
            r#"{"reportKeys": []}"#,
            r#"{"assemblyId": " ", "reportKeys": []}"#,
        ] {
            assert!(
                matches!(parse(text), Err(Error::ManifestWithoutId { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn odd_values_in_fields_that_do_not_matter_are_survived() {
        let text = r#"{"assemblyId": "", "executionId": "e", "billingPeriod": 7, "columns": {},
            "bucket": null, "contentType": [], "compression": "Parquet", "dataFiles": []}"#;
        let manifest = parse(text).unwrap();
        assert_eq!(
            (manifest.id.as_str(), manifest.content),
            ("e", Content::Parquet)
        );
        let iso = r#"{"assemblyId": "a", "billingPeriod": {"start": "2024-09-01T00:00:00Z"}, "reportKeys": []}"#;
        assert_eq!(parse(iso).unwrap().period, BillingPeriod::new(2024, 9).ok());
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        let deep = "[".repeat(100_000);
        assert!(matches!(
            with_files(&deep),
            Err(Error::ManifestNotJson { .. })
        ));
    }

    fn check(bytes: &[u8]) {
        if let Ok(manifest) = Manifest::parse("m", bytes) {
            assert!(!manifest.id.trim().is_empty());
            assert!(manifest.files.iter().all(|file| objection(file).is_none()));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }

        #[test]
        fn mutated_manifests_never_panic_nor_let_a_bad_key_through(
            legacy in any::<bool>(),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..8),
        ) {
            let mut bytes = if legacy { LEGACY } else { DATA_EXPORT }.as_bytes().to_vec();
            for (at, byte, kind) in edits {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            check(&bytes);
        }

        #[test]
        fn arbitrary_file_names_are_read_or_refused(names in proptest::collection::vec("[a./:s3\\\\\n]{0,9}", 0..5)) {
            let manifest = serde_json::json!({"assemblyId": "a", "dataFiles": names});
            check(manifest.to_string().as_bytes());
        }
    }
}
