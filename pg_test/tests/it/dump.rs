//! The extension and what it has loaded, taken away and brought back.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, press, sync, synced_later, upload};
use crate::sync::assert_bills;
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    created_dropped_and_created_again,
    dumped_and_restored_a_sync_goes_on,
];

fn created_dropped_and_created_again(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "dump-drop", &bills)?;
    sync(&mut client)?;
    client.batch_execute("DROP EXTENSION cur_fdw CASCADE")?;
    // What was loaded is the user's, and stays.
    let rows = value(
        &mut client,
        "SELECT count(*)::text FROM cost_analytics.raw_press",
    )?;
    let loaded: u64 = bills.iter().map(|bill| bill.totals.rows).sum();
    assert_eq!(rows, loaded.to_string());
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    fixture::connect(&mut client, env, "dump-drop")?;
    client.batch_execute("DROP TABLE cost_analytics.raw_press")?;
    fixture::add_press(&mut client)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn dumped_and_restored_a_sync_goes_on(env: &Env) -> Result<()> {
    let (from, to) = ("dump-from", "dump-to");
    let mut bills = press().all();
    let mut old = synced_later(env, from, &bills[..2])?;
    sync(&mut old)?;
    upload(env, from, &bills[2])?;
    upload(env, from, &press().month(2025, 9, 1))?;
    bills[0] = press().month(2025, 9, 1);
    sync(&mut old)?;
    old.batch_execute(
        "INSERT INTO cost_analytics.accounts (account_id, name) VALUES ('1', 'One'); \
         UPDATE cost_analytics.sources SET filters = '{\"*\": null}', months_to_keep = 12",
    )?;
    sync(&mut old)?;
    let dump = env.cluster.dump(from, &[])?;
    drop(env.database(to)?);
    let (output, ok) = env.cluster.psql(to, &dump)?;
    assert!(ok, "{output}");

    let mut new = env.cluster.client(to)?;
    assert_bills(&mut new, &bills)?;
    for table in [
        "sources",
        "manifests",
        "sync_log",
        "schema_changes",
        "costs_daily",
        "costs",
        "press_normalized",
        "accounts",
        "month_columns",
        "restated_costs",
        "restatements",
        "raw_press",
    ] {
        let query = format!(
            "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM cost_analytics.{table} AS t"
        );
        let expected = value(&mut old, &query)?;
        assert!(!expected.starts_with("0 "), "{table} has rows");
        assert_eq!(value(&mut new, &query)?, expected, "{table}");
    }
    let plan = "SELECT string_agg(action, ' ') FROM cost_analytics.cost_plan()";
    assert_eq!(value(&mut new, plan)?, "skip skip skip");
    bills[2] = press().month(2025, 11, 1);
    upload(env, from, &bills[2])?;
    sync(&mut new)?;
    assert_bills(&mut new, &bills)
}
