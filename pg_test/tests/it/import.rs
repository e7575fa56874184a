//! IMPORT FOREIGN SCHEMA: every column, of the months that were asked for, and the tables that were.

use crate::ask::{rows, value};
use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::refusals::{fails, refused};
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use pg_test::Result;
use postgres::Client;
use std::path::Path;
use std::sync::Arc;

pub const TESTS: &[Test] = tests![
    import_loses_no_column_whatever_its_name,
    import_takes_the_newest_months_columns_or_all,
    import_obeys_lists_and_refuses_what_it_does_not_know,
];

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
