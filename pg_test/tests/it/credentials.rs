//! Whose keys are used, where they come from, and that they go nowhere else.

use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::Result;
use pg_test::fault::{Fault, Proxy};
use pg_test::postgres::Cluster;
use postgres::Client;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    changed_keys_count_in_the_same_session,
    permissions_are_checked_although_the_client_is_kept,
    cancelled_query_leaves_a_working_client,
    vault_secrets_are_read_by_name_and_by_id,
    vault_secrets_that_cannot_be_used_say_why,
    vault_is_read_as_the_checked_user,
    role_is_assumed_through_sts,
    role_that_cannot_be_assumed_is_named,
    sts_endpoint_must_be_allowed,
    machines_identity_is_lent_by_superusers_only,
    identities_of_a_profile_and_a_container_work,
    machine_without_identity_says_so,
    options_that_contradict_are_refused,
    redirects_are_not_followed,
    no_marker_shows_anywhere,
];

const DATABASE: &str = "credentials";

/// A bucket with one month.
fn bucket(env: &Env) -> Result<&'static str> {
    static FILLED: OnceLock<()> = OnceLock::new();
    if FILLED.get().is_none() {
        fixture::upload(env, DATABASE, &fixture::press().month(2025, 9, 0))?;
        FILLED.get_or_init(|| ());
    }
    Ok(DATABASE)
}

/// A database with the server `bills`, a mapping, and the foreign table `t` for [`READ`].
fn connected(env: &Env) -> Result<Client> {
    connected_through(env, &env.gateway.endpoint())
}

fn connected_through(env: &Env, endpoint: &str) -> Result<Client> {
    let bucket = bucket(env)?;
    let mut client = env.database_with_extension(DATABASE)?;
    fixture::connect_through(&mut client, env, bucket, endpoint)?;
    table(&mut client)?;
    Ok(client)
}

/// The gateway's keys as a mapping has them.
fn keys(env: &Env) -> String {
    format!(
        "access_key_id '{}', secret_access_key '{}'",
        env.gateway.access_key(),
        env.gateway.secret_key()
    )
}

/// The role `credentials_user`, who may use the server and read `t`; not a superuser.
fn ordinary_user(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute(
        "DO $$ BEGIN CREATE ROLE credentials_user LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
         GRANT USAGE ON FOREIGN SERVER bills TO credentials_user; GRANT SELECT ON t TO credentials_user; \
         GRANT CREATE, USAGE ON SCHEMA public TO credentials_user",
    )?)
}

fn changed_keys_count_in_the_same_session(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    let prepared = client.prepare(READ)?;
    client.query_one(&prepared, &[])?;
    let set = "ALTER USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (SET secret_access_key";
    client.batch_execute(&format!("{set} 'wrong')"))?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, "denied", "")?;
    assert!(client.query_one(&prepared, &[]).is_err());
    client.batch_execute(&format!("{set} '{}')", env.gateway.secret_key()))?;
    client.query_one(&prepared, &[])?;

    // Another session's change counts, too.
    let mut other = env.cluster.client(DATABASE)?;
    other.batch_execute(&format!("{set} 'wrong')"))?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, "denied", "")?;
    other.batch_execute(&format!("{set} '{}')", env.gateway.secret_key()))?;
    client.batch_execute(READ)?;
    // So does one that is undone.
    client.batch_execute(&format!("BEGIN; {set} 'wrong')"))?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, "denied", "")?;
    client.batch_execute(READ)?;
    other.batch_execute("DROP USER MAPPING FOR CURRENT_USER SERVER bills")?;
    refused(&mut client, READ, UNDEFINED_OBJECT, "no user mapping", "")?;
    Ok(())
}

fn permissions_are_checked_although_the_client_is_kept(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    ordinary_user(&mut client)?;
    client.batch_execute(&fixture::mapping(env, "credentials_user"))?;
    client.batch_execute(READ)?;
    // The same server with the same keys, by somebody who may not reach it.
    client.batch_execute("SET ROLE credentials_user")?;
    refused(
        &mut client,
        READ,
        INSUFFICIENT_PRIVILEGE,
        "allowed_endpoints",
        "",
    )?;
    let allow = |list: &str| {
        format!("RESET ROLE; SET cur_fdw.allowed_endpoints = '{list}'; SET ROLE credentials_user")
    };
    client.batch_execute(&allow("http://127.0.0.1:*"))?;
    client.batch_execute(READ)?;
    client.batch_execute(&allow(""))?;
    refused(
        &mut client,
        READ,
        INSUFFICIENT_PRIVILEGE,
        "allowed_endpoints",
        "",
    )?;
    Ok(())
}

fn cancelled_query_leaves_a_working_client(env: &Env) -> Result<()> {
    let proxy = Proxy::start(&env.gateway.endpoint())?;
    let mut client = connected_through(env, &proxy.endpoint())?;
    client.batch_execute(READ)?;
    for fault in [Fault::StallAfter(100), Fault::Silent] {
        proxy.set(fault);
        client.batch_execute("SET statement_timeout = '1s'")?;
        let error = error_of(&mut client, READ)?;
        assert_eq!(error.code().code(), QUERY_CANCELED, "{error:?}");
        proxy.set(Fault::Pass);
        client.batch_execute("SET statement_timeout = '20s'")?;
        client.batch_execute(READ)?;
    }
    Ok(())
}

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

