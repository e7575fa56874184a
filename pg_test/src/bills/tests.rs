//! What a sample bill must hold to be worth loading.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use billing::ExactSum;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::*;

fn is_data(file: &&BillFile) -> bool {
    file.key.ends_with(".parquet")
}

fn parquet(bytes: &[u8]) -> ParquetRecordBatchReader {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap()
}

fn read(bill: &MonthBill) -> Vec<RecordBatch> {
    let readers = bill
        .files
        .iter()
        .filter(is_data)
        .map(|file| parquet(&file.bytes));
    readers
        .flat_map(|reader| reader.map(Result::unwrap))
        .collect()
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    let column = batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("no column {name}"));
    column
        .as_string::<i32>()
        .iter()
        .map(Option::unwrap)
        .collect()
}

fn doubles<'a>(batch: &'a RecordBatch, name: &str) -> &'a [f64] {
    let column = batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("no column {name}"));
    column.as_primitive::<Float64Type>().values()
}

/// The sum of `name` over the rows of each type.
fn by_type(batches: &[RecordBatch], name: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for batch in batches {
        let types = texts(batch, "line_item_line_item_type");
        for (kind, value) in types.iter().zip(doubles(batch, name)) {
            *sums.entry((*kind).to_owned()).or_insert(0.0) += value;
        }
    }
    sums
}

