//! Options that mean nothing, contradict each other or belong elsewhere are refused, with a hint.

use crate::env::{Env, Test, tests};
use crate::errors::connected;
use crate::refusals::*;
use crate::store_checks::{READ, map};
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    unknown_options,
    secrets_are_refused_outside_user_mappings,
    bad_urls,
    bad_endpoints,
    half_a_user_mapping,
    missing_user_mapping,
    server_of_another_wrapper,
    options_that_contradict_are_refused,
    options_of_other_stores_are_refused,
];

const DATABASE: &str = "options";

fn unknown_options(env: &Env) -> Result<()> {
    let mut client = connected(env, DATABASE)?;
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
    let mut client = connected(env, DATABASE)?;
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
    let mut client = env.database_with_extension(DATABASE)?;
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
    let mut client = env.database_with_extension(DATABASE)?;
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
    let mut client = env.database_with_extension(DATABASE)?;
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
    let mut client = connected(env, DATABASE)?;
    client.batch_execute("DROP USER MAPPING FOR CURRENT_USER SERVER bills")?;
    refused(
        &mut client,
        READ,
        UNDEFINED_OBJECT,
        &["no user mapping for role \"postgres\"", "\"bills\""],
        "CREATE USER MAPPING FOR CURRENT_USER SERVER \"bills\"",
    )
}

fn server_of_another_wrapper(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension(DATABASE)?;
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

fn options_that_contradict_are_refused(env: &Env) -> Result<()> {
    let mut client = connected(env, DATABASE)?;
    client.batch_execute("DROP USER MAPPING FOR CURRENT_USER SERVER bills")?;
    let keys = "access_key_id 'a', secret_access_key 'b'";
    for (options, code, message) in [
        (
            format!("{keys}, vault_access_key_id 'c'"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            "vault_access_key_id",
        ),
        (
            format!("{keys}, ambient 'true'"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            "ambient",
        ),
        (
            format!("{keys}, ambient 'maybe'"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            "ambient",
        ),
        (
            format!("{keys}, role_arn 'reader'"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            "role_arn",
        ),
        (
            format!("{keys}, role_arn 'arn:aws:iam::1:role/r', role_session_name 'a b'"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            "role_session_name",
        ),
        (
            format!("{keys}, external_id 'x'"),
            FDW_PARAMETER_NEEDED,
            "role_arn",
        ),
        (
            "role_arn 'arn:aws:iam::1:role/r'".to_owned(),
            FDW_PARAMETER_NEEDED,
            "access_key_id",
        ),
        (
            "vault_access_key_id 'a'".to_owned(),
            FDW_PARAMETER_NEEDED,
            "secret_access_key",
        ),
        (
            format!("{keys}, vault_session_token ''"),
            FDW_INVALID_ATTRIBUTE_VALUE,
            "vault_session_token",
        ),
    ] {
        let sql = format!("CREATE USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS ({options})");
        refused(&mut client, &sql, code, message, "")?;
    }
    for (option, closest) in [
        ("rolearn", "role_arn"),
        ("vault_acces_key_id", "vault_access_key_id"),
    ] {
        let sql =
            format!("CREATE USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS ({option} 'x')");
        let error = refusal(&mut client, &sql, FDW_INVALID_OPTION_NAME, option, "")?;
        assert!(
            error.hint().unwrap_or_default().contains(closest),
            "{error:?}"
        );
    }
    Ok(())
}

fn options_of_other_stores_are_refused(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension(DATABASE)?;
    let create = "CREATE SERVER bills FOREIGN DATA WRAPPER cur_fdw OPTIONS";
    for (options, code, message, hint) in [
        (
            "url 'az://bills', account 'acct1', region 'eu'",
            FDW_INVALID_OPTION_NAME,
            "\"region\" of the server does not go with az://",
            "authority_host",
        ),
        (
            "url 's3://bills', account 'acct1'",
            FDW_INVALID_OPTION_NAME,
            "\"account\" of the server does not go with s3://",
            "region",
        ),
        (
            "url 'gs://bills', path_style 'true'",
            FDW_INVALID_OPTION_NAME,
            "\"path_style\" of the server does not go with gs://",
            "endpoint",
        ),
        (
            "url 'file:///tmp', endpoint 'https://example.com'",
            FDW_INVALID_OPTION_NAME,
            "\"endpoint\" of the server does not go with file://",
            "url",
        ),
        (
            "url 'az://bills'",
            FDW_PARAMETER_NEEDED,
            "az://bills names no storage account",
            "account",
        ),
        (
            "url 'az://bills', account 'acct1', authority_host 'http://login.example.com'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "allow_http",
            "https",
        ),
        (
            "url 'az://bills', account 'acct1', endpoint 'https://169.254.169.254'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "link-local",
            "https",
        ),
        (
            "url 'az://bills/folder', account 'acct1'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "prefix",
            "az://container",
        ),
    ] {
        refused(
            &mut client,
            &format!("{create} ({options})"),
            code,
            message,
            hint,
        )?;
    }
    client.batch_execute(&format!(
        "{create} (url 'abfss://bills@acct1.dfs.core.windows.net')"
    ))?;
    client.batch_execute("CREATE FOREIGN TABLE t (x int) SERVER bills OPTIONS (prefix 'p')")?;
    let read = "SELECT * FROM t";
    refused(&mut client, read, "42704", "no user mapping", "account_key")?;
    let create = "CREATE USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS";
    for (options, code, message, hint) in [
        (
            "account_key 'bm8=', sas_token 'sv=1&sig=a'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "account_key is given as well",
            "sas_token",
        ),
        (
            "account_key 'bm8=', vault_account_key 'k'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "account_key is given as well",
            "vault_account_key",
        ),
        (
            "account_key 'bm8=', role_arn 'arn:aws:iam::1:role/r'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "account_key is given as well",
            "role_arn",
        ),
        (
            "client_id 'a', client_secret 'b'",
            FDW_PARAMETER_NEEDED,
            "tenant_id",
            "tenant_id",
        ),
        (
            "client_id 'a', client_secret 'b', tenant_id '../x'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "tenant_id",
            "tenant_id",
        ),
        (
            "ambient 'true', vault_sas_token 'x'",
            FDW_INVALID_ATTRIBUTE_VALUE,
            "keys are given as well",
            "ambient",
        ),
        (
            "acount_key 'bm8='",
            FDW_INVALID_OPTION_NAME,
            "acount_key",
            "\"account_key\"",
        ),
    ] {
        refused(
            &mut client,
            &format!("{create} ({options})"),
            code,
            message,
            hint,
        )?;
    }
    // What fits no store of this kind is seen when both are there.
    for (options, option) in [
        ("access_key_id 'a', secret_access_key 'b'", "access_key_id"),
        ("vault_service_account_key 'k'", "vault_service_account_key"),
        (
            "ambient 'true', role_arn 'arn:aws:iam::1:role/r'",
            "role_arn",
        ),
    ] {
        map(&mut client, options)?;
        let message = format!("option \"{option}\" of the user mapping");
        refused(
            &mut client,
            read,
            FDW_INVALID_OPTION_NAME,
            &message,
            "tenant_id",
        )?;
    }
    client.batch_execute(
        "DROP USER MAPPING FOR CURRENT_USER SERVER bills; \
         CREATE USER MAPPING FOR CURRENT_USER SERVER bills",
    )?;
    refused(
        &mut client,
        read,
        FDW_PARAMETER_NEEDED,
        "account_key",
        "sas_token",
    )?;
    Ok(())
}