/// [`connected`], with the gateway's STS.
fn connected_with_sts(env: &Env) -> Result<Client> {
    let mut client = connected(env)?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (ADD sts_endpoint '{}')",
        env.gateway.endpoint()
    ))?;
    Ok(client)
}

fn role_is_assumed_through_sts(env: &Env) -> Result<()> {
    let role = env.gateway.create_role("reader")?;
    let mut client = connected_with_sts(env)?;
    map(
        &mut client,
        &format!(
            "{}, role_arn '{role}', external_id 'e-1', role_session_name 'nightly'",
            keys(env)
        ),
    )?;
    let mark = env.gateway.mark()?;
    for _ in 0..3 {
        client.batch_execute(READ)?;
    }
    let requests = env.gateway.requests_since(mark)?;
    let asked = requests.iter().filter(|r| r.method == "POST").count();
    // The temporary keys are kept with the client, and one request lends them.
    assert_eq!(asked, 1, "{requests:?}");
    assert!(requests.iter().all(|r| r.status < 300), "{requests:?}");
    Ok(())
}

fn role_that_cannot_be_assumed_is_named(env: &Env) -> Result<()> {
    let mut client = connected_with_sts(env)?;
    let role = "arn:aws:iam:::role/nobody";
    map(&mut client, &format!("{}, role_arn '{role}'", keys(env)))?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, role, "")?;
    let wrong = format!(
        "access_key_id '{}', secret_access_key 'wrong', role_arn '{role}'",
        env.gateway.access_key()
    );
    map(&mut client, &wrong)?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, role, "")?;
    client.batch_execute("SET cur_fdw.retries = 0")?;
    client.batch_execute("ALTER SERVER bills OPTIONS (SET sts_endpoint 'http://127.0.0.1:1')")?;
    refused(
        &mut client,
        READ,
        FDW_NO_CONNECTION,
        "http://127.0.0.1:1",
        "",
    )?;
    Ok(())
}

fn sts_endpoint_must_be_allowed(env: &Env) -> Result<()> {
    let mut client = connected_with_sts(env)?;
    for (endpoint, why) in [
        ("http://169.254.169.254", "link-local"),
        ("ftp://sts.example.com", "http"),
    ] {
        let sql = format!("ALTER SERVER bills OPTIONS (SET sts_endpoint '{endpoint}')");
        refused(&mut client, &sql, FDW_INVALID_ATTRIBUTE_VALUE, why, "")?;
    }
    ordinary_user(&mut client)?;
    client.batch_execute(&fixture::mapping(env, "credentials_user"))?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (SET sts_endpoint 'http://127.0.0.1:1'); \
         SET cur_fdw.allowed_endpoints = '{}'; SET ROLE credentials_user",
        env.gateway.endpoint()
    ))?;
    refused(
        &mut client,
        READ,
        INSUFFICIENT_PRIVILEGE,
        "http://127.0.0.1:1",
        "",
    )?;
    Ok(())
}

/// A server of its own, with that environment, and the foreign table `t` on it.
fn machine(env: &Env, environment: &[(&str, &str)]) -> Result<(Cluster, Client)> {
    // Whatever machine runs the tests, its own identity is not asked for.
    let mut all = vec![
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
    ];
    all.extend(environment);
    let bucket = bucket(env)?;
    let cluster = Cluster::start_with(&env.installation, &[], &all)?;
    let mut client = cluster.client("postgres")?;
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    fixture::connect(&mut client, env, bucket)?;
    table(&mut client)?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (ADD sts_endpoint '{}')",
        env.gateway.endpoint()
    ))?;
    Ok((cluster, client))
}

fn machines_identity_is_lent_by_superusers_only(env: &Env) -> Result<()> {
    let environment = [
        ("AWS_ACCESS_KEY_ID", env.gateway.access_key()),
        ("AWS_SECRET_ACCESS_KEY", env.gateway.secret_key()),
    ];
    let (_cluster, mut client) = machine(env, &environment)?;
    map(&mut client, "ambient 'true'")?;
    client.batch_execute(READ)?;
    let role = env.gateway.create_role("machine")?;
    map(&mut client, &format!("ambient 'true', role_arn '{role}'"))?;
    client.batch_execute(READ)?;

    ordinary_user(&mut client)?;
    client.batch_execute(
        "SET cur_fdw.allowed_endpoints = 'http://127.0.0.1:*'; SET ROLE credentials_user",
    )?;
    let message = "only a superuser may set \"ambient\"";
    let own = "USER MAPPING FOR credentials_user SERVER bills OPTIONS";
    let create = format!("CREATE {own} (ambient 'on')");
    refused(&mut client, &create, INSUFFICIENT_PRIVILEGE, message, "")?;
    client.batch_execute(&format!("CREATE {own} (ambient 'off', {})", keys(env)))?;
    // What a superuser lent works, and cannot be bent.
    client.batch_execute(&format!(
        "RESET ROLE; DROP USER MAPPING FOR credentials_user SERVER bills; \
         CREATE {own} (ambient 'true'); SET ROLE credentials_user"
    ))?;
    client.batch_execute(READ)?;
    let alter = format!("ALTER {own} (ADD role_arn '{role}')");
    refused(&mut client, &alter, INSUFFICIENT_PRIVILEGE, message, "")?;
    client.batch_execute(&format!("ALTER {own} (DROP ambient)"))?;
    refused(&mut client, READ, FDW_PARAMETER_NEEDED, "access_key_id", "")?;
    Ok(())
}

