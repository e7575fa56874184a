//! Tests of the harness itself: the servers behave as the other tests take for granted.

use crate::env::{Env, Test, tests};
use pg_test::Result;
use pg_test::fault::{Fault, Proxy};
use pg_test::postgres::Mode;
use pg_test::s3;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    s3_round_trip,
    s3_refuses_a_wrong_secret,
    s3_listing_has_pages,
    s3_log_shows_what_was_read,
    proxy_stalls_and_goes_on,
    proxy_resets,
    proxy_refuses,
    postgres_answers,
    postgres_psql_shows_output_and_errors_in_order,
    postgres_dumps,
    postgres_keeps_data_over_a_restart,
    postgres_recovers_after_an_immediate_stop,
];

const BODY: usize = 1 << 20;

fn s3_round_trip(env: &Env) -> Result<()> {
    env.gateway.create_bucket("harness")?;
    env.gateway.create_bucket("harness")?;
    let key = "a b/ü=1/100+1&x.csv";
    env.gateway.put("harness", key, "contents")?;
    assert_eq!(env.gateway.get("harness", key)?, b"contents");
    assert_eq!(env.gateway.list("harness", "a b")?, [key]);
    env.gateway.delete("harness", key)?;
    assert!(env.gateway.get("harness", key).is_err());
    Ok(())
}

fn s3_refuses_a_wrong_secret(env: &Env) -> Result<()> {
    env.gateway.create_bucket("harness")?;
    env.gateway.put("harness", "secret", "contents")?;
    let mark = env.gateway.mark()?;
    let wrong = s3::get(&env.gateway.endpoint(), "harness", "secret", "wrong");
    assert!(wrong.is_err());
    let statuses: Vec<u16> = env
        .gateway
        .requests_since(mark)?
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [403]);
    Ok(())
}

fn s3_listing_has_pages(env: &Env) -> Result<()> {
    env.gateway.create_bucket("pages")?;
    let keys: Vec<String> = (0..1100)
        .map(|number| format!("many/{number:04}"))
        .collect();
    env.gateway
        .put_all("pages", keys.iter().map(|key| (key.clone(), b"x".to_vec())))?;
    let mark = env.gateway.mark()?;
    assert_eq!(env.gateway.list("pages", "many")?, keys);
    assert_eq!(
        env.gateway.requests_since(mark)?.len(),
        2,
        "1000 keys a page"
    );
    Ok(())
}

fn s3_log_shows_what_was_read(env: &Env) -> Result<()> {
    env.gateway.create_bucket("harness")?;
    env.gateway.put("harness", "log/a b", "contents")?;
    let mark = env.gateway.mark()?;
    assert_eq!(env.gateway.requests_since(mark)?, []);
    env.gateway.get("harness", "log/a b")?;
    let requests = env.gateway.requests_since(mark)?;
    let [request] = &requests[..] else {
        panic!("one request, not {requests:?}")
    };
    assert_eq!(
        (&*request.method, &*request.path),
        ("GET", "/harness/log/a b")
    );
    assert_eq!(
        (request.status, request.bytes, &request.range),
        (200, 8, &None)
    );
    Ok(())
}

/// A proxy in front of the gateway, and an object behind it that is larger than any buffer.
fn proxy(env: &Env) -> Result<Proxy> {
    env.gateway.create_bucket("harness")?;
    env.gateway.put("harness", "large", vec![7; BODY])?;
    Proxy::start(&env.gateway.endpoint())
}

fn read_through(env: &Env, endpoint: &str) -> Result<usize> {
    Ok(s3::get(endpoint, "harness", "large", env.gateway.secret_key())?.len())
}

fn proxy_stalls_and_goes_on(env: &Env) -> Result<()> {
    let proxy = proxy(env)?;
    assert_eq!(
        read_through(env, &proxy.endpoint())?,
        BODY,
        "the signature survives the proxy"
    );
    proxy.set(Fault::StallAfter(1000));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_through(env, &proxy.endpoint()));
        assert!(proxy.wait_stalled(true, Duration::from_secs(5)));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!reader.is_finished());
        proxy.set(Fault::Pass);
        assert_eq!(reader.join().expect("the reader does not panic")?, BODY);
        Ok(())
    })
}

