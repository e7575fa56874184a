//! Folders and files that are named after months.

use super::*;

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
