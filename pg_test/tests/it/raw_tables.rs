//! Raw tables that their owner has changed, and sources that keep none.

use crate::env::{Env, Test, tests};
use crate::fixture::{self, connect, empty_bucket, press, sync, synced_later};
use crate::refusals::fails;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use pg_test::Result;
use pg_test::bills::rng::Rng;
use postgres::Client;
use std::sync::Arc;

pub const TESTS: &[Test] = tests![
    generated_columns_and_triggers_of_the_raw_table_hold_for_loaded_rows,
    a_trigger_that_drops_rows_or_changes_costs_fails_the_month_and_loses_nothing,
    costs_rolled_up_from_the_files_are_those_of_the_raw_table,
    raw_off_stores_no_row_and_follows_the_filters,
    loaded_rows_are_those_of_the_files_in_every_type,
    rows_of_any_types_nulls_and_lengths_are_loaded_as_they_are_read,
    loaded_pages_are_frozen,
];

fn generated_columns_and_triggers_of_the_raw_table_hold_for_loaded_rows(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "raw-triggers", &press().all())?;
    client.batch_execute(
        "ALTER TABLE cost_analytics.raw_press
           ADD COLUMN cents bigint GENERATED ALWAYS AS ((line_item_unblended_cost * 100)::bigint) STORED;
         CREATE TABLE noted (at text, rows bigint);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO public.noted VALUES (TG_TABLE_NAME, 1); RETURN NEW; END $$;
         CREATE TRIGGER note AFTER INSERT ON cost_analytics.raw_press FOR EACH ROW EXECUTE FUNCTION note()",
    )?;
    sync(&mut client)?;
    let right: bool = client
        .query_one(
            "SELECT bool_and(cents IS NOT DISTINCT FROM (line_item_unblended_cost * 100)::bigint)
                    AND count(*) = (SELECT sum(rows) FROM noted)
               FROM cost_analytics.raw_press",
            &[],
        )?
        .get(0);
    assert!(
        right,
        "rows were loaded past the raw table's trigger or generated column"
    );
    check_totals(&mut client)?;
    let partitions_with_trigger: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_trigger WHERE tgname = 'note' AND tgparentid <> 0",
            &[],
        )?
        .get(0);
    assert_eq!(partitions_with_trigger, 3);
    // And once more over what is there.
    client.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    check_totals(&mut client)
}

fn a_trigger_that_drops_rows_or_changes_costs_fails_the_month_and_loses_nothing(
    env: &Env,
) -> Result<()> {
    let mut client = synced_later(env, "raw-dropping", &press().all())?;
    sync(&mut client)?;
    let before = totals(&mut client)?;
    for (body, message) in [
        ("RETURN NULL", "were inserted"),
        (
            "NEW.line_item_unblended_cost := 0; RETURN NEW",
            "as they were stored",
        ),
    ] {
        client.batch_execute(&format!(
            "CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
             CREATE OR REPLACE TRIGGER meddle BEFORE INSERT ON cost_analytics.raw_press
               FOR EACH ROW WHEN (NEW.line_item_line_item_type = 'Tax') EXECUTE FUNCTION meddle()",
        ))?;
        // A month without its tax, or with another.
        fails(
            &mut client,
            "CALL cost_analytics.cost_sync(force => true)",
            message,
        )?;
        assert_eq!(totals(&mut client)?, before);
    }
    Ok(())
}

fn costs_rolled_up_from_the_files_are_those_of_the_raw_table(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "raw-off-same", &press().all())?;
    sync(&mut client)?;
    client.batch_execute(
        "CREATE TABLE before AS SELECT (to_jsonb(d) - 'sync_timestamp') AS row FROM cost_analytics.costs_daily d",
    )?;
    client.batch_execute("CALL cost_analytics.cost_sync(force => true, raw => false)")?;
    let (rows, different): (i64, i64) = {
        let row = client.query_one(
            "WITH after AS (SELECT (to_jsonb(d) - 'sync_timestamp') AS row FROM cost_analytics.costs_daily d)
             SELECT (SELECT count(*) FROM before),
                    (SELECT count(*) FROM (TABLE before EXCEPT ALL TABLE after) x)
                    + (SELECT count(*) FROM (TABLE after EXCEPT ALL TABLE before) x)",
            &[],
        )?;
        (row.get(0), row.get(1))
    };
    assert!(rows > 100, "{rows} rows compare too little");
    assert_eq!(different, 0);
    let pushed = explain(&mut client, "EXPLAIN (VERBOSE) ")?;
    assert!(
        pushed.contains("Pushed Aggregates"),
        "the rollup reads rows one by one:\n{pushed}"
    );
    Ok(())
}

