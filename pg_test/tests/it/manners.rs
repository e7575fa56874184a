//! What a table of any other kind does, a foreign table does too: each answer is that of a heap copy.

use crate::ask::{rows, value};
use crate::env::{Env, Test, skip, tests};
use crate::fixture::{self, press};
use crate::refusals::fails;
use pg_test::Result;
use postgres::Client;
use std::path::Path;

pub const TESTS: &[Test] = tests![
    rows_references_and_joins_are_those_of_a_heap,
    a_row_that_changed_under_a_lock_is_joined_anew,
    cursors_go_back_where_postgres_lets_them,
    partitions_of_files_beside_partitions_of_heap_answer_alike,
    policies_of_a_partitioned_parent_hold_in_aggregates_too,
    barrier_views_show_no_hidden_row_to_a_condition,
    cached_plans_follow_the_table_the_server_and_the_columns,
    explain_of_a_plan_without_values_asks_only_for_what_it_shows,
    auto_explain_shows_what_ran_and_asks_the_store_for_nothing_more,
];

/// Three months in the foreign table `t`, and the same rows in the table `h`.
pub fn database(env: &Env, name: &str) -> Result<Client> {
    fixture::empty_bucket(env, name)?;
    for bill in press().all() {
        fixture::upload(env, name, &bill)?;
    }
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    fixture::import_press(&mut client)?;
    client.batch_execute("SET TimeZone = 'UTC'; CREATE TABLE h AS SELECT * FROM t")?;
    Ok(client)
}

/// `n` with 500 numbers in files, `h` with the same rows in a heap, and a role that may read files.
fn numbers(env: &Env, name: &str, directory: &Path) -> Result<Client> {
    fixture::write_numbers(directory, 500)?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect_directory(&mut client, directory)?;
    client.batch_execute(
        "CREATE FOREIGN TABLE n (x bigint, name text, month text) SERVER bills OPTIONS (prefix 'numbers/Report');
         CREATE TABLE h AS SELECT * FROM n;
         DO $$ BEGIN
           IF to_regrole('manners_files') IS NULL THEN CREATE ROLE manners_files; END IF;
           IF to_regrole('manners_none') IS NULL THEN CREATE ROLE manners_none; END IF;
         END $$;
         GRANT pg_read_server_files TO manners_files",
    )?;
    Ok(client)
}

/// Asks the same of `n` and `h`, for which the query writes `{}`, with and without pushdown.
fn same(client: &mut Client, query: &str) -> Result<()> {
    let expected = rows(client, &query.replace("{}", "h"))?;
    assert!(!expected.is_empty(), "{query} says nothing");
    for pushdown in ["on", "off"] {
        client.batch_execute(&format!("SET cur_fdw.enable_pushdown = {pushdown}"))?;
        let found = rows(client, &query.replace("{}", "n"))?;
        assert_eq!(found, expected, "{query}, pushdown {pushdown}");
    }
    Ok(client.batch_execute("RESET cur_fdw.enable_pushdown")?)
}

