//! Damaged files and failing stores, through SQL: an ERROR that names the file and has a hint, or
//! the right rows. For rows and for aggregates alike.

use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::refusals::{DATA_CORRUPTED, FDW_ERROR, FDW_REPLY_HANDLE, error_of, refused};
use crate::store_checks::READ;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use pg_test::Result;
use pg_test::bills::{BillFile, MonthBill};
use pg_test::fault::{Fault, Proxy};
use postgres::error::DbError;
use postgres::{Client, SimpleQueryMessage};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    files_cut_or_overwritten,
    footers_that_lie_about_their_length,
    dictionary_that_claims_two_billion_values,
    bits_flipped_in_a_footer,
    manifests_that_say_something_else,
    manifest_that_names_a_missing_file,
    manifest_that_leaves_the_bucket,
    file_deleted_or_overwritten_during_a_query,
    store_that_refuses_the_data,
    store_that_is_busy,
    connections_that_break,
    slow_store,
];

const NAME: &str = "damage";

/// What is asked of a damaged bill: rows, all columns, one sum, and sums by group.
const QUERIES: [&str; 4] = [
    "SELECT count(*) || ' ' || round(sum(c)::numeric, 4) FROM \
       (SELECT line_item_unblended_cost c FROM t OFFSET 0) x",
    "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM t",
    "SELECT round(sum(line_item_unblended_cost)::numeric, 4) FROM t",
    "SELECT string_agg(line_item_product_code || ' ' || round(s::numeric, 4), ',' \
         ORDER BY line_item_product_code) FROM \
       (SELECT line_item_product_code, sum(line_item_unblended_cost) s FROM t GROUP BY 1) x",
];

fn bill() -> &'static MonthBill {
    static BILL: OnceLock<MonthBill> = OnceLock::new();
    BILL.get_or_init(|| fixture::press().month(2025, 9, 0))
}

fn file() -> &'static BillFile {
    let mut files = bill().files.iter();
    files
        .find(|file| file.key.ends_with(".parquet"))
        .expect("a bill has data")
}

fn manifest() -> &'static BillFile {
    let mut files = bill().files.iter();
    files
        .find(|file| file.key.ends_with("-Manifest.json"))
        .expect("a bill has a manifest")
}

fn metadata() -> ParquetMetaData {
    ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(file().bytes.clone()))
        .expect("the bill is valid")
}

/// A bill that may be damaged, behind a proxy that may fail.
struct Bench<'a> {
    env: &'a Env,
    name: String,
    proxy: Proxy,
    client: Client,
    /// The right answers to [`QUERIES`].
    answers: Vec<String>,
}

impl<'a> Bench<'a> {
    fn new(env: &'a Env, name: &str) -> Result<Self> {
        let name = format!("{NAME}-{name}");
        fixture::empty_bucket(env, &name)?;
        fixture::upload(env, &name, bill())?;
        let proxy = Proxy::start(&env.gateway.endpoint())?;
        let mut client = env.database_with_extension(&name)?;
        fixture::connect_through(&mut client, env, &name, &proxy.endpoint())?;
        fixture::import_press(&mut client)?;
        let mut bench = Bench {
            env,
            name,
            proxy,
            client,
            answers: Vec::new(),
        };
        for query in QUERIES {
            let answer = bench.ask(query)?.expect("all is well");
            bench.answers.push(answer);
        }
        Ok(bench)
    }

    fn put(&self, file: &BillFile, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.env.gateway.put(&self.name, &file.key, bytes)
    }

