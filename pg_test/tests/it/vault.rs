//! Secrets that Supabase's Vault keeps: read by name or id, as the user whose rights are checked.

use crate::credentials::{connected, ordinary_user};
use crate::env::{Env, Test, tests};
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    vault_secrets_are_read_by_name_and_by_id,
    vault_secrets_that_cannot_be_used_say_why,
    vault_is_read_as_the_checked_user,
];

fn vault_secrets_are_read_by_name_and_by_id(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    vault(&mut client)?;
    let id = hide(&mut client, "bills' key", Some(env.gateway.access_key()))?;
    hide(&mut client, "bills_secret", Some(env.gateway.secret_key()))?;
    let options = [
        "vault_access_key_id 'bills'' key', vault_secret_access_key 'bills_secret'".to_owned(),
        format!("vault_access_key_id '{id}', vault_secret_access_key 'bills_secret'"),
        format!(
            "access_key_id '{}', vault_secret_access_key 'bills_secret'",
            env.gateway.access_key()
        ),
    ];
    for options in options {
        map(&mut client, &options)?;
        client.batch_execute(READ)?;
        client.batch_execute(&format!("EXPLAIN {READ}"))?;
    }
    let mut schema = client.transaction()?;
    schema.batch_execute(
        "CREATE SCHEMA imported; \
         IMPORT FOREIGN SCHEMA \"cup/CUP-Cost-Usage-Report\" FROM SERVER bills INTO imported",
    )?;
    schema.rollback()?;
    // A replaced secret counts at once, also within a transaction.
    client.batch_execute("BEGIN")?;
    client.batch_execute(READ)?;
    client.batch_execute("UPDATE vault.secrets SET secret = 'x' WHERE name = 'bills_secret'")?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, "denied", "")?;
    client.batch_execute(READ)?;
    Ok(())
}

fn vault_secrets_that_cannot_be_used_say_why(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    let named = |secret: &str| format!("access_key_id 'a', vault_secret_access_key '{secret}'");
    map(&mut client, &named("nothing"))?;
    let option = "option \"vault_secret_access_key\"";
    refused(
        &mut client,
        READ,
        UNDEFINED_OBJECT,
        "vault.decrypted_secrets",
        "",
    )?;
    vault(&mut client)?;
    let null = hide(&mut client, "null", None)?;
    for _ in 0..2 {
        hide(&mut client, "twice", Some("x"))?;
    }
    let unknown = "00000000-0000-0000-0000-000000000000";
    for (name, why) in [
        ("nothing", "there is none"),
        (unknown, "there is none"),
        ("null", "NULL"),
        (&null, "NULL"),
        ("twice", "several"),
    ] {
        map(&mut client, &named(name))?;
        let error = refusal(&mut client, READ, UNDEFINED_OBJECT, option, "")?;
        assert!(error.message().contains(why), "{error:?}");
        // The name may be the secret itself, put there by mistake.
        assert!(
            !format!("{error:?}").contains(name) || name == "null",
            "{error:?}"
        );
    }
    // What an ordinary user calls the Vault would run with the reader's privileges.
    ordinary_user(&mut client)?;
    client.batch_execute("ALTER VIEW vault.decrypted_secrets OWNER TO credentials_user")?;
    refused(
        &mut client,
        READ,
        UNDEFINED_OBJECT,
        "owned by a superuser",
        "",
    )?;
    Ok(())
}

fn vault_is_read_as_the_checked_user(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    vault(&mut client)?;
    hide(&mut client, "bills_secret", Some(env.gateway.secret_key()))?;
    let options = format!(
        "access_key_id '{}', vault_secret_access_key 'bills_secret'",
        env.gateway.access_key()
    );
    map(&mut client, &options)?;
    ordinary_user(&mut client)?;
    client.batch_execute(&format!(
        "CREATE USER MAPPING FOR credentials_user SERVER bills OPTIONS ({options}); \
         CREATE VIEW of_the_superuser AS SELECT * FROM t; \
         GRANT SELECT ON of_the_superuser TO credentials_user; \
         SET cur_fdw.allowed_endpoints = 'http://127.0.0.1:*'; SET ROLE credentials_user"
    ))?;
    let denied = "role \"credentials_user\" on view vault.decrypted_secrets";
    refused(&mut client, READ, INSUFFICIENT_PRIVILEGE, denied, "")?;
    // The view's owner may, and the user is himself again afterwards.
    client.batch_execute("SELECT count(*) FROM of_the_superuser")?;
    let user = client.query_one("SELECT current_user::text", &[])?;
    assert_eq!(user.get::<_, &str>(0), "credentials_user");
    refused(&mut client, READ, INSUFFICIENT_PRIVILEGE, denied, "")?;
    client.batch_execute("RESET ROLE; GRANT USAGE ON SCHEMA vault TO credentials_user")?;
    client.batch_execute("SET ROLE credentials_user")?;
    refused(&mut client, READ, INSUFFICIENT_PRIVILEGE, denied, "")?;
    client
        .batch_execute("RESET ROLE; GRANT SELECT ON vault.decrypted_secrets TO credentials_user")?;
    client.batch_execute("SET ROLE credentials_user")?;
    client.batch_execute(READ)?;
    client.batch_execute("RESET ROLE; REVOKE USAGE ON SCHEMA vault FROM credentials_user")?;
    client.batch_execute("SET ROLE credentials_user")?;
    refused(&mut client, READ, INSUFFICIENT_PRIVILEGE, denied, "")?;
    Ok(())
}
