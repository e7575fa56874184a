//! Looks into a store: each thing is listed and read once, and footers are believed within limits.

use crate::env::{Env, Test, tests};
use crate::fixture;
use pg_test::Result;
use pg_test::s3::Request;

pub const TESTS: &[Test] = tests![
    an_import_lists_once_and_reads_each_footer_once,
    footer_that_is_deeper_than_any_stack,
];

fn is_listing(request: &&Request) -> bool {
    request.query.contains("list-type=2")
}

fn an_import_lists_once_and_reads_each_footer_once(env: &Env) -> Result<()> {
    let name = "looks";
    fixture::empty_bucket(env, name)?;
    fixture::upload(env, name, &fixture::press().month(2025, 9, 0))?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;

    let mark = env.gateway.mark()?;
    let failed = "SELECT count(*) FROM cost_analytics.cost_test('bills') WHERE NOT ok";
    assert_eq!(client.query_one(failed, &[])?.get::<_, i64>(0), 0);
    let requests = env.gateway.requests_since(mark)?;
    assert_eq!(requests.iter().filter(is_listing).count(), 1, "cost_test");

    let mark = env.gateway.mark()?;
    client.batch_execute(&format!(
        "IMPORT FOREIGN SCHEMA \"{}\" FROM SERVER bills INTO public",
        fixture::PRESS
    ))?;
    let requests = env.gateway.requests_since(mark)?;
    assert_eq!(requests.iter().filter(is_listing).count(), 1, "import");

    // The table's name is that of the report.
    let table = "SELECT relname::text FROM pg_class WHERE relkind = 'f'";
    let table: String = client.query_one(table, &[])?.get(0);
    let reads = |client: &mut postgres::Client| -> Result<usize> {
        let mark = env.gateway.mark()?;
        client.batch_execute(&format!(
            "SELECT sum(line_item_unblended_cost) FROM {table}"
        ))?;
        let requests = env.gateway.requests_since(mark)?;
        Ok(requests
            .iter()
            .filter(|r| r.path.ends_with(".parquet"))
            .count())
    };
    let after_import = reads(&mut client)?;
    assert_eq!(after_import, reads(&mut client)?, "footers are known");
    Ok(())
}

/// The decoder follows nested columns by recursion, and a stack that overflows ends the server.
fn footer_that_is_deeper_than_any_stack(env: &Env) -> Result<()> {
    let name = "deep";
    fixture::empty_bucket(env, name)?;
    let bill = fixture::press().month(2025, 9, 0);
    fixture::upload(env, name, &bill)?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    client.batch_execute(&format!(
        "CREATE FOREIGN TABLE t (line_item_unblended_cost double precision) \
         SERVER bills OPTIONS (prefix '{}')",
        fixture::PRESS
    ))?;
    let mut files = bill.files.iter();
    let file = files.find(|file| file.key.ends_with(".parquet"));
    let key = &file.ok_or("a bill has data")?.key;
    env.gateway.put(name, key, deep())?;
    let error = client
        .simple_query("SELECT sum(line_item_unblended_cost) FROM t")
        .expect_err("no file is that deep");
    let error = error.as_db_error().ok_or("the server is gone")?;
    assert!(error.message().contains(key.as_str()), "{error:?}");
    assert!(error.message().contains("nested too deeply"), "{error:?}");
    client.simple_query("SELECT 1")?;
    Ok(())
}

/// A Parquet file of nothing but 60,000 columns in each other (parquet.thrift, compact protocol).
fn deep() -> Vec<u8> {
    // version 1; a list of 60,001 columns.
    let mut footer = vec![0x15, 2, 0x19, 0xFC, 0xE1, 0xD4, 0x03];
    // A group that is optional, its name, and its one part.
    (0..60_000).for_each(|_| footer.extend([0x35, 2, 0x18, 1, b'a', 0x15, 2, 0]));
    // Text; no rows, no row groups.
    footer.extend([0x15, 12, 0x25, 2, 0x18, 1, b'a', 0, 0x16, 0, 0x19, 0x0C, 0]);
    let length = (footer.len() as u32).to_le_bytes();
    [b"PAR1", footer.as_slice(), &length, b"PAR1"].concat()
}