fn rows_references_and_joins_are_those_of_a_heap(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut client = numbers(env, "manners-rows", directory.path())?;
    for query in [
        "SELECT t FROM {} t WHERE x < 4 ORDER BY x",
        "SELECT t.*, t IS NULL, row_to_json(t) FROM {} t WHERE (t).x = 7",
        "SELECT count(t), count(DISTINCT t) FROM {} t",
        "SELECT DISTINCT tableoid = '{}'::regclass FROM {}",
        "SELECT tableoid::regclass = '{}'::regclass, count(*) FROM {} GROUP BY 1",
        "SELECT count(*) FROM {} WHERE tableoid = '{}'::regclass",
        "SELECT a.x, b.name FROM {} a JOIN {} b ON a.x = b.x + 498 ORDER BY 1",
        "SELECT count(*) FROM {} a LEFT JOIN {} b ON a.x = b.x + 100 WHERE b.x IS NULL",
        "SELECT count(*) FROM {} a FULL JOIN (SELECT x FROM {} WHERE x % 3 = 0) b USING (x)",
        "SELECT count(*) FROM {} a WHERE EXISTS (SELECT FROM {} b WHERE b.x = a.x * 2)",
        "SELECT x, (SELECT max(b.x) FROM {} b WHERE b.x < a.x) FROM {} a WHERE x < 5 ORDER BY 1",
        "WITH c AS MATERIALIZED (SELECT * FROM {} WHERE x > 10) SELECT sum(x) FROM c WHERE x < 20",
        "WITH c AS NOT MATERIALIZED (SELECT * FROM {}) SELECT count(*) FROM c JOIN c d USING (x)",
        "WITH RECURSIVE r(x) AS (SELECT 1::bigint UNION ALL SELECT n.x FROM r JOIN {} n ON n.x = r.x * 2)
           SELECT string_agg(x::text, ' ' ORDER BY x) FROM r",
        "SELECT x FROM {} WHERE x < 3 UNION ALL SELECT x FROM {} WHERE x > 498 ORDER BY 1",
        "SELECT x, lag(x) OVER (ORDER BY x) FROM {} ORDER BY x OFFSET 497",
        "SELECT GROUPING(month), month, count(*) FROM {} GROUP BY ROLLUP (month) ORDER BY 1",
        "SELECT x FROM {} ORDER BY x FETCH FIRST 2 ROWS WITH TIES",
        "SELECT x FROM {} WHERE x IN (1, 2) ORDER BY x FOR UPDATE",
        "SELECT a.x FROM {} a JOIN h b ON a.x = b.x WHERE a.x < 3 ORDER BY 1 FOR UPDATE OF a SKIP LOCKED",
        "SELECT a.x FROM {} a JOIN h b ON a.x = b.x WHERE a.x < 3 ORDER BY 1 FOR SHARE OF b",
    ] {
        same(&mut client, query)?;
    }
    // A row of a file has no place and no transaction. Postgres says so as for file_fdw's rows.
    let places = "SELECT DISTINCT ctid::text FROM n";
    assert_eq!(value(&mut client, places)?, "(4294967295,0)");
    for column in ["xmin", "cmin", "xmax", "cmax"] {
        for query in ["SELECT {} FROM n", "SELECT count({}) FROM n"] {
            fails(
                &mut client,
                &query.replace("{}", column),
                "cannot retrieve a system column in this context",
            )?;
        }
    }
    fails(
        &mut client,
        "INSERT INTO n VALUES (1)",
        "cannot insert into foreign table \"n\"",
    )?;
    fails(
        &mut client,
        "UPDATE n SET x = 1",
        "cannot update foreign table \"n\"",
    )?;
    fails(
        &mut client,
        "DELETE FROM n",
        "cannot delete from foreign table \"n\"",
    )?;
    fails(
        &mut client,
        "TRUNCATE n",
        "cannot truncate foreign table \"n\"",
    )?;
    fails(
        &mut client,
        "SELECT * FROM n TABLESAMPLE SYSTEM (1)",
        "TABLESAMPLE",
    )
}

/// A row that changes in the heap while the query waits for it is checked anew against the foreign
/// table's row, which must still be the same.
fn a_row_that_changed_under_a_lock_is_joined_anew(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let name = "manners-recheck";
    let mut client = numbers(env, name, directory.path())?;
    client.batch_execute(
        "ALTER TABLE h ADD note text; BEGIN; UPDATE h SET note = 'new' WHERE x = 3",
    )?;
    let mut other = env.cluster.client(name)?;
    let pid = fixture::pid(&mut other)?;
    let found = std::thread::scope(|scope| -> Result<_> {
        let waiting = scope.spawn(|| {
            let sql = "SELECT n.x, n.name, h.note FROM h JOIN n USING (x) WHERE x < 5 AND n.name LIKE '%3' FOR UPDATE OF h";
            rows(&mut other, sql).map_err(|error| error.to_string())
        });
        // The end of this transaction also ends a wait that never came to be.
        let locked = fixture::wait_until_locked(&mut env.cluster.client(name)?, pid);
        client.batch_execute("COMMIT")?;
        locked?;
        Ok(waiting.join().expect("no panic")?)
    })?;
    let expected = ["3", "number 3", "new"].map(|v| Some(v.to_owned()));
    assert_eq!(found, [expected]);
    Ok(())
}

