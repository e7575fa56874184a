//! Those who load the same month in turn.

use pg_test::Result;
use pg_test::backend::Footprint;
use pg_test::bench::{median, timed};
use pg_test::duckdb::{DuckDb, quoted};
use pg_test::kept::Bill;
use pg_test::postgres::Cluster;
use pg_test::s3::Gateway;
use postgres::Client;

use crate::options::{Options, Shape};
use crate::{BUCKET, DATABASE};

/// What a copy needs to be planned for, and `cost_sync` does.
const ANALYZE: &str = "; SELECT cost_analytics.analyze_month('loaded')";

pub struct Contest<'a> {
    cluster: &'a Cluster,
    client: Client,
    /// None when it is left out, or cannot write to Postgres here.
    duckdb: Option<DuckDb>,
    files: Vec<String>,
    options: &'a Options,
    lines: Vec<Line>,
}

/// One way to load, and its rounds.
struct Line {
    name: &'static str,
    seconds: Vec<f64>,
    wal: i64,
    table: i64,
    /// The backend's own peak, in kB.
    peak: Option<u64>,
}

impl<'a> Contest<'a> {
    pub fn new(
        cluster: &'a Cluster,
        gateway: &Gateway,
        bill: &Bill,
        options: &'a Options,
    ) -> Result<Self> {
        Ok(Self {
            cluster,
            client: cluster.client(DATABASE)?,
            duckdb: match options.others {
                true => writer(cluster, gateway)?,
                false => None,
            },
            files: bill.data_files_in(&format!("s3://{BUCKET}"))?,
            options,
            lines: Vec::new(),
        })
    }

    pub fn run(mut self) -> Result<()> {
        // The first round makes the write-ahead log's files, which later ones write over.
        let warming_up = usize::from(self.options.rounds > 1);
        for round in 0..self.options.rounds + warming_up {
            if round == warming_up {
                self.lines.clear();
            }
            self.ours("cost_sync, raw only", "normalized => false")?;
            self.ours("cost_sync, with rollup", "normalized => true")?;
            if self.options.others {
                self.copy_of_heap("CTAS, heap to heap", "")?;
                self.copy_of_heap("CTAS and cost_sync's ANALYZE", ANALYZE)?;
                self.copy_binary()?;
                self.duckdb()?;
            }
        }
        self.check()?;
        self.print();
        Ok(())
    }

    /// In a backend of its own, for its peak.
    fn ours(&mut self, name: &'static str, how: &str) -> Result<()> {
        let mut client = self.cluster.client(DATABASE)?;
        let sync = format!("CALL cost_analytics.cost_sync(force => true, {how})");
        self.client.batch_execute("CHECKPOINT")?;
        let before = self.wal()?;
        let seconds = timed(&mut client, &sync)?;
        let wal = self.wal()? - before;
        let peak = Footprint::of(&mut client)?.own_peak_kb;
        let table = self.size(
            "SELECT sum(pg_table_size(inhrelid))::bigint FROM pg_inherits \
                               WHERE inhparent = 'cost_analytics.raw_press'::regclass",
        )?;
        self.note(name, seconds, wal, table, Some(peak));
        Ok(())
    }

    fn copy_of_heap(&mut self, name: &'static str, then: &str) -> Result<()> {
        self.other(name, |contest| {
            let copy = format!("CREATE TABLE loaded AS TABLE cost_analytics.raw_press{then}");
            timed(&mut contest.client, &copy)
        })
    }

    fn copy_binary(&mut self) -> Result<()> {
        let file = self.cluster.data_dir().join("month.copy");
        if !file.exists() {
            self.client.batch_execute(&format!(
                "COPY (SELECT * FROM cost_analytics.raw_press) TO '{}' (FORMAT binary)",
                file.display()
            ))?;
        }
        self.client
            .batch_execute("CREATE TABLE loaded (LIKE cost_analytics.raw_press)")?;
        self.other("COPY BINARY of ready tuples", |contest| {
            let copy = format!("COPY loaded FROM '{}' (FORMAT binary)", file.display());
            timed(&mut contest.client, &copy)
        })
    }

