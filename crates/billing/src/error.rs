//! Everything that can be wrong with an export, and what to do about it.

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
    /// The manifest names neither an assembly nor an execution.
    #[error("manifest {manifest:?} has no assemblyId and no executionId")]
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
                "This may be another tool's manifest; point the prefix at an AWS Cost and Usage Report."
            }
            Self::ManifestBadKey { .. } => {
                "AWS never writes such a name. Find out who wrote this manifest before reading on."
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
