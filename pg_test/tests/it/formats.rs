//! Every layout that bills are delivered in: found by looking, named, and read.

use crate::ask::lines;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, PRESS, connected, press};
use crate::refusals::{FDW_ERROR, error_of};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use pg_test::Result;
use serde_json::json;
use std::sync::Arc;

pub const TESTS: &[Test] = tests![
    a_bucket_of_every_format_shows_and_reads_each_once,
    only_awss_own_folders_give_year_and_month,
    a_data_export_is_synced_into_tables,
    a_report_and_a_data_export_under_one_name_are_two_tables,
    a_manifest_that_leaves_its_export_is_refused_by_name,
    actual_and_amortized_costs_in_one_folder_are_refused,
    files_without_a_month_are_named_and_left_alone,
    each_format_passes_the_test_of_its_server,
];

/// November 2025, the first hour, in milliseconds.
const NOVEMBER: i64 = 1_761_955_200_000;

/// A Parquet file of one row a cost; every other column is text that says its name.
pub fn parquet(cost: &str, costs: &[f64], texts: &[&str]) -> Result<Vec<u8>> {
    let column = |text: &&str| -> (String, ArrayRef) {
        let values: ArrayRef = match text.to_lowercase().contains("date") {
            true => Arc::new(TimestampMillisecondArray::from(vec![NOVEMBER; costs.len()])),
            false => Arc::new(StringArray::from(vec![*text; costs.len()])),
        };
        ((*text).to_owned(), values)
    };
    let mut columns: Vec<(String, ArrayRef)> = texts.iter().map(column).collect();
    let costs: ArrayRef = Arc::new(Float64Array::from(costs.to_vec()));
    columns.push((cost.to_owned(), costs));
    let batch = RecordBatch::try_from_iter(columns)?;
    fixture::parquet(&batch)
}

const CUR2: [&str; 6] = [
    "bill_payer_account_name",
    "line_item_usage_account_id",
    "line_item_usage_start_date",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_currency_code",
];

fn cur2(costs: &[f64]) -> Result<Vec<u8>> {
    parquet("line_item_unblended_cost", costs, &CUR2)
}

fn azure(costs: &[f64]) -> Result<Vec<u8>> {
    let texts = ["SubscriptionId", "MeterCategory", "chargeType"];
    parquet("costInBillingCurrency", costs, &texts)
}

/// A Data Exports manifest for files of a bucket.
fn export_manifest(bucket: &str, id: &str, columns: &[&str], keys: &[&str]) -> Result<Vec<u8>> {
    let columns = columns
        .iter()
        .map(|name| json!({"name": name, "type": "string"}));
    let files = keys.iter().map(|key| format!("s3://{bucket}/{key}"));
    Ok(serde_json::to_vec(&json!({
        "executionId": id,
        "exportArn": "arn:aws:bcm-data-exports:us-east-1:000000000000:export/e",
        "columns": columns.collect::<Vec<_>>(),
        "dataFiles": files.collect::<Vec<_>>(),
        "additionalOutputFiles": [],
    }))?)
}

/// An Azure manifest as the service writes it today.
fn azure_manifest(run: &str, dataset: &str, key: &str) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&json!({
        "manifestVersion": "2024-04-01",
        "blobCount": 1,
        "exportConfig": {"exportName": "e", "type": dataset, "timeFrame": "MonthToDate"},
        "deliveryConfig": {"fileFormat": "Parquet", "compressionMode": "snappy"},
        "runInfo": {"runId": run, "startDate": "2025-11-01T00:00:00"},
        "blobs": [{"blobName": key, "byteCount": 1, "dataRowCount": 1}],
    }))?)
}