fn wide(rows_per_month: usize) -> Report {
    Report {
        columns: Width::Wide,
        rows_per_month,
        ..Report::press()
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let (one, two) = (
        Report::press().month(2025, 10, 0),
        Report::press().month(2025, 10, 0),
    );
    assert_eq!(one.files, two.files);
    assert_eq!(one.totals, two.totals);
}

#[test]
fn totals_are_those_of_the_files() {
    for report in [Report::press(), Report::ca(), wide(3_000)] {
        for bill in report.all() {
            let batches = read(&bill);
            let mut all = ExactSum::default();
            let mut services: BTreeMap<String, ExactSum> = BTreeMap::new();
            let mut accounts: BTreeMap<String, ExactSum> = BTreeMap::new();
            let mut types: BTreeMap<String, u64> = BTreeMap::new();
            for batch in &batches {
                let names = [
                    "product_product_name",
                    "product_servicename",
                    "line_item_product_code",
                ]
                .map(|name| texts(batch, name));
                let account = texts(batch, "line_item_usage_account_id");
                let kind = texts(batch, "line_item_line_item_type");
                for (row, cost) in doubles(batch, "line_item_unblended_cost")
                    .iter()
                    .enumerate()
                {
                    let service = names
                        .iter()
                        .map(|n| n[row])
                        .find(|n| !n.is_empty())
                        .unwrap();
                    all.add(*cost);
                    services.entry(service.to_owned()).or_default().add(*cost);
                    accounts
                        .entry(account[row].to_owned())
                        .or_default()
                        .add(*cost);
                    *types.entry(kind[row].to_owned()).or_default() += 1;
                }
            }
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            let printed = |sums: BTreeMap<String, ExactSum>| -> BTreeMap<String, String> {
                sums.into_iter()
                    .map(|(name, sum)| (name, sum.to_string()))
                    .collect()
            };
            assert_eq!(bill.totals.rows, rows as u64);
            assert_eq!(rows, report.rows_per_month);
            assert_eq!(bill.totals.unblended, all.to_string());
            assert_eq!(bill.totals.by_service, printed(services));
            assert_eq!(bill.totals.by_account, printed(accounts));
            let counts: BTreeMap<String, u64> = bill
                .totals
                .by_line_item_type
                .into_iter()
                .map(|(n, (rows, _))| (n, rows))
                .collect();
            assert_eq!(counts, types);
        }
    }
}

#[test]
fn columns_drift_but_not_in_wide_bills() {
    let names = |bill: &MonthBill| -> Vec<String> {
        let batch = &read(bill)[0];
        batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    };
    let months: Vec<Vec<String>> = Report::press().all().iter().map(names).collect();
    assert_eq!(months[0].len() + 1, months[1].len());
    assert_eq!(months[1].len() + 2, months[2].len());
    for bill in wide(2_000).all() {
        let names = names(&bill);
        assert_eq!(names.len(), 178);
        let long = "savings_plan_net_amortized_upfront_commitment_for_billing_period";
        assert!(names.iter().any(|name| name == long) && long.len() == 64);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }
}

#[test]
fn every_name_a_series_sets_is_a_column_of_a_wide_bill() {
    let sources = [
        include_str!("usage.rs"),
        include_str!("commitments.rs"),
        include_str!("charges.rs"),
        include_str!("estate.rs"),
        include_str!("series.rs"),
        include_str!("split.rs"),
    ];
    let wide = schema::Schema::new(Width::Wide, schema::Place::Middle, true);
    let mut seen = 0;
    for source in sources {
        let quoted = source.split('"').skip(1).step_by(2);
        let columns = quoted.filter(|text| {
            let prefixes = [
                "identity_",
                "bill_",
                "line_item_",
                "product_",
                "pricing_",
                "reservation_",
                "savings_plan_",
                "discount_",
                "cost_category_",
                "resource_tags_",
                "split_line_item_",
            ];
            prefixes.iter().any(|prefix| text.starts_with(prefix))
        });
        for name in columns {
            assert!(wide.index(name).is_some(), "{name} is no column");
            seen += 1;
        }
    }
    assert!(seen > 100);
}

#[test]
fn names_follow_the_rule() {
    let cases = [
        (
            "reservation",
            "ReservationARN",
            "reservation_reservation_a_r_n",
        ),
        ("product", "maxIopsvolume", "product_max_iopsvolume"),
        (
            "product",
            "intelAvx2Available",
            "product_intel_avx2_available",
        ),
        (
            "resourceTags",
            "aws:ec2spot:fleet-request-id",
            "resource_tags_aws_ec2spot_fleet_request_id",
        ),
        (
            "resourceTags",
            "user:Owner-ID",
            "resource_tags_user_owner_i_d",
        ),
        (
            "costCategory",
            "Business_Unit",
            "cost_category_business_unit",
        ),
    ];
    for (category, name, expected) in cases {
        assert_eq!(schema::parquet_name(category, name), expected);
    }
}

#[test]
fn negations_cancel_covered_usage() {
    for bill in [
        Report::ca().month(2025, 11, 0),
        wide(60_000).month(2025, 10, 1),
    ] {
        let types = &bill.totals.by_line_item_type;
        let (covered, negation) = (
            &types["SavingsPlanCoveredUsage"],
            &types["SavingsPlanNegation"],
        );
        assert_eq!(covered.0, negation.0);
        assert_eq!(format!("-{}", covered.1), negation.1);
    }
}

#[test]
fn amortized_trueup_and_upfront_add_up_to_unblended() {
    for report in [Report::press(), Report::ca(), wide(60_000)] {
        for bill in report.all() {
            let batches = read(&bill);
            let sum = |name: &str, kind: &str| {
                by_type(&batches, name)
                    .get(kind)
                    .copied()
                    .unwrap_or_default()
            };
            let cost = |kind: &str| sum("line_item_unblended_cost", kind);
            let upfront_fees: f64 = batches
                .iter()
                .flat_map(|batch| {
                    let arns = texts(batch, "reservation_reservation_a_r_n");
                    let types = texts(batch, "line_item_line_item_type");
                    let costs = doubles(batch, "line_item_unblended_cost").to_vec();
                    arns.into_iter().zip(types).zip(costs)
                })
                .filter(|((arn, kind), _)| !arn.is_empty() && *kind == "Fee")
                .map(|(_, cost)| cost)
                .sum();
            let committed = cost("RIFee")
                + upfront_fees
                + cost("SavingsPlanRecurringFee")
                + cost("SavingsPlanUpfrontFee")
                + cost("SavingsPlanCoveredUsage")
                + cost("SavingsPlanNegation");
            let amortized = sum("reservation_effective_cost", "DiscountedUsage")
                + sum("reservation_unused_recurring_fee", "RIFee")
                + sum(
                    "reservation_unused_amortized_upfront_fee_for_billing_period",
                    "RIFee",
                )
                + sum(
                    "savings_plan_savings_plan_effective_cost",
                    "SavingsPlanCoveredUsage",
                )
                + sum(
                    "savings_plan_total_commitment_to_date",
                    "SavingsPlanRecurringFee",
                )
                - sum("savings_plan_used_commitment", "SavingsPlanRecurringFee");
            let trueup = -sum(
                "reservation_amortized_upfront_fee_for_billing_period",
                "RIFee",
            ) - sum(
                "savings_plan_amortized_upfront_commitment_for_billing_period",
                "SavingsPlanRecurringFee",
            );
            let upfront = upfront_fees + cost("SavingsPlanUpfrontFee");
            let difference = amortized + trueup + upfront - committed;
            assert!(
                difference.abs() < 1e-5,
                "{} {}: {difference}",
                bill.year,
                bill.month
            );
            assert!(sum("reservation_unused_quantity", "RIFee") > 0.0);
        }
    }
}

#[test]
fn a_restated_month_differs() {
    for month in [9, 11] {
        let first = Report::ca().month(2025, month, 0);
        let second = Report::ca().month(2025, month, 1);
        assert_ne!(first.totals.unblended, second.totals.unblended);
        assert!(second.totals.rows > first.totals.rows);
        assert_ne!(
            first.totals.by_line_item_type["Usage"].1,
            second.totals.by_line_item_type["Usage"].1
        );
        assert_ne!(first.files.last(), second.files.last());
    }
}

#[test]
fn the_stream_has_the_rows_of_the_month() {
    let report = wide(40_000);
    let files = read(&report.month(2025, 10, 0));
    let mut streamed = Vec::new();
    stream_month(&report, 2025, 10, &mut |batch| {
        assert!(batch.num_rows() <= 16_384);
        streamed.push(batch.clone());
    });
    let schema = streamed[0].schema();
    assert_eq!(schema, files[0].schema());
    let all = |batches: &[RecordBatch]| arrow::compute::concat_batches(&schema, batches).unwrap();
    assert_eq!(all(&files), all(&streamed));
}

#[test]
fn files_on_disk_are_those_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let report = Report::press();
    let totals = write_month(&report, 2025, 9, 1, dir.path()).unwrap();
    let bill = report.month(2025, 9, 1);
    assert_eq!(totals, bill.totals);
    for file in &bill.files {
        assert_eq!(
            std::fs::read(dir.path().join(&file.key)).unwrap(),
            file.bytes,
            "{}",
            file.key
        );
    }
}

