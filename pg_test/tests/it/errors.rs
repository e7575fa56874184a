//! Whatever fails says what, where and what to do, and gives no secret away.

use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::refusals::*;
use crate::store_checks::READ;
use pg_test::Result;
use pg_test::bills::{BillFile, MonthBill, Report};
use pg_test::ports;
use postgres::Client;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    ambiguous_prefix,
    unreachable_endpoint,
    endpoint_outside_the_allow_list,
    server_files_are_a_privilege,
    column_narrower_than_in_the_file,
    column_that_nothing_can_fill,
    cost_test_reports_a_failed_check_as_a_row,
    cost_sync_names_the_month_that_failed,
    wrong_secret,
    unknown_access_key,
    missing_bucket,
    missing_prefix,
    file_overwritten_while_it_is_read,
    ledger_names_the_month_that_failed,
];

const BUCKET: &str = "errors";
const COST: &str = "line_item_unblended_cost double precision";

/// One month that every test may read and none changes.
fn bill() -> &'static MonthBill {
    static BILL: OnceLock<MonthBill> = OnceLock::new();
    BILL.get_or_init(|| fixture::press().month(2025, 9, 0))
}

fn data_files() -> Vec<&'static BillFile> {
    let files = bill().files.iter();
    files
        .filter(|file| file.key.ends_with(".parquet"))
        .collect()
}

fn manifest() -> Result<&'static BillFile> {
    let files = bill().files.iter();
    let mut manifests = files.filter(|file| file.key.ends_with("-Manifest.json"));
    Ok(manifests.next().ok_or("the bill has a manifest")?)
}

/// A database with the extension and the bucket with the month.
fn database(env: &Env, name: &str) -> Result<Client> {
    env.gateway.create_bucket(BUCKET)?;
    if env.gateway.list(BUCKET, "")?.is_empty() {
        fixture::upload(env, BUCKET, bill())?;
    }
    env.database_with_extension(name)
}

/// [`database`] with the server `bills`, its mapping, and the foreign table `t` for [`READ`].
pub fn connected(env: &Env, name: &str) -> Result<Client> {
    let mut client = database(env, name)?;
    fixture::connect(&mut client, env, BUCKET)?;
    foreign_table(&mut client, COST)?;
    Ok(client)
}

/// The same over a bucket of its own, which the test may damage.
fn connected_to_own_bucket(env: &Env, name: &str) -> Result<Client> {
    fixture::empty_bucket(env, name)?;
    fixture::upload(env, name, bill())?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    foreign_table(&mut client, COST)?;
    Ok(client)
}

fn foreign_table(client: &mut Client, columns: &str) -> Result<()> {
    Ok(client.batch_execute(&format!(
        "DROP FOREIGN TABLE IF EXISTS t; \
         CREATE FOREIGN TABLE t ({columns}, billing_period date) SERVER bills \
           OPTIONS (prefix '{}')",
        fixture::PRESS
    ))?)
}

fn wrong_secret(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    client.batch_execute(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (SET secret_access_key 'hunter2')",
    )?;
    refused(
        &mut client,
        READ,
        INVALID_AUTHORIZATION,
        &["s3://errors", "denied"],
        "Check the keys in the user mapping",
    )?;
    let rows = cost_test(&mut client)?;
    let hint = rows
        .last()
        .and_then(|row| row.2.clone())
        .unwrap_or_default();
    assert!(hint.contains("keys in the user mapping"), "{hint}");
    Ok(())
}

fn unknown_access_key(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    client.batch_execute(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (SET access_key_id 'AKNOBODY')",
    )?;
    refused(
        &mut client,
        READ,
        INVALID_AUTHORIZATION,
        &["s3://errors", "denied"],
        "Check the keys in the user mapping",
    )
}

fn missing_bucket(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    client.batch_execute("ALTER SERVER bills OPTIONS (SET url 's3://errors-nowhere')")?;
    refused(
        &mut client,
        READ,
        UNDEFINED_FILE,
        &["s3://errors-nowhere does not exist"],
        "url option",
    )
}

