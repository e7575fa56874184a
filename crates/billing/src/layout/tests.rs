use super::*;

mod aws;
mod azure;
mod months;
mod random;

pub(super) fn object(key: &str) -> Object {
    Object {
        key: key.to_owned(),
        size: 10,
        etag: None,
        modified_ms: 0,
    }
}

pub(super) fn at(key: &str, modified_ms: i64) -> Object {
    Object {
        modified_ms,
        ..object(key)
    }
}

pub(super) fn found(keys: &[&str]) -> Discovery {
    discover(keys.iter().map(|key| object(key)))
}

pub(super) fn only(keys: &[&str]) -> Export {
    let mut exports = found(keys).exports;
    assert_eq!(exports.len(), 1, "{exports:?}");
    exports.remove(0)
}

pub(super) fn month(text: &str) -> BillingPeriod {
    BillingPeriod::parse(text).unwrap()
}

/// Root, format and number of files of each export.
pub(super) fn named(found: &Discovery) -> Vec<(&str, &'static str, u64)> {
    let exports = found.exports.iter();
    exports
        .map(|export| (export.root.as_str(), export.format.name(), export.files()))
        .collect()
}

/// Folder and number of files of each stranger.
pub(super) fn strange(found: &Discovery) -> Vec<(&str, u64)> {
    let strangers = found.strangers.iter();
    strangers
        .map(|stranger| (stranger.folder.as_str(), stranger.files))
        .collect()
}

pub(super) fn keys(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

pub(super) const ATHENA: &[&str] = &[
    "cup/R/R/year=2018/month=11/R-00002.snappy.parquet",
    "cup/R/R/year=2018/month=11/R-00001.snappy.parquet",
    "cup/R/R/year=2018/month=9/R-00001.snappy.parquet",
    "cup/R/R/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
    "cup/R/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
    "cup/R/20181101-20181201/R-Manifest.json",
    "cup/R/20181101-20181201/R-create-table.sql",
    "cup/R/20181101-20181201/crawler-cfn.yml",
    "cup/R/",
    "aws-programmatic-access-test-object",
];

/// A run of Azure's.
const RUN: &str = "73746dc5-5dcc-4b83-b340-bb1bd2b1ca30";

#[test]
fn what_lies_in_a_providers_folder_and_is_not_the_providers_is_left_alone() {
    let found = found(&[
        "R/R/year=2018/month=1/R-1.parquet",
        "R/R/year=2018/month=1/copy.csv",
        "R/R/2018-01/copy.csv",
        "R/20180101-20180201/R-Manifest.json",
        "R/201801_copy.csv",
        "E/data/BILLING_PERIOD=2018-01/E-1.parquet",
        "E/data/2018-01/copy.parquet",
        "E/2018-01/copy.parquet",
        "A/20180101-20180131/part_0_0001.csv",
        "A/201801.csv",
    ]);
    assert_eq!(
        named(&found),
        [
            ("A", "azure-actual", 1),
            ("E", "aws-data-export", 1),
            ("R", "aws-cur-parquet", 1)
        ]
    );
    let strangers: u64 = found.strangers.iter().map(|stranger| stranger.files).sum();
    assert_eq!(strangers, 6, "{:?}", found.strangers);
}

#[test]
fn a_bucket_of_every_format_shows_each_once() {
    let found = found(&[
        "cur/P/P/year=2025/month=11/P-00001.snappy.parquet",
        "cur/P/20251101-20251201/P-Manifest.json",
        "cur/C/20251101-20251201/20251107T053621Z/C-1.csv.gz",
        "cur/C/20251101-20251201/C-Manifest.json",
        "exports/cur2/data/BILLING_PERIOD=2025-11/cur2-00001.snappy.parquet",
        "exports/cur2/metadata/BILLING_PERIOD=2025-11/cur2-Manifest.json",
        "exports/focus/data/billing_period=2025-11/2026-06-01T23:48:02.356Z-9b/focus-00001.csv.gz",
        "exports/focus/metadata/billing_period=2025-11/focus-Manifest.json",
        "azure/costs/actual/20251101-20251130/202511051200/a/part_0_0001.csv",
        "azure/costs/actual/20251101-20251130/202511051200/a/manifest.json",
        "azure/costs/amortized/20251101-20251130/202511051200/a/part_0_0001.csv",
        "azure/costs/amortized/20251101-20251130/202511051200/a/manifest.json",
        "gcp/2025-11/000000000000.parquet",
        "focus/oracle/2025-11.csv",
        "notes/2025-11-03/budget.csv",
    ]);
    assert_eq!(
        named(&found),
        [
            ("azure/costs/actual", "azure-actual", 1),
            ("azure/costs/amortized", "azure-amortized", 1),
            ("cur/C", "aws-cur-csv", 1),
            ("cur/P", "aws-cur-parquet", 1),
            ("exports/cur2", "aws-data-export", 1),
            ("exports/focus", "aws-data-export", 1),
            ("focus/oracle", "csv", 1),
            ("gcp", "parquet", 1),
        ]
    );
    assert_eq!(strange(&found), [("notes/2025-11-03", 1)]);
    for export in &found.exports {
        let chosen = choose(found.exports.clone(), &export.root).unwrap();
        assert_eq!(&chosen, export, "a root names its export");
    }
}

#[test]
fn folders_that_only_look_like_months_are_nobodys() {
    let keys = [
        "R/year=2018/month=13/x.parquet",
        "R/year=2018/month=/x.parquet",
        "R/year=+018/month=1/x.parquet",
        "R/year=2018/x.parquet",
        "R/month=1/x.parquet",
        "R/year=2018/month=1/",
        "R/../R/year=2018/month=1/x.parquet",
        "R/20181301-20190101/x.csv",
        "R/20180101/x.csv",
        "R/20180101-20180201/a/b/x.csv",
        "E/data/date=2018-01-01/x.parquet",
        "E/2018-01-01/x.parquet",
        "E/2018-01/part/x.parquet",
        "E/2018/1/x.parquet",
        "2018-01/x.zip",
        "x.parquet",
        "",
    ];
    let found = found(&keys);
    assert_eq!(
        (&found.exports, found.ignored),
        (&vec![], keys.len() as u64)
    );
    // Each that holds tables is named, alone or with its neighbours.
    let strangers: u64 = found.strangers.iter().map(|stranger| stranger.files).sum();
    assert_eq!(strangers, keys.len() as u64 - 4);
}
