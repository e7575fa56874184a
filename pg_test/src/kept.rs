//! The bill of the benchmarks: made once, kept for the next run.

use crate::Result;
use crate::bills::{self, Report, Width};
use crate::duckdb::DuckDb;
use crate::s3::Gateway;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Few enough rows for four files of a month of a million; AWS cuts at about a million. Each file is
/// one row group.
const FILES_A_MONTH: usize = 4;
const ROWS_A_FILE: usize = 1_000_000;

/// As many as most reports have.
pub const CSV_COLUMNS: usize = 120;

/// A delivered bill in a directory.
#[derive(Debug)]
pub struct Bill {
    /// The directory that stands for the bucket.
    pub root: PathBuf,
    /// Every file below it, sorted.
    files: Vec<PathBuf>,
}

impl Bill {
    /// The prefix under which the report is delivered.
    pub fn prefix() -> String {
        let report = Report::press();
        format!("{}/{}", report.prefix, report.name)
    }

    /// The bill of that size, in `CUR_FDW_BENCH_DATA` or else in the system's temporary directory. Its
    /// files have so many rows, or what is usual.
    pub fn prepare(rows: usize, months: u32, rows_a_file: Option<usize>) -> Result<Self> {
        let kept = std::env::var_os("CUR_FDW_BENCH_DATA")
            .map_or_else(|| std::env::temp_dir().join("cur_fdw-bench"), PathBuf::from);
        let cut = rows_a_file.map_or_else(String::new, |rows| format!("-in-files-of-{rows}"));
        let root = kept.join(format!("{months}x{rows}{cut}"));
        if !root.exists() {
            println!("making {months} x {rows} rows in {}", root.display());
            let usual = rows.div_ceil(FILES_A_MONTH).min(ROWS_A_FILE);
            make(rows, months, rows_a_file.unwrap_or(usual), &root)?;
        }
        let mut files = files_under(&root)?;
        files.sort();
        Ok(Bill { root, files })
    }

    /// The same bill as a writer would have it that knows NULL: nothing where this has `''` and 0,
    /// by DuckDB, with its row groups and statistics.
    pub fn sparse(&self) -> Result<Bill> {
        self.made_anew("sparse", |duckdb, unfinished| {
            for file in &self.files {
                let target = unfinished.join(file.strip_prefix(&self.root)?);
                std::fs::create_dir_all(target.parent().ok_or("a file without folder")?)?;
                match file.extension().is_some_and(|e| e == "parquet") {
                    true => thin_out(duckdb, file, &target)?,
                    false => drop(std::fs::copy(file, target)?),
                }
            }
            Ok(())
        })
    }

    /// A month's first [`CSV_COLUMNS`] columns as gzip CSV without a manifest, a file for each of its
    /// files, by DuckDB.
    pub fn csv(&self) -> Result<Bill> {
        self.made_anew("csv", |duckdb, unfinished| {
            let is_manifest = |file: &&PathBuf| file.extension().is_some_and(|e| e == "json");
            let manifest = self.files.iter().find(is_manifest);
            let month = manifest.and_then(|file| file.parent());
            let month = month.ok_or("a bill without manifest")?;
            let folder = unfinished.join(month.strip_prefix(&self.root)?);
            std::fs::create_dir_all(&folder)?;
            for (number, file) in (1..).zip(self.data_files()?) {
                let target = folder.join(format!("bill-{number:05}.csv.gz"));
                write_csv(duckdb, &self.root.join(file), &target)?;
            }
            Ok(())
        })
    }

    /// The bill that `make` writes into a directory, once and for all.
    fn made_anew(
        &self,
        suffix: &str,
        make: impl FnOnce(&mut DuckDb, &Path) -> Result<()>,
    ) -> Result<Bill> {
        let mut root = self.root.clone().into_os_string();
        root.push(format!("-{suffix}"));
        let root = PathBuf::from(root);
        if !root.exists() {
            println!("making {}", root.display());
            let unfinished = root.with_extension(format!("part-{}", std::process::id()));
            make(&mut DuckDb::start()?, &unfinished)?;
            std::fs::rename(&unfinished, &root)?;
        }
        let mut files = files_under(&root)?;
        files.sort();
        Ok(Bill { root, files })
    }

