//! The main job, from a bucket of bills to the `costs` view, on a throwaway Postgres and a real S3
//! server. Ends with an error if a total differs from the generator's.

#![allow(missing_docs)]

use std::time::Instant;

use pg_test::Result;
use pg_test::bills::{MonthBill, Report, status_file};
use pg_test::postgres::{Cluster, Installation};
use pg_test::s3::Gateway;

const BUCKET: &str = "cupa-cost-usage-combined";
const DATABASE: &str = "finops";
const RESTATED: (i32, u32) = (2025, 10);

fn main() -> Result<()> {
    let started = Instant::now();
    let keep = std::env::args().any(|argument| argument == "--keep");
    let installation = Installation::from_env()?;
    title("Starting Postgres and an S3 server (Ceph's object gateway)");
    let gateway = Gateway::start()?;
    let cluster = Cluster::start(&installation, &[])?;
    cluster
        .client("postgres")?
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))?;
    let demo = Demo { gateway, cluster };

    title("Two reports of three months each arrive in the bucket, as AWS delivers them");
    let mut bills = demo.deliver()?;
    demo.look()?;
    demo.sync()?;
    demo.check(&bills)?;
    title("AWS restates October: a new delivery with corrected rows, a support fee and a refund");
    demo.restate(&mut bills)?;
    demo.check(&bills)?;

    println!("\nDone in {:.0} s.", started.elapsed().as_secs_f64());
    demo.say_how_to_connect(keep)
}

struct Demo {
    gateway: Gateway,
    cluster: Cluster,
}

impl Demo {
    fn deliver(&self) -> Result<Vec<(Report, MonthBill)>> {
        self.gateway.create_bucket(BUCKET)?;
        let mut bills = Vec::new();
        for report in [Report::press(), Report::ca()] {
            let report = Report {
                bucket: BUCKET.to_owned(),
                ..report
            };
            let status = status_file(&report);
            self.gateway.put(BUCKET, &status.key, status.bytes)?;
            for month in report.all() {
                self.upload(&month)?;
                println!(
                    "  {:<24} {}-{:02}  {:>6} rows  {:>2} objects",
                    report.name,
                    month.year,
                    month.month,
                    month.totals.rows,
                    month.files.len()
                );
                bills.push((report.clone(), month));
            }
        }
        Ok(bills)
    }

    fn upload(&self, month: &MonthBill) -> Result<()> {
        for file in &month.files {
            self.gateway.put(BUCKET, &file.key, file.bytes.clone())?;
        }
        Ok(())
    }

    fn look(&self) -> Result<()> {
        title("Connect, look, query in place: nothing is loaded");
        self.show("CREATE EXTENSION cur_fdw;")?;
        self.show(&format!(
            "CREATE SERVER billing FOREIGN DATA WRAPPER cur_fdw\n  OPTIONS (url 's3://{BUCKET}', region 'us-east-1', endpoint '{}', allow_http 'true');",
            self.gateway.endpoint()
        ))?;
        self.show(&format!(
            "CREATE USER MAPPING FOR CURRENT_USER SERVER billing\n  OPTIONS (access_key_id '{}', secret_access_key '{}');",
            self.gateway.access_key(),
            self.gateway.secret_key()
        ))?;
        self.show("SELECT * FROM cost_analytics.cost_test('billing');")?;
        self.show("SELECT * FROM cost_analytics.cost_discover('billing');")?;
        self.show(
            "CREATE SCHEMA bills;\nIMPORT FOREIGN SCHEMA \"cup/CUP-Cost-Usage-Report\" FROM SERVER billing INTO bills;",
        )?;
        self.show(
            "SELECT line_item_line_item_type AS type, count(*), round(sum(line_item_unblended_cost)::numeric, 2) AS unblended\n  FROM bills.cup_cost_usage_report\n WHERE billing_period = '2025-11-01'\n GROUP BY 1 ORDER BY 3 DESC;",
        )?;
        self.show(
            "EXPLAIN (COSTS OFF) SELECT count(*) FROM bills.cup_cost_usage_report WHERE year = '2025' AND month = '11';",
        )
    }