pub fn put(env: &Env, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()> {
    env.gateway.put(bucket, key, bytes)
}

pub const DISCOVER: &str = "SELECT prefix, format, readable, months, files \
                        FROM cost_analytics.cost_discover('bills') ORDER BY prefix, format";

/// One month of Data Exports of CUR 2.0 in the create-new mode: the delivery that counts adds up to
/// 3, one that it replaced to 100.
fn deliver_cur2(env: &Env, bucket: &str, root: &str) -> Result<()> {
    let old = "2025-11-03T01:02:03.456Z-11111111-1111-1111-1111-111111111111";
    let new = "2025-11-04T01:02:03.456Z-22222222-2222-2222-2222-222222222222";
    let file = |delivery: &str, n: u32| {
        format!("{root}/data/BILLING_PERIOD=2025-11/{delivery}/e-{n:05}.snappy.parquet")
    };
    put(env, bucket, &file(old, 1), cur2(&[100.0])?)?;
    put(env, bucket, &file(new, 1), cur2(&[1.0])?)?;
    put(env, bucket, &file(new, 2), cur2(&[1.5, 0.5])?)?;
    let metadata = format!("{root}/metadata/BILLING_PERIOD=2025-11");
    let columns = [&CUR2[..], &["line_item_unblended_cost"]].concat();
    let (first, second) = (file(new, 1), file(new, 2));
    let manifest = export_manifest(bucket, "second", &columns, &[&first, &second])?;
    put(
        env,
        bucket,
        &format!("{metadata}/{new}/e-Manifest.json"),
        manifest.clone(),
    )?;
    put(
        env,
        bucket,
        &format!("{metadata}/e-Manifest.json"),
        manifest,
    )?;
    let manifest = export_manifest(bucket, "first", &columns, &[&file(old, 1)])?;
    put(
        env,
        bucket,
        &format!("{metadata}/{old}/e-Manifest.json"),
        manifest,
    )
}

/// One month of an Azure export that ran twice: the run that counts adds up to `cost`.
fn deliver_azure(env: &Env, bucket: &str, root: &str, dataset: &str, cost: f64) -> Result<()> {
    for (run, time, costs) in [
        ("a", "202511031200", vec![100.0]),
        ("b", "202511041200", vec![cost]),
    ] {
        let folder = format!("{root}/20251101-20251130/{time}/{run}");
        let key = format!("{folder}/part_0_0001.snappy.parquet");
        put(env, bucket, &key, azure(&costs)?)?;
        let manifest = azure_manifest(run, dataset, &key)?;
        put(env, bucket, &format!("{folder}/manifest.json"), manifest)?;
    }
    Ok(())
}

fn a_bucket_of_every_format_shows_and_reads_each_once(env: &Env) -> Result<()> {
    let name = "formats-all";
    let mut client = connected(env, name)?;
    fixture::upload(env, name, &press().all()[0])?;
    deliver_cur2(env, name, "exports/two")?;
    let focus = parquet("BilledCost", &[4.0], &["ServiceName", "ChargeCategory"])?;
    let key = "exports/focus/data/billing_period=2025-11/focus-00001.snappy.parquet";
    put(env, name, key, focus.clone())?;
    let manifest = export_manifest(name, "x", &["BilledCost", "ServiceName"], &[key])?;
    let metadata = "exports/focus/metadata/billing_period=2025-11";
    put(
        env,
        name,
        &format!("{metadata}/focus-Manifest.json"),
        manifest,
    )?;
    deliver_azure(env, name, "azure/act", "ActualCost", 5.0)?;
    deliver_azure(env, name, "azure/amo", "AmortizedCost", 6.0)?;
    // Without a manifest, only the file says what it is.
    put(
        env,
        name,
        "azure/foc/20251101-20251130/c/part_0_0001.parquet",
        focus.clone(),
    )?;
    let google = parquet(
        "cost",
        &[7.0],
        &["usage_start_time", "service.id", "currency"],
    )?;
    put(
        env,
        name,
        "google/2025-11/000000000000.parquet",
        google.clone(),
    )?;
    put(env, name, "google/202510/000000000000.parquet", google)?;
    put(env, name, "oracle/focus-2025-11.parquet", focus)?;
    put(
        env,
        name,
        "other/2025/11/x.parquet",
        parquet("amount", &[8.0], &["name"])?,
    )?;
    put(env, name, "logs/2025-11-03/x.csv", b"a,b\n".to_vec())?;
    put(
        env,
        name,
        "aws-programmatic-access-test-object",
        b"test".to_vec(),
    )?;

    assert_eq!(
        lines(&mut client, DISCOVER)?,
        [
            "azure/act azure-actual t 1 2".to_owned(),
            "azure/amo azure-amortized t 1 2".to_owned(),
            "azure/foc azure-focus t 1 1".to_owned(),
            format!("{PRESS} aws-cur-parquet t 1 3"),
            "exports/focus aws-focus t 1 1".to_owned(),
            "exports/two aws-cur2 t 1 3".to_owned(),
            "google gcp-billing t 2 2".to_owned(),
            "logs/2025-11-03 unknown f 0 1".to_owned(),
            "oracle focus t 1 1".to_owned(),
            "other parquet t 1 1".to_owned(),
        ]
    );

    client
        .batch_execute("CREATE SCHEMA b; IMPORT FOREIGN SCHEMA \"/\" FROM SERVER bills INTO b")?;
    for (table, cost, sums) in [
        ("act", "cost_in_billing_currency", vec!["2025-11-01 5 1"]),
        ("amo", "cost_in_billing_currency", vec!["2025-11-01 6 1"]),
        ("foc", "billed_cost", vec!["2025-11-01 4 1"]),
        ("focus", "billed_cost", vec!["2025-11-01 4 1"]),
        ("two", "line_item_unblended_cost", vec!["2025-11-01 3 3"]),
        ("google", "cost", vec!["2025-10-01 7 1", "2025-11-01 7 1"]),
        ("oracle", "billed_cost", vec!["2025-11-01 4 1"]),
        ("other", "amount", vec!["2025-11-01 8 1"]),
    ] {
        let sql = format!(
            "SELECT billing_period, sum({cost}), count(*) FROM b.{table} GROUP BY 1 ORDER BY 1"
        );
        assert_eq!(lines(&mut client, &sql)?, sums, "{table}");
    }
    let texts = "SELECT service_id, currency FROM b.google WHERE billing_period = '2025-11-01'";
    assert_eq!(lines(&mut client, texts)?, ["service.id currency"]);
    let pruned = lines(&mut client, &format!("EXPLAIN {texts}"))?.join("\n");
    assert!(pruned.contains("1 of 2 months"), "{pruned}");
    Ok(())
}

fn only_awss_own_folders_give_year_and_month(env: &Env) -> Result<()> {
    let name = "formats-year";
    let mut client = connected(env, name)?;
    fixture::upload(env, name, &press().all()[0])?;
    // What these files call year is theirs.
    let file = || parquet("BilledCost", &[1.0], &["year", "Month", "billing_period"]);
    put(env, name, "plain/2025-11/x.parquet", file()?)?;
    put(env, name, "folders/year=2025/month=11/x.parquet", file()?)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA \"/\" FROM SERVER bills INTO public")?;
    let of_path = "SELECT year, month, billing_period FROM";
    let aws = format!("{of_path} cup_cost_usage_report LIMIT 1");
    assert_eq!(lines(&mut client, &aws)?, ["2025 9 2025-09-01"]);
    for table in ["plain", "folders"] {
        let own = format!("{of_path} {table}");
        assert_eq!(
            lines(&mut client, &own)?,
            ["year Month 2025-11-01"],
            "{table}"
        );
        let other = format!("SELECT billing_period_2 FROM {table} WHERE year = 'year'");
        assert_eq!(lines(&mut client, &other)?, ["billing_period"], "{table}");
    }
    Ok(())
}

