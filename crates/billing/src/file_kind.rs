//! How one data file is to be read.

/// What a data file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// Apache Parquet, whose columns carry their own compression.
    Parquet,
    /// Comma-separated values with a header, in UTF-8, perhaps behind a byte order mark.
    Csv {
        /// What the whole file is packed in.
        compression: Compression,
    },
}

/// What a whole file is packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    /// Nothing.
    None,
    /// Gzip, of one member or several behind each other.
    Gzip,
    /// A zip archive that holds one file.
    Zip,
}

/// File name endings, as providers and their users' tools write them.
const ENDINGS: [(&str, FileKind); 6] = [
    (".parquet", FileKind::Parquet),
    (".csv", FileKind::csv(Compression::None)),
    (".csv.gz", FileKind::csv(Compression::Gzip)),
    (".csv.gzip", FileKind::csv(Compression::Gzip)),
    // AWS names its archives both `R-1.zip` and `R-00001.csv.zip`.
    (".zip", FileKind::csv(Compression::Zip)),
    // BigQuery names compressed Parquet by its codec.
    (".parquet.snappy", FileKind::Parquet),
];

impl FileKind {
    /// The kind that a key's ending tells, in either letter case; `None` for anything else.
    pub fn of(key: &str) -> Option<Self> {
        let (_, file) = key.rsplit_once('/').unwrap_or(("", key));
        let ending = ENDINGS.iter().find(|(ending, _)| ends_with(file, ending));
        ending.map(|(_, kind)| *kind)
    }

    /// The kind that a manifest declares, for files whose names tell nothing.
    ///
    /// AWS writes `contentType` `text/csv` or `Parquet` and `compression` `GZIP`, `ZIP` or
    /// `Parquet`; Azure `dataFormat` `csv` or `parquet` and `compressionMode` `gzip`, `snappy` or
    /// `none`. Letter case does not matter.
    pub fn declared(content: &str, compression: &str) -> Option<Self> {
        let (content, compression) = (
            content.to_ascii_lowercase(),
            compression.to_ascii_lowercase(),
        );
        if content.contains("parquet") || compression.contains("parquet") {
            return Some(Self::Parquet);
        }
        let compression = match compression.as_str() {
            "gzip" | "gz" => Compression::Gzip,
            "zip" => Compression::Zip,
            "" | "none" => Compression::None,
            _ => return None,
        };
        content.contains("csv").then_some(Self::csv(compression))
    }

    const fn csv(compression: Compression) -> Self {
        Self::Csv { compression }
    }
}

fn ends_with(file: &str, ending: &str) -> bool {
    let start = file.len().checked_sub(ending.len());
    let tail = start.and_then(|start| file.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_ending_providers_write_is_known() {
        let csv = |compression| Some(FileKind::Csv { compression });
        for (key, kind) in [
            ("p/R-00001.snappy.parquet", Some(FileKind::Parquet)),
            ("p/000000000000.parquet.snappy", Some(FileKind::Parquet)),
            ("p/PART.PARQUET", Some(FileKind::Parquet)),
            ("p/000001.csv", csv(Compression::None)),
            ("p/R-1.csv.gz", csv(Compression::Gzip)),
            ("p/R-00001.csv.zip", csv(Compression::Zip)),
            ("R-1.zip", csv(Compression::Zip)),
            ("p/R-Manifest.json", None),
            ("p/R-create-table.sql", None),
            ("p.csv/notes", None),
            ("p/export.gz", None),
            ("", None),
        ] {
            assert_eq!(FileKind::of(key), kind, "{key}");
        }
    }

    #[test]
    fn a_manifest_tells_where_names_do_not() {
        let csv = |compression| Some(FileKind::Csv { compression });
        for (content, compression, kind) in [
            ("text/csv", "GZIP", csv(Compression::Gzip)),
            ("text/csv", "ZIP", csv(Compression::Zip)),
            ("Parquet", "Parquet", Some(FileKind::Parquet)),
            ("parquet", "snappy", Some(FileKind::Parquet)),
            ("", "Parquet", Some(FileKind::Parquet)),
            ("csv", "none", csv(Compression::None)),
            ("Csv", "", csv(Compression::None)),
            ("text/csv", "zstd", None),
            ("", "", None),
            ("json", "gzip", None),
        ] {
            let found = FileKind::declared(content, compression);
            assert_eq!(found, kind, "{content:?} {compression:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_names_never_panic(key in ".*") {
            let _ = FileKind::of(&key);
            let _ = FileKind::declared(&key, &key);
        }
    }
}
