//! What is secret shows nowhere: not in answers, plans, notices, logs and catalogs.

use crate::credentials::{DATABASE, connected_with_sts, keys, ordinary_user};
use crate::env::{Env, Test, tests};
use crate::errors;
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::Result;
use pg_test::fault::{Fault, Proxy};
use postgres::Client;
use std::time::Duration;

pub const TESTS: &[Test] = tests![the_secret_is_nowhere_to_be_seen, no_marker_shows_anywhere,];

fn the_secret_is_nowhere_to_be_seen(env: &Env) -> Result<()> {
    let before = env.cluster.log()?.len();
    errors::ordinary_user(&mut errors::connected(env, "errors")?)?;
    let (mut client, notices) = env.cluster.listening("postgres", "errors")?;
    for sql in [
        "EXPLAIN VERBOSE SELECT * FROM t",
        "EXPLAIN (VERBOSE, ANALYZE, FORMAT JSON) SELECT * FROM t",
        "SELECT srvoptions::text FROM pg_foreign_server",
        "SELECT ftoptions::text FROM pg_foreign_table",
        "SELECT t::text FROM cost_analytics.cost_test('bills') t",
    ] {
        for message in client.simple_query(sql)? {
            assert_no_secret(sql, &format!("{message:?}"));
        }
    }
    // Notices at the chattiest level, and errors with all their fields.
    client.batch_execute("SET client_min_messages = debug5; SET log_min_messages = debug1")?;
    client.batch_execute(READ)?;
    let heard = notices.take();
    assert!(!heard.is_empty(), "the session was told nothing");
    assert_no_secret("a notice", &heard);
    client.batch_execute(
        "RESET client_min_messages; SET log_error_verbosity = verbose; SET cur_fdw.retries = 0",
    )?;
    client.batch_execute("ALTER FOREIGN TABLE t OPTIONS (SET prefix 'nowhere')")?;
    error_of(&mut client, READ)?;
    client.batch_execute("ALTER SERVER bills OPTIONS (SET url 's3://errors-nowhere')")?;
    error_of(&mut client, READ)?;
    assert_no_secret("a notice", &notices.take());

    let mut superuser = env.cluster.client("errors")?;
    let activity = "SELECT coalesce(string_agg(a::text, E'\\n'), '') FROM pg_stat_activity a WHERE pid <> pg_backend_pid()";
    assert_no_secret(
        "pg_stat_activity",
        superuser.query_one(activity, &[])?.get(0),
    );
    let mut user = env.cluster.client_as("errors_user", "errors")?;
    assert_no_secret("pg_stat_activity", user.query_one(activity, &[])?.get(0));
    let mappings = "SELECT coalesce(string_agg(m::text, E'\\n'), '') FROM pg_user_mappings m";
    assert_no_secret("pg_user_mappings", user.query_one(mappings, &[])?.get(0));
    assert_no_secret("the log", &env.cluster.log()?[before..]);
    Ok(())
}

/// Every option that can hold a secret holds a marker, or part of it.
fn marked_mappings() -> Vec<String> {
    let keys = format!("access_key_id '{MARKER}', secret_access_key '{MARKER}'");
    vec![
        format!("{keys}, session_token '{MARKER}'"),
        format!("{keys}, role_arn 'arn:aws:iam:::role/r', external_id '{MARKER}'"),
        format!(
            "vault_access_key_id '{MARKER}', vault_secret_access_key '{MARKER}', vault_session_token '{MARKER}'"
        ),
    ]
}

fn no_marker_shows_anywhere(env: &Env) -> Result<()> {
    let proxy = Proxy::start(&env.gateway.endpoint())?;
    let mut client = connected_with_sts(env)?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (SET endpoint '{0}', SET sts_endpoint '{0}')",
        proxy.endpoint()
    ))?;
    ordinary_user(&mut client)?;
    vault(&mut client)?;
    for options in marked_mappings() {
        map(&mut client, &options)?;
        client.batch_execute("DROP USER MAPPING IF EXISTS FOR credentials_user SERVER bills")?;
        client.batch_execute(&format!(
            "CREATE USER MAPPING FOR credentials_user SERVER bills OPTIONS ({options})"
        ))?;
        shows_no_marker(&mut client, &env.cluster, DATABASE)?;
        seen_by_an_ordinary_user(env)?;
    }
    refuses_without_repeating(&env.cluster, DATABASE, &marked_statements())?;
    during_a_scan(env, &mut client, &proxy)
}