fn a_data_export_is_synced_into_tables(env: &Env) -> Result<()> {
    let name = "formats-sync";
    let mut client = connected(env, name)?;
    deliver_cur2(env, name, "two")?;
    client.batch_execute(
        "SELECT cost_analytics.cost_add_source('two', server => 'bills', prefix => 'two/data')",
    )?;
    let plan = "SELECT billing_period, action, files FROM cost_analytics.cost_plan()";
    assert_eq!(lines(&mut client, plan)?, ["2025-11-01 load 2"]);
    fixture::sync(&mut client)?;
    let raw = "SELECT count(*), sum(line_item_unblended_cost) FROM cost_analytics.raw_two \
                WHERE billing_period = '2025-11-01'";
    assert_eq!(lines(&mut client, raw)?, ["3 3"]);
    let costs = "SELECT account_id, sum(cost) = 3 FROM cost_analytics.costs GROUP BY 1";
    assert_eq!(lines(&mut client, costs)?, ["line_item_usage_account_id t"]);
    let manifests = "SELECT manifest_id, state FROM cost_analytics.manifests";
    assert_eq!(lines(&mut client, manifests)?, ["second loaded"]);
    Ok(())
}

fn a_report_and_a_data_export_under_one_name_are_two_tables(env: &Env) -> Result<()> {
    let name = "formats-shared";
    let mut client = connected(env, name)?;
    fixture::upload(env, name, &press().all()[0])?;
    deliver_cur2(env, name, PRESS)?;
    let found = "SELECT prefix, format FROM cost_analytics.cost_discover('bills') ORDER BY 1";
    assert_eq!(
        lines(&mut client, found)?,
        [
            format!("{PRESS} aws-cur-parquet"),
            format!("{PRESS}/data aws-cur2")
        ]
    );
    client.batch_execute(&format!(
        "IMPORT FOREIGN SCHEMA \"{PRESS}\" FROM SERVER bills INTO public"
    ))?;
    let rows = "SELECT (SELECT count(*) FROM cup_cost_usage_report), \
                       (SELECT count(*) FROM cup_cost_usage_report_2)";
    let expected = format!("{} 3", press().rows_per_month);
    assert_eq!(lines(&mut client, rows)?, [expected]);
    Ok(())
}

