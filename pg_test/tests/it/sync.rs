//! `cost_sync()`: every month whole, exact, once, and never half of one in sight.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, LATE, period, press, sync, synced_later, upload};
use crate::refusals::{INSUFFICIENT_PRIVILEGE, fails, failure};
use pg_test::Result;
use pg_test::bills::{MonthBill, status_file};
use pg_test::s3::Request;
use postgres::Client;
use std::time::Instant;

pub const TESTS: &[Test] = tests![
    months_add_up_to_the_last_digit,
    nothing_new_reads_nothing_and_changes_nothing,
    a_restatement_replaces_its_month_only,
    a_reader_sees_one_delivery_and_the_swap_waits,
    a_broken_month_does_not_stop_the_others,
    new_columns_are_followed_and_recorded,
    files_outside_the_manifest_are_not_read,
    arguments_choose_the_months,
    unknown_arguments_are_refused_with_a_hint,
    session_settings_do_not_change_costs,
    roles_suffice_and_bound,
    another_session_swaps_a_staged_month_unread,
    a_plan_grown_old_loads_nothing_again,
];

/// How often each month was loaded.
const LOADS: &str = "SELECT string_agg(loads::text, ' ') FROM \
    (SELECT count(*) AS loads FROM cost_analytics.sync_log WHERE status = 'loaded' GROUP BY billing_period) AS months";

/// That exactly these months are there, with every row and to the last digit.
pub fn assert_bills(client: &mut Client, bills: &[MonthBill]) -> Result<()> {
    for bill in bills {
        let month = period(bill);
        let totals = &bill.totals;
        let query = format!(
            "SELECT concat_ws(' ', trim_scale(sum(cost)), sum(line_items)) \
               FROM cost_analytics.costs WHERE billing_period = '{month}'"
        );
        let expected = format!("{} {}", totals.unblended, totals.rows);
        assert_eq!(value(client, &query)?, expected, "costs of {month}");
        let query = format!(
            "SELECT count(*)::text FROM cost_analytics.raw_press WHERE billing_period = '{month}'"
        );
        assert_eq!(
            value(client, &query)?,
            totals.rows.to_string(),
            "rows of {month}"
        );
        let query = format!(
            "SELECT concat_ws(' ', rows, trim_scale(unblended)) FROM cost_analytics.manifests \
              WHERE billing_period = '{month}' AND state = 'loaded'"
        );
        let expected = format!("{} {}", totals.rows, totals.unblended);
        assert_eq!(value(client, &query)?, expected, "ledger of {month}");
    }
    let months = bills.len().to_string();
    for relation in ["costs", "raw_press"] {
        let query =
            format!("SELECT count(DISTINCT billing_period)::text FROM cost_analytics.{relation}");
        assert_eq!(value(client, &query)?, months, "months in {relation}");
    }
    let leftover = "SELECT string_agg(relname, ' ') FROM pg_class \
                     WHERE relnamespace = 'cost_analytics'::regnamespace AND relname ~ '_new$'";
    assert_eq!(value(client, leftover)?, "NULL", "tables left over");
    Ok(())
}

/// Everything a sync could change, down to row versions; of one month, or of all.
fn versions(client: &mut Client, month: Option<&str>) -> Result<String> {
    let filter = month.map_or_else(String::new, |month| {
        format!("WHERE billing_period = '{month}'")
    });
    let mut versions = String::new();
    for table in ["costs_daily", "manifests", "sync_log", "schema_changes"] {
        versions += &value(
            client,
            &format!(
                "SELECT '{table}' || coalesce(string_agg(concat_ws(' ', xmin, ctid), ',' ORDER BY ctid), '') \
                   FROM cost_analytics.{table} {filter}"
            ),
        )?;
    }
    let leaves = month.map_or_else(String::new, |month| month[..7].replace('-', "_"));
    versions += &value(
        client,
        &format!(
            "SELECT string_agg(concat_ws(' ', oid, relname, relfilenode), ',' ORDER BY oid) FROM pg_class \
              WHERE relname ~ '^raw_press.*{leaves}'"
        ),
    )?;
    Ok(versions)
}

