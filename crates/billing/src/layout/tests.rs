use super::*;
use crate::Error;
use proptest::prelude::*;

fn object(key: &str) -> Object {
    Object {
        key: key.to_owned(),
        size: 10,
        etag: None,
        modified_ms: 0,
    }
}

fn at(key: &str, modified_ms: i64) -> Object {
    Object {
        modified_ms,
        ..object(key)
    }
}

fn found(keys: &[&str]) -> Discovery {
    discover(keys.iter().map(|key| object(key)))
}

fn only(keys: &[&str]) -> Export {
    let mut exports = found(keys).exports;
    assert_eq!(exports.len(), 1, "{exports:?}");
    exports.remove(0)
}

fn month(text: &str) -> BillingPeriod {
    BillingPeriod::parse(text).unwrap()
}

/// Root, format and number of files of each export.
fn named(found: &Discovery) -> Vec<(&str, &'static str, u64)> {
    let exports = found.exports.iter();
    exports
        .map(|export| (export.root.as_str(), export.format.name(), export.files()))
        .collect()
}

/// Folder and number of files of each stranger.
fn strange(found: &Discovery) -> Vec<(&str, u64)> {
    let strangers = found.strangers.iter();
    strangers
        .map(|stranger| (stranger.folder.as_str(), stranger.files))
        .collect()
}

