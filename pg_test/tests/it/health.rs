//! What the sync says about itself: schedule, health, and what was billed.

use crate::ask::value;
use crate::env::{Env, Test, skip, tests};
use crate::fixture::{press, sync, synced_later, upload};
use crate::refusals::{error_of, fails};
use pg_test::Result;
use pg_test::postgres::Cluster;
use postgres::Client;
use std::collections::BTreeMap;

pub const TESTS: &[Test] = tests![
    health_names_what_is_amiss_and_what_to_do,
    a_schedule_without_pg_cron_says_what_is_missing,
    a_schedule_is_made_replaced_and_removed,
    reconciliation_adds_up_whatever_holds_the_month,
];

/// The state, detail and hint of a check.
fn health(client: &mut Client, check: &str) -> Result<(Option<bool>, String, String)> {
    let row = client.query_one(
        "SELECT bool_and(ok), string_agg(detail, ' '), coalesce(string_agg(hint, ' '), '') \
           FROM cost_analytics.cost_health() WHERE \"check\" = $1",
        &[&check],
    )?;
    Ok((row.get(0), row.get(1), row.get(2)))
}

fn assert_health(
    client: &mut Client,
    check: &str,
    ok: bool,
    detail: &str,
    hint: &str,
) -> Result<()> {
    let found = health(client, check)?;
    assert_eq!(found.0, Some(ok), "{check}: {found:?}");
    assert!(found.1.contains(detail), "{check}: {found:?}");
    assert!(found.2.contains(hint), "{check}: {found:?}");
    assert!(ok || !found.2.is_empty(), "{check} has no hint: {found:?}");
    Ok(())
}

fn health_names_what_is_amiss_and_what_to_do(env: &Env) -> Result<()> {
    let name = "health";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    assert_health(&mut client, "extension", true, "cur_fdw", "")?;
    assert_health(&mut client, "roles", true, "may sync", "")?;
    assert_health(&mut client, "sources", true, "1 enabled", "")?;
    assert_health(&mut client, "schedule", false, "pg_cron", "cost_schedule")?;
    assert_health(
        &mut client,
        "freshness of press",
        false,
        "nothing loaded",
        "CALL",
    )?;
    for check in ["failed months", "staged months"] {
        assert_health(&mut client, check, true, "none", "")?;
    }
    assert_health(&mut client, "statement_timeout", true, "off", "")?;

    let missing = bills[1]
        .files
        .iter()
        .find(|f| f.key.ends_with(".parquet"))
        .expect("data");
    env.gateway.delete(name, &missing.key)?;
    sync(&mut client).expect_err("a file is missing");
    assert_health(
        &mut client,
        "failed months",
        false,
        "press 2025-10",
        "tries them again",
    )?;
    assert_health(
        &mut client,
        "freshness of press",
        false,
        "newest month 2025-11",
        "cost_plan",
    )?;
    client.batch_execute(
        "UPDATE cost_analytics.manifests SET billing_period = date_trunc('month', now()) WHERE billing_period = '2025-11-01'",
    )?;
    assert_health(&mut client, "freshness of press", true, "newest month", "")?;
    client.batch_execute("SET statement_timeout = '1min'")?;
    assert_health(
        &mut client,
        "statement_timeout",
        false,
        "60000ms in this session",
        "SET statement_timeout = 0",
    )?;
    client.batch_execute(
        "RESET statement_timeout; DROP ROLE IF EXISTS hasty; CREATE ROLE hasty LOGIN; GRANT cost_admin TO hasty; \
         ALTER ROLE hasty SET idle_in_transaction_session_timeout = '5s'",
    )?;
    assert_health(&mut client, "statement_timeout", true, "off", "")?;
    assert_health(
        &mut client,
        "idle_in_transaction_session_timeout",
        false,
        "5s for role hasty",
        "ALTER ROLE hasty SET idle_in_transaction_session_timeout = 0",
    )?;
    client
        .batch_execute("DROP ROLE hasty; CREATE ROLE looker LOGIN; GRANT cost_reader TO looker")?;
    let mut reader = env.cluster.client_as("looker", name)?;
    assert_health(
        &mut reader,
        "roles",
        false,
        "looker may read",
        "GRANT cost_admin TO looker",
    )?;
    drop(reader);
    client.batch_execute("DROP ROLE looker")?;
    Ok(())
}

fn a_schedule_without_pg_cron_says_what_is_missing(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("health-no-cron")?;
    for (schedule, said) in [
        (
            "SELECT cost_analytics.cost_schedule()",
            &[
                "this server has no pg_cron",
                "shared_preload_libraries",
                "CALL cost_analytics.cost_sync(months => 2)",
            ][..],
        ),
        (
            "SET cron.database_name = 'jobs'; SELECT cost_analytics.cost_schedule('5 3 * * *', max_runtime => '1 hour')",
            &[
                "lives in database \"jobs\"",
                "cron.schedule_in_database('cost-sync', '5 3 * * *', \
                 'CALL cost_analytics.cost_sync(months => 2, max_runtime => ''01:00:00'')', 'health-no-cron')",
            ],
        ),
        (
            "SELECT cost_analytics.cost_schedule(source => 'nothing')",
            &["there is no source"],
        ),
        (
            "SELECT cost_analytics.cost_schedule(months => 0)",
            &["at least 1"],
        ),
    ] {
        fails(&mut client, schedule, said)?;
    }
    let none = "SELECT cost_analytics.cost_unschedule()::text";
    assert_eq!(value(&mut client, none)?, "false");
    Ok(())
}