/// Those that read something whose name ends like this.
fn reads<'a>(requests: &'a [Request], suffix: &str) -> Vec<&'a Request> {
    requests
        .iter()
        .filter(|request| request.method == "GET" && request.path.ends_with(suffix))
        .collect()
}

fn months_add_up_to_the_last_digit(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "sync-months", &bills)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    for (column, part) in [("account_id", 0), ("service", 1)] {
        let totals = &bills[0].totals;
        let parts = [&totals.by_account, &totals.by_service][part];
        for (name, expected) in parts {
            let row = client.query_one(
                &format!(
                    "SELECT coalesce(trim_scale(sum(cost)), 0)::text FROM cost_analytics.costs \
                      WHERE billing_period = $1::text::date AND {column} = $2"
                ),
                &[&period(&bills[0]), name],
            )?;
            assert_eq!(row.get::<_, &str>(0), expected, "{column} {name}");
        }
    }
    Ok(())
}

fn nothing_new_reads_nothing_and_changes_nothing(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "sync-idle", &bills)?;
    sync(&mut client)?;
    let before = versions(&mut client, None)?;
    // A new session, for nothing it has cached may be what saves the requests.
    drop(client);
    let mut client = env.cluster.client("sync-idle")?;
    let mark = env.gateway.mark()?;
    sync(&mut client)?;
    let requests = env.gateway.requests_since(mark)?;
    assert_eq!(requests.len(), 1, "one listing: {requests:?}");
    assert!(requests[0].query.contains("list-type=2"), "{requests:?}");
    assert_eq!(versions(&mut client, None)?, before);
    Ok(())
}

fn a_restatement_replaces_its_month_only(env: &Env) -> Result<()> {
    let mut bills = press().all();
    let mut client = synced_later(env, "sync-restated", &bills)?;
    sync(&mut client)?;
    let others = |client: &mut Client| -> Result<String> {
        Ok(versions(client, Some("2025-09-01"))? + &versions(client, Some("2025-10-01"))?)
    };
    let before = others(&mut client)?;
    bills[2] = press().month(2025, 11, 1);
    upload(env, "sync-restated", &bills[2])?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    assert_eq!(others(&mut client)?, before);
    let states = "SELECT string_agg(state::text, ' ' ORDER BY id) FROM cost_analytics.manifests \
                   WHERE billing_period = '2025-11-01'";
    assert_eq!(value(&mut client, states)?, "superseded loaded");
    Ok(())
}

