//! Months that are older than a source keeps.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{press, sync, synced_later, upload};
use crate::sync::assert_bills;
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    older_months_are_dropped_and_not_read_again,
    readers_of_the_raw_table_keep_an_old_month,
    a_failed_new_month_costs_no_old_one,
];

const STATES: &str = "SELECT string_agg(to_char(billing_period, 'MM') || ' ' || state, ', ' ORDER BY billing_period) \
                        FROM cost_analytics.sync_state";
const PLAN: &str = "SELECT string_agg(concat_ws(' ', to_char(billing_period, 'MM'), action), ', ' ORDER BY billing_period) \
                      FROM cost_analytics.cost_plan()";

fn older_months_are_dropped_and_not_read_again(env: &Env) -> Result<()> {
    let name = "retention-dropped";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills[..2])?;
    sync(&mut client)?;
    client.batch_execute("UPDATE cost_analytics.sources SET months_to_keep = 2")?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills[..2])?;
    upload(env, name, &bills[2])?;
    client.batch_execute("CALL cost_analytics.cost_sync(dry_run => true)")?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills[1..])?;
    assert_eq!(
        value(&mut client, STATES)?,
        "09 dropped, 10 loaded, 11 loaded"
    );
    assert_eq!(value(&mut client, PLAN)?, "09 skip, 10 skip, 11 skip");
    let why = "SELECT why FROM cost_analytics.cost_plan() WHERE billing_period = '2025-09-01'";
    assert_eq!(value(&mut client, why)?, "older than the 2 months to keep");
    let mark = env.gateway.mark()?;
    sync(&mut client)?;
    assert_eq!(env.gateway.requests_since(mark)?.len(), 1, "one listing");

    // A restatement of it is none of ours either.
    upload(env, name, &press().month(2025, 9, 1))?;
    let mark = env.gateway.mark()?;
    sync(&mut client)?;
    assert_eq!(env.gateway.requests_since(mark)?.len(), 1, "one listing");
    assert_bills(&mut client, &bills[1..])?;
    upload(env, name, &bills[0])?;
    client.batch_execute("UPDATE cost_analytics.sources SET months_to_keep = 3")?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn readers_of_the_raw_table_keep_an_old_month(env: &Env) -> Result<()> {
    let name = "retention-readers";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    sync(&mut client)?;
    let mut reader = env.cluster.client(name)?;
    let mut transaction = reader.transaction()?;
    transaction.query_one("SELECT count(*) FROM cost_analytics.raw_press", &[])?;
    client.batch_execute(
        "SET cur_fdw.swap_lock_timeout = '200ms'; UPDATE cost_analytics.sources SET months_to_keep = 1",
    )?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    transaction.commit()?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills[2..])
}

fn a_failed_new_month_costs_no_old_one(env: &Env) -> Result<()> {
    let name = "retention-failed";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills[..2])?;
    client.batch_execute("UPDATE cost_analytics.sources SET months_to_keep = 2")?;
    sync(&mut client)?;
    upload(env, name, &bills[2])?;
    let mut data = bills[2].files.iter();
    let missing = data
        .find(|file| file.key.ends_with(".parquet"))
        .expect("data");
    env.gateway.delete(name, &missing.key)?;
    sync(&mut client).expect_err("a file is missing");
    assert_bills(&mut client, &bills[..2])?;
    env.gateway.put(name, &missing.key, missing.bytes.clone())?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills[1..])
}
