//! The benchmark's seven questions, asked of the bill AWS published: DuckDB's answers are right.

use crate::env::{Env, Test, tests};
use crate::real;
use pg_test::Result;
use pg_test::duckdb::DuckDb;
use pg_test::questions::{self, Subject};
use std::path::Path;
use tempfile::TempDir;

pub const TESTS: &[Test] = tests![
    foreign_table_answers_as_duckdb_does_with_and_without_pushdown,
    comparison_finds_a_wrong_answer,
];

const NAME: &str = "answers";
const TAGS: [&str; 2] = [
    "resource_tags_user_department",
    "resource_tags_user_environment",
];

fn foreign_table_answers_as_duckdb_does_with_and_without_pushdown(env: &Env) -> Result<()> {
    let Some(bills) = real::bills() else {
        return Ok(());
    };
    let mut client = real::database(env, NAME, &bills)?;
    client.batch_execute(
        "SET TimeZone = 'UTC';
         IMPORT FOREIGN SCHEMA \"cur/WorkshopCUR\" FROM SERVER bills INTO public;
         ALTER FOREIGN TABLE workshopcur RENAME TO bill",
    )?;
    let columns = questions::columns(&mut client, "bill")?;
    let (mut duckdb, _folders) = duckdb(&bills, &columns)?;
    let subject = Subject::choose(&mut duckdb, TAGS)?;
    for pushdown in ["on", "off"] {
        client.batch_execute(&format!("SET cur_fdw.enable_pushdown = {pushdown}"))?;
        for question in questions::seven(&subject) {
            let ours = questions::rows(&mut client, &question.sql)?;
            question
                .check(&ours, &mut duckdb)
                .map_err(|why| format!("with pushdown {pushdown}: {why}"))?;
        }
    }
    Ok(())
}

/// DuckDB over the same files, in folders that tell it year and month.
fn duckdb(bills: &Path, columns: &[String]) -> Result<(DuckDb, TempDir)> {
    let folders = tempfile::tempdir()?;
    let mut files = Vec::new();
    for month in &real::MONTHS {
        let folder = folders
            .path()
            .join(format!("year=2018/month={}", month.month));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("bill.parquet");
        std::os::unix::fs::symlink(bills.canonicalize()?.join(month.file), &file)?;
        files.push(file.display().to_string());
    }
    let mut duckdb = DuckDb::start()?;
    duckdb.create_bill(&files, columns, true)?;
    Ok((duckdb, folders))
}

/// A right answer with one cell changed, a row too few, or one row for all: every question must notice.
fn comparison_finds_a_wrong_answer(_env: &Env) -> Result<()> {
    let mut duckdb = DuckDb::start()?;
    duckdb.ask(
        "CREATE VIEW bill AS SELECT 'line ' || n AS identity_line_item_id,
                'resource-' || lpad((n % 30)::varchar, 8, '0') AS line_item_resource_id,
                timestamp '2025-09-01' + n * interval '1 hour' AS line_item_usage_start_date,
                'account' AS line_item_usage_account_id, 'service ' || n % 7 AS line_item_product_code,
                'type' AS line_item_usage_type, 'Usage' AS line_item_line_item_type,
                (n % 30 + 0.1)::double AS line_item_unblended_cost, 'a' AS one, 'b' || n % 3 AS other,
                date '2025-09-01' AS billing_period
           FROM range(700) AS r(n)",
    )?;
    let subject = Subject::choose(&mut duckdb, ["one", "other"])?;
    for question in questions::seven(&subject) {
        let right = duckdb.ask(&question.sql)?.rows;
        question.check(&right, &mut duckdb)?;
        for column in 0..right[0].len() {
            let mut wrong = right.clone();
            wrong[0][column].get_or_insert_default().insert(0, '9');
            assert!(
                question.check(&wrong, &mut duckdb).is_err(),
                "{}: {:?} passed",
                question.name,
                wrong[0]
            );
        }
        assert!(
            question.check(&right[1..], &mut duckdb).is_err(),
            "{}: a row too few passed",
            question.name
        );
        let repeated = vec![right[0].clone(); right.len()];
        assert!(
            right.len() == 1 || question.check(&repeated, &mut duckdb).is_err(),
            "{}: one row for all passed",
            question.name
        );
    }
    Ok(())
}
