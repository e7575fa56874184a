//! What must hold for every kind of store.

use crate::fixture;
use crate::refusals::{NOT_IN_PREREQUISITE_STATE, assert_no_secret, error_of, refused};
use pg_test::Result;
use pg_test::bills::MonthBill;
use pg_test::postgres::Cluster;
use postgres::Client;

/// A query of the foreign table that [`table`] makes.
pub const READ: &str = "SELECT sum(line_item_unblended_cost) FROM t";

/// The foreign table `t` over the server `bills`.
pub fn table(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute(&format!(
        "CREATE FOREIGN TABLE t (line_item_unblended_cost double precision, billing_period date) \
         SERVER bills OPTIONS (prefix '{}')",
        fixture::PRESS
    ))?)
}

/// Replaces the current user's mapping.
pub fn map(client: &mut Client, options: &str) -> Result<()> {
    Ok(client.batch_execute(&format!(
        "DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER bills; \
         CREATE USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS ({options})"
    ))?)
}

/// What Supabase's extension has of the Vault that matters here: the names, and a view that decrypts.
pub fn vault(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute(
        "CREATE SCHEMA vault; \
         CREATE TABLE vault.secrets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, secret text); \
         CREATE VIEW vault.decrypted_secrets AS \
           SELECT id, name, secret, reverse(secret) AS decrypted_secret FROM vault.secrets",
    )?)
}

/// Adds a secret to the Vault, and returns its id.
pub fn hide(client: &mut Client, name: &str, secret: Option<&str>) -> Result<String> {
    let row = client.query_one(
        "INSERT INTO vault.secrets (name, secret) VALUES ($1, reverse($2)) RETURNING id::text",
        &[&name, &secret],
    )?;
    Ok(row.get(0))
}

/// A bill's objects, as stores take them.
pub fn objects(bill: &MonthBill) -> impl Iterator<Item = (String, Vec<u8>)> {
    let files = bill.files.iter();
    files.map(|file| (file.key.clone(), file.bytes.clone()))
}

/// Every step from a server to costs, over a store that holds these bills under
/// [`fixture::PRESS`] and nothing else.
pub fn reads_everything(client: &mut Client, bills: &[MonthBill]) -> Result<()> {
    let tested = client.query(
        "SELECT \"check\", ok, detail FROM cost_analytics.cost_test('bills')",
        &[],
    )?;
    for row in &tested {
        assert!(
            row.get::<_, bool>(1),
            "{}: {}",
            row.get::<_, &str>(0),
            row.get::<_, &str>(2)
        );
    }
    assert_eq!(tested.len(), 4);
    let found = client.query_one(
        "SELECT prefix, readable, months, files FROM cost_analytics.cost_discover('bills')",
        &[],
    )?;
    let files = bills.iter().flat_map(|bill| &bill.files);
    let parquet = files.filter(|file| file.key.ends_with(".parquet")).count();
    assert_eq!(
        (found.get(0), found.get(1), found.get(2), found.get(3)),
        (fixture::PRESS, true, bills.len() as i64, parquet as i64)
    );
    client.batch_execute(&format!(
        "CREATE SCHEMA imported; \
         IMPORT FOREIGN SCHEMA \"{}\" FROM SERVER bills INTO imported",
        fixture::PRESS
    ))?;
    let from_table = "SELECT trim_scale(sum(cost_analytics.exact_numeric(line_item_unblended_cost)))::text, count(*) \
                      FROM imported.cup_cost_usage_report WHERE billing_period = $1::text::date";
    for bill in bills {
        let row = client.query_one(from_table, &[&fixture::period(bill)])?;
        let expected = (bill.totals.unblended.as_str(), bill.totals.rows as i64);
        assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), expected);
    }
    fixture::add_press(client)?;
    fixture::sync(client)?;
    crate::sync::assert_bills(client, bills)
}

/// A file is overwritten by `overwrite` between two scans of one statement.
pub fn notices_an_overwritten_file(
    client: &mut Client,
    overwrite: impl FnOnce() -> Result<()>,
) -> Result<()> {
    // The second row scans again what the first one listed.
    client.batch_execute(
        "BEGIN; SET LOCAL enable_material = off; \
         DECLARE c CURSOR FOR SELECT g, s FROM generate_series(1, 2) g, \
           LATERAL (SELECT g + sum(line_item_unblended_cost) AS s FROM t) x",
    )?;
    assert_eq!(client.query("FETCH 1 FROM c", &[])?.len(), 1);
    overwrite()?;
    refused(
        client,
        "FETCH 1 FROM c",
        NOT_IN_PREREQUISITE_STATE,
        "overwritten while it was read",
        "again",
    )
}

/// With a mapping that holds markers: no statement, notice, plan, check, log or catalog shows one.
/// `mapper` is the session that made the mapping.
pub fn shows_no_marker(mapper: &mut Client, cluster: &Cluster, database: &str) -> Result<()> {
    // To superusers Postgres shows every session's last statement.
    mapper.batch_execute("SELECT")?;
    let (mut client, notices) = cluster.listening("postgres", database)?;
    client.batch_execute("SET log_error_verbosity = verbose; SET client_min_messages = debug5")?;
    let before = cluster.log()?.len();
    for sql in [
        READ,
        &format!("EXPLAIN (ANALYZE, VERBOSE) {READ}"),
        "SELECT * FROM cost_analytics.cost_discover('bills')",
    ] {
        error_of(&mut client, sql)?;
    }
    let tested = client.query_one(
        "SELECT string_agg(t::text, ' ') FROM cost_analytics.cost_test('bills') t",
        &[],
    )?;
    assert_no_secret("cost_test", tested.get(0));
    let heard = notices.take();
    assert!(!heard.is_empty(), "the session was told nothing");
    assert_no_secret("a notice", &heard);
    assert_no_secret("the log", &cluster.log()?[before..]);
    for catalog in ["pg_foreign_server", "pg_foreign_table", "pg_stat_activity"] {
        let all = format!("SELECT coalesce(string_agg(c::text, ' '), '') FROM {catalog} c");
        assert_no_secret(catalog, client.query_one(&all, &[])?.get(0));
    }
    Ok(())
}

/// The messages of refused statements. (Postgres itself logs the statement; see the README.)
pub fn refuses_without_repeating(
    cluster: &Cluster,
    database: &str,
    statements: &[String],
) -> Result<()> {
    let (mut client, notices) = cluster.listening("postgres", database)?;
    client.batch_execute(
        "SET log_min_error_statement = panic; SET log_error_verbosity = verbose; \
                        SET client_min_messages = debug1",
    )?;
    let before = cluster.log()?.len();
    for sql in statements {
        error_of(&mut client, sql)?;
    }
    assert_no_secret("a notice", &notices.take());
    assert_no_secret("the log", &cluster.log()?[before..]);
    Ok(())
}
