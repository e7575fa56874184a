//! Bills in CSV: every cell, every way to ask, and what is said of files that are not as they should be.

use crate::ask::{rows, value};
use crate::env::{Env, Test, tests};
use crate::fixture::connected;
use crate::refusals::error_of;
use flate2::Compression;
use flate2::write::GzEncoder;
use pg_test::Result;
use pg_test::backend::Footprint;
use postgres::Client;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    pushdown_changes_no_answer,
    a_month_is_synced_with_its_tags,
    analyze_counts_rows_that_no_footer_tells,
    a_malformed_record_is_named_with_file_line_and_column,
    a_large_file_takes_little_memory_and_can_be_cancelled,
];

fn gzip(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}

/// An Azure export of one month: every type, tags, empty cells, and texts that need quotes.
fn azure(env: &Env, bucket: &str) -> Result<Client> {
    let client = connected(env, bucket)?;
    for file in 0..2 {
        let mut text = String::from(
            "\u{feff}SubscriptionId,Date,MeterCategory,costInBillingCurrency,Tags,additionalInfo\r\n",
        );
        for n in 0..1500 {
            let n = n * 2 + file;
            let category = match n % 7 {
                0 => String::new(),
                1 => "\"Storage, \"\"hot\"\"\"".to_owned(),
                n => format!("Category {n}"),
            };
            let tags = match n % 5 {
                0 => String::new(),
                1 => "\"\"\"env\"\": \"\"prod\"\",\"\"n\"\": 1\"".to_owned(),
                2 => "{}".to_owned(),
                _ => "\"{\"\"env\"\": \"\"dev\"\"}\"".to_owned(),
            };
            let cost = if n % 11 == 0 {
                String::new()
            } else {
                format!("{}", f64::from(n) / 7.0)
            };
            let day = 1 + n % 28;
            let day = if file == 0 {
                format!("11/{day:02}/2025")
            } else {
                format!("2025-11-{day:02}")
            };
            write!(
                text,
                "s-{},{day},{category},{cost},{tags},\"two\nlines {n}\"\r\n",
                n % 3
            )?;
        }
        let key = format!("az/e/20251101-20251130/run/part_0_{file:04}.csv.gz");
        env.gateway.put(bucket, &key, gzip(text.as_bytes())?)?;
    }
    Ok(client)
}

const QUESTIONS: [&str; 22] = [
    "count(*) FROM t",
    "count(*), count(tags), count(meter_category), count(cost_in_billing_currency) FROM t",
    "* FROM t",
    "additional_info FROM t WHERE cost_in_billing_currency > 300",
    "* FROM t WHERE tags IS NULL",
    "count(*) FROM t WHERE tags IS NOT NULL AND meter_category IS NULL",
    "count(*) FROM t WHERE tags ->> 'env' = 'prod'",
    "count(*) FROM t WHERE tags = '{}'",
    "count(*) FROM t WHERE tags @> '{\"env\": \"dev\"}' AND date < '2025-11-10'",
    "tags, count(*) FROM t GROUP BY tags",
    "DISTINCT tags FROM t",
    "count(DISTINCT tags) FROM t",
    "tags FROM t ORDER BY tags DESC NULLS LAST, additional_info COLLATE \"C\" LIMIT 10",
    "coalesce(tags, '{}') FROM t WHERE date = '2025-11-03'",
    "CASE WHEN tags IS NULL THEN 1 ELSE 2 END, count(*) FROM t GROUP BY 1",
    "count(*) FILTER (WHERE tags IS NULL) FROM t",
    "date, sum(cost_in_billing_currency) FROM t GROUP BY date",
    "meter_category, max(date), min(subscription_id COLLATE \"C\") FROM t GROUP BY 1",
    "count(*) FROM t WHERE meter_category LIKE 'Storage, \"hot%'",
    "* FROM t WHERE subscription_id IN ('s-1', 's-9') AND meter_category = 'Category 3'",
    "cost_in_billing_currency FROM t ORDER BY 1 DESC NULLS LAST LIMIT 5",
    "count(*) FROM t WHERE billing_period = '2025-11-01' AND additional_info LIKE E'two\\nlines 1%'",
];

