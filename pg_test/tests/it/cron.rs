//! The nightly sync, as pg_cron runs it.

use crate::ask::value;
use crate::env::{Env, Test, skip, tests};
use crate::fixture;
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::postgres::Cluster;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![a_scheduled_sync_commits_month_by_month];

/// A job of every minute starts within one; the rest is its run.
const LIMIT: Duration = Duration::from_secs(130);

fn a_scheduled_sync_commits_month_by_month(env: &Env) -> Result<()> {
    if !env.installation.has_extension("pg_cron") {
        skip("this Postgres has no pg_cron");
        return Ok(());
    }
    let bucket = "cron";
    let bills = fixture::press().all();
    fixture::empty_bucket(env, bucket)?;
    for bill in &bills {
        fixture::upload(env, bucket, bill)?;
    }
    let cluster = Cluster::start(
        &env.installation,
        &[
            ("shared_preload_libraries", "pg_cron"),
            ("cron.database_name", "postgres"),
            ("cron.host", "127.0.0.1"),
        ],
    )?;
    let mut client = cluster.client("postgres")?;
    client.batch_execute("CREATE EXTENSION pg_cron; CREATE EXTENSION cur_fdw")?;
    fixture::connect(&mut client, env, bucket)?;
    fixture::add_press(&mut client)?;
    client.batch_execute(
        "SELECT cron.schedule('costs', '* * * * *', 'CALL cost_analytics.cost_sync()')",
    )?;
    let began = Instant::now();
    let ended = "SELECT string_agg(status || ': ' || coalesce(return_message, ''), ' ') \
                   FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')";
    let mut outcome = value(&mut client, ended)?;
    while outcome == "NULL" && began.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(500));
        outcome = value(&mut client, ended)?;
    }
    client.batch_execute("SELECT cron.unschedule('costs')")?;
    assert!(outcome.starts_with("succeeded"), "{outcome}");
    assert_bills(&mut client, &bills)?;
    let commits = "SELECT count(DISTINCT xmin::text)::text FROM cost_analytics.sync_log";
    assert_eq!(value(&mut client, commits)?, "3", "transactions");
    Ok(())
}