fn a_reader_sees_one_delivery_and_the_swap_waits(env: &Env) -> Result<()> {
    let mut bills = press().all();
    let mut client = synced_later(env, "sync-reader", &bills)?;
    sync(&mut client)?;
    let read = "SELECT concat_ws(' ', (SELECT count(*) FROM cost_analytics.raw_press), \
                  (SELECT sum(line_item_unblended_cost::numeric) FROM cost_analytics.raw_press), \
                  (SELECT sum(cost) FROM cost_analytics.costs), \
                  (SELECT string_agg(state::text, ' ' ORDER BY id) FROM cost_analytics.manifests))";
    let mut reader = env.cluster.client("sync-reader")?;
    let mut transaction = reader
        .build_transaction()
        .isolation_level(postgres::IsolationLevel::RepeatableRead)
        .start()?;
    let before: String = transaction.query_one(read, &[])?.get(0);

    bills[2] = press().month(2025, 11, 1);
    upload(env, "sync-reader", &bills[2])?;
    client.batch_execute("SET cur_fdw.swap_lock_timeout = '300ms'")?;
    let began = Instant::now();
    sync(&mut client)?;
    assert!(began.elapsed() < LATE / 2, "the sync waits for no reader");
    let state = "SELECT string_agg(state::text, ' ' ORDER BY id) FROM cost_analytics.manifests \
                  WHERE billing_period = '2025-11-01'";
    assert_eq!(value(&mut client, state)?, "loaded staged");
    assert_eq!(
        transaction.query_one(read, &[])?.get::<_, String>(0),
        before
    );
    // Nor is a new reader queued behind the swap.
    assert_eq!(
        value(
            &mut env.cluster.client("sync-reader")?,
            "SELECT (count(*) > 0)::text FROM cost_analytics.raw_press"
        )?,
        "true"
    );
    transaction.commit()?;

    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

/// As pg_cron does: what the first session has cached is gone.
fn another_session_swaps_a_staged_month_unread(env: &Env) -> Result<()> {
    let name = "sync-staged";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    let mut reader = env.cluster.client(name)?;
    let mut transaction = reader.transaction()?;
    transaction.batch_execute("SELECT count(*) FROM cost_analytics.raw_press")?;
    client.batch_execute("SET cur_fdw.swap_lock_timeout = '300ms'")?;
    sync(&mut client)?;
    transaction.commit()?;
    drop(client);
    let mut client = env.cluster.client(name)?;
    let staged = "SELECT count(*)::text FROM cost_analytics.manifests WHERE state = 'staged'";
    assert_eq!(value(&mut client, staged)?, "3");
    let mark = env.gateway.mark()?;
    sync(&mut client)?;
    let requests = env.gateway.requests_since(mark)?;
    assert_bills(&mut client, &bills)?;
    let again = reads(&requests, ".parquet");
    assert!(again.is_empty(), "read again: {again:?}");
    Ok(())
}

fn a_broken_month_does_not_stop_the_others(env: &Env) -> Result<()> {
    let name = "sync-broken";
    let bills = press().all();
    let data = |month: usize| {
        let mut files = bills[month].files.iter();
        files
            .find(|file| file.key.ends_with(".parquet"))
            .expect("a month has data")
    };
    let mut client = synced_later(env, name, &bills)?;
    let (missing, truncated) = (data(1), data(0));
    env.gateway.delete(name, &missing.key)?;
    let half = &truncated.bytes[..truncated.bytes.len() / 2];
    env.gateway.put(name, &truncated.key, half)?;

    let error = failure(sync(&mut client));
    for part in [
        "2 of 3",
        "press",
        "2025-10",
        "2025-09",
        &missing.key,
        &truncated.key,
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert_bills(&mut client, &bills[2..])?;
    let log = value(
        &mut client,
        "SELECT string_agg(concat_ws(' ', billing_period, status, error_message), E'\\n' ORDER BY billing_period) \
           FROM cost_analytics.sync_log",
    )?;
    let log: Vec<&str> = log.lines().collect();
    assert!(
        log[0].starts_with("2025-09-01 failed") && log[0].contains(&truncated.key),
        "{log:?}"
    );
    assert!(
        log[1].starts_with("2025-10-01 failed") && log[1].contains(&missing.key),
        "{log:?}"
    );
    assert_eq!(log.last(), Some(&"2025-11-01 loaded"));

    for file in [missing, truncated] {
        env.gateway.put(name, &file.key, file.bytes.clone())?;
    }
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn new_columns_are_followed_and_recorded(env: &Env) -> Result<()> {
    let name = "sync-drift";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills[..1])?;
    sync(&mut client)?;
    let columns = |client: &mut Client, relation: &str| -> Result<Vec<String>> {
        let rows = client.query(
            "SELECT attname::text FROM pg_attribute \
              WHERE attrelid = ('cost_analytics.' || $1::text)::regclass AND attnum > 0 AND NOT attisdropped \
              ORDER BY attname",
            &[&relation],
        )?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    let before = columns(&mut client, "raw_press")?;
    for bill in &bills[1..] {
        upload(env, name, bill)?;
    }
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    let mut new = columns(&mut client, "raw_press")?;
    new.retain(|column| !before.contains(column));
    assert!(
        !new.is_empty(),
        "the sample's later months have more columns"
    );
    let recorded: Vec<String> = client
        .query(
            "SELECT column_name FROM cost_analytics.schema_changes WHERE change = 'added' ORDER BY column_name",
            &[],
        )?
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(recorded, new);
    assert!(new.iter().all(|column| {
        columns(&mut client, "press")
            .expect("it is there")
            .contains(column)
    }));
    let counts = new.iter().map(|column| {
        format!(
            "count(\"{column}\") FILTER (WHERE billing_period = '2025-09-01')::text || ' ' || \
             (count(\"{column}\") > 0)::text"
        )
    });
    let counts: Vec<String> = counts.collect();
    let row = client.query_one(
        &format!(
            "SELECT ARRAY[{}] FROM cost_analytics.raw_press",
            counts.join(", ")
        ),
        &[],
    )?;
    let counts: Vec<String> = row.get(0);
    assert!(
        counts.iter().all(|count| count.starts_with("0 ")),
        "{new:?} {counts:?}"
    );
    assert!(
        counts.iter().any(|count| count == "0 true"),
        "{new:?} {counts:?}"
    );
    // The first month's columns are still the file's own.
    let query =
        "SELECT count(*)::text FROM cost_analytics.press WHERE billing_period = '2025-09-01'";
    assert_eq!(value(&mut client, query)?, bills[0].totals.rows.to_string());
    Ok(())
}

fn files_outside_the_manifest_are_not_read(env: &Env) -> Result<()> {
    let name = "sync-surplus";
    let bills = press().all();
    fixture::empty_bucket(env, name)?;
    let chunk = bills[2]
        .files
        .iter()
        .find(|file| file.key.ends_with("-00001.snappy.parquet"))
        .expect("the first chunk");
    let surplus = chunk.key.replace("-00001.", "-00099.");
    let status = status_file(&press());
    env.gateway.create_bucket(name)?;
    env.gateway.put(name, &surplus, chunk.bytes.clone())?;
    env.gateway.put(name, &status.key, status.bytes)?;
    for bill in &bills {
        upload(env, name, bill)?;
    }
    let mark = env.gateway.mark()?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    fixture::add_press(&mut client)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    let query =
        "SELECT count(*)::text FROM cost_analytics.press WHERE billing_period = '2025-11-01'";
    assert_eq!(value(&mut client, query)?, bills[2].totals.rows.to_string());
    let requests = env.gateway.requests_since(mark)?;
    for key in [&surplus, &status.key] {
        assert_eq!(reads(&requests, key).len(), 0, "{key} was read");
    }
    Ok(())
}

/// The second session has planned every month, and is held up at the first of them.
fn a_plan_grown_old_loads_nothing_again(env: &Env) -> Result<()> {
    let name = "sync-old-plan";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    let mut holder = env.cluster.client(name)?;
    let mut transaction = holder.transaction()?;
    transaction.batch_execute(
        "INSERT INTO cost_analytics.manifests (source_name, billing_period, fingerprint) \
         SELECT source_name, billing_period, fingerprint FROM cost_analytics.cost_plan(months => 1)",
    )?;
    let mut slow = env.cluster.client(name)?;
    let pid = fixture::pid(&mut slow)?;
    std::thread::scope(|scope| -> Result<()> {
        let call = scope.spawn(move || sync(&mut slow));
        let locked = fixture::wait_until_locked(&mut client, pid);
        let loaded = client.batch_execute("CALL cost_analytics.cost_sync(until => '2025-10')");
        // Whatever failed: the session that waits is let go.
        transaction.rollback()?;
        locked?;
        loaded?;
        call.join().expect("the thread does not panic")
    })?;
    assert_bills(&mut client, &bills)?;
    assert_eq!(value(&mut client, LOADS)?, "1 1 1", "loads of each month");
    Ok(())
}

fn arguments_choose_the_months(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "sync-arguments", &bills)?;
    let before = versions(&mut client, None)?;
    client.batch_execute("CALL cost_analytics.cost_sync(dry_run => true)")?;
    assert_eq!(versions(&mut client, None)?, before, "a dry run");
    client.batch_execute("CALL cost_analytics.cost_sync(max_runtime => '0 s')")?;
    assert_eq!(versions(&mut client, None)?, before, "no time");
    client.batch_execute("CALL cost_analytics.cost_sync(months => 1)")?;
    assert_bills(&mut client, &bills[2..])?;
    client.batch_execute(
        "CALL cost_analytics.cost_sync('press', since => '2025-09', until => '2025-09-30')",
    )?;
    assert_bills(&mut client, &[bills[0].clone(), bills[2].clone()])?;
    client.batch_execute("CALL cost_analytics.cost_sync(max_runtime => '1 hour')")?;
    assert_bills(&mut client, &bills)?;
    let before = versions(&mut client, Some("2025-09-01"))?;
    client.batch_execute("CALL cost_analytics.cost_sync(months => 1, force => true)")?;
    assert_bills(&mut client, &bills)?;
    assert_eq!(versions(&mut client, Some("2025-09-01"))?, before);
    // Raw off keeps the costs and no raw rows.
    let costs = "SELECT md5(string_agg(c::text, ' ' ORDER BY c::text)) FROM \
        (SELECT date, account_id, service, region, line_item_type, cost FROM cost_analytics.costs) AS c";
    let kept = value(&mut client, costs)?;
    client.batch_execute("CALL cost_analytics.cost_sync(raw => false, force => true)")?;
    assert_eq!(value(&mut client, costs)?, kept);
    let raw = "SELECT count(*)::text FROM cost_analytics.raw_press";
    assert_eq!(value(&mut client, raw)?, "0");
    Ok(())
}

fn unknown_arguments_are_refused_with_a_hint(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "sync-unknown", &press().all()[..1])?;
    for (arguments, message, hint) in [
        ("'pres'", "there is no source \"pres\"", "cost_add_source"),
        ("months => 0", "at least 1", "Leave it out"),
        ("since => 'november'", "is not a month", "2025-11"),
        ("until => '2025-13'", "2025-13", ""),
    ] {
        let call = format!("CALL cost_analytics.cost_sync({arguments})");
        let error = failure(client.batch_execute(&call).map_err(Into::into));
        assert!(error.contains(message) && error.contains(hint), "{error}");
    }
    Ok(())
}

fn session_settings_do_not_change_costs(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "sync-session", &bills)?;
    sync(&mut client)?;
    let costs = "SELECT string_agg(concat_ws('|', date, account_id, service, region, cost, currency, \
                     billing_period, line_item_type, line_items, extract(epoch FROM time)), E'\\n' \
                   ORDER BY date, account_id, service, region, line_item_type, cost) FROM cost_analytics.costs";
    let expected = value(&mut client, costs)?;
    let mut odd = env.cluster.client("sync-session")?;
    odd.batch_execute(
        "SET TimeZone = 'Pacific/Kiritimati'; SET extra_float_digits = 0; SET DateStyle = 'SQL, DMY'; \
         SET IntervalStyle = 'sql_standard'; SET search_path = ''",
    )?;
    odd.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    assert_bills(&mut client, &bills)?;
    assert!(value(&mut client, costs)? == expected, "costs differ");
    Ok(())
}