fn raw_off_stores_no_row_and_follows_the_filters(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "raw-off-none", &press().all())?;
    client.batch_execute("UPDATE cost_analytics.sources SET raw = false")?;
    // A reader of the raw table holds nothing up.
    let mut reader = env.cluster.client("raw-off-none")?;
    reader.batch_execute("BEGIN; SELECT count(*) FROM cost_analytics.raw_press")?;
    sync(&mut client)?;
    reader.batch_execute("COMMIT")?;
    check_totals(&mut client)?;
    let tables: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_class WHERE relname ~ '^raw_press_' AND relkind = 'r'",
            &[],
        )?
        .get(0);
    assert_eq!(tables, 0, "a partition or a staged table was made");
    client.batch_execute(
        "UPDATE cost_analytics.sources SET filters = jsonb_build_object(
           (SELECT account_id FROM cost_analytics.costs GROUP BY 1 ORDER BY count(*) DESC LIMIT 1), NULL)",
    )?;
    sync(&mut client)?;
    let accounts: i64 = client
        .query_one(
            "SELECT count(DISTINCT account_id) FROM cost_analytics.costs",
            &[],
        )?
        .get(0);
    assert_eq!(accounts, 1);
    check_totals(&mut client)
}

fn loaded_rows_are_those_of_the_files_in_every_type(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "raw-same", &press().all())?;
    sync(&mut client)?;
    let columns: String = client
        .query_one(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = 'cost_analytics.press'::regclass AND attnum > 0 AND NOT attisdropped",
            &[],
        )?
        .get(0);
    let different: i64 = client
        .query_one(
            &format!(
                "SELECT (SELECT count(*) FROM (SELECT {columns} FROM cost_analytics.press EXCEPT ALL
                                               SELECT {columns} FROM cost_analytics.raw_press) x)
                      + (SELECT count(*) FROM (SELECT {columns} FROM cost_analytics.raw_press EXCEPT ALL
                                               SELECT {columns} FROM cost_analytics.press) x)"
            ),
            &[],
        )?
        .get(0);
    assert_eq!(different, 0);
    Ok(())
}

/// Loading forms tuples of its own, where reading makes datums.
fn rows_of_any_types_nulls_and_lengths_are_loaded_as_they_are_read(env: &Env) -> Result<()> {
    let name = "raw-shapes";
    empty_bucket(env, name)?;
    for seed in 1..=SHAPES {
        let key = format!("shapes{seed}/Report/Report/year=2025/month=9/rows.parquet");
        env.gateway.put(name, &key, rows_of_a_shape(seed)?)?;
    }
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    for seed in 1..=SHAPES {
        client.batch_execute(&format!(
            "SELECT cost_analytics.cost_add_source('shape{seed}', server => 'bills', prefix => 'shapes{seed}/Report')"
        ))?;
    }
    sync(&mut client)?;
    for seed in 1..=SHAPES {
        let row = client.query_one(
            &format!(
                "WITH read AS (SELECT to_jsonb(t) AS row FROM cost_analytics.shape{seed} t),
                      loaded AS (SELECT to_jsonb(t) - 'sync_timestamp' AS row FROM cost_analytics.raw_shape{seed} t)
                 SELECT (SELECT count(*) FROM loaded),
                        (SELECT count(*) FROM (TABLE read EXCEPT ALL TABLE loaded) x)
                        + (SELECT count(*) FROM (TABLE loaded EXCEPT ALL TABLE read) x)"
            ),
            &[],
        )?;
        let (rows, different): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!((rows, different), (ROWS as i64, 0), "shape {seed}");
    }
    Ok(())
}

const SHAPES: u64 = 6;
const ROWS: usize = 700;

/// Around every limit that the length of a text has: none, in a view, short header, page, TOAST.
const LENGTHS: [usize; 12] = [0, 1, 7, 11, 12, 13, 125, 126, 127, 128, 2_100, 9_000];