fn a_manifest_that_leaves_its_export_is_refused_by_name(env: &Env) -> Result<()> {
    let name = "formats-bounds";
    let mut client = connected(env, name)?;
    let own = "e/data/BILLING_PERIOD=2025-11/e-1.parquet";
    let foreign = "secret/2025-11/x.parquet";
    let key = "e/metadata/BILLING_PERIOD=2025-11/e-Manifest.json";
    put(env, name, own, cur2(&[1.0])?)?;
    put(env, name, foreign, cur2(&[1_000.0])?)?;
    let good = export_manifest(name, "a", &CUR2, &[own])?;
    put(env, name, key, good)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA \"e\" FROM SERVER bills INTO public")?;
    client.batch_execute("SELECT cost_analytics.cost_add_source('e', 'bills', 'e')")?;
    let read = "SELECT sum(line_item_unblended_cost) FROM e";
    assert_eq!(lines(&mut client, read)?, ["1"]);

    let long: Vec<&str> = vec![own; 100_001];
    for (manifest, shown) in [
        (export_manifest(name, "a", &CUR2, &[own, foreign])?, foreign),
        (
            export_manifest(name, "a", &CUR2, &["e/../secret/2025-11/x.parquet"])?,
            "e/../secret",
        ),
        (
            export_manifest("another", "a", &CUR2, &[own])?,
            "s3://another/e/data",
        ),
        (
            export_manifest(name, "a", &CUR2, &["e/data/run.sh"])?,
            "neither Parquet nor CSV",
        ),
        (
            export_manifest(name, "a", &CUR2, &long)?,
            "more than 100000 files",
        ),
        (vec![b'['; 1 << 20], "e-Manifest.json"),
        (vec![b' '; (16 << 20) + 1], "16777217"),
    ] {
        put(env, name, key, manifest)?;
        let error = error_of(&mut client, read)?;
        let message = error.message();
        assert!(
            message.contains(key) && message.contains(shown),
            "{error:?}"
        );
        assert!(
            error.hint().is_some_and(|hint| hint.len() > 20),
            "{error:?}"
        );
        assert!(
            error.code().code().starts_with("HV") || shown == "16777217",
            "{error:?}"
        );
        let plan = "SELECT action, why FROM cost_analytics.cost_plan()";
        let plan = lines(&mut client, plan)?.join("\n");
        assert!(plan.starts_with("fail") && plan.contains(shown), "{plan}");
    }
    Ok(())
}