    /// The one value that a query gives, or its ERROR. The session goes on in either case.
    fn ask(&mut self, sql: &str) -> Result<std::result::Result<String, DbError>> {
        let answer = match self.client.simple_query(sql) {
            Ok(messages) => Ok(messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
                _ => None,
            })),
            Err(error) => match error.as_db_error().cloned() {
                Some(said) => Err(said),
                None => return Err(format!("{sql}: the connection broke: {error}").into()),
            },
        };
        if answer.is_err() {
            self.client.simple_query("ROLLBACK")?;
        }
        Ok(answer.map(Option::unwrap_or_default))
    }

    /// Every query is an ERROR that names the object and has a hint.
    fn refused(&mut self, what: &str, key: &str) -> Result<()> {
        for query in QUERIES {
            match self.ask(query)? {
                Ok(rows) => panic!("{what}: {query} gave {rows}"),
                Err(error) => self.names(what, &error, &[key]),
            }
        }
        Ok(())
    }

    fn names(&self, what: &str, error: &DbError, keys: &[&str]) {
        let said = format!("{what}: {} {error:?}", error.code().code());
        assert_eq!(error.severity(), "ERROR", "{said}");
        assert!(
            keys.iter().any(|key| error.message().contains(key)),
            "{said}"
        );
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{said}");
        // "XX000" is what an error gets that nobody thought of.
        assert_ne!(error.code().code(), "XX000", "{said}");
    }

    /// Every query gives the right rows.
    fn right(&mut self, what: &str) -> Result<()> {
        for (query, answer) in QUERIES.into_iter().zip(self.answers.clone()) {
            match self.ask(query)? {
                Ok(rows) => assert_eq!(rows, answer, "{what}: {query}"),
                Err(error) => panic!("{what}: {query}: {error:?}"),
            }
        }
        Ok(())
    }
}

fn files_cut_or_overwritten(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "cut")?;
    let bytes = &file().bytes;
    let length = bytes.len();
    for keep in [
        1,
        4,
        7,
        8,
        11,
        12,
        length / 3,
        length - 9,
        length - 4,
        length - 1,
    ] {
        bench.put(file(), &bytes[..keep])?;
        bench.refused(&format!("{keep} of {length} bytes"), &file().key)?;
    }
    let with = |from: usize, to: usize, byte: u8| {
        let mut damaged = bytes.clone();
        damaged[from..to].fill(byte);
        damaged
    };
    let magic = |magic: &[u8; 4]| [&bytes[..length - 4], &magic[..]].concat();
    for (what, damaged) in [
        ("zeros", vec![0; length]),
        ("magic only", b"PAR1PAR1".to_vec()),
        ("a zero footer", with(length - 3000, length - 8, 0)),
        ("zero pages", with(4, length / 2, 0)),
        ("the magic of an encrypted footer", magic(b"PARE")),
        ("the magic of nothing", magic(b"PAR9")),
        (
            "twice in a row, the second cut",
            [&bytes[..], &bytes[..length / 2]].concat(),
        ),
    ] {
        bench.put(file(), damaged)?;
        bench.refused(what, &file().key)?;
    }
    // What is no Parquet file is called that.
    for (what, damaged) in [
        ("half of it", bytes[..length / 2].to_vec()),
        (
            "text",
            b"line_item_id,cost\n1,2\nthis is no Parquet file at all\n".to_vec(),
        ),
        ("a footer of ones", with(length - 40, length - 20, 0xFF)),
        ("nothing", Vec::new()),
    ] {
        bench.put(file(), damaged)?;
        bench.refused(what, &file().key)?;
        let object = format!("s3://{}/{}", bench.name, file().key);
        let message = &[object.as_str(), "not a readable Parquet file"];
        refused(&mut bench.client, READ, DATA_CORRUPTED, message, "damaged")?;
    }
    // Where it is the rows that are damaged, nothing of them may be taken for data.
    bench.put(file(), with(4, length / 2, 0xFF))?;
    bench.refused("pages of ones", &file().key)?;
    refused(&mut bench.client, READ, DATA_CORRUPTED, "", "")?;
    bench.put(file(), bytes.clone())?;
    bench.right("the file is back")
}

fn footers_that_lie_about_their_length(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "length")?;
    let honest = &file().bytes;
    let field = honest.len() - 8;
    for length in [
        0,
        1,
        8,
        honest.len() as u32 - 12,
        honest.len() as u32,
        i32::MAX as u32,
        u32::MAX,
    ] {
        let mut damaged = honest.clone();
        damaged[field..field + 4].copy_from_slice(&length.to_le_bytes());
        bench.put(file(), damaged)?;
        bench.refused(&format!("a footer of {length} bytes"), &file().key)?;
    }
    Ok(())
}

