//! What the ledger says that tables hold is what they hold, whatever the order of calls.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{press, sync, synced_later, upload};
use crate::refusals::fails;
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::bills::MonthBill;
use postgres::Client;

pub const TESTS: &[Test] = tests![
    a_month_staged_behind_a_reader_counts_once_in_charges,
    a_month_restated_in_the_raw_table_alone_counts_once_and_is_restated_again,
    raw_off_behind_a_reader_leaves_the_source_syncable,
    a_delivery_that_raw_off_measures_leaves_no_staged_table,
    filters_that_changed_for_the_raw_table_alone_are_not_called_unchanged,
    a_relation_that_does_not_exist_is_an_error_and_no_crash,
    tables_that_cannot_hold_what_is_loaded_are_refused,
    a_null_where_the_raw_table_allows_none_fails_the_month,
    a_changed_service_category_goes_first_and_is_dumped,
    tags_in_texts_are_read_where_postgres_would_go_parallel,
];

const SYNC: &str = "CALL cost_analytics.cost_sync()";

/// Two months, with facts.
fn with_facts(env: &Env, name: &str) -> Result<(Client, Vec<MonthBill>)> {
    let bills = press().all()[..2].to_vec();
    let mut client = synced_later(env, name, &bills)?;
    client.batch_execute(
        "UPDATE cost_analytics.sources SET facts = true;
         SET cur_fdw.swap_lock_timeout = '200ms'",
    )?;
    sync(&mut client)?;
    assert_charges(&mut client)?;
    Ok((client, bills))
}

/// `charges` and so `focus` come to what `costs` comes to, by month.
fn assert_charges(client: &mut Client) -> Result<()> {
    let totals = |view: &str| {
        format!(
            "SELECT string_agg(concat_ws(' ', billing_period, cost), ', ' ORDER BY billing_period) FROM
               (SELECT billing_period, trim_scale(sum(cost)) AS cost FROM cost_analytics.{view} GROUP BY 1) t"
        )
    };
    let costs = value(client, &totals("costs"))?;
    assert!(!costs.is_empty());
    assert_eq!(value(client, &totals("charges"))?, costs);
    Ok(())
}

/// Runs statements while a transaction has read the raw table.
fn behind_a_reader(env: &Env, name: &str, client: &mut Client, sql: &str) -> Result<()> {
    let mut reader = env.cluster.client(name)?;
    let mut transaction = reader.transaction()?;
    transaction.query_one("SELECT count(*) FROM cost_analytics.raw_press", &[])?;
    client.batch_execute(sql)?;
    Ok(transaction.commit()?)
}