fn missing_prefix(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    let message = &[
        "no export at \"nowhere\"",
        "found: \"cup/CUP-Cost-Usage-Report\"",
    ];
    let hint = "Use one of the exports found";
    client.batch_execute("ALTER FOREIGN TABLE t OPTIONS (SET prefix 'nowhere')")?;
    refused(&mut client, READ, FDW_ERROR, message, hint)?;
    let import = "CREATE SCHEMA s; IMPORT FOREIGN SCHEMA \"nowhere\" FROM SERVER bills INTO s";
    refused(&mut client, import, FDW_ERROR, message, hint)?;
    let add = "SELECT cost_analytics.cost_add_source('x', 'bills', 'nowhere')";
    refused(&mut client, add, FDW_ERROR, message, hint)
}

fn ambiguous_prefix(env: &Env) -> Result<()> {
    let mut client = connected_to_own_bucket(env, "errors-two")?;
    let other = Report {
        prefix: "cup".to_owned(),
        rows_per_month: 100,
        ..Report::ca()
    };
    fixture::upload(env, "errors-two", &other.month(2025, 9, 0))?;
    let add = "SELECT cost_analytics.cost_add_source('x', 'bills', 'cup/')";
    refused(
        &mut client,
        add,
        FDW_ERROR,
        &[
            "\"cup/\"",
            "more than one export",
            "cup/CUP-Cost-Usage-Report",
            "cup/CA-Cost-Usage-Report",
        ],
        "full prefix",
    )
}

fn unreachable_endpoint(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    let closed = format!("http://127.0.0.1:{}", ports::free()?);
    client.batch_execute(&format!(
        "SET cur_fdw.retries = 0; ALTER SERVER bills OPTIONS (SET endpoint '{closed}')"
    ))?;
    let began = Instant::now();
    refused(
        &mut client,
        READ,
        FDW_NO_CONNECTION,
        &["cannot reach the object store for s3://errors", "refused"],
        "endpoint",
    )?;
    assert!(began.elapsed() < Duration::from_secs(5));
    Ok(())
}

/// The role `errors_user` with all that reading `t` takes.
pub fn ordinary_user(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute(
        "DO $$ BEGIN CREATE ROLE errors_user LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
         GRANT USAGE ON FOREIGN SERVER bills TO errors_user; GRANT SELECT ON t TO errors_user; \
         GRANT USAGE ON SCHEMA public TO errors_user",
    )?)
}

fn endpoint_outside_the_allow_list(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    ordinary_user(&mut client)?;
    client.batch_execute(&fixture::mapping(env, "errors_user"))?;
    client.batch_execute("SET ROLE errors_user")?;
    refused(
        &mut client,
        READ,
        INSUFFICIENT_PRIVILEGE,
        &[
            &env.gateway.endpoint(),
            "\"bills\"",
            "cur_fdw.allowed_endpoints",
        ],
        "superuser",
    )?;
    // The user cannot help himself, the superuser can.
    let mut user = env.cluster.client_as("errors_user", "errors")?;
    let help = "SET cur_fdw.allowed_endpoints = '*'";
    // Before the library is loaded nobody knows who may set it, so the value is dropped then.
    user.batch_execute(help)?;
    for sql in [READ, help, READ] {
        let error = error_of(&mut user, sql)?;
        assert_eq!(
            error.code().code(),
            INSUFFICIENT_PRIVILEGE,
            "{sql}: {error:?}"
        );
    }
    client.batch_execute(
        "RESET ROLE; SET cur_fdw.allowed_endpoints = 'https://s3.example.com, http://127.0.0.1:*'; \
         SET ROLE errors_user",
    )?;
    client.batch_execute(READ)?;
    Ok(())
}

fn server_files_are_a_privilege(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    // Within the data directory, for Postgres's user can read there.
    let directory = env.cluster.data_dir().join("errors-bills");
    for file in &bill().files {
        let path = directory.join(&file.key);
        std::fs::create_dir_all(path.parent().ok_or("a key has a folder")?)?;
        std::fs::write(path, &file.bytes)?;
    }
    // Exact, for the order of the rows is not fixed.
    let sum = "SELECT sum(line_item_unblended_cost::numeric)::text FROM t";
    let s3 = client.query_one(sum, &[])?.get::<_, String>(0);
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (DROP endpoint, DROP allow_http, DROP region, SET url 'file://{}')",
        directory.display()
    ))?;
    assert_eq!(client.query_one(sum, &[])?.get::<_, String>(0), s3);
    ordinary_user(&mut client)?;
    client.batch_execute("SET ROLE errors_user")?;
    refused(
        &mut client,
        READ,
        INSUFFICIENT_PRIVILEGE,
        &["errors_user", "files of the database server", "bills"],
        "GRANT pg_read_server_files TO errors_user",
    )
}