    fn duckdb(&mut self) -> Result<()> {
        if self.duckdb.is_none() {
            return Ok(());
        }
        self.other("DuckDB's Postgres writer", |contest| {
            let files = quoted(&contest.files);
            let Some(duckdb) = &mut contest.duckdb else {
                return Err("DuckDB is gone".into());
            };
            // It remembers the table of the round before.
            duckdb.ask("CALL pg_clear_cache()")?;
            let reader = match contest.options.shape {
                Shape::Csv => "read_csv",
                Shape::Parquet | Shape::Sparse => "read_parquet",
            };
            let load = format!("CREATE TABLE pg.loaded AS SELECT * FROM {reader}([{files}])");
            Ok(duckdb.ask(&load)?.took.as_secs_f64())
        })
    }

    /// Times a load into the table `loaded`, which goes afterwards.
    fn other(
        &mut self,
        name: &'static str,
        load: impl FnOnce(&mut Self) -> Result<f64>,
    ) -> Result<()> {
        self.client.batch_execute("CHECKPOINT")?;
        let before = self.wal()?;
        let seconds = load(self)?;
        let wal = self.wal()? - before;
        let table = self.size("SELECT pg_table_size('loaded')")?;
        let rows = self.size("SELECT count(*) FROM loaded")?;
        assert_eq!(rows as usize, self.options.rows, "{name} lost rows");
        self.client.batch_execute("DROP TABLE loaded")?;
        self.note(name, seconds, wal, table, None);
        Ok(())
    }

    fn note(&mut self, name: &'static str, seconds: f64, wal: i64, table: i64, peak: Option<u64>) {
        if !self.lines.iter().any(|line| line.name == name) {
            self.lines.push(Line {
                name,
                seconds: Vec::new(),
                wal,
                table,
                peak,
            });
        }
        for line in self.lines.iter_mut().filter(|line| line.name == name) {
            line.seconds.push(seconds);
            line.peak = line.peak.max(peak);
        }
        println!("{name}: {seconds:.2} s");
    }

    fn wal(&mut self) -> Result<i64> {
        self.size("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
    }

    fn size(&mut self, sql: &str) -> Result<i64> {
        Ok(self.client.query_one(sql, &[])?.get(0))
    }

    /// What is loaded must be what the ledger read from the files.
    fn check(&mut self) -> Result<()> {
        let same: bool = self
            .client
            .query_one(
                "SELECT (SELECT sum(cost) FROM cost_analytics.costs)
                      = (SELECT unblended FROM cost_analytics.manifests WHERE state = 'loaded')
                    AND (SELECT count(*) FROM cost_analytics.raw_press)
                      = (SELECT rows FROM cost_analytics.manifests WHERE state = 'loaded')",
                &[],
            )?
            .get(0);
        assert!(same, "the month was not loaded whole");
        Ok(())
    }

    fn print(&self) {
        let time = |name: &str| {
            let line = self.lines.iter().find(|line| line.name.starts_with(name));
            line.map(|line| median(line.seconds.clone()))
        };
        let ratio = |seconds: f64, name: &str| {
            time(name).map_or("–".to_owned(), |other| format!("{:.2}", seconds / other))
        };
        println!("\nmedians of {}\n", self.options.rounds);
        println!(
            "| load | s | rows/s | / CTAS | / COPY | / DuckDB | WAL, MB | table, MB | peak, MB |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for line in &self.lines {
            let seconds = median(line.seconds.clone());
            println!(
                "| {} | {seconds:.2} | {:.0} | {} | {} | {} | {} | {} | {} |",
                line.name,
                self.options.rows as f64 / seconds,
                ratio(seconds, "CTAS"),
                ratio(seconds, "COPY"),
                ratio(seconds, "DuckDB"),
                line.wal / 1_000_000,
                line.table / 1_000_000,
                line.peak
                    .map_or("–".to_owned(), |kb| (kb / 1024).to_string()),
            );
        }
    }
}

/// DuckDB with the month in S3 and the database `pg`.
fn writer(cluster: &Cluster, gateway: &Gateway) -> Result<Option<DuckDb>> {
    let mut duckdb = DuckDb::start()?;
    let (Some(httpfs), Some(extension)) = (duckdb.httpfs.clone(), duckdb.postgres.clone()) else {
        println!("DuckDB's extensions for S3 and Postgres are not installed: it is left out");
        return Ok(None);
    };
    duckdb.use_s3(&httpfs, gateway)?;
    duckdb.ask(&format!("LOAD '{}'", extension.display()))?;
    duckdb.ask(&format!(
        "ATTACH '{}' AS pg (TYPE postgres)",
        cluster.url(DATABASE)
    ))?;
    Ok(Some(duckdb))
}
