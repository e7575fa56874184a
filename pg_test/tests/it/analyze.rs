//! What ANALYZE and a whole scan tell the planner.

use crate::ask::{rows, value};
use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::manners::database;
use crate::refusals::fails;
use pg_test::Result;
use pg_test::fault::{Fault, Proxy};
use postgres::Client;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    analyze_counts_all_rows_and_knows_the_common_values,
    analyze_samples_all_rows_alike,
    analyze_can_be_stopped_while_the_store_says_nothing,
    a_whole_scan_tells_the_planner_the_size_and_a_part_does_not,
];

/// The number of rows that the planner expects of a query.
fn expected_rows(client: &mut Client, sql: &str) -> Result<f64> {
    let json = value(client, &format!("EXPLAIN (FORMAT JSON) {sql}"))?;
    let (_, rest) = json.split_once("\"Plan Rows\": ").ok_or("no estimate")?;
    Ok(rest.split(',').next().unwrap_or_default().trim().parse()?)
}

fn analyze_counts_all_rows_and_knows_the_common_values(env: &Env) -> Result<()> {
    let name = "manners-analyze";
    drop(database(env, name)?);
    // A session that has not read the table does not know its size.
    let mut client = env.cluster.client(name)?;
    let join = "SELECT * FROM t a JOIN t b USING (identity_line_item_id)";
    let before = expected_rows(&mut client, join)?;
    client.batch_execute(
        "ANALYZE t; ANALYZE h;
         CREATE TABLE parent (LIKE t) PARTITION BY LIST (billing_period);
         ALTER TABLE parent ATTACH PARTITION t DEFAULT",
    )?;
    let counted = "SELECT reltuples::bigint, relpages > 0 FROM pg_class WHERE oid = 't'::regclass";
    let count = value(&mut client, "SELECT count(*) FROM h")?;
    assert_eq!(
        rows(&mut client, counted)?,
        [[Some(count.clone()), Some("t".to_owned())]]
    );
    let after = expected_rows(&mut client, join)?;
    assert!(after < before / 10.0, "{before} rows before, {after} after");
    // Every row is in either sample, so that the statistics are the same.
    let statistics = |table: &str| {
        format!(
            "SELECT attname, n_distinct, most_common_vals, most_common_freqs, null_frac
               FROM pg_stats WHERE tablename = '{table}' AND attname IN
                 ('line_item_product_code', 'line_item_usage_account_id', 'line_item_unblended_cost')
              ORDER BY 1"
        )
    };
    let of_heap = rows(&mut client, &statistics("h"))?;
    assert_eq!(of_heap.len(), 3);
    let first = |rows: &[Vec<Option<String>>]| -> Vec<_> {
        let row = |r: &Vec<Option<String>>| (r[0].clone(), r[1].clone(), r[4].clone());
        rows.iter().map(row).collect()
    };
    let of_foreign = rows(&mut client, &statistics("t"))?;
    assert_eq!(first(&of_foreign), first(&of_heap));
    assert!(of_foreign[2][2].is_some(), "{of_foreign:?}");
    client.batch_execute("VACUUM (ANALYZE) t")?;
    client.batch_execute("ANALYZE parent")?;
    let inherited = "SELECT n_distinct FROM pg_stats WHERE tablename = 'parent' AND attname = 'line_item_product_code'";
    let of_table = "SELECT n_distinct FROM pg_stats WHERE tablename = 'h' AND attname = 'line_item_product_code'";
    assert_eq!(
        value(&mut client, inherited)?,
        value(&mut client, of_table)?
    );
    Ok(())
}

/// One file of 20,000 rows and a sample of 300: had the first rows or the last a better chance, the
/// middle of the sample would show it.
fn analyze_samples_all_rows_alike(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fixture::write_numbers(directory.path(), 20_000)?;
    let mut client = env.database_with_extension("manners-sample")?;
    fixture::connect_directory(&mut client, directory.path())?;
    client.batch_execute(
        "CREATE FOREIGN TABLE n (gone int, x bigint, name text) SERVER bills OPTIONS (prefix 'numbers/Report');
         ALTER FOREIGN TABLE n DROP COLUMN gone;
         SET default_statistics_target = 4; ANALYZE n",
    )?;
    let bounds = "SELECT array_length(b, 1)::text, (b[3] BETWEEN 8000 AND 12000)::text, (b[1] < 1000)::text, (b[5] > 19000)::text
                    FROM (SELECT histogram_bounds::text::bigint[] b FROM pg_stats WHERE tablename = 'n' AND attname = 'x') _";
    let expected = ["5", "true", "true", "true"].map(|v| Some(v.to_owned()));
    assert_eq!(rows(&mut client, bounds)?, [expected]);
    let counted = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'n'::regclass";
    assert_eq!(value(&mut client, counted)?, "20000");
    Ok(())
}

fn analyze_can_be_stopped_while_the_store_says_nothing(env: &Env) -> Result<()> {
    let name = "manners-stopped";
    drop(database(env, name)?);
    let proxy = Proxy::start(&env.gateway.endpoint())?;
    // Before the listing, and within the footers, which are larger than what comes before them.
    for fault in [Fault::Silent, Fault::StallAfter(20_000)] {
        let mut client = env.cluster.client(name)?;
        client.batch_execute(&format!(
            "ALTER SERVER bills OPTIONS (SET endpoint '{}'); SET statement_timeout = 400",
            proxy.endpoint()
        ))?;
        proxy.set(fault);
        let began = Instant::now();
        fails(&mut client, "ANALYZE t", "57014")?;
        assert!(began.elapsed() < Duration::from_millis(1_400), "{fault:?}");
        proxy.set(Fault::Pass);
        client.batch_execute("RESET statement_timeout; ANALYZE t")?;
    }
    Ok(())
}

fn a_whole_scan_tells_the_planner_the_size_and_a_part_does_not(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    fixture::write_numbers(directory.path(), 5_000)?;
    let mut client = env.database_with_extension("manners-size")?;
    fixture::connect_directory(&mut client, directory.path())?;
    client.batch_execute(
        "CREATE FOREIGN TABLE n (x bigint, name text, month text) SERVER bills OPTIONS (prefix 'numbers/Report')",
    )?;
    let all = "SELECT * FROM n";
    for part in [
        "SELECT * FROM n LIMIT 10",
        "SELECT x FROM n WHERE x < 100",
        "SELECT x FROM n WHERE month = '8'",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM n; FETCH 100 FROM c; ROLLBACK",
    ] {
        rows(&mut client, part)?;
        assert_eq!(
            expected_rows(&mut client, all)?,
            1_000_000.0,
            "after {part}"
        );
    }
    for _ in 0..2 {
        assert_eq!(rows(&mut client, all)?.len(), 5_000);
        assert_eq!(expected_rows(&mut client, all)?, 5_000.0);
    }
    // A loop reads it again and again; the size is not added up.
    let again = "SELECT count(s) FROM generate_series(1, 3) g, LATERAL (SELECT x + g AS s FROM n OFFSET 0) _";
    assert_eq!(value(&mut client, again)?, "15000");
    assert_eq!(expected_rows(&mut client, all)?, 5_000.0);
    Ok(())
}
