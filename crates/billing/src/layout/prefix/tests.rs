use super::*;
use crate::layout::tests::*;
use crate::layout::*;

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
