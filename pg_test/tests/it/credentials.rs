//! Whose keys are used, where they come from, and that they go nowhere else.

use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::Result;
use pg_test::fault::{Fault, Proxy};
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
    redirects_are_not_followed,
];

pub const DATABASE: &str = "credentials";

/// A bucket with one month.
pub fn bucket(env: &Env) -> Result<&'static str> {
    static FILLED: OnceLock<()> = OnceLock::new();
    if FILLED.get().is_none() {
        fixture::upload(env, DATABASE, &fixture::press().month(2025, 9, 0))?;
        FILLED.get_or_init(|| ());
    }
    Ok(DATABASE)
}

/// A database with the server `bills`, a mapping, and the foreign table `t` for [`READ`].
pub fn connected(env: &Env) -> Result<Client> {
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
pub fn keys(env: &Env) -> String {
    format!(
        "access_key_id '{}', secret_access_key '{}'",
        env.gateway.access_key(),
        env.gateway.secret_key()
    )
}

/// The role `credentials_user`, who may use the server and read `t`; not a superuser.
pub fn ordinary_user(client: &mut Client) -> Result<()> {
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

/// [`connected`], with the gateway's STS.
pub fn connected_with_sts(env: &Env) -> Result<Client> {
    let mut client = connected(env)?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (ADD sts_endpoint '{}')",
        env.gateway.endpoint()
    ))?;
    Ok(client)
}

/// Answers every request with this until told to stop; returns how many there were.
pub fn answer_all(
    listener: &TcpListener,
    answer: &str,
    stop: &AtomicBool,
) -> std::io::Result<usize> {
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