fn cursors_go_back_where_postgres_lets_them(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut client = numbers(env, "manners-cursors", directory.path())?;
    for (table, pushdown) in [("h", "on"), ("n", "on"), ("n", "off")] {
        client.batch_execute(&format!(
            "SET cur_fdw.enable_pushdown = {pushdown}; BEGIN;
             DECLARE c SCROLL CURSOR FOR SELECT x FROM {table} ORDER BY x"
        ))?;
        for (fetch, expected) in [
            ("FETCH 3 FROM c", "1 2 3"),
            ("FETCH BACKWARD 2 FROM c", "2 1"),
            ("FETCH LAST FROM c", "500"),
            ("FETCH ABSOLUTE 10 FROM c", "10"),
            ("FETCH PRIOR FROM c", "9"),
        ] {
            let found = rows(&mut client, fetch)?;
            let found: Vec<_> = found.iter().filter_map(|row| row[0].clone()).collect();
            assert_eq!(found.join(" "), expected, "{fetch} of {table}");
        }
        client.batch_execute("COMMIT")?;
        client.batch_execute(&format!(
            "BEGIN; DECLARE w CURSOR WITH HOLD FOR SELECT x FROM {table} WHERE x > 490 ORDER BY x;
             FETCH 1 FROM w; COMMIT"
        ))?;
        assert_eq!(rows(&mut client, "FETCH ALL FROM w")?.len(), 9);
        client.batch_execute("CLOSE w")?;
    }
    fails(
        &mut client,
        "BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT * FROM n; FETCH 2 FROM c; FETCH PRIOR FROM c",
        "cursor can only scan forward",
    )?;
    fails(
        &mut client,
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM n; FETCH 2 FROM c; FETCH PRIOR FROM c",
        "cursor can only scan forward",
    )
}

fn partitions_of_files_beside_partitions_of_heap_answer_alike(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut client = numbers(env, "manners-partitions", directory.path())?;
    client.batch_execute(
        "CREATE TABLE p (x bigint, name text, month text) PARTITION BY LIST (month);
         CREATE TABLE p8 PARTITION OF p FOR VALUES IN ('8');
         INSERT INTO p8 SELECT x + 1000, name, '8' FROM h;
         ALTER TABLE p ATTACH PARTITION n FOR VALUES IN ('9');
         CREATE TABLE q AS SELECT * FROM p",
    )?;
    for wise in ["on", "off"] {
        for pushdown in ["on", "off"] {
            client.batch_execute(&format!(
                "SET enable_partitionwise_aggregate = {wise}; SET enable_partitionwise_join = {wise};
                 SET cur_fdw.enable_pushdown = {pushdown}; ANALYZE p"
            ))?;
            for query in [
                "SELECT month, count(*), sum(x), min(name), avg(x) FROM {} GROUP BY 1 ORDER BY 1",
                "SELECT count(*), sum(x), avg(x), max(x), count(DISTINCT x) FROM {}",
                "SELECT x % 3, count(*), avg(x) FILTER (WHERE x > 7) FROM {} GROUP BY 1 ORDER BY 1",
                "SELECT length(name), count(*) FROM {} GROUP BY 1 HAVING count(*) > 9 ORDER BY 1",
                "SELECT DISTINCT month FROM {} ORDER BY 1",
                "SELECT count(*) FROM {} WHERE month = '9' AND x < 10",
                "SELECT x FROM {} ORDER BY x LIMIT 3 OFFSET 499",
                "SELECT count(*) FROM {} a JOIN {} b USING (month, x)",
                "SELECT tableoid::regclass::text <> '', x FROM {} WHERE x IN (1, 1001) ORDER BY 2",
                "SELECT x FROM {} WHERE x IN (1, 1001) ORDER BY 1 FOR UPDATE",
            ] {
                assert_eq!(
                    rows(&mut client, &query.replace("{}", "p"))?,
                    rows(&mut client, &query.replace("{}", "q"))?,
                    "{query}, partitionwise {wise}, pushdown {pushdown}"
                );
            }
        }
    }
    let update = "UPDATE p SET name = 'x' WHERE month = '8' AND x = 1001";
    assert_eq!(client.execute(update, &[])?, 1);
    fails(
        &mut client,
        "UPDATE p SET name = 'x' WHERE month = '9'",
        "cannot update foreign table \"n\"",
    )
}

