//! Roles that are assumed, and the machine's own identity.

use crate::credentials::{answer_all, bucket, connected_with_sts, keys, ordinary_user};
use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::Result;
use pg_test::postgres::Cluster;
use postgres::Client;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};

pub const TESTS: &[Test] = tests![
    role_is_assumed_through_sts,
    role_that_cannot_be_assumed_is_named,
    sts_endpoint_must_be_allowed,
    machines_identity_is_lent_by_superusers_only,
    identities_of_a_profile_and_a_container_work,
    machine_without_identity_says_so,
];

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