/// The decoder would ask for 34 GB; when it does not get them, that is the end of the server.
fn dictionary_that_claims_two_billion_values(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "dictionary")?;
    let metadata = metadata();
    for name in ["line_item_product_code", "line_item_unblended_cost"] {
        let columns = metadata.row_group(0).columns();
        let column = columns
            .iter()
            .find(|column| column.column_path().string() == name)
            .ok_or("a bill has this column")?;
        let page = column
            .dictionary_page_offset()
            .ok_or("a bill's columns have dictionaries")?;
        bench.put(file(), with_huge_dictionary(&file().bytes, page as usize))?;
        bench.refused_where_read(name)?;
    }
    Ok(())
}

impl Bench<'_> {
    /// The queries that read a column are refused.
    fn refused_where_read(&mut self, column: &str) -> Result<()> {
        for query in QUERIES {
            if query.contains(column) || query.contains("t::text") {
                let error = self.ask(query)?.expect_err(query);
                self.names(column, &error, &[&file().key]);
            }
        }
        Ok(())
    }
}

/// A dictionary page's header is `15 type 15 unpacked 15 packed 4C 15 values …`, each number one of
/// Thrift's; what the larger number takes goes from the page.
fn with_huge_dictionary(bytes: &[u8], page: usize) -> Vec<u8> {
    let mut at = page;
    for _ in 0..3 {
        assert_eq!(bytes[at], 0x15, "an integer field");
        at += 1 + number_length(&bytes[at + 1..]);
    }
    assert_eq!(bytes[at..at + 2], [0x4C, 0x15], "the dictionary's header");
    at += 2;
    let honest = number_length(&bytes[at..]);
    let mut damaged = bytes.to_vec();
    damaged.splice(at..at + honest, [0xFE, 0xFF, 0xFF, 0xFF, 0x0F]);
    damaged.drain(at + 10..at + 15 - honest);
    assert_eq!(damaged.len(), bytes.len());
    damaged
}

fn number_length(bytes: &[u8]) -> usize {
    1 + bytes.iter().take_while(|byte| **byte & 0x80 != 0).count()
}

/// Some flips no reader can notice, such as one in a column's name: it is then another column. They
/// are right if DuckDB, which reads the same files by the same names, says the same.
fn bits_flipped_in_a_footer(env: &Env) -> Result<()> {
    const FLIPS: usize = 24;
    let mut bench = Bench::new(env, "flips")?;
    let honest = &file().bytes;
    let length = u32::from_le_bytes(honest[honest.len() - 8..][..4].try_into()?) as usize;
    let footer = honest.len() - 8 - length;
    let (mut errors, mut right) = (0, 0);
    for flip in 0..FLIPS {
        let at = footer + flip * length / FLIPS + 7 * flip % 5;
        let mut damaged = honest.clone();
        damaged[at] ^= 1 << (flip % 8);
        bench.put(file(), damaged.clone())?;
        for (query, answer) in [0, 2, 3].map(|n| (QUERIES[n], bench.answers[n].clone())) {
            let what = format!("bit {} of byte {at}: {query}", flip % 8);
            match bench.ask(query)? {
                Err(error) => {
                    errors += 1;
                    bench.names(&what, &error, &[&file().key]);
                }
                Ok(rows) if rows == answer => right += 1,
                Ok(rows) => assert_eq!(duckdb(query, &damaged)?, rows, "{what}"),
            }
        }
    }
    assert!(errors > 0 && right > 0, "{errors} errors, {right} right");
    Ok(())
}

/// What DuckDB says, with the damaged file in its place.
fn duckdb(query: &str, damaged: &[u8]) -> Result<String> {
    const SCRIPT: &str = "import duckdb, sys\n\
        c = duckdb.connect()\n\
        c.sql(f\"CREATE VIEW t AS SELECT * FROM read_parquet('{sys.argv[1]}/*.parquet', union_by_name = true)\")\n\
        print(c.sql(sys.argv[2]).fetchone()[0])";
    let python = std::env::var_os("CUR_FDW_PYTHON").ok_or("CUR_FDW_PYTHON names no Python")?;
    let directory = tempfile::tempdir()?;
    let data = bill()
        .files
        .iter()
        .filter(|file| file.key.ends_with(".parquet"));
    for (number, whole) in data.enumerate() {
        let bytes = match whole.key == file().key {
            true => damaged,
            false => &whole.bytes,
        };
        std::fs::write(directory.path().join(format!("{number}.parquet")), bytes)?;
    }
    let sql = query.replace("::numeric", "::decimal(38, 10)");
    let mut command = Command::new(python);
    command
        .args(["-c", SCRIPT])
        .arg(directory.path() as &Path)
        .arg(sql);
    Ok(pg_test::process::output(&mut command)?.trim().to_owned())
}

