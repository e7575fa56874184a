//! Everything that can be wrong with an export, and what to do about it.

use crate::BillingPeriod;

/// Why an export could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that should name a billing period does not.
    #[error("{text:?} is not a billing period")]
    BadPeriod {
        /// The text as given.
        text: String,
    },
    /// A year or month number outside the calendar.
    #[error("year {year}, month {month} is not a billing period")]
    PeriodOutOfRange {
        /// The year as given.
        year: i32,
        /// The month as given, 1 for January.
        month: u32,
    },
    /// The manifest is not the JSON object it should be.
    #[error("manifest {manifest:?} cannot be read: {reason}")]
    ManifestNotJson {
        /// Key of the manifest.
        manifest: String,
        /// What the JSON parser says, with line and column.
        reason: String,
    },
    /// The manifest names neither an assembly nor an execution nor a run.
    #[error("manifest {manifest:?} has no assemblyId, no executionId and no runId")]
    ManifestWithoutId {
        /// Key of the manifest.
        manifest: String,
    },
    /// The manifest has no list of files. (An empty list is legal: the month has no data yet.)
    #[error("manifest {manifest:?} has no list of files")]
    ManifestWithoutFiles {
        /// Key of the manifest.
        manifest: String,
    },
    /// The manifest names a file that may not be opened.
    #[error("manifest {manifest:?} names the file {key:?}, which {reason}")]
    ManifestBadKey {
        /// Key of the manifest.
        manifest: String,
        /// The offending entry as written.
        key: String,
        /// What is wrong with it, to follow "which".
        reason: &'static str,
    },
    /// The manifest names a file that lies in another folder than the export.
    #[error(
        "manifest {manifest:?} names the file {key:?}, which lies outside the export's folder {root:?}"
    )]
    ManifestOutside {
        /// Key of the manifest.
        manifest: String,
        /// The offending entry as written.
        key: String,
        /// The export's folder.
        root: String,
    },
    /// The manifest names a file that lies in another bucket than the export.
    #[error(
        "manifest {manifest:?} names the file {key:?}, which lies outside the bucket {bucket:?}"
    )]
    ManifestOtherBucket {
        /// Key of the manifest.
        manifest: String,
        /// The offending entry as written.
        key: String,
        /// The bucket that the manifest lies in.
        bucket: String,
    },
    /// The manifest names more files than any month has.
    #[error("manifest {manifest:?} names more than {limit} files")]
    ManifestTooLong {
        /// Key of the manifest.
        manifest: String,
        /// The number allowed.
        limit: usize,
    },
    /// The manifest is about another month than the folder it lies in.
    #[error("manifest {manifest:?} is about {found}, but lies in the folder of {expected}")]
    ManifestOfAnotherMonth {
        /// Key of the manifest.
        manifest: String,
        /// The month the manifest says.
        found: BillingPeriod,
        /// The month its folder says.
        expected: BillingPeriod,
    },
    /// The manifest is of another export that delivers into the same folder.
    #[error(
        "manifest {manifest:?} is of {found}, but the newest month of {export:?} is of {expected}"
    )]
    ManifestOfAnotherDataset {
        /// Key of the manifest.
        manifest: String,
        /// The dataset the manifest says.
        found: String,
        /// The export's root folder.
        export: String,
        /// The dataset of the export's newest month.
        expected: String,
    },
    /// The manifest's files lie in more than one bucket.
    #[error("manifest {manifest:?} names files in two buckets, {first:?} and {second:?}")]
    ManifestTwoBuckets {
        /// Key of the manifest.
        manifest: String,
        /// The bucket named first.
        first: String,
        /// The bucket that differs.
        second: String,
    },
    /// Tables lie where the prefix points, but nothing says which months they are of.
    #[error("no export at {prefix:?}: {files} files lie in {folder:?}, whose names fit no export")]
    UnknownLayout {
        /// The prefix as given.
        prefix: String,
        /// The folder with the files.
        folder: String,
        /// How many Parquet and CSV files it holds.
        files: u64,
    },
    /// No export stands where the prefix points.
    #[error("no export at {prefix:?}; found: {}", listed(found))]
    NoExport {
        /// The prefix as given.
        prefix: String,
        /// Roots of the exports that were seen.
        found: Vec<String>,
    },
    /// The prefix may mean more than one export.
    #[error("prefix {prefix:?} holds more than one export: {}", listed(found))]
    AmbiguousPrefix {
        /// The prefix as given.
        prefix: String,
        /// Roots of the exports it may mean.
        found: Vec<String>,
    },
}

/// How many roots a message shows; a bucket may hold thousands.
const SHOWN: usize = 10;

fn listed(roots: &[String]) -> String {
    if roots.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = roots
        .iter()
        .take(SHOWN)
        .map(|root| format!("{root:?}"))
        .collect();
    match roots.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Error {
    /// The next step for whoever meets this error.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadPeriod { .. } => {
                "Write it as YYYY-MM, or as any day of the month: 2018-11-01."
            }
            Self::PeriodOutOfRange { .. } => "Years run from 1 to 9999, months from 1 to 12.",
            Self::ManifestNotJson { .. } => {
                "The manifest may be half copied or edited; copy it again from the provider's bucket."
            }
            Self::ManifestWithoutId { .. } | Self::ManifestWithoutFiles { .. } => {
                "This may be another tool's manifest; point the prefix at an export of AWS or Azure."
            }
            Self::ManifestBadKey { .. } | Self::ManifestTooLong { .. } => {
                "No provider writes such a manifest. Find out who wrote it before reading on."
            }
            Self::ManifestOutside { .. } => {
                "If the export was copied into another folder, copy it to the folder its manifests name, or leave the manifests out: then the newest delivery listed is read. Else find out who wrote this manifest."
            }
            Self::ManifestOtherBucket { .. } => {
                "If this bucket is a copy, leave the manifests out of it: then the newest delivery listed is read. Else find out who wrote this manifest."
            }
            Self::ManifestOfAnotherMonth { .. } => {
                "Move the manifest and its files to the folder of their month, or have the month delivered again."
            }
            Self::ManifestOfAnotherDataset { .. } => {
                "Two exports deliver into one folder, and their costs must not be added up. Give each a folder of its own."
            }
            Self::UnknownLayout { .. } => {
                "Put each month into a folder named after it, as 2025-11, or its name into the files' names."
            }
            Self::ManifestTwoBuckets { .. } => {
                "An export lies in one bucket; copy its files together and deliver the manifest again."
            }
            Self::NoExport { found, .. } if found.is_empty() => {
                "Check the bucket and the prefix; the first delivery of a new export takes up to 24 hours."
            }
            Self::NoExport { .. } => "Use one of the exports found as the prefix.",
            Self::AmbiguousPrefix { .. } => "Give the full prefix of the one you mean.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_of_many_exports_does_not_flood_the_message() {
        let found = (0..25).map(|n| format!("r{n}")).collect();
        let error = Error::NoExport {
            prefix: "x".into(),
            found,
        };
        assert!(error.to_string().ends_with("\"r9\" and 15 more"), "{error}");
        assert_eq!(error.hint(), "Use one of the exports found as the prefix.");
    }

    #[test]
    fn a_key_with_a_line_break_cannot_forge_log_lines() {
        let error = Error::ManifestBadKey {
            manifest: "m\nFATAL".into(),
            key: "k\nFATAL".into(),
            reason: "is empty",
        };
        assert!(!error.to_string().contains('\n'));
    }
}
