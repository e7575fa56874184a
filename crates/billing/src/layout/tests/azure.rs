//! Runs of Azure's exports.

use super::*;

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
