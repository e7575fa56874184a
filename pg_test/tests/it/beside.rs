//! `cur_fdw.sync_workers`: months side by side are the same months, and whoever stops the call stops
//! all of it.

use crate::ask::{lines, value};
use crate::env::{Env, Test, tests};
use crate::fixture::{self, period, pid, press, sync, synced_later, upload, wait_for};
use crate::refusals::failure;
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::postgres::Cluster;
use postgres::Client;
use postgres::error::SqlState;

pub const TESTS: &[Test] = tests![
    months_load_at_the_same_time_and_the_caller_hears_of_them,
    a_terminated_worker_fails_its_month_alone,
    a_call_that_ends_takes_its_workers_along,
    a_worker_has_the_sessions_role_and_settings,
    borrowed_rights_start_no_worker,
    a_failing_worker_says_why_and_is_replaced,
    without_workers_the_session_loads_the_months_itself,
    columns_change_when_no_month_is_being_read,
];

const WORKERS: &str = "SET cur_fdw.sync_workers = 3";

/// Processes that work for others.
const AT_WORK: &str =
    "SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'cur_fdw worker'";

/// Runs a sync, and something else once so many of its months wait for `costs_daily`, to which it is
/// given the lock. Returns the sync's error.
fn while_waiting(
    env: &Env,
    name: &str,
    mut client: Client,
    months: i64,
    meanwhile: impl FnOnce(&mut Client) -> Result<()>,
) -> Result<Option<pg_test::Error>> {
    let mut holder = env.cluster.client(name)?;
    let mut watcher = env.cluster.client(name)?;
    std::thread::scope(|scope| {
        let mut lock = holder.transaction()?;
        lock.batch_execute("LOCK TABLE cost_analytics.costs_daily IN SHARE MODE")?;
        let call = scope.spawn(move || (sync(&mut client).err(), client));
        wait_for("the months wait", || {
            let waiting = "SELECT count(*) FROM pg_stat_activity \
                            WHERE backend_type = 'cur_fdw worker' AND wait_event_type = 'Lock'";
            Ok(call.is_finished() || watcher.query_one(waiting, &[])?.get::<_, i64>(0) == months)
        })?;
        let done = meanwhile(&mut watcher);
        lock.rollback()?;
        let (error, _client) = call.join().expect("the thread does not panic");
        done.map(|()| error)
    })
}

/// What is known of resources, and what they cost.
const STAR: &str = "SELECT d::text FROM cost_analytics.dim_resource d UNION ALL \
    SELECT (billing_period, count(*), sum(cost))::text FROM cost_analytics.fact_usage GROUP BY billing_period \
    ORDER BY 1";

fn months_load_at_the_same_time_and_the_caller_hears_of_them(env: &Env) -> Result<()> {
    let name = "beside-months";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    client.batch_execute("UPDATE cost_analytics.sources SET facts = true")?;
    let (mut caller, notices) = env.cluster.listening("postgres", name)?;
    caller.batch_execute(WORKERS)?;
    let mut seen = None;
    let error = while_waiting(env, name, caller, 3, |watcher| {
        seen = Some(value(watcher, AT_WORK)?);
        Ok(())
    })?;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.as_deref(), Some("3"));
    assert_eq!(value(&mut client, AT_WORK)?, "0", "workers are left");
    assert_bills(&mut client, &bills)?;
    let heard = notices.take();
    for bill in &bills {
        let loaded = format!(
            "press {}: loaded ({} rows",
            &period(bill)[..7],
            bill.totals.rows
        );
        assert!(heard.contains(&loaded), "no {loaded}: {heard}");
    }
    let beside = lines(&mut client, STAR)?;
    client.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    assert_eq!(lines(&mut client, STAR)?, beside);
    Ok(())
}

