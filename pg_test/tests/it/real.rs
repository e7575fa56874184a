//! The bill AWS published: two months of a real Cost and Usage Report, cell by cell.
//!
//! The files are not ours to hand on: `CUR_FDW_REAL_BILLS` names the folder that has them.

use crate::env::{Env, Test, tests};
use crate::fixture;
use pg_test::Result;
use postgres::Client;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const TESTS: &[Test] = tests![
    foreign_table_shows_every_cell_as_duckdb_reads_it,
    synced_months_add_up_to_the_bill,
];

const NAME: &str = "real";
const ROOT: &str = "cur/WorkshopCUR";
const STATUS: &str = "cost_and_usage_data_status/cost_and_usage_data_status.parquet";

/// A month as published, with what is known about it from elsewhere.
pub struct Month {
    pub file: &'static str,
    pub month: &'static str,
    columns: i64,
    rows: i64,
    /// DuckDB's decimal sum of `line_item_unblended_cost`, to ten digits.
    unblended: &'static str,
}

pub const MONTHS: [Month; 2] = [
    Month {
        file: "Oct2018-WorkshopCUR-00001.snappy.parquet",
        month: "10",
        columns: 124,
        rows: 119_307,
        unblended: "4064.4831315379",
    },
    Month {
        file: "Nov2018-WorkshopCUR-00001.snappy.parquet",
        month: "11",
        columns: 126,
        rows: 124_340,
        unblended: "3505.3269681268",
    },
];

/// AWS added the one, the account's owner tagged something with the other.
const NEW_IN_NOVEMBER: [&str; 2] = ["product_category", "resource_tags_user_tag21_nov"];

/// Where the files are, or nothing, with a word about it.
pub fn bills() -> Option<PathBuf> {
    fixture::of_others("aws-cur-parquet", &MONTHS.map(|month| month.file))
}

/// A database of that name, whose server `bills` reads the bucket of the same name with the files as
/// AWS lays them out.
pub fn database(env: &Env, name: &str, bills: &Path) -> Result<Client> {
    fixture::empty_bucket(env, name)?;
    let data = format!("{ROOT}/WorkshopCUR");
    for month in &MONTHS {
        let key = format!(
            "{data}/year=2018/month={}/WorkshopCUR-00001.snappy.parquet",
            month.month
        );
        env.gateway
            .put(name, &key, std::fs::read(bills.join(month.file))?)?;
        let (first, next) = (month.month, month.month.parse::<u32>()? + 1);
        let manifest = json!({
            "assemblyId": format!("00000000-2018-4000-8000-0000000000{first}"),
            "account": "000000000000",
            "charset": "UTF-8",
            "compression": "Parquet",
            "contentType": "Parquet",
            "reportId": "0000",
            "reportName": "WorkshopCUR",
            "billingPeriod": {
                "start": format!("2018{first}01T000000.000Z"),
                "end": format!("2018{next}01T000000.000Z"),
            },
            "bucket": name,
            "reportKeys": [key],
        });
        let key = format!("{ROOT}/2018{first}01-2018{next}01/WorkshopCUR-Manifest.json");
        env.gateway
            .put(name, &key, serde_json::to_vec(&manifest)?)?;
    }
    // No part of the bill, although it ends in .parquet.
    if let Ok(status) = std::fs::read(bills.join("cost_and_usage_data_status.parquet")) {
        env.gateway.put(name, &format!("{data}/{STATUS}"), status)?;
    }
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    Ok(client)
}

fn foreign_table_shows_every_cell_as_duckdb_reads_it(env: &Env) -> Result<()> {
    let Some(bills) = bills() else { return Ok(()) };
    let mut client = database(env, NAME, &bills)?;
    client.batch_execute(
        "CREATE SCHEMA bills; IMPORT FOREIGN SCHEMA \"cur/WorkshopCUR\" FROM SERVER bills INTO bills",
    )?;
    let table: String = client
        .query_one("SELECT ftrelid::regclass::text FROM pg_foreign_table", &[])?
        .get(0);
    let columns: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0",
            &[&table],
        )?
        .get(0);
    assert_eq!(
        columns,
        MONTHS[1].columns + 3,
        "the newest month's, and those of the path"
    );

    for month in &MONTHS {
        // Within the data directory, for Postgres's user can write there.
        let csv = env.cluster.data_dir().join(format!("{}.csv", month.month));
        client.batch_execute(&format!(
            "COPY (SELECT * FROM {table} WHERE month = '{}') TO '{}' \
               (FORMAT csv, HEADER, FORCE_QUOTE *, NULL '\\N')",
            month.month,
            csv.display()
        ))?;
        let mut compare = python();
        compare.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/compare.py"));
        compare
            .arg(&csv)
            .arg(bills.join(month.file))
            .args(["2018", month.month]);
        if month.month == "10" {
            compare.args(NEW_IN_NOVEMBER);
        }
        let output = compare.output()?;
        std::fs::remove_file(&csv)?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "month {}: {said}{}",
            month.month,
            String::from_utf8_lossy(&output.stderr)
        );
        let cells = month.columns * month.rows;
        assert!(
            said.starts_with(&format!("{cells} cells of {} columns", month.columns)),
            "{said}"
        );
    }
    Ok(())
}

