//! What a table of any other kind does, a foreign table does too: each answer is that of a heap copy.

use crate::env::{Env, Test, tests};
use crate::fixture::{self, PRESS, press};
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use pg_test::Result;
use postgres::{Client, SimpleQueryMessage};
use std::path::Path;
use std::sync::Arc;

pub const TESTS: &[Test] = tests![
    analyze_counts_all_rows_and_knows_the_common_values,
    analyze_samples_all_rows_alike,
    a_whole_scan_tells_the_planner_the_size_and_a_part_does_not,
    import_loses_no_column_whatever_its_name,
    import_takes_the_newest_months_columns_or_all,
    import_obeys_lists_and_refuses_what_it_does_not_know,
];

/// Three months in the foreign table `t`, and the same rows in the table `h`.
fn database(env: &Env, name: &str) -> Result<Client> {
    fixture::empty_bucket(env, name)?;
    for bill in press().all() {
        fixture::upload(env, name, &bill)?;
    }
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    client.batch_execute(&format!(
        "SET TimeZone = 'UTC';
         IMPORT FOREIGN SCHEMA \"{PRESS}\" FROM SERVER bills INTO public;
         ALTER FOREIGN TABLE cup_cost_usage_report RENAME TO t;
         CREATE TABLE h AS SELECT * FROM t"
    ))?;
    Ok(client)
}

/// The rows of a query, as text.
fn rows(client: &mut Client, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let messages = client
        .simple_query(sql)
        .map_err(|error| format!("{sql}: {}", described(&error)))?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let cells = rows.map(|row| {
        (0..row.len())
            .map(|i| row.get(i).map(str::to_owned))
            .collect()
    });
    Ok(cells.collect())
}

fn described(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => format!("the connection broke: {error}"),
    }
}

/// One value.
fn value(client: &mut Client, sql: &str) -> Result<String> {
    let rows = rows(client, sql)?;
    let [row] = &rows[..] else {
        return Err(format!("{sql}: {rows:?}").into());
    };
    Ok(row[0].clone().unwrap_or_default())
}

/// The number of rows that the planner expects of a query.
fn expected_rows(client: &mut Client, sql: &str) -> Result<f64> {
    let json = value(client, &format!("EXPLAIN (FORMAT JSON) {sql}"))?;
    let (_, rest) = json.split_once("\"Plan Rows\": ").ok_or("no estimate")?;
    Ok(rest.split(',').next().unwrap_or_default().trim().parse()?)
}

fn analyze_counts_all_rows_and_knows_the_common_values(env: &Env) -> Result<()> {
    let mut client = database(env, "manners-analyze")?;
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
    let file = std::fs::File::create(folder.join("file.parquet"))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
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
    let error = client
        .batch_execute("SELECT n FROM a.report")
        .expect_err("too narrow");
    assert!(described(&error).contains("\"n\""), "{}", described(&error));
    Ok(())
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
            "all/One",
        ),
    ] {
        let error = client.batch_execute(&statement).expect_err(&statement);
        let error = error.as_db_error().ok_or("the connection broke")?;
        assert_eq!(error.code().code(), code, "{error}");
        assert!(error.message().contains(message), "{error}");
        assert!(
            error.hint().is_some_and(|h| h.contains(hint)),
            "{:?}",
            error.hint()
        );
    }
    Ok(())
}