fn file_overwritten_while_it_is_read(env: &Env) -> Result<()> {
    const NAME: &str = "errors-changed";
    let mut client = connected_to_own_bucket(env, NAME)?;
    let file = data_files()[0];
    // The second row scans again what the first one listed.
    client.batch_execute(
        "BEGIN; SET LOCAL enable_material = off; \
         DECLARE c CURSOR FOR SELECT g, s FROM generate_series(1, 2) g, \
           LATERAL (SELECT g + sum(line_item_unblended_cost) AS s FROM t) x",
    )?;
    assert_eq!(client.query("FETCH 1 FROM c", &[])?.len(), 1);
    let other = fixture::press().month(2025, 9, 1);
    let changed = other.files.iter().find(|other| other.key == file.key);
    env.gateway.put(
        NAME,
        &file.key,
        changed
            .ok_or("a restatement has the same keys")?
            .bytes
            .clone(),
    )?;
    refused(
        &mut client,
        "FETCH 1 FROM c",
        NOT_IN_PREREQUISITE_STATE,
        &[
            &format!("s3://{NAME}/{}", file.key),
            "overwritten while it was read",
        ],
        "again",
    )
}

fn column_narrower_than_in_the_file(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    // Any of the month's files: they are read side by side.
    let file = format!("s3://{BUCKET}/{}", data_files()[0].key);
    let object = file.rsplit_once("-0000").expect("a chunk number").0;
    foreign_table(&mut client, "line_item_unblended_cost real")?;
    refused(
        &mut client,
        READ,
        FDW_INVALID_DATA_TYPE,
        &[
            "line_item_unblended_cost",
            object,
            "double precision",
            "real",
        ],
        "ALTER COLUMN \"line_item_unblended_cost\" TYPE",
    )?;
    foreign_table(&mut client, "line_item_usage_type bigint")?;
    refused(
        &mut client,
        "SELECT line_item_usage_type FROM t",
        FDW_INVALID_DATA_TYPE,
        &["line_item_usage_type", object, "bigint"],
        "ALTER COLUMN",
    )?;
    // A wider one is no error.
    foreign_table(&mut client, "line_item_unblended_cost text")?;
    client.batch_execute("SELECT line_item_unblended_cost FROM t")?;
    Ok(())
}

fn column_that_nothing_can_fill(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    for unfillable in [
        "json",
        "integer[]",
        "character varying(10)",
        "character(3)",
        "interval",
    ] {
        foreign_table(&mut client, &format!("line_item_usage_type {unfillable}"))?;
        refused(
            &mut client,
            "SELECT line_item_usage_type FROM t",
            FDW_INVALID_DATA_TYPE,
            &["line_item_usage_type", "\"t\"", unfillable],
            "Use text",
        )?;
    }
    Ok(())
}

/// The rows of `cost_test('bills')`: check, whether it is ok, and the hint.
fn cost_test(client: &mut Client) -> Result<Vec<(String, bool, Option<String>)>> {
    let rows = client.query(
        "SELECT \"check\", ok, detail, hint FROM cost_analytics.cost_test('bills')",
        &[],
    )?;
    for row in &rows {
        assert_no_secret("cost_test", row.get(2));
        assert_eq!(
            row.get::<_, bool>(1),
            row.get::<_, Option<&str>>(3).is_none()
        );
    }
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(3)))
        .collect())
}