fn python() -> Command {
    let python = std::env::var_os("CUR_FDW_PYTHON");
    Command::new(python.as_deref().unwrap_or("python3".as_ref()))
}

fn synced_months_add_up_to_the_bill(env: &Env) -> Result<()> {
    let Some(bills) = bills() else { return Ok(()) };
    let mut client = database(env, NAME, &bills)?;
    client.query_one(
        "SELECT cost_analytics.cost_add_source('workshop', 'bills', $1)",
        &[&ROOT],
    )?;
    let plan = client.query(
        "SELECT billing_period::text, action, files FROM cost_analytics.cost_plan()",
        &[],
    )?;
    let plan: Vec<(String, String, i64)> = plan
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect();
    let load = |month: &str| (month.to_owned(), "load".to_owned(), 1);
    assert_eq!(
        plan,
        [load("2018-11-01"), load("2018-10-01")],
        "newest first"
    );
    fixture::sync(&mut client)?;

    for month in &MONTHS {
        let period = format!("2018-{}-01", month.month);
        let row = client.query_one(
            "SELECT (SELECT count(*) FROM cost_analytics.raw_workshop WHERE billing_period = $1::text::date), \
                    (SELECT sum(cost)::text FROM cost_analytics.costs WHERE billing_period = $1::text::date), \
                    (SELECT abs(sum(cost) - $2::text::numeric) <= 1e-9 FROM cost_analytics.costs \
                       WHERE billing_period = $1::text::date), \
                    (SELECT count(*) FROM cost_analytics.costs WHERE billing_period = $1::text::date \
                       AND (service IS NULL OR service = '' OR account_id = '' OR account_id IS NULL \
                            OR date IS NULL OR currency IS NULL OR currency = '')), \
                    (SELECT sum(line_items)::bigint FROM cost_analytics.costs WHERE billing_period = $1::text::date)",
            &[&period, &month.unblended],
        )?;
        assert_eq!(row.get::<_, i64>(0), month.rows, "{period}");
        assert!(
            row.get::<_, bool>(2),
            "{period}: {} for {}",
            row.get::<_, &str>(1),
            month.unblended
        );
        assert_eq!(
            row.get::<_, i64>(3),
            0,
            "{period}: rows of costs without service, account, day or currency"
        );
        assert_eq!(
            row.get::<_, i64>(4),
            month.rows,
            "{period}: every line item is in costs once"
        );
    }
    let columns = client.query(
        "SELECT a.attname::text FROM pg_attribute a \
          WHERE attrelid = 'cost_analytics.workshop'::regclass AND attnum > 0 AND NOT attisdropped",
        &[],
    )?;
    assert_eq!(columns.len() as i64, MONTHS[1].columns + 3);
    let nulls = NEW_IN_NOVEMBER
        .map(|name| format!("count({name})"))
        .join(" + ");
    let row = client.query_one(
        &format!("SELECT {nulls} FROM cost_analytics.raw_workshop WHERE month = '10'"),
        &[],
    )?;
    assert_eq!(
        row.get::<_, i64>(0),
        0,
        "October does not have November's columns"
    );

    let names: Vec<&str> = columns.iter().map(|row| row.get(0)).collect();
    let list = names
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let raw = format!("SELECT {list} FROM cost_analytics.raw_workshop WHERE month = '10'");
    let foreign = format!("SELECT {list} FROM cost_analytics.workshop WHERE month = '10'");
    for (one, other) in [(&raw, &foreign), (&foreign, &raw)] {
        let row = client.query_one(
            &format!("SELECT count(*) FROM ({one} EXCEPT ALL {other}) AS difference"),
            &[],
        )?;
        assert_eq!(
            row.get::<_, i64>(0),
            0,
            "raw table and foreign table differ"
        );
    }

    let changes = client.query(
        "SELECT concat_ws(' ', billing_period, change, file_column) FROM cost_analytics.schema_changes ORDER BY 1",
        &[],
    )?;
    let changes: Vec<String> = changes.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        changes,
        NEW_IN_NOVEMBER.map(|name| format!("2018-11-01 added {name}"))
    );

    let mark = env.gateway.mark()?;
    fixture::sync(&mut client)?;
    let requests = env.gateway.requests_since(mark)?;
    assert_eq!(requests.len(), 1, "one listing: {requests:?}");
    Ok(())
}
