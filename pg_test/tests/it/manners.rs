//! What a table of any other kind does, a foreign table does too: each answer is that of a heap copy.

use crate::ask::{rows, value};
use crate::env::{Env, Test, skip, tests};
use crate::fixture::{self, press};
use crate::refusals::{fails, refused};
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use pg_test::Result;
use pg_test::fault::{Fault, Proxy};
use postgres::Client;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    analyze_counts_all_rows_and_knows_the_common_values,
    analyze_samples_all_rows_alike,
    analyze_can_be_stopped_while_the_store_says_nothing,
    a_whole_scan_tells_the_planner_the_size_and_a_part_does_not,
    import_loses_no_column_whatever_its_name,
    import_takes_the_newest_months_columns_or_all,
    import_obeys_lists_and_refuses_what_it_does_not_know,
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
fn database(env: &Env, name: &str) -> Result<Client> {
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

/// An export's month of one file and one row in a directory.
fn write_month(
    directory: &Path,
    export: &str,
    month: u32,
    columns: &[(&str, ArrayRef)],
) -> Result<()> {
    let folder = directory.join(format!("{export}/Report/Report/year=2025/month={month}"));
    std::fs::create_dir_all(&folder)?;
    let columns = columns
        .iter()
        .map(|(name, values)| (*name, values.clone(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
    Ok(std::fs::write(
        folder.join("file.parquet"),
        fixture::parquet(&batch)?,
    )?)
}

fn word(word: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![word]))
}

/// Name, type and the file's own name of each column.
fn columns(client: &mut Client, table: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT concat_ws(' ', attname, atttypid::regtype, attfdwoptions) FROM pg_attribute
          WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
    );
    Ok(rows(client, &sql)?
        .into_iter()
        .filter_map(|mut row| row[0].take())
        .collect())
}

fn import_loses_no_column_whatever_its_name(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let long = "a_name_that_is_longer_than_the_sixty_three_bytes_postgres_keeps_";
    let umlauts = format!("{}ü", "x".repeat(62));
    let names = [
        &format!("{long}1"),
        &format!("{long}2"),
        "Tag",
        "tag",
        "TAG",
        "ctid",
        "tableoid",
        "year",
        "billing_period",
        "with space",
        "with\"quote",
        "with'quote",
        "select",
        umlauts.as_str(),
    ];
    let values: Vec<_> = names.iter().map(|name| (*name, word(name))).collect();
    write_month(directory.path(), "odd", 9, &values)?;
    let mut client = env.database_with_extension("manners-names")?;
    fixture::connect_directory(&mut client, directory.path())?;
    client.batch_execute("IMPORT FOREIGN SCHEMA \"odd\" FROM SERVER bills INTO public")?;
    let table = value(
        &mut client,
        "SELECT ftrelid::regclass::text FROM pg_foreign_table",
    )?;
    let all = rows(&mut client, &format!("SELECT * FROM {table}"))?;
    // Every column of the file holds its own name there.
    let expected: Vec<_> = names.iter().map(|name| Some((*name).to_owned())).collect();
    assert_eq!(all[0][..names.len()], expected);
    let columns = columns(&mut client, &table)?;
    assert_eq!(columns.len(), names.len() + 3, "{columns:#?}");
    let distinct = format!(
        "SELECT count(DISTINCT lower(attname)) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
    );
    assert_eq!(value(&mut client, &distinct)?, columns.len().to_string());
    Ok(())
}

fn import_takes_the_newest_months_columns_or_all(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let int: ArrayRef = Arc::new(Int32Array::from(vec![8]));
    let bigint: ArrayRef = Arc::new(Int64Array::from(vec![9]));
    write_month(
        directory.path(),
        "drift",
        8,
        &[("gone", word("old")), ("n", bigint), ("m", word("eight"))],
    )?;
    write_month(
        directory.path(),
        "drift",
        9,
        &[("n", int.clone()), ("came", word("new")), ("m", int)],
    )?;
    let mut client = env.database_with_extension("manners-months")?;
    fixture::connect_directory(&mut client, directory.path())?;
    client.batch_execute(
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c;
         IMPORT FOREIGN SCHEMA drift FROM SERVER bills INTO a;
         IMPORT FOREIGN SCHEMA drift FROM SERVER bills INTO b OPTIONS (columns 'newest');
         IMPORT FOREIGN SCHEMA drift FROM SERVER bills INTO c OPTIONS (columns 'all')",
    )?;
    let newest = [
        "n integer",
        "came text",
        "m integer",
        "billing_period date",
        "year text",
        "month text",
    ];
    assert_eq!(columns(&mut client, "a.report")?, newest);
    assert_eq!(columns(&mut client, "b.report")?, newest);
    let all = [
        "n bigint",
        "came text",
        "m text",
        "gone text",
        "billing_period date",
        "year text",
        "month text",
    ];
    assert_eq!(columns(&mut client, "c.report")?, all);
    let found = rows(
        &mut client,
        "SELECT concat_ws(' ', month, n, came, m, gone) FROM c.report ORDER BY 1",
    )?;
    assert_eq!(
        found,
        [
            [Some("8 9 eight old".to_owned())],
            [Some("9 8 new 8".to_owned())]
        ]
    );
    // What the newest month narrowed is refused, not cut.
    fails(&mut client, "SELECT n FROM a.report", "\"n\"")
}

fn import_obeys_lists_and_refuses_what_it_does_not_know(env: &Env) -> Result<()> {
    let directory = tempfile::tempdir()?;
    for name in ["One", "Two", "Three"] {
        let folder = directory
            .path()
            .join(format!("all/{name}/{name}/year=2025/month=9"));
        write_month(directory.path(), "made", 9, &[("x", word("x"))])?;
        std::fs::create_dir_all(&folder)?;
        let made = directory
            .path()
            .join("made/Report/Report/year=2025/month=9/file.parquet");
        std::fs::copy(made, folder.join("file.parquet"))?;
    }
    let mut client = env.database_with_extension("manners-lists")?;
    fixture::connect_directory(&mut client, directory.path())?;
    let import = "IMPORT FOREIGN SCHEMA \"all\"";
    client.batch_execute(&format!(
        "CREATE SCHEMA a; CREATE SCHEMA b;
         {import} LIMIT TO (one, two) FROM SERVER bills INTO a;
         {import} EXCEPT (one) FROM SERVER bills INTO b"
    ))?;
    let tables = "SELECT string_agg(ftrelid::regclass::text, ' ' ORDER BY ftrelid::regclass::text) FROM pg_foreign_table";
    assert_eq!(value(&mut client, tables)?, "a.one a.two b.three b.two");
    for (statement, code, message, hint) in [
        (
            format!("{import} FROM SERVER bills INTO public OPTIONS (colums 'all')"),
            "HV00D",
            "invalid option \"colums\" for a cur_fdw import",
            "\"columns\"",
        ),
        (
            format!("{import} FROM SERVER bills INTO public OPTIONS (columns 'some')"),
            "HV024",
            "invalid value for option \"columns\"",
            "columns 'all'",
        ),
        (
            format!("{import} FROM SERVER bills INTO public OPTIONS (secret_access_key 'x')"),
            "HV00D",
            "secret_access_key",
            "user mapping",
        ),
        (
            "IMPORT FOREIGN SCHEMA \"al\" FROM SERVER bills INTO public".to_owned(),
            "HV000",
            "\"al\"",
            "exports found",
        ),
    ] {
        refused(&mut client, &statement, code, message, hint)?;
    }
    Ok(())
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