#[test]
fn the_manifest_comes_last_and_names_the_data() {
    let bill = Report::press().month(2025, 9, 0);
    let last = bill.files.last().unwrap();
    assert_eq!(
        last.key,
        "cup/CUP-Cost-Usage-Report/20250901-20251001/CUP-Cost-Usage-Report-Manifest.json"
    );
    let manifest: serde_json::Value = serde_json::from_slice(&last.bytes).unwrap();
    let keys: Vec<&str> = manifest["reportKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    let data: Vec<&str> = bill
        .files
        .iter()
        .filter(is_data)
        .map(|file| file.key.as_str())
        .collect();
    assert_eq!(keys, data);
    assert_eq!(data.len(), 3);
    assert!(data[0].ends_with("/year=2025/month=9/CUP-Cost-Usage-Report-00001.snappy.parquet"));
    let columns = manifest["columns"].as_array().unwrap().iter();
    let names: Vec<String> = columns
        .map(|c| schema::parquet_name(c["category"].as_str().unwrap(), c["name"].as_str().unwrap()))
        .collect();
    let batch = &read(&bill)[0];
    let fields: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, fields);
    assert!(
        batch
            .columns()
            .iter()
            .all(|column| column.null_count() == 0)
    );
}

#[test]
fn line_item_ids_are_unique_with_their_interval() {
    for batches in [
        read(&Report::press().month(2025, 9, 1)),
        read(&wide(60_000).month(2025, 9, 0)),
    ] {
        let mut seen = HashSet::new();
        for batch in &batches {
            let ids = texts(batch, "identity_line_item_id");
            let intervals = texts(batch, "identity_time_interval");
            assert!(ids.into_iter().zip(intervals).all(|key| seen.insert(key)));
        }
    }
}

