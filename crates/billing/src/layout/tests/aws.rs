//! Reports and Data Exports of AWS.

use super::*;

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