fn policies_of_a_partitioned_parent_hold_in_aggregates_too(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut client = numbers(env, "manners-policies", directory.path())?;
    client.batch_execute(
        "CREATE TABLE p (x bigint, name text, month text) PARTITION BY LIST (month);
         ALTER TABLE p ATTACH PARTITION n FOR VALUES IN ('9');
         CREATE TABLE p8 PARTITION OF p FOR VALUES IN ('8'); INSERT INTO p8 VALUES (7, 'eight', '8');
         ALTER TABLE p ENABLE ROW LEVEL SECURITY;
         GRANT SELECT ON p TO manners_files",
    )?;
    for policy in [
        "substr(name, 8) = '1'",
        "x <= 20",
        "x % 7 = 0",
        "name LIKE '%7'",
        "month = '8'",
        "pg_has_role('manners_none', 'member')",
    ] {
        let expected = format!(
            "SELECT count(*), sum(x), max(name), count(DISTINCT x)
               FROM (SELECT * FROM h UNION ALL SELECT * FROM p8) p WHERE {}",
            if policy.starts_with("pg_has") {
                "false"
            } else {
                policy
            }
        );
        let expected = rows(&mut client, &expected)?;
        client.batch_execute(&format!(
            "DROP POLICY IF EXISTS mine ON p; CREATE POLICY mine ON p USING ({policy}); SET ROLE manners_files"
        ))?;
        for settings in ["on, on", "on, off", "off, off"] {
            let (pushdown, wise) = settings.split_once(", ").expect("two");
            client.batch_execute(&format!(
                "SET cur_fdw.enable_pushdown = {pushdown}; SET enable_partitionwise_aggregate = {wise}"
            ))?;
            let sums = "SELECT count(*), sum(x), max(name), count(DISTINCT x) FROM p";
            assert_eq!(rows(&mut client, sums)?, expected, "{policy}, {settings}");
            // Fails at number 100 and those like it, whether the engine takes the policy or not.
            if ["x <= 20", "substr(name, 8) = '1'"].contains(&policy) {
                let failing = r"SELECT count(*) FROM p WHERE name LIKE 'number 10\'";
                let count = value(&mut client, failing)
                    .map_err(|error| format!("{policy}, {settings}: {error}"))?;
                assert_eq!(count, "0");
            }
            let groups = "SELECT sum(c)::text FROM (SELECT name, count(*) c FROM p GROUP BY 1) _";
            let count = expected[0][0].clone().filter(|count| count != "0");
            assert_eq!(
                rows(&mut client, groups)?,
                [[count]],
                "{policy}, {settings}"
            );
        }
        client.batch_execute("RESET ROLE")?;
    }
    Ok(())
}