/// A file whose columns, their order, nulls and lengths follow from a number.
fn rows_of_a_shape(seed: u64) -> Result<Vec<u8>> {
    let mut rng = Rng::new(seed, &[]);
    let mut random = move |below: usize| rng.below(below) as u64;
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for number in 0..24 {
        // Never, sometimes or always NULL.
        let nulls = [0, 30, 100][random(3) as usize];
        let mut cells = Vec::with_capacity(ROWS);
        for _ in 0..ROWS {
            cells.push((random(100) >= nulls).then(|| random(1 << 40)));
        }
        let cells = cells.into_iter();
        let column: ArrayRef = match random(11) {
            0 => Arc::new(
                cells
                    .map(|c| c.map(|n| n % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
            1 => Arc::new(cells.map(|c| c.map(|n| n as i16)).collect::<Int16Array>()),
            2 => Arc::new(cells.map(|c| c.map(|n| n as i32)).collect::<Int32Array>()),
            3 => Arc::new(cells.map(|c| c.map(|n| n as i64)).collect::<Int64Array>()),
            4 => Arc::new(cells.map(|c| c.map(|n| n as f32)).collect::<Float32Array>()),
            5 => Arc::new(
                cells
                    .map(|c| c.map(|n| n as f64 / 1e4))
                    .collect::<Float64Array>(),
            ),
            6 => Arc::new(
                cells
                    .map(|c| c.map(|n| (n % 40_000) as i32))
                    .collect::<Date32Array>(),
            ),
            7 => Arc::new(
                cells
                    .map(|c| c.map(|n| n as i64 * 1_000))
                    .collect::<TimestampMicrosecondArray>(),
            ),
            8 => Arc::new(
                cells
                    .map(|c| c.map(|n| i128::from(n) - 1_000_000))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(30, 5)?,
            ),
            _ => Arc::new(
                cells
                    .map(|c| {
                        c.map(|n| {
                            "é".repeat(LENGTHS[n as usize % 12] / 2)
                                + if n % 2 == 0 { "" } else { "x" }
                        })
                    })
                    .collect::<StringArray>(),
            ),
        };
        columns.push((format!("c{number}"), column));
    }
    let batch = RecordBatch::try_from_iter(columns)?;
    fixture::parquet(&batch)
}

/// Nothing is left for VACUUM to rewrite.
fn loaded_pages_are_frozen(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "raw-frozen", &press().all())?;
    sync(&mut client)?;
    let (pages, visible): (i64, i64) = {
        let row = client.query_one(
            "SELECT sum(relpages)::bigint, sum(relallvisible)::bigint FROM pg_class
              WHERE relname ~ '^raw_press_2' AND relkind = 'r'",
            &[],
        )?;
        (row.get(0), row.get(1))
    };
    // From 16 on Postgres extends a table by many pages at once, and the last of them stay empty.
    assert!(
        visible * 2 > pages,
        "{visible} of {pages} pages are all-visible"
    );
    Ok(())
}

fn totals(client: &mut Client) -> Result<String> {
    let totals = client.query_one(
        "SELECT concat_ws(' ', (SELECT sum(cost) FROM cost_analytics.costs),
                               (SELECT count(*) FROM cost_analytics.raw_press))",
        &[],
    )?;
    Ok(totals.get(0))
}

/// costs come to what was read from the files, month by month.
fn check_totals(client: &mut Client) -> Result<()> {
    let wrong = client.query(
        "SELECT m.billing_period::text FROM cost_analytics.manifests m
          WHERE m.state <> 'superseded' AND m.unblended IS DISTINCT FROM (
            SELECT sum(c.cost) FROM cost_analytics.costs c WHERE c.billing_period = m.billing_period)",
        &[],
    )?;
    let wrong: Vec<String> = wrong.iter().map(|row| row.get(0)).collect();
    assert_eq!(wrong, Vec::<String>::new());
    Ok(())
}

fn explain(client: &mut Client, how: &str) -> Result<String> {
    let query: String = client
        .query_one("SELECT cost_analytics.normalization_sql('press')", &[])?
        .get(0);
    let lines = client.query(&format!("{how}{query}"), &[])?;
    let lines: Vec<String> = lines.iter().map(|row| row.get(0)).collect();
    Ok(lines.join("\n"))
}