fn a_terminated_worker_fails_its_month_alone(env: &Env) -> Result<()> {
    let name = "beside-terminated";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    let mut caller = env.cluster.client(name)?;
    caller.batch_execute(WORKERS)?;
    let error = while_waiting(env, name, caller, 3, |watcher| {
        let one = "SELECT pg_terminate_backend(min(pid)) FROM pg_stat_activity WHERE backend_type = 'cur_fdw worker'";
        watcher.query_one(one, &[])?;
        wait_for("its end", || Ok(value(watcher, AT_WORK)? == "2"))
    })?;
    let error = error.ok_or("a month failed, but not the call")?;
    let text = crate::describe(&*error);
    assert!(text.contains("1 of 3 months failed: press 2025-"), "{text}");
    assert!(text.contains("terminating background worker"), "{text}");
    let states = "SELECT string_agg(state::text, ' ' ORDER BY state) FROM cost_analytics.manifests";
    assert_eq!(value(&mut client, states)?, "loaded loaded failed");
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn a_call_that_ends_takes_its_workers_along(env: &Env) -> Result<()> {
    let name = "beside-stopped";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    let held = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'";
    for (stop, code) in [
        ("pg_cancel_backend", SqlState::QUERY_CANCELED),
        ("pg_terminate_backend", SqlState::ADMIN_SHUTDOWN),
    ] {
        let mut caller = env.cluster.client(name)?;
        caller.batch_execute(WORKERS)?;
        let pid = pid(&mut caller)?;
        let error = while_waiting(env, name, caller, 3, |watcher| {
            watcher.query_one(&format!("SELECT {stop}($1)"), &[&pid])?;
            wait_for("the workers' end", || Ok(value(watcher, AT_WORK)? == "0"))?;
            assert_eq!(value(watcher, held)?, "0", "locks are left");
            Ok(())
        })?;
        let error = error.ok_or("the call was stopped")?;
        let error = error.downcast::<postgres::Error>()?;
        assert_eq!(error.code(), Some(&code), "{error}");
    }
    // What a statement's timeout stops, too.
    let mut caller = env.cluster.client(name)?;
    caller.batch_execute(&format!("{WORKERS}; SET statement_timeout = '3s'"))?;
    let error = while_waiting(env, name, caller, 3, |watcher| {
        wait_for("the workers' end", || Ok(value(watcher, AT_WORK)? == "0"))
    })?;
    assert!(error.is_some());
    client.batch_execute(WORKERS)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

/// What a worker says to a query that gives a number.
fn asked(client: &mut Client, query: &str) -> Result<String> {
    let run = "SELECT cost_analytics.worker_run(ARRAY[cost_analytics.settings_sql(2), $1], 1)";
    let worker: Option<i32> = client.query_one(run, &[&query])?.get(0);
    assert!(worker.is_some(), "there is no worker");
    let said = "SELECT concat_ws(' ', result, failure) FROM cost_analytics.worker_wait()";
    value(client, said)
}

fn a_worker_has_the_sessions_role_and_settings(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("beside-settings")?;
    client.batch_execute(
        "DROP ROLE IF EXISTS beside_loader; CREATE ROLE beside_loader IN ROLE cost_admin; \
         SET deadlock_timeout = '900ms'; SET client_encoding = 'LATIN1'; SET default_transaction_isolation = 'serializable'; \
         SET ROLE beside_loader; SET cur_fdw.threads = 5; SET lock_timeout = '7s'; \
         SET work_mem = '5MB'; SET \"TimeZone\" = 'Asia/Tokyo'; SET cur_fdw.retries = 1",
    )?;
    let same = "SELECT (concat_ws(' ', current_user, session_user, current_setting('lock_timeout'), \
         current_setting('work_mem'), current_setting('TimeZone'), current_setting('cur_fdw.retries'), \
         current_setting('cur_fdw.threads'), current_setting('deadlock_timeout'), \
         current_setting('transaction_isolation')) \
         = 'beside_loader postgres 7s 5MB Asia/Tokyo 1 3 900ms read committed')::integer::bigint";
    assert_eq!(asked(&mut client, same)?, "1");
    // The settings of its next order replace those of this one, also those that the role may not set.
    client.batch_execute("SET lock_timeout = '8s'; SET work_mem = '6MB'")?;
    let same = same.replace("7s 5MB", "8s 6MB");
    assert_eq!(asked(&mut client, &same)?, "1");
    client.batch_execute("RESET ROLE; DROP ROLE beside_loader")?;
    Ok(())
}

/// Functions that run for somebody stronger, or in his maintenance, would become him in a worker.
fn borrowed_rights_start_no_worker(env: &Env) -> Result<()> {
    let name = "beside-rights";
    let mut client = env.database_with_extension(name)?;
    client.batch_execute(
        "DROP ROLE IF EXISTS beside_climber; CREATE ROLE beside_climber IN ROLE cost_admin; \
         CREATE SCHEMA climber AUTHORIZATION beside_climber; SET ROLE beside_climber; \
         CREATE FUNCTION climber.climb(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN \
           RETURN cost_analytics.worker_run(ARRAY['ALTER ROLE beside_climber SUPERUSER'], 1); END $$; \
         CREATE FUNCTION climber.helpful() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
           RETURN climber.climb(1); END $$; \
         CREATE TABLE climber.t AS SELECT 1 AS x; RESET ROLE",
    )?;
    for sql in [
        "SELECT climber.helpful()",
        "CREATE INDEX ON climber.t (climber.climb(x))",
    ] {
        let error = failure(client.batch_execute(sql).map_err(Into::into));
        assert!(error.starts_with("42501"), "{sql}: {error}");
    }
    let strong = "SELECT rolsuper::text FROM pg_roles WHERE rolname = 'beside_climber'";
    assert_eq!(value(&mut client, strong)?, "false");
    client.batch_execute("DROP OWNED BY beside_climber; DROP ROLE beside_climber")?;
    Ok(())
}

fn a_failing_worker_says_why_and_is_replaced(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("beside-failing")?;
    let failed = asked(&mut client, "SELECT 1 / 0::bigint")?;
    assert_eq!(failed, "division by zero");
    let gone = asked(
        &mut client,
        "SELECT 1::bigint FROM pg_terminate_backend(pg_backend_pid()), pg_sleep(60)",
    )?;
    assert!(gone.contains("terminating background worker"), "{gone}");
    let spoken = asked(&mut client, "SELECT 'ü'::integer::bigint")?;
    assert!(spoken.contains("\"ü\""), "{spoken}");
    let warned = "DO $$ BEGIN RAISE WARNING 'ü%', repeat('x', 200000); END $$";
    // A report that is longer than the queue; and no number, which is no result.
    assert!(asked(&mut client, warned)?.contains("gave no bigint"));
    assert_eq!(asked(&mut client, "SELECT 7::bigint")?, "7");
    client.batch_execute("SELECT cost_analytics.workers_dismiss()")?;
    assert_eq!(value(&mut client, AT_WORK)?, "0");
    let none = "SELECT count(*)::text FROM cost_analytics.worker_wait()";
    assert_eq!(value(&mut client, none)?, "0", "nobody to wait for");
    Ok(())
}

fn without_workers_the_session_loads_the_months_itself(env: &Env) -> Result<()> {
    let name = "beside-none";
    let bills = press().all();
    drop(synced_later(env, name, &bills)?);
    let cluster = Cluster::start(env.cluster.installation(), &[("max_worker_processes", "0")])?;
    let (mut client, notices) = cluster.listening("postgres", "postgres")?;
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    fixture::connect(&mut client, env, name)?;
    fixture::add_press(&mut client)?;
    client.batch_execute(WORKERS)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    let heard = notices.take();
    let once = heard.matches("no background worker is to be had").count();
    assert_eq!(once, 1, "{heard}");
    assert!(heard.contains("max_worker_processes"), "{heard}");
    Ok(())
}

/// The foreign table of the second source lacks a column when the first one's month is being read.
fn columns_change_when_no_month_is_being_read(env: &Env) -> Result<()> {
    let (name, other) = ("beside-columns", "beside-columns-2");
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    fixture::empty_bucket(env, other)?;
    for bill in &bills {
        upload(env, other, bill)?;
    }
    client.batch_execute(&format!(
        "CREATE SERVER others FOREIGN DATA WRAPPER cur_fdw OPTIONS \
           (url 's3://{other}', endpoint '{}', allow_http 'true', region 'us-east-1'); {}; \
         SELECT cost_analytics.cost_add_source('second', server => 'others', prefix => '{}'); \
         ALTER FOREIGN TABLE cost_analytics.second DROP COLUMN line_item_usage_type; {WORKERS}",
        env.gateway.endpoint(),
        fixture::mapping(env, "CURRENT_USER").replace("bills", "others"),
        fixture::PRESS,
    ))?;
    let follow = "SELECT cost_analytics.follow_columns(s, '2025-11-01', alone => false) \
           FROM cost_analytics.sources s WHERE name = 'second'";
    let altered = failure(client.batch_execute(follow).map_err(Into::into));
    assert!(altered.starts_with("CF002"), "{altered}");
    sync(&mut client)?;
    let same = "SELECT string_agg(DISTINCT total, ', ') FROM (SELECT source_name, \
        concat_ws(' ', sum(cost), count(DISTINCT billing_period)) AS total FROM cost_analytics.costs GROUP BY 1) t";
    let total = value(&mut client, same)?;
    assert!(total.ends_with(" 3") && !total.contains(", "), "{total}");
    let back =
        "SELECT (count(line_item_usage_type) = count(*))::text FROM cost_analytics.raw_second";
    assert_eq!(value(&mut client, back)?, "true");
    Ok(())
}
