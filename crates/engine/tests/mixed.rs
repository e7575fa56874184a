//! What an export of Azure is: of two that deliver into one folder, the costs must never be added up.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use billing::BillingPeriod;
use engine::{Bill, Engine, Error};
use store::{Location, Network, Store};

/// A month of the export and the dataset that its manifest speaks of; the manifest.
fn month(bucket: &Path, month: u32, dataset: &str) -> PathBuf {
    let end = if month == 9 { 30 } else { 31 };
    let folder = format!("cost/E/2025{month:02}01-2025{month:02}{end}/7374");
    let directory = bucket.join(&folder);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("part_0_0001.csv"),
        "SubscriptionId,Cost\ns,1\n",
    )
    .unwrap();
    let manifest = format!(
        r#"{{"manifestVersion": "2024-04-01", "byteCount": 25, "blobCount": 1, "dataRowCount": 1,
        "exportConfig": {{"exportName": "E", "dataVersion": "2021-10-01", "type": "{dataset}",
            "timeFrame": "MonthToDate", "granularity": "Daily"}},
        "runInfo": {{"executionType": "Scheduled", "runId": "7374",
            "startDate": "2025-{month:02}-01T00:00:00", "endDate": "2025-{month:02}-{end}T00:00:00"}},
        "blobs": [{{"blobName": "{folder}/part_0_0001.csv", "byteCount": 25, "dataRowCount": 1}}]}}"#
    );
    let path = directory.join("manifest.json");
    std::fs::write(&path, manifest).unwrap();
    path
}

struct Bench {
    engine: Engine,
    bill: Bill,
}

impl Bench {
    fn new(bucket: &Path) -> Self {
        let location = Location::File {
            directory: bucket.to_owned(),
        };
        let store = Store::open(location, None, &Network::default()).unwrap();
        let engine = Engine::start(1, 64 << 20, None).unwrap();
        let bill = engine.run(async move { Bill::find(&store, "cost/E").await }, || {});
        Self {
            bill: bill.unwrap(),
            engine,
        }
    }

    fn files(&self, month: u32) -> Result<usize, Error> {
        let bill = self.bill.clone();
        let period = BillingPeriod::new(2025, month).unwrap();
        let delivery = async move { bill.delivery(period).await };
        Ok(self.engine.run(delivery, || {})?.files.len())
    }
}

fn is_of_another_dataset(result: Result<usize, Error>) -> bool {
    let another = |e: &Error| {
        let Error::Billing(error) = e else {
            return false;
        };
        matches!(error, billing::Error::ManifestOfAnotherDataset { .. })
    };
    result.as_ref().err().is_some_and(another)
}

#[test]
fn amortized_costs_are_not_added_to_actual_ones_after_a_read_that_failed_once() {
    let directory = tempfile::tempdir().unwrap();
    month(directory.path(), 8, "ActualCost");
    let newest = month(directory.path(), 9, "AmortizedCost");
    let bench = Bench::new(directory.path());
    let away = directory.path().join("away");
    std::fs::rename(&newest, &away).unwrap();
    let failed = bench.files(8).unwrap_err();
    assert!(matches!(failed, Error::Store(_)), "{failed}");
    std::fs::rename(&away, &newest).unwrap();
    assert!(is_of_another_dataset(bench.files(8)));
    assert_eq!(bench.files(9).unwrap(), 1);
}

#[test]
fn a_newest_manifest_that_is_none_leaves_the_word_to_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    month(directory.path(), 7, "ActualCost");
    month(directory.path(), 8, "AmortizedCost");
    let newest = month(directory.path(), 9, "AmortizedCost");
    std::fs::write(newest, "{").unwrap();
    let bench = Bench::new(directory.path());
    assert!(is_of_another_dataset(bench.files(7)));
    assert_eq!(bench.files(8).unwrap(), 1);
    assert!(matches!(bench.files(9), Err(Error::Billing(_))));
}

#[test]
fn a_file_whose_name_tells_nothing_is_looked_into_as_its_manifest_says() {
    let directory = tempfile::tempdir().unwrap();
    let folder = "cost/E/20250901-20250930/202509041442/7374";
    let path = directory.path().join(folder);
    std::fs::create_dir_all(&path).unwrap();
    let header = "BillingAccountId,BillingPeriodStart,ChargePeriodStart,BilledCost,EffectiveCost,\
                  ChargeCategory,ServiceName,ProviderName\n";
    std::fs::write(path.join("000001"), header).unwrap();
    let manifest = format!(
        r#"{{"manifestVersion": "2021-01-01", "dataFormat": "csv", "blobCount": 1, "byteCount": 9,
        "dataRowCount": 0, "blobs": [{{"blobName": "{folder}/000001", "byteCount": 9,
        "dataRowCount": 0, "headerRowCount": 1}}]}}"#
    );
    std::fs::write(path.join("manifest.json"), manifest).unwrap();
    let bench = Bench::new(directory.path());
    let bill = bench.bill.clone();
    let told = bench
        .engine
        .run(async move { Ok(bill.told().await) }, || {});
    assert_eq!(told.unwrap().export().format.name(), "azure-focus");
}