fn identities_of_a_profile_and_a_container_work(env: &Env) -> Result<()> {
    let (id, secret) = (env.gateway.access_key(), env.gateway.secret_key());
    let mut profile = tempfile::NamedTempFile::new()?;
    write!(
        profile,
        "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    )?;
    // Servers may run as another user.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(profile.path(), readable)?;
    let path = profile.path().to_string_lossy().into_owned();
    let (_cluster, mut client) = machine(env, &[("AWS_SHARED_CREDENTIALS_FILE", &path)])?;
    map(&mut client, "ambient 'true'")?;
    client.batch_execute(READ)?;

    // As the agent of a container answers, which no test machine has (Amazon ECS Developer Guide,
    // "Task IAM role").
    let agent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let body = format!(
        "{{\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{secret}\",\"Token\":\"\",\
         \"Expiration\":\"2099-01-01T00:00:00Z\"}}"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let uri = format!("http://{}/keys", agent.local_addr()?);
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri)];
    let (_cluster, mut client) = machine(env, &environment)?;
    map(&mut client, "ambient 'true'")?;
    let stop = AtomicBool::new(false);
    let asked = std::thread::scope(|threads| -> Result<usize> {
        let agent = threads.spawn(|| answer_all(&agent, &answer, &stop));
        let read = client
            .batch_execute(READ)
            .and_then(|()| client.batch_execute(READ));
        stop.store(true, Ordering::SeqCst);
        let asked = agent.join().map_err(|_| "the agent panicked")??;
        read?;
        Ok(asked)
    })?;
    assert_eq!(asked, 1);
    Ok(())
}

fn machine_without_identity_says_so(env: &Env) -> Result<()> {
    let (_cluster, mut client) = machine(env, &[])?;
    let message = "no cloud identity of its own";
    map(&mut client, "ambient 'true'")?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, message, "")?;
    map(
        &mut client,
        "ambient 'true', role_arn 'arn:aws:iam:::role/r'",
    )?;
    refused(&mut client, READ, INVALID_AUTHORIZATION, message, "")?;
    Ok(())
}

fn options_that_contradict_are_refused(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
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

/// Answers every request with this until told to stop; returns how many there were.
fn answer_all(listener: &TcpListener, answer: &str, stop: &AtomicBool) -> std::io::Result<usize> {
    listener.set_nonblocking(true)?;
    let answered = AtomicUsize::new(0);
    while !stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((mut connection, _)) => {
                connection.set_nonblocking(false)?;
                connection.set_read_timeout(Some(Duration::from_secs(2)))?;
                let _ = connection.read(&mut [0; 8192])?;
                connection.write_all(answer.as_bytes())?;
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answered.into_inner())
}

fn redirects_are_not_followed(env: &Env) -> Result<()> {
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    target.set_nonblocking(true)?;
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let store = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut client = connected_through(env, &format!("http://{}", store.local_addr()?))?;
        client.batch_execute(&format!(
            "ALTER SERVER bills OPTIONS (ADD sts_endpoint 'http://{}')",
            store.local_addr()?
        ))?;
        let answer = format!(
            "HTTP/1.1 {status}\r\nLocation: http://{}/elsewhere\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            target.local_addr()?
        );
        let stop = AtomicBool::new(false);
        let role = format!("{}, role_arn 'arn:aws:iam:::role/r'", keys(env));
        let began = Instant::now();
        // Nothing is asserted before the server has stopped: the threads are awaited either way.
        let (of_store, of_sts, answered) = std::thread::scope(|threads| {
            let server = threads.spawn(|| answer_all(&store, &answer, &stop));
            let of_store = error_of(&mut client, READ);
            let of_sts = map(&mut client, &role).and_then(|()| error_of(&mut client, READ));
            stop.store(true, Ordering::SeqCst);
            (of_store, of_sts, server.join())
        });
        for error in [of_store?, of_sts?] {
            assert_eq!(error.code().code(), FDW_NO_CONNECTION, "{error:?}");
            assert!(error.message().contains(&status[..3]), "{error:?}");
            assert!(error.hint().is_some_and(|hint| hint.contains("redirects")));
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        let answered = answered.map_err(|_| "the server panicked")??;
        // One by the store, one by STS: it is no error that repeating would cure.
        assert_eq!(answered, 2, "{status}");
    }
    let sent = target.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(sent, Err(ErrorKind::WouldBlock));
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