fn actual_and_amortized_costs_in_one_folder_are_refused(env: &Env) -> Result<()> {
    let name = "formats-datasets";
    let mut client = connected(env, name)?;
    let key = "az/e/20251001-20251031/a/part_0_0001.parquet";
    put(env, name, key, azure(&[1.0])?)?;
    let manifest = azure_manifest("a", "AmortizedCost", key)?;
    put(
        env,
        name,
        "az/e/20251001-20251031/a/manifest.json",
        manifest,
    )?;
    deliver_azure(env, name, "az/e", "ActualCost", 2.0)?;
    let found = "SELECT prefix, format, months FROM cost_analytics.cost_discover('bills')";
    assert_eq!(lines(&mut client, found)?, ["az/e azure-actual 2"]);
    client.batch_execute("IMPORT FOREIGN SCHEMA \"az\" FROM SERVER bills INTO public")?;
    let november =
        "SELECT sum(cost_in_billing_currency) FROM e WHERE billing_period = '2025-11-01'";
    assert_eq!(lines(&mut client, november)?, ["2"]);
    let error = error_of(&mut client, "SELECT sum(cost_in_billing_currency) FROM e")?;
    assert_eq!(error.code().code(), FDW_ERROR);
    for part in [
        "20251001-20251031/a/manifest.json",
        "AmortizedCost",
        "ActualCost",
    ] {
        assert!(error.message().contains(part), "{error:?}");
    }
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("must not be added up"), "{hint}");
    Ok(())
}

fn files_without_a_month_are_named_and_left_alone(env: &Env) -> Result<()> {
    let name = "formats-unknown";
    let mut client = connected(env, name)?;
    put(env, name, "drop/costs.parquet", cur2(&[1.0])?)?;
    put(env, name, "drop/readme.txt", b"x".to_vec())?;
    assert_eq!(lines(&mut client, DISCOVER)?, ["drop unknown f 0 1"]);
    let error = error_of(
        &mut client,
        "IMPORT FOREIGN SCHEMA \"drop\" FROM SERVER bills INTO public",
    )?;
    let message = error.message();
    assert!(
        message.contains("\"drop\"") && message.contains("1 files"),
        "{error:?}"
    );
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("2025-11"), "{hint}");
    Ok(())
}

fn each_format_passes_the_test_of_its_server(env: &Env) -> Result<()> {
    let name = "formats-test";
    let mut client = connected(env, name)?;
    let checks = "SELECT \"check\", ok FROM cost_analytics.cost_test('bills')";
    let manifest =
        "SELECT detail FROM cost_analytics.cost_test('bills') WHERE \"check\" = 'manifest'";
    let deliveries: [(&str, &dyn Fn() -> Result<()>); 3] = [
        ("(aws-cur2): newest month 2025-11 with 2 files", &|| {
            deliver_cur2(env, name, "e")
        }),
        (
            "(azure-amortized): newest month 2025-11 with 1 files",
            &|| deliver_azure(env, name, "e", "AmortizedCost", 1.0),
        ),
        ("(focus): newest month 2025-11 with 1 files", &|| {
            put(
                env,
                name,
                "e/2025-11/x.parquet",
                parquet("BilledCost", &[1.0], &[])?,
            )
        }),
    ];
    for (shown, deliver) in deliveries {
        fixture::empty_bucket(env, name)?;
        deliver()?;
        assert_eq!(
            lines(&mut client, checks)?,
            ["credentials t", "list t", "manifest t", "footer t"],
            "{shown}"
        );
        let detail = lines(&mut client, manifest)?.join("");
        assert!(detail.contains(shown), "{detail}");
    }
    Ok(())
}
