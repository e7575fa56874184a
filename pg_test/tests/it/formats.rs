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
    csv_is_told_by_its_header_and_read_in_every_layout,
    a_report_that_changed_from_csv_to_parquet_is_one_table,
    a_month_that_spells_its_columns_otherwise_is_synced_into_the_same,
    the_files_of_others_are_told_and_read_whole,
];

/// November 2025, the first hour, in milliseconds.
const NOVEMBER: i64 = 1_761_955_200_000;

/// A Parquet file of one row a cost; every other column is text that says its name.
fn parquet(cost: &str, costs: &[f64], texts: &[&str]) -> Result<Vec<u8>> {
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

fn put(env: &Env, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()> {
    env.gateway.put(bucket, key, bytes)
}

const DISCOVER: &str = "SELECT prefix, format, readable, months, files \
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

/// A CSV file of one row a cost; every other column is text that says its name, or a day.
fn csv(cost: &str, costs: &[&str], texts: &[&str]) -> Vec<u8> {
    let cell = |text: &&str| match text.to_lowercase().contains("date") {
        true => "2025-11-01T00:00:00Z".to_owned(),
        false => format!("\"{text}\""),
    };
    let cells: Vec<String> = texts.iter().map(cell).collect();
    let rows = costs
        .iter()
        .map(|cost| format!("{},{cost}\n", cells.join(",")));
    let header = format!("{},{cost}\n", texts.join(","));
    (header + &rows.collect::<String>()).into_bytes()
}

const RUN: &str = "73746dc5-5dcc-4b83-b340-bb1bd2b1ca30";
const LATER_RUN: &str = "a243c6f2-199f-4074-9a2c-40e671cf1584";

fn csv_is_told_by_its_header_and_read_in_every_layout(env: &Env) -> Result<()> {
    let name = "formats-csv";
    let mut client = connected(env, name)?;
    let legacy = |costs: &[&str]| {
        let texts = ["identity/LineItemId", "lineItem/UsageAccountId"];
        csv("lineItem/UnblendedCost", costs, &texts)
    };
    // AWS, create-new: the month's manifest points at the second assembly.
    let month = "aws/made/20251101-20251201";
    put(
        env,
        name,
        &format!("{month}/a1/made-1.csv"),
        legacy(&["100"]),
    )?;
    put(
        env,
        name,
        &format!("{month}/a2/made-1.csv"),
        legacy(&["1.5"]),
    )?;
    put(
        env,
        name,
        &format!("{month}/a2/made-2.csv"),
        legacy(&["0.5", "1"]),
    )?;
    let keys = [
        format!("{month}/a2/made-1.csv"),
        format!("{month}/a2/made-2.csv"),
    ];
    let manifest = json!({
        "assemblyId": "a2",
        "columns": [{"category": "lineItem", "name": "UnblendedCost"}],
        "contentType": "text/csv",
        "compression": "GZIP",
        "billingPeriod": {"start": "20251101T000000.000Z", "end": "20251201T000000.000Z"},
        "bucket": name,
        "reportKeys": keys,
    });
    let manifest = serde_json::to_vec(&manifest)?;
    put(env, name, &format!("{month}/made-Manifest.json"), manifest)?;
    // Without manifest and with names of no known writer, the newest delivery counts.
    let month = format!("aws/copy/20251101-20251201/{RUN}/November-2025.csv");
    put(env, name, &month, legacy(&["2"]))?;
    let focus = csv("BilledCost", &["4"], &["ServiceName", "ChargeCategory"]);
    let data = "exports/f/data/BILLING_PERIOD=2025-11/f-00001.csv";
    put(env, name, data, focus.clone())?;
    for (run, cost) in [(RUN, "100"), (LATER_RUN, "5")] {
        let key = format!("az/costs/20251101-20251130/costs_{run}.csv");
        let file = csv(
            "PreTaxCost",
            &[cost],
            &["SubscriptionGuid", "MeterCategory"],
        );
        let with_mark = ["\u{feff}".as_bytes(), &file[..]].concat();
        put(env, name, &key, with_mark)?;
        // Listings tell whole seconds only.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    }
    for (month, cost) in [("202510", "6"), ("202511", "7")] {
        let key = format!("google/{RUN}/{month}_{RUN}_2025-11-01:2025-11-02.csv");
        let texts = ["service.id", "sku.description", "usage_start_time"];
        let file = csv("cost", &[cost], &texts);
        let file = String::from_utf8(file)?.replace("\"usage_start_time\"", "2025-11-01T00:00:00");
        put(env, name, &key, file.into_bytes())?;
    }
    put(
        env,
        name,
        "plain/2025-11.csv",
        csv("amount", &["8"], &["name"]),
    )?;

    assert_eq!(
        lines(&mut client, DISCOVER)?,
        [
            "aws/copy aws-cur-csv t 1 1",
            "aws/made aws-cur-csv t 1 3",
            "az/costs azure-actual t 1 1",
            "exports/f aws-focus t 1 1",
            "google gcp-billing t 2 2",
            "plain csv t 1 1",
        ]
    );
    client
        .batch_execute("CREATE SCHEMA b; IMPORT FOREIGN SCHEMA \"/\" FROM SERVER bills INTO b")?;
    for (table, cost, sums) in [
        ("made", "line_item_unblended_cost", vec!["2025-11-01 3 3"]),
        ("copy", "line_item_unblended_cost", vec!["2025-11-01 2 1"]),
        ("f", "billed_cost", vec!["2025-11-01 4 1"]),
        ("costs", "pre_tax_cost", vec!["2025-11-01 5 1"]),
        ("google", "cost", vec!["2025-10-01 6 1", "2025-11-01 7 1"]),
        ("plain", "amount::numeric", vec!["2025-11-01 8 1"]),
    ] {
        let sql = format!(
            "SELECT billing_period, sum({cost}), count(*) FROM b.{table} GROUP BY 1 ORDER BY 1"
        );
        assert_eq!(lines(&mut client, &sql)?, sums, "{table}");
    }
    let texts = "SELECT identity_line_item_id, line_item_usage_account_id FROM b.copy";
    let own = ["identity/LineItemId lineItem/UsageAccountId"];
    assert_eq!(lines(&mut client, texts)?, own);
    Ok(())
}

/// October in CSV, November in Parquet, of one report. Both have a tag that the other spells
/// otherwise, and one that the other lacks.
fn deliver_changed(env: &Env, bucket: &str) -> Result<()> {
    let texts = [
        "lineItem/UsageAccountId",
        "lineItem/UsageStartDate",
        "lineItem/CurrencyCode",
        "resourceTags/user:Owner",
        "resourceTags/user:Old",
    ];
    let october = csv("lineItem/UnblendedCost", &["1.25", "0.75"], &texts);
    put(env, bucket, "cur/R/20251001-20251101/R-00001.csv", october)?;
    let texts = [
        "line_item_usage_account_id",
        "line_item_usage_start_date",
        "line_item_currency_code",
        "resource_tags_user_owner",
        "resource_tags_user_new",
    ];
    let november = parquet("line_item_unblended_cost", &[3.0], &texts)?;
    let key = "cur/R/R/year=2025/month=11/R-00001.snappy.parquet";
    put(env, bucket, key, november)
}

fn a_report_that_changed_from_csv_to_parquet_is_one_table(env: &Env) -> Result<()> {
    let name = "formats-changed";
    let mut client = connected(env, name)?;
    deliver_changed(env, name)?;
    assert_eq!(
        lines(&mut client, DISCOVER)?,
        ["cur/R aws-cur-parquet t 2 2"]
    );
    client.batch_execute(
        "CREATE SCHEMA newest; IMPORT FOREIGN SCHEMA cur FROM SERVER bills INTO newest;
         CREATE SCHEMA every;
         IMPORT FOREIGN SCHEMA cur FROM SERVER bills INTO every OPTIONS (columns 'all')",
    )?;
    let columns = |schema: &str| {
        format!(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = '{schema}.r'::regclass AND attnum > 0"
        )
    };
    assert_eq!(lines(&mut client, &columns("newest"))?, ["9"]);
    assert_eq!(
        lines(&mut client, &columns("every"))?,
        ["10"],
        "one more tag"
    );
    for schema in ["newest", "every"] {
        let sums = format!(
            "SELECT year, month, sum(line_item_unblended_cost), min(resource_tags_user_owner), \
               min(line_item_usage_start_date) FROM {schema}.r GROUP BY 1, 2 ORDER BY 2"
        );
        let start = "2025-11-01 00:00:00";
        assert_eq!(
            lines(&mut client, &sums)?,
            [
                format!("2025 10 2 resourceTags/user:Owner {start}"),
                format!("2025 11 3 resource_tags_user_owner {start}"),
            ]
        );
    }
    let old = "SELECT month, count(resource_tags_user_old), count(resource_tags_user_new) \
               FROM every.r GROUP BY 1 ORDER BY 1";
    assert_eq!(lines(&mut client, old)?, ["10 2 0", "11 0 1"]);
    Ok(())
}

fn a_month_that_spells_its_columns_otherwise_is_synced_into_the_same(env: &Env) -> Result<()> {
    let name = "formats-changed-sync";
    let mut client = connected(env, name)?;
    deliver_changed(env, name)?;
    client.batch_execute("SELECT cost_analytics.cost_add_source('r', 'bills', 'cur/R')")?;
    fixture::sync(&mut client)?;
    let raw = "SELECT month, sum(line_item_unblended_cost), count(resource_tags_user_owner), \
                 count(resource_tags_user_old) FROM cost_analytics.raw_r GROUP BY 1 ORDER BY 1";
    assert_eq!(lines(&mut client, raw)?, ["10 2 2 2", "11 3 1 0"]);
    let costs =
        "SELECT billing_period, sum(cost)::float8 FROM cost_analytics.costs GROUP BY 1 ORDER BY 1";
    assert_eq!(lines(&mut client, costs)?, ["2025-10-01 2", "2025-11-01 3"]);
    let added = "SELECT count(*) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped \
                   AND attrelid = 'cost_analytics.r'::regclass";
    assert_eq!(lines(&mut client, added)?, ["10"]);
    Ok(())
}

/// Files that providers and other projects' tests wrote: where each lies, where it goes, what it is
/// told to be, and its rows and columns.
const OF_OTHERS: &[(&str, &str, &str, i64, i64)] = &[
    (
        "aws-cur-csv/2022-07-01-alt-columns.csv",
        "alt/2022-07-01-alt-columns-2022-07.csv",
        "aws-cur-csv",
        2,
        154,
    ),
    (
        "aws-cur-csv/2023-06-01.csv",
        "final/20230601-20230701/final-00001.csv",
        "aws-cur-csv",
        3,
        201,
    ),
    (
        "aws-cur-csv/empty_frame.csv",
        "empty/20230601-20230701/empty-1.csv",
        "aws-cur-csv",
        0,
        201,
    ),
    (
        "cur2-csv/keboola/cur_1_0/s3_structure/mock-cur-bucket/20240101-20240131/MockTestReport-00001.csv.zip",
        "zip/20240101-20240131/MockTestReport-00001.csv.zip",
        "aws-cur-csv",
        3,
        30,
    ),
    (
        "cur2-csv/keboola/cur_2_0/MockTestReportV2-00001.csv.gz",
        "v2/data/BILLING_PERIOD=2024-09/MockTestReportV2-00001.csv.gz",
        "aws-cur2",
        4,
        30,
    ),
    (
        "cur2-csv/anonymize/sample-cur20.csv",
        "snake/2025-01/sample.csv",
        "aws-cur-csv",
        4,
        13,
    ),
    (
        "azure/azure_camelCased.csv",
        "camel/20190701-20190731/part_0_0001.csv",
        "azure-actual",
        3,
        23,
    ),
    (
        "azure/azure_version_2.csv",
        "amortized-two/20230101-20230131/202301041442/73746dc5/000001.csv",
        "azure-amortized",
        5,
        52,
    ),
    (
        "azure/camel_azure_version_2.csv",
        "mca/2023-09.csv",
        "azure-actual",
        4,
        60,
    ),
    (
        "azure/costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv",
        "ea/20190701-20190731/costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv",
        "azure-actual",
        3,
        24,
    ),
    (
        "focus/focus_sample.csv",
        "sample/billing_period=2024-09/focus_sample.csv",
        "focus",
        1_000,
        44,
    ),
    (
        "gcp/202011_export_flattened.csv",
        "google/202011_export_flattened.csv",
        "gcp-billing",
        25,
        29,
    ),
];

fn the_files_of_others_are_told_and_read_whole(env: &Env) -> Result<()> {
    let files: Vec<&str> = OF_OTHERS.iter().map(|(file, ..)| *file).collect();
    let Some(folder) = fixture::of_others("", &files) else {
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    for (file, place, ..) in OF_OTHERS {
        let place = directory.path().join(place);
        std::fs::create_dir_all(place.parent().ok_or("a file lies in a folder")?)?;
        std::fs::write(place, std::fs::read(folder.join(file))?)?;
    }
    let mut client = env.database_with_extension("formats-others")?;
    fixture::connect_directory(&mut client, directory.path())?;
    let found = "SELECT prefix, format FROM cost_analytics.cost_discover('bills')";
    let found = lines(&mut client, found)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA \"/\" FROM SERVER bills INTO public")?;
    for (file, place, format, rows, columns) in OF_OTHERS {
        let root = place.split('/').next().unwrap_or_default();
        assert!(
            found.contains(&format!("{root} {format}")),
            "{file}: {found:?}"
        );
        let table = root.replace('-', "_");
        let count = format!(
            "SELECT (SELECT count(*) FROM \"{table}\" WHERE billing_period IS NOT NULL), count(*) - 1 \
               FROM pg_attribute WHERE attrelid = '\"{table}\"'::regclass AND attnum > 0"
        );
        assert_eq!(
            lines(&mut client, &count)?,
            [format!("{rows} {columns}")],
            "{file}"
        );
    }
    Ok(())
}