    fn sync(&self) -> Result<()> {
        title("Sync it: every month in a transaction of its own");
        self.show(
            "SELECT cost_analytics.cost_add_source('aws_cur_press', server => 'billing', prefix => 'cup/CUP-Cost-Usage-Report/CUP-Cost-Usage-Report/');\nSELECT cost_analytics.cost_add_source('aws_cur_ca', server => 'billing', prefix => 'ca/CA-Cost-Usage-Report');",
        )?;
        self.show(
            "SELECT source_name, billing_period, action, files, bytes, why FROM cost_analytics.cost_plan();",
        )?;
        self.show("CALL cost_analytics.cost_sync();")?;
        self.show(
            "SELECT service, round(sum(cost), 2) AS cost\n  FROM cost_analytics.costs GROUP BY service ORDER BY 2 DESC LIMIT 8;",
        )?;
        self.show(
            "SELECT source_table, account_id, round(sum(cost), 2) AS cost\n  FROM cost_analytics.costs GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 6;",
        )?;
        self.show(
            "SELECT date, round(sum(cost), 2) AS cost,\n       repeat('#', (sum(cost) / 40)::int) AS trend\n  FROM cost_analytics.costs\n WHERE line_item_type NOT IN ('Tax', 'Fee', 'Credit', 'Refund', 'RIFee') AND date BETWEEN '2025-11-01' AND '2025-11-10'\n GROUP BY date ORDER BY date;",
        )
    }

    fn restate(&self, bills: &mut [(Report, MonthBill)]) -> Result<()> {
        let (year, month) = RESTATED;
        let restated = bills
            .iter_mut()
            .find(|(_, bill)| (bill.year, bill.month) == RESTATED);
        let (report, bill) = restated.ok_or("the sample has no October")?;
        *bill = report.month(year, month, 1);
        self.upload(bill)?;
        self.show(
            "SELECT source_name, billing_period, action, why FROM cost_analytics.cost_plan() WHERE action <> 'skip';",
        )?;
        self.show("CALL cost_analytics.cost_sync();")?;
        self.show(
            "SELECT source_name, billing_period, state, rows, round(unblended, 2) AS unblended\n  FROM cost_analytics.manifests ORDER BY 1, 2 DESC, id;",
        )
    }

    /// Compares every month's total in `costs` with the generator's, digit by digit.
    fn check(&self, bills: &[(Report, MonthBill)]) -> Result<()> {
        let mut client = self.cluster.client(DATABASE)?;
        println!("\nTotals in costs against the generator's:");
        for (report, bill) in bills {
            let source = if report.prefix == "cup" {
                "aws_cur_press"
            } else {
                "aws_cur_ca"
            };
            let period = format!("{}-{:02}-01", bill.year, bill.month);
            let total: String = client
                .query_one(
                    "SELECT trim_scale(sum(cost))::text FROM cost_analytics.costs
                      WHERE source_name = $1 AND billing_period::text = $2",
                    &[&source, &period],
                )?
                .get(0);
            println!("  {source:<14} {period}  {total}");
            if total != bill.totals.unblended {
                return Err(format!("the bill of {period} says {}", bill.totals.unblended).into());
            }
        }
        println!("  all equal to the last digit");
        Ok(())
    }

    /// Runs SQL as a user would, and shows both.
    fn show(&self, sql: &str) -> Result<()> {
        println!(
            "\n{DATABASE}=> {}",
            sql.replace('\n', &format!("\n{DATABASE}-> "))
        );
        let (output, ok) = self.cluster.psql(DATABASE, sql)?;
        println!("{}", output.trim_end());
        if ok {
            Ok(())
        } else {
            Err("the statement above failed".into())
        }
    }

    fn say_how_to_connect(&self, keep: bool) -> Result<()> {
        let url = self.cluster.url(DATABASE);
        if !keep {
            println!("The servers are stopped. `cargo demo --keep` leaves them running.");
            return Ok(());
        }
        println!("\nConnect with:  psql {url}");
        println!(
            "S3 endpoint:   {} (bucket {BUCKET})",
            self.gateway.endpoint()
        );
        println!("Both servers run until Enter is pressed, or this process ends.");
        if std::io::stdin().read_line(&mut String::new())? == 0 {
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }
}

fn title(text: &str) {
    println!("\n== {text}");
}
