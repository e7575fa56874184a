//! Random listings.

use super::*;
use proptest::prelude::*;

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
