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
    assert_eq!(found.ignored, 6);
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
    assert_eq!(
        (export.format, export.format.is_readable()),
        (Format::AwsCurCsv, false)
    );
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
fn a_report_that_changed_to_parquet_reads_only_parquet() {
    let found = found(&[
        "R/20180501-20180601/R-1.csv.gz",
        "R/R/year=2018/month=6/R-1.parquet",
    ]);
    assert_eq!((found.exports.len(), found.ignored), (1, 1));
    assert_eq!(found.exports[0].format, Format::AwsCurParquet);
    assert_eq!(found.exports[0].months.len(), 1);
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
        "R/year=2018/month=1/x.csv",
        "R/year=2018/month=1/",
        "R/../R/year=2018/month=1/x.parquet",
        "R/20181301-20190101/x.csv",
        "R/20180101/x.csv",
        "R/20180101-20180201/a/b/x.csv",
        "E/data/date=2018-01-01/x.parquet",
        "E/other/BILLING_PERIOD=2018-01/x.parquet",
        "x.parquet",
        "",
    ];
    let found = found(&keys);
    assert_eq!((found.exports, found.ignored), (vec![], keys.len() as u64));
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
fn a_data_export_under_the_same_name_does_not_hide_the_report() {
    let exports = found(&[
        "p/R/R/year=2018/month=1/x.parquet",
        "p/R/data/BILLING_PERIOD=2018-01/x.parquet",
    ])
    .exports;
    assert_eq!(exports.len(), 2);
    assert_eq!(
        choose(exports, "p/R").unwrap().format,
        Format::AwsCurParquet
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
        "cost_and_usage_data_status",
        "..",
    ]);
    let file = prop::sample::select(vec![
        "R-1.snappy.parquet",
        "R-2.snappy.parquet",
        "R-1.csv.gz",
        "R-Manifest.json",
        "x.zip",
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
        prop_assert!(found.exports.is_sorted_by(|a, b| (&a.root, a.format) < (&b.root, b.format)));
    }

    #[test]
    fn listing_only_the_folder_finds_the_same_export(objects in listing()) {
        let all = discover(objects.clone()).exports;
        // Without a root that is doubled itself, the folder holds all the evidence there is.
        for export in all.iter().filter(|export| undoubled(&export.root).is_none()) {
            let prefix = &export.root;
            let seen = discover(under(&objects, listing_folder(prefix))).exports;
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
