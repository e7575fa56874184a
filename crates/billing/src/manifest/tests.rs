use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

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
    "dataFiles": ["s3://bills/p/E/data/billing_period=2018-05/2018-06-01T23:48:02.356Z-9b/E-00001.snappy.parquet"],
    "additionalOutputFiles": []}"#;

const AZURE: &str = r#"{
    "manifestVersion": "2021-01-01", "dataFormat": "csv", "blobCount": 1, "byteCount": 423869,
    "dataRowCount": 490,
    "blobs": [{"blobName": "cost/E/20180501-20180531/201805041442/7374/000001.csv",
               "byteCount": 423869, "dataRowCount": 490, "headerRowCount": 1}]}"#;

const AZURE_TODAY: &str = "\u{feff}{
    \"manifestVersion\": \"2024-04-01\", \"byteCount\": 9, \"blobCount\": 1, \"dataRowCount\": 7,
    \"exportConfig\": {\"exportName\": \"E\", \"dataVersion\": \"2021-10-01\", \"type\": \"AmortizedCost\",
                       \"timeFrame\": \"MonthToDate\", \"granularity\": \"Daily\"},
    \"deliveryConfig\": {\"partitionData\": true, \"dataOverwriteBehavior\": \"OverwritePreviousReport\",
                         \"fileFormat\": \"Csv\", \"compressionMode\": \"gzip\"},
    \"runInfo\": {\"executionType\": \"Scheduled\", \"runId\": \"7374-run\",
                  \"startDate\": \"2018-05-01T00:00:00\", \"endDate\": \"2018-05-31T00:00:00\"},
    \"blobs\": [{\"blobName\": \"cost/E/20180501-20180531/7374/part_0_0001.csv.gz\", \"byteCount\": 9, \"dataRowCount\": 7}]}";

const KEY: &str = "p/E/7374/R-Manifest.json";

fn may() -> BillingPeriod {
    BillingPeriod::new(2018, 5).unwrap()
}

fn anywhere() -> Bounds<'static> {
    Bounds {
        root: "",
        bucket: None,
        period: may(),
    }
}

fn under(root: &str) -> Bounds<'_> {
    Bounds { root, ..anywhere() }
}

fn parse(text: &str) -> Result<Manifest, Error> {
    Manifest::parse(KEY, text.as_bytes(), anywhere())
}

fn with_files(files: &str) -> Result<Manifest, Error> {
    with_files_under("", files)
}