fn keys(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

const ATHENA: &[&str] = &[
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

#[test]
fn athena_report_is_one_export_and_its_status_file_is_no_bill() {
    let found = found(ATHENA);
    assert_eq!((found.ignored, found.strangers.len()), (6, 0));
    let export = &found.exports[0];
    assert_eq!(
        (export.root.as_str(), export.report.as_str()),
        ("cup/R", "R")
    );
    assert_eq!(
        (export.format, export.files(), export.bytes()),
        (Format::AwsCurParquet, 3, 30)
    );
    assert_eq!(
        export.months.keys().copied().collect::<Vec<_>>(),
        [month("2018-09"), month("2018-11")]
    );
    let november = &export.months[&month("2018-11")];
    assert_eq!(
        keys(&november.data),
        [
            "cup/R/R/year=2018/month=11/R-00001.snappy.parquet",
            "cup/R/R/year=2018/month=11/R-00002.snappy.parquet",
        ]
    );
    assert_eq!(
        november.manifest.as_ref().unwrap().key,
        "cup/R/20181101-20181201/R-Manifest.json"
    );
    assert_eq!(export.months[&month("2018-09")].manifest, None);
}

#[test]
fn of_two_manifests_the_newer_points() {
    let beside = "p/R/R/year=2018/month=11/R-Manifest.json";
    let above = "p/R/20181101-20181201/R-Manifest.json";
    for (newer, older) in [(beside, above), (above, beside)] {
        let exports = discover([at(newer, 2), at(older, 1)]).exports;
        assert_eq!(exports.len(), 1);
        assert_eq!(
            exports[0].months[&month("2018-11")]
                .manifest
                .as_ref()
                .unwrap()
                .key,
            newer
        );
    }
}

#[test]
fn padded_and_unpadded_months_are_one() {
    let export = only(&[
        "R/R/year=2018/month=01/a.parquet",
        "R/R/year=2018/month=1/b.parquet",
    ]);
    assert_eq!(
        (export.root.as_str(), export.months.len(), export.files()),
        ("R", 1, 2)
    );
}

#[test]
fn copies_without_doubled_name_are_exports_wherever_they_lie() {
    let export = only(&["p/R/year=2018/month=1/x.parquet"]);
    assert_eq!((export.root.as_str(), export.report.as_str()), ("p/R", "R"));
    let export = only(&["year=2018/month=1/Bill-00001.snappy.parquet"]);
    assert_eq!((export.root.as_str(), export.report.as_str()), ("", "Bill"));
}

#[test]
fn doubled_slashes_stay() {
    let export = only(&[
        "cost//R/R/year=2018/month=1/x.parquet",
        "cost//R/20180101-20180201/R-Manifest.json",
    ]);
    assert_eq!(export.root, "cost//R");
    assert!(export.months[&month("2018-01")].manifest.is_some());
    let export = only(&["cost//year=2018/month=1/Bill-1.parquet"]);
    assert_eq!(
        (export.root.as_str(), export.report.as_str()),
        ("cost/", "Bill")
    );
    for prefix in ["cost", "cost/"] {
        assert_eq!(choose(vec![export.clone()], prefix).as_ref(), Ok(&export));
    }
    assert_eq!(only(&["/R/R/year=2018/month=1/x.parquet"]).root, "/R");
}

#[test]
fn a_copy_beside_the_doubled_folder_does_not_double_the_bill() {
    let exports = found(&[
        "R/R/year=2018/month=1/x.parquet",
        "R/year=2018/month=1/x.parquet",
    ])
    .exports;
    assert_eq!(
        exports
            .iter()
            .map(|export| (export.root.as_str(), export.files()))
            .collect::<Vec<_>>(),
        [("R", 1), ("R/R", 1)]
    );
}

#[test]
fn a_report_in_a_folder_of_its_own_name_keeps_its_manifests() {
    let export = only(&[
        "a/a/year=2018/month=1/x.parquet",
        "a/a/20180101-20180201/a-Manifest.json",
    ]);
    assert_eq!(export.root, "a/a");
    let export = only(&[
        "a/a/a/year=2018/month=1/x.parquet",
        "a/a/20180101-20180201/a-Manifest.json",
    ]);
    assert_eq!(export.root, "a/a");
}

#[test]
fn csv_pointer_wins_over_newer_copies_and_lists_are_complete() {
    let exports = discover([
        at("p/R/20180501-20180601/R-Manifest.json", 1),
        at("p/R/20180501-20180601/a1/R-Manifest.json", 5),
        at("p/R/20180501-20180601/a1/R-RedshiftManifest.json", 6),
        at("p/R/20180501-20180601/a1/R-1.csv.gz", 5),
        at("p/R/20180501-20180601/a2/R-1.csv.gz", 4),
    ]);
    assert_eq!((exports.exports.len(), exports.ignored), (1, 1));
    let export = &exports.exports[0];
    assert_eq!((export.format, export.certain), (Format::AwsCurCsv, true));
    let may = &export.months[&month("2018-05")];
    assert_eq!(
        may.manifest.as_ref().unwrap().key,
        "p/R/20180501-20180601/R-Manifest.json"
    );
    assert_eq!(may.data.len(), 2);
}

#[test]
fn without_a_pointer_the_newest_delivery_is_the_month() {
    let data = [
        at("R/20180501-20180531/a1/R-1.zip", 1),
        at("R/20180501-20180531/a2/R-1.zip", 2),
    ];
    let export = discover(data.clone()).exports.remove(0);
    assert_eq!(
        keys(&export.months[&month("2018-05")].data),
        ["R/20180501-20180531/a2/R-1.zip"]
    );
    let copies = [
        at("R/20180501-20180531/a1/R-Manifest.json", 1),
        at("R/20180501-20180531/a2/R-Manifest.json", 2),
    ];
    let export = discover(data.into_iter().chain(copies)).exports.remove(0);
    assert_eq!(
        export.months[&month("2018-05")]
            .manifest
            .as_ref()
            .unwrap()
            .key,
        "R/20180501-20180531/a2/R-Manifest.json"
    );
}

#[test]
fn overwritten_csv_reports_have_no_assembly_folder() {
    let export = only(&[
        "R/20180501-20180601/R-00001.csv.gz",
        "R/20180501-20180601/R-00002.csv.gz",
    ]);
    assert_eq!((export.format, export.files()), (Format::AwsCurCsv, 2));
}

#[test]
fn a_report_that_changed_to_parquet_keeps_its_older_months_and_none_counts_twice() {
    let found = found(&[
        "R/20180501-20180601/R-1.csv.gz",
        "R/20180601-20180701/R-1.csv.gz",
        "R/R/year=2018/month=6/R-1.parquet",
    ]);
    assert_eq!(named(&found), [("R", "aws-cur-parquet", 2)]);
    let months = &found.exports[0].months;
    let file = |text: &str| keys(&months[&month(text)].data).join(" ");
    assert_eq!(file("2018-05"), "R/20180501-20180601/R-1.csv.gz");
    assert_eq!(file("2018-06"), "R/R/year=2018/month=6/R-1.parquet");
    assert_eq!(strange(&found), [("R/20180601-20180701", 1)]);
}

#[test]
fn legacy_csv_is_found_under_every_prefix_versioning_and_numbering() {
    for prefix in ["", "p/", "p/q/r/", "p//"] {
        for folder in ["20180501-20180601", "20180501-20180531"] {
            for assembly in [
                "",
                "/20180507T053621Z",
                "/afe8b092-dc87-405a-a0b7-fc743e14adff",
            ] {
                for file in ["R-1.csv.gz", "R-00001.csv.zip", "R-00001.zip", "R-2.csv"] {
                    let key = format!("{prefix}R/{folder}{assembly}/{file}");
                    let export = only(&[&key]);
                    assert_eq!(export.root, format!("{prefix}R"), "{key}");
                    assert_eq!(export.format, Format::AwsCurCsv, "{key}");
                    assert!(export.certain && export.months.contains_key(&month("2018-05")));
                }
            }
        }
    }
    let root = only(&["20180501-20180601/R-00001.csv.zip"]);
    assert_eq!((root.root.as_str(), root.report.as_str()), ("", "R"));
}

#[test]
fn files_of_other_programs_beside_a_report_are_nobodys_and_not_worth_a_word() {
    let found = found(&[
        "R/20180501-20180601/R-Manifest.json",
        "R/20180501-20180601/a1/R-Manifest.json",
        "R/20180501-20180601/a1/R-1.csv.gz",
        "R/20180501-20180601/a1/R-RedshiftManifest.json",
        "R/20180501-20180601/a1/R-RedshiftCommands.sql",
        "R/20180501-20180601/a1/R-QuickSightManifest.json",
        "R/20180501-20180601/R-create-table.sql",
        "R/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
        "aws-programmatic-access-test-object",
        "lambda/function.zip",
        "R/.20180501.csv.swp",
    ]);
    assert_eq!(named(&found), [("R", "aws-cur-csv", 1)]);
    assert_eq!((strange(&found), found.ignored), (vec![], 8));
}

#[test]
fn a_report_whose_files_are_named_otherwise_is_known_by_its_manifest() {
    let export = only(&[
        "cur/20251101-20251201/cur-Manifest.json",
        "cur/20251101-20251201/7821af21/cur-Manifest.json",
        "cur/20251101-20251201/7821af21/November-2025-cur.csv.gz",
    ]);
    assert_eq!((export.format, export.files()), (Format::AwsCurCsv, 1));
    assert!(export.months[&month("2025-11")].manifest.is_some());
    // Without one, only a look can tell.
    let found = found(&["cur/20251101-20251201/7821af21/November-2025-cur.csv.gz"]);
    assert_eq!(named(&found), [("cur", "csv", 1)]);
    assert!(!found.exports[0].certain);
}

const RUN: &str = "73746dc5-5dcc-4b83-b340-bb1bd2b1ca30";

#[test]
fn azure_exports_are_found_with_and_without_folders_of_time_and_run() {
    for below in [
        "",
        "/202301041442",
        "/73746dc5-run",
        "/202301041442/73746dc5-run",
    ] {
        for file in [
            "000001.csv",
            "part_0_0001.csv.gz",
            "part_12_0001.snappy.parquet",
        ] {
            let folder = format!("cost/E/20230101-20230131{below}");
            let export = only(&[
                &format!("{folder}/{file}"),
                &format!("{folder}/manifest.json"),
            ]);
            assert_eq!(
                (export.root.as_str(), export.report.as_str()),
                ("cost/E", "E")
            );
            assert_eq!(export.layout, Layout::Azure, "{folder}/{file}");
            assert!(!export.certain && !export.has_year_and_month());
            let january = &export.months[&month("2023-01")];
            let manifest = january.manifest.as_ref().unwrap();
            assert_eq!(manifest.key, format!("{folder}/manifest.json"));
            assert_eq!(january.data.len(), 1);
        }
    }
}

#[test]
fn of_azures_runs_the_last_modified_manifest_counts_whatever_its_folder_is_called() {
    let exports = discover([
        at("E/20230101-20230131/202301051442/a/manifest.json", 1),
        at("E/20230101-20230131/202301051442/a/part_0_0001.csv", 1),
        at("E/20230101-20230131/202301041442/b/manifest.json", 2),
        at("E/20230101-20230131/202301041442/b/part_0_0001.csv", 2),
    ])
    .exports;
    let january = &exports[0].months[&month("2023-01")];
    assert_eq!(
        january.manifest.as_ref().unwrap().key,
        "E/20230101-20230131/202301041442/b/manifest.json"
    );
}

#[test]
fn of_azures_older_files_without_manifest_the_newest_is_the_month() {
    let other = "a243c6f2-199f-4074-9a2c-40e671cf1584";
    let keys_of = |objects: Vec<Object>| {
        let export = discover(objects).exports.remove(0);
        assert_eq!(
            (export.root.as_str(), export.layout),
            ("d/costs", Layout::Azure)
        );
        let data = &export.months[&month("2019-08")].data;
        keys(data).join(" ")
    };
    let older = format!("d/costs/20190801-20190831/costs_{RUN}.csv");
    let newer = format!("d/costs/20190801-20190831/costs_{other}.csv");
    assert_eq!(keys_of(vec![at(&older, 1), at(&newer, 2)]), newer);
    let parts = ["000001.csv", "000002.csv"].map(|part| {
        let folder = format!("d/costs/20190801-20190831/201908041442/{RUN}");
        at(&format!("{folder}/{part}"), 3)
    });
    let kept = keys_of([at(&newer, 2)].into_iter().chain(parts.clone()).collect());
    assert_eq!(kept, format!("{} {}", parts[0].key, parts[1].key));
}

#[test]
fn azure_exports_of_weeks_and_quarters_are_left_alone() {
    let found = found(&[
        "E/20230102-20230108/a/part_0_0001.csv",
        "E/20230101-20230331/a/part_0_0001.csv",
    ]);
    assert_eq!(named(&found), []);
    assert_eq!(
        strange(&found),
        [("E/20230101-20230331/a", 1), ("E/20230102-20230108/a", 1)]
    );
}

#[test]
fn files_in_folders_named_after_months_are_exports() {
    for (key, root, format) in [
        ("gcp/2025-11/000000000000.parquet", "gcp", "parquet"),
        ("gcp/202511/000000000000.parquet", "gcp", "parquet"),
        ("gcp/2025/11/a.parquet", "gcp", "parquet"),
        ("gcp/invoice_month=202511/a.parquet", "gcp", "parquet"),
        ("focus/billing_period=2025-11/a.parquet", "focus", "parquet"),
        ("focus/BILLING_PERIOD=2025-11-01/a.csv", "focus", "csv"),
        ("x/year=2025/month=11/a.csv.gz", "x", "csv"),
        ("x/20251101-20251201/bill.csv", "x", "csv"),
        ("2025-11/a.csv", "", "csv"),
        ("gcp/202511_export.csv", "gcp", "csv"),
        ("focus-2025-11.csv.zip", "", "csv"),
    ] {
        let found = found(&[key]);
        assert_eq!(named(&found), [(root, format, 1)], "{key}");
        let export = &found.exports[0];
        assert_eq!(export.layout, Layout::Months, "{key}");
        assert!(export.months.contains_key(&month("2025-11")), "{key}");
        assert!(!export.certain && !export.has_year_and_month(), "{key}");
        let report = if root.is_empty() { "bill" } else { root };
        assert_eq!(export.report, report, "{key}");
    }
}

#[test]
fn runs_in_folders_of_their_own_are_one_export_and_the_newest_is_the_month() {
    let folder = "bc356374-23fe-4730-8d90-84d5a418a18d";
    let exports = discover([
        at(
            &format!("g/{RUN}/202510_{RUN}_2025-10-28:2025-11-01.csv"),
            1,
        ),
        at(
            &format!("g/{RUN}/202511_{RUN}_2025-11-01:2025-11-02.csv"),
            1,
        ),
        at(
            &format!("g/{folder}/202511_{folder}_2025-11-01:2025-11-03.csv"),
            2,
        ),
    ])
    .exports;
    assert_eq!((exports.len(), exports[0].root.as_str()), (1, "g"));
    let november = &exports[0].months[&month("2025-11")];
    assert_eq!(
        keys(&november.data),
        [format!(
            "g/{folder}/202511_{folder}_2025-11-01:2025-11-03.csv"
        )]
    );
    assert_eq!(exports[0].months.len(), 2);
}

#[test]
fn a_month_written_in_two_ways_or_kinds_does_not_count_twice() {
    for newer in [
        "f/billing_period=2025-11/a.parquet",
        "f/202511/a.parquet",
        "f/2025-11/b.csv",
        "f/202511.parquet",
    ] {
        let exports = discover([at("f/2025-11/a.parquet", 1), at(newer, 2)]).exports;
        assert_eq!(exports.len(), 1);
        assert_eq!(keys(&exports[0].months[&month("2025-11")].data), [newer]);
    }
}

#[test]
fn actual_and_amortized_costs_in_one_folder_are_not_added_up() {
    let both = found(&[
        "az/2025-04/actualcost.csv",
        "az/2025-04/AmortizedCost.csv",
        "az/2025-05/AmortisedCost.csv",
    ]);
    assert_eq!(named(&both), [("az", "csv", 1)]);
    assert_eq!(strange(&both), [("az/2025-04", 1), ("az/2025-05", 1)]);
    let alone = found(&["az/2025-04/amortized.csv", "az/2025-05/amortized.csv"]);
    assert_eq!(
        (named(&alone), strange(&alone)),
        (vec![("az", "csv", 2)], vec![])
    );
}

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
fn data_exports_are_named_in_either_case() {
    for name in ["BILLING_PERIOD", "billing_period"] {
        let export = only(&[
            &format!("p/E/data/{name}=2026-05/2026-06-01T23:48:02.356Z-9b/E-00001.snappy.parquet"),
            &format!("p/E/metadata/{name}=2026-05/E-Manifest.json"),
            &format!("p/E/metadata/{name}=2026-05/2026-06-01T23:48:02.356Z-9b/E-Manifest.json"),
        ]);
        assert_eq!((export.root.as_str(), export.report.as_str()), ("p/E", "E"));
        assert_eq!(export.format.name(), "aws-data-export");
        let may = &export.months[&month("2026-05")];
        assert_eq!(
            may.manifest.as_ref().unwrap().key,
            format!("p/E/metadata/{name}=2026-05/E-Manifest.json")
        );
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

#[test]
fn prefixes_mean_what_users_mean() {
    for prefix in ["cup/R/R/", "cup/R/R", "cup/R", "cup/R/", "cup", "cup/", ""] {
        assert_eq!(
            choose(found(ATHENA).exports, prefix).unwrap().root,
            "cup/R",
            "{prefix}"
        );
    }
    for prefix in ["cu", "cup/R/R/R", "R", "cup/r", "cup/R2"] {
        let error = choose(found(ATHENA).exports, prefix).unwrap_err();
        assert_eq!(
            error,
            Error::NoExport {
                prefix: prefix.into(),
                found: vec!["cup/R".into()]
            }
        );
    }
}

#[test]
fn a_parent_of_two_exports_is_ambiguous_and_names_only_them() {
    let exports = found(&[
        "p/A/A/year=2018/month=1/x.parquet",
        "p/A2/A2/year=2018/month=1/x.parquet",
        "q/B/B/year=2018/month=1/x.parquet",
    ])
    .exports;
    let error = choose(exports.clone(), "p/").unwrap_err();
    let both = vec!["p/A".to_owned(), "p/A2".to_owned()];
    assert_eq!(
        error,
        Error::AmbiguousPrefix {
            prefix: "p/".into(),
            found: both
        }
    );
    assert_eq!(choose(exports, "p/A").unwrap().root, "p/A");
}

#[test]
fn a_data_export_under_the_same_name_hides_no_report_and_is_not_hidden() {
    let keys = [
        "p/R/R/year=2018/month=1/x.parquet",
        "p/R/data/BILLING_PERIOD=2018-01/x.parquet",
        "p/R/metadata/BILLING_PERIOD=2018-01/R-Manifest.json",
    ];
    let exports = found(&keys).exports;
    for (prefix, root, layout) in [
        ("p/R", "p/R", Layout::AwsCurAthena),
        ("p/R/R/", "p/R", Layout::AwsCurAthena),
        ("p/R/data", "p/R/data", Layout::AwsDataExport),
    ] {
        let export = choose(exports.clone(), prefix).unwrap();
        assert_eq!((export.root.as_str(), export.layout), (root, layout));
        assert_eq!(export.report, "R");
    }
    let alone = found(&keys[1..]).exports;
    for prefix in ["p/R", "p/R/data", "p/R/data/", "p/R/metadata", "p"] {
        assert_eq!(choose(alone.clone(), prefix).unwrap().root, "p/R");
    }
}

#[test]
fn a_prefix_inside_an_export_is_listed_from_its_root() {
    let cases = [
        (
            "p/E/data",
            "p/E/data/BILLING_PERIOD=2018-01/E-1.parquet",
            Some("p/E"),
        ),
        ("gcp/2025-11", "gcp/2025-11/x.parquet", Some("gcp")),
        ("2025-11", "2025-11/x.parquet", Some("")),
        ("gcp", "gcp/2025-11/x.parquet", None),
        ("", "2025-11/x.parquet", None),
        ("g", "gcp/2025-11/x.parquet", None),
    ];
    for (folder, key, wider) in cases {
        assert_eq!(
            wider_folder(&found(&[key]).exports, folder),
            wider,
            "{folder}"
        );
    }
    let month = choose(found(&["gcp/2025-11/x.parquet"]).exports, "gcp/2025-11");
    assert!(
        matches!(month, Err(Error::NoExport { .. })),
        "one month is no export"
    );
}

#[test]
fn listing_starts_above_the_doubled_name() {
    for (prefix, folder) in [
        ("a/R/R/", "a/R"),
        ("a/R/R", "a/R"),
        ("a/R", "a/R"),
        ("a/R//", "a/R"),
        ("R/R/", "R"),
        ("a/xR/R", "a/xR/R"),
        ("cost//R/R/", "cost//R"),
        ("", ""),
        ("/", ""),
    ] {
        assert_eq!(listing_folder(prefix), folder, "{prefix}");
    }
}

/// Keys made of the pieces that matter, so that random ones often mean something.
fn keys_like_real_ones() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "",
        "a",
        "R",
        "R",
        "year=2018",
        "year=2019",
        "month=1",
        "month=01",
        "month=12",
        "data",
        "metadata",
        "BILLING_PERIOD=2018-01",
        "billing_period=2018-02",
        "20180101-20180201",
        "20180201-20180301",
        "assembly",
        "202301041442",
        "20180101-20180131",
        "2018-01",
        "year=2018/month=1",
        "73746dc5-5dcc-4b83-b340-bb1bd2b1ca30",
        "cost_and_usage_data_status",
        "..",
    ]);
    let file = prop::sample::select(vec![
        "R-1.snappy.parquet",
        "R-2.snappy.parquet",
        "R-1.csv.gz",
        "R-Manifest.json",
        "x.zip",
        "x.csv",
        "part_0_0001.csv",
        "costs_73746dc5-5dcc-4b83-b340-bb1bd2b1ca30.csv",
        "manifest.json",
        "201802_amortized.csv",
        "",
    ]);
    (proptest::collection::vec(piece, 0..7), file).prop_map(|(mut pieces, file)| {
        pieces.push(file);
        pieces.join("/")
    })
}

fn listing() -> impl Strategy<Value = Vec<Object>> {
    let object =
        (keys_like_real_ones(), 0u64..3, 0i64..3).prop_map(|(key, size, modified_ms)| Object {
            key,
            size,
            etag: None,
            modified_ms,
        });
    proptest::collection::vec(object, 0..40)
}

/// Where a folder listing answers for a prefix, it must see what a whole listing sees.
fn under(objects: &[Object], folder: &str) -> Vec<Object> {
    let inside = |key: &str| {
        folder.is_empty()
            || key
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    objects
        .iter()
        .filter(|object| inside(&object.key))
        .cloned()
        .collect()
}

proptest! {
    #[test]
    fn the_order_of_the_listing_does_not_matter(
        (objects, shuffled) in listing().prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
    ) {
        prop_assert_eq!(discover(objects), discover(shuffled));
    }

    #[test]
    fn nothing_is_counted_twice_and_every_export_has_months(objects in listing()) {
        let total = objects.len() as u64;
        let found = discover(objects);
        let files: u64 = found.exports.iter().map(Export::files).sum();
        prop_assert!(files + found.ignored <= total);
        for export in &found.exports {
            prop_assert!(!export.months.is_empty());
            prop_assert!(export.months.values().all(|month| *month != Month::default()));
        }
        prop_assert!(found.exports.is_sorted_by(|a, b| a.root < b.root), "two exports of one root");
        let strange: u64 = found.strangers.iter().map(|stranger| stranger.files).sum();
        prop_assert!(strange <= found.ignored);
    }

    #[test]
    fn listing_only_the_folder_finds_the_same_export(mut objects in listing()) {
        // Their folder is "" as is the bucket's own.
        objects.retain(|object| !object.key.starts_with('/'));
        let all = discover(objects.clone()).exports;
        // Without a root that is doubled itself, the folder holds all the evidence there is. (Of a
        // Data Export that shares its root and has only manifests, the address shows nothing.)
        let evident = |export: &&Export| {
            let by_manifest = export.layout == Layout::AwsDataExport && export.files() == 0;
            undoubled(&export.root).is_none() && !by_manifest
        };
        for export in all.iter().filter(evident) {
            let prefix = &export.root;
            let folder = listing_folder(prefix);
            let mut seen = discover(under(&objects, folder)).exports;
            if let Some(wider) = wider_folder(&seen, folder) {
                seen = discover(under(&objects, wider)).exports;
            } else if seen.is_empty() {
                seen = all.clone();
            }
            if !prefix.ends_with('/') {
                prop_assert_eq!(choose(seen, prefix), choose(all.clone(), prefix));
            }
        }
    }

    #[test]
    fn arbitrary_keys_never_panic(keys in proptest::collection::vec(".*", 0..20), prefix in ".*") {
        let exports = discover(keys.iter().map(|key| object(key))).exports;
        let _ = choose(exports, &prefix);
        prop_assert!(prefix.starts_with(listing_folder(&prefix)));
    }
}
