//! What a sync must not lose, leave behind or pretend.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{add_press, press, sync, synced_later, upload};
use crate::refusals::fails;
use crate::sync::assert_bills;
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    a_subplan_that_never_runs_is_explained_without_a_crash,
    a_month_without_rollup_is_not_called_unchanged,
    raw_off_leaves_no_older_delivery_in_the_raw_table,
    partitions_of_a_renamed_raw_table_are_not_dropped,
    a_staged_table_that_vanished_is_loaded_again,
    a_removed_source_leaves_no_staged_table,
    types_altered_by_hand_meet_or_are_refused,
    a_function_on_the_callers_path_is_not_called,
];

const LEAVES: &str = "SELECT coalesce(string_agg(c.relname, ' ' ORDER BY c.relname), '') \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'cost_analytics' AND c.relname ~ '^raw_press_2025' AND c.relkind = 'r'";

/// Its parameter has no value, and evaluating the condition would read through a null pointer.
fn a_subplan_that_never_runs_is_explained_without_a_crash(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "keeping-explain", &press().all())?;
    client.batch_execute("CREATE TABLE nothing (month text)")?;
    let explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT \
        (SELECT count(*) FROM cost_analytics.press p WHERE p.month = n.month) FROM nothing n";
    let lines = client.query(explain, &[])?;
    let plan: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    assert!(
        plan.iter().any(|line| line.contains("never executed")),
        "{plan:#?}"
    );
    assert_eq!(value(&mut client, "SELECT 'alive'")?, "alive");
    Ok(())
}

fn a_month_without_rollup_is_not_called_unchanged(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "keeping-rollup", &bills)?;
    client.batch_execute("CALL cost_analytics.cost_sync(normalized => false)")?;
    assert_eq!(
        value(
            &mut client,
            "SELECT count(*)::text FROM cost_analytics.costs"
        )?,
        "0"
    );
    let again = "SELECT string_agg(DISTINCT action, ' ') FROM cost_analytics.cost_plan(normalized => false)";
    assert_eq!(value(&mut client, again)?, "skip");
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn raw_off_leaves_no_older_delivery_in_the_raw_table(env: &Env) -> Result<()> {
    let mut bills = press().all();
    let mut client = synced_later(env, "keeping-raw-off", &bills)?;
    sync(&mut client)?;
    bills[2] = press().month(2025, 11, 1);
    upload(env, "keeping-raw-off", &bills[2])?;
    client.batch_execute("CALL cost_analytics.cost_sync(raw => false)")?;
    let november = "SELECT trim_scale(sum(cost))::text FROM cost_analytics.costs WHERE billing_period = '2025-11-01'";
    assert_eq!(value(&mut client, november)?, bills[2].totals.unblended);
    assert_eq!(
        value(&mut client, LEAVES)?,
        "raw_press_2025_09 raw_press_2025_10"
    );
    sync(&mut client)?;
    assert_eq!(
        value(&mut client, LEAVES)?,
        "raw_press_2025_09 raw_press_2025_10 raw_press_2025_11"
    );
    assert_bills(&mut client, &bills)
}

fn partitions_of_a_renamed_raw_table_are_not_dropped(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "keeping-archive", &bills)?;
    sync(&mut client)?;
    client.batch_execute(
        "SELECT cost_analytics.cost_remove_source('press');
         ALTER TABLE cost_analytics.raw_press RENAME TO archive",
    )?;
    add_press(&mut client)?;
    let said = "stands where the month's partition is to be";
    fails(&mut client, "CALL cost_analytics.cost_sync()", said)?;
    let rows: usize = bills.iter().map(|bill| bill.totals.rows as usize).sum();
    let archived = "SELECT count(*)::text FROM cost_analytics.archive";
    assert_eq!(value(&mut client, archived)?, rows.to_string());
    Ok(())
}

fn a_staged_table_that_vanished_is_loaded_again(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = stage_october(env, "keeping-vanished", &bills[..2])?;
    client.batch_execute("DROP TABLE cost_analytics.raw_press_2025_10_new")?;
    sync(&mut client)?;
    assert_bills(&mut client, &[bills[0].clone(), press().month(2025, 10, 1)])?;
    assert_eq!(
        value(&mut client, LEAVES)?,
        "raw_press_2025_09 raw_press_2025_10"
    );
    Ok(())
}

fn a_removed_source_leaves_no_staged_table(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = stage_october(env, "keeping-removed", &bills[..2])?;
    client.batch_execute("SELECT cost_analytics.cost_remove_source('press', drop_raw => true)")?;
    assert_eq!(value(&mut client, LEAVES)?, "");
    Ok(())
}

/// Two months loaded, and a restatement of the second staged because a reader holds the raw table.
fn stage_october(
    env: &Env,
    name: &str,
    bills: &[pg_test::bills::MonthBill],
) -> Result<postgres::Client> {
    let mut client = synced_later(env, name, bills)?;
    sync(&mut client)?;
    let mut reader = env.cluster.client(name)?;
    let mut transaction = reader.transaction()?;
    transaction.query_one("SELECT count(*) FROM cost_analytics.raw_press", &[])?;
    upload(env, name, &press().month(2025, 10, 1))?;
    client.batch_execute("SET cur_fdw.swap_lock_timeout = '200ms'")?;
    sync(&mut client)?;
    transaction.commit()?;
    assert!(value(&mut client, LEAVES)?.ends_with("raw_press_2025_10_new"));
    Ok(client)
}

fn types_altered_by_hand_meet_or_are_refused(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "keeping-widened", &press().all()[..1])?;
    let alter = |table: &str, data_type: &str| {
        format!("ALTER {table} ALTER COLUMN line_item_usage_amount TYPE {data_type}")
    };
    client.batch_execute(&alter(
        "TABLE cost_analytics.raw_press",
        "timestamp USING NULL",
    ))?;
    client
        .batch_execute("CALL cost_analytics.cost_sync()")
        .unwrap_err();
    let why = value(
        &mut client,
        "SELECT error_message FROM cost_analytics.sync_log",
    )?;
    assert!(why.contains("have different types"), "{why}");
    client.batch_execute(&alter("TABLE cost_analytics.raw_press", "text"))?;
    sync(&mut client)?;
    assert_bills(&mut client, &press().all()[..1])
}

/// Postgres prefers an exact match anywhere on the path to a polymorphic one in pg_catalog.
fn a_function_on_the_callers_path_is_not_called(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "keeping-path", &bills)?;
    let trap = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$";
    for signature in [
        "format(text, text)",
        "array_agg(text)",
        "array_append(text[], text)",
    ] {
        client.batch_execute(&format!(
            "CREATE FUNCTION public.{signature} RETURNS text {trap}"
        ))?;
    }
    client.batch_execute(&format!(
        "CREATE FUNCTION public.joined(text[], text) RETURNS text[] {trap};
         CREATE OPERATOR public.|| (LEFTARG = text[], RIGHTARG = text, FUNCTION = public.joined)"
    ))?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}