fn proxy_resets(env: &Env) -> Result<()> {
    let proxy = proxy(env)?;
    for fault in [Fault::ResetAfter(1000), Fault::TruncateAfter(1000)] {
        proxy.set(fault);
        assert!(read_through(env, &proxy.endpoint()).is_err(), "{fault:?}");
    }
    proxy.set(Fault::Pass);
    assert_eq!(read_through(env, &proxy.endpoint())?, BODY);
    Ok(())
}

fn proxy_refuses(env: &Env) -> Result<()> {
    let proxy = proxy(env)?;
    proxy.set(Fault::Refuse);
    let began = Instant::now();
    assert!(read_through(env, &proxy.endpoint()).is_err());
    assert!(began.elapsed() < Duration::from_secs(1));
    proxy.set(Fault::Pass);
    assert_eq!(read_through(env, &proxy.endpoint())?, BODY);
    Ok(())
}

fn postgres_answers(env: &Env) -> Result<()> {
    let row = env
        .database("answers")?
        .query_one("SELECT 1, current_database()::text", &[])?;
    assert_eq!(
        (row.get::<_, i32>(0), row.get::<_, &str>(1)),
        (1, "answers")
    );
    let row = env
        .cluster
        .client("answers")?
        .query_one("SHOW server_version_num", &[])?;
    let version: u32 = row.get::<_, &str>(0).parse()?;
    assert_eq!(version / 10_000, env.installation.major);
    assert!(env.installation.has_extension("plpgsql"));
    assert!(!env.installation.has_extension("no_such_extension"));
    Ok(())
}

fn postgres_psql_shows_output_and_errors_in_order(env: &Env) -> Result<()> {
    drop(env.database("psql")?);
    let script = "DO $$ BEGIN RAISE NOTICE 'first'; END $$;\n\
                  \\echo second\nSELECT 1/0;\n\\echo never\n";
    let (output, ok) = env.cluster.psql("psql", script)?;
    assert!(!ok);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(
        lines,
        ["NOTICE:  first", "second", "ERROR:  division by zero"]
    );
    assert!(env.cluster.log()?.contains("division by zero"));
    Ok(())
}

fn postgres_dumps(env: &Env) -> Result<()> {
    env.database("dumps")?
        .batch_execute("CREATE TABLE dumped (a int)")?;
    assert!(
        env.cluster
            .dump("dumps", &["--schema-only"])?
            .contains("CREATE TABLE public.dumped")
    );
    Ok(())
}

fn postgres_keeps_data_over_a_restart(env: &Env) -> Result<()> {
    env.database("restart")?
        .batch_execute("CREATE TABLE t AS SELECT 42 AS a")?;
    let before = env.cluster.postmaster_pid();
    env.cluster.restart()?;
    assert_ne!(before, env.cluster.postmaster_pid());
    let row = env
        .cluster
        .client("restart")?
        .query_one("SELECT a FROM t", &[])?;
    assert_eq!(row.get::<_, i32>(0), 42);
    Ok(())
}

fn postgres_recovers_after_an_immediate_stop(env: &Env) -> Result<()> {
    env.database("crash")?
        .batch_execute("CREATE TABLE t AS SELECT 42 AS a")?;
    env.cluster.stop(Mode::Immediate)?;
    assert_eq!(env.cluster.postmaster_pid(), None);
    env.cluster.launch()?;
    let row = env
        .cluster
        .client("crash")?
        .query_one("SELECT a FROM t", &[])?;
    assert_eq!(row.get::<_, i32>(0), 42);
    assert!(
        env.cluster
            .log()?
            .contains("database system was not properly shut down")
    );
    Ok(())
}
