//! How long queries on a bill take where it lies, as ratios of one run: to DuckDB on the same files,
//! and to a heap table of the same rows.
//!
//! `cargo bench-query [OPTIONS]`; the default is a 178-column month of 1,000,000 rows, as local files
//! and in the S3 server. Every answer is compared with DuckDB's first.

#![allow(missing_docs)]

mod options;
mod report;

use options::Options;
use pg_test::Result;
use pg_test::bench::{self, median, timed};
use pg_test::duckdb::DuckDb;
use pg_test::kept::Bill;
use pg_test::postgres::{Cluster, Installation};
use pg_test::questions::{self, Question, Subject};
use pg_test::s3::Gateway;
use postgres::Client;
use report::Line;

const BUCKET: &str = "bench";
const DATABASE: &str = "bench";
const TAGS: [&str; 2] = ["resource_tags_user_team", "resource_tags_user_env"];
const SETTINGS: &[(&str, &str)] = &[("shared_buffers", "1GB"), ("max_wal_size", "8GB")];

/// Where the bill lies; also the name of the server and of the schema with the foreign table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Local,
    S3,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Local => "local",
            Place::S3 => "s3",
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse()?;
    let installation = Installation::from_env()?;
    let bill = Bill::prepare(options.rows, options.months, None)?;
    let cluster = Cluster::start(&installation, SETTINGS)?;
    let gateway = match options.s3 {
        true => Some(Gateway::start()?),
        false => None,
    };
    let bench = Bench {
        options,
        bill,
        cluster,
        gateway,
    };
    let missed = bench.run()?;
    if missed.is_empty() {
        return Ok(());
    }
    Err(format!("targets missed:\n  {}", missed.join("\n  ")).into())
}

struct Bench {
    options: Options,
    bill: Bill,
    cluster: Cluster,
    /// None when only local files are asked for.
    gateway: Option<Gateway>,
}

impl Bench {
    /// Measures everywhere; what comes back are missed targets, if that is asked for.
    fn run(&self) -> Result<Vec<String>> {
        self.create_database()?;
        let mut missed = Vec::new();
        if self.options.local {
            missed.extend(self.measure(Place::Local)?);
        }
        if self.options.s3 {
            missed.extend(self.measure(Place::S3)?);
        }
        Ok(missed)
    }