/// A condition that could tell of rows by its errors runs only on rows that the view shows.
fn barrier_views_show_no_hidden_row_to_a_condition(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut client = numbers(env, "manners-views", directory.path())?;
    client.batch_execute(
        "CREATE FUNCTION tell(bigint) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
           IF $1 % 2 = 1 THEN RAISE 'leaked %', $1; END IF; RETURN true; END $$;
         CREATE VIEW even WITH (security_barrier) AS SELECT * FROM n WHERE x % 2 = 0;
         CREATE VIEW one WITH (security_barrier) AS SELECT * FROM n WHERE x = 1;
         CREATE VIEW first WITH (security_barrier) AS SELECT * FROM n WHERE substr(name, 8) = '1';
         CREATE VIEW mine WITH (security_invoker) AS SELECT * FROM n;
         CREATE VIEW theirs AS SELECT * FROM n;
         GRANT SELECT ON even, mine, theirs TO manners_files, manners_none",
    )?;
    for pushdown in ["on", "off"] {
        client.batch_execute(&format!("SET cur_fdw.enable_pushdown = {pushdown}"))?;
        assert_eq!(
            value(&mut client, "SELECT count(*) FROM even WHERE tell(x)")?,
            "250"
        );
        // The engine can take the condition, which fails at number 100 and those like it.
        let failing = r"SELECT count(*) FROM n WHERE name LIKE 'number 10\'";
        let plan = rows(&mut client, &format!("EXPLAIN {failing}"))?;
        let pushed = format!("{plan:?}").contains("Pushed Filter");
        assert_eq!(pushed, pushdown == "on", "{plan:?}");
        fails(&mut client, failing, "22025")?;
        for view in ["one", "first"] {
            let shown = failing.replace("FROM n", &format!("FROM {view}"));
            assert_eq!(value(&mut client, &shown)?, "0", "{view}");
        }
        assert_eq!(
            value(&mut client, "SELECT count(*) FROM even WHERE x = 4")?,
            "1"
        );
        // The owner's rights for an ordinary view, the reader's own for security_invoker.
        client.batch_execute("SET ROLE manners_none")?;
        assert_eq!(value(&mut client, "SELECT count(*) FROM theirs")?, "500");
        assert_eq!(
            value(&mut client, "SELECT sum(x) FROM theirs WHERE x < 3")?,
            "3"
        );
        fails(
            &mut client,
            "SELECT count(*) FROM mine",
            "permission denied for foreign table n",
        )?;
        client.batch_execute(
            "RESET ROLE; GRANT SELECT ON n TO manners_none, manners_files; SET ROLE manners_none",
        )?;
        for query in [
            "SELECT count(*) FROM mine",
            "SELECT * FROM mine",
            "SELECT sum(x) FROM mine WHERE x < 3",
        ] {
            fails(
                &mut client,
                query,
                "may not read files of the database server",
            )?;
        }
        client.batch_execute("SET ROLE manners_files")?;
        assert_eq!(value(&mut client, "SELECT count(*) FROM mine")?, "500");
        client.batch_execute("RESET ROLE; REVOKE SELECT ON n FROM manners_none, manners_files")?;
    }
    Ok(())
}