fn pushdown_changes_no_answer(env: &Env) -> Result<()> {
    let mut client = azure(env, "csv-pushdown")?;
    client.batch_execute("IMPORT FOREIGN SCHEMA az FROM SERVER bills INTO public")?;
    client.batch_execute("ALTER FOREIGN TABLE e RENAME TO t; CREATE TABLE heap AS TABLE t")?;
    let types =
        "SELECT string_agg(attname || ' ' || format_type(atttypid, -1), ', ' ORDER BY attnum)
                   FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";
    assert_eq!(
        value(&mut client, types)?,
        "subscription_id text, date date, meter_category text, cost_in_billing_currency double precision, \
         tags jsonb, additional_info text, billing_period date"
    );
    assert_eq!(value(&mut client, "SELECT count(*) FROM heap")?, "3000");
    for question in QUESTIONS {
        let ask = |client: &mut Client, table: &str, pushdown: bool| -> Result<Vec<_>> {
            client.batch_execute(&format!("SET cur_fdw.enable_pushdown = {pushdown}"))?;
            let sql = format!(
                "SELECT {}",
                question.replace("FROM t", &format!("FROM {table}"))
            );
            let mut rows = rows(client, &sql)?;
            // Sums of doubles may differ in their last digit.
            for cell in rows.iter_mut().flatten().flatten() {
                if let Ok(number) = cell.parse::<f64>() {
                    *cell = format!("{number:.9}");
                }
            }
            rows.sort();
            Ok(rows)
        };
        let heap = ask(&mut client, "heap", false)?;
        assert!(!heap.is_empty(), "{question}");
        assert_eq!(ask(&mut client, "t", true)?, heap, "{question}");
        assert_eq!(ask(&mut client, "t", false)?, heap, "{question}");
    }
    client.batch_execute("SET cur_fdw.enable_pushdown = on")?;
    let plan = rows(
        &mut client,
        "EXPLAIN SELECT count(*) FROM t WHERE tags IS NULL",
    )?;
    let plan = format!("{plan:?}");
    assert!(plan.contains("Pushed Filter: (tags IS NULL)"), "{plan}");
    Ok(())
}

fn a_month_is_synced_with_its_tags(env: &Env) -> Result<()> {
    let mut client = azure(env, "csv-sync")?;
    client.batch_execute("IMPORT FOREIGN SCHEMA az FROM SERVER bills INTO public")?;
    client.batch_execute(
        "CREATE TABLE target (LIKE e);
         SELECT cost_analytics.load_month('e', '2025-11-01', 'target')",
    )?;
    let difference = "SELECT (SELECT count(*) FROM (TABLE e EXCEPT ALL TABLE target) d)
                          || ' ' || (SELECT count(*) FROM (TABLE target EXCEPT ALL TABLE e) d)
                          || ' ' || (SELECT count(*) FROM target WHERE tags ->> 'env' = 'prod')";
    assert_eq!(value(&mut client, difference)?, "0 0 600");
    Ok(())
}

fn analyze_counts_rows_that_no_footer_tells(env: &Env) -> Result<()> {
    let mut client = azure(env, "csv-analyze")?;
    client.batch_execute("IMPORT FOREIGN SCHEMA az FROM SERVER bills INTO public; ANALYZE e")?;
    let tuples: f64 = value(
        &mut client,
        "SELECT reltuples FROM pg_class WHERE relname = 'e'",
    )?
    .parse()?;
    assert!((2_900.0..3_100.0).contains(&tuples), "{tuples}");
    let nulls = "SELECT round(null_frac::numeric, 1) FROM pg_stats WHERE tablename = 'e' AND attname = 'tags'";
    assert_eq!(value(&mut client, nulls)?, "0.2");
    Ok(())
}