fn manifests_that_say_something_else(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "manifest")?;
    let honest: serde_json::Value = serde_json::from_slice(&manifest().bytes)?;
    let key = |key: &str| serde_json::json!([key]);
    for (what, keys) in [
        ("no keys", serde_json::Value::Null),
        ("a key, not a list", serde_json::json!(file().key)),
        ("numbers", serde_json::json!([1, 2])),
        ("its own key", key(&manifest().key)),
        ("a folder", key("cup/CUP-Cost-Usage-Report/")),
        ("an empty key", key("")),
        (
            "another month's file",
            key(&file().key.replace("month=9", "month=8")),
        ),
    ] {
        let mut value = honest.clone();
        value["reportKeys"] = keys;
        bench.put(manifest(), serde_json::to_vec(&value)?)?;
        bench.refused(what, &manifest().key)?;
    }
    let cut = &manifest().bytes[..manifest().bytes.len() - 2];
    bench.put(manifest(), cut)?;
    bench.refused("cut", &manifest().key)?;
    for wrong in [&b"{\"reportKeys\": ["[..], b"", b"<html></html>"] {
        bench.put(manifest(), wrong)?;
        let message = &[manifest().key.as_str(), "cannot be read"];
        refused(&mut bench.client, READ, FDW_ERROR, message, "copy it again")?;
    }
    bench.put(manifest(), manifest().bytes.clone())?;
    bench.right("the manifest is back")
}

/// The manifest with another file at the end of its list.
fn manifest_with(key: &str) -> Result<Vec<u8>> {
    let mut value: serde_json::Value = serde_json::from_slice(&manifest().bytes)?;
    let keys = value["reportKeys"]
        .as_array_mut()
        .ok_or("the manifest has reportKeys")?;
    keys.push(key.into());
    Ok(serde_json::to_vec(&value)?)
}

fn manifest_that_names_a_missing_file(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "missing")?;
    let missing = file().key.replace("00001", "00099");
    bench.put(manifest(), manifest_with(&missing)?)?;
    let object = format!("s3://{}/{missing}", bench.name);
    let message = &[manifest().key.as_str(), &object, "does not exist"];
    let hint = "redeliver";
    refused(&mut bench.client, READ, FDW_REPLY_HANDLE, message, hint)
}

fn manifest_that_leaves_the_bucket(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "dots")?;
    for key in [
        "cup/../../etc/passwd.parquet",
        "../x.parquet",
        "file:///etc/passwd.parquet",
    ] {
        bench.put(manifest(), manifest_with(key)?)?;
        let error = error_of(&mut bench.client, READ)?;
        assert!(error.message().contains(&manifest().key), "{error:?}");
        assert!(error.message().contains(key), "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        if key.contains("..") {
            assert_eq!(error.code().code(), FDW_ERROR, "{error:?}");
        }
    }
    Ok(())
}

