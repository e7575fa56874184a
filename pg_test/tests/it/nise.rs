//! Bills that somebody else's generator makes: nise, of the koku project.
//!
//! They are good for layouts and parsing. Their amounts mean nothing, so the totals are DuckDB's.
//! `CUR_FDW_NISE` names the Python that has it; without one the tests say so and pass.

use crate::env::{Env, Test, skip, tests};
use crate::fixture::{connect, empty_bucket, sync};
use crate::generated::{Theirs, discovered};
use pg_test::Result;
use pg_test::bills::{BillFile, counted};
use std::path::Path;
use std::process::Command;

pub const TESTS: &[Test] = tests![
    aws_bills_load_as_nise_lays_them_out,
    azure_bills_load_as_nise_lays_them_out,
    gcp_bills_load_as_nise_lays_them_out,
];

/// What is asked of nise for a cloud, and what is to be found then.
struct Cloud {
    name: &'static str,
    arguments: &'static [&'static str],
    /// The option that names a bucket; a directory will do.
    bucket: &'static str,
    format: &'static str,
    /// The cost of a row, in DuckDB's SQL.
    cost: &'static str,
}

/// Three days are enough: it is the month's folder all the same.
const DAYS: [&str; 4] = ["-s", "2025-09-01", "-e", "2025-09-03"];

const AWS: Cloud = Cloud {
    name: "aws",
    arguments: &[
        "--file-row-limit",
        "2000",
        "--aws-s3-report-name",
        "cur",
        "--aws-s3-report-prefix",
        "reports",
    ],
    bucket: "--aws-s3-bucket-name",
    format: "aws-cur-csv",
    cost: "\"lineItem/UnblendedCost\"::decimal(38, 26)",
};

const AZURE: Cloud = Cloud {
    name: "azure",
    arguments: &[
        "--azure-report-name",
        "daily",
        "--azure-report-prefix",
        "costs",
    ],
    bucket: "--azure-container-name",
    format: "azure-actual",
    cost: "\"CostInBillingCurrency\"::decimal(38, 26)",
};

/// Without a prefix the file's name has the month.
const GCP: Cloud = Cloud {
    name: "gcp",
    arguments: &["--resource-level", "--gcp-etag", "e7a9"],
    bucket: "--gcp-bucket-name",
    format: "gcp-billing",
    cost: "cost::decimal(38, 26) + coalesce(list_sum(list_transform( \
           from_json(replace(replace(credits, '''', '\"'), 'None', 'null'), '[\"JSON\"]'), \
           c -> (c->>'$.amount')::decimal(38, 26))), 0)",
};

fn aws_bills_load_as_nise_lays_them_out(env: &Env) -> Result<()> {
    loads(env, &AWS)
}

fn azure_bills_load_as_nise_lays_them_out(env: &Env) -> Result<()> {
    loads(env, &AZURE)
}

fn gcp_bills_load_as_nise_lays_them_out(env: &Env) -> Result<()> {
    loads(env, &GCP)
}

fn loads(env: &Env, cloud: &Cloud) -> Result<()> {
    let Some(python) = std::env::var_os("CUR_FDW_NISE") else {
        skip("there is no Python with nise (CUR_FDW_NISE)");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let bucket = dir.path().join("bucket");
    std::fs::create_dir(&bucket)?;
    let output = Command::new(python)
        .current_dir(dir.path())
        .args(["-m", "nise", "report", cloud.name])
        .args(DAYS)
        .args(cloud.arguments)
        .arg(cloud.bucket)
        .arg(&bucket)
        .output()?;
    if !output.status.success() {
        return Err(format!("nise: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let files = files(&bucket)?;
    let name = format!("nise-{}", cloud.name);
    empty_bucket(env, &name)?;
    env.gateway.put_all(
        &name,
        files
            .iter()
            .map(|file| (file.key.clone(), file.bytes.clone())),
    )?;
    let mut client = env.database_with_extension(&name)?;
    connect(&mut client, env, &name)?;
    let prefix = discovered(&mut client, cloud.format)?;
    let mut theirs = Theirs::open(&counted(&files, &name))?.lenient();
    let rows = theirs.compare(&mut client, &prefix)?;
    client.query_one(
        "SELECT cost_analytics.cost_add_source('nise', server => 'bills', prefix => $1)",
        &[&prefix],
    )?;
    sync(&mut client)?;
    let total = theirs.texts(&format!("SELECT sum({}) FROM theirs", cloud.cost))?;
    let row = client.query_one(
        "SELECT (SELECT count(*) FROM cost_analytics.raw_nise), \
                (SELECT sum(cost) = $1::text::numeric FROM cost_analytics.costs), \
                (SELECT sum(cost)::text FROM cost_analytics.costs)",
        &[&total[0]],
    )?;
    assert_eq!(row.get::<_, i64>(0) as u64, rows);
    let found: Option<&str> = row.get(2);
    assert_eq!(
        row.get::<_, Option<bool>>(1),
        Some(true),
        "{found:?} for {}",
        total[0]
    );
    Ok(())
}

/// All files below a directory, with their paths as keys.
fn files(directory: &Path) -> Result<Vec<BillFile>> {
    let mut list = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            list.push(BillFile {
                key: path.strip_prefix(directory)?.display().to_string(),
                bytes: std::fs::read(&path)?,
            });
        }
    }
    list.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(list)
}