fn a_malformed_record_is_named_with_file_line_and_column(env: &Env) -> Result<()> {
    let name = "csv-malformed";
    let mut client = connected(env, name)?;
    let header = "line_item_usage_account_id,line_item_unblended_cost,resource_tags";
    let key = "cur/20251101-20251201/e-1.csv.gz";
    let whole = format!("{header}\n1,1.5,\"{{\"\"k\"\": 1}}\"\n");
    env.gateway.put(name, key, gzip(whole.as_bytes())?)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA cur FROM SERVER bills INTO public")?;
    assert_eq!(
        value(&mut client, "SELECT resource_tags ->> 'k' FROM cur")?,
        "1"
    );
    for (line, code, said) in [
        (
            "2,\"1,5\",",
            "22P02",
            "line 3: column \"line_item_unblended_cost\" holds \"1,5\", which is no double precision",
        ),
        (
            "2,,{k: 1}",
            "22P02",
            "line 3: column \"resource_tags\" holds \"{k: 1}\", which is no JSON",
        ),
        (
            "2,1",
            "22P04",
            "line 3: the record has 2 fields, but the header has 3",
        ),
        (
            "2,1,\"x",
            "22P04",
            "line 3: a quote that opens in this record is not closed",
        ),
    ] {
        env.gateway
            .put(name, key, gzip(format!("{whole}{line}").as_bytes())?)?;
        for sql in [
            "SELECT * FROM cur",
            "SELECT count(*), sum(line_item_unblended_cost), count(resource_tags) FROM cur",
        ] {
            let error = error_of(&mut client, sql)?;
            let message = error.message();
            assert!(
                message.contains(&format!("s3://{name}/{key}, {said}")),
                "{error:?}"
            );
            assert_eq!(error.code().code(), code, "{error:?}");
            assert!(
                error.hint().is_some_and(|hint| hint.len() > 20),
                "{error:?}"
            );
        }
    }
    // JSON that jsonb cannot hold.
    env.gateway.put(
        name,
        key,
        gzip(format!("{whole}2,1,\"{{\"\"k\"\": \"\"\\u0000\"\"}}\"\n").as_bytes())?,
    )?;
    let error = error_of(&mut client, "SELECT resource_tags FROM cur")?;
    assert_eq!(error.code().code(), "22P05", "{error:?}");
    env.gateway.put(name, key, whole.into_bytes())?;
    assert_eq!(
        value(&mut client, "SELECT count(*) FROM cur")?,
        "1",
        "the session goes on"
    );
    Ok(())
}

/// 400 MB of text in 4 MB.
fn a_large_file_takes_little_memory_and_can_be_cancelled(env: &Env) -> Result<()> {
    let name = "csv-large";
    let mut client = connected(env, name)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(b"line_item_usage_account_id,line_item_unblended_cost,line_item_usage_type\n")?;
    let line = format!("111122223333,0.0300000000,{}\n", "x".repeat(960));
    for _ in 0..400 {
        encoder.write_all(line.repeat(1000).as_bytes())?;
    }
    let key = "cur/20251101-20251201/e-1.csv.gz";
    env.gateway.put(name, key, encoder.finish()?)?;
    client.batch_execute("IMPORT FOREIGN SCHEMA cur FROM SERVER bills INTO public")?;
    let sum = "SELECT round(sum(line_item_unblended_cost)) FROM cur";
    assert_eq!(value(&mut client, sum)?, "12000");
    let all = "SELECT count(*) FROM cur WHERE length(line_item_usage_type) = 960";
    assert_eq!(value(&mut client, all)?, "400000");
    let peak = Footprint::of(&mut client)?.peak_kb;
    eprintln!("  peak {} MB", peak / 1024);
    assert!(peak < 250 << 10, "{peak} KB");

    client.batch_execute("SET statement_timeout = '300ms'")?;
    let began = Instant::now();
    let error = error_of(&mut client, all)?;
    assert_eq!(error.code().code(), "57014", "{error:?}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    Ok(())
}