#[test]
fn lines_lie_in_their_month_and_the_open_one_has_no_invoice() {
    for (n, bill) in Report::press().all().iter().enumerate() {
        let month = Month::new(bill.year, bill.month);
        for batch in &read(bill) {
            let times = |name: &str| {
                let column = batch.column_by_name(name).unwrap();
                column
                    .as_primitive::<TimestampMillisecondType>()
                    .values()
                    .to_vec()
            };
            let (starts, ends) = (
                times("line_item_usage_start_date"),
                times("line_item_usage_end_date"),
            );
            assert!(
                starts
                    .iter()
                    .all(|at| (month.start()..month.end()).contains(at))
            );
            assert!(
                starts
                    .iter()
                    .zip(&ends)
                    .all(|(start, end)| start < end && *end <= month.end())
            );
            assert!(
                texts(batch, "bill_invoice_id")
                    .iter()
                    .all(|id| id.is_empty() == (n == 2))
            );
        }
    }
}

#[test]
fn there_is_no_negative_zero() {
    for batch in read(&Report::press().month(2025, 9, 0)) {
        let columns = batch
            .columns()
            .iter()
            .filter_map(|c| c.as_primitive_opt::<Float64Type>());
        for column in columns {
            assert!(
                column
                    .values()
                    .iter()
                    .all(|v| *v != 0.0 || v.is_sign_positive())
            );
        }
    }
}

#[test]
fn the_larger_payer_pays_about_ten_times_as_much() {
    for (press, ca) in Report::press().all().iter().zip(Report::ca().all()) {
        let press: f64 = press.totals.unblended.parse().unwrap();
        let ca: f64 = ca.totals.unblended.parse().unwrap();
        assert!(
            ca > 0.0 && (7.0..14.0).contains(&(press / ca)),
            "{press} {ca}"
        );
    }
}

#[test]
fn all_kinds_of_lines_and_odd_values_are_there() {
    let bill = Report::press().month(2025, 9, 1);
    let kinds: Vec<&str> = bill
        .totals
        .by_line_item_type
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "Credit",
        "DiscountedUsage",
        "EdpDiscount",
        "Fee",
        "RIFee",
        "Refund",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "SavingsPlanUpfrontFee",
        "Tax",
        "Usage",
    ];
    assert_eq!(kinds, expected);
    let batches = read(&bill);
    let has = |column: &str, value: &str| {
        batches
            .iter()
            .any(|batch| texts(batch, column).contains(&value))
    };
    for region in ["global", "", "us-east-1", "eu-west-2"] {
        assert!(has("product_region", region), "{region}");
    }
    assert!(has("resource_tags_user_team", "R&D \"blue\" 'sky'"));
    assert!(has("resource_tags_user_team", "分析チーム"));
    assert!(has("bill_billing_entity", "AWS Marketplace"));
    assert!(has("product_servicename", "AWS Data Transfer"));
}

#[test]
fn the_status_object_says_ready() {
    let file = status_file(&Report::ca());
    assert_eq!(
        file.key,
        "ca/CA-Cost-Usage-Report/CA-Cost-Usage-Report/cost_and_usage_data_status/\
         cost_and_usage_data_status.parquet"
    );
    let mut reader = parquet(&file.bytes);
    assert_eq!(texts(&reader.next().unwrap().unwrap(), "status"), ["READY"]);
}