fn cost_test_reports_a_failed_check_as_a_row(env: &Env) -> Result<()> {
    const NAME: &str = "errors-test";
    let mut client = connected_to_own_bucket(env, NAME)?;
    client.batch_execute("SET cur_fdw.retries = 0")?;
    let last = |client: &mut Client, sql: &str| -> Result<(usize, String, String)> {
        client.batch_execute(sql)?;
        let rows = cost_test(client)?;
        let (failed, passed) = rows.split_last().ok_or("at least one check")?;
        assert!(passed.iter().all(|row| row.1) && !failed.1, "{rows:?}");
        Ok((
            rows.len(),
            failed.0.clone(),
            failed.2.clone().unwrap_or_default(),
        ))
    };
    assert!(cost_test(&mut client)?.iter().all(|row| row.1));

    let set = |secret: &str| {
        format!(
            "ALTER USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (SET secret_access_key '{secret}')"
        )
    };
    let (_, check, hint) = last(&mut client, &set("hunter2"))?;
    assert_eq!(check, "list");
    assert!(!hint.is_empty());
    client.batch_execute(&set(env.gateway.secret_key()))?;

    let manifest = manifest()?;
    env.gateway.put(NAME, &manifest.key, "{")?;
    let (_, check, hint) = last(&mut client, "SELECT")?;
    assert_eq!(check, "manifest");
    assert!(hint.contains("copy it again"), "{hint}");
    env.gateway
        .put(NAME, &manifest.key, manifest.bytes.clone())?;

    let file = data_files()[0];
    env.gateway.put(NAME, &file.key, "no Parquet file")?;
    let (_, check, hint) = last(&mut client, "SELECT")?;
    assert_eq!(check, "footer");
    assert!(hint.contains("damaged"), "{hint}");

    fixture::empty_bucket(env, NAME)?;
    let (_, check, hint) = last(&mut client, "SELECT")?;
    assert_eq!(check, "manifest");
    assert!(hint.contains("prefix"), "{hint}");

    let closed = format!(
        "ALTER SERVER bills OPTIONS (SET endpoint 'http://127.0.0.1:{}')",
        ports::free()?
    );
    let (_, check, hint) = last(&mut client, &closed)?;
    assert_eq!(check, "list");
    assert!(hint.contains("endpoint"), "{hint}");

    let (rows, check, hint) = last(
        &mut client,
        "DROP USER MAPPING FOR CURRENT_USER SERVER bills",
    )?;
    assert_eq!((rows, &*check), (1, "credentials"));
    assert!(hint.contains("CREATE USER MAPPING"), "{hint}");
    Ok(())
}

fn cost_sync_names_the_month_that_failed(env: &Env) -> Result<()> {
    const NAME: &str = "errors-sync";
    let mut client = connected_to_own_bucket(env, NAME)?;
    fixture::add_press(&mut client)?;
    let file = data_files()[0];
    env.gateway
        .put(NAME, &file.key, &file.bytes[..file.bytes.len() / 2])?;
    let object = format!("s3://{NAME}/{}", file.key);
    refused(
        &mut client,
        "CALL cost_analytics.cost_sync()",
        "38000",
        &["1 of 1 months failed", "press 2025-09", &object],
        "cost_analytics.sync_log",
    )?;
    let row = client.query_one(
        "SELECT status, error_message FROM cost_analytics.sync_log",
        &[],
    )?;
    assert_eq!(row.get::<_, &str>(0), "failed");
    assert!(row.get::<_, &str>(1).contains(&object));
    // Nothing of the month is left, and it is loaded once it is whole.
    let loaded = "SELECT count(*), (SELECT count(*) FROM cost_analytics.costs_daily) FROM cost_analytics.raw_press";
    let row = client.query_one(loaded, &[])?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 0));
    env.gateway.put(NAME, &file.key, file.bytes.clone())?;
    fixture::sync(&mut client)?;
    let row = client.query_one(loaded, &[])?;
    assert_eq!(row.get::<_, i64>(0) as u64, bill().totals.rows);
    assert!(row.get::<_, i64>(1) > 0);
    Ok(())
}

fn ledger_names_the_month_that_failed(env: &Env) -> Result<()> {
    const NAME: &str = "errors-ledger";
    let mut client = connected_to_own_bucket(env, NAME)?;
    fixture::add_press(&mut client)?;
    for damaged in [data_files()[0], manifest()?] {
        env.gateway.put(NAME, &damaged.key, "damaged")?;
        error_of(&mut client, "CALL cost_analytics.cost_sync()")?;
        let failed = "SELECT state::text, error FROM cost_analytics.sync_state ORDER BY started_at DESC LIMIT 1";
        let row = client.query_one(failed, &[])?;
        assert_eq!(row.get::<_, &str>(0), "failed");
        assert!(row.get::<_, &str>(1).contains(&damaged.key));
    }
    Ok(())
}