/// The second row scans again what the first one listed.
fn file_deleted_or_overwritten_during_a_query(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "during")?;
    let rows = "SELECT line_item_unblended_cost FROM t";
    let groups = "SELECT count(*) FROM \
        (SELECT line_item_product_code, sum(line_item_unblended_cost) FROM t \
         WHERE line_item_unblended_cost < g * 1e9 GROUP BY 1) y";
    for inner in [rows, groups] {
        for deleted in [true, false] {
            bench.client.batch_execute(&format!(
                "BEGIN; SET LOCAL enable_material = off; SET LOCAL cursor_tuple_fraction = 1; \
                 DECLARE c CURSOR FOR SELECT g, n FROM generate_series(1, 2) g, \
                   LATERAL (SELECT count(x) + g AS n FROM ({inner}) x) l; FETCH 1 FROM c"
            ))?;
            match deleted {
                true => env.gateway.delete(&bench.name, &file().key)?,
                false => bench.put(file(), [&file().bytes[..], b"more"].concat())?,
            }
            let error = bench.ask("FETCH 1 FROM c")?.expect_err(inner);
            bench.names(inner, &error, &[&file().key]);
            bench.client.batch_execute("ROLLBACK")?;
            bench.put(file(), file().bytes.clone())?;
        }
    }
    bench.right("the file is back")
}

fn store_that_refuses_the_data(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "refuses")?;
    bench.client.batch_execute("SET cur_fdw.retries = 0")?;
    let data: Vec<&str> = bill().files.iter().map(|file| &*file.key).collect();
    for status in [400, 403, 404, 412, 416, 500, 503] {
        bench.proxy.set(Fault::Answer(status, ".parquet"));
        for query in QUERIES {
            let error = bench.ask(query)?.expect_err(query);
            // Any of the files: they are read side by side.
            bench.names(&format!("status {status}"), &error, &data);
        }
    }
    bench.proxy.set(Fault::Pass);
    bench.right("the store answers again")
}

/// While it lasts there is an ERROR after the retries; if it ends in time nobody notices.
fn store_that_is_busy(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "busy")?;
    let data: Vec<&str> = bill().files.iter().map(|file| &*file.key).collect();
    for status in [503, 500] {
        bench.client.batch_execute("SET cur_fdw.retries = 1")?;
        bench.proxy.set(Fault::Answer(status, ".parquet"));
        let began = Instant::now();
        let error = bench.ask(QUERIES[3])?.expect_err("the storm lasts");
        bench.names(&format!("status {status}"), &error, &data);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );

        bench.client.batch_execute("SET cur_fdw.retries = 6")?;
        let before = bench.proxy.answered();
        std::thread::scope(|scope| -> Result<()> {
            let (proxy, client, answer) = (&bench.proxy, &mut bench.client, &bench.answers[3]);
            let query = scope.spawn(|| client.query_one(QUERIES[3], &[]));
            while proxy.answered() == before && !query.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            proxy.set(Fault::Pass);
            let row = query.join().expect("the query does not panic")?;
            assert_eq!(&row.get::<_, String>(0), answer);
            Ok(())
        })?;
        assert!(bench.proxy.answered() > before);
    }
    Ok(())
}

fn connections_that_break(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "breaks")?;
    let data: Vec<&str> = bill().files.iter().map(|file| &*file.key).collect();
    // More than a listing or the manifest has, less than a footer's read.
    let after = 40_000;
    for fault in [Fault::ResetAfter(after), Fault::TruncateAfter(after)] {
        bench.client.batch_execute("SET cur_fdw.retries = 0")?;
        bench.proxy.set(fault);
        for query in QUERIES {
            let error = bench.ask(query)?.expect_err(query);
            bench.names(&format!("{fault:?}"), &error, &data);
        }
        // A read that breaks goes on where it broke.
        bench.client.batch_execute("SET cur_fdw.retries = 9")?;
        bench.right(&format!("{fault:?}, but each retry gets further"))?;
    }
    Ok(())
}

fn slow_store(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "slow")?;
    bench
        .client
        .batch_execute("SET cur_fdw.read_timeout = '2s'; SET cur_fdw.retries = 0")?;
    // 400 KB a second: slow, but never silent.
    bench.proxy.set(Fault::Slow(2_000));
    bench.right("a slow body")?;
    bench
        .client
        .batch_execute("SET cur_fdw.read_timeout = '300ms'")?;
    bench.proxy.set(Fault::StallAfter(40_000));
    let data: Vec<&str> = bill().files.iter().map(|file| &*file.key).collect();
    for query in QUERIES {
        let error = bench.ask(query)?.expect_err(query);
        bench.names("a silent body", &error, &data);
    }
    bench.proxy.set(Fault::Pass);
    bench.right("the store answers again")
}