    /// Puts every file into a bucket, which is made.
    pub fn upload(&self, gateway: &Gateway, bucket: &str) -> Result<()> {
        gateway.create_bucket(bucket)?;
        for object in self.objects() {
            let (key, bytes) = object?;
            gateway.put(bucket, &key, bytes)?;
        }
        Ok(())
    }

    /// The data files as paths relative to the root.
    pub fn data_files(&self) -> Result<Vec<String>> {
        let data = self.files.iter().filter(|file| {
            file.extension()
                .is_some_and(|e| e == "parquet" || e == "gz")
        });
        data.map(|file| self.key(file)).collect()
    }

    /// The same under another root, such as `s3://bucket`.
    pub fn data_files_in(&self, root: &str) -> Result<Vec<String>> {
        let files = self.data_files()?.into_iter();
        Ok(files.map(|file| format!("{root}/{file}")).collect())
    }

    /// Every file as an object: its key and its bytes.
    pub fn objects(&self) -> impl Iterator<Item = Result<(String, Vec<u8>)>> {
        self.files
            .iter()
            .map(|file| Ok((self.key(file)?, std::fs::read(file)?)))
    }

    /// What the data files hold, in bytes.
    pub fn bytes(&self) -> Result<u64> {
        let mut sum = 0;
        for file in self.data_files()? {
            sum += self.root.join(file).metadata()?.len();
        }
        Ok(sum)
    }

    fn key(&self, file: &Path) -> Result<String> {
        Ok(file
            .strip_prefix(&self.root)?
            .to_string_lossy()
            .into_owned())
    }
}

fn thin_out(duckdb: &mut DuckDb, file: &Path, target: &Path) -> Result<()> {
    let kept = columns(duckdb, file)?.into_iter();
    let kept = kept.map(|(name, kind)| match kind.as_str() {
        "VARCHAR" => format!("nullif({name}, '') AS {name}"),
        "DOUBLE" => format!("nullif({name}, 0) AS {name}"),
        _ => name,
    });
    let kept = kept.collect::<Vec<_>>().join(", ");
    let (file, target) = (file.display(), target.display());
    duckdb.ask(&format!(
        "COPY (SELECT {kept} FROM '{file}') TO '{target}' (FORMAT parquet, COMPRESSION snappy)"
    ))?;
    Ok(())
}

fn write_csv(duckdb: &mut DuckDb, file: &Path, target: &Path) -> Result<()> {
    let kept = columns(duckdb, file)?.into_iter().take(CSV_COLUMNS);
    let kept = kept.map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let (file, target) = (file.display(), target.display());
    duckdb.ask(&format!(
        "COPY (SELECT {kept} FROM '{file}') TO '{target}'
           (FORMAT csv, HEADER, COMPRESSION gzip, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')"
    ))?;
    Ok(())
}

/// Names and types.
fn columns(duckdb: &mut DuckDb, file: &Path) -> Result<Vec<(String, String)>> {
    let described = duckdb.ask(&format!("DESCRIBE SELECT * FROM '{}'", file.display()))?;
    let columns = described.rows.into_iter().filter_map(|column| {
        let mut fields = column.into_iter().flatten();
        Some((fields.next()?, fields.next()?))
    });
    Ok(columns.collect())
}

/// Makes the months on all processors, beside the final place, so that what is there is complete.
fn make(rows: usize, months: u32, rows_a_file: usize, root: &Path) -> Result<()> {
    let report = Report {
        months,
        rows_per_month: rows,
        rows_per_file: rows_a_file,
        columns: Width::Wide,
        ..Report::press()
    };
    let unfinished = root.with_extension(format!("part-{}", std::process::id()));
    let next = AtomicU32::new(0);
    let work = || -> Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= months {
                return Ok(());
            }
            let (year, month) = month_after(report.first, n);
            bills::write_month(&report, year, month, 0, &unfinished)?;
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "making the bill panicked")?)
    })?;
    std::fs::rename(&unfinished, root)?;
    Ok(())
}

fn month_after((year, month): (i32, u32), n: u32) -> (i32, u32) {
    let months = month - 1 + n;
    (year + (months / 12) as i32, months % 12 + 1)
}

fn files_under(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_under(&path)?),
            false => files.push(path),
        }
    }
    Ok(files)
}