fn with_files_under(root: &str, files: &str) -> Result<Manifest, Error> {
    let text = format!(r#"{{"assemblyId": "a", "contentType": "Parquet", "reportKeys": {files}}}"#);
    Manifest::parse(KEY, text.as_bytes(), under(root))
}

#[test]
fn legacy_manifest_reads_whole() {
    let manifest = parse(LEGACY).unwrap();
    assert_eq!(manifest.id, "afe8b092-dc87-405a-a0b7-fc743e14adff");
    assert_eq!(
        manifest.files,
        ["p//R/20180501-20180601/afe8b092/R-1.csv.gz"]
    );
    assert_eq!(manifest.declared, FileKind::of("x.csv.gz"));
    assert_eq!(
        manifest.columns,
        ["identity/LineItemId", "lineItem/UnblendedCost"]
    );
}

#[test]
fn data_export_uris_lose_their_bucket_and_nothing_else() {
    let manifest = parse(DATA_EXPORT).unwrap();
    assert_eq!(manifest.id, "9b6b32ef");
    assert_eq!(
        manifest.files,
        ["p/E/data/billing_period=2018-05/2018-06-01T23:48:02.356Z-9b/E-00001.snappy.parquet"]
    );
    assert_eq!(manifest.columns[0], "AvailabilityZone");
}

#[test]
fn azures_older_manifest_is_known_by_the_folder_of_its_run() {
    let manifest = parse(AZURE).unwrap();
    assert_eq!((manifest.id.as_str(), manifest.dataset), ("7374", None));
    assert_eq!(
        manifest.files,
        ["cost/E/20180501-20180531/201805041442/7374/000001.csv"]
    );
    let alone = Manifest::parse("manifest.json", AZURE.as_bytes(), anywhere());
    assert!(matches!(alone, Err(Error::ManifestWithoutId { .. })));
}

#[test]
fn azures_manifest_says_run_and_dataset() {
    let manifest = parse(AZURE_TODAY).unwrap();
    assert_eq!(manifest.id, "7374-run");
    assert_eq!(manifest.dataset.as_deref(), Some("AmortizedCost"));
    assert_eq!(
        manifest.files,
        ["cost/E/20180501-20180531/7374/part_0_0001.csv.gz"]
    );
    assert_eq!(manifest.declared, FileKind::of("x.csv.gz"));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(parse(&format!("\u{feff}{LEGACY}")), parse(LEGACY));
}

#[test]
fn a_month_without_data_is_a_month() {
    assert_eq!(with_files("[]").unwrap().files, Vec::<String>::new());
    let azure = r#"{"blobCount": 0, "dataRowCount": 0, "blobs": []}"#;
    assert_eq!(parse(azure).unwrap().files, Vec::<String>::new());
}

#[test]
fn objects_with_a_key_are_files_and_repeated_files_count_once() {
    let files =
        r#"[{"size": {"key": 3}, "key": "a/1.parquet"}, "s3://b/a/1.parquet", "a/2.parquet"]"#;
    let manifest = with_files(files).unwrap();
    assert_eq!(manifest.files, ["a/1.parquet", "a/2.parquet"]);
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
        assert!(error.to_string().contains(KEY), "{error}");
    }
    for (what, shown) in [("7", "\"7\""), ("[]", "a list"), ("{}", "an object")] {
        let error = with_files(&format!("[{what}]")).unwrap_err();
        assert!(error.to_string().contains(shown), "{error}");
    }
    assert!(with_files(r#"["a/..b/c..parquet"]"#).is_ok());
}

#[test]
fn endless_texts_get_into_no_message_and_no_table() {
    let endless = "x".repeat(1 << 20);
    let error = with_files(&format!(r#"["{endless}.csv"]"#)).unwrap_err();
    assert!(error.to_string().len() < 200, "{}", error.to_string().len());
    let text = format!(r#"{{"assemblyId": "{endless}", "executionId": "e", "reportKeys": []}}"#);
    assert_eq!(parse(&text).unwrap().id, "e");
}

#[test]
fn keys_of_another_folder_are_refused_even_where_its_name_begins_alike() {
    for outside in ["R", "R2/x.parquet", "other/R/x.parquet", "/etc/x.parquet"] {
        let error = with_files_under("R", &format!(r#"["{outside}"]"#)).unwrap_err();
        assert!(
            matches!(error, Error::ManifestOutside { .. }),
            "{outside}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains(KEY) && text.contains(outside), "{text}");
    }
    let inside = with_files_under("R", r#"["R/x.parquet", "/R/y.parquet"]"#).unwrap();
    assert_eq!(
        inside.files,
        ["R/x.parquet", "R/y.parquet"],
        "a slash that tools put before reports without a prefix"
    );
}

#[test]
fn absolute_uris_of_another_bucket_are_refused_by_name() {
    let bounds = Bounds {
        bucket: Some("bills"),
        ..anywhere()
    };
    assert!(Manifest::parse(KEY, DATA_EXPORT.as_bytes(), bounds).is_ok());
    let elsewhere = Bounds {
        bucket: Some("mine"),
        ..bounds
    };
    let error = Manifest::parse(KEY, DATA_EXPORT.as_bytes(), elsewhere).unwrap_err();
    assert!(
        matches!(error, Error::ManifestOtherBucket { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("s3://bills/p/E"), "{error}");
    // Relative keys are found in the bucket at hand, whatever the original's name was.
    assert!(Manifest::parse(KEY, LEGACY.as_bytes(), elsewhere).is_ok());
}

#[test]
fn two_buckets_are_refused() {
    let error = with_files(r#"["s3://a/1", "s3://b/2"]"#).unwrap_err();
    assert!(matches!(error, Error::ManifestTwoBuckets { .. }));
    let text = r#"{"assemblyId": "a", "bucket": "x", "reportKeys": ["s3://y/1.parquet"]}"#;
    assert!(matches!(parse(text), Err(Error::ManifestTwoBuckets { .. })));
}

#[test]
fn a_file_that_is_no_table_is_refused_unless_the_manifest_says_what_it_is() {
    let named = |declared: &str| {
        parse(&format!(
            r#"{{"assemblyId": "a", {declared} "reportKeys": ["a/1"]}}"#
        ))
    };
    assert!(matches!(named(""), Err(Error::ManifestBadKey { .. })));
    let declared = named(r#""contentType": "text/csv", "compression": "GZIP","#).unwrap();
    assert_eq!(declared.declared, FileKind::of("x.csv.gz"));
}

#[test]
fn more_files_than_a_month_can_have_are_refused() {
    let files = |count: usize| format!("[{}]", vec![r#""a/1.csv""#; count].join(","));
    assert!(with_files(&files(MAX_FILES)).is_ok());
    let error = with_files(&files(MAX_FILES + 1)).unwrap_err();
    assert!(matches!(error, Error::ManifestTooLong { .. }), "{error}");
}

#[test]
fn a_manifest_in_another_months_folder_is_refused() {
    let text = |start: &str| {
        format!(
            r#"{{"assemblyId": "a", "billingPeriod": {{"start": "{start}"}}, "reportKeys": []}}"#
        )
    };
    for start in ["20180601T000000.000Z", "2018-04-30T00:00:00Z"] {
        let error = parse(&text(start)).unwrap_err();
        assert!(
            matches!(error, Error::ManifestOfAnotherMonth { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("2018-05"), "{error}");
    }
    for start in [
        "20180501T000000.000Z",
        "2018-05-01",
        "",
        "soon",
        "２０１８-05",
    ] {
        assert!(parse(&text(start)).is_ok(), "{start}");
    }
}

#[test]
fn what_matters_must_be_there() {
    for text in [
        "not json",
        "",
        r#"{"assemblyId": "a""#,
        r#"{"assemblyId": "a", "assemblyId": "b"}"#,
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, Error::ManifestNotJson { .. }), "{text}");
    }
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
        "7",
        r#"["a", "b"]"#,
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
        "bucket": null, "contentType": [], "compression": "Parquet", "dataFiles": [],
        "runInfo": [[]], "exportConfig": {"type": 1.5}, "unknown": {"deep": [{}, -1, true]}}"#;
    let manifest = parse(text).unwrap();
    assert_eq!(manifest.id, "e");
    assert_eq!(manifest.declared, Some(FileKind::Parquet));
    assert_eq!(manifest.dataset, None);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let deep = "[".repeat(100_000);
    for text in [
        deep.clone(),
        format!("[{deep}"),
        format!("{deep}{}", "]".repeat(100_000)),
    ] {
        let found = with_files(&text);
        assert!(found.is_err(), "{found:?}");
        let _ = parse(&format!(
            r#"{{"assemblyId": "a", "reportKeys": [], "x": {text}}}"#
        ));
    }
}

/// What holds for every manifest that is accepted.
fn check(bytes: &[u8], root: &str) {
    let bounds = Bounds {
        bucket: Some("bills"),
        ..under(root)
    };
    let Ok(manifest) = Manifest::parse(KEY, bytes, bounds) else {
        return;
    };
    assert!(!manifest.id.trim().is_empty());
    for file in &manifest.files {
        assert!(lies_in(file, root), "{file:?} lies outside {root:?}");
        assert!(file.split('/').all(|segment| segment != ".."), "{file:?}");
        assert!(!file.chars().any(char::is_control), "{file:?}");
        assert!(root.starts_with('/') || !file.starts_with('/'), "{file:?}");
    }
}

/// Pieces that a hostile or broken manifest is made of.
const PIECES: [&str; 16] = [
    "../",
    "/..",
    "s3://evil/",
    "s3://bills/",
    "//",
    "\\u0000",
    "\",\"",
    "[",
    "]",
    "{",
    "}",
    "null",
    "{\"blobName\":\"../x.csv\"}",
    "\"dataFiles\":[\"/etc/passwd\"],",
    "1e999",
    "\u{feff}",
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes, "");
    }

    #[test]
    fn mutated_manifests_never_panic_nor_let_a_key_out(
        original in prop::sample::select(vec![LEGACY, DATA_EXPORT, AZURE, AZURE_TODAY]),
        root in prop::sample::select(vec!["", "p", "p/E", "p//R", "cost/E"]),
        edits in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..5), 1..8),
    ) {
        let mut bytes = original.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => {
                    let piece = PIECES[usize::from(byte) % PIECES.len()];
                    bytes.splice(at..at, piece.bytes());
                }
                3 => {
                    let end = (at + usize::from(byte)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => bytes.truncate(at),
            }
            bytes.push(b'}');
        }
        check(&bytes, root);
    }

    #[test]
    fn arbitrary_file_names_are_read_or_refused(
        names in proptest::collection::vec("(s3://(bills|b)/|/|)[aR./\n]{0,6}(R/)?[.a]{0,3}", 0..5),
        root in "(a|R|a/R|)",
    ) {
        let manifest = serde_json::json!({"assemblyId": "a", "contentType": "csv", "dataFiles": names});
        check(manifest.to_string().as_bytes(), &root);
    }
}