/// Catalogs, as the mappings' own user may read them: postgres's options stay hidden from him, and
/// so do his own unless he has the server's USAGE, in which case they are his to read.
fn seen_by_an_ordinary_user(env: &Env) -> Result<()> {
    let mut user = env.cluster.client_as("credentials_user", DATABASE)?;
    for catalog in [
        "pg_foreign_server",
        "pg_foreign_table",
        "pg_foreign_data_wrapper",
        "pg_stat_activity",
    ] {
        let all = format!("SELECT coalesce(string_agg(c::text, ' '), '') FROM {catalog} c");
        assert_no_secret(catalog, user.query_one(&all, &[])?.get(0));
    }
    let others = "SELECT coalesce(string_agg(m::text, ' '), '') FROM pg_user_mappings m \
                  WHERE usename <> current_user";
    assert_no_secret("pg_user_mappings", user.query_one(others, &[])?.get(0));
    let hidden = error_of(&mut user, "SELECT * FROM pg_user_mapping")?;
    assert_eq!(hidden.code().code(), INSUFFICIENT_PRIVILEGE);
    Ok(())
}

/// Statements that are refused, with a marker wherever one fits.
fn marked_statements() -> Vec<String> {
    let create = "CREATE USER MAPPING FOR PUBLIC SERVER bills OPTIONS";
    vec![
        format!("{create} (secret_acces_key '{MARKER}')"),
        format!("{create} (secret_access_key '{MARKER}')"),
        format!("{create} (access_key_id '', secret_access_key '{MARKER}')"),
        format!(
            "{create} (access_key_id '{MARKER}', vault_access_key_id '{MARKER}', secret_access_key 'x')"
        ),
        format!("{create} (access_key_id 'x', secret_access_key 'x', external_id '{MARKER}')"),
        format!("{create} (access_key_id 'x', secret_access_key 'x', role_arn '{MARKER}')"),
        format!(
            "{create} (access_key_id 'x', secret_access_key 'x', role_arn 'arn:aws:iam:::role/r', role_session_name '{MARKER} ')"
        ),
        format!("{create} (ambient '{MARKER}')"),
        format!("ALTER SERVER bills OPTIONS (ADD secret_access_key '{MARKER}')"),
        format!("ALTER SERVER bills OPTIONS (SET url 's3://{MARKER}@b')"),
        format!("ALTER SERVER bills OPTIONS (SET endpoint 'https://u:{MARKER}@h')"),
        format!("ALTER SERVER bills OPTIONS (SET sts_endpoint 'https://u:{MARKER}@h')"),
        format!("ALTER FOREIGN TABLE t OPTIONS (ADD session_token '{MARKER}')"),
    ]
}

/// What others see of a session that reads with working keys, and what its plan says.
fn during_a_scan(env: &Env, client: &mut Client, proxy: &Proxy) -> Result<()> {
    map(client, &keys(env))?;
    for sql in [READ, "SELECT * FROM t"] {
        let explain = format!("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) {sql}");
        let plan = format!("{:?}", client.simple_query(&explain)?);
        assert!(
            !plan.contains("SKTEST") && !plan.contains("AKTEST"),
            "{plan}"
        );
    }
    proxy.set(Fault::StallAfter(100));
    // Ends the scan even if something fails before the cancel.
    client.batch_execute("SET statement_timeout = '20s'")?;
    let canceler = client.cancel_token();
    std::thread::scope(|threads| -> Result<()> {
        let reading = threads.spawn(|| client.batch_execute(READ).is_err());
        let stalled = proxy.wait_stalled(true, Duration::from_secs(10));
        let activity = "SELECT string_agg(a::text, ' ') FROM pg_stat_activity a";
        let mut shown = String::new();
        for user in ["postgres", "credentials_user"] {
            let mut other = env.cluster.client_as(user, DATABASE)?;
            shown += other.query_one(activity, &[])?.get(0);
        }
        canceler.cancel_query(postgres::NoTls)?;
        assert!(reading.join().map_err(|_| "the reader panicked")?);
        assert!(stalled, "the scan was not seen while it ran");
        assert!(shown.contains(READ), "{shown}");
        assert!(
            !shown.contains("SKTEST") && !shown.contains("AKTEST"),
            "{shown}"
        );
        Ok(())
    })
}