fn a_month_staged_behind_a_reader_counts_once_in_charges(env: &Env) -> Result<()> {
    let name = "ledger-staged";
    let (mut client, bills) = with_facts(env, name)?;
    let forced = "CALL cost_analytics.cost_sync(months => 1, force => true)";
    behind_a_reader(env, name, &mut client, forced)?;
    let staged = "SELECT count(*)::text FROM cost_analytics.manifests WHERE state = 'staged'";
    assert_eq!(value(&mut client, staged)?, "1");
    assert_charges(&mut client)?;
    sync(&mut client)?;
    assert_charges(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn a_month_restated_in_the_raw_table_alone_counts_once_and_is_restated_again(
    env: &Env,
) -> Result<()> {
    let name = "ledger-raw-alone";
    let (mut client, mut bills) = with_facts(env, name)?;
    upload(env, name, &press().month(2025, 10, 1))?;
    client.batch_execute("CALL cost_analytics.cost_sync(normalized => false)")?;
    // Costs of the old delivery still, in both.
    assert_charges(&mut client)?;
    sync(&mut client)?;
    assert_charges(&mut client)?;
    bills[1] = press().month(2025, 10, 2);
    upload(env, name, &bills[1])?;
    sync(&mut client)?;
    assert_charges(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn raw_off_behind_a_reader_leaves_the_source_syncable(env: &Env) -> Result<()> {
    let name = "ledger-raw-off";
    let (mut client, mut bills) = with_facts(env, name)?;
    bills[1] = press().month(2025, 10, 1);
    upload(env, name, &bills[1])?;
    let raw_off = "CALL cost_analytics.cost_sync(raw => false)";
    behind_a_reader(env, name, &mut client, raw_off)?;
    let failing = "SELECT count(*)::text FROM cost_analytics.cost_plan() WHERE action = 'fail'";
    assert_eq!(value(&mut client, failing)?, "0");
    sync(&mut client)?;
    assert_charges(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn a_delivery_that_raw_off_measures_leaves_no_staged_table(env: &Env) -> Result<()> {
    let name = "ledger-measured";
    let (mut client, _) = with_facts(env, name)?;
    upload(env, name, &press().month(2025, 10, 1))?;
    behind_a_reader(env, name, &mut client, SYNC)?;
    client.batch_execute("CALL cost_analytics.cost_sync(raw => false, force => true)")?;
    let left = "SELECT count(*)::text FROM pg_class WHERE relname LIKE 'raw_press%_new'";
    assert_eq!(value(&mut client, left)?, "0");
    Ok(())
}

fn filters_that_changed_for_the_raw_table_alone_are_not_called_unchanged(env: &Env) -> Result<()> {
    let (mut client, bills) = with_facts(env, "ledger-filters")?;
    client
        .batch_execute("UPDATE cost_analytics.sources SET filters = '{\"999999999999\": null}'")?;
    client.batch_execute("CALL cost_analytics.cost_sync(normalized => false)")?;
    let plan = "SELECT string_agg(DISTINCT action, ' ') FROM cost_analytics.cost_plan()";
    assert_eq!(value(&mut client, plan)?, "replace");
    assert_charges(&mut client)?;
    client.batch_execute("UPDATE cost_analytics.sources SET filters = NULL")?;
    sync(&mut client)?;
    assert_charges(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn a_relation_that_does_not_exist_is_an_error_and_no_crash(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("ledger-nothing")?;
    for call in [
        "normalization_sql('99999999'::regclass, NULL::text)",
        "usage_sql('99999999'::regclass, NULL::text)",
        "normalized_column_sql('99999999'::regclass, 'cost')",
    ] {
        fails(
            &mut client,
            &format!("SELECT cost_analytics.{call}"),
            "99999999",
        )?;
    }
    Ok(())
}

fn tables_that_cannot_hold_what_is_loaded_are_refused(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "ledger-targets", &bills[..1])?;
    client.batch_execute("CREATE TABLE plain (LIKE cost_analytics.press)")?;
    let load = "SELECT cost_analytics.load_month('cost_analytics.press', '2025-09-01', 'target')";
    for (definition, why) in [
        (
            "sync_timestamp text",
            "column \"sync_timestamp\" is not of type timestamptz",
        ),
        (
            "mine integer NOT NULL",
            "column \"mine\" is NOT NULL and not in the files",
        ),
    ] {
        client.batch_execute(&format!(
            "DROP TABLE IF EXISTS target; CREATE TABLE target (LIKE plain, {definition})"
        ))?;
        fails(&mut client, load, why)?;
    }
    client.batch_execute("DROP TABLE target; CREATE TABLE target (LIKE plain)")?;
    client.batch_execute(load)?;
    fails(&mut client, load, "it is not empty")?;
    Ok(())
}

fn a_null_where_the_raw_table_allows_none_fails_the_month(env: &Env) -> Result<()> {
    let bills = press().all()[..1].to_vec();
    let mut client = synced_later(env, "ledger-not-null", &bills)?;
    client
        .batch_execute("ALTER FOREIGN TABLE cost_analytics.press ADD COLUMN mine text NOT NULL")?;
    fails(&mut client, SYNC, "column \"mine\" holds NULL")?;
    client.batch_execute(
        "ALTER FOREIGN TABLE cost_analytics.press ALTER COLUMN mine DROP NOT NULL",
    )?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn a_changed_service_category_goes_first_and_is_dumped(env: &Env) -> Result<()> {
    let (from, to) = ("ledger-categories", "ledger-categories-restored");
    let (mut client, _) = with_facts(env, from)?;
    let known = "FROM cost_analytics.service_categories s WHERE NOT is_own \
                  AND EXISTS (SELECT FROM cost_analytics.costs c WHERE c.cloud_provider = s.cloud_provider AND c.service_code = s.service_code)";
    client.batch_execute(&format!(
        "CREATE TEMP TABLE known AS SELECT s.* {known} ORDER BY service_code LIMIT 2;
         INSERT INTO cost_analytics.service_categories (cloud_provider, service_code, category, subcategory)
           SELECT cloud_provider, service_code, 'Other', 'Added' FROM known ORDER BY service_code LIMIT 1;
         UPDATE cost_analytics.service_categories s SET category = 'Other', subcategory = 'Changed' FROM known k
          WHERE s.service_code = k.service_code AND s.cloud_provider = k.cloud_provider
            AND k.service_code = (SELECT max(service_code) FROM known)",
    ))?;
    let mine = "SELECT string_agg(s || ' ' || n, ', ' ORDER BY s) FROM (SELECT \"ServiceSubcategory\" AS s, count(*) AS n
                  FROM cost_analytics.focus WHERE \"ServiceSubcategory\" IN ('Added', 'Changed') GROUP BY 1) f";
    let found = value(&mut client, mine)?;
    assert!(
        found.contains("Added") && found.contains("Changed"),
        "{found}"
    );
    let rows = "SELECT count(*)::text FROM cost_analytics.focus";
    let all = value(&mut client, rows)?;
    let dump = env.cluster.dump(from, &[])?;
    drop(env.database(to)?);
    let (output, ok) = env.cluster.psql(to, &dump)?;
    assert!(ok, "{output}");
    let mut restored = env.cluster.client(to)?;
    assert_eq!(value(&mut restored, mine)?, found);
    assert_eq!(value(&mut restored, rows)?, all);
    Ok(())
}

fn tags_in_texts_are_read_where_postgres_would_go_parallel(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("ledger-parallel")?;
    let forced = match env.installation.major {
        15 => "force_parallel_mode",
        _ => "debug_parallel_query",
    };
    client.batch_execute(&format!("SET {forced} = on"))?;
    client.batch_execute(
        "CREATE TABLE bill AS SELECT CASE i % 3 WHEN 0 THEN '\"team\": \"a\"' WHEN 1 THEN 'no JSON' END AS tags
           FROM generate_series(1, 30) i",
    )?;
    let read = "SELECT string_agg(n || ' ' || t, ', ' ORDER BY n) FROM
                  (SELECT cost_analytics.labels(tags)::text AS t, count(*) AS n FROM bill GROUP BY 1) x";
    assert_eq!(value(&mut client, read)?, "10 {\"team\": \"a\"}, 20 {}");
    Ok(())
}
