//! Months whose costs are rolled up straight from the files, beside DuckDB's GROUP BY.

use pg_test::Result;
use pg_test::bench::{median, timed};
use pg_test::duckdb::{DuckDb, quoted};
use pg_test::kept::Bill;
use pg_test::postgres::Cluster;
use pg_test::s3::Gateway;

use crate::options::Options;
use crate::{BUCKET, DATABASE};

/// What costs_daily groups by, as DuckDB says it.
const GROUPS: &str = "SELECT year, month, line_item_usage_start_date::date AS date,
       coalesce(nullif(line_item_usage_account_id, ''), nullif(bill_payer_account_id, '')) AS account_id,
       coalesce(nullif(product_product_name, ''), nullif(product_servicename, ''),
                nullif(line_item_product_code, '')) AS service,
       coalesce(nullif(product_region, ''), nullif(product_region_code, ''),
                nullif(line_item_availability_zone, '')) AS region,
       line_item_line_item_type, line_item_currency_code,
       sum(line_item_unblended_cost), count(*)";

/// Every month anew, in turn with DuckDB.
pub fn measure(cluster: &Cluster, gateway: &Gateway, bill: &Bill, options: &Options) -> Result<()> {
    let rounds = options.rounds;
    let workers = options.workers.unwrap_or(1);
    let mut client = cluster.client(DATABASE)?;
    client.batch_execute(&format!("SET cur_fdw.sync_workers = {workers}"))?;
    let mut duckdb = DuckDb::start()?;
    let httpfs = duckdb
        .httpfs
        .clone()
        .ok_or("DuckDB's extension for S3 is not installed")?;
    duckdb.use_s3(&httpfs, gateway)?;
    duckdb.ask("SET enable_external_file_cache = false")?;
    let files = bill.data_files_in(&format!("s3://{BUCKET}"))?;
    let group_by = format!(
        "{GROUPS} FROM read_parquet([{}], hive_partitioning = true) GROUP BY ALL",
        quoted(&files)
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let sync = timed(
            &mut client,
            "CALL cost_analytics.cost_sync(force => true, raw => false)",
        )?;
        let query = duckdb.ask(&group_by)?.took.as_secs_f64();
        println!("cost_sync {sync:.2} s, DuckDB {query:.2} s");
        // The first warms up.
        if round > 0 {
            ours.push(sync);
            theirs.push(query);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "\nmedians of {rounds}: cost_sync, {workers} side by side, {ours:.2} s = {:.2} x DuckDB's GROUP BY ({theirs:.2} s)",
        ours / theirs
    );
    Ok(())
}