fn roles_suffice_and_bound(env: &Env) -> Result<()> {
    let name = "sync-roles";
    let bills = press().all();
    fixture::empty_bucket(env, name)?;
    for bill in &bills {
        upload(env, name, bill)?;
    }
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    client.batch_execute(&format!(
        "CREATE ROLE finops LOGIN; GRANT cost_admin TO finops; \
         CREATE ROLE viewer LOGIN; GRANT cost_reader TO viewer; CREATE ROLE stranger LOGIN; \
         GRANT USAGE ON FOREIGN SERVER bills TO finops; {}",
        fixture::mapping(env, "finops")
    ))?;
    let mut finops = env.cluster.client_as("finops", name)?;
    let error = failure(fixture::add_press(&mut finops));
    assert!(error.contains("allowed_endpoints"), "{error}");
    drop(finops);
    client.batch_execute(&format!(
        "ALTER ROLE finops SET cur_fdw.allowed_endpoints = '{}'",
        env.gateway.endpoint()
    ))?;
    let mut finops = env.cluster.client_as("finops", name)?;
    fixture::add_press(&mut finops)?;
    sync(&mut finops)?;
    assert_bills(&mut finops, &bills)?;
    finops.batch_execute("CALL cost_analytics.cost_sync(months => 1, force => true)")?;

    let mut viewer = env.cluster.client_as("viewer", name)?;
    assert_bills(&mut viewer, &bills)?;
    let mut stranger = env.cluster.client_as("stranger", name)?;
    for statement in [
        "CALL cost_analytics.cost_sync()",
        "DELETE FROM cost_analytics.costs_daily",
        "SELECT * FROM cost_analytics.press LIMIT 1",
    ] {
        fails(&mut viewer, statement, INSUFFICIENT_PRIVILEGE)?;
    }
    let read = "SELECT * FROM cost_analytics.costs LIMIT 1";
    fails(&mut stranger, read, INSUFFICIENT_PRIVILEGE)?;
    Ok(())
}