fn a_schedule_is_made_replaced_and_removed(env: &Env) -> Result<()> {
    if !env.installation.has_extension("pg_cron") {
        skip("this Postgres has no pg_cron");
        return Ok(());
    }
    let settings = [
        ("shared_preload_libraries", "pg_cron"),
        ("cron.database_name", "postgres"),
    ];
    let cluster = Cluster::start(&env.installation, &settings)?;
    let mut client = cluster.client("postgres")?;
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    let error = error_of(&mut client, "SELECT cost_analytics.cost_schedule()")?;
    assert_eq!(error.hint(), Some("CREATE EXTENSION pg_cron."));
    client.batch_execute("CREATE EXTENSION pg_cron")?;
    assert_health(&mut client, "schedule", false, "no job", "cost_schedule")?;
    client.batch_execute(
        "SELECT cost_analytics.cost_schedule(); SELECT cost_analytics.cost_schedule('30 4 * * *', NULL)",
    )?;
    let jobs = "SELECT string_agg(concat_ws(' ', jobname, schedule, command), ', ') FROM cron.job";
    assert_eq!(
        value(&mut client, jobs)?,
        "cost-sync 30 4 * * * CALL cost_analytics.cost_sync()"
    );
    assert_health(&mut client, "schedule", true, "never ran", "")?;
    let remove = "SELECT cost_analytics.cost_unschedule()::text";
    assert_eq!(value(&mut client, remove)?, "true");
    assert_eq!(value(&mut client, remove)?, "false");
    assert_eq!(value(&mut client, jobs)?, "NULL");
    client.batch_execute("CREATE ROLE planner LOGIN; GRANT cost_admin TO planner")?;
    let mut planner = cluster.client_as("planner", "postgres")?;
    let error = error_of(&mut planner, "SELECT cost_analytics.cost_schedule()")?;
    assert_eq!(
        error.hint(),
        Some("A superuser can allow it: GRANT USAGE ON SCHEMA cron TO planner.")
    );
    Ok(())
}

fn reconciliation_adds_up_whatever_holds_the_month(env: &Env) -> Result<()> {
    let name = "reconcile";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills[..2])?;
    sync(&mut client)?;
    upload(env, name, &bills[2])?;
    let billed = |client: &mut Client, month: &str, column: &str| -> Result<String> {
        value(
            client,
            &format!(
                "SELECT concat_ws(' ', trim_scale(sum(billed)), sum(line_items), string_agg(DISTINCT {column}, ',')) \
                   FROM cost_analytics.cost_reconcile('{month}')"
            ),
        )
    };
    for (bill, relation) in bills.iter().zip(["raw_press", "raw_press", "press"]) {
        let month = format!("{}-{:02}-17", bill.year, bill.month);
        let expected = format!(
            "{} {} cost_analytics.{relation}",
            bill.totals.unblended, bill.totals.rows
        );
        assert_eq!(billed(&mut client, &month, "read_from")?, expected);
    }
    let types = client.query(
        "SELECT line_item_type, trim_scale(sum(billed))::text, sum(line_items)::bigint \
           FROM cost_analytics.cost_reconcile('2025-09-01', 'press') GROUP BY 1",
        &[],
    )?;
    let types = types.iter().map(|row| {
        let (name, cost, lines): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        (name, (lines as u64, cost))
    });
    assert_eq!(
        types.collect::<BTreeMap<_, _>>(),
        bills[0].totals.by_line_item_type
    );
    // The open month has no invoice yet.
    let without = "SELECT concat_ws(' ', sum(without_invoice) = sum(line_items), count(invoice_id)) \
                     FROM cost_analytics.cost_reconcile('2025-11-01')";
    assert_eq!(value(&mut client, without)?, "t 0");
    let closed = "SELECT concat_ws(' ', sum(without_invoice), count(*) = count(invoice_id)) \
                    FROM cost_analytics.cost_reconcile('2025-09-01')";
    assert_eq!(value(&mut client, closed)?, "0 t");
    let months = "SELECT string_agg(DISTINCT to_char(billing_period, 'MM'), ' ') FROM cost_analytics.cost_reconcile()";
    assert_eq!(value(&mut client, months)?, "09 10");

    // Whoever may read may reconcile what is loaded.
    let mut reader = env.cluster.client(name)?;
    reader.batch_execute("SET ROLE cost_reader")?;
    assert_eq!(value(&mut reader, months)?, "09 10");

    // Without raw rows, filtered: the files are read, by the same filters.
    let account = bills[0].an_account();
    client.batch_execute(&format!(
        "UPDATE cost_analytics.sources SET raw = false, filters = '{{\"{account}\": null}}'"
    ))?;
    sync(&mut client)?;
    let agree = "SELECT bool_and(r.billed = c.cost AND r.read_from = 'cost_analytics.press')::text FROM \
        (SELECT billing_period, sum(billed) AS billed, min(read_from) AS read_from \
           FROM cost_analytics.cost_reconcile() GROUP BY 1) r \
        FULL JOIN (SELECT billing_period, sum(cost) AS cost FROM cost_analytics.costs GROUP BY 1) c USING (billing_period)";
    assert_eq!(value(&mut client, agree)?, "true");
    Ok(())
}