    /// The extension, the foreign tables `local.bill` and `s3.bill`, and the table `heap.bill`.
    fn create_database(&self) -> Result<()> {
        let mut client = self.cluster.client("postgres")?;
        client.batch_execute(&format!("CREATE DATABASE {DATABASE}"))?;
        let mut client = self.cluster.client(DATABASE)?;
        client.batch_execute(&format!(
            "CREATE EXTENSION cur_fdw;
             CREATE SERVER local FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 'file://{}')",
            self.bill.root.display()
        ))?;
        import(&mut client, Place::Local)?;
        if let Some(gateway) = &self.gateway {
            self.bill.upload(gateway, BUCKET)?;
            client.batch_execute(&bench::server("s3", BUCKET, gateway))?;
            import(&mut client, Place::S3)?;
        }
        if self.options.heap {
            client
                .batch_execute("CREATE SCHEMA heap; CREATE TABLE heap.bill AS TABLE local.bill")?;
            client.batch_execute("VACUUM (ANALYZE) heap.bill")?;
        }
        Ok(())
    }

    fn measure(&self, place: Place) -> Result<Vec<String>> {
        let mut contest = Contest {
            ours: self.session(place.name())?,
            heap: match self.options.heap {
                true => Some(self.session("heap")?),
                false => None,
            },
            duckdb: DuckDb::start()?,
            repeat: self.options.repeat,
        };
        let duckdb_reads = self.connect_duckdb(&mut contest, place)?;
        println!(
            "\n{} month(s) of {} rows x 178 columns, {} MB, {}; PostgreSQL {}, DuckDB {} {duckdb_reads}; {} threads each; median of {}\n",
            self.options.months,
            self.options.rows,
            self.bill.bytes()? / 1_000_000,
            place.name(),
            self.cluster.installation().major,
            contest.duckdb.version,
            self.options.threads,
            self.options.repeat,
        );
        let subject = Subject::choose(&mut contest.duckdb, TAGS)?;
        let questions = questions::seven(&subject);
        let mut lines = Vec::new();
        for (question, number) in questions.iter().zip(1..) {
            if self.options.only.is_none_or(|only| only == number) {
                lines.push(contest.line(question, number)?);
            }
        }
        report::print(&lines);
        if self.options.explain {
            for line in &lines {
                explain(&mut contest.ours, line.question)?;
            }
        }
        let missed = match self.options.check {
            true => report::missed(&lines),
            false => Vec::new(),
        };
        Ok(missed
            .iter()
            .map(|target| format!("{}: {target}", place.name()))
            .collect())
    }

    /// A connection whose `bill` is that of the schema.
    fn session(&self, schema: &str) -> Result<Client> {
        let mut client = self.cluster.client(DATABASE)?;
        client.batch_execute(&format!(
            "SET search_path = {schema}; SET TimeZone = 'UTC'; SET cur_fdw.threads = {}",
            self.options.threads
        ))?;
        Ok(client)
    }

    /// Shows DuckDB the same files, and says in words how it reads them.
    fn connect_duckdb(&self, contest: &mut Contest, place: Place) -> Result<&'static str> {
        let duckdb = &mut contest.duckdb;
        // Without its cache of what it read before: a query reads the store, as ours does.
        duckdb.ask(&format!("SET threads = {}", self.options.threads))?;
        duckdb.ask("SET enable_external_file_cache = false")?;
        let httpfs = duckdb.httpfs.clone();
        let (base, how) = match (place, &self.gateway, httpfs) {
            (Place::S3, Some(gateway), Some(httpfs)) => {
                duckdb.use_s3(&httpfs, gateway)?;
                (format!("s3://{BUCKET}"), "through its httpfs")
            }
            (Place::S3, ..) => (
                self.bill.root.display().to_string(),
                "on LOCAL FILES, for its httpfs is not installed",
            ),
            (Place::Local, ..) => (self.bill.root.display().to_string(), "on the same files"),
        };
        let files = self.bill.data_files_in(&base)?;
        let columns = questions::columns(&mut contest.ours, "bill")?;
        duckdb.create_bill(&files, &columns, false)?;
        Ok(how)
    }
}

fn import(client: &mut Client, place: Place) -> Result<()> {
    let name = place.name();
    client.batch_execute(&format!(
        "CREATE SCHEMA {name};
         IMPORT FOREIGN SCHEMA \"{}\" FROM SERVER {name} INTO {name};
         ALTER FOREIGN TABLE {name}.cup_cost_usage_report RENAME TO bill",
        Bill::prefix()
    ))?;
    Ok(())
}

/// Those who answer the same questions in turn.
struct Contest {
    ours: Client,
    heap: Option<Client>,
    duckdb: DuckDb,
    repeat: usize,
}

impl Contest {
    /// One query: a round that warms up and compares the answers, then the timed ones.
    fn line<'a>(&mut self, question: &'a Question, number: usize) -> Result<Line<'a>> {
        for client in std::iter::once(&mut self.ours).chain(&mut self.heap) {
            let rows = questions::rows(client, &question.sql)?;
            question.check(&rows, &mut self.duckdb)?;
        }
        let (mut ours, mut duckdb, mut heap) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.repeat {
            ours.push(timed(&mut self.ours, &question.sql)?);
            duckdb.push(self.duckdb.ask(&question.sql)?.took.as_secs_f64());
            if let Some(client) = &mut self.heap {
                heap.push(timed(client, &question.sql)?);
            }
        }
        let milliseconds = |times| median(times) * 1000.0;
        Ok(Line {
            number,
            question,
            ours: milliseconds(ours),
            duckdb: milliseconds(duckdb),
            heap: self.heap.is_some().then(|| milliseconds(heap)),
        })
    }
}

fn explain(client: &mut Client, question: &Question) -> Result<()> {
    println!("\n{}\n{}", question.name, question.sql);
    let plan = questions::rows(
        client,
        &format!("EXPLAIN (ANALYZE, VERBOSE) {}", question.sql),
    )?;
    for line in plan.iter().flatten().flatten() {
        println!("  {line}");
    }
    Ok(())
}
