//! Thousands of rescans and executions in one session: right answers, and flat memory.

use crate::env::{Env, Test, soaking, tests};
use crate::fixture;
use pg_test::Result;
use pg_test::backend::{Allowance, Footprint};
use postgres::Client;
use std::time::Instant;

pub const TESTS: &[Test] = tests![
    lateral_with_limit_keeps_memory_flat,
    nested_loop_keeps_memory_flat,
    prepared_statement_keeps_memory_flat,
];

/// Rows of the table, whose `x` counts from 1.
const ROWS: i64 = 100;

/// A leak of a kilobyte each time shows after 10,000 times, and what allocators do does not.
const ALLOWANCE: Allowance = Allowance {
    memory_kb: 8 << 10,
    contexts_kb: 256,
};

fn rescans() -> i64 {
    if soaking() { 10_000 } else { 200 }
}

fn executions() -> i64 {
    if soaking() { 10_000 } else { 500 }
}

/// The table `t (x, name)` over one tiny file in a directory.
fn connected(env: &Env) -> Result<Client> {
    let mut client = env.database_with_extension("rescans")?;
    let directory = env.cluster.data_dir().join("rescans");
    fixture::write_numbers(&directory, ROWS)?;
    fixture::connect_directory(&mut client, &directory)?;
    client.batch_execute(&format!(
        "CREATE FOREIGN TABLE t (x bigint, name text) SERVER bills OPTIONS (prefix '{}');
         SET max_parallel_workers_per_gather = 0; SET jit = off",
        fixture::NUMBERS
    ))?;
    Ok(client)
}

/// Runs a query that rescans as often as its parameter says, first a tenth for warming up.
fn rescan(client: &mut Client, what: &str, query: &str) -> Result<()> {
    let plan: String = client
        .query(&format!("EXPLAIN {query}").replace("$1", "10"), &[])?
        .iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect();
    assert!(plan.contains("Nested Loop"), "{plan}");
    assert!(!plan.contains("Materialize"), "{plan}");
    let mut run = |times: i64| -> Result<Footprint> {
        let row = client.query_one(query, &[&times])?;
        // 1 + g % 100 over whole hundreds: each number equally often.
        let sum = times / ROWS * (1..=ROWS).sum::<i64>();
        let expected = (times, sum, times);
        assert_eq!((row.get(0), row.get(1), row.get(2)), expected, "{query}");
        Footprint::of(client)
    };
    run(ROWS)?;
    let before = run((rescans() / 10).max(ROWS))?;
    let began = Instant::now();
    run(rescans())?;
    let took = began.elapsed();
    // The peak covers what is freed at the query's end.
    let after = before.assert_not_grown(client, ALLOWANCE)?;
    if soaking() {
        println!(
            "{what}: {} rescans in {took:?}\n{before:?}\n{after:?}",
            rescans()
        );
    }
    Ok(())
}

fn lateral_with_limit_keeps_memory_flat(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    rescan(
        &mut client,
        "LATERAL",
        "SELECT count(*), sum(x)::bigint, count(DISTINCT g) FROM generate_series(1, $1::bigint) g, \
           LATERAL (SELECT x FROM t WHERE x = 1 + g % 100 LIMIT 1) l",
    )
}

fn nested_loop_keeps_memory_flat(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    client.batch_execute(
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; \
         SET enable_memoize = off",
    )?;
    rescan(
        &mut client,
        "nested loop",
        "SELECT count(*), sum(x)::bigint, count(DISTINCT g) FROM generate_series(1, $1::bigint) g \
           LEFT JOIN t ON t.x = 1 + g % 100",
    )
}

fn prepared_statement_keeps_memory_flat(env: &Env) -> Result<()> {
    let mut client = connected(env)?;
    for mode in ["force_custom_plan", "force_generic_plan"] {
        client.batch_execute(&format!("SET plan_cache_mode = {mode}"))?;
        let one = client.prepare("SELECT name FROM t WHERE x = $1")?;
        let some = client.prepare("SELECT count(*) FROM t WHERE x <= $1")?;
        let mut run = |times: i64| -> Result<Footprint> {
            for time in 0..times / 2 {
                let x = 1 + time % ROWS;
                let name: String = client.query_one(&one, &[&x])?.get(0);
                assert_eq!(name, format!("number {x}"));
                assert_eq!(client.query_one(&some, &[&x])?.get::<_, i64>(0), x);
            }
            Footprint::of(&mut client)
        };
        let before = run(executions() / 10)?;
        let began = Instant::now();
        run(executions())?;
        let took = began.elapsed();
        let after = before.assert_not_grown(&mut client, ALLOWANCE)?;
        if soaking() {
            println!(
                "{mode}: {} executions in {took:?}\n{before:?}\n{after:?}",
                executions()
            );
        }
    }
    Ok(())
}
