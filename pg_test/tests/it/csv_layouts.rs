//! The layouts that bills in CSV are delivered in, and reports that change from one to the other.

use crate::ask::lines;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, connected};
use crate::formats::{DISCOVER, parquet, put};
use pg_test::Result;
use serde_json::json;

pub const TESTS: &[Test] = tests![
    csv_is_told_by_its_header_and_read_in_every_layout,
    a_report_that_changed_from_csv_to_parquet_is_one_table,
    a_month_that_spells_its_columns_otherwise_is_synced_into_the_same,
];

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
        if run == LATER_RUN {
            // Listings tell whole seconds only.
            std::thread::sleep(std::time::Duration::from_millis(1_100));
        }
        let key = format!("az/costs/20251101-20251130/costs_{run}.csv");
        let file = csv(
            "PreTaxCost",
            &[cost],
            &["SubscriptionGuid", "MeterCategory"],
        );
        let with_mark = ["\u{feff}".as_bytes(), &file[..]].concat();
        put(env, name, &key, with_mark)?;
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
