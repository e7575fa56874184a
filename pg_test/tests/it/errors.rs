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
    unknown_options,
    secrets_are_refused_outside_user_mappings,
    bad_urls,
    bad_endpoints,
    half_a_user_mapping,
    missing_user_mapping,
    endpoint_outside_the_allow_list,
    server_files_are_a_privilege,
    damaged_files,
    manifest_that_is_not_json,
    manifest_that_names_a_missing_file,
    manifest_that_leaves_the_bucket,
    column_narrower_than_in_the_file,
    column_that_nothing_can_fill,
    server_of_another_wrapper,
    cost_test_reports_a_failed_check_as_a_row,
    cost_sync_names_the_month_that_failed,
    the_secret_is_nowhere_to_be_seen,
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
fn connected(env: &Env, name: &str) -> Result<Client> {
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

fn unknown_options(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    for (sql, option, object, closest) in [
        (
            "ALTER SERVER bills OPTIONS (ADD regionn 'x')",
            "regionn",
            "server",
            "region",
        ),
        (
            "ALTER SERVER bills OPTIONS (ADD endpoint_url 'x')",
            "endpoint_url",
            "server",
            "endpoint",
        ),
        (
            "ALTER USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (ADD access_key 'x')",
            "access_key",
            "user mapping",
            "access_key_id",
        ),
        (
            "ALTER FOREIGN TABLE t OPTIONS (ADD prefx 'x')",
            "prefx",
            "foreign table",
            "prefix",
        ),
        (
            "ALTER FOREIGN TABLE t ALTER COLUMN billing_period OPTIONS (ADD columnname 'x')",
            "columnname",
            "column",
            "column_name",
        ),
    ] {
        let message = format!("invalid option \"{option}\" for a cur_fdw {object}");
        let hint = format!("Perhaps you meant the option \"{closest}\".");
        refused(
            &mut client,
            sql,
            FDW_INVALID_OPTION_NAME,
            &[&message],
            &hint,
        )?;
    }
    refused(
        &mut client,
        "ALTER SERVER bills OPTIONS (ADD zzzzzzzzz 'x')",
        FDW_INVALID_OPTION_NAME,
        &["zzzzzzzzz"],
        "url, region, endpoint",
    )?;
    refused(
        &mut client,
        "ALTER FOREIGN DATA WRAPPER cur_fdw OPTIONS (ADD url 's3://b')",
        FDW_INVALID_OPTION_NAME,
        &["\"url\"", "foreign-data wrapper"],
        "no valid options",
    )
}

fn secrets_are_refused_outside_user_mappings(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    for option in ["secret_access_key", "access_key_id", "session_token"] {
        for target in ["SERVER bills", "FOREIGN TABLE t"] {
            refused(
                &mut client,
                &format!("ALTER {target} OPTIONS (ADD {option} 'hunter2')"),
                FDW_INVALID_OPTION_NAME,
                &[option],
                "CREATE USER MAPPING",
            )?;
        }
    }
    Ok(())
}

fn bad_urls(env: &Env) -> Result<()> {
    let mut client = database(env, "errors")?;
    for url in [
        "s3://",
        "s3://b/folder",
        "bills",
        "http://b",
        "file://relative/x",
        "gs://b/folder",
    ] {
        refused(
            &mut client,
            &format!("CREATE SERVER x FOREIGN DATA WRAPPER cur_fdw OPTIONS (url '{url}')"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            &[&format!("invalid url \"{url}\"")],
            "s3://bucket",
        )?;
    }
    refused(
        &mut client,
        "CREATE SERVER x FOREIGN DATA WRAPPER cur_fdw",
        FDW_PARAMETER_NEEDED,
        &["server", "\"url\""],
        "url",
    )
}

fn bad_endpoints(env: &Env) -> Result<()> {
    let mut client = database(env, "errors")?;
    for (options, why) in [
        ("endpoint 'https://169.254.169.254'", "link-local"),
        (
            "endpoint 'http://169.254.169.254', allow_http 'true'",
            "link-local",
        ),
        ("endpoint 'https://[fe80::1]'", "link-local"),
        ("endpoint 'http://s3.example.com'", "allow_http"),
        (
            "endpoint 'https://user:hunter2@s3.example.com'",
            "user mapping",
        ),
        ("endpoint 's3.example.com'", "URL"),
    ] {
        refused(
            &mut client,
            &format!(
                "CREATE SERVER x FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 's3://b', {options})"
            ),
            FDW_INVALID_ATTRIBUTE_VALUE,
            &["invalid endpoint", why],
            "https://host",
        )?;
    }
    refused(
        &mut client,
        "CREATE SERVER x FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 's3://b', path_style 'maybe')",
        FDW_INVALID_ATTRIBUTE_VALUE,
        &["path_style"],
        "path_style",
    )
}

fn half_a_user_mapping(env: &Env) -> Result<()> {
    let mut client = database(env, "errors")?;
    client
        .batch_execute("CREATE SERVER bills FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 's3://b')")?;
    refused(
        &mut client,
        "CREATE USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (secret_access_key 'hunter2')",
        FDW_PARAMETER_NEEDED,
        &["user mapping", "access_key_id"],
        "access_key_id",
    )?;
    refused(
        &mut client,
        "CREATE USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (access_key_id '', secret_access_key 'hunter2')",
        FDW_INVALID_ATTRIBUTE_VALUE,
        &["access_key_id", "empty"],
        "access_key_id",
    )
}

fn missing_user_mapping(env: &Env) -> Result<()> {
    let mut client = connected(env, "errors")?;
    client.batch_execute("DROP USER MAPPING FOR CURRENT_USER SERVER bills")?;
    refused(
        &mut client,
        READ,
        UNDEFINED_OBJECT,
        &["no user mapping for role \"postgres\"", "\"bills\""],
        "CREATE USER MAPPING FOR CURRENT_USER SERVER \"bills\"",
    )
}

/// The role `errors_user` with all that reading `t` takes.
fn ordinary_user(client: &mut Client) -> Result<()> {
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

fn damaged_files(env: &Env) -> Result<()> {
    const NAME: &str = "errors-damaged";
    let mut client = connected_to_own_bucket(env, NAME)?;
    let file = data_files()[0];
    let half = file.bytes[..file.bytes.len() / 2].to_vec();
    let mut flipped = file.bytes.clone();
    let footer = flipped.len() - 40;
    flipped[footer..footer + 20].fill(0xFF);
    let text = b"line_item_id,cost\n1,2\nthis is no Parquet file at all\n".to_vec();
    for damaged in [half, text, flipped, Vec::new()] {
        env.gateway.put(NAME, &file.key, damaged)?;
        let object = format!("s3://{NAME}/{}", file.key);
        refused(
            &mut client,
            READ,
            DATA_CORRUPTED,
            &[&object, "not a readable Parquet file"],
            "damaged",
        )?;
    }
    // Where it is the rows that are damaged, nothing of them may be taken for data.
    let mut rows = file.bytes.clone();
    let middle = rows.len() / 2;
    rows[4..middle].fill(0xFF);
    env.gateway.put(NAME, &file.key, rows)?;
    let error = error_of(&mut client, READ)?;
    assert_eq!(error.code().code(), DATA_CORRUPTED, "{error:?}");
    assert!(error.hint().is_some(), "{error:?}");
    env.gateway.put(NAME, &file.key, file.bytes.clone())?;
    client.batch_execute(READ)?;
    Ok(())
}

fn manifest_that_is_not_json(env: &Env) -> Result<()> {
    let mut client = connected_to_own_bucket(env, "errors-json")?;
    let manifest = manifest()?;
    for wrong in [&b"{\"reportKeys\": ["[..], b"", b"<html></html>"] {
        env.gateway.put("errors-json", &manifest.key, wrong)?;
        refused(
            &mut client,
            READ,
            FDW_ERROR,
            &[&manifest.key, "cannot be read"],
            "copy it again",
        )?;
    }
    Ok(())
}

/// The manifest with another file at the end of its list.
fn manifest_with(key: &str) -> Result<Vec<u8>> {
    let mut value: serde_json::Value = serde_json::from_slice(&manifest()?.bytes)?;
    let keys = value["reportKeys"]
        .as_array_mut()
        .ok_or("the manifest has reportKeys")?;
    keys.push(key.into());
    Ok(serde_json::to_vec(&value)?)
}

fn manifest_that_names_a_missing_file(env: &Env) -> Result<()> {
    let mut client = connected_to_own_bucket(env, "errors-missing")?;
    let missing = data_files()[0].key.replace("00001", "00099");
    let manifest = manifest()?;
    env.gateway
        .put("errors-missing", &manifest.key, manifest_with(&missing)?)?;
    refused(
        &mut client,
        READ,
        FDW_REPLY_HANDLE,
        &[
            &manifest.key,
            &format!("s3://errors-missing/{missing}"),
            "does not exist",
        ],
        "redeliver",
    )
}

fn manifest_that_leaves_the_bucket(env: &Env) -> Result<()> {
    let mut client = connected_to_own_bucket(env, "errors-dots")?;
    let manifest = manifest()?;
    for key in [
        "cup/../../etc/passwd.parquet",
        "../x.parquet",
        "file:///etc/passwd.parquet",
    ] {
        env.gateway
            .put("errors-dots", &manifest.key, manifest_with(key)?)?;
        let error = error_of(&mut client, READ)?;
        assert!(error.message().contains(&manifest.key), "{error:?}");
        assert!(error.message().contains(key), "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        if key.contains("..") {
            assert_eq!(error.code().code(), FDW_ERROR, "{error:?}");
        }
    }
    Ok(())
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

fn server_of_another_wrapper(env: &Env) -> Result<()> {
    let mut client = database(env, "errors")?;
    client.batch_execute(
        "CREATE FOREIGN DATA WRAPPER other; CREATE SERVER elsewhere FOREIGN DATA WRAPPER other",
    )?;
    for server in ["elsewhere", "no_such_server"] {
        let row = client.query_one(
            "SELECT \"check\", ok, detail, hint FROM cost_analytics.cost_test($1)",
            &[&server],
        )?;
        assert_eq!(
            (row.get::<_, &str>(0), row.get::<_, bool>(1)),
            ("credentials", false)
        );
        assert!(row.get::<_, &str>(2).contains(server));
        assert!(row.get::<_, &str>(3).contains("CREATE SERVER"));
        refused(
            &mut client,
            &format!("SELECT * FROM cost_analytics.cost_discover('{server}')"),
            UNDEFINED_OBJECT,
            &[server, "not a cur_fdw server"],
            "CREATE SERVER",
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

fn the_secret_is_nowhere_to_be_seen(env: &Env) -> Result<()> {
    let before = env.cluster.log()?.len();
    ordinary_user(&mut connected(env, "errors")?)?;
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