fn cached_plans_follow_the_table_the_server_and_the_columns(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let other = tempfile::tempdir()?;
    let mut client = numbers(env, "manners-plans", directory.path())?;
    fixture::write_numbers(other.path(), 50)?;
    client.batch_execute(
        "CREATE FUNCTION how_many(bound bigint) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN
           SELECT concat_ws(' ', count(*), sum(x)) INTO r FROM n WHERE x >= bound; RETURN r; END $$;
         SET plan_cache_mode = force_generic_plan;
         PREPARE whole AS SELECT * FROM n WHERE x <= $1 ORDER BY x;
         PREPARE part AS SELECT name, count(*) FROM n WHERE x <= $1 GROUP BY name",
    )?;
    let from_one = "SELECT how_many(1)";
    for _ in 0..7 {
        assert_eq!(value(&mut client, from_one)?, "500 125250");
        assert_eq!(rows(&mut client, "EXECUTE whole(2)")?.len(), 2);
        assert_eq!(rows(&mut client, "EXECUTE part(2)")?.len(), 2);
    }
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (SET url 'file://{}')",
        other.path().display()
    ))?;
    assert_eq!(value(&mut client, from_one)?, "50 1275");
    client.batch_execute("ALTER FOREIGN TABLE n OPTIONS (SET prefix 'nothing/here')")?;
    fails(&mut client, from_one, "nothing/here")?;
    client.batch_execute("ALTER FOREIGN TABLE n OPTIONS (SET prefix 'numbers/Report')")?;
    assert_eq!(value(&mut client, from_one)?, "50 1275");
    // The column now means another one of the file.
    client.batch_execute("ALTER FOREIGN TABLE n ALTER name OPTIONS (column_name 'absent')")?;
    assert_eq!(
        rows(&mut client, "EXECUTE part(2)")?,
        [[None, Some("2".to_owned())]]
    );
    client.batch_execute("ALTER FOREIGN TABLE n ALTER name OPTIONS (DROP column_name)")?;
    assert_eq!(rows(&mut client, "EXECUTE part(2)")?.len(), 2);
    client.batch_execute("ALTER FOREIGN TABLE n ADD year text")?;
    fails(
        &mut client,
        "EXECUTE whole(2)",
        "cached plan must not change result type",
    )?;
    client.batch_execute("ALTER FOREIGN TABLE n DROP year, DROP month")?;
    fails(
        &mut client,
        "EXECUTE whole(2)",
        "cached plan must not change result type",
    )?;
    assert_eq!(value(&mut client, from_one)?, "50 1275");
    client.batch_execute("ALTER FOREIGN TABLE n ALTER x TYPE numeric")?;
    assert_eq!(value(&mut client, from_one)?, "50 1275");
    client.batch_execute("DROP FOREIGN TABLE n")?;
    fails(&mut client, from_one, "does not exist")
}

fn explain_of_a_plan_without_values_asks_only_for_what_it_shows(env: &Env) -> Result<()> {
    let mut client = database(env, "manners-explain")?;
    if env.installation.major >= 16 {
        let generic =
            "EXPLAIN (GENERIC_PLAN, VERBOSE) SELECT line_item_product_code, count(*) FROM t
                        WHERE billing_period = $1 AND line_item_unblended_cost > $2 GROUP BY 1";
        assert!(!rows(&mut client, generic)?.is_empty());
    }
    // A plan whose scan never began asks nothing of the store.
    let mark = env.gateway.mark()?;
    let never = "SELECT CASE WHEN random() > 2 THEN (SELECT count(*) FROM t) END";
    assert_eq!(value(&mut client, never)?, "NULL");
    assert_eq!(env.gateway.requests_since(mark)?, []);
    Ok(())
}

fn auto_explain_shows_what_ran_and_asks_the_store_for_nothing_more(env: &Env) -> Result<()> {
    let mut client = database(env, "manners-auto-explain")?;
    let loaded = client.batch_execute("LOAD 'auto_explain'");
    let missing = |error: postgres::Error| {
        let error = error.as_db_error();
        error.is_some_and(|error| error.message().contains("could not access file"))
    };
    if loaded.is_err_and(missing) {
        skip("this Postgres has no auto_explain");
        return Ok(());
    }
    // Listings and manifests: how far a LIMIT lets the threads read ahead is not determined.
    let requests = |client: &mut Client, sql: &str| -> Result<usize> {
        let mark = env.gateway.mark()?;
        rows(client, sql)?;
        let requests = env.gateway.requests_since(mark)?.into_iter();
        Ok(requests.filter(|r| !r.path.ends_with(".parquet")).count())
    };
    let nested = "DO $$ DECLARE r record; BEGIN
                    FOR r IN SELECT * FROM t LIMIT 2 LOOP END LOOP;
                    PERFORM count(*) FROM t; PERFORM * FROM t WHERE false;
                    BEGIN PERFORM 1 / (count(*) - count(*)) FROM t;
                    EXCEPTION WHEN division_by_zero THEN NULL; END; END $$";
    requests(&mut client, nested)?;
    let without = requests(&mut client, nested)?;
    client.batch_execute(
        "SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
         SET auto_explain.log_verbose = on; SET auto_explain.log_nested_statements = on",
    )?;
    assert_eq!(requests(&mut client, nested)?, without);
    assert!(env.cluster.log()?.contains("Storage Wait"));
    Ok(())
}
